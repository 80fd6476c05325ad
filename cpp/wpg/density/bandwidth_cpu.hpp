// The per-instruction-set loops behind bandwidth.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/density/bandwidth.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                  \
  namespace isa {                                                                         \
  template <class T>                                                                      \
  void median_bandwidth_states(T* bandwidth, const T* particles, const CloudShape& shape, \
                               std::int64_t first_state, std::int64_t last);              \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
