#include "wpg/critics/center_index.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace wpg {
namespace {

/// A coordinate and whose it is: side by side, so that the search for a median reads in order.
template <class T>
struct Coordinate {
  T x;
  std::int64_t row;
  bool operator<(const Coordinate& other) const {
    return x < other.x || (x == other.x && row < other.row);
  }
};

template <class T>
void split(const T* states, std::int64_t width, std::int64_t leaf, std::int64_t* first,
           std::int64_t* last, Coordinate<T>* memory) {
  const std::int64_t count = last - first;
  if (count <= leaf) {
    std::sort(first, last);
    return;
  }
  std::vector<T> low(states + *first * width, states + (*first + 1) * width), high = low;
  for (const std::int64_t* i = first; i != last; ++i) {
    for (std::int64_t o = 0; o < width; ++o) {
      const T x = states[*i * width + o];
      T& least = low[static_cast<std::size_t>(o)];
      T& most = high[static_cast<std::size_t>(o)];
      least = std::min(least, x);
      most = std::max(most, x);
    }
  }
  std::int64_t widest = 0;
  for (std::int64_t o = 1; o < width; ++o) {
    const auto i = static_cast<std::size_t>(o), w = static_cast<std::size_t>(widest);
    if (high[i] - low[i] > high[w] - low[w]) widest = o;
  }
  // The left part holds a power of two of leaves, so that every group of kFan is one part.
  std::int64_t left = leaf;
  while (2 * left < count) left *= 2;
  for (std::int64_t i = 0; i < count; ++i)
    memory[i] = {states[first[i] * width + widest], first[i]};
  std::nth_element(memory, memory + left, memory + count);
  for (std::int64_t i = 0; i < count; ++i) first[i] = memory[i].row;
  split(states, width, leaf, first, first + left, memory);
  split(states, width, leaf, first + left, last, memory);
}

}  // namespace

template <class T>
std::vector<std::int64_t> CenterIndex<T>::order(const T* states, std::int64_t count,
                                                std::int64_t width) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  std::vector<Coordinate<T>> memory(rows.size());
  split(states, width, kLeaf, rows.data(), rows.data() + count, memory.data());
  return rows;
}

template <class T>
CenterIndex<T>::CenterIndex(const T* states, const T* log_weights, std::int64_t count,
                            std::int64_t width)
    : leaves_((count + kLeaf - 1) / kLeaf), group_size_((2 * width + 1) * kFan) {
  constexpr T kNone = -std::numeric_limits<T>::infinity();
  // What lies below a level: first the centres, as boxes of one point, then the level before.
  std::int64_t below = count, fan = kLeaf;
  const auto at = [&](AlignedVector<T>& level, std::int64_t node, std::int64_t row) -> T& {
    return level[static_cast<std::size_t>(node / kFan * group_size_ + row * kFan + node % kFan)];
  };
  do {
    const std::int64_t nodes = (below + fan - 1) / fan, groups = (nodes + kFan - 1) / kFan;
    AlignedVector<T> level(static_cast<std::size_t>(groups * group_size_), T(0));
    for (std::int64_t node = 0; node < groups * kFan; ++node) at(level, node, 2 * width) = kNone;
    for (std::int64_t child = 0; child < below; ++child) {
      const std::int64_t node = child / fan;
      const bool leaf = levels_.empty(), fresh = child % fan == 0;
      for (std::int64_t o = 0; o < width; ++o) {
        const T low = leaf ? states[child * width + o] : at(levels_.back(), child, o);
        const T high = leaf ? low : at(levels_.back(), child, width + o);
        T& node_low = at(level, node, o);
        T& node_high = at(level, node, width + o);
        node_low = fresh ? low : std::min(node_low, low);
        node_high = fresh ? high : std::max(node_high, high);
      }
      T& top = at(level, node, 2 * width);
      top = std::max(top, leaf ? log_weights[child] : at(levels_.back(), child, 2 * width));
    }
    levels_.push_back(std::move(level));
    below = nodes;
    fan = kFan;
  } while (below > kFan);
}

template class CenterIndex<float>;
template class CenterIndex<double>;

}  // namespace wpg
