// The routines over pairs of particles - Stein and blob velocities, the score of a kernel density,
// the Stein discrepancy - against loops in long double within their stated errors; limits, extreme
// lengths, NaN, states that are split, bits over threads, refusals.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "hash.hpp"
#include "wpg/base/exponential_math.hpp"
#include "wpg/density/kde.hpp"
#include "wpg/density/stein_discrepancy.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/svgd.hpp"

namespace {

using wpg::CloudShape;
using Long = long double;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
struct Case {
  CloudShape shape;
  std::vector<T> particles, drift, temperature, bandwidth;

  std::vector<T> svgd() const { return velocity(wpg::svgd_velocity<T>); }
  std::vector<T> blob() const { return velocity(wpg::blob_velocity<T>); }
  std::vector<T> score() const {
    std::vector<T> out(particles.size());
    wpg::kde_score(out.data(), particles.data(), shape, {bandwidth.data(), 1});
    return out;
  }
  std::vector<T> discrepancy() const {
    std::vector<T> out(at(shape.states));
    std::vector<T> warm = temperature;
    for (T& tau : warm) tau = std::max(tau, T(0.125));
    wpg::kernel_stein_discrepancy(out.data(), particles.data(), drift.data(), shape,
                                  {warm.data(), 1}, {bandwidth.data(), 1});
    return out;
  }

 private:
  template <class F>
  std::vector<T> velocity(F routine) const {
    std::vector<T> out(particles.size());
    routine(out.data(), particles.data(), drift.data(), shape, {temperature.data(), 1},
            {bandwidth.data(), 1});
    return out;
  }
};

/// Clouds of every kind: round, far from the origin, in clusters, with one particle far away, with
/// equal particles; bandwidths from a hundredth of their size to ten times that.
template <class T>
Case<T> draw(std::mt19937_64& random, std::int64_t most) {
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  const auto normal = [&] {
    return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform());
  };
  const auto whole = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(uniform() * static_cast<double>(high - low + 1));
  };
  Case<T> c;
  c.shape = {
      1,
      whole(1, most),
      whole(1, 9),
  };
  if (uniform() < 0.1) c.shape.dimension = whole(10, 20);
  const std::int64_t N = c.shape.particles, D = c.shape.dimension;
  const double offset = uniform() < 0.3 ? 100 : 0, clusters = uniform() < 0.3 ? 20 : 0;
  const double size = std::pow(10.0, 4 * uniform() - 2);
  for (std::int64_t i = 0; i < N; ++i) {
    const double center = clusters * static_cast<double>(whole(0, 2)) + offset;
    for (std::int64_t d = 0; d < D; ++d) {
      c.particles.push_back(static_cast<T>(size * (center + normal())));
      c.drift.push_back(static_cast<T>(normal() * std::pow(10.0, 2 * uniform() - 1)));
    }
  }
  if (uniform() < 0.2) c.particles[at(whole(0, N * D - 1))] += static_cast<T>(1e6 * size);
  if (uniform() < 0.2) {
    const std::int64_t from = whole(0, N - 1), to = whole(0, N - 1);
    for (std::int64_t d = 0; d < D; ++d)
      c.particles[at(to * D + d)] = c.particles[at(from * D + d)];
  }
  c.temperature = {uniform() < 0.1 ? T(0) : static_cast<T>(std::pow(10.0, 2 * uniform() - 1))};
  c.bandwidth = {static_cast<T>(size * std::pow(10.0, 3 * uniform() - 2))};
  return c;
}

/// What the loops say of a state, and what the headers allow.
struct Answer {
  std::vector<Long> svgd, blob, score, svgd_error, blob_error, score_error;
  Long square, square_error;
};

