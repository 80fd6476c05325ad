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
#include "wpg/base/simd.hpp"
#include "wpg/base/streams.hpp"

namespace wpg {
namespace WPG_ISA {

/// What a stream and a step fix for a whole call.
struct NoiseKey {
  std::uint64_t seed;
  Stream stream;
  std::uint64_t step;
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

  /// Writes to[((s - first_state) * particles + (n - first_particle)) * D + d].
  void draw(const NoiseKey& key, const Block& block, T* to) {
    const std::int64_t groups = (block.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t blocks = ((block.states - 1) * groups_ + groups) * dimension_;
    if (block.states == 1) {
      random_words<true>(key, block, blocks);
    } else {
      random_words<false>(key, block, blocks);
    }
    normals_of_words(blocks);
    place(block, to);
  }

  /// Standard exponentials, -log of a uniform number, one for each word; for a plan of D = 1 one
  /// for each particle. Writes like draw.
  void draw_exponential(const NoiseKey& key, const Block& block, T* to) {
    const std::int64_t groups = (block.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t blocks = ((block.states - 1) * groups_ + groups) * dimension_;
    random_words<false>(key, block, blocks);
    for (int k = 0; k < kGroup<T>; ++k) {
      T* word = column(k);
      for (std::int64_t b = 0; b < blocks; b += kLanes<T>) {
        store(word + b, V(minus_two_log_of_uniform<V>(load<U>(word + b)) * T(0.5)));
      }
    }
    place(block, to);
  }

 private:
  static constexpr std::int64_t kPad = 2 * WPG_VECTOR_BYTES;
  using V = vector_of<T>;
  using U = unsigned_of<V>;

  T* column(int k) { return columns_.get() + k * width_; }

  // Philox and Box-Muller run in loops of their own: each then has few enough instructions for the
  // processor to work on several rounds of the loop at once.
  template <bool kOneState>
  void random_words(const NoiseKey& key, const Block& block, std::int64_t blocks) {
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
    for (std::int64_t b = 0; b < blocks; b += kLanes<float>) {
      const u32v c0 = load<u32v>(group + b) + group0;
      const u32v c1 = kOneState ? state0 : load<u32v>(state + b) + state0;
      const u32v c3 = load<u32v>(coordinate + b) | word3;
      // Even and odd 32-bit lanes, each in 64-bit lanes; dirty high halves do no harm.
      const auto even = philox4x32<u64v>((u64v)c0, (u64v)c1, word2, (u64v)c3, keys);
      const auto odd =
          philox4x32<u64v>((u64v)c0 >> 32, (u64v)c1 >> 32, word2, (u64v)c3 >> 32, keys);
      if constexpr (kGroup<T> == 4) {
        store(column0 + b, join_words(even.x0, odd.x0));
        store(column1 + b, join_words(even.x1, odd.x1));
        store(column2 + b, join_words(even.x2, odd.x2));
        store(column3 + b, join_words(even.x3, odd.x3));
      } else {
        interleave(column0 + b, low(even.x0) | (even.x1 << 32), low(odd.x0) | (odd.x1 << 32));
        interleave(column1 + b, low(even.x2) | (even.x3 << 32), low(odd.x2) | (odd.x3 << 32));
      }
    }
  }

  static u64v low(u64v x) { return x & 0xFFFFFFFFu; }

  static void interleave(T* to, u64v even, u64v odd) {
    for (int lane = 0; lane < kLanes<double>; ++lane) {
      const std::uint64_t pair[2] = {even[lane], odd[lane]};
      std::memcpy(to + 2 * lane, pair, sizeof(pair));
    }
  }

  void normals_of_words(std::int64_t blocks) {
    for (int k = 0; k < kGroup<T>; k += 2) {
      T* radius = column(k);
      T* turn = column(k + 1);
      for (std::int64_t b = 0; b < blocks; b += kLanes<T>) {
        const auto pair = box_muller<V>(load<U>(radius + b), load<U>(turn + b));
        store(radius + b, pair.first);
        store(turn + b, pair.second);
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
