// Chances and choices of birth and death.
#pragma once

#include <cmath>
#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// 1 - exp(-x): the chance of an event within x times its mean waiting time.
WPG_FORMULA double chance_of_event(double x) { return -std::expm1(-x); }

/// In [0, 1).
WPG_FORMULA double uniform_of(std::uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

/// A whole number below `count` <= 2^32: the high half of word * count.
WPG_FORMULA std::int64_t choice_of(std::uint64_t word, std::int64_t count) {
  const auto n = static_cast<std::uint64_t>(count);
  return static_cast<std::int64_t>(((word >> 32) * n + ((word & 0xFFFFFFFFu) * n >> 32)) >> 32);
}

}  // namespace wpg
