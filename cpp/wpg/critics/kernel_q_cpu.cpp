#include "wpg/critics/kernel_q_cpu.hpp"

#include <cmath>
#include <limits>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

/// term with the sign of the weight: signs are +0 or -0.
template <class V>
WPG_FORMULA V with_sign(V term, V sign) {
  using U = unsigned_of<V>;
  return same_bits<V>(U(same_bits<U>(term) ^ same_bits<U>(sign)));
}

/// One particle against every centre of the slice.
///
/// kExpanded: |a - c|^2 = |a|^2 - 2 a.c + |c|^2, whose first term leaves the loop and whose last
/// one is in the exponents already; otherwise differences first. kD is the action dimension where
/// it is small, so that sums stay in registers.
template <class T, int kD, bool kGradient, bool kExpanded>
void pairs(const KernelQ<T>& q, const StateSlice<T>& slice, T* value, T* gradient, const T* point) {
  using V = vector_of<T>;
  constexpr T kLog2E = 2 * kHalfLog2E<T>;
  const T* const exponents = kExpanded ? slice.expanded_exponents : slice.exponents;
  const T* const signs = slice.signs;
  const T* const actions = slice.actions;
  const std::int64_t stride = slice.stride, count = slice.count;
  V total = V{}, sum[kD], at[kD];
  T square_of_point = 0;
#pragma GCC unroll 16
  for (int d = 0; d < kD; ++d) {
    square_of_point += point[d] * point[d];
    at[d] = all_lanes<V>(kExpanded ? kLog2E * point[d] : point[d]);
    sum[d] = V{};
  }
  for (std::int64_t m = 0; m < count; m += kLanes<T>) {
    V exponent = load<V>(exponents + m);
    V away[kD];
#pragma GCC unroll 16
    for (int d = 0; d < kD; ++d) {
      away[d] = load<V>(actions + d * stride + m);
      if constexpr (kExpanded) {
        exponent = exponent + at[d] * away[d];
      } else {
        away[d] = away[d] - at[d];
        exponent = exponent - (away[d] * kHalfLog2E<T>)*away[d];
      }
    }
    const V term = with_sign(power_of_two<V>(exponent), load<V>(signs + m));
    total = total + term;
    if constexpr (kGradient) {
#pragma GCC unroll 16
      for (int d = 0; d < kD; ++d) sum[d] = sum[d] + term * away[d];
    }
  }
  const T scale = kExpanded ? power_of_two<T>(-kHalfLog2E<T> * square_of_point) : T(1);
  const T sum_of_terms = sum_of_lanes<T>(total);
  if (value != nullptr) *value = std::ldexp(sum_of_terms * scale, slice.power);
  if constexpr (kGradient) {
#pragma GCC unroll 16
    for (int d = 0; d < kD; ++d) {
      T slope = sum_of_lanes<T>(sum[d]);
      if constexpr (kExpanded) slope -= sum_of_terms * point[d];
      gradient[d] = std::ldexp(slope * scale, slice.power) * q.inverse_action_lengthscale()[d];
    }
  }
}

/// The same for any action dimension: differences first, sums in memory.
template <class T, bool kGradient>
void wide_pairs(const KernelQ<T>& q, const StateSlice<T>& slice, T* value, T* gradient,
                const T* point, T* sums) {
  using V = vector_of<T>;
  const std::int64_t D = q.action_size();
  for (std::int64_t e = 0; e < D * kLanes<T>; ++e) sums[e] = 0;
  V total = V{};
  for (std::int64_t m = 0; m < slice.count; m += kLanes<T>) {
    const T* const actions = slice.actions + m;
    V square = V{};
    for (std::int64_t d = 0; d < D; ++d) {
      const V away = load<V>(actions + d * slice.stride) - all_lanes<V>(point[d]);
      square = square + away * away;
    }
    const V term = with_sign(power_of_two<V>(load<V>(slice.exponents + m) - square * kHalfLog2E<T>),
                             load<V>(slice.signs + m));
    total = total + term;
    for (std::int64_t d = 0; kGradient && d < D; ++d) {
      const V away = load<V>(actions + d * slice.stride) - all_lanes<V>(point[d]);
      T* sum = sums + d * kLanes<T>;
      store(sum, load<V>(sum) + term * away);
    }
  }
  if (value != nullptr) *value = std::ldexp(sum_of_lanes<T>(total), slice.power);
  for (std::int64_t d = 0; kGradient && d < D; ++d) {
    const T slope = sum_of_lanes<T>(load<V>(sums + d * kLanes<T>));
    gradient[d] = std::ldexp(slope, slice.power) * q.inverse_action_lengthscale()[d];
  }
}

