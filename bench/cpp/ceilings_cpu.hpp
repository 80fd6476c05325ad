// The loop that measures the rate of multiply-adds, compiled once per instruction set.
#pragma once

#include <cstdint>

#include "wpg/base/isa_table.hpp"

namespace wpg {

#define WPG_DECLARE_CEILINGS(isa)                              \
  namespace isa {                                              \
  /* Does `rounds` rounds; returns the operations they had. */ \
  double multiply_add(float* sink, std::int64_t rounds);       \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE_CEILINGS)
#undef WPG_DECLARE_CEILINGS

}  // namespace wpg
