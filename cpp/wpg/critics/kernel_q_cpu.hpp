// The per-instruction-set loops behind kernel_q.hpp, and the piece that the fused flow shares.
#pragma once

#include "wpg/base/isa_table.hpp"
#include "wpg/critics/kernel_q.hpp"

namespace wpg {

/// What one state needs of a KernelQ: the centres that matter there.
template <class T>
struct StateSlice {
  // A Gaussian's: log2 of |weight| times the state factor, minus `power`; of another profile the
  // number itself, with its sign, over 2^power. (count)
  const T* exponents;
  const T*
      expanded_exponents;   // (count) minus a centre's squared norm as well; null: do not expand
  const T* blocks;          // action blocks as KernelQ's: rows of actions, then of signs
  std::int64_t block_size;  // elements from one block to the next
  std::int64_t count;       // a multiple of the vector width
  int power;                // the largest exponent, rounded up: sums are multiplied by 2^power
  bool finite;              // is the state?
};

#define WPG_DECLARE(isa)                                                                           \
  namespace isa {                                                                                  \
  /* Elements of T that slice_state may want as scratch. What it touches of them follows the */    \
  /* centres that it looks at and keeps; the rest is never written. */                             \
  template <class T>                                                                               \
  std::int64_t slice_scratch(const KernelQ<T>& q);                                                 \
  template <class T>                                                                               \
  StateSlice<T> slice_state(const KernelQ<T>& q, const T* state, T* scratch);                      \
  template <class T>                                                                               \
  void evaluate_particles(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient, \
                          const T* particles, std::int64_t count);                                 \
  template <class T>                                                                               \
  void evaluate_states(const KernelQ<T>& q, T* values, T* gradient, const T* states,               \
                       const T* particles, const CloudShape& shape, std::int64_t first_state,      \
                       std::int64_t last_state);                                                   \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