template <class T>
Answer naive(const Case<T>& c, std::int64_t s) {
  const std::int64_t N = c.shape.particles, D = c.shape.dimension;
  const T* const a = c.particles.data() + s * N * D;
  const T* const g = c.drift.data() + s * N * D;
  const Long u = std::numeric_limits<T>::epsilon() / 2, tau = c.temperature[at(s)];
  const Long warm = std::max(c.temperature[at(s)], T(0.125));
  const Long l = c.bandwidth[at(s)], n = static_cast<Long>(N), dim = static_cast<Long>(D);
  std::vector<Long> kernel(at(N * N)), squares(at(N * N)), total(at(N), 0);
  Long farthest = 0;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < N; ++j) {
      Long square = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        const Long away = static_cast<Long>(a[i * D + d]) - a[j * D + d];
        square += away * away;
      }
      farthest = std::max(farthest, square);
      squares[at(i * N + j)] = square;
      kernel[at(i * N + j)] = std::exp(-square / (2 * l * l));
      total[at(i)] += kernel[at(i * N + j)];
    }
  }
  const Long most = sizeof(T) == 4 ? 88 : 700;
  const Long x = std::min(most, farthest / (2 * l * l)), r = std::min(std::sqrt(farthest), 14 * l);
  const auto count = at(N * D);
  Answer answer{std::vector<Long>(count),
                std::vector<Long>(count),
                std::vector<Long>(count),
                std::vector<Long>(count),
                std::vector<Long>(count),
                std::vector<Long>(count),
                0,
                0};
  Long size = 0;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t d = 0; d < D; ++d) {
      Long svgd = 0, blob = 0, score = 0, svgd_size = 0, blob_size = 0, score_size = 0;
      for (std::int64_t j = 0; j < N; ++j) {
        const Long k = kernel[at(i * N + j)];
        const Long away = static_cast<Long>(a[i * D + d]) - a[j * D + d];
        const Long slope = -k * away / (l * l);  // of k in a_i
        const Long reach = k * (std::fabs(away) + r) / (l * l);
        const Long both = 1 / total[at(i)] + 1 / total[at(j)];
        const Long own = g[i * D + d], other = g[j * D + d];
        svgd += (k * other - tau * slope) / n;
        svgd_size += (k * std::fabs(other) + tau * reach) / n;
        blob += slope * both;
        blob_size += reach * both;
        score += slope / total[at(i)];
        score_size += reach / total[at(i)];
        answer.square += k * own / warm * other / warm - 2 * own / warm * slope +
                         (d == 0 ? k * (dim - squares[at(i * N + j)] / (l * l)) / (l * l) : 0);
        size += k * std::fabs(own / warm * other / warm) + 2 * std::fabs(own / warm) * reach +
                k * (1 + away * away / (l * l)) / (l * l);
      }
      const auto e = at(i * D + d);
      answer.svgd[e] = svgd;
      answer.svgd_error[e] = u * (n + 2 * (dim + 4) * x + 16) * svgd_size;
      answer.blob[e] = g[i * D + d] - tau * blob;
      answer.blob_error[e] = u * (2 * n + 4 * (dim + 4) * x + 24) *
                             (std::fabs(static_cast<Long>(g[i * D + d])) + tau * blob_size);
      answer.score[e] = score;
      answer.score_error[e] = u * (2 * n + 4 * (dim + 4) * x + 24) * score_size;
    }
  }
  answer.square /= n * n;
  answer.square_error = u * (2 * n + 4 * (dim + 4) * x + 32) * size / (n * n);
  return answer;
}

/// The largest share of the stated errors that was used.
struct Used {
  Long svgd = 0, blob = 0, score = 0, discrepancy = 0;
};

template <class T>
Long worst(const T* found, const std::vector<Long>& want, const std::vector<Long>& allowed) {
  Long most = 0;
  for (std::size_t e = 0; e < want.size(); ++e) {
    const Long error = std::fabs(static_cast<Long>(found[e]) - want[e]);
    // Below the smallest normal number nothing is promised.
    const Long share = error / (allowed[e] + std::numeric_limits<T>::min());
    most = share >= 0 ? std::max(most, share) : std::numeric_limits<Long>::infinity();
  }
  return most;
}

