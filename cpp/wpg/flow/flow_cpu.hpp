// The per-instruction-set loop behind flow.hpp.
#pragma once

#include "wpg/base/block_plan.hpp"
#include "wpg/base/isa_table.hpp"
#include "wpg/flow/flow.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                          \
  namespace isa {                                                                                 \
  template <class T>                                                                              \
  void flow_states(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic,           \
                   const T* states, const CloudShape& shape, const FlowParameters<T>& parameters, \
                   const Support<T>& support, std::int64_t first_state, std::int64_t last_state); \
  /* One step along a velocity, without noise. */                                                 \
  template <class T>                                                                              \
  void move_along(T* out, const T* particles, const T* velocity, const CloudShape& shape,         \
                  const LangevinParameters<T>& parameters, const Support<T>& support,             \
                  const BlockPlan<T>& plan, std::int64_t first_block, std::int64_t last);         \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
