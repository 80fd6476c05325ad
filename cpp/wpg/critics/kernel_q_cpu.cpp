#include "wpg/critics/kernel_q_cpu.hpp"

#include <limits>

#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/critics/exponential_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

template <class T>
constexpr T kUnitRoundoff = sizeof(T) == 4 ? T(5.9604645e-8) : T(1.1102230246251565e-16);

/// Sum of a vector's lanes, always in the same tree.
template <class T>
T sum_of_lanes(vector_of<T> v) {
  T lane[kLanes<T>];
  store(lane, v);
  for (int width = kLanes<T> / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

template <class T>
vector_of<T> magnitude(vector_of<T> v) {
  return select(v < T(0), vector_of<T>(-v), v);
}

/// Every particle against every centre of the slice. D is known here for small action dimensions
/// (kD), so that the inner loop is straight code; kD = 0 reads it at run time.
template <class T, int kD, bool kGradient>
void pairs(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
           const T* particles, std::int64_t count) {
  using V = vector_of<T>;
  constexpr int kMost = kD > 0 ? kD : 1;
  const std::int64_t D = kD > 0 ? kD : q.action_size();
  const T* inverse = q.inverse_action_lengthscale();
  Scratch<T> wide_point(kD > 0 ? 0 : D * kLanes<T>), wide_sum(kD > 0 ? 0 : D * kLanes<T>);
  for (std::int64_t n = 0; n < count; ++n) {
    const T* a = particles + n * D;
    V value = V{};
    if constexpr (kD > 0) {
      V point[kMost], sum[kMost];
      for (int d = 0; d < kD; ++d) {
        point[d] = all_lanes<V>(a[d] * inverse[d]);
        sum[d] = V{};
      }
      for (std::int64_t m = 0; m < slice.count; m += kLanes<T>) {
        V away[kMost];
        V square = V{};
        for (int d = 0; d < kD; ++d) {
          away[d] = load<V>(slice.actions + d * slice.stride + m) - point[d];
          square = square + away[d] * away[d];
        }
        const V term = load<V>(slice.weights + m) *
                       exponential_of_negative<V>(square * T(-0.5));
        value = value + term;
        if constexpr (kGradient) {
          for (int d = 0; d < kD; ++d) sum[d] = sum[d] + term * away[d];
        }
      }
      if constexpr (kGradient) {
        for (int d = 0; d < kD; ++d) gradient[n * D + d] = sum_of_lanes<T>(sum[d]) * inverse[d];
      }
    } else {
      for (std::int64_t d = 0; d < D; ++d) {
        store(&wide_point[d * kLanes<T>], all_lanes<V>(a[d] * inverse[d]));
        store(&wide_sum[d * kLanes<T>], V{});
      }
      const auto away = [&](std::int64_t d, std::int64_t m) __attribute__((always_inline)) {
        return load<V>(slice.actions + d * slice.stride + m) -
               load<V>(&wide_point[d * kLanes<T>]);
      };
      for (std::int64_t m = 0; m < slice.count; m += kLanes<T>) {
        V square = V{};
        for (std::int64_t d = 0; d < D; ++d) {
          const V x = away(d, m);
          square = square + x * x;
        }
        const V term = load<V>(slice.weights + m) *
                       exponential_of_negative<V>(square * T(-0.5));
        value = value + term;
        if constexpr (kGradient) {
          for (std::int64_t d = 0; d < D; ++d) {
            T* sum = &wide_sum[d * kLanes<T>];
            store(sum, load<V>(sum) + term * away(d, m));
          }
        }
      }
      if constexpr (kGradient) {
        for (std::int64_t d = 0; d < D; ++d) {
          gradient[n * D + d] = sum_of_lanes<T>(load<V>(&wide_sum[d * kLanes<T>])) * inverse[d];
        }
      }
    }
    if (values != nullptr) values[n] = sum_of_lanes<T>(value);
  }
}

template <class T, bool kGradient>
void pairs_of_dimension(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                        const T* particles, std::int64_t count) {
  switch (q.action_size()) {
    case 1:
      return pairs<T, 1, kGradient>(q, slice, values, gradient, particles, count);
    case 2:
      return pairs<T, 2, kGradient>(q, slice, values, gradient, particles, count);
    case 3:
      return pairs<T, 3, kGradient>(q, slice, values, gradient, particles, count);
    case 4:
      return pairs<T, 4, kGradient>(q, slice, values, gradient, particles, count);
    case 6:
      return pairs<T, 6, kGradient>(q, slice, values, gradient, particles, count);
    case 8:
      return pairs<T, 8, kGradient>(q, slice, values, gradient, particles, count);
    default:
      return pairs<T, 0, kGradient>(q, slice, values, gradient, particles, count);
  }
}

}  // namespace

template <class T>
std::int64_t slice_scratch(const KernelQ<T>& q) {
  return q.padded() * (q.action_size() + 2);
}

template <class T>
StateSlice<T> slice_state(const KernelQ<T>& q, const T* state, T* scratch) {
  using V = vector_of<T>;
  const std::int64_t padded = q.padded();
  T* factor = scratch;
  V total = V{};
  for (std::int64_t m = 0; m < padded; m += kLanes<T>) {
    V square = V{};
    for (std::int64_t o = 0; o < q.observation_size(); ++o) {
      const V away = load<V>(q.scaled_states() + o * padded + m) -
                     all_lanes<V>(state[o] * q.inverse_state_lengthscale()[o]);
      square = square + away * away;
    }
    const V term =
        load<V>(q.weights() + m) * exponential_of_negative<V>(square * T(-0.5));
    total = total + magnitude<T>(term);
    store(factor + m, term);
  }
  const T cut = sum_of_lanes<T>(total) * (kUnitRoundoff<T> / static_cast<T>(q.centers()));

  // Centres that matter, in their order. `!(x <= cut)` keeps NaN, which must reach the caller.
  T* kept_weights = scratch + padded;
  T* kept_actions = scratch + 2 * padded;
  std::int64_t kept = 0;
  for (std::int64_t m = 0; m < padded; ++m) {
    const T size = factor[m] < 0 ? -factor[m] : factor[m];
    kept += !(size <= cut) ? 1 : 0;
  }
  if (kept * 4 > padded * 3) return {factor, q.scaled_actions(), padded, padded};

  std::int64_t at = 0;
  for (std::int64_t m = 0; m < q.centers(); ++m) {
    const T size = factor[m] < 0 ? -factor[m] : factor[m];
    if (size <= cut) continue;
    kept_weights[at] = factor[m];
    for (std::int64_t d = 0; d < q.action_size(); ++d) {
      kept_actions[d * padded + at] = q.scaled_actions()[d * padded + m];
    }
    ++at;
  }
  for (; at % kLanes<T> != 0; ++at) {
    kept_weights[at] = 0;
    for (std::int64_t d = 0; d < q.action_size(); ++d) kept_actions[d * padded + at] = 0;
  }
  return {kept_weights, kept_actions, padded, at};
}

template <class T>
void evaluate_particles(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                        const T* particles, std::int64_t count) {
  if (gradient != nullptr) {
    pairs_of_dimension<T, true>(q, slice, values, gradient, particles, count);
  } else {
    pairs_of_dimension<T, false>(q, slice, values, gradient, particles, count);
  }
}

template <class T>
void evaluate_states(const KernelQ<T>& q, T* values, T* gradient, const T* states,
                     const T* particles, const CloudShape& shape, std::int64_t first_state,
                     std::int64_t last_state) {
  Scratch<T> scratch(slice_scratch(q));
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice =
        slice_state(q, states + s * q.observation_size(), scratch.get());
    evaluate_particles(q, slice, values == nullptr ? nullptr : values + s * shape.particles,
                       gradient == nullptr ? nullptr : gradient + s * shape.per_state(),
                       particles + s * shape.per_state(), shape.particles);
  }
}

#define WPG_INSTANTIATE(T)                                                                      \
  template std::int64_t slice_scratch<T>(const KernelQ<T>&);                                    \
  template StateSlice<T> slice_state<T>(const KernelQ<T>&, const T*, T*);                       \
  template void evaluate_particles<T>(const KernelQ<T>&, const StateSlice<T>&, T*, T*, const T*, \
                                      std::int64_t);                                            \
  template void evaluate_states<T>(const KernelQ<T>&, T*, T*, const T*, const T*,               \
                                   const CloudShape&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
