// An open interval (low, high) seen as a whole line: a = middle + half s(y), half = (high - low)/2.
//
//   tanh      s(y) = tanh y              da/dy = half (1 - s^2)         d/dy log(da/dy) = -2 s
//   probit    s(y) = 2 Phi(y) - 1        da/dy = 2 half phi(y)          d/dy log(da/dy) = -y
//
// One coordinate; V is a number or a vector of numbers. What matters near a wall is the distance to
// it, so everything is written in below = a - low and above = high - a, which are exact there:
// tanh y = (below - above) / (below + above), y = log(below / above) / 2, Phi(y) = below / width.
// Logarithm, power of two and the normal tail are our own, of exactly rounded operations alone, so
// every processor gives the same bits.
//
// Accuracy, u the unit roundoff, measured in test_squash.cpp against long double. An action is off
// by at most 2 u (|low| + |high|) for its own rounding and that of the distance, and beyond that
// its distance from the nearer wall is off by a relative
//     tanh    tanh_wall_distance      (7 + 4 |y|) u         tanh_point     y: 5 (1 + |y|) u
//     probit  probit_wall_distance    (16 + 3 y^2) u        probit_point   y: 10 (1 + |y|) u
#pragma once

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/lanes.hpp"
#include "wpg/base/logarithm_math.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {

/// Nearer to a wall than this part of the width an action does not come: 2^-100, 2^-1000. Together
/// with the spacing of numbers there it bounds |y|.
template <class T>
inline constexpr T kLeastWallDistance = sizeof(T) == 4 ? T(0x1p-100) : T(0x1p-1000);

/// An action as a point of the line.
template <class V>
struct LinePoint {
  V y;
  V slope;               // da/dy [action]
  V log_slope_gradient;  // d/dy log(da/dy)
};

template <class V>
struct NormalTail {
  V tail, density;  // Phi(-x), phi(x)
};

/// Phi(-x) and phi(x) for x >= 0. From x = 14 (float) and 40 (double) on, the values there.
///
/// Phi(-x) = phi(x) M(x), and the Mills ratio M(x) is t times a polynomial in t - 1/2,
/// t = 4 / (x + 4): a Chebyshev interpolant computed in 40 digits.
template <class V>
WPG_FORMULA NormalTail<V> normal_tail(V x) {
  using T = number_of<V>;
  x = smaller(V(all_lanes<V>(sizeof(T) == 4 ? T(14) : T(40))), x);
  const V density = power_of_two<V>(x * x * -kHalfLog2E<T>) * T(0.39894228040143267794);
  const V t = V(all_lanes<V>(T(4))) / (x + T(4));
  const V w = t - T(0.5);
  if constexpr (sizeof(T) == 4) {
    V p = w * 0.0385609751f + 0.032287253999f;
    p = p * w - 0.12611892651f;
    p = p * w - 0.14142130824f;
    p = p * w + 0.15098426159f;
    p = p * w + 0.60566845579f;
    p = p * w + 0.93508607171f;
    p = p * w + 0.97040775848f;
    p = p * w + 0.76188542572f;
    p = p * w + 0.47330477078f;
    return {density * (t * p), density};
  } else {
    V p = w * -0.0026259259130617195905 + 0.000013342966824159440252;
    p = p * w + 0.0091839425824378343007;
    p = p * w - 0.0048764491686819907762;
    p = p * w - 0.012541877998097445338;
    p = p * w + 0.012700027010928479382;
    p = p * w + 0.010823345768008585823;
    p = p * w - 0.020946449703910793076;
    p = p * w - 0.0064168728938119107195;
    p = p * w + 0.030385696379550622951;
    p = p * w + 0.0018350754194123746715;
    p = p * w - 0.045103863259722260682;
    p = p * w - 0.0012242570815640549721;
    p = p * w + 0.074146409002905136023;
    p = p * w + 0.021391645873087425969;
    p = p * w - 0.13081137979876906396;
    p = p * w - 0.13955672417784929558;
    p = p * w + 0.15120360685837075449;
    p = p * w + 0.60556704924735531962;
    p = p * w + 0.93508192599694959102;
    p = p * w + 0.9704095548675994654;
    p = p * w + 0.76188545540999104799;
    p = p * w + 0.47330476582712133187;
    return {density * (t * p), density};
  }
}