template <class T>
void check(const Case<T>& c, Used& used) {
  const auto svgd = c.svgd(), blob = c.blob(), score = c.score(), discrepancy = c.discrepancy();
  for (std::int64_t s = 0; s < c.shape.states; ++s) {
    const Answer answer = naive(c, s);
    const std::int64_t first = s * c.shape.per_state();
    used.svgd = std::max(used.svgd, worst(svgd.data() + first, answer.svgd, answer.svgd_error));
    used.blob = std::max(used.blob, worst(blob.data() + first, answer.blob, answer.blob_error));
    used.score =
        std::max(used.score, worst(score.data() + first, answer.score, answer.score_error));
    const Long found = discrepancy[at(s)], u = std::numeric_limits<T>::epsilon() / 2;
    const Long error = std::fabs(found * found - std::max(answer.square, 0.0L));
    // The result itself is rounded.
    used.discrepancy =
        std::max(used.discrepancy, (error - 4 * u * found * found) / answer.square_error);
  }
}

template <class T>
void check_stated_errors() {
  std::mt19937_64 random(sizeof(T));
  Used used;
  const auto isas = wpg::available_isas();
  for (std::size_t n = 0; n < 1000; ++n) {
    wpg::set_active_isa(wpg::isa_name(isas[n % isas.size()]));
    check(draw<T>(random, n % 10 == 0 ? 90 : 24), used);
  }
  CHECK_AT_MOST(used.svgd, 1);
  CHECK_AT_MOST(used.blob, 1);
  CHECK_AT_MOST(used.score, 1);
  CHECK_AT_MOST(used.discrepancy, 1);
  std::printf("%d bytes, share of the stated error: svgd %.2Lf blob %.2Lf score %.2Lf ksd %.2Lf\n",
              static_cast<int>(sizeof(T)), used.svgd, used.blob, used.score, used.discrepancy);
}

/// S states of N(0, I) in bandwidths of 1 and more.
template <class T>
Case<T> plain(std::int64_t S, std::int64_t N, std::int64_t D) {
  Case<T> c{{S, N, D}, numbers<T>(S * N * D, 1), numbers<T>(S * N * D, 2), {}, {}};
  for (std::int64_t s = 0; s < S; ++s) {
    c.temperature.push_back(T(0.5) + static_cast<T>(s % 3));
    c.bandwidth.push_back(T(0.5) + static_cast<T>(s % 5) / 4);
  }
  return c;
}

/// Few states of many particles are split: the same sums in another order.
template <class T>
void check_split_states() {
  for (const std::int64_t D : {1, 3}) {
    Used used;
    check(plain<T>(1, 523, D), used);
    for (const Long share : {used.svgd, used.blob, used.score, used.discrepancy}) {
      CHECK_AT_MOST(share, 1);
    }
  }
}

