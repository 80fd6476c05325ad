// The per-instruction-set loops behind blob.hpp.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/base/pair_plan.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                         \
  namespace isa {                                                                                \
  template <class T>                                                                             \
  class GaussianPairs;                                                                           \
  /* Whether `pairs` of blob_state is to keep the kernel. */                                     \
  template <class T>                                                                             \
  bool blob_keeps_kernel(std::int64_t particles);                                                \
  /* One state, whole; the pointers are to its first elements, `pairs` is for N and D, */        \
  /* `inverse_sums` is memory for N numbers. */                                                  \
  template <class T>                                                                             \
  void blob_state(T* velocity, T* inverse_sums, const T* particles, const T* drift,              \
                  const CloudShape& shape, T temperature, T bandwidth, GaussianPairs<T>& pairs); \
  /* 1 / S_i of the particles of some items, for states that are split; (S, N). */               \
  template <class T>                                                                             \
  void blob_sums(T* inverse_sums, const T* particles, const CloudShape& shape,                   \
                 const PerState<T>& bandwidth, std::int64_t first, std::int64_t last);           \
  /* `inverse_sums` is null where states are not split: it is computed on the way. */            \
  template <class T>                                                                             \
  void blob_items(T* velocity, const T* inverse_sums, const T* particles, const T* drift,        \
                  const CloudShape& shape, const PerState<T>& temperature,                       \
                  const PerState<T>& bandwidth, std::int64_t first, std::int64_t last);          \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
