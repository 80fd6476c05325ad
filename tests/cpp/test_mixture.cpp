// Log-densities of mixtures against a loop over images in long double, on every instruction set;
// leaving one out; points far away; bits over threads; refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/base/support_math.hpp"
#include "wpg/density/mixture.hpp"
#include "wpg/density/mixture_math.hpp"

namespace {

using wpg::MixtureShape;
using wpg::Support;
using wpg::SupportKind;
using Long = long double;

constexpr Long kPi = 3.14159265358979323846264338327950288L;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// What the loop says, and X of the header's error bound.
struct Answer {
  Long log_density, x;
};

/// log sum of exp over all images and all means but `left_out`. An image that is missing is 15
/// standard deviations farther from the mean than the nearest: below exp(-15^2 / 2) = 1e-49 of it.
template <class T>
Answer naive(const T* point, const T* means, const MixtureShape& shape, Long deviation,
             const Support<T>& support, std::int64_t left_out) {
  const std::int64_t N = shape.means, D = shape.dimension;
  std::vector<Long> terms;
  Long nearest = std::numeric_limits<Long>::infinity();
  for (std::int64_t j = 0; j < N; ++j) {
    if (j == left_out) continue;
    Long term = 0, square = 0;
    for (std::int64_t d = 0; d < D; ++d) {
      Long x = point[d], m = means[j * D + d];
      Long closest = x - m, sum = 0;
      if (support.kind == SupportKind::unbounded) {
        sum = 1;
      } else {
        const Long low = support.low[at(d)], period = support.period[at(d)];
        const bool box = support.kind == SupportKind::box_reflect;
        x -= low;
        m = std::fmod(m - low, period);
        if (m < 0) m += period;
        if (box) m = std::min(m, period - m);
        const int most = static_cast<int>(std::min(1000.0L, 15 * deviation / period)) + 2;
        std::vector<Long> ways;
        for (int k = -most; k <= most; ++k) {
          ways.push_back(x + k * period - m);
          if (box) ways.push_back(k * period - x - m);
        }
        closest = ways[0];
        for (const Long way : ways) {
          if (std::fabs(way) < std::fabs(closest)) closest = way;
        }
        for (const Long way : ways) {
          sum += std::exp((closest * closest - way * way) / (2 * deviation * deviation));
        }
      }
      term += std::log(sum) - closest * closest / (2 * deviation * deviation);
      square += closest * closest / (deviation * deviation);
    }
    terms.push_back(term);
    nearest = std::min(nearest, square / 2);
  }
  const Long top = *std::max_element(terms.begin(), terms.end());
  Long sum = 0;
  for (const Long term : terms) sum += std::exp(term - top);
  const Long count = static_cast<Long>(terms.size());
  const Long scale = static_cast<Long>(D) * std::log(deviation * std::sqrt(2 * kPi));
  return {top + std::log(sum) - std::log(count) - scale, std::log(count) + nearest};
}

/// The header's bound.
template <class T>
Long stated_error(const Answer& answer, const MixtureShape& shape, Long deviation, Long largest) {
  const Long u = std::numeric_limits<T>::epsilon() / 2;
  const Long D = static_cast<Long>(shape.dimension), N = static_cast<Long>(shape.means);
  return u * (N + 10 * (D + 1) + (D + 14) * answer.x +
              4 * std::sqrt(2 * D * answer.x) * largest / deviation +
              4 * std::fabs(answer.log_density) + 4 * D * (1 + std::fabs(std::log(deviation))));
}

template <class T>
struct Problem {
  MixtureShape shape;
  std::vector<T> points, means, deviation;
  Support<T> support;
  Long largest = 0;