template <class T>
void check_limits() {
  for (const std::int64_t D : {1, 2, 3, 7}) {
    // One particle.
    Case<T> one = plain<T>(3, 1, D);
    CHECK(one.svgd() == one.drift);
    CHECK(one.blob() == one.drift);
    CHECK(one.score() == std::vector<T>(at(3 * D), T(0)));
    // Bandwidth 0, and one so small that it counts as 0.
    for (const T length :
         {T(0), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min()}) {
      Case<T> c = plain<T>(1, 5, D);
      c.bandwidth[0] = length;
      for (std::int64_t d = 0; d < D; ++d) c.particles[at(4 * D + d)] = c.particles[at(D + d)];
      const auto svgd = c.svgd();
      for (std::int64_t d = 0; d < D; ++d) {
        const T pair = c.drift[at(D + d)] + c.drift[at(4 * D + d)];
        CHECK_AT_MOST(std::fabs(svgd[at(d)] - c.drift[at(d)] / 5),
                      std::numeric_limits<T>::epsilon());
        CHECK_AT_MOST(std::fabs(svgd[at(D + d)] - pair / 5), std::numeric_limits<T>::epsilon());
      }
      CHECK(c.blob() == c.drift);
      CHECK(c.score() == std::vector<T>(c.particles.size(), T(0)));
      CHECK_EQUAL(c.discrepancy()[0], std::numeric_limits<T>::infinity());
    }
    // Lengths so far apart that their squares overflow: nobody meets anybody.
    Case<T> far = plain<T>(1, 4, D);
    far.bandwidth[0] = sizeof(T) == 4 ? T(1e-12) : T(1e-120);
    for (std::int64_t e = 0; e < 4 * D; ++e) {
      far.particles[at(e)] = static_cast<T>(e / D) * (std::numeric_limits<T>::max() / 8);
    }
    CHECK(far.blob() == far.drift);
    CHECK(far.score() == std::vector<T>(far.particles.size(), T(0)));
    for (std::int64_t e = 0; e < 4 * D; ++e) CHECK_EQUAL(far.svgd()[at(e)], far.drift[at(e)] / 4);
    // A bandwidth so large that all are one.
    Case<T> wide = plain<T>(1, 4, D);
    wide.bandwidth[0] = std::numeric_limits<T>::max() / 4;
    const auto mean = wide.svgd();
    for (std::int64_t d = 0; d < D; ++d) {
      Long sum = 0;
      for (std::int64_t i = 0; i < 4; ++i) sum += wide.drift[at(i * D + d)];
      CHECK_AT_MOST(std::fabs(mean[at(d)] - sum / 4), 8 * std::numeric_limits<T>::epsilon());
    }
  }
}

template <class T>
void check_not_a_number() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  for (const std::int64_t D : {2, 3}) {
    const Case<T> clean = plain<T>(4, 37, D);
    const auto svgd = clean.svgd(), blob = clean.blob(), score = clean.score();
    const auto discrepancy = clean.discrepancy();
    for (const T bad : {kNan, kInfinity, -kInfinity}) {
      Case<T> c = clean;
      c.particles[at(37 * D + 5)] = bad;      // state 1
      c.drift[at(2 * 37 * D + 4 * D)] = bad;  // state 2, particle 4, coordinate 0
      if (std::isnan(bad)) c.bandwidth[3] = bad;
      const auto new_svgd = c.svgd(), new_blob = c.blob(), new_score = c.score();
      for (std::int64_t e = 0; e < c.shape.size(); ++e) {
        const std::int64_t s = e / (37 * D), i = e / D % 37, d = e % D;
        const bool lost = s == 1 || (s == 3 && std::isnan(bad));
        const auto same = [&](T found, T was, bool gone) {
          CHECK(gone ? std::isnan(found) : found == was);
        };
        same(new_svgd[at(e)], svgd[at(e)], lost || (s == 2 && d == 0));
        same(new_blob[at(e)], blob[at(e)], lost || (s == 2 && d == 0 && i == 4));
        same(new_score[at(e)], score[at(e)], lost);
      }
      const auto found = c.discrepancy();
      CHECK_EQUAL(found[0], discrepancy[0]);
      CHECK(std::isnan(found[1]));
      CHECK(std::isnan(found[2]));
      CHECK(std::isnan(bad) ? std::isnan(found[3]) : found[3] == discrepancy[3]);
    }
  }
}

template <class T>
void check_bits() {
  for (const auto& c : {plain<T>(23, 45, 3), plain<T>(2, 601, 2), plain<T>(40, 17, 1)}) {
    for (const wpg::Isa isa : wpg::available_isas()) {
      wpg::set_active_isa(wpg::isa_name(isa));
      same_on_all_threads([&] { return c.svgd(); });
      same_on_all_threads([&] { return c.blob(); });
      same_on_all_threads([&] { return c.score(); });
      same_on_all_threads([&] { return c.discrepancy(); });
    }
  }
  // The result may take the place of an argument, also where states are split.
  for (const auto& c : {plain<T>(3, 45, 3), plain<T>(2, 601, 2)}) {
    const wpg::PerState<T> tau{c.temperature.data(), 1}, length{c.bandwidth.data(), 1};
    for (const auto routine : {wpg::svgd_velocity<T>, wpg::blob_velocity<T>}) {
      std::vector<T> want(c.drift.size()), drift = c.drift, particles = c.particles;
      routine(want.data(), particles.data(), drift.data(), c.shape, tau, length);
      routine(drift.data(), particles.data(), drift.data(), c.shape, tau, length);
      CHECK(drift == want);
      routine(particles.data(), particles.data(), c.drift.data(), c.shape, tau, length);
      CHECK(particles == want);
    }
    std::vector<T> particles = c.particles;
    wpg::kde_score(particles.data(), particles.data(), c.shape, length);
    CHECK(particles == c.score());
  }
}

