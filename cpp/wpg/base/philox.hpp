// Philox4x32-10: a counter-based generator. 128 bits of counter and 64 bits of key give 128 random
// bits, with no state in between.
//
// One round:
//   (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0))
// and the key is increased by (W0, W1) before the next one. Ten rounds.
//
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
// sect. 3.3.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// Four words in 64-bit lanes; only the low 32 bits of a lane count, the high ones may be dirty.
template <class L>
struct PhiloxWords {
  L x0, x1, x2, x3;
};

inline constexpr int kPhiloxRounds = 10;

/// The keys of all rounds, two for each, in every lane. Made once per call: vectors of them are
/// read from memory in the loop, where making them again would cost more than the rounds
/// themselves.
template <class L>
struct PhiloxKeys {
  L word[2 * kPhiloxRounds];
};

/// L is std::uint64_t or a vector of such lanes.
template <class L>
WPG_FORMULA void philox_keys(std::uint64_t key, PhiloxKeys<L>& keys) {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    keys.word[2 * round] = L{} + std::uint64_t{key0};
    keys.word[2 * round + 1] = L{} + std::uint64_t{key1};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

inline constexpr std::uint32_t kPhiloxFactor0 = 0xD2511F53u, kPhiloxFactor1 = 0xCD9E8D57u;

template <class L>
WPG_FORMULA void philox_round(PhiloxWords<L>& c, L key0, L key1) {
  const L product0 = multiply_low_words(c.x0, kPhiloxFactor0);
  const L product1 = multiply_low_words(c.x2, kPhiloxFactor1);
  c = {(product1 >> 32) ^ (c.x1 ^ key0), product1, (product0 >> 32) ^ (c.x3 ^ key1), product0};
}

/// Counters become random words, several of them round by round in turn: a round waits for the one
/// before it, and independent counters fill the time. The first rounds may have been done already.
template <int kFirstRound, int kCounters, class L>
WPG_FORMULA void philox4x32(PhiloxWords<L> (&counters)[kCounters], const PhiloxKeys<L>& keys) {
  WPG_UNROLL(10)
  for (int round = kFirstRound; round < kPhiloxRounds; ++round) {
    WPG_UNROLL(8)
    for (int i = 0; i < kCounters; ++i) {
      philox_round(counters[i], keys.word[2 * round], keys.word[2 * round + 1]);
    }
  }
}

template <class L>
WPG_FORMULA PhiloxWords<L> philox4x32(L c0, L c1, L c2, L c3, const PhiloxKeys<L>& keys) {
  PhiloxWords<L> counter[1] = {{c0, c1, c2, c3}};
  philox4x32<0>(counter, keys);
  return counter[0];
}

}  // namespace wpg
