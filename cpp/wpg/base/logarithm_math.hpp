// The natural logarithm, of our own, so that every processor gives the same bits. V is a number or
// a vector of numbers.
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// -2 log(x / 2^kPower) for positive, normal, finite x; kPower is 0 for a double.
/// Relative error below 3e-7 in float, 6e-16 in double, near x = 2^kPower too: test_normal.cpp,
/// test_squash.cpp. Polynomials are Chebyshev interpolants computed in 40 digits.
template <int kPower, class V>
WPG_FORMULA V minus_two_log(V x) {
  using I = signed_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    // x / 2^kPower = 2^e m with m in [sqrt(1/2), sqrt(2)); f = m - 1 is exact.
    const I shifted = same_bits<I>(x) - (0x3F3504F3 + (kPower << 23));
    const V e = to_number(I(shifted >> 23));
    const V f = same_bits<V>(I((shifted & 0x007FFFFF) + 0x3F3504F3)) - 1.0f;
    // Pairs of terms side by side, so that no long chain of operations forms.
    const V f2 = f * f;
    const V p01 = f * 0.500014051f - 0.666668308f;
    const V p23 = f * 0.3320543770f - 0.399684465f;
    const V p45 = f * 0.280617844f - 0.2940779834f;
    const V p = p01 + (p23 + (p45 + f2 * -0.18097568854f) * f2) * f2;
    return (e * -1.38629436112f + f * -2.0f) + (f2 + p * (f * f2));
  } else {
    static_assert(kPower == 0, "a power would have to be taken out of the exponent first");
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
    return ((s * 2.0 + r * (z * s)) + e * 6.93147180559945309417e-1) * -2.0;
  }
}

/// log2 of a finite x >= 1. Error below 4 u (1 + log2 x), u the unit roundoff: test_kernel_q.cpp.
template <class V>
WPG_FORMULA V binary_logarithm(V x) {
  return minus_two_log<0>(x) * number_of<V>(-0.72134752044448170368);  // -1 / (2 log 2)
}

}  // namespace wpg