/// x >= 0 with Phi(-x) = p, 2^-101 (2^-1001) <= p <= 1/2: rational functions of 1/2 - p and, in the
/// tail, of sqrt(-log p). Source: Wichura 1988, AS 241, PPND7 for float and PPND16 for double.
template <class V>
WPG_FORMULA V normal_quantile(V p) {
  using T = number_of<V>;
  const V q = V(all_lanes<V>(T(0.5))) - p;
  const auto central = q <= T(0.425);
  V x = q;
  if (any_lane(central)) {
    const V r = V(all_lanes<V>(T(0.180625))) - q * q;
    if constexpr (sizeof(T) == 4) {
      V above = r * 59.109374720f + 159.29113202f;
      above = above * r + 50.434271938f;
      above = above * r + 3.3871327179f;
      V below = r * 67.187563600f + 78.757757664f;
      below = below * r + 17.895169469f;
      below = below * r + 1.0f;
      x = q * (above / below);
    } else {
      V above = r * 2.5090809287301226727e+3 + 3.3430575583588128105e+4;
      above = above * r + 6.7265770927008700853e+4;
      above = above * r + 4.5921953931549871457e+4;
      above = above * r + 1.3731693765509461125e+4;
      above = above * r + 1.9715909503065514427e+3;
      above = above * r + 1.3314166789178437745e+2;
      above = above * r + 3.3871328727963666080;
      V below = r * 5.2264952788528545610e+3 + 2.8729085735721942674e+4;
      below = below * r + 3.9307895800092710610e+4;
      below = below * r + 2.1213794301586595867e+4;
      below = below * r + 5.3941960214247511077e+3;
      below = below * r + 6.8718700749205790830e+2;
      below = below * r + 4.2313330701600911252e+1;
      below = below * r + 1.0;
      x = q * (above / below);
    }
  }
  const auto outer = q > T(0.425);
  if (!any_lane(outer)) return x;
  // -2 log p is not negative up to p = 1.
  const V depth = square_root(V(minus_two_log<0>(p) * T(0.5)));
  const auto far = depth > T(5);
  if constexpr (sizeof(T) == 4) {
    const V r = depth - 1.6f;
    V above = r * 0.17023821103f + 1.3067284816f;
    above = above * r + 2.7568153900f;
    above = above * r + 1.4234372777f;
    V below = r * 0.12021132975f + 0.73700164250f;
    below = below * r + 1.0f;
    x = select(outer, V(above / below), x);
    if (!any_lane(far)) return x;
    const V s = depth - 5.0f;
    above = s * 0.017337203997f + 0.42868294337f;
    above = above * s + 3.0812263860f;
    above = above * s + 6.6579051150f;
    below = s * 0.012258202635f + 0.24197894225f;
    below = below * s + 1.0f;
    return select(far, V(above / below), x);
  } else {
    const V r = depth - 1.6;
    V above = r * 7.74545014278341407640e-4 + 2.27238449892691845833e-2;
    above = above * r + 2.41780725177450611770e-1;
    above = above * r + 1.27045825245236838258;
    above = above * r + 3.64784832476320460504;
    above = above * r + 5.76949722146069140550;
    above = above * r + 4.63033784615654529590;
    above = above * r + 1.42343711074968357734;
    V below = r * 1.05075007164441684324e-9 + 5.47593808499534494600e-4;
    below = below * r + 1.51986665636164571966e-2;
    below = below * r + 1.48103976427480074590e-1;
    below = below * r + 6.89767334985100004550e-1;
    below = below * r + 1.67638483018380384940;
    below = below * r + 2.05319162663775882187;
    below = below * r + 1.0;
    x = select(outer, V(above / below), x);
    if (!any_lane(far)) return x;
    const V s = depth - 5.0;
    above = s * 2.01033439929228813265e-7 + 2.71155556874348757815e-5;
    above = above * s + 1.24266094738807843860e-3;
    above = above * s + 2.65321895265761230930e-2;
    above = above * s + 2.96560571828504891230e-1;
    above = above * s + 1.78482653991729133580;
    above = above * s + 5.46378491116411436990;
    above = above * s + 6.65790464350110377720;
    below = s * 2.04426310338993978564e-15 + 1.42151175831644588870e-7;
    below = below * s + 1.84631831751005468180e-5;
    below = below * s + 7.86869131145613259100e-4;
    below = below * s + 1.48753612908506148525e-2;
    below = below * s + 1.36929880922735805310e-1;
    below = below * s + 5.99832206555887937690e-1;
    below = below * s + 1.0;
    return select(far, V(above / below), x);
  }
}

/// The same number with the sign of `from`.
template <class V>
WPG_FORMULA V with_sign_of(V x, V from) {
  return select(from < all_lanes<V>(number_of<V>(0)), V(-x), x);
}

/// An action, by its distances from the walls: both at least kLeastWallDistance of the width.
template <class V>
WPG_FORMULA LinePoint<V> tanh_point(V below, V above, V inverse_width) {
  using T = number_of<V>;
  return {minus_two_log<0>(V(below / above)) * T(-0.25), (below * T(2)) * (above * inverse_width),
          (above - below) * T(2) * inverse_width};
}

template <class V>
WPG_FORMULA LinePoint<V> probit_point(V below, V above, V width, V inverse_width) {
  const V x = normal_quantile<V>(V(smaller(below, above) * inverse_width));
  const V y = with_sign_of<V>(x, V(below - above));
  return {y, width * normal_tail<V>(absolute(x)).density, V(-y)};
}

/// How far from the nearer wall the action of y is.
template <class V>
WPG_FORMULA V tanh_wall_distance(V y, V width) {
  using T = number_of<V>;
  const V q = power_of_two<V>(absolute(y) * (T(-4) * kHalfLog2E<T>));  // exp(-2 |y|)
  return width * (q / (q + T(1)));
}

template <class V>
WPG_FORMULA V probit_wall_distance(V y, V width) {
  return width * normal_tail<V>(absolute(y)).tail;
}

/// The action that lies `distance` from the wall that y points to, inside [least, most]; NaN for a
/// y that is no finite number.
template <class V>
WPG_FORMULA V action_by_distance(V y, V distance, V low, V high, V least, V most) {
  const V a = select(y < all_lanes<V>(number_of<V>(0)), V(low + distance), V(high - distance));
  const V nothing = y - y;
  return select(nothing == nothing, clamp<V>(a, least, most), nothing);
}

}  // namespace wpg
