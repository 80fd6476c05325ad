// The Langevin and Leimkuhler-Matthews steps: bits against the formula on single numbers, one hash
// everywhere, the stationary variance of a quadratic, supports, preconditioners, refusals.
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/support_math.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_math.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"
#include "wpg/transport/leimkuhler_matthews_math.hpp"

namespace {

using wpg::CloudShape;
using wpg::SupportKind;

template <class T>
wpg::LangevinParameters<T> parameters_of(const T& step_size, const T& temperature) {
  wpg::LangevinParameters<T> p;
  p.step_size = {&step_size, 0};
  p.temperature = {&temperature, 0};
  p.seed = 0xFEDCBA9876543210u;
  p.step = 77;
  return p;
}

template <class T>
wpg::Support<T> support_of(SupportKind kind, std::int64_t dimension) {
  std::vector<T> low, high;
  for (std::int64_t d = 0; d < dimension; ++d) {
    low.push_back(T(-1) - T(0.01) * static_cast<T>(d % 5));
    high.push_back(T(0.7) + T(0.03) * static_cast<T>(d % 7));
  }
  if (kind == SupportKind::unbounded) return wpg::Support<T>::unbounded();
  if (kind == SupportKind::torus) return wpg::Support<T>::torus(high.data(), dimension);
  return wpg::Support<T>::box(low.data(), high.data(), dimension, kind);
}

/// Is it the Leimkuhler-Matthews step?
using Averaged = bool;

template <class T>
void step_once(Averaged averaged, T* out, const T* particles, const T* drift,
               const CloudShape& shape, const wpg::LangevinParameters<T>& p,
               const wpg::Support<T>& support) {
  (averaged ? wpg::leimkuhler_matthews<T> : wpg::langevin<T>)(out, particles, drift, shape, p,
                                                              support);
}

/// The step of one coordinate on the line of a squashed box.
template <class T>
T squashed_step(const wpg::Support<T>& support, T a, T drift, T xi, T step_size, T temperature,
                std::int64_t coordinate) {
  const auto d = static_cast<std::size_t>(coordinate);
  const T inside = wpg::clamp<T>(a, support.least[d], support.most[d]);
  const T below = inside - support.low[d], above = support.high[d] - inside;
  const T width = support.period[d] / 2, inverse = support.inverse_period[d] * 2;
  const bool tanh = support.kind == SupportKind::box_tanh;
  const auto point = tanh ? wpg::tanh_point<T>(below, above, inverse)
                          : wpg::probit_point<T>(below, above, width, inverse);
  const T y =
      wpg::langevin_move<T>(point.y, wpg::line_drift<T>(drift, point, temperature), xi, step_size,
                            wpg::langevin_noise_scale<T>(step_size, temperature));
  if (y == point.y) return inside;
  const T away =
      tanh ? wpg::tanh_wall_distance<T>(y, width) : wpg::probit_wall_distance<T>(y, width);
  return wpg::action_by_distance<T>(y, away, support.low[d], support.high[d], support.least[d],
                                    support.most[d]);
}

template <class T>
T scalar_fold(const wpg::Support<T>& support, T x, std::int64_t coordinate) {
  const auto d = static_cast<std::size_t>(coordinate);
  switch (support.kind) {
    case SupportKind::box_reflect:
      return wpg::reflect<T>(x, support.low[d], support.high[d], support.period[d],
                             support.inverse_period[d]);
    case SupportKind::box_clip:
      return wpg::clamp<T>(x, support.low[d], support.high[d]);
    case SupportKind::torus:
      return wpg::wrap<T>(x, support.period[d], support.inverse_period[d]);
    default:
      return x;
  }
}

template <class T>
void check_bits(Averaged averaged) {
  const std::int64_t shapes[][3] = {{5, 7, 1},    {3, 1, 2},   {2, 9, 3},
                                    {1, 1001, 6}, {300, 3, 2}, {2, 33, 17},
                                    {2, 6, 300},  {700, 1, 1}, {40, 64, 8}};
  for (const SupportKind kind :
       {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::box_clip,
        SupportKind::box_tanh, SupportKind::box_probit, SupportKind::torus}) {
    for (const auto& [S, N, D] : shapes) {
      const CloudShape shape{S, N, D};
      if (averaged && shape.size() > 7000) continue;
      const wpg::Support<T> support = support_of<T>(kind, D);
      std::vector<T> particles = numbers<T>(shape.size(), 1);
      std::vector<T> drift = numbers<T>(shape.size(), 2);
      for (std::size_t i = 0; i < drift.size(); i += 11) drift[i] *= T(300);  // far excursions
      std::vector<T> step_size = numbers<T>(S, 3), temperature = numbers<T>(S, 4);
      for (T& x : step_size) x = T(0.1) + T(0.05) * x;
      for (T& x : temperature) x = kind == SupportKind::box_clip ? T(0) : T(0.6) + T(0.5) * x;
      wpg::LangevinParameters<T> p;
      p.step_size = {step_size.data(), 1};
      p.temperature = {temperature.data(), 1};
      p.seed = 0xFEDCBA9876543210u;
      p.step = 77;
      const auto move = [&] {
        std::vector<T> out(particles.size());
        step_once(averaged, out.data(), particles.data(), drift.data(), shape, p, support);
        return out;
      };
      same_everywhere(move);
      const std::vector<T> out = move();
      std::vector<T> in_place = particles;
      step_once(averaged, in_place.data(), in_place.data(), drift.data(), shape, p, support);
      CHECK_EQUAL(hash_of(in_place), hash_of(out));

      std::vector<T> noise(particles.size());
      const auto stream = averaged ? wpg::Stream::leimkuhler_matthews : wpg::Stream::langevin;
      wpg::standard_normal(noise.data(), shape, p.seed, stream, p.step);
      if (averaged) {
        std::vector<T> next(particles.size());
        wpg::standard_normal(next.data(), shape, p.seed, stream, p.step + 1);
        for (std::size_t i = 0; i < next.size(); ++i) {
          noise[i] = wpg::averaged_noise<T>(noise[i], next[i]);
        }
      }
      std::int64_t differ = 0, outside = 0;
      for (std::int64_t i = 0; i < shape.size(); ++i) {
        const auto e = static_cast<std::size_t>(i);
        const auto s = static_cast<std::size_t>(i / (N * D));
        const T x =
            wpg::langevin_move<T>(particles[e], drift[e], noise[e], step_size[s],
                                  wpg::langevin_noise_scale<T>(step_size[s], temperature[s]));
        const T want = wpg::is_squashed(kind)
                           ? squashed_step(support, particles[e], drift[e], noise[e], step_size[s],
                                           temperature[s], i % D)
                           : scalar_fold(support, x, i % D);
        differ += !(out[e] == want);
        if (kind != SupportKind::unbounded) {
          const auto d = static_cast<std::size_t>(i % D);
          outside += !(support.low[d] <= out[e] && out[e] <= support.high[d]);
        }
      }
      CHECK_EQUAL(differ, 0);
      CHECK_EQUAL(outside, 0);
    }
  }
}

/// fold(x) = low + min(y, 2 L - y), y = (x - low) mod 2 L, in long double. The routine's y carries
/// one rounding of the product with the period, which is as large as x: an error of 4 u |x| in all.
template <class T>
void check_far_excursions() {
  const T low = T(-0.3), high = T(0.9), u = std::numeric_limits<T>::epsilon() / 2;
  const wpg::Support<T> box = wpg::Support<T>::box(&low, &high, 1, SupportKind::box_reflect);
  const T period = box.period[0];
  const wpg::Support<T> torus = wpg::Support<T>::torus(&high, 1);
  for (const T size : {T(1), T(30), T(1e4), T(1e6)}) {
    for (const T unit : numbers<T>(2000, 5)) {
      const T x = unit * size;
      const T inside = scalar_fold(box, x, 0);
      const long double away = static_cast<long double>(x) - low;
      const long double y = away - std::floor(away / period) * period;
      const long double want = low + std::min(y, period - y);
      CHECK_AT_MOST(std::fabs(static_cast<long double>(inside) - want), 4 * u * (std::fabs(x) + 1));
      if (low <= x && x <= high) CHECK_EQUAL(inside, x);
      const T wrapped = scalar_fold(torus, x, 0);
      const long double turn = x - std::floor(static_cast<long double>(x) / high) * high;
      const long double apart = std::fabs(static_cast<long double>(wrapped) - turn);
      CHECK_AT_MOST(std::min(apart, high - apart), 4 * u * (std::fabs(x) + 1));
      CHECK(wrapped >= 0 && wrapped < high);
    }
  }
  // So far that every digit is lost: still inside.
  for (const T x : {T(1e12), T(-1e12), T(1e25), T(-1e25), T(123456789.0e10), T(-7.77e21)}) {
    const T inside = scalar_fold(box, x, 0), wrapped = scalar_fold(torus, x, 0);
    CHECK(low <= inside && inside <= high);
    CHECK(wrapped >= 0 && wrapped < high);
  }
}

template <class T>
void check_not_finite() {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const T bad[3] = {std::numeric_limits<T>::quiet_NaN(), kInfinity, -kInfinity};
  for (const SupportKind kind :
       {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::box_clip,
        SupportKind::box_tanh, SupportKind::box_probit, SupportKind::torus}) {
    const CloudShape shape{2, 37, 3};
    const T step_size = T(0.1), temperature = T(0);
    const auto p = parameters_of(step_size, temperature);
    const auto support = support_of<T>(kind, 3);
    const std::vector<T> particles(222, T(0.25));
    std::vector<T> drift(222, T(1)), clean(222), out(222);
    wpg::langevin(clean.data(), particles.data(), drift.data(), shape, p, support);
    for (std::size_t i = 0; i < 3; ++i) drift[17 + 40 * i] = bad[i];
    wpg::langevin(out.data(), particles.data(), drift.data(), shape, p, support);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool hit = i == 17 || i == 57 || i == 97;
      CHECK(hit ? std::isnan(out[i]) : out[i] == clean[i]);
    }
  }
}