template <class T, int kD>
void pairs_of_dimension(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                        const T* particles, std::int64_t count) {
  const std::int64_t D = q.action_size();
  Scratch<T> point(D), sums(kD == 0 ? D * kLanes<T> : 0);
  for (std::int64_t n = 0; n < count; ++n) {
    T square = 0;
    for (std::int64_t d = 0; d < D; ++d) {
      point[d] = particles[n * D + d] * q.inverse_action_lengthscale()[d] - q.middle()[d];
      square += point[d] * point[d];
    }
    T* value = values == nullptr ? nullptr : values + n;
    T* slope = gradient == nullptr ? nullptr : gradient + n * D;
    // The loop below wants finite numbers: NaN leaves here, and so does a point so far out that its
    // square overflows, where every kernel is 0.
    bool finite = slice.count > 0;
    for (std::int64_t d = 0; d < D; ++d) finite = finite && std::isfinite(particles[n * D + d]);
    if (!finite || !std::isfinite(square)) {
      const T answer = finite ? T(0) : std::numeric_limits<T>::quiet_NaN();
      if (value != nullptr) *value = answer;
      for (std::int64_t d = 0; slope != nullptr && d < D; ++d) slope[d] = answer;
      continue;
    }
    if constexpr (kD == 0) {
      slope != nullptr ? wide_pairs<T, true>(q, slice, value, slope, point.get(), sums.get())
                       : wide_pairs<T, false>(q, slice, value, slope, point.get(), sums.get());
    } else {
      const bool expanded = slice.expanded_exponents != nullptr && square <= KernelQ<T>::kNear;
      if (slope != nullptr) {
        expanded ? pairs<T, kD, true, true>(q, slice, value, slope, point.get())
                 : pairs<T, kD, true, false>(q, slice, value, slope, point.get());
      } else {
        expanded ? pairs<T, kD, false, true>(q, slice, value, slope, point.get())
                 : pairs<T, kD, false, false>(q, slice, value, slope, point.get());
      }
    }
  }
}

}  // namespace

template <class T>
std::int64_t slice_scratch(const KernelQ<T>& q) {
  return q.padded() * (q.action_size() + 5);
}

