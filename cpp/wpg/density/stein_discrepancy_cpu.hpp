// The per-instruction-set loop behind stein_discrepancy.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/base/pair_plan.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                           \
  namespace isa {                                                                                  \
  /* N^2 KSD^2 of every item; an item is a state, or some of its particles against all of them. */ \
  template <class T>                                                                               \
  void stein_sums(double* sums, const T* particles, const T* drift, const CloudShape& shape,       \
                  const PerState<T>& temperature, const PerState<T>& bandwidth,                    \
                  std::int64_t first, std::int64_t last);                                          \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
