// Clouds for the routines over pairs on a device, and loops in double (long double for what is
// computed in double) with the errors that the CPU's headers state.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "device.hpp"
#include "hash.hpp"

namespace pair_cases {

using wpg::CloudShape;
using Long = long double;

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
struct Case {
  CloudShape shape;
  std::vector<T> particles, drift, temperature, bandwidth;
};

/// Clouds of every kind, one a state: round, far from the origin, in clusters, with one particle
/// far away, with equal particles; bandwidths from a tenth of their size to ten times that.
template <class T>
Case<T> draw(std::mt19937_64& random, const CloudShape& shape) {
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  const auto normal = [&] {
    return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform());
  };
  Case<T> c{shape, {}, {}, {}, {}};
  const std::int64_t N = shape.particles, D = shape.dimension;
  for (std::int64_t s = 0; s < shape.states; ++s) {
    const double offset = uniform() < 0.3 ? 100 : 0;
    const double clusters = uniform() < 0.3 ? 20 : 0, size = std::pow(10.0, 4 * uniform() - 2);
    const std::size_t first = c.particles.size();
    for (std::int64_t i = 0; i < N; ++i) {
      const double center = clusters * std::floor(3 * uniform()) + offset;
      for (std::int64_t d = 0; d < D; ++d) {
        c.particles.push_back(static_cast<T>(size * (center + normal())));
        c.drift.push_back(static_cast<T>(normal() * std::pow(10.0, 2 * uniform() - 1)));
      }
    }
    const auto any = [&] {
      return first + at(D * static_cast<std::int64_t>(uniform() * static_cast<double>(N)));
    };
    if (uniform() < 0.2) c.particles[any()] += static_cast<T>(1e6 * size);
    if (uniform() < 0.3) {
      const std::size_t from = any(), to = any();
      for (std::size_t d = 0; d < at(D); ++d) c.particles[to + d] = c.particles[from + d];
    }
    c.temperature.push_back(uniform() < 0.1 ? T(0)
                                            : static_cast<T>(std::pow(10.0, 2 * uniform() - 1)));
    c.bandwidth.push_back(static_cast<T>(size * std::pow(10.0, 2 * uniform() - 1)));
  }
  return c;
}

/// The same numbers for all devices, in bandwidths of 1/2 and more.
template <class T>
Case<T> plain(const CloudShape& shape) {
  Case<T> c{shape, numbers<T>(shape.size(), 1), numbers<T>(shape.size(), 2), {}, {}};
  for (std::int64_t s = 0; s < shape.states; ++s) {
    c.temperature.push_back(T(0.5) + static_cast<T>(s % 3));
    c.bandwidth.push_back(T(0.5) + static_cast<T>(s % 5) / 4);
  }
  return c;
}

/// What the loops say of particle i of a state, and what the headers allow.
struct Row {
  std::vector<Long> svgd, blob, score, svgd_error, blob_error, score_error;
  Long log_sum, log_sum_error;
};

/// The sums of one state; rows are made one by one, since tests look at some of many.
template <class T>
class Loops {
 public:
  Loops(const Case<T>& c, std::int64_t state)
      : N_(c.shape.particles),
        D_(c.shape.dimension),
        a_(c.particles.data() + state * N_ * D_),
        g_(c.drift.data() + state * N_ * D_),
        tau_(c.temperature[at(state)]),
        l_(c.bandwidth[at(state)]),
        total_(at(N_), -1) {
    for (std::int64_t i = 0; i < N_; ++i) {
      for (std::int64_t j = 0; j < i; ++j) farthest_ = std::max(farthest_, square(i, j));
    }
  }

