// Arrays to work on, the same in every run.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "wpg/base/normal.hpp"
#include "wpg/base/support.hpp"
#include "wpg/base/view.hpp"

namespace wpg::bench {

using Floats = std::vector<float>;

/// Half a unit in the last place of 1: what one rounding may do.
inline constexpr double kUnitRoundoff = 1.0 / (1 << 24);

inline std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

inline std::string text_of(const CloudShape& shape) {
  return std::to_string(shape.states) + "x" + std::to_string(shape.particles) + "x" +
         std::to_string(shape.dimension);
}

/// `count` standard normals.
inline Floats normals(std::int64_t count, std::uint64_t seed) {
  Floats values(at(count));
  standard_normal<float>(values.data(), {count, 1, 1}, seed, Stream::initial, 0);
  return values;
}

/// `count` numbers spread evenly over (-1, 1).
inline Floats uniform(std::int64_t count, std::uint64_t seed) {
  Floats values = normals(count, seed);
  for (float& value : values) value = std::erf(value * 0.70710678f);
  return values;
}

/// [-1, 1]^D, reflecting.
inline Support<float> unit_box(std::int64_t dimension) {
  const Floats low(at(dimension), -1.0f), high(at(dimension), 1.0f);
  return Support<float>::box(low.data(), high.data(), dimension, SupportKind::box_reflect);
}

}  // namespace wpg::bench
