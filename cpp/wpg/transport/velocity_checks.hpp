// What the velocities between particles, svgd and blob, ask of their arguments.
#pragma once

#include "wpg/base/checks.hpp"

namespace wpg {

/// `velocity` may be `particles` or `drift`, or disjoint from both.
template <class T>
void require_velocity(const T* velocity, const T* particles, const T* drift,
                      const CloudShape& shape, const PerState<T>& temperature,
                      const PerState<T>& bandwidth) {
  require_shape(shape);
  require_non_negative(temperature, shape.states, "temperature");
  require_bandwidth(bandwidth, shape.states);
  if (shape.size() == 0) return;
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(velocity, bytes, particles, bytes, "particles");
  require_same_or_disjoint(velocity, bytes, drift, bytes, "drift");
}

}  // namespace wpg