  /// Points inside the support, means up to a quarter of it outside. Coordinates have different
  /// widths, from 1 to 3.
  Problem(SupportKind kind, const MixtureShape& shape_, T std_) : shape(shape_) {
    const std::int64_t S = shape.states, K = shape.points, N = shape.means, D = shape.dimension;
    std::vector<T> low, high;
    for (std::int64_t d = 0; d < D; ++d) {
      low.push_back(kind == SupportKind::torus ? T(0) : T(-0.5) + static_cast<T>(d % 2));
      high.push_back(low.back() + T(1) + static_cast<T>(d % 3));
    }
    if (kind == SupportKind::box_reflect) {
      support = Support<T>::box(low.data(), high.data(), D, SupportKind::box_reflect);
    } else if (kind == SupportKind::torus) {
      support = Support<T>::torus(high.data(), D);
    }
    points = numbers<T>(S * K * D, 1);
    means = numbers<T>(S * N * D, 2);
    const auto place = [&](std::vector<T>& cloud, T reach, bool inside) {
      for (std::size_t e = 0; e < cloud.size(); ++e) {
        const std::size_t d = e % at(D);
        cloud[e] = low[d] + (high[d] - low[d]) * (T(0.5) + T(0.5) * reach * cloud[e]);
        if (inside) cloud[e] = wpg::clamp<T>(cloud[e], low[d], high[d]);
        largest =
            std::max({largest, std::fabs(static_cast<Long>(cloud[e])),
                      std::fabs(static_cast<Long>(low[d])), std::fabs(static_cast<Long>(high[d]))});
      }
    };
    place(points, T(1), true);
    place(means, T(1.5), false);
    for (std::int64_t s = 0; s < S; ++s) {
      deviation.push_back(std_ * (T(1) + static_cast<T>(s) / T(8)));
    }
  }

  wpg::PerState<T> each() const { return {deviation.data(), 1}; }

  void evaluate(T* all, T* others) const {
    wpg::mixture_log_density(all, others, points.data(), means.data(), shape, each(), support);
  }
};

/// Every entry against the loop; returns the worst ratio of error and bound.
template <class T>
Long check(const Problem<T>& p, bool leaves_out) {
  const std::int64_t K = p.shape.points;
  std::vector<T> all(at(p.shape.states * K)), others(leaves_out ? all.size() : 0), alone = others;
  p.evaluate(all.data(), leaves_out ? others.data() : nullptr);
  if (leaves_out) p.evaluate(nullptr, alone.data());
  CHECK(alone == others);
  Long worst = 0;
  for (std::int64_t i = 0; i < p.shape.states * K; ++i) {
    const std::int64_t s = i / K;
    const Long deviation = p.deviation[at(s)];
    for (int out = 0; out <= (leaves_out ? 1 : 0); ++out) {
      const Answer answer = naive(p.points.data() + i * p.shape.dimension,
                                  p.means.data() + s * p.shape.means * p.shape.dimension, p.shape,
                                  deviation, p.support, out == 1 ? i % K : -1);
      const Long allowed = stated_error<T>(answer, p.shape, deviation, p.largest);
      const Long error = std::fabs((out == 1 ? others : all)[at(i)] - answer.log_density);
      CHECK_AT_MOST(error, allowed);
      worst = std::max(worst, error / allowed);
    }
  }
  return worst;
}

template <class T>
void check_against_images() {
  Long worst = 0;
  const std::string before = wpg::isa_name(wpg::active_isa());
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    for (const auto kind : {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::torus}) {
      for (const double std : {0.003, 0.03, 0.1, 0.3, 0.45, 0.55, 1.2, 20.0}) {
        for (const std::int64_t D : {1, 2, 17}) {
          const auto deviation = static_cast<T>(std);
          worst = std::max(worst, check(Problem<T>(kind, {3, 5, 23, D}, deviation), false));
          worst = std::max(worst, check(Problem<T>(kind, {2, 9, 9, D}, deviation), true));
        }
      }
      for (const std::int64_t N : {1, 2, 7, 8, 16, 33}) {
        worst = std::max(worst, check(Problem<T>(kind, {2, N, N, 2}, T(0.1)), N > 1));
      }
    }
  }
  wpg::set_active_isa(before);
  std::printf("log-density<%s>: error at most %.2Lg of its bound\n",
              sizeof(T) == 4 ? "float" : "double", worst);
}

