// The per-instruction-set loop behind flow.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                           \
  namespace isa {                                                                                  \
  template <class T>                                                                               \
  void langevin_flow_states(T* out, const T* particles, const KernelQ<T>& critic, const T* states, \
                            const CloudShape& shape, std::int64_t steps,                           \
                            const LangevinParameters<T>& parameters, const Support<T>& support,    \
                            std::int64_t first_state, std::int64_t last_state);                    \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