/// Q = -m a^2 / 2 on R: the step keeps N(0, temperature / (m (1 - step_size m / 2))). From zero the
/// variance is that times 1 - (1 - step_size m)^(2 k) after k steps: 1e-11 for k = 17 below.
void check_stationary_variance() {
  const double m = 1.3, step_size = 0.4, temperature = 0.5;
  const CloudShape shape{100000, 1, 1};
  std::vector<double> a(100000, 0.0), drift(100000);
  auto p = parameters_of(step_size, temperature);
  for (p.step = 0; p.step < 17; ++p.step) {
    for (std::size_t i = 0; i < a.size(); ++i) drift[i] = -m * a[i];
    wpg::langevin(a.data(), a.data(), drift.data(), shape, p, wpg::Support<double>::unbounded());
  }
  double sum = 0;
  for (const double x : a) sum += x * x;
  const double found = sum / 1e5, n = 1e5;
  // Laurent and Massart 2000: wrong alarm once in 1e9 runs at most.
  const double t = std::log(2e9);
  const double discrete = temperature / (m * (1 - step_size * m / 2)), limit = temperature / m;
  CHECK_AT_MOST(found / discrete, 1 + 2 * std::sqrt(t / n) + 2 * t / n);
  CHECK_AT_MOST(1 - 2 * std::sqrt(t / n), found / discrete);
  CHECK(found / limit > 1.3);  // the law of the continuous equation is noticed to be another one
}

