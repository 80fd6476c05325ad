// How a kernel's threads share out the draws of a cloud. Internal to .cu files.
//
// A thread draws for one counter: neighbouring particles at one coordinate. Where groups of
// particles follow each other without a gap (N a multiple of the group), a block of threads walks
// over tiles of whole groups, which are contiguous in the cloud; the threads hand over their draws
// in shared memory, and each goes on with 16 bytes of the tile. Anywhere else a thread goes on with
// what it drew itself.
#pragma once

#include "wpg/base/cuda_kernel.hpp"
#include "wpg/base/normal_group_math.hpp"

namespace wpg {
namespace cuda {

/// Tiles that a block of threads walks over: finding out where it is costs as much as a tile.
constexpr int kTiles = 4;

/// The counters of a cloud, in the order state, group, coordinate.
template <class T>
struct CounterGrid {
  std::int64_t particles = 0, dimension = 1, counters = 0;
  std::uint32_t groups = 1;         // of a state
  std::uint32_t tile_groups = 0;    // 0: a group is larger than a tile
  std::uint32_t tile_counters = 0;  // at most kThreads
  Divider<std::uint64_t> by_dimension, by_groups;
  Divider<std::uint32_t> by_few_dimensions, by_few_groups;

  explicit CounterGrid(const CloudShape& shape)
      : particles(shape.particles),
        dimension(shape.dimension),
        groups(static_cast<std::uint32_t>((shape.particles + kGroup<T> - 1) / kGroup<T>)),
        tile_groups(static_cast<std::uint32_t>(kThreads / shape.dimension)) {
    counters = shape.states * groups * dimension;
    tile_counters = tile_groups * static_cast<std::uint32_t>(dimension);
    if (counters == 0) return;
    by_dimension = Divider<std::uint64_t>(static_cast<std::uint64_t>(dimension));
    by_groups = Divider<std::uint64_t>(groups);
    by_few_dimensions = Divider<std::uint32_t>(static_cast<std::uint32_t>(dimension));
    by_few_groups = Divider<std::uint32_t>(groups);
  }

  /// May blocks of threads take tiles?
  bool whole() const { return particles % kGroup<T> == 0 && tile_groups > 0; }
  Grid in_tiles() const {
    const std::int64_t each = std::int64_t{kTiles} * tile_counters;
    return {(counters + each - 1) / each, kThreads,
            2 * kThreads * static_cast<std::int64_t>(sizeof(Quad<T>))};
  }
  Grid one_by_one() const { return {(counters + kThreads - 1) / kThreads}; }
};

/// Where a counter's draws belong.
struct CounterPlace {
  std::int64_t state;
  std::uint32_t group, coordinate;
};

template <class T>
WPG_FORMULA CounterPlace place_of(std::int64_t counter, const CounterGrid<T>& grid) {
  const auto row = divide(static_cast<std::uint64_t>(counter), grid.by_dimension);
  const auto group = divide(row.whole, grid.by_groups);
  return {static_cast<std::int64_t>(group.whole), static_cast<std::uint32_t>(group.rest),
          static_cast<std::uint32_t>(row.rest)};
}

template <class T>
WPG_FORMULA NormalGroup<T> draw_at(const CounterPlace& at, const DrawName& name) {
  return normal_group<T>(name, at.group, static_cast<std::uint32_t>(at.state), at.coordinate);
}

/// A thread's way over the block's tiles. In each it draws one counter and goes on with `first`,
/// the first of kGroup elements of the cloud, which belong to the counter's group of particles.
template <class T>
class TileWalk {
 public:
  __device__ explicit TileWalk(const CounterGrid<T>& grid) : grid_(grid) {
    const std::int64_t first_tile = std::int64_t{blockIdx.x} * kTiles;
    const auto begin =
        divide(static_cast<std::uint64_t>(first_tile * grid.tile_groups), grid.by_groups);
    const auto mine = divide(std::uint32_t{threadIdx.x}, grid.by_few_dimensions);
    state_ = static_cast<std::int64_t>(begin.whole);
    group_ = static_cast<std::uint32_t>(begin.rest) + mine.whole;
    coordinate_ = mine.rest;
    counter_ = first_tile * grid.tile_counters + threadIdx.x;
  }

  /// Has the thread a part of this tile?
  __device__ bool any() const {
    return threadIdx.x < grid_.tile_counters && counter_ < grid_.counters;
  }
  __device__ std::int64_t first() const { return counter_ * kGroup<T>; }
  __device__ CounterPlace place() const {
    const auto at = divide(group_, grid_.by_few_groups);
    return {state_ + at.whole, at.rest, coordinate_};
  }
  /// The coordinate of element `first`.
  __device__ std::uint32_t first_coordinate() const {
    return divide(coordinate_ * static_cast<std::uint32_t>(kGroup<T>), grid_.by_few_dimensions)
        .rest;
  }

  /// Leaves what the thread drew in shared memory and takes what it goes on with. All threads of
  /// the block call it, once a tile.
  __device__ Quad<T> exchange(const NormalGroup<T>& drawn) {
    static_assert(Quad<T>::kCount == kGroup<T>, "a thread takes as many as it draws");
    constexpr int kCount = static_cast<int>(kGroup<T>);
    T* const tile = shared_memory<T>() + turn_ * kThreads * kCount;
    turn_ ^= 1;  // who is ahead writes into the other half
    const int t = static_cast<int>(threadIdx.x), d = static_cast<int>(coordinate_);
    const int D = static_cast<int>(grid_.dimension);
    if (any()) {
      T* const to = tile + (t - d) * kCount + d;  // thread t - d draws coordinate 0 of the group
      for (int k = 0; k < kCount; ++k) to[k * D] = drawn.draw[k];
    }
    __syncthreads();
    return reinterpret_cast<const Quad<T>*>(tile)[t];
  }

  __device__ void next() {
    counter_ += grid_.tile_counters;
    group_ += grid_.tile_groups;
  }

 private:
  const CounterGrid<T>& grid_;
  std::int64_t state_, counter_;
  std::uint32_t group_, coordinate_;
  int turn_ = 0;
};

}  // namespace cuda
}  // namespace wpg
