// The per-instruction-set loops behind langevin.hpp, leimkuhler_matthews.hpp and mala.hpp: `stream`
// says which noise.
#pragma once

#include "wpg/base/block_plan.hpp"
#include "wpg/base/isa_table.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                    \
  namespace isa {                                                                           \
  template <class T>                                                                        \
  void langevin_blocks(T* out, const T* particles, const T* drift, const CloudShape& shape, \
                       const LangevinParameters<T>& parameters, const Support<T>& support,  \
                       Stream stream, const BlockPlan<T>& plan, std::int64_t first_block,   \
                       std::int64_t last);                                                  \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
