// Philox4x32-10: a counter-based generator. 128 bits of counter and 64 bits of key give 128 random
// bits, with no state in between.
//
// One round:  (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0))
// and the key is increased by (W0, W1) before the next one. Ten rounds.
//
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", sect. 3.3.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// Four words in 64-bit lanes; only the low 32 bits of a lane count, the high ones may be dirty.
template <class L>
struct PhiloxWords {
  L x0, x1, x2, x3;
};

/// L is std::uint64_t or a vector of such lanes.
template <class L>
WPG_FORMULA PhiloxWords<L> philox4x32(L c0, L c1, L c2, L c3, std::uint32_t key0,
                                      std::uint32_t key1) {
  constexpr std::uint32_t kM0 = 0xD2511F53u, kM1 = 0xCD9E8D57u;
  constexpr std::uint32_t kW0 = 0x9E3779B9u, kW1 = 0xBB67AE85u;
#if defined(__GNUC__)
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const L product0 = multiply_low_words(c0, kM0);
    const L product1 = multiply_low_words(c2, kM1);
    c0 = (product1 >> 32) ^ c1 ^ std::uint64_t{key0};
    c2 = (product0 >> 32) ^ c3 ^ std::uint64_t{key1};
    c1 = product1;
    c3 = product0;
    key0 += kW0;
    key1 += kW1;
  }
  return {c0, c1, c2, c3};
}

}  // namespace wpg
