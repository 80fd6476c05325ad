// The per-instruction-set loop behind mala.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/transport/mala.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                         \
  namespace isa {                                                                                \
  template <class T>                                                                             \
  void mala_accept_states(T* particles, T* values, T* drift, std::int64_t* accepted,             \
                          const T* proposals, const T* proposed_values, const T* proposed_drift, \
                          const CloudShape& shape, const LangevinParameters<T>& parameters,      \
                          const Support<T>& support, std::int64_t first_state,                   \
                          std::int64_t last_state);                                              \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
