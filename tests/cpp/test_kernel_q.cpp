// KernelQ against a double loop in long double, exp and log against the standard library, profiles
// and gradients against central differences, the index against a scan, bits over threads, refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/base/exponential_math.hpp"
#include "wpg/base/logarithm_math.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/critics/kernel_q_cpu.hpp"
#include "wpg/critics/profiles/profiles_math.hpp"

namespace {

using wpg::CloudShape;

template <class T>
struct Problem {
  std::int64_t M, O, D;
  std::vector<T> center_states, center_actions, weights, state_lengthscale, action_lengthscale;

  Problem(std::int64_t m, std::int64_t o, std::int64_t d)
      : M(m),
        O(o),
        D(d),
        center_states(numbers<T>(m * o, 1)),
        center_actions(numbers<T>(m * d, 2)),
        weights(numbers<T>(m, 3)) {
    for (std::int64_t i = 0; i < o; ++i) state_lengthscale.push_back(i % 2 == 0 ? T(1) : T(0.5));
    for (std::int64_t i = 0; i < d; ++i) action_lengthscale.push_back(i % 2 == 0 ? T(0.5) : T(1));
  }

  wpg::KernelQ<T> critic(std::int64_t indexed = wpg::KernelQ<T>::kIndexed) const {
    return wpg::KernelQ<T>(center_states.data(), center_actions.data(), weights.data(), M, O, D,
                           state_lengthscale.data(), action_lengthscale.data(),
                           wpg::Profile::gaussian, indexed);
  }
};

struct Sums {
  long double value = 0, value_size = 0;
  std::vector<long double> gradient, gradient_size;
};

template <class T>
Sums double_loop(const Problem<T>& p, const T* state, const T* action) {
  Sums sums;
  sums.gradient.assign(static_cast<std::size_t>(p.D), 0);
  sums.gradient_size = sums.gradient;
  for (std::int64_t m = 0; m < p.M; ++m) {
    long double x = 0, y = 0;
    for (std::int64_t o = 0; o < p.O; ++o) {
      const auto i = static_cast<std::size_t>(o);
      const long double away =
          (static_cast<long double>(p.center_states[static_cast<std::size_t>(m * p.O + o)]) -
           state[o]) /
          p.state_lengthscale[i];
      x += away * away / 2;
    }
    for (std::int64_t d = 0; d < p.D; ++d) {
      const long double away =
          (static_cast<long double>(p.center_actions[static_cast<std::size_t>(m * p.D + d)]) -
           action[d]) /
          p.action_lengthscale[static_cast<std::size_t>(d)];
      y += away * away / 2;
    }
    const long double term = p.weights[static_cast<std::size_t>(m)] * std::exp(-x) * std::exp(-y);
    sums.value += term;
    sums.value_size += std::fabs(term);
    for (std::int64_t d = 0; d < p.D; ++d) {
      const auto i = static_cast<std::size_t>(d);
      const long double l = p.action_lengthscale[i];
      const long double part =
          term *
          (static_cast<long double>(p.center_actions[static_cast<std::size_t>(m * p.D + d)]) -
           action[d]) /
          (l * l);
      sums.gradient[i] += part;
      sums.gradient_size[i] += std::fabs(part);
    }
  }
  return sums;
}

/// The header's factor, M' + 6 (O + D + 4) (1 + R)^2 + 2 L, from below: without O, states and L.
template <class T>
long double stated_factor(const Problem<T>& p, const T* action) {
  long double largest = 0;
  for (std::int64_t m = -1; m < p.M; ++m) {
    const T* point = m < 0 ? action : p.center_actions.data() + m * p.D;
    long double square = 0;
    for (std::int64_t d = 0; d < p.D; ++d) {
      const long double x = point[d] / p.action_lengthscale[static_cast<std::size_t>(d)];
      square += x * x;
    }
    largest = std::max(largest, std::sqrt(square));
  }
  return static_cast<long double>(p.M) +
         6 * static_cast<long double>(p.D + 4) * (1 + largest) * (1 + largest);
}

/// The header's bound: that factor times u sum_m |terms|. Centres that were skipped change a value
/// by less than u max_m b_m more, which for these states and particles is far below M' u sum_m
/// |terms|.
template <class T>
void check_against_double_loop() {
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  long double worst = 0;
  for (std::int64_t D = 1; D <= 9; ++D) {
    for (std::int64_t O = 1; O <= 5; ++O) {
      const Problem<T> p(13 + 29 * D + O, O, D);
      const auto critic = p.critic();
      const CloudShape shape{3, 5, D};
      const auto states = numbers<T>(3 * O, 4), particles = numbers<T>(shape.size(), 5);
      std::vector<T> values(15), gradient(static_cast<std::size_t>(shape.size())), only(15);
      critic.evaluate(values.data(), gradient.data(), states.data(), particles.data(), shape);
      critic.evaluate(only.data(), nullptr, states.data(), particles.data(), shape);
      for (std::int64_t i = 0; i < 15; ++i) {
        const auto sums = double_loop(p, states.data() + i / 5 * O, particles.data() + i * D);
        const auto e = static_cast<std::size_t>(i);
        const long double factor = stated_factor(p, particles.data() + i * D) * u;
        const long double error = std::fabs(values[e] - sums.value);
        worst = std::max(worst, error / (factor * sums.value_size));
        CHECK_AT_MOST(error, factor * sums.value_size);
        CHECK_AT_MOST(std::fabs(only[e] - sums.value), factor * sums.value_size);
        for (std::int64_t d = 0; d < D; ++d) {
          const auto k = static_cast<std::size_t>(d);
          CHECK_AT_MOST(std::fabs(gradient[static_cast<std::size_t>(i * D + d)] - sums.gradient[k]),
                        factor * sums.gradient_size[k]);
        }
      }
    }
  }
  std::printf("KernelQ<%s>: value error at most %.2Lg of its bound\n",
              sizeof(T) == 4 ? "float" : "double", worst);
}

/// Most centres are irrelevant at a state: what is skipped adds less than u max_m |weights[m]| k_s.
template <class T>
void check_skipping() {
  Problem<T> p(1000, 2, 3);
  for (std::size_t m = 0; m < 1000; ++m) {
    if (m % 50 != 0) p.center_states[2 * m] += T(3) + static_cast<T>(m % 17);
  }
  const auto critic = p.critic();
  const std::vector<T> states(2, T(0)), particles = numbers<T>(3 * 20, 6);
  std::vector<T> values(20);
  critic.evaluate(values.data(), nullptr, states.data(), particles.data(), {1, 20, 3});
  long double largest = 0;
  for (std::size_t m = 0; m < 1000; ++m) {
    const long double x = p.center_states[2 * m] / p.state_lengthscale[0];
    const long double y = p.center_states[2 * m + 1] / p.state_lengthscale[1];
    largest = std::max(largest, std::fabs(p.weights[m]) * std::exp(-(x * x + y * y) / 2));
  }
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  for (std::int64_t n = 0; n < 20; ++n) {
    const auto sums = double_loop(p, states.data(), particles.data() + 3 * n);
    CHECK_AT_MOST(std::fabs(values[static_cast<std::size_t>(n)] - sums.value),
                  stated_factor(p, particles.data() + 3 * n) * u * sums.value_size + u * largest);
  }
}

/// The gradient is the derivative of the value: (Q(a + h) - Q(a - h)) / 2h = Q' + h^2 Q''' / 6,
/// with a rounding error of u |Q| / h. At h = 1e-5: 1e-10 |Q'''| and 1e-11 |Q|; asked for is 1e-6.
void check_central_differences() {
  const Problem<double> p(100, 3, 4);
  const auto critic = p.critic();
  const auto state = numbers<double>(3, 7);
  auto action = numbers<double>(4, 8);
  double value = 0, gradient[4];
  critic.evaluate(&value, gradient, state.data(), action.data(), {1, 1, 4});
  double size = 0;
  for (const double g : gradient) size = std::max(size, std::fabs(g));
  for (std::size_t d = 0; d < 4; ++d) {
    double up = 0, down = 0;
    const double here = action[d], h = 1e-5;
    action[d] = here + h;
    critic.evaluate(&up, nullptr, state.data(), action.data(), {1, 1, 4});
    action[d] = here - h;
    critic.evaluate(&down, nullptr, state.data(), action.data(), {1, 1, 4});
    action[d] = here;
    CHECK_AT_MOST(std::fabs((up - down) / (2 * h) - gradient[d]), 1e-6 * size);
  }
}

/// Relative error of 2^x where the header promises it, and nothing but tiny numbers below.
template <class T>
void check_power_of_two(T lowest, T highest, long double allowed) {
  long double worst = 0;
  for (int i = 0; i <= 400000; ++i) {
    const T x = lowest + (highest - lowest) * static_cast<T>(i) / T(400000);
    const long double want = std::exp2(static_cast<long double>(x));
    worst = std::max(worst, std::fabs(wpg::power_of_two<T>(x) / want - 1));
  }
  std::printf("2^x<%s>: %.3Lg relative\n", sizeof(T) == 4 ? "float" : "double", worst);
  CHECK_AT_MOST(worst, allowed);
  CHECK_EQUAL(wpg::power_of_two<T>(T(0)), T(1));
  for (const T x : {T(2) * lowest, T(-1e30), -std::numeric_limits<T>::infinity()}) {
    CHECK(wpg::power_of_two<T>(x) >= 0 && wpg::power_of_two<T>(x) < T(3e-38));
  }
  CHECK(std::isnan(wpg::power_of_two<T>(std::numeric_limits<T>::quiet_NaN())));
}

/// At its centre one centre's value is its weight, by way of the vectors' power of two in base two
/// of a number in (-1, 0]: 4.5e-7 relative (float) or 4e-16 (double), and 2 u for the logarithm and
/// the product.
template <class T>
void check_power_of_vectors() {
  const long double allowed = sizeof(T) == 4 ? 4.5e-7L : 4e-16L;
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  const T zero = 0, one = 1;
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    long double worst = 0;
    for (int i = 0; i < 20000; ++i) {
      const T weight = (i % 2 == 0 ? T(1) : T(-1)) * (T(0.5) + static_cast<T>(i) / T(40000));
      const wpg::KernelQ<T> critic(&zero, &zero, &weight, 1, 1, 1, &one, &one);
      T value = 0;
      critic.evaluate(&value, nullptr, &zero, &zero, {1, 1, 1});
      worst = std::max(worst, std::fabs(value / static_cast<long double>(weight) - 1));
    }
    std::printf("one centre<%s> %s: %.3Lg relative\n", sizeof(T) == 4 ? "float" : "double",
                wpg::isa_name(isa), worst);
    CHECK_AT_MOST(worst, allowed + 2 * u);
  }
}

