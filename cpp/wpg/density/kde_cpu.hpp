// The per-instruction-set loop behind kde.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/base/pair_plan.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                     \
  namespace isa {                                                                            \
  template <class T>                                                                         \
  void kde_score_items(T* score, const T* particles, const CloudShape& shape,                \
                       const PerState<T>& bandwidth, std::int64_t first, std::int64_t last); \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
