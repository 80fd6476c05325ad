// Unadjusted Langevin: one move of all particles of all states.
#pragma once

#include <cstdint>

#include "wpg/base/support.hpp"
#include "wpg/base/view.hpp"

namespace wpg {

/// A positive definite matrix M per state (or one for all, stride 0) that does not depend on the
/// action: the step becomes a + step_size M drift + sqrt(2 step_size temperature) M^(1/2) xi and
/// keeps its Gibbs law. Source: Girolami, Calderhead 2011.
template <class T>
struct Preconditioner {
  enum class Kind { none, diagonal, full };
  Kind kind = Kind::none;
  const T* matrix = nullptr;  // diagonal: (D); full: (D, D) row-major
  const T* root = nullptr;    // full: lower Cholesky factor L, M = L L'; unused otherwise
  std::int64_t stride = 0;    // elements from one state's matrix to the next
};

template <class T>
struct LangevinParameters {
  PerState<T> step_size;    // time of da = drift dt + sqrt(2 temperature) dW
  PerState<T> temperature;  // reward units
  Preconditioner<T> preconditioner;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// out = one Langevin step of `particles` (S, N, D) along `drift` = grad_a Q (S, N, D).
///
/// In a squashed box (box_tanh, box_probit) the step is taken in y, a = middle + half s(y):
///     y' = y + step_size M [(da/dy) drift + temperature d/dy log(da/dy)] + noise
/// and a' is kept off the walls so far that its y is finite; a particle on a wall counts as the
/// number beside it. A preconditioner acts in y.
///
/// `out` may be `particles`. Cost: S N D normals, none where their size is 0, and one pass over
/// three arrays. The same bits on every instruction set and thread count. Throws
/// std::invalid_argument before anything is written. A NaN or infinity in the drift makes that
/// coordinate NaN and no other.
template <class T>
void langevin(T* out, const T* particles, const T* drift, const CloudShape& shape,
              const LangevinParameters<T>& parameters, const Support<T>& support);

}  // namespace wpg
