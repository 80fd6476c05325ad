// Normal and exponential draws for one block of particles, into a buffer in the first-level cache.
// Internal to the files that are compiled once per instruction set.
//
// Philox blocks run in vector lanes over b = group * D + coordinate. Output word k of block b
// belongs to particle group * kGroup + k, so for a fixed k the lanes of one group are the D
// contiguous coordinates of one particle: rows are copied into place.
#pragma once

#include <cstdint>

#include "wpg/base/block_plan.hpp"
#include "wpg/base/normal_math.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/base/scratch.hpp"
#include "wpg/base/side_by_side.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/base/streams.hpp"

// Compiled on its own: among the callers' live registers its loops would lose theirs.
#define WPG_APART __attribute__((noinline))

namespace wpg {
namespace WPG_ISA {

/// What a stream and a step fix for a whole call.
struct NoiseKey {
  std::uint64_t seed;
  Stream stream;
  std::uint64_t step;

  bool operator==(const NoiseKey& other) const {
    return seed == other.seed && stream == other.stream && step == other.step;
  }
};

/// Arrays as long as a block, which the caller reads right after the draw.
template <class T>
struct ComingMemory {
  const T* first = nullptr;
  const T* second = nullptr;
};

template <class T>
class NormalBlock {
 public:
  explicit NormalBlock(const BlockPlan<T>& plan)
      : dimension_(plan.dimension()),
        groups_(plan.groups()),
        width_(whole_vectors(plan.states() * plan.groups() * plan.dimension()) + kPad),
        group_(width_),
        state_(width_),
        coordinate_(width_),
        keys_(1),
        opened_(width_ * 2),
        columns_(width_ * kGroup<T>) {
    std::int64_t b = 0;
    for (std::int64_t s = 0; s < plan.states(); ++s) {
      for (std::int64_t g = 0; g < groups_; ++g) {
        for (std::int64_t d = 0; d < dimension_; ++d, ++b) {
          state_[b] = static_cast<std::uint32_t>(s);
          group_[b] = static_cast<std::uint32_t>(g);
          coordinate_[b] = static_cast<std::uint32_t>(d);
        }
      }
    }
    for (; b < width_; ++b) group_[b] = state_[b] = coordinate_[b] = 0;
  }

