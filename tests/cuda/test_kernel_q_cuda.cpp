// KernelQ on a device against a loop in long double, within the error that kernel_q.hpp states:
// profiles, shapes, near and far centres, weights of 0, tiny length scales, NaN and infinity, one
// output alone; that no bit depends on who shares a block; refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "wpg/critics/kernel_q_cuda.hpp"

namespace {

using wpg::CloudShape;
using wpg::Profile;
using Long = long double;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Spread {
  double state_lengthscale, action_lengthscale;
  double offset;  // of actions and centres
  double heavy;   // log2 of how many times heavier every seventh centre is
};

template <class T>
struct Problem {
  CloudShape shape;
  std::int64_t M, O;
  Profile profile;
  std::vector<T> center_states, center_actions, weights, state_lengthscale, action_lengthscale;
  std::vector<T> states, particles;

  Problem(const CloudShape& cloud, std::int64_t centers, std::int64_t observation_size,
          Profile kernel, const Spread& spread)
      : shape(cloud),
        M(centers),
        O(observation_size),
        profile(kernel),
        center_states(numbers<T>(M * O, 1)),
        center_actions(numbers<T>(M * shape.dimension, 2)),
        weights(numbers<T>(M, 3)),
        states(numbers<T>(shape.states * O, 4)),
        particles(numbers<T>(shape.size(), 5)) {
    for (std::int64_t o = 0; o < O; ++o) {
      state_lengthscale.push_back(static_cast<T>(spread.state_lengthscale * (o % 2 == 0 ? 1 : 2)));
    }
    for (std::int64_t d = 0; d < shape.dimension; ++d) {
      action_lengthscale.push_back(
          static_cast<T>(spread.action_lengthscale * (d % 2 == 0 ? 1 : 1.5)));
    }
    for (T& a : center_actions) a += static_cast<T>(spread.offset);
    for (T& a : particles) a += static_cast<T>(spread.offset);
    for (std::size_t m = 0; m < weights.size(); ++m) {
      if (m % 7 == 3) weights[m] *= static_cast<T>(std::exp2(spread.heavy));
      if (m % 11 == 5) weights[m] = T(0);
    }
  }

  std::int64_t rows() const { return shape.states * shape.particles; }

  /// On the device: values, gradient.
  struct Answer {
    std::vector<T> values, gradient;
  };
  Answer run(bool wants_values = true, bool wants_gradient = true) const {
    DeviceArray<T> s(center_states), a(center_actions), w(weights), x(states), cloud(particles);
    const std::int64_t D = shape.dimension;
    DeviceArray<T> table(at(wpg::cuda::kernel_q_table_size<T>(M, O, D)));
    DeviceArray<T> values(std::vector<T>(at(rows()), T(7))),
        gradient(std::vector<T>(at(shape.size()), T(7)));
    const auto q = wpg::cuda::pack_kernel_q(table.get(), s.get(), a.get(), w.get(), M, O, D,
                                            state_lengthscale.data(), action_lengthscale.data(),
                                            profile, nullptr);
    wpg::cuda::evaluate(wants_values ? values.get() : nullptr,
                        wants_gradient ? gradient.get() : nullptr, q, x.get(), cloud.get(), shape,
                        nullptr);
    return {values.on_host(), gradient.on_host()};
  }
};

/// phi and -phi'(r)/r.
struct Kernel {
  Long value, slope;
};
Kernel kernel_of(Profile profile, Long square) {
  if (profile == Profile::gaussian) return {std::exp(-square / 2), std::exp(-square / 2)};
  if (profile == Profile::imq) {
    const Long value = 1 / std::sqrt(1 + square);
    return {value, value * value * value};
  }
  const Long t = std::sqrt(5 * square), power = std::exp(-t);
  return {(1 + t + t * t / 3) * power, Long(5) / 3 * (1 + t) * power};
}

/// Errors as parts of what is allowed; the largest is kept.
template <class T>
struct Check {
  const Problem<T>& p;
  const typename Problem<T>::Answer& answer;
  Long worst = 0;

  void note(T found, Long want, Long allowed) {
    const Long error = std::fabs(static_cast<Long>(found) - want);
    worst = std::max(worst, allowed > 0 ? error / allowed : error > 0 ? Long(1e9) : 0);
  }

  Long norm(const T* x, const std::vector<T>& lengthscale) const {
    Long square = 0;
    for (std::size_t i = 0; i < lengthscale.size(); ++i) {
      const Long away = x[i] / static_cast<Long>(lengthscale[i]);
      square += away * away;
    }
    return std::sqrt(square);
  }

