// Preconditions of the C++ interface: a broken one throws std::invalid_argument that names the
// argument, what it got and what it wants. Nothing has been written when it throws.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "wpg/base/streams.hpp"
#include "wpg/base/view.hpp"

namespace wpg {

/// A macro, so that the message is made only when it is needed: making one costs more than a step
/// of sixteen particles.
#define WPG_REQUIRE(holds, message)                     \
  do {                                                  \
    if (!(holds)) throw std::invalid_argument(message); \
  } while (false)

/// As many digits as tell one float from another, and 1e-20 is not "0.000000".
inline std::string number_text(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", number);
  return text;
}

inline void require_shape(const CloudShape& shape) {
  WPG_REQUIRE(shape.states >= 0 && shape.particles >= 0 && shape.dimension >= 1,
              "shape (S, N, D) = (" + std::to_string(shape.states) + ", " +
                  std::to_string(shape.particles) + ", " + std::to_string(shape.dimension) +
                  ") needs S >= 0, N >= 0 and D >= 1");
  // The noise counter holds the coordinate in 16 bits, state and particle in 32.
  WPG_REQUIRE(shape.dimension <= 65536 && shape.states <= (std::int64_t{1} << 32) &&
                  shape.particles <= (std::int64_t{1} << 32),
              "shape (S, N, D) is larger than the noise counter holds: S, N <= 2^32, D <= 65536");
}

inline void require_step(std::uint64_t step) {
  WPG_REQUIRE(step < kMostSteps, "step is " + std::to_string(step) + "; it must be below 2^40");
}

/// Every per-state number must be finite and at least zero.
template <class T>
void require_non_negative(const PerState<T>& values, std::int64_t states, const char* name) {
  const std::int64_t count = values.count(states);
  for (std::int64_t s = 0; s < count; ++s) {
    const T value = values[s];
    WPG_REQUIRE(std::isfinite(value) && value >= T(0), std::string(name) + "[" + std::to_string(s) +
                                                           "] is " + number_text(value) +
                                                           "; it must be finite and not negative");
  }
}

/// Every per-state number must be finite and positive.
template <class T>
void require_positive(const PerState<T>& values, std::int64_t states, const char* name) {
  const std::int64_t count = values.count(states);
  for (std::int64_t s = 0; s < count; ++s) {
    const T value = values[s];
    WPG_REQUIRE(std::isfinite(value) && value > T(0), std::string(name) + "[" + std::to_string(s) +
                                                          "] is " + number_text(value) +
                                                          "; it must be finite and positive");
  }
}

/// Every bandwidth must be finite and at least zero, where zero is the limit, or NaN: what a state
/// with a particle that is not finite has.
template <class T>
void require_bandwidth(const PerState<T>& values, std::int64_t states) {
  const std::int64_t count = values.count(states);
  for (std::int64_t s = 0; s < count; ++s) {
    const T value = values[s];
    WPG_REQUIRE(std::isnan(value) || (std::isfinite(value) && value >= T(0)),
                "bandwidth[" + std::to_string(s) + "] is " + number_text(value) +
                    "; it must be finite and not negative");
  }
}

/// `out` may be the same memory as `input` (a step in place) or disjoint from it, never a part.
inline void require_same_or_disjoint(const void* out, std::size_t out_bytes, const void* input,
                                     std::size_t input_bytes, const char* name) {
  const auto a = reinterpret_cast<std::uintptr_t>(out);
  const auto b = reinterpret_cast<std::uintptr_t>(input);
  const bool same = a == b && out_bytes == input_bytes;
  const bool disjoint = a + out_bytes <= b || b + input_bytes <= a;
  WPG_REQUIRE(same || disjoint,
              std::string("out overlaps ") + name +
                  " in part; give it memory of its own, or the same array for a step in place");
}

}  // namespace wpg
