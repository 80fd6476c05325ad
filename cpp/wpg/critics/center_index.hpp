// An order of centres in which near ones stand together, and boxes around them, so that those that
// matter for a state are found without looking at all.
//
// Centres are split at the median of the widest coordinate of their box, down to leaves of kLeaf of
// them. Over the leaves stand levels of nodes, kFan nodes of one level to one of the next, the last
// level being one group of at most kFan. A node knows the box of its centres' states and the
// largest log2 |weight| among them: for any decreasing profile
//   log2 |weights[m]| phi(|s - s_m|) <= top + log2 phi(distance from s to the box).
//
// Cost: M log M once. Source: Bentley 1975 (splitting at medians); Roussopoulos et al. 1995 (bounds
// from boxes).
#pragma once

#include <cstdint>
#include <vector>

#include "wpg/base/aligned.hpp"

namespace wpg {

template <class T>
class CenterIndex {
 public:
  static constexpr std::int64_t kLeaf = 32;  // a multiple of every vector's width
  static constexpr std::int64_t kFan = 16;

  /// The order of `count` centres (count, width), as row numbers: leaf i holds those from i kLeaf.
  /// Within a leaf they stand in the order they came; equal coordinates are told apart by it too.
  static std::vector<std::int64_t> order(const T* states, std::int64_t count, std::int64_t width);

  CenterIndex() = default;
  /// Boxes of centres that are in order already.
  CenterIndex(const T* states, const T* log_weights, std::int64_t count, std::int64_t width);

  /// Levels of nodes, 0 if there is no index; those of level 0 are leaves.
  std::int64_t levels() const { return static_cast<std::int64_t>(levels_.size()); }
  std::int64_t leaves() const { return leaves_; }

  /// A group of kFan nodes: rows of kFan, low (width), high (width), top; a node that is none has
  /// top = -infinity.
  const T* group(std::int64_t level, std::int64_t i) const {
    return levels_[static_cast<std::size_t>(level)].data() + i * group_size_;
  }

 private:
  std::int64_t leaves_ = 0, group_size_ = 0;
  std::vector<AlignedVector<T>> levels_;
};

}  // namespace wpg