  void state(std::int64_t s) {
    const std::int64_t N = p.shape.particles, D = p.shape.dimension, O = p.O;
    const Long u = std::numeric_limits<T>::epsilon() / 2;
    std::vector<Long> factor(at(p.M)), middle(at(D));
    Long highest = 0, largest = norm(p.states.data() + s * O, p.state_lengthscale), logs = 0;
    for (std::int64_t d = 0; d < D; ++d) {
      Long low = 1e30L, high = -1e30L;
      for (std::int64_t m = 0; m < p.M; ++m) {
        if (p.weights[at(m)] == 0) continue;
        low = std::min<Long>(low, p.center_actions[at(m * D + d)]);
        high = std::max<Long>(high, p.center_actions[at(m * D + d)]);
      }
      middle[at(d)] = (low + high) / 2;
    }
    for (std::int64_t m = 0; m < p.M; ++m) {
      if (p.weights[at(m)] == 0) continue;
      Long square = 0;
      for (std::int64_t o = 0; o < O; ++o) {
        const Long away =
            (static_cast<Long>(p.states[at(s * O + o)]) - p.center_states[at(m * O + o)]) /
            p.state_lengthscale[at(o)];
        square += away * away;
      }
      factor[at(m)] = p.weights[at(m)] * kernel_of(p.profile, square).value;
      highest = std::max(highest, std::fabs(factor[at(m)]));
      largest = std::max({largest, norm(p.center_states.data() + m * O, p.state_lengthscale),
                          norm(p.center_actions.data() + m * D, p.action_lengthscale)});
      logs = std::max(logs, std::fabs(std::log2(std::fabs(static_cast<Long>(p.weights[at(m)])))));
    }
    for (std::int64_t n = 0; n < N; ++n) {
      const T* const a = p.particles.data() + (s * N + n) * D;
      const Long R = std::max(largest, norm(a, p.action_lengthscale));
      const Long e = (static_cast<Long>(p.M) +
                      6 * static_cast<Long>(O + D + 4) * (1 + R) * (1 + R) + 2 * logs) *
                     u;
      // What was skipped, and what counts as 2^-88 (2^-900) of the largest; and a result's rounding
      // where it is below the normal numbers, which a length scale may enlarge.
      const Long rounding = std::numeric_limits<T>::denorm_min();
      const Long beyond =
          highest * (u + static_cast<Long>(p.M) * std::exp2(Long(sizeof(T) == 4 ? -88 : -900)));
      Long value = 0, size = 0;
      std::vector<Long> sum(at(D)), reach(at(D)), steep(at(D)), farthest(at(D));
      for (std::int64_t m = 0; m < p.M; ++m) {
        Long square = 0;
        for (std::int64_t d = 0; d < D; ++d) {
          const Long away = (static_cast<Long>(p.center_actions[at(m * D + d)]) - a[d]) /
                            p.action_lengthscale[at(d)];
          square += away * away;
        }
        const Kernel k = kernel_of(p.profile, square);
        value += factor[at(m)] * k.value;
        size += std::fabs(factor[at(m)] * k.value);
        const Long term = factor[at(m)] * k.slope;
        for (std::int64_t d = 0; d < D; ++d) {
          const Long center = p.center_actions[at(m * D + d)], l = p.action_lengthscale[at(d)];
          sum[at(d)] += term * (center - a[d]) / (l * l);
          reach[at(d)] += std::fabs(term) *
                          (std::fabs(center - middle[at(d)]) + std::fabs(a[d] - middle[at(d)])) /
                          (l * l);
          steep[at(d)] += std::fabs(term) / l;
          farthest[at(d)] = std::max(farthest[at(d)], std::fabs(center - a[d]) / (l * l));
        }
      }
      note(answer.values[at(s * N + n)], value, e * size + beyond + rounding);
      for (std::int64_t d = 0; d < D; ++d) {
        note(answer.gradient[at((s * N + n) * D + d)], sum[at(d)],
             e * reach[at(d)] + 4 * (1 + R) * u * steep[at(d)] +
                 Long(5) / 3 * beyond * farthest[at(d)] +
                 rounding * (1 + 1 / static_cast<Long>(p.action_lengthscale[at(d)])));
      }
    }
  }
};

template <class T>
Long worst_error(const Problem<T>& p, const typename Problem<T>::Answer& answer) {
  Check<T> check{p, answer};
  for (std::int64_t s = 0; s < p.shape.states; ++s) check.state(s);
  return check.worst;
}

constexpr Profile kProfiles[] = {Profile::gaussian, Profile::matern52, Profile::imq};

// Near centres, far ones, some of both, centres that hardly overlap, an origin far away, weights
// far apart.
const Spread kSpreads[] = {{1, 1, 0, 0},       {1, 0.3, 0, 0}, {0.5, 0.8, 0, 30},
                           {0.01, 0.02, 0, 0}, {2, 1, 50, 0},  {1, 1, 0, -90}};

template <class T>
void sums_are_within_the_bound() {
  struct Size {
    CloudShape shape;
    std::int64_t M, O;
  };
  std::vector<Size> sizes = {{{2, 70, 6}, 2000, 3}, {{3, 16, 6}, 300, 20}, {{2, 3, 40}, 300, 3},
                             {{2, 16, 17}, 300, 1}, {{1, 5, 1100}, 20, 3}, {{3, 3, 2}, 5, 600},
                             {{1, 70, 40}, 5, 20},  {{2, 1, 2}, 2000, 1},  {{2, 16, 12}, 5, 3}};
  for (std::int64_t D = 1; D <= 9; ++D) {
    for (const std::int64_t N : {1, 3, 16, 70}) {
      sizes.push_back({{2, N, D}, N == 70 ? 5 : D % 2 == 0 ? 1 : 300, N == 3 ? 3 : 1});
    }
  }
  Long worst = 0;
  int turn = 0;
  for (const Size& size : sizes) {
    for (const Profile profile : kProfiles) {
      for (std::size_t i = 0; i < 2; ++i) {
        const Spread& spread = kSpreads[at(turn++) % 6];
        const Problem<T> p(size.shape, size.M, size.O, profile, spread);
        const Long error = worst_error(p, p.run());
        worst = std::max(worst, error);
        CHECK_AT_MOST(error, 1);
      }
    }
  }
  std::printf("KernelQ on a device<%s>: %.2Lg of what is allowed\n",
              sizeof(T) == 4 ? "float" : "double", worst);
}

/// Rows `first`.. of an array with rows of so many numbers.
template <class T>
std::vector<T> part(const std::vector<T>& array, std::int64_t first, std::int64_t count) {
  return std::vector<T>(array.begin() + first, array.begin() + first + count);
}

/// Many states, four and two of which share a block, against the same states alone.
template <class T>
void bits_are_those_of_a_state_alone(const CloudShape& shape) {
  const std::int64_t S = shape.states, N = shape.particles, D = shape.dimension;
  const Problem<T> all(shape, 33, 2, Profile::gaussian, kSpreads[N % 2]);
  const auto together = all.run();
  Problem<T> one({1, N, D}, 33, 2, Profile::gaussian, kSpreads[N % 2]);
  for (const std::int64_t s : {std::int64_t{0}, std::int64_t{3}, S - 2, S - 1}) {
    one.states = part(all.states, s * 2, 2);
    one.particles = part(all.particles, s * N * D, N * D);
    const auto alone = one.run();
    CHECK_EQUAL(different(alone.values, part(together.values, s * N, N)), 0);
    CHECK_EQUAL(different(alone.gradient, part(together.gradient, s * N * D, N * D)), 0);
    CHECK_AT_MOST(worst_error(one, alone), 1);
  }
}

template <class T>
void one_output_alone() {
  for (const std::int64_t D : {2, 6, 40}) {
    const Problem<T> p({2, 5, D}, 30, 3, Profile::gaussian, kSpreads[0]);
    const auto whole = p.run(), values = p.run(true, false), gradient = p.run(false, true);
    CHECK_EQUAL(different(values.values, whole.values), 0);
    CHECK_EQUAL(different(gradient.gradient, whole.gradient), 0);
    CHECK(values.gradient == std::vector<T>(at(p.shape.size()), T(7)));
    CHECK(gradient.values == std::vector<T>(at(p.rows()), T(7)));
  }
}

/// NaN and infinity stay where they are; a particle so far that its square overflows meets no
/// kernel; of centres they are everywhere.
template <class T>
void not_finite() {
  const T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
  for (const Profile profile : kProfiles) {
    for (const std::int64_t D : {1, 6, 40}) {
      const CloudShape shape{4, 9, D};
      const Problem<T> clean(shape, 50, 3, profile, kSpreads[0]);
      const auto want = clean.run();
      Problem<T> p = clean;
      p.states[1 * 3 + 1] = nan;
      p.states[2 * 3 + 2] = -infinity;
      p.particles[at(4 * D)] = nan;
      p.particles[at((3 * 9 + 7) * D + D - 1)] = infinity;
      p.particles[at((3 * 9 + 2) * D)] = std::numeric_limits<T>::max() / 4;
      const auto found = p.run();
      for (std::int64_t i = 0; i < p.rows(); ++i) {
        const bool lost = i / 9 == 1 || i / 9 == 2 || i == 4 || i == 34, away = i == 29;
        for (std::int64_t d = 0; d <= D; ++d) {
          const T x = d == D ? found.values[at(i)] : found.gradient[at(i * D + d)];
          const T y = d == D ? want.values[at(i)] : want.gradient[at(i * D + d)];
          CHECK(lost ? std::isnan(x) : away ? x == 0 : x == y);
        }
      }
      for (int what = 0; what < 4; ++what) {
        Problem<T> broken = clean;
        if (what == 0) broken.center_states[7] = nan;
        if (what == 1) broken.center_actions[at(3 * D)] = infinity;
        if (what == 2) broken.weights[9] = nan;
        if (what == 3) broken.weights[5] = infinity;
        const auto lost = broken.run();
        for (const T x : lost.values) CHECK(std::isnan(x));
        for (const T x : lost.gradient) CHECK(std::isnan(x));
      }
      Problem<T> nothing = clean;
      for (T& weight : nothing.weights) weight = 0;
      const auto zero = nothing.run();
      for (const T x : zero.values) CHECK_EQUAL(x, T(0));
      for (const T x : zero.gradient) CHECK_EQUAL(x, T(0));
    }
  }
  // So far from every centre that no number tells how far: 0, but for the heavy tail.
  Problem<T> far({2, 3, 2}, 20, 2, Profile::gaussian, kSpreads[0]);
  for (T& s : far.states) s = std::numeric_limits<T>::max() / 3;
  for (const T x : far.run().values) CHECK_EQUAL(x, T(0));
}

void refusals() {
  const Problem<float> p({2, 3, 2}, 20, 2, Profile::gaussian, kSpreads[0]);
  DeviceArray<float> s(p.center_states), a(p.center_actions), w(p.weights);
  DeviceArray<float> table(at(wpg::cuda::kernel_q_table_size<float>(20, 2, 2)) + 1), out(12);
  const auto pack = [&](std::int64_t M, const float* state, const float* action, float* to) {
    return wpg::cuda::pack_kernel_q(to, s.get(), a.get(), w.get(), M, 2, 2, state, action,
                                    Profile::gaussian, nullptr);
  };
  const float good[2] = {1, 1}, bad[2] = {1, 0};
  const float nan[2] = {std::numeric_limits<float>::quiet_NaN(), 1};
  CHECK_REFUSED(pack(0, good, good, table.get()), "M = 0");
  CHECK_REFUSED(pack(20, bad, good, table.get()), "state_lengthscale[1]");
  CHECK_REFUSED(pack(20, good, nan, table.get()), "action_lengthscale[0]");
  CHECK_REFUSED(pack(20, good, good, table.get() + 1), "16 bytes");
  CHECK_REFUSED(wpg::cuda::kernel_q_table_size<float>(20, 0, 2), "O = 0");
  const auto q = pack(20, good, good, table.get());
  CHECK_REFUSED(wpg::cuda::evaluate(out.get(), static_cast<float*>(nullptr), q, s.get(), a.get(),
                                    {1, 2, 3}, nullptr),
                "D = 3");
  // Nothing to do.
  wpg::cuda::evaluate(out.get(), out.get(), q, s.get(), a.get(), {0, 2, 2}, nullptr);
  wpg::cuda::evaluate(out.get(), out.get(), q, s.get(), a.get(), {2, 0, 2}, nullptr);
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  WANT_DEVICE();
  sums_are_within_the_bound<float>();
  sums_are_within_the_bound<double>();
  bits_are_those_of_a_state_alone<float>({1100, 3, 6});
  bits_are_those_of_a_state_alone<float>({1099, 13, 2});
  bits_are_those_of_a_state_alone<float>({560, 30, 6});
  bits_are_those_of_a_state_alone<double>({560, 3, 3});
  one_output_alone<float>();
  one_output_alone<double>();
  not_finite<float>();
  not_finite<double>();
  refusals();
  return result();
}