/// Where nothing but logarithms is representable: a point 10^k standard deviations away, and many
/// coordinates whose images or cosines multiply to more or less than any number.
template <class T>
void check_far_away_and_many_coordinates() {
  for (const T away : {T(1e2), T(1e6), T(1e15)}) {
    const T means[2] = {T(0), T(0.25)}, deviation = T(0.5);
    T found = 0;
    wpg::mixture_log_density<T>(&found, nullptr, &away, means, {1, 1, 2, 1}, {&deviation, 0},
                                Support<T>::unbounded());
    const Answer answer = naive<T>(&away, means, {1, 1, 2, 1}, deviation, {}, -1);
    CHECK_AT_MOST(std::fabs(found - answer.log_density),
                  stated_error<T>(answer, {1, 1, 2, 1}, deviation, away));
  }
  const T farther = std::numeric_limits<T>::max() / 2, mean = 0, deviation = 1;
  T found = 0;
  wpg::mixture_log_density<T>(&found, nullptr, &farther, &mean, {1, 1, 1, 1}, {&deviation, 0}, {});
  CHECK_EQUAL(found, -std::numeric_limits<T>::infinity());
  for (const auto kind : {SupportKind::box_reflect, SupportKind::torus}) {
    for (const double std : {0.45, 0.6}) {
      check(Problem<T>(kind, {1, 4, 4, 600}, static_cast<T>(std)), true);
    }
  }
  // All means at one wall, the point at the other: mirror images and shifts all count.
  const T low = 0, high = 1;
  const auto box = Support<T>::box(&low, &high, 1, SupportKind::box_reflect);
  for (const T std : {T(0.02), T(0.1), T(0.4)}) {
    const T means[3] = {T(1), T(1), T(1)}, point = T(0);
    wpg::mixture_log_density<T>(&found, nullptr, &point, means, {1, 1, 3, 1}, {&std, 0}, box);
    const Answer answer = naive<T>(&point, means, {1, 1, 3, 1}, std, box, -1);
    CHECK_AT_MOST(std::fabs(found - answer.log_density),
                  stated_error<T>(answer, {1, 1, 3, 1}, std, 1));
  }
}

/// One particle alone: its own component is all there is, and the others are far away.
template <class T>
void check_own_component_does_not_cancel() {
  const T means[3] = {T(0), T(100), T(101)}, deviation = T(0.1);
  T all[3], others[3];
  wpg::mixture_log_density<T>(all, others, means, means, {1, 3, 3, 1}, {&deviation, 0}, {});
  const Long height = -std::log(0.1L * std::sqrt(2 * kPi));
  CHECK_AT_MOST(std::fabs(all[0] - (height - std::log(3.0L))), 1e-6L);
  const Long far = -0.5L * 1e6L + height - std::log(2.0L);
  CHECK_AT_MOST(std::fabs(others[0] - far), 20 * std::numeric_limits<T>::epsilon() * 5e5L);
}

template <class T>
void check_not_a_number() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  for (const auto kind : {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::torus}) {
    for (const T bad : {kNan, kInfinity, -kInfinity}) {
      Problem<T> p(kind, {3, 4, 4, 2}, T(0.2));
      std::vector<T> clean(12), all(12), others(12);
      p.evaluate(clean.data(), nullptr);
      p.means[at(1 * 8 + 5)] = bad;
      if (std::isnan(bad) || kind != SupportKind::box_reflect) p.points[at(2 * 8 + 2)] = bad;
      const bool at_point = !std::isfinite(p.points[at(2 * 8 + 2)]);
      p.evaluate(all.data(), others.data());
      for (std::size_t i = 0; i < 12; ++i) {
        const bool lost = i / 4 == 1 || (at_point && i == 9);
        CHECK_EQUAL(std::isnan(all[i]), lost);
        CHECK_EQUAL(std::isnan(others[i]), lost);
      }
      p.evaluate(all.data(), nullptr);
      for (const std::size_t i : {0, 1, 2, 3, 8, 10, 11}) CHECK_EQUAL(all[i], clean[i]);
    }
  }
}

