// Clouds whose particles look at each other: for bench_svgd.cpp and its siblings.
#pragma once

#include <functional>
#include <memory>

#include "cases.hpp"
#include "problem.hpp"

namespace wpg::bench {

/// One pair of particles of the naive sum: k_ij and a_i - a_j.
struct Pair {
  std::int64_t i, j;
  double kernel;
  const double* away;
};

struct PairProblem {
  CloudShape shape;
  float bandwidth, temperature = 0.5f;
  Floats particles, drift, out;

  PairProblem(const CloudShape& shape_, float bandwidth_)
      : shape(shape_),
        bandwidth(bandwidth_),
        particles(uniform(shape.size(), 1)),
        drift(normals(shape.size(), 2)),
        out(at(shape.size())) {}

  /// Calls visit(pair) for all N^2 pairs of the first state, in double.
  template <class Visit>
  void each_pair(const Visit& visit) const {
    std::vector<double> away(at(shape.dimension));
    for (std::int64_t i = 0; i < shape.particles; ++i) {
      for (std::int64_t j = 0; j < shape.particles; ++j) {
        double square = 0;
        for (std::int64_t d = 0; d < shape.dimension; ++d) {
          away[at(d)] = static_cast<double>(particles[at(i * shape.dimension + d)]) -
                        particles[at(j * shape.dimension + d)];
          square += away[at(d)] * away[at(d)];
        }
        const double l = bandwidth;
        visit(Pair{i, j, std::exp(-square / (2 * l * l)), away.data()});
      }
    }
  }

  /// S_i of the first state.
  std::vector<double> kernel_sums() const {
    std::vector<double> sums(at(shape.particles), 0.0);
    each_pair([&](const Pair& pair) { sums[at(pair.i)] += pair.kernel; });
    return sums;
  }

  /// The first state against `drift_part` drift_id + sum_j term(pair, d). The headers bound the
  /// error by u (2 N + 4 (D + 4) x + 24) sum_j |terms|, in which r, the farthest particle, stands
  /// beside |a_id - a_jd|. Here that makes the largest sum of |terms| at most four times larger.
  template <class Term>
  Answer check(double drift_part, const Term& term) const {
    const std::int64_t D = shape.dimension;
    std::vector<double> sum(at(shape.per_state())), magnitude(at(shape.per_state()));
    for (std::size_t e = 0; e < sum.size(); ++e) {
      sum[e] = drift_part * drift[e];
      magnitude[e] = std::fabs(sum[e]);
    }
    each_pair([&](const Pair& pair) {
      for (std::int64_t d = 0; d < D; ++d) {
        const double value = term(pair, d);
        sum[at(pair.i * D + d)] += value;
        magnitude[at(pair.i * D + d)] += std::fabs(value);
      }
    });
    double worst = 0, largest = 0;
    for (std::size_t e = 0; e < sum.size(); ++e) {
      worst = std::fmax(worst, std::fabs(sum[e] - out[e]));
      largest = std::fmax(largest, magnitude[e]);
    }
    const auto n = static_cast<double>(shape.particles), width = static_cast<double>(D);
    const double x = 2 * width / (static_cast<double>(bandwidth) * bandwidth);
    return {worst, 4 * kUnitRoundoff * (2 * n + 4 * (width + 4) * x + 24) * largest};
  }
};

/// A case over pairs: every array of (S, N, D) once, `flops` for each of the S N^2 ordered pairs.
inline void add_pairs(Cases& cases, const std::string& routine, const CloudShape& shape,
                      float bandwidth, double arrays, double flops, void (*call)(PairProblem&),
                      Answer (*check)(const PairProblem&)) {
  cases.push_back({routine + "/" + text_of(shape), [=] {
                     const auto p = std::make_shared<PairProblem>(shape, bandwidth);
                     const auto size = static_cast<double>(shape.size());
                     const double pairs = static_cast<double>(shape.states * shape.particles) *
                                          static_cast<double>(shape.particles);
                     return Ready{{"pair", pairs, 4 * arrays * size, flops * pairs},
                                  [=] { call(*p); },
                                  [=] { return check(*p); }};
                   }});
}

}  // namespace wpg::bench
