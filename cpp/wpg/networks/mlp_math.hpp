// Activations of a hidden layer and their slopes. V is a number or a vector of numbers.
#pragma once

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/lanes.hpp"

namespace wpg {

inline constexpr float kLayerNormEpsilon = 1e-5f;

/// 1 / (1 + exp(-u)). Relative error below 5e-7, and 1e-7 |u| more for negative u, where u in base
/// two is rounded; 2^-120 for u < -83.
template <class V>
WPG_FORMULA V logistic(V u) {
  constexpr float kLog2E = 1.4426950408889634f;
  const V exponent = smaller(V(u * -kLog2E), V(all_lanes<V>(120.0f)));
  return 1.0f / (1.0f + power_of_two<V>(exponent));
}

/// silu and its slope are 0 up to 1e-34 below; u times what logistic gives there would not be.
template <class V>
WPG_FORMULA V where_silu_is_not_zero(V u) {
  return larger(V(all_lanes<V>(-83.0f)), u);
}

/// max(u, 0), or u logistic(u). NaN stays NaN.
template <bool kSilu, class V>
WPG_FORMULA V activation(V u) {
  if constexpr (kSilu) {
    const V c = where_silu_is_not_zero<V>(u);
    return c * logistic<V>(c);
  } else {
    return larger(V(all_lanes<V>(0.0f)), u);
  }
}

/// Slope of silu at u: p (1 + u (1 - p)), p = logistic(u).
template <bool kSilu, class V>
WPG_FORMULA V activation_slope(V u) {
  static_assert(kSilu, "relu's slope is read off its output");
  const V c = where_silu_is_not_zero<V>(u);
  const V p = logistic<V>(c);
  return p * (1.0f + c * (1.0f - p));
}

/// 1 where relu gave something, 0 where not, NaN where that is NaN or infinite.
template <class V>
WPG_FORMULA V relu_slope_of_output(V h) {
  const V one = all_lanes<V>(1.0f), zero = all_lanes<V>(0.0f);
  return select(h > zero, one, zero) + (h - h);
}

}  // namespace wpg
