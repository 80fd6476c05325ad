// Views over memory that somebody else owns. Legend, everywhere in this tree:
//   S states, N particles per state, D action dimension, O observation dimension, M centres.
#pragma once

#include <cstdint>

namespace wpg {

/// The shape (S, N, D) of a cloud of particles; C-contiguous, coordinate fastest.
struct CloudShape {
  std::int64_t states = 0;
  std::int64_t particles = 0;
  std::int64_t dimension = 0;

  std::int64_t per_state() const { return particles * dimension; }
  std::int64_t size() const { return states * particles * dimension; }
};

/// One number per state, or one number for all of them (stride 0).
template <class T>
struct PerState {
  const T* data = nullptr;
  std::int64_t stride = 0;

  T operator[](std::int64_t state) const { return data[state * stride]; }

  /// How many numbers there are for so many states.
  std::int64_t count(std::int64_t states) const {
    return stride == 0 ? (states > 0 ? 1 : 0) : states;
  }
};

}  // namespace wpg