  /// Writes to[((s - first_state) * particles + (n - first_particle)) * D + d]. Drawing is all
  /// arithmetic: meanwhile `coming` is fetched into the cache.
  void draw(const NoiseKey& key, const Block& block, T* to, const ComingMemory<T>& coming = {}) {
    const std::int64_t groups = (block.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t blocks = ((block.states - 1) * groups_ + groups) * dimension_;
    if (block.states == 1) {
      random_words<true>(key, block, blocks, coming);
    } else {
      random_words<false>(key, block, blocks, coming);
    }
    normals_of_words(blocks);
    place(block, to);
  }

  /// Standard exponentials, -log of a uniform number, one for each word; for a plan of D = 1 one
  /// for each particle. Writes like draw.
  void draw_exponential(const NoiseKey& key, const Block& block, T* to) {
    const std::int64_t groups = (block.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t blocks = ((block.states - 1) * groups_ + groups) * dimension_;
    random_words<false>(key, block, blocks, {});
    for (int k = 0; k < kGroup<T>; ++k) {
      T* word = column(k);
      for (std::int64_t b = 0; b < blocks; b += kLanes<T>) {
        store(word + b, exponential_of<V>(load<U>(word + b)));
      }
    }
    place(block, to);
  }

 private:
  // Vectors are done up to four at a time, so they may reach beyond the last block.
  static constexpr std::int64_t kPad = 4 * kLanes<float>;
  static constexpr int kHalf = kLanes<double>;
  using V = vector_of<T>;
  using U = unsigned_of<V>;

  static std::int64_t whole_vectors(std::int64_t count) {
    return (count + kLanes<float> - 1) / kLanes<float> * kLanes<float>;
  }

  T* column(int k) { return columns_.get() + k * width_; }

  /// The first two rounds of Philox for every counter of a block, but for what depends on the
  /// state. The state is the counter's second word x1, so after them, with s = the product of round
  /// two that holds the state,
  ///   x = (high(p) ^ constant, p, high(s) ^ q, s)
  /// where p and q depend on group and coordinate alone: the same for all states. Stored for each
  /// vector of counters: p of even lanes, p of odd ones, q of both.
  WPG_APART void open(const NoiseKey& key, std::int64_t first_group) {
    PhiloxKeys<u64v>& keys = *keys_.get();
    philox_keys(key.seed, keys);
    const u32v group0 = u32v{} + static_cast<std::uint32_t>(first_group);
    const u32v word3 = u32v{} + stream_word(key.stream, key.step);
    for (std::int64_t b = 0; b < width_; b += kLanes<float>) {
      const u64v c0 = (u64v)(load<u32v>(group_.get() + b) + group0);
      const u64v c3 = (u64v)(load<u32v>(coordinate_.get() + b) | word3);
      std::uint64_t* const to = opened_.get() + 2 * b;
      for (int odd = 0; odd < 2; ++odd) {
        const u64v product = multiply_low_words(odd != 0 ? c0 >> 32 : c0, kPhiloxFactor0);
        const u64v x2 = (product >> 32) ^ (odd != 0 ? c3 >> 32 : c3) ^ keys.word[1];
        store(to + odd * kHalf, multiply_low_words(x2, kPhiloxFactor1));
        store(to + (2 + odd) * kHalf, product ^ keys.word[3]);
      }
    }
    opened_key_ = key;
    opened_group_ = first_group;
  }

  // Philox, the logarithm and the circle run in loops of their own: each then has few enough
  // instructions for the processor to work on several rounds of the loop at once.
  template <bool kOneState>
  WPG_APART void random_words(const NoiseKey& key, const Block& block, std::int64_t blocks,
                              const ComingMemory<T>& coming) {
    const std::int64_t first_group = block.first_particle / kGroup<T>;
    if (first_group != opened_group_ || !(key == opened_key_)) open(key, first_group);
    const PhiloxKeys<u64v>& keys = *keys_.get();
    const u64v product1 = multiply_low_words(u64v{} + (key.step & 0xFFFFFFFFu), kPhiloxFactor1);
    const u64v state_key = (product1 >> 32) ^ keys.word[0], constant = product1 ^ keys.word[2];
    const u32v state0 = u32v{} + static_cast<std::uint32_t>(block.first_state);
    // Pointers in local variables: after a store the compiler must read members again.
    const std::uint64_t* const opened = opened_.get();
    const std::uint32_t* const state = state_.get();
    T* const column0 = column(0);
    T* const column1 = column(1);
    T* const column2 = column(kGroup<T> - 2);
    T* const column3 = column(kGroup<T> - 1);
    // Three vectors of counters a turn, each in even and odd 64-bit lanes (dirty high halves do no
    // harm), three of these six at a time: as many as stay in sixteen registers.
    constexpr int kVectors = 3;
    for (std::int64_t b = 0; b < blocks; b += kVectors * kLanes<float>) {
      PhiloxWords<u64v> even[kVectors], odd[kVectors];
#pragma GCC unroll 3
      for (int i = 0; i < kVectors; ++i) {
        const std::int64_t at = b + i * kLanes<float>;
        const u64v c1 = (u64v)(kOneState ? state0 : load<u32v>(state + at) + state0);
        const u64v s_even = multiply_low_words(state_key ^ c1, kPhiloxFactor0);
        const u64v s_odd = multiply_low_words(state_key ^ (c1 >> 32), kPhiloxFactor0);
        const std::uint64_t* const o = opened + 2 * at;
        const u64v p_even = load<u64v>(o), p_odd = load<u64v>(o + kHalf);
        const u64v q_even = load<u64v>(o + 2 * kHalf), q_odd = load<u64v>(o + 3 * kHalf);
        even[i] = {(p_even >> 32) ^ constant, p_even, (s_even >> 32) ^ q_even, s_even};
        odd[i] = {(p_odd >> 32) ^ constant, p_odd, (s_odd >> 32) ^ q_odd, s_odd};
      }
      if (coming.first != nullptr) {
        fetch<kVectors * kLanes<float> * kGroup<T>>(coming, b * kGroup<T>);
      }
      philox4x32<2>(even, keys);
      philox4x32<2>(odd, keys);
#pragma GCC unroll 3
      for (int i = 0; i < kVectors; ++i) {
        const std::int64_t at = b + i * kLanes<float>;
        const PhiloxWords<u64v>&x = even[i], &y = odd[i];
        if constexpr (kGroup<T> == 4) {
          store(column0 + at, join_words(x.x0, y.x0));
          store(column1 + at, join_words(x.x1, y.x1));
          store(column2 + at, join_words(x.x2, y.x2));
          store(column3 + at, join_words(x.x3, y.x3));
        } else {
          interleave(column0 + at, low(x.x0) | (x.x1 << 32), low(y.x0) | (y.x1 << 32));
          interleave(column1 + at, low(x.x2) | (x.x3 << 32), low(y.x2) | (y.x3 << 32));
        }
      }
    }
  }

  /// A fetch beyond the end of an array does no harm.
  template <std::int64_t kCount>
  static void fetch(const ComingMemory<T>& coming, std::int64_t begin) {
    for (std::int64_t e = begin; e < begin + kCount; e += 64 / static_cast<int>(sizeof(T))) {
      __builtin_prefetch(coming.first + e, 0, 2);
      __builtin_prefetch(coming.second + e, 0, 2);
    }
  }

  static u64v low(u64v x) { return x & 0xFFFFFFFFu; }

  static void interleave(T* to, u64v even, u64v odd) {
    for (int lane = 0; lane < kLanes<double>; ++lane) {
      const std::uint64_t pair[2] = {even[lane], odd[lane]};
      std::memcpy(to + 2 * lane, pair, sizeof(pair));
    }
  }

  WPG_APART void normals_of_words(std::int64_t blocks) {
    using Two = SideBySide<V>;
    using Four = SideBySide<Two>;
    for (int k = 0; k < kGroup<T>; k += 2) {
      T* const radius = column(k);
      T* const turn = column(k + 1);
      for (std::int64_t b = 0; b < blocks; b += 4 * kLanes<T>) {
        unsigned_of<Four> words;
        load_lanes(words, radius + b);
        store_lanes(radius + b, minus_two_log_of_uniform<Four>(words));
      }
      for (std::int64_t b = 0; b < blocks; b += 2 * kLanes<T>) {
        Two square;
        unsigned_of<Two> words;
        load_lanes(square, radius + b);
        load_lanes(words, turn + b);
        const auto pair = box_muller<Two>(square, words);
        store_lanes(radius + b, pair.first);
        store_lanes(turn + b, pair.second);
      }
    }
  }

  // Rows of D coordinates from the columns into order. Where there is room, whole vectors are
  // stored, and what they write too much the next rows overwrite.
  void place(const Block& block, T* row) {
    const std::int64_t D = dimension_, width = width_;
    const T* last = row + block.states * block.particles * D;
    const T* roomy = D <= kLanes<T> ? last - kGroup<T> * D - kLanes<T> : row;
    for (std::int64_t s = 0; s < block.states; ++s) {
      const T* group = columns_.get() + s * groups_ * D;
      std::int64_t left = block.particles;
      if (D == 1) {
        for (; left >= kGroup<T>; left -= kGroup<T>, ++group, row += kGroup<T>) {
          for (int k = 0; k < kGroup<T>; ++k) row[k] = group[k * width];
        }
      }
      for (; left >= kGroup<T> && row < roomy; left -= kGroup<T>, group += D) {
        for (int k = 0; k < kGroup<T>; ++k, row += D) store(row, load<V>(group + k * width));
      }
      for (; left > 0; left -= kGroup<T>, group += D) {
        for (int k = 0; k < kGroup<T> && k < left; ++k, row += D) {
          for (std::int64_t d = 0; d < D; ++d) row[d] = group[k * width + d];
        }
      }
    }
  }

  std::int64_t dimension_, groups_, width_;
  Scratch<std::uint32_t> group_, state_, coordinate_;
  Scratch<PhiloxKeys<u64v>> keys_;
  Scratch<std::uint64_t> opened_;  // what `open` made, for the key and the first group below
  NoiseKey opened_key_{};
  std::int64_t opened_group_ = -1;
  Scratch<T> columns_;
};

}  // namespace WPG_ISA
}  // namespace wpg