template <class T>
void check_preconditioner() {
  const CloudShape shape{3, 11, 2};
  const T step_size = T(0.2), temperature = T(0.7);
  auto p = parameters_of(step_size, temperature);
  const std::vector<T> particles = numbers<T>(66, 6), drift = numbers<T>(66, 7);
  std::vector<T> noise(66), out(66);
  wpg::standard_normal(noise.data(), shape, p.seed, wpg::Stream::langevin, p.step);
  const T matrix[4] = {T(1.44), T(0.6), T(0.6), T(1.25)};  // L = (1.2, 0; 0.5, 1)
  const T root[4] = {T(1.2), 0, T(0.5), T(1)};
  p.preconditioner = {wpg::Preconditioner<T>::Kind::full, matrix, root, 0};
  const auto move = [&] {
    wpg::langevin(out.data(), particles.data(), drift.data(), shape, p,
                  wpg::Support<T>::unbounded());
    return out;
  };
  same_everywhere(move);
  move();
  const T sd = std::sqrt(2 * step_size * temperature), u = std::numeric_limits<T>::epsilon() / 2;
  for (std::size_t i = 0; i < 66; i += 2) {
    const T want0 = particles[i] + step_size * (matrix[0] * drift[i] + matrix[1] * drift[i + 1]) +
                    sd * (root[0] * noise[i]);
    const T want1 = particles[i + 1] +
                    step_size * (matrix[2] * drift[i] + matrix[3] * drift[i + 1]) +
                    sd * (root[2] * noise[i] + root[3] * noise[i + 1]);
    // Eight roundings of terms that sum to less than 6.
    CHECK_AT_MOST(std::fabs(out[i] - want0), 48 * u);
    CHECK_AT_MOST(std::fabs(out[i + 1] - want1), 48 * u);
  }
  const T diagonal[2] = {T(2), T(0.5)};
  p.preconditioner = {wpg::Preconditioner<T>::Kind::diagonal, diagonal, nullptr, 0};
  same_everywhere(move);
  move();
  for (std::size_t i = 0; i < 66; ++i) {
    const T want = particles[i] + step_size * diagonal[i % 2] * drift[i] +
                   sd * std::sqrt(diagonal[i % 2]) * noise[i];
    CHECK_AT_MOST(std::fabs(out[i] - want), 48 * u);
  }
}