  Row row(std::int64_t i) {
    const Long u = std::numeric_limits<T>::epsilon() / 2;
    const Long n = static_cast<Long>(N_), dim = static_cast<Long>(D_);
    const Long most = sizeof(T) == 4 ? 88 : 700;
    const Long x = std::min(most, farthest_ / (2 * l_ * l_));
    const Long r = std::min(std::sqrt(farthest_), 14 * l_);
    const auto count = at(D_);
    Row out{std::vector<Long>(count),
            std::vector<Long>(count),
            std::vector<Long>(count),
            std::vector<Long>(count),
            std::vector<Long>(count),
            std::vector<Long>(count),
            0,
            0};
    const Long own = total(i);
    for (std::int64_t j = 0; j < N_; ++j) {
      const Long k = kernel(i, j);
      if (k == 0) continue;
      const Long both = 1 / own + 1 / total(j);
      for (std::int64_t d = 0; d < D_; ++d) {
        const Long away = static_cast<Long>(a_[i * D_ + d]) - a_[j * D_ + d];
        const Long slope = -k * away / (l_ * l_), reach = k * (std::fabs(away) + r) / (l_ * l_);
        const Long drift = g_[j * D_ + d];
        out.svgd[at(d)] += (k * drift - tau_ * slope) / n;
        out.svgd_error[at(d)] += (k * std::fabs(drift) + tau_ * reach) / n;
        out.blob[at(d)] -= tau_ * slope * both;
        out.blob_error[at(d)] += tau_ * reach * both;
        out.score[at(d)] += slope / own;
        out.score_error[at(d)] += reach / own;
      }
    }
    for (std::int64_t d = 0; d < D_; ++d) {
      const Long drift = g_[i * D_ + d];
      out.blob[at(d)] += drift;
      out.blob_error[at(d)] += std::fabs(drift);
      out.svgd_error[at(d)] *= u * (n + 2 * (dim + 4) * x + 16);
      out.blob_error[at(d)] *= u * (2 * n + 4 * (dim + 4) * x + 24);
      out.score_error[at(d)] *= u * (2 * n + 4 * (dim + 4) * x + 24);
    }
    out.log_sum = std::log(own / n);
    out.log_sum_error = u * (n + 2 * (dim + 4) * x + 8 + 2 * std::fabs(out.log_sum));
    return out;
  }

 private:
  Long square(std::int64_t i, std::int64_t j) const {
    Long sum = 0;
    for (std::int64_t d = 0; d < D_; ++d) {
      const Long away = static_cast<Long>(a_[i * D_ + d]) - a_[j * D_ + d];
      sum += away * away;
    }
    return sum;
  }
  Long kernel(std::int64_t i, std::int64_t j) const {
    const Long exponent = -square(i, j) / (2 * l_ * l_);
    return exponent < -800 ? 0 : std::exp(exponent);
  }
  Long total(std::int64_t i) {
    Long& sum = total_[at(i)];
    if (sum < 0) {
      sum = 0;
      for (std::int64_t j = 0; j < N_; ++j) sum += kernel(i, j);
    }
    return sum;
  }

  std::int64_t N_, D_;
  const T* a_;
  const T* g_;
  Long tau_, l_, farthest_ = 0;
  std::vector<Long> total_;
};

/// The largest share of the allowed errors that was used.
template <class T>
Long share(const T* found, const std::vector<Long>& want, const std::vector<Long>& allowed) {
  Long most = 0;
  for (std::size_t e = 0; e < want.size(); ++e) {
    const Long error = std::fabs(static_cast<Long>(found[e]) - want[e]);
    // Below the smallest normal number nothing is promised.
    const Long used = error / (allowed[e] + std::numeric_limits<T>::min());
    most = used >= 0 ? std::max(most, used) : std::numeric_limits<Long>::infinity();
  }
  return most;
}

/// Every way in which the kernels share out a state: D of each kernel, padded and wide; several
/// states a block, slices of odd sizes, more particles than a tile, states that are split.
inline std::vector<CloudShape> shapes() {
  std::vector<CloudShape> out;
  for (const std::int64_t D : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 40, 70}) {
    out.push_back({5, 7, D});
    out.push_back({2, 37, D});
  }
  for (const std::int64_t D : {1, 6, 17}) {
    out.push_back({3, 1, D});
    out.push_back({300, 2, D});
  }
  out.push_back({600, 13, 2});  // three states a block
  out.push_back({258, 32, 3});
  out.push_back({300, 40, 1});  // states that are not split
  out.push_back({1, 530, 3});
  out.push_back({1, 300, 12});
  return out;
}

/// Some rows of a state, if there are many.
inline std::int64_t row_step(const CloudShape& shape) {
  return 1 + shape.states * shape.particles * shape.particles * shape.dimension / 200000;
}

}  // namespace pair_cases
