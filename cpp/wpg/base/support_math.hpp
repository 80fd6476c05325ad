// How a point that has left its support comes back. One coordinate; V is a number or a vector.
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// Largest whole number not above x. Adding and subtracting 1.5 2^p rounds to a whole number where
/// |x| < 2^(p-1); beyond that x is whole enough for a fold, which is lost to rounding there anyway.
template <class V>
WPG_FORMULA V floor_of(V x) {
  using T = number_of<V>;
  constexpr T kRound = sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0);
  constexpr T kExact = sizeof(T) == 4 ? T(4194304.0) : T(2251799813685248.0);
  const V nearest = (x + kRound) - kRound;
  const V below = select(nearest > x, nearest - T(1), nearest);
  return select((x < kExact) & (x > -kExact), below, x);
}

template <class V>
WPG_FORMULA V clamp(V x, V low, V high) {
  x = select(x < low, low, x);  // comparisons with NaN are false, so NaN stays NaN
  return select(x > high, high, x);
}

/// Reflection at both walls, as often as needed; a point inside comes back unchanged, to the bit.
///
/// One reflection at each wall is max(x, 2 low - x), then min(x, 2 high - x). Whoever is still not
/// inside has gone further than a box width: y = |x - low| mod 2L, low + min(y, 2L - y), with
/// period = 2L. Source: symmetrised Euler scheme, Bossy, Gobet, Talay 2004.
template <class V>
WPG_FORMULA V reflect(V x, V low, V high, V period, V inverse_period) {
  const V above = larger(V((low + low) - x), x);
  const V once = smaller(V((high + high) - above), above);
  if (!any_lane(!(once >= low))) return once;
  const V away = absolute(V(x - low));
  const V rest = away - floor_of<V>(away * inverse_period) * period;
  const V y = clamp(rest, V(period - period), period);
  const V folded = clamp(V(low + smaller(V(period - y), y)), low, high);
  return select(once >= low, once, folded);
}

/// The same number, but NaN for infinity: a particle that was thrown to infinity is lost, and a
/// wall must not hide it.
template <class V>
WPG_FORMULA V finite_or_nan(V x) {
  const V zero = x - x;
  return select(zero == zero, x, zero);
}

/// x mod period, in [0, period).
template <class V>
WPG_FORMULA V wrap(V x, V period, V inverse_period) {
  const V zero = x - x;  // NaN for an infinite or undefined x, which must not become a number
  V y = x - floor_of<V>(x * inverse_period) * period;
  y = select(y < zero, V(y + period), y);
  // Rounding may leave y at the period; far out, where x has no digits left below it, anywhere.
  y = select((y >= zero) & (y < period), y, zero);
  return select((x >= zero) & (x < period), x, y);
}

}  // namespace wpg
