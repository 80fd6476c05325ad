// How the pairs of particles are shared out: a state at a time, or, where states are few and
// particles many, some rows of a state at a time. The cut depends on the shape alone, never on the
// number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "wpg/base/view.hpp"

namespace wpg {

/// Particles first .. last - 1 of a state, whose sums over all particles are wanted.
struct PairRows {
  std::int64_t state, first, last;
};

class PairPlan {
 public:
  /// Rows of an item where a state is split; a multiple of every tile of pairs. A state that is not
  /// split needs the kernel of half its pairs alone, so only many particles are worth splitting.
  static constexpr std::int64_t kRows = 256;

  explicit PairPlan(const CloudShape& shape) : shape_(shape), rows_(shape.particles) {
    if (shape.states < 16 && shape.particles > 2 * kRows) rows_ = kRows;
    if (rows_ > 0) blocks_ = (shape.particles + rows_ - 1) / rows_;
  }

  bool splits() const { return blocks_ > 1; }
  std::int64_t blocks() const { return blocks_; }
  std::int64_t count() const { return shape_.states * blocks_; }
  /// Pairs times coordinates, of an item.
  std::int64_t work() const { return rows_ * shape_.particles * (shape_.dimension + 4); }

  PairRows item(std::int64_t index) const {
    const std::int64_t first = index % blocks_ * rows_;
    const std::int64_t last = first + rows_;
    return {index / blocks_, first, last < shape_.particles ? last : shape_.particles};
  }

 private:
  CloudShape shape_;
  std::int64_t rows_, blocks_ = 0;
};

}  // namespace wpg
