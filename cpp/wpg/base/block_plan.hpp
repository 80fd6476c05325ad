// How a cloud is cut into blocks that fit the first-level cache. A block is some particles of one
// state, or all particles of several states. The cut depends on the shape alone, never on the
// number of threads or the instruction set.
#pragma once

#include <cstdint>

#include "wpg/base/streams.hpp"
#include "wpg/base/view.hpp"

namespace wpg {

struct Block {
  std::int64_t first_state, states, first_particle, particles;
};

template <class T>
class BlockPlan {
 public:
  /// Elements that a block aims at: with its buffers it stays inside the first-level cache.
  static constexpr std::int64_t kAim = 8192 / sizeof(T);

  explicit BlockPlan(const CloudShape& shape) : shape_(shape) {
    if (shape.size() == 0) return;
    const std::int64_t groups = (shape.particles + kGroup<T> - 1) / kGroup<T>;
    const std::int64_t padded = groups * kGroup<T> * shape.dimension;
    if (padded <= kAim) {
      particles_ = shape.particles;
      states_ = kAim / padded < shape.states ? kAim / padded : shape.states;
      count_ = (shape.states + states_ - 1) / states_;
    } else {
      const std::int64_t fit = kAim / (kGroup<T> * shape.dimension);
      particles_ = (fit < 1 ? 1 : fit) * kGroup<T>;
      if (particles_ > shape.particles) particles_ = shape.particles;
      states_ = 1;
      per_state_ = (shape.particles + particles_ - 1) / particles_;
      count_ = shape.states * per_state_;
    }
  }

  std::int64_t count() const { return count_; }
  std::int64_t states() const { return states_; }
  std::int64_t particles() const { return particles_; }
  std::int64_t dimension() const { return shape_.dimension; }
  std::int64_t groups() const { return (particles_ + kGroup<T> - 1) / kGroup<T>; }
  std::int64_t elements() const { return states_ * particles_ * shape_.dimension; }

  Block block(std::int64_t index) const {
    if (per_state_ == 1) {
      const std::int64_t first = index * states_;
      const std::int64_t left = shape_.states - first;
      return {first, left < states_ ? left : states_, 0, particles_};
    }
    const std::int64_t first = index % per_state_ * particles_;
    const std::int64_t left = shape_.particles - first;
    return {index / per_state_, 1, first, left < particles_ ? left : particles_};
  }

 private:
  CloudShape shape_;
  std::int64_t states_ = 0, particles_ = 0, per_state_ = 1, count_ = 0;
};

}  // namespace wpg