template <class T>
StateSlice<T> slice_state(const KernelQ<T>& q, const T* state, T* scratch) {
  using V = vector_of<T>;
  const std::int64_t padded = q.padded(), D = q.action_size();
  T* exponents = scratch;
  for (std::int64_t o = 0; o < q.observation_size(); ++o) {
    if (!std::isfinite(state[o])) return {exponents, nullptr, nullptr, nullptr, padded, 0, 0};
  }
  V top = load<V>(q.log_weights()) - T(1e6);
  for (std::int64_t m = 0; m < padded; m += kLanes<T>) {
    V square = V{};
    for (std::int64_t o = 0; o < q.observation_size(); ++o) {
      const V away = load<V>(q.scaled_states() + o * padded + m) -
                     all_lanes<V>(state[o] * q.inverse_state_lengthscale()[o]);
      square = square + away * away;
    }
    const V exponent = load<V>(q.log_weights() + m) - square * kHalfLog2E<T>;
    store(exponents + m, exponent);
    top = larger(top, exponent);
  }
  T lane[kLanes<T>];
  store(lane, top);
  T highest = lane[0];
  for (int i = 1; i < kLanes<T>; ++i) highest = larger(highest, lane[i]);
  T centers = 1, bits = 0;  // log2 of the number of centres, rounded up
  while (centers < static_cast<T>(q.centers())) {
    centers *= 2;
    bits += 1;
  }
  const T cut = highest - bits - (sizeof(T) == 4 ? 24 : 53);

  // Relative to the largest, no power of two overflows, whatever the weights.
  const T power = std::ceil(highest), relative_cut = cut - power;
  const int shift = static_cast<int>(power);
  T* expanded = scratch + padded;
  signed_of<V> skipped = {};  // a comparison that holds is -1
  for (std::int64_t m = 0; m < padded; m += kLanes<T>) {
    const V exponent = load<V>(exponents + m) - power;
    skipped = skipped - (signed_of<V>)(exponent < relative_cut);
    store(exponents + m, exponent);
    store(expanded + m, V(exponent - load<V>(q.half_squares() + m)));
  }
  std::int64_t kept = padded;
  for (int lane = 0; lane < kLanes<T>; ++lane) kept -= skipped[lane];
  const bool near = q.centers_near();
  if (kept * 4 > padded * 3) {
    return {exponents, near ? expanded : nullptr, q.signs(), q.scaled_actions(), padded, padded,
            shift};
  }
  T* kept_exponents = scratch + 2 * padded;
  T* kept_expanded = scratch + 3 * padded;
  T* kept_signs = scratch + 4 * padded;
  T* kept_actions = scratch + 5 * padded;
  std::int64_t at = 0;
  for (std::int64_t m = 0; m < q.centers(); ++m) {
    if (exponents[m] < relative_cut) continue;
    kept_exponents[at] = exponents[m];
    kept_expanded[at] = expanded[m];
    kept_signs[at] = q.signs()[m];
    for (std::int64_t d = 0; d < D; ++d) {
      kept_actions[d * padded + at] = q.scaled_actions()[d * padded + m];
    }
    ++at;
  }
  for (; at % kLanes<T> != 0; ++at) {
    kept_exponents[at] = kept_expanded[at] = T(-100000);
    kept_signs[at] = 0;
    for (std::int64_t d = 0; d < D; ++d) kept_actions[d * padded + at] = 0;
  }
  return {kept_exponents, near ? kept_expanded : nullptr, kept_signs, kept_actions, padded, at,
          shift};
}

template <class T>
void evaluate_particles(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                        const T* particles, std::int64_t count) {
  switch (q.action_size()) {
    case 1:
      return pairs_of_dimension<T, 1>(q, slice, values, gradient, particles, count);
    case 2:
      return pairs_of_dimension<T, 2>(q, slice, values, gradient, particles, count);
    case 3:
      return pairs_of_dimension<T, 3>(q, slice, values, gradient, particles, count);
    case 4:
      return pairs_of_dimension<T, 4>(q, slice, values, gradient, particles, count);
    case 6:
      return pairs_of_dimension<T, 6>(q, slice, values, gradient, particles, count);
    case 8:
      return pairs_of_dimension<T, 8>(q, slice, values, gradient, particles, count);
    default:
      return pairs_of_dimension<T, 0>(q, slice, values, gradient, particles, count);
  }
}

template <class T>
void evaluate_states(const KernelQ<T>& q, T* values, T* gradient, const T* states,
                     const T* particles, const CloudShape& shape, std::int64_t first_state,
                     std::int64_t last_state) {
  Scratch<T> scratch(slice_scratch(q));
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice = slice_state(q, states + s * q.observation_size(), scratch.get());
    evaluate_particles(q, slice, values == nullptr ? nullptr : values + s * shape.particles,
                       gradient == nullptr ? nullptr : gradient + s * shape.per_state(),
                       particles + s * shape.per_state(), shape.particles);
  }
}

#define WPG_INSTANTIATE(T)                                                                       \
  template std::int64_t slice_scratch<T>(const KernelQ<T>&);                                     \
  template StateSlice<T> slice_state<T>(const KernelQ<T>&, const T*, T*);                        \
  template void evaluate_particles<T>(const KernelQ<T>&, const StateSlice<T>&, T*, T*, const T*, \
                                      std::int64_t);                                             \
  template void evaluate_states<T>(const KernelQ<T>&, T*, T*, const T*, const T*,                \
                                   const CloudShape&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
