// Logarithm in base two, for kernels that fall off like powers. V is a number or a vector.
//
// x = 2^n m, sqrt(1/2) <= m < sqrt(2), log2 m = 2/ln 2 artanh z, z = (m - 1)/(m + 1), |z| < 0.172.
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// log2 of a finite x >= 1. Error below 2 u (1 + log2 x), u the unit roundoff (test_kernel_q.cpp).
template <class V>
WPG_FORMULA V binary_logarithm(V x) {
  using U = unsigned_of<V>;
  using T = number_of<V>;
  constexpr T kTwoOverLn2 = T(2.8853900817779268147);
  if constexpr (sizeof(T) == 4) {
    constexpr std::uint32_t kRootHalf = 0x3F3504F3u, kMagic = 0x4B400000u;  // 1.5 * 2^23
    const U power = (same_bits<U>(x) - kRootHalf) >> 23;
    const V m = same_bits<V>(U(same_bits<U>(x) - (power << 23)));
    const V z = (m - 1.0f) / (m + 1.0f), w = z * z;
    V p = w * (1.0f / 9) + 1.0f / 7;
    p = p * w + 1.0f / 5;
    p = p * w + 1.0f / 3;
    p = p * w + 1.0f;
    return p * (z * kTwoOverLn2) + (same_bits<V>(U(power + kMagic)) - 12582912.0f);
  } else {
    constexpr std::uint64_t kRootHalf = 0x3FE6A09E667F3BCDu, kMagic = 0x4338000000000000u;
    const U power = (same_bits<U>(x) - kRootHalf) >> 52;
    const V m = same_bits<V>(U(same_bits<U>(x) - (power << 52)));
    const V z = (m - 1.0) / (m + 1.0), w = z * z;
    V p = w * (1.0 / 19) + 1.0 / 17;
    p = p * w + 1.0 / 15;
    p = p * w + 1.0 / 13;
    p = p * w + 1.0 / 11;
    p = p * w + 1.0 / 9;
    p = p * w + 1.0 / 7;
    p = p * w + 1.0 / 5;
    p = p * w + 1.0 / 3;
    p = p * w + 1.0;
    return p * (z * kTwoOverLn2) + (same_bits<V>(U(power + kMagic)) - 6755399441055744.0);
  }
}

}  // namespace wpg