/// The logarithm's stated error, 4 u (1 + log2 x), for x >= 1.
template <class T>
void check_logarithm() {
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  long double worst = 0;
  for (int i = 0; i <= 200000; ++i) {
    const T x = i < 100000 ? T(1) + static_cast<T>(i) / T(30000)
                           : static_cast<T>(std::exp2((i - 100000) / 800.0));
    const long double want = std::log2(static_cast<long double>(x));
    worst = std::max(worst, std::fabs(wpg::binary_logarithm<T>(x) - want) / (u * (1 + want)));
  }
  std::printf("log2<%s>: %.2Lg u (1 + log2 x)\n", sizeof(T) == 4 ? "float" : "double", worst);
  CHECK_AT_MOST(worst, 4.0L);
  CHECK_EQUAL(wpg::binary_logarithm<T>(T(1)), T(0));
  CHECK(std::isfinite(wpg::binary_logarithm<T>(std::numeric_limits<T>::max())));
}

/// A profile against its own logarithm, its slope against central differences in r^2: those are off
/// by h^2 times a third derivative, below 1e-9 here, and rounding, u / h = 2e-12.
void check_profiles() {
  for (const char* name : {"gaussian", "matern52", "imq"}) {
    const wpg::Profile profile = wpg::profile_of(name);
    CHECK_EQUAL(std::string(wpg::profile_name(profile)), std::string(name));
    wpg::with_profile(profile, [](auto of) {
      using P = decltype(of);
      constexpr double kSquaredUnit = P::kUnit * P::kUnit, h = 1e-4;
      double slope = 0, ignored = 0;
      CHECK_EQUAL(P::template profile<double>(0.0, slope), 1.0);
      CHECK(slope >= 1 && slope < 1.7);
      double before = 1;
      for (double square = 0.25; square < 60; square += 0.37) {
        const double value = P::template profile<double>(square * kSquaredUnit, slope);
        CHECK(value < before);
        before = value;
        CHECK_AT_MOST(
            std::fabs(P::template log2_profile<double>(square * kSquaredUnit) - std::log2(value)),
            1e-13);
        const double up = P::template profile<double>((square + h) * kSquaredUnit, ignored);
        const double down = P::template profile<double>((square - h) * kSquaredUnit, ignored);
        CHECK_AT_MOST(std::fabs(-2 * (up - down) / (2 * h) - slope), 1e-7 * (1 + slope));
      }
    });
  }
  CHECK_REFUSED(wpg::profile_of("laplace"), "'gaussian', 'matern52', 'imq'");
}

