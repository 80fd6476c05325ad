// The per-instruction-set loops behind soft_backup.hpp.
#pragma once

#include <cstdint>

#include "wpg/base/isa_table.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                               \
  namespace isa {                                                      \
  /* a . b over count numbers, a multiple of 16 */                     \
  float dot_float(const float* a, const float* b, std::int64_t count); \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
