// Normal draws for one block of particles, into a buffer in the first-level cache. Internal to the
// files that are compiled once per instruction set.
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
        columns_(width_ * kGroup<T>),
        values_(plan.elements() + kPad) {
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

  /// Fills values()[((s - first_state) * particles + (n - first_particle)) * D + d].
  void draw(const NoiseKey& key, const Block& block) {
    if (block.states == 1) {
      fill_columns<true>(key, block);
    } else {
      fill_columns<false>(key, block);
    }
    place(block);
  }

  T* values() { return values_.get(); }

 private:
  static constexpr std::int64_t kPad = 2 * WPG_VECTOR_BYTES;

  template <bool kOneState>
  void fill_columns(const NoiseKey& key, const Block& block) {
    const auto key0 = static_cast<std::uint32_t>(key.seed);
    const auto key1 = static_cast<std::uint32_t>(key.seed >> 32);
    const std::int64_t groups = (block.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t blocks = ((block.states - 1) * groups_ + groups) * dimension_;
    const u32v group0 = u32v{} + static_cast<std::uint32_t>(block.first_particle / kGroup<T>);
    const u32v state0 = u32v{} + static_cast<std::uint32_t>(block.first_state);
    const u32v word3 = u32v{} + stream_word(key.stream, key.step);
    const u64v word2 = u64v{} + (key.step & 0xFFFFFFFFu);
    for (std::int64_t b = 0; b < blocks; b += kLanes<float>) {
      const u32v c0 = load<u32v>(group_.get() + b) + group0;
      const u32v c1 = kOneState ? state0 : load<u32v>(state_.get() + b) + state0;
      const u32v c3 = load<u32v>(coordinate_.get() + b) | word3;
      // Even and odd 32-bit lanes, each in 64-bit lanes; dirty high halves do no harm.
      const auto even = philox4x32<u64v>((u64v)c0, (u64v)c1, word2, (u64v)c3, key0, key1);
      const auto odd =
          philox4x32<u64v>((u64v)c0 >> 32, (u64v)c1 >> 32, word2, (u64v)c3 >> 32, key0, key1);
      transform(columns_.get() + b, even, odd);
    }
  }

  void transform(T* column, const PhiloxWords<u64v>& even, const PhiloxWords<u64v>& odd) {
    const auto low = [](u64v x) __attribute__((always_inline)) { return x & 0xFFFFFFFFu; };
    if constexpr (kGroup<T> == 4) {
      const auto join = [&](u64v e, u64v o) __attribute__((always_inline)) {
        return (u32v)(low(e) | (o << 32));
      };
      const auto p = box_muller<f32v>(join(even.x0, odd.x0), join(even.x1, odd.x1));
      const auto q = box_muller<f32v>(join(even.x2, odd.x2), join(even.x3, odd.x3));
      store(column, p.first);
      store(column + width_, p.second);
      store(column + 2 * width_, q.first);
      store(column + 3 * width_, q.second);
    } else {
      const auto pair = [&](const PhiloxWords<u64v>& w) __attribute__((always_inline)) {
        return box_muller<f64v>(low(w.x0) | (w.x1 << 32), low(w.x2) | (w.x3 << 32));
      };
      const auto p = pair(even);
      const auto q = pair(odd);
      for (int lane = 0; lane < kLanes<double>; ++lane) {  // even and odd blocks back into order
        column[2 * lane] = p.first[lane];
        column[2 * lane + 1] = q.first[lane];
        column[width_ + 2 * lane] = p.second[lane];
        column[width_ + 2 * lane + 1] = q.second[lane];
      }
    }
  }

  void place(const Block& block) {
    using V = vector_of<T>;
    const std::int64_t D = dimension_;
    const std::int64_t whole = block.particles / kGroup<T>;
    const int rest = static_cast<int>(block.particles % kGroup<T>);
    for (std::int64_t s = 0; s < block.states; ++s) {
      T* row = values_.get() + s * block.particles * D;
      const T* column = columns_.get() + s * groups_ * D;
      if (D == 1) {
        for (std::int64_t g = 0; g < whole; ++g) {
          for (int k = 0; k < kGroup<T>; ++k) row[kGroup<T> * g + k] = column[k * width_ + g];
        }
        row += kGroup<T> * whole;
      } else {
        // Whole vectors are stored; what they write too much the next row overwrites.
        for (std::int64_t g = 0; g < whole; ++g) {
          for (int k = 0; k < kGroup<T>; ++k, row += D) {
            const T* from = column + k * width_ + g * D;
            for (std::int64_t d = 0; d < D; d += kLanes<T>) store(row + d, load<V>(from + d));
          }
        }
      }
      for (int k = 0; k < rest; ++k, row += D) {
        for (std::int64_t d = 0; d < D; ++d) row[d] = column[k * width_ + whole * D + d];
      }
    }
  }

  std::int64_t dimension_, groups_, width_;
  Scratch<std::uint32_t> group_, state_, coordinate_;
  Scratch<T> columns_, values_;
};

}  // namespace WPG_ISA
}  // namespace wpg