/// The exponents that a slice keeps, sorted, without what fills its last vector.
template <class T>
std::vector<T> kept_exponents(const wpg::KernelQ<T>& q, const T* state) {
  std::vector<T> scratch(static_cast<std::size_t>(wpg::base::slice_scratch(q)) + 64);
  const auto slice = wpg::base::slice_state(q, state, scratch.data());
  std::vector<T> exponents(slice.exponents, slice.exponents + slice.count);
  T highest = -std::numeric_limits<T>::infinity();
  for (const T x : exponents) highest = std::max(highest, x);
  T bits = 0;
  while (std::exp2(bits) < static_cast<T>(q.centers())) bits += 1;
  const T cut = highest - bits - (sizeof(T) == 4 ? 24 : 53);
  exponents.erase(
      std::remove_if(exponents.begin(), exponents.end(), [cut](T x) { return x < cut; }),
      exponents.end());
  std::sort(exponents.begin(), exponents.end());
  return exponents;
}

/// With an index the same centres matter, to the bit, as when all are looked at: narrow and wide
/// kernels, one to twenty coordinates, equal coordinates, far states.
template <class T>
void check_index() {
  constexpr std::int64_t M = 3000;
  for (const std::int64_t O : {1, 2, 3, 5, 12, 20}) {
    for (const T lengthscale : {T(0.02), T(0.2), T(3)}) {
      Problem<T> p(M, O, 2);
      for (auto& l : p.state_lengthscale) l = lengthscale;
      for (std::size_t i = 0; i < p.center_states.size(); i += 3) {
        p.center_states[i] = std::round(4 * p.center_states[i]) / 4;
      }
      for (std::size_t m = 0; m < p.weights.size(); m += 11) p.weights[m] = 0;
      const auto with = p.critic(), without = p.critic(M + 1);
      CHECK(with.index().levels() >= 2 && without.index().levels() == 0);
      auto states = numbers<T>(20 * O, 11);
      for (std::int64_t o = 0; o < O; ++o) states[static_cast<std::size_t>(o)] = T(4);
      for (std::int64_t s = 0; s < 20; ++s) {
        const auto found = kept_exponents(with, states.data() + s * O);
        CHECK(!found.empty());
        CHECK_EQUAL(hash_of(found), hash_of(kept_exponents(without, states.data() + s * O)));
      }
    }
  }
}

