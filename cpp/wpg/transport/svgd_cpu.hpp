// The per-instruction-set loop behind svgd.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/base/pair_plan.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                    \
  namespace isa {                                                                           \
  template <class T>                                                                        \
  class GaussianPairs;                                                                      \
  /* One state, whole; the pointers are to its first elements, `pairs` is for N and D. */   \
  template <class T>                                                                        \
  void svgd_state(T* velocity, const T* particles, const T* drift, const CloudShape& shape, \
                  T temperature, T bandwidth, GaussianPairs<T>& pairs);                     \
  template <class T>                                                                        \
  void svgd_items(T* velocity, const T* particles, const T* drift, const CloudShape& shape, \
                  const PerState<T>& temperature, const PerState<T>& bandwidth,             \
                  std::int64_t first, std::int64_t last);                                   \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