template <class T>
void check_refusals() {
  const T good = T(0.1), zero = T(0), negative = T(-1);
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const std::vector<T> particles(6, T(0.5)), drift(6, T(1));
  std::vector<T> out(8, T(9));
  const auto home = wpg::Support<T>::unbounded();
  const CloudShape shape{2, 3, 1};
  const auto run = [&](const wpg::LangevinParameters<T>& p, const wpg::Support<T>& support) {
    wpg::langevin(out.data(), particles.data(), drift.data(), shape, p, support);
  };
  for (const T& bad : {negative, nan, inf}) {
    CHECK_REFUSED(run(parameters_of(bad, good), home), "step_size");
    CHECK_REFUSED(run(parameters_of(good, bad), home), "temperature");
    const T each[2] = {good, bad};
    auto p = parameters_of(good, good);
    p.temperature = {each, 1};
    CHECK_REFUSED(run(p, home), "temperature[1]");
  }
  auto late = parameters_of(good, good);
  late.step = wpg::kMostSteps;
  CHECK_REFUSED(run(late, home), "step");
  CHECK_REFUSED(run(parameters_of(good, good), support_of<T>(SupportKind::box_reflect, 2)),
                "support");
  CHECK_REFUSED(run(parameters_of(good, good), support_of<T>(SupportKind::box_clip, 1)), "clip");
  run(parameters_of(good, zero), support_of<T>(SupportKind::box_clip, 1));  // without entropy: fine
  out.assign(8, T(9));
  const T ends[4] = {T(1), T(1), inf, nan};
  CHECK_REFUSED(wpg::Support<T>::box(&ends[0], &ends[1], 1, SupportKind::box_reflect), "low");
  CHECK_REFUSED(wpg::Support<T>::box(&ends[0], &ends[2], 1, SupportKind::box_reflect), "high");
  CHECK_REFUSED(wpg::Support<T>::box(&ends[3], &ends[0], 1, SupportKind::box_reflect), "low");
  for (const T* period : {&zero, &negative, &nan, &inf}) {
    CHECK_REFUSED(wpg::Support<T>::torus(period, 1), "period");
  }
  const auto fine = parameters_of(good, good);
  std::vector<T> overlapping(8, T(9));
  CHECK_REFUSED(
      wpg::langevin(overlapping.data() + 1, overlapping.data(), drift.data(), shape, fine, home),
      "overlaps particles");
  CHECK_REFUSED(wpg::langevin(overlapping.data(), particles.data(), overlapping.data() + 2, shape,
                              fine, home),
                "overlaps drift");
  CHECK(out == std::vector<T>(8, T(9)) && overlapping == std::vector<T>(8, T(9)));
}

}  // namespace

int main() {
  for (const bool averaged : {false, true}) {
    check_bits<float>(averaged);
    check_bits<double>(averaged);
  }
  check_far_excursions<float>();
  check_far_excursions<double>();
  check_not_finite<float>();
  check_not_finite<double>();
  check_stationary_variance();
  check_preconditioner<float>();
  check_preconditioner<double>();
  check_refusals<float>();
  check_refusals<double>();
  return result();
}
