// The per-instruction-set loops behind normal.hpp.
#pragma once

#include "wpg/base/block_plan.hpp"
#include "wpg/base/isa_table.hpp"
#include "wpg/base/streams.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                 \
  namespace isa {                                                                        \
  template <class T>                                                                     \
  void standard_normal_blocks(T* out, const CloudShape& shape, const BlockPlan<T>& plan, \
                              std::int64_t first_block, std::int64_t last_block,         \
                              std::uint64_t seed, Stream stream, std::uint64_t step);    \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