template <class T>
void check_refusals() {
  Case<T> c = plain<T>(2, 3, 2);
  std::vector<T> out(12, T(9));
  const auto svgd = [&](const CloudShape& shape, std::vector<T> tau, std::vector<T> length) {
    wpg::svgd_velocity(out.data(), c.particles.data(), c.drift.data(), shape, {tau.data(), 1},
                       {length.data(), 1});
  };
  const T infinity = std::numeric_limits<T>::infinity();
  CHECK_REFUSED(svgd({2, 3, 0}, {1, 1}, {1, 1}), "D >= 1");
  CHECK_REFUSED(svgd({2, 3, 2}, {1, -1}, {1, 1}), "temperature[1]");
  CHECK_REFUSED(svgd({2, 3, 2}, {1, 1}, {-1, 1}), "bandwidth[0]");
  CHECK_REFUSED(svgd({2, 3, 2}, {1, 1}, {1, infinity}), "bandwidth[1]");
  const T one = 1, zero = 0;
  CHECK_REFUSED(wpg::blob_velocity(c.drift.data() + 1, c.particles.data(), c.drift.data(),
                                   {2, 3, 1}, {&one, 0}, {&one, 0}),
                "drift");
  CHECK_REFUSED(wpg::kde_score(out.data(), c.particles.data(), {2, 3, 2}, {&infinity, 0}),
                "bandwidth[0]");
  CHECK_REFUSED(wpg::kernel_stein_discrepancy(out.data(), c.particles.data(), c.drift.data(),
                                              {2, 3, 2}, {&zero, 0}, {&one, 0}),
                "temperature[0]");
  CHECK_REFUSED(wpg::kernel_stein_discrepancy(out.data(), c.particles.data(), c.drift.data(),
                                              {2, 0, 2}, {&one, 0}, {&one, 0}),
                "N = 0");
  svgd({0, 3, 2}, {}, {});
  svgd({2, 0, 2}, {1, 1}, {1, 1});
  CHECK(out == std::vector<T>(12, T(9)));
}

/// The guard at the lower end: exactly 0 from -127 (-1023) on, small before.
template <class T>
void check_power_of_two_or_zero() {
  const T zero = sizeof(T) == 4 ? T(-127) : T(-1023), least = sizeof(T) == 4 ? T(-125) : T(-1000);
  for (const T x : {zero, zero - 1, T(10) * zero, -std::numeric_limits<T>::infinity()}) {
    CHECK_EQUAL(wpg::power_of_two_or_zero<T>(x), T(0));
  }
  for (T x = zero; x < 0; x += T(0.0625)) {
    const Long want = std::exp2(static_cast<Long>(x));
    const Long error = std::fabs(wpg::power_of_two_or_zero<T>(x) - want);
    const Long relative = sizeof(T) == 4 ? 2.8e-7L : 4e-16L;
    CHECK_AT_MOST(error, x < least ? std::exp2(static_cast<Long>(least - 1)) : relative * want);
  }
}

template <class T>
void check_all() {
  check_power_of_two_or_zero<T>();
  check_stated_errors<T>();
  check_split_states<T>();
  check_limits<T>();
  check_not_a_number<T>();
  check_bits<T>();
  check_refusals<T>();
}

}  // namespace

int main() {
  check_all<float>();
  check_all<double>();
  return result();
}
