// The per-instruction-set loops behind mixture.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/density/mixture.hpp"

namespace wpg {

/// Points that are done together; a state's means are prepared once for each such block.
inline constexpr std::int64_t kPointsPerBlock = 256;

#define WPG_DECLARE(isa)                                                                    \
  namespace isa {                                                                           \
  template <class T>                                                                        \
  void mixture_blocks(T* log_density, T* leave_one_out, const T* points, const T* means,    \
                      const MixtureShape& shape, const PerState<T>& deviation,              \
                      const Support<T>& support, bool any_series, std::int64_t first_block, \
                      std::int64_t last);                                                   \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
