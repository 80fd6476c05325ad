// Acceptance: detailed balance against densities summed over many images in long double, which draw
// decides, what is not a number, refusals.
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/base/normal_math.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/transport/mala.hpp"
#include "wpg/transport/mala_math.hpp"

namespace {

using wpg::CloudShape;
using wpg::SupportKind;

constexpr long double kPi = 3.14159265358979323846264338327950288L;

/// log of the sum of exp(-z^2 / (2 variance)) over what `image` gives for -most <= k <= most.
template <class Image>
long double log_of_images(long double variance, int most, Image image) {
  long double largest = -std::numeric_limits<long double>::infinity(), sum = 0;
  for (int pass = 0; pass < 2; ++pass) {
    for (int k = -most; k <= most; ++k) {
      for (const long double z : image(k)) {
        const long double exponent = -z * z / (2 * variance);
        if (pass == 0) largest = std::max(largest, exponent);
        if (pass == 1) sum += std::exp(exponent - largest);
      }
    }
  }
  return largest + std::log(sum);
}

/// log k(x | a) with drift g, up to a constant, by its definition.
long double log_law(SupportKind kind, long double x, long double a, long double g, long double eta,
                    long double tau, long double low, long double high) {
  const long double m = a + eta * g, width = high - low;
  if (kind == SupportKind::unbounded) return -(x - m) * (x - m) / (4 * eta * tau);
  // As far as the mean is out, and nine deviations more.
  const int most = static_cast<int>((2 * std::fabs(m) + 9 * std::sqrt(2 * eta * tau)) / width) + 3;
  return log_of_images(2 * eta * tau, most, [&](int k) -> std::vector<long double> {
    if (kind == SupportKind::torus) return {x + k * high - m};
    return {x + 2 * k * width - m, 2 * low - x + 2 * k * width - m};
  });
}

struct Pair {
  double a, b, g, h;
};

void check_ratio() {
  const double low = -0.7, high = 1.1;
  double worst = 0;
  const auto u = numbers<double>(4 * 300, 5);
  for (const double eta : {1e-4, 0.01, 0.3, 3.0, 40.0}) {
    for (const double tau : {0.2, 1.5}) {
      for (std::size_t i = 0; i < 300; ++i) {
        const Pair p{u[4 * i] * 0.9 + 0.2, u[4 * i + 1] * 0.9 + 0.2, 30 * u[4 * i + 2],
                     30 * u[4 * i + 3]};
        const wpg::MalaStep law{eta, tau, 2 * eta * tau};
        for (const auto kind :
             {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::torus}) {
          const double shift = kind == SupportKind::torus ? 0.7 : 0.0;
          const double a = p.a + shift, b = p.b + shift;
          const double found =
              kind == SupportKind::unbounded ? wpg::log_ratio_on_line(b - a, p.g, p.h, law)
              : kind == SupportKind::torus ? wpg::log_ratio_on_torus(a, b, p.g, p.h, 1.8, law)
                                           : wpg::log_ratio_in_box(a, b, p.g, p.h, low, high, law);
          const double far = kind == SupportKind::torus ? 1.8 : high;
          const long double want = log_law(kind, a, b, p.h, eta, tau, low, far) -
                                   log_law(kind, b, a, p.g, eta, tau, low, far);
          // Squares of up to (1.8 + 30 eta)^2 / (4 eta tau), or of a fold, and a few roundings of
          // the folded mean, u (1 + 30 eta), times 1.8 / (2 eta tau).
          const double size = 1 + (1.8 + 30 * eta) * (1.8 + 30 * eta) / (4 * eta * tau);
          const double error = static_cast<double>(std::fabs(found - want)) / size;
          worst = std::max(worst, error);
          CHECK_AT_MOST(error, 40 * 1.1e-16);
        }
      }
    }
  }
  std::printf("log ratio: %.2g of the size of its terms\n", worst);
}

/// In a squashed box: the law of y, its density, and both signs of the change of variable.
void check_squashed_ratio() {
  const double low = -0.7, high = 1.1;
  const auto u = numbers<double>(4 * 500, 6);
  for (const bool tanh : {true, false}) {
    for (std::size_t i = 0; i < 500; ++i) {
      const double a = 0.2 + 0.899 * u[4 * i], b = 0.2 + 0.899 * u[4 * i + 1];
      const double g = 3 * u[4 * i + 2], h = 3 * u[4 * i + 3], eta = 0.1, tau = 0.5;
      const auto line = [&](long double x) -> std::vector<long double> {
        const long double s = (x - 0.2L) / 0.9L;
        if (tanh) return {std::atanh(s), 0.9L * (1 - s * s), -2 * s};
        long double y = 0;
        for (int k = 0; k < 60; ++k) {
          y -=
              (std::erf(y / std::sqrt(2.0L)) - s) / (2 * std::exp(-y * y / 2) / std::sqrt(2 * kPi));
        }
        return {y, 0.9L * 2 * std::exp(-y * y / 2) / std::sqrt(2 * kPi), -y};
      };
      const auto x = line(a), y = line(b);
      if (!tanh && std::fabs(x[0]) > 1.5L) continue;  // Newton's method above starts at 0
      if (!tanh && std::fabs(y[0]) > 1.5L) continue;
      const long double m = x[0] + eta * (x[1] * g + tau * x[2]);
      const long double n = y[0] + eta * (y[1] * h + tau * y[2]);
      const long double want =
          ((y[0] - m) * (y[0] - m) - (x[0] - n) * (x[0] - n)) / (4 * eta * tau) +
          std::log(y[1] / x[1]);
      const double found =
          wpg::log_ratio_squashed(a, b, g, h, low, high, tanh, {eta, tau, 2 * eta * tau});
      // |y| <= 4, its error 10 u (1 + |y|), and 1 / (2 eta tau) = 10 times |y' - m|.
      CHECK_AT_MOST(std::fabs(found - want), 5e3 * 1.1e-16L * (1 + std::fabs(want)));
    }
  }
}

/// Accepted where the exponential of the word is at least -log ratio, with the ratio of one
/// coordinate on R: Q' - Q = log of it, no drift, step_size of any size.
template <class T, class U>
void check_the_draw_that_decides() {
  const CloudShape shape{3, 37, 2};
  const T eta = T(0.5), tau = T(2);
  wpg::LangevinParameters<T> p;
  p.step_size = {&eta, 0};
  p.temperature = {&tau, 0};
  p.seed = 0xABCDEF0123456789u;
  p.step = 0x1234567890u;
  std::vector<T> a(222, T(0)), g(222, T(0)), values(111, T(0)), b(222, T(1)), other(111, T(-1.4));
  std::vector<std::int64_t> accepted(3, 0);
  wpg::mala_accept(a.data(), values.data(), g.data(), accepted.data(), b.data(), other.data(),
                   g.data() + 0, shape, p, wpg::Support<T>::unbounded());
  wpg::PhiloxKeys<std::uint64_t> keys;
  wpg::philox_keys(p.seed, keys);
  constexpr std::uint64_t kShare = sizeof(T) == 4 ? 4 : 2;
  for (std::uint64_t s = 0; s < 3; ++s) {
    std::int64_t count = 0;
    for (std::uint64_t n = 0; n < 37; ++n) {
      const auto words = wpg::philox4x32<std::uint64_t>(
          n / kShare, s, p.step & 0xFFFFFFFFu,
          wpg::stream_word(wpg::Stream::mala_acceptance, p.step), keys);
      const std::uint64_t word[4] = {words.x0 & 0xFFFFFFFFu, words.x1 & 0xFFFFFFFFu,
                                     words.x2 & 0xFFFFFFFFu, words.x3 & 0xFFFFFFFFu};
      const auto k = static_cast<std::size_t>(n % kShare);
      const U bits = sizeof(T) == 4 ? static_cast<U>(word[k])
                                    : static_cast<U>(word[2 * k] | word[2 * k + 1] << 32);
      const T exponential = wpg::minus_two_log_of_uniform<T>(bits) * T(0.5);
      const bool takes = static_cast<double>(exponential) + static_cast<double>(T(-1.4)) / 2 >= 0;
      count += takes;
      CHECK_EQUAL(a[2 * (37 * s + n)], takes ? T(1) : T(0));
      CHECK_EQUAL(values[37 * s + n], takes ? T(-1.4) : T(0));
    }
    CHECK_EQUAL(accepted[s], count);
  }
}

template <class T>
void check_not_finite() {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  struct Case {
    T a, value, g, b, other, h;
    char outcome;  // a: accepted, r: rejected, n: not a number
  };
  // A proposal with a far larger value is accepted, whatever was drawn.
  const Case cases[] = {{0, 0, 0, 1, 1000, 0, 'a'},         {0, 0, 0, 1, -1000, 0, 'r'},
                        {0, nan, 0, 1, 1000, 0, 'n'},       {0, kInfinity, 0, 1, 1000, 0, 'n'},
                        {0, -kInfinity, 0, 1, 0, 0, 'a'},   {0, 0, nan, 1, 1000, 0, 'n'},
                        {nan, 0, 0, 1, 1000, 0, 'n'},       {0, 0, 0, nan, 1000, 0, 'n'},
                        {0, 0, 0, 1, -kInfinity, 0, 'r'},   {0, 0, 0, 1, -kInfinity, nan, 'r'},
                        {0, 0, 0, 1, nan, 0, 'n'},          {0, 0, 0, 1, kInfinity, 0, 'n'},
                        {0, 0, 0, 1, 1000, nan, 'n'},       {0, 0, 0, 1, 1000, kInfinity, 'n'},
                        {0, 0, kInfinity, 1, 1000, 0, 'n'}, {1, 0, 5, 1, 0, 5, 'a'}};
  const T low = T(-2), high = T(2), eta = T(0.5), tau = T(1);
  wpg::LangevinParameters<T> p;
  p.step_size = {&eta, 0};
  p.temperature = {&tau, 0};
  for (const auto& support : {wpg::Support<T>::unbounded(), wpg::Support<T>::torus(&high, 1),
                              wpg::Support<T>::box(&low, &high, 1, SupportKind::box_reflect),
                              wpg::Support<T>::box(&low, &high, 1, SupportKind::box_tanh),
                              wpg::Support<T>::box(&low, &high, 1, SupportKind::box_probit)}) {
    for (const Case& c : cases) {
      T a = c.a, value = c.value, g = c.g;
      std::int64_t accepted = 0;
      wpg::mala_accept(&a, &value, &g, &accepted, &c.b, &c.other, &c.h, {1, 1, 1}, p, support);
      if (c.outcome == 'n') {
        CHECK(std::isnan(a) && std::isnan(value) && std::isnan(g) && accepted == 0);
      } else {
        const bool taken = c.outcome == 'a';
        CHECK(a == (taken ? c.b : c.a) && value == (taken ? c.other : c.value) &&
              g == (taken ? c.h : c.g) && accepted == taken);
      }
    }
  }
}

template <class T>
void check_bits_and_refusals() {
  const CloudShape shape{9, 130, 3};
  const auto a = numbers<T>(shape.size(), 1), g = numbers<T>(shape.size(), 2);
  const auto h = numbers<T>(shape.size(), 3);
  const auto q = numbers<T>(9 * 130, 4), r = numbers<T>(9 * 130, 5);
  const T eta = T(0.3), tau = T(0.4), zero = T(0);
  const std::vector<T> low(3, T(-1)), high(3, T(1));
  wpg::LangevinParameters<T> p;
  p.step_size = {&eta, 0};
  p.temperature = {&tau, 0};
  for (const auto kind :
       {SupportKind::box_reflect, SupportKind::box_tanh, SupportKind::box_probit}) {
    const auto box = wpg::Support<T>::box(low.data(), high.data(), 3, kind);
    same_everywhere([&] {
      std::vector<T> proposals(a.size()), cloud = a, values = q, drift = g;
      std::vector<std::int64_t> accepted(9, 0);
      wpg::mala_propose(proposals.data(), cloud.data(), drift.data(), shape, p, box);
      wpg::mala_accept(cloud.data(), values.data(), drift.data(), accepted.data(), proposals.data(),
                       r.data(), h.data(), shape, p, box);
      for (const auto n : accepted) cloud.push_back(static_cast<T>(n));
      return cloud;
    });
  }
  std::vector<T> out(a.size(), T(9));
  const auto home = wpg::Support<T>::unbounded();
  const auto propose = [&](const CloudShape& cloud, const wpg::LangevinParameters<T>& parameters,
                           const wpg::Support<T>& support) {
    wpg::mala_propose(out.data(), a.data(), g.data(), cloud, parameters, support);
  };
  CHECK_REFUSED(propose({9, 0, 3}, p, home), "at least one particle");
  CHECK_REFUSED(
      propose(shape, p, wpg::Support<T>::box(low.data(), high.data(), 3, SupportKind::box_clip)),
      "clip");
  auto late = p;
  late.step = wpg::kMostSteps;
  CHECK_REFUSED(propose(shape, late, home), "step");
  auto cold = p;
  cold.temperature = {&zero, 0};
  CHECK_REFUSED(propose(shape, cold, home), "needs a density");
  CHECK(out == std::vector<T>(a.size(), T(9)));
}

}  // namespace

int main() {
  check_ratio();
  check_squashed_ratio();
  check_the_draw_that_decides<float, std::uint32_t>();
  check_the_draw_that_decides<double, std::uint64_t>();
  check_not_finite<float>();
  check_not_finite<double>();
  check_bits_and_refusals<float>();
  check_bits_and_refusals<double>();
  return result();
}
