// One coordinate of a Gaussian, its images at walls or around a torus, and their cosine series. All
// lengths are in standard deviations, all exponents in base two; V is a number or a vector.
//
// With z = x - m, an image of x whose squared distance from m is z^2 + 4ab adds 2^(-2 log2(e) a b)
// times the point's own term:
//
//   mirror at the lower wall     a = (x - lo) + kL    b = (m - lo) + kL     k = 0, 1, ...
//   mirror at the upper wall     a = (hi - x) + kL    b = (hi - m) + kL
//   shifts by 2kH                a = kH               b = kH - |z|, kH + |z|      k = 1, 2, ...
//
// H = L in a box, half the period on a torus. The same sum is, by Poisson's formula,
//
//   box     (1/L) [1 + sum_k c_k cos(k t (x - lo)) cos(k t (m - lo))]     t = pi / H
//   torus   (1/P) [1 + sum_k c_k cos(k t (x - m))]                        c_k = 2 exp(-(k t)^2 / 2)
//
// which needs few terms where images are many: for H <= 2 its smallest bracket is 0.43, so nothing
// cancels. Source: theta functions, Feller 1971, X.5.
#pragma once

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/lanes.hpp"

namespace wpg {

/// -z^2 / 2.
template <class V>
WPG_FORMULA V gaussian_exponent(V z) {
  return z * z * (-kHalfLog2E<number_of<V>>);
}

/// -2 a: times b, the exponent of an image.
template <class T>
WPG_FORMULA T image_slope(T a) {
  return T(-4) * kHalfLog2E<T> * a;
}

/// Images whose exponent is below this are left out: all of them together are below u / 4.
template <class T>
inline constexpr T kLeastImage = sizeof(T) == 4 ? T(-29) : T(-58);

/// Up to this H, in standard deviations, the cosine series is used.
template <class T>
inline constexpr T kWidestSeries = T(2);

/// Terms of the series at H = 2 that are not below u / 4; there are fewer at a smaller H.
template <class T>
inline constexpr int kMostWaves = sizeof(T) == 4 ? 4 : 6;

/// The shorter way between two points of a torus.
template <class V>
WPG_FORMULA V distance_on_torus(V x, V m, V period) {
  const V away = absolute(V(x - m));
  return smaller(V(period - away), away);
}

/// mantissa * 2^power = the same number, 1 <= mantissa < 2, for a positive normal number.
template <class V>
WPG_FORMULA void split_power(V x, V& mantissa, V& power) {
  using T = number_of<V>;
  using U = unsigned_of<V>;
  using N = number_of<U>;
  constexpr int kDigits = sizeof(T) == 4 ? 23 : 52;
  constexpr N kFraction = (N(1) << kDigits) - 1;
  constexpr N kOne = sizeof(T) == 4 ? N(127) << 23 : N(1023) << 52;
  // 1.5 * 2^digits holds a small integer in its low bits.
  constexpr T kRound = sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0);
  const U bits = same_bits<U>(x);
  mantissa = same_bits<V>(U((bits & kFraction) | kOne));
  const U integer = (bits >> kDigits) + same_bits<U>(all_lanes<V>(kRound));
  power = same_bits<V>(integer) - (kRound + (sizeof(T) == 4 ? T(127) : T(1023)));
}

}  // namespace wpg