template <class T>
void check_threads_and_refusals() {
  for (const std::int64_t D : {1, 3, 5}) {
    const Problem<T> p(333, 4, D);
    const auto critic = p.critic();
    const CloudShape shape{37, 21, D};
    const auto states = numbers<T>(37 * 4, 9), particles = numbers<T>(shape.size(), 10);
    for (const wpg::Isa isa : wpg::available_isas()) {
      wpg::set_active_isa(wpg::isa_name(isa));
      same_on_all_threads([&] {
        std::vector<T> both(static_cast<std::size_t>(37 * 21 + shape.size()));
        critic.evaluate(both.data(), both.data() + 37 * 21, states.data(), particles.data(), shape);
        return both;
      });
    }
  }
  const Problem<T> p(5, 2, 3);
  const auto critic = p.critic();
  T value = T(9);
  const T zero[3] = {0, 0, 0};
  CHECK_REFUSED(critic.evaluate(&value, nullptr, zero, zero, {1, 1, 2}), "D = 2");
  CHECK_REFUSED(critic.evaluate(&value, nullptr, zero, zero, {-1, 1, 3}), "shape");
  CHECK_EQUAL(value, T(9));
  for (const T bad :
       {T(0), T(-1), std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
    Problem<T> q(5, 2, 3);
    q.state_lengthscale[1] = bad;
    CHECK_REFUSED(q.critic(), "state_lengthscale[1]");
    q = Problem<T>(5, 2, 3);
    q.action_lengthscale[2] = bad;
    CHECK_REFUSED(q.critic(), "action_lengthscale[2]");
  }
  CHECK_REFUSED(Problem<T>(0, 2, 3).critic(), "M = 0");
}

}  // namespace

int main() {
  check_power_of_two<float>(-125.0f, 120.0f, 2.8e-7L);
  check_power_of_two<double>(-1000.0, 1000.0, 4e-16L);
  check_against_double_loop<float>();
  check_against_double_loop<double>();
  check_skipping<float>();
  check_skipping<double>();
  check_central_differences();
  check_power_of_vectors<float>();
  check_power_of_vectors<double>();
  check_logarithm<float>();
  check_logarithm<double>();
  check_profiles();
  check_index<float>();
  check_index<double>();
  check_threads_and_refusals<float>();
  check_threads_and_refusals<double>();
  return result();
}
