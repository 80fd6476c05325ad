// From random words to standard normals: log, sine and cosine of our own, so that every processor
// gives the same bits, and the Box-Muller pair. V is a number or a vector of numbers.
//
// Polynomials are Chebyshev interpolants computed in 40 digits. Measured errors (test_normal.cpp):
//   log            float 1.3 ulp     double 1.6 ulp
//   sine, cosine   float 8e-8        double 2e-16   (absolute)
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

template <class V>
struct NormalPair {
  V first, second;
};

/// log(x) of a positive normal number.
template <class V>
WPG_FORMULA V natural_log(V x) {
  using I = signed_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    // x = 2^e m with m in [sqrt(1/2), sqrt(2)); f = m - 1 is exact.
    const I shifted = same_bits<I>(x) - 0x3F3504F3;
    const V e = to_number(I(shifted >> 23));
    const V f = same_bits<V>(I((shifted & 0x007FFFFF) + 0x3F3504F3)) - 1.0f;
    V p = f * 0.06971611471f - 0.1147973385f;
    p = p * f + 0.1168541992f;
    p = p * f - 0.1242568733f;
    p = p * f + 0.1424905765f;
    p = p * f - 0.1666780232f;
    p = p * f + 0.2000071575f;
    p = p * f - 0.2499999696f;
    p = p * f + 0.3333333118f;
    const V f2 = f * f;
    // ln 2 in two pieces: the first has few bits, so e times it is exact.
    const V low = (p * (f2 * f) - f2 * 0.5f) + e * -2.12194440e-4f;
    return (f + low) + e * 0.693359375f;
  } else {
    // s = f / (2 + f), log(1 + f) = 2 s + s^3 R(s^2).
    const I shifted = same_bits<I>(x) - 0x3FE6A09E667F3BCD;
    // The exponent as a number, by the bits of 2^52 + 2^51: exact for any small integer.
    const I biased = (shifted >> 52) + 0x4338000000000000;
    const V e = same_bits<V>(biased) - 6755399441055744.0;
    const V f = same_bits<V>(I((shifted & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD)) - 1.0;
    const V s = f / (f + 2.0);
    const V z = s * s;
    V r = z * 0.13086626147840102138 + 0.13268773138656885185;
    r = r * z + 0.15386239702814658188;
    r = r * z + 0.18181795640132906276;
    r = r * z + 0.22222222391713917442;
    r = r * z + 0.28571428570803611811;
    r = r * z + 0.40000000000000876983;
    r = r * z + 0.66666666666666666465;
    const V low = r * (z * s) + e * 1.90821492927058770002e-10;
    return (s * 2.0 + low) + e * 6.93147180369123816490e-1;
  }
}

/// Sine and cosine of a turn that is given by a whole word: angle = 2 pi word / 2^bits.
template <class V>
WPG_FORMULA NormalPair<V> sine_cosine_of_turn(unsigned_of<V> word) {
  using I = signed_of<V>;
  using U = unsigned_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    // Top two bits of word + 1/8 turn: the quadrant. The rest, exactly: an angle in +-pi/4.
    const U moved = word + 0x20000000u;
    const I rest = same_bits<I>(U(moved & 0x3FFFFFFFu)) - 0x20000000;
    const V angle = to_number(rest) * 1.46291807926715968105e-9f;  // 2 pi / 2^32
    const V t = angle * angle;
    V sine = t * 2.72499258e-6f - 0.0001984008674f;
    sine = sine * t + 0.008333331875f;
    sine = sine * t - 0.1666666666f;
    sine = sine * (t * angle) + angle;
    V cosine = t * -2.73009592e-7f + 2.480060038e-5f;
    cosine = cosine * t - 0.001388888767f;
    cosine = cosine * t + 0.04166666666f;
    cosine = (cosine * (t * t) - t * 0.5f) + 1.0f;
    const auto odd = (moved & 0x40000000u) != 0;
    const U sine_sign = moved & 0x80000000u;
    const U cosine_sign = (moved + 0x40000000u) & 0x80000000u;
    const U s = same_bits<U>(select(odd, cosine, sine)) ^ sine_sign;
    const U c = same_bits<U>(select(odd, sine, cosine)) ^ cosine_sign;
    return {same_bits<V>(s), same_bits<V>(c)};
  } else {
    const U moved = word + 0x2000000000000000u;
    // 52 bits of the rest as a number in [1, 2): exact.
    const U mantissa = ((moved << 2) >> 12) | 0x3FF0000000000000u;
    const V angle = (same_bits<V>(mantissa) - 1.5) * 1.57079632679489661923;
    const V t = angle * angle;
    V sine = t * -7.5866971177069179847e-13 + 1.6058531618986146836e-10;
    sine = sine * t - 2.5052106232447577328e-8;
    sine = sine * t + 2.7557319219339166518e-6;
    sine = sine * t - 0.00019841269841265064947;
    sine = sine * t + 0.0083333333333333314921;
    sine = sine * t - 0.16666666666666666666;
    sine = sine * (t * angle) + angle;
    V cosine = t * 4.7458719020432915366e-14 - 1.1470460887609959107e-11;
    cosine = cosine * t + 2.0876755791080423807e-9;
    cosine = cosine * t - 2.7557319221402824394e-7;
    cosine = cosine * t + 0.000024801587301584646428;
    cosine = cosine * t - 0.0013888888888888887865;
    cosine = cosine * t + 0.041666666666666666666;
    cosine = (cosine * (t * t) - t * 0.5) + 1.0;
    const auto odd = (moved & 0x4000000000000000u) != 0;
    const U sine_sign = moved & 0x8000000000000000u;
    const U cosine_sign = (moved + 0x4000000000000000u) & 0x8000000000000000u;
    const U s = same_bits<U>(select(odd, cosine, sine)) ^ sine_sign;
    const U c = same_bits<U>(select(odd, sine, cosine)) ^ cosine_sign;
    return {same_bits<V>(s), same_bits<V>(c)};
  }
}

/// A random word as a number in (0, 1]. Float keeps 31 bits, which reach out to 6.7 standard
/// deviations; double keeps 52, which reach 8.5.
template <class V>
WPG_FORMULA V unit_interval(unsigned_of<V> word) {
  using I = signed_of<V>;
  using U = unsigned_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    return (to_number(same_bits<I>(U(word >> 1))) + 0.5f) * 4.656612873077392578125e-10f;
  } else {
    const U mantissa = (word >> 12) | 0x3FF0000000000000u;
    return same_bits<V>(mantissa) - (1.0 - 1.1102230246251565404e-16);
  }
}

/// Two independent standard normals from two random words:
///   sqrt(-2 log u) (cos, sin)(2 pi v).
template <class V>
WPG_FORMULA NormalPair<V> box_muller(unsigned_of<V> radius_word, unsigned_of<V> turn_word) {
  const V radius = square_root(natural_log(unit_interval<V>(radius_word)) * number_of<V>(-2));
  const NormalPair<V> turn = sine_cosine_of_turn<V>(turn_word);
  return {radius * turn.second, radius * turn.first};
}

}  // namespace wpg
