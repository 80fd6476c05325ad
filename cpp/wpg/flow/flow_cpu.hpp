// The per-instruction-set loop behind flow.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/flow/flow.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                          \
  namespace isa {                                                                                 \
  template <class T>                                                                              \
  void flow_states(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic,           \
                   const T* states, const CloudShape& shape, const FlowParameters<T>& parameters, \
                   const Support<T>& support, std::int64_t first_state, std::int64_t last_state); \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