template <class T>
void check_threads() {
  for (const auto kind : {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::torus}) {
    for (const double std : {0.1, 0.7}) {
      const Problem<T> many(kind, {37, 21, 21, 3}, static_cast<T>(std));
      const Problem<T> one(kind, {1, 1000, 12, 2}, static_cast<T>(std));  // blocks of one state
      for (const wpg::Isa isa : wpg::available_isas()) {
        wpg::set_active_isa(wpg::isa_name(isa));
        same_on_all_threads([&] {
          std::vector<T> both(2 * 37 * 21);
          many.evaluate(both.data(), both.data() + 37 * 21);
          return both;
        });
        same_on_all_threads([&] {
          std::vector<T> all(1000);
          one.evaluate(all.data(), nullptr);
          return all;
        });
      }
    }
  }
}

template <class T>
void check_split_power() {
  for (const T x : {T(1), T(1.5), T(0.43), T(1e-30), T(7e30), T(2), T(0.9999999)}) {
    T mantissa = 0, power = 0;
    wpg::split_power<T>(x, mantissa, power);
    CHECK(mantissa >= 1 && mantissa < 2);
    CHECK_EQUAL(std::ldexp(mantissa, static_cast<int>(power)), x);
  }
}

template <class T>
void check_refusals() {
  T out = T(9);
  const T x[2] = {T(0.5), T(0.5)}, low = 0, high = 1, fine = T(0.1);
  const auto box = Support<T>::box(&low, &high, 1, SupportKind::box_reflect);
  const auto clip = Support<T>::box(&low, &high, 1, SupportKind::box_clip);
  const auto call = [&](const MixtureShape& shape, const T& deviation, const Support<T>& support) {
    wpg::mixture_log_density<T>(&out, nullptr, x, x, shape, {&deviation, 0}, support);
  };
  CHECK_REFUSED(call({1, 1, 0, 1}, fine, box), "N = 0");
  CHECK_REFUSED(call({-1, 1, 1, 1}, fine, box), "S = -1");
  CHECK_REFUSED(call({1, 1, 1, 2}, fine, box), "support");
  CHECK_REFUSED(call({1, 1, 1, 1}, fine, clip), "clip");
  for (const T bad : {T(0), T(-1), std::numeric_limits<T>::infinity(),
                      std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::denorm_min()}) {
    CHECK_REFUSED(call({1, 1, 1, 1}, bad, box), "std[0]");
  }
  CHECK_REFUSED(call({1, 1, 1, 1}, std::numeric_limits<T>::min() * 4, box), "std[0]");
  const T outside = T(1.5);
  CHECK_REFUSED(
      (wpg::mixture_log_density<T>(&out, nullptr, &outside, x, {1, 1, 1, 1}, {&fine, 0}, box)),
      "points[0, 0, 0]");
  CHECK_REFUSED((wpg::mixture_log_density<T>(nullptr, &out, x, x, {1, 1, 1, 1}, {&fine, 0}, box)),
                "N = 1");
  CHECK_REFUSED((wpg::mixture_log_density<T>(nullptr, &out, x, x, {1, 1, 2, 1}, {&fine, 0}, box)),
                "points");
  CHECK_EQUAL(out, T(9));
  call({0, 1, 1, 1}, fine, box);
  call({1, 0, 1, 1}, fine, box);
  CHECK_EQUAL(out, T(9));
}

template <class T>
void check_all() {
  check_split_power<T>();
  check_against_images<T>();
  check_far_away_and_many_coordinates<T>();
  check_own_component_does_not_cancel<T>();
  check_not_a_number<T>();
  check_threads<T>();
  check_refusals<T>();
}

}  // namespace

int main() {
  check_all<float>();
  check_all<double>();
  return result();
}
