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
        width_(plan.states() * plan.groups() * plan.dimension() + kPad),
        group_(width_),
        state_(width_),
        coordinate_(width_),
        keys_(1),
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
        store(word + b, V(minus_two_log_of_uniform<V>(load<U>(word + b)) * T(0.5)));
      }
    }
    place(block, to);
  }

 private:
  // Vectors are done up to four at a time, so they may reach beyond the last block.
  static constexpr std::int64_t kPad = 4 * kLanes<float>;
  using V = vector_of<T>;
  using U = unsigned_of<V>;

  T* column(int k) { return columns_.get() + k * width_; }

  // Philox, the logarithm and the circle run in loops of their own: each then has few enough
  // instructions for the processor to work on several rounds of the loop at once.
  template <bool kOneState>
  WPG_APART void random_words(const NoiseKey& key, const Block& block, std::int64_t blocks,
                              const ComingMemory<T>& coming) {
    PhiloxKeys<u64v>& keys = *keys_.get();
    philox_keys(key.seed, keys);
    const u32v group0 = u32v{} + static_cast<std::uint32_t>(block.first_particle / kGroup<T>);
    const u32v state0 = u32v{} + static_cast<std::uint32_t>(block.first_state);
    const u32v word3 = u32v{} + stream_word(key.stream, key.step);
    const u64v word2 = u64v{} + (key.step & 0xFFFFFFFFu);
    // Pointers in local variables: after a store the compiler must read members again.
    const std::uint32_t* const group = group_.get();
    const std::uint32_t* const state = state_.get();
    const std::uint32_t* const coordinate = coordinate_.get();
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
        const u64v c0 = (u64v)(load<u32v>(group + at) + group0);
        const u64v c1 = (u64v)(kOneState ? state0 : load<u32v>(state + at) + state0);
        const u64v c3 = (u64v)(load<u32v>(coordinate + at) | word3);
        even[i] = {c0, c1, word2, c3};
        odd[i] = {c0 >> 32, c1 >> 32, word2, c3 >> 32};
      }
      if (coming.first != nullptr) {
        fetch<kVectors * kLanes<float> * kGroup<T>>(coming, b * kGroup<T>);
      }
      philox4x32(even, keys);
      philox4x32(odd, keys);
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
  Scratch<T> columns_;
};

}  // namespace WPG_ISA
}  // namespace wpg
