// A step size for each state from how fast the drift changes along the last move.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// step_size (S) = min(maximum, fraction / L),  L = max_i |new_drift_i - drift_i| / |a'_i - a_i|,
///
/// the largest slope of the drift that the move from `particles` a to `new_particles` a', all
/// (S, N, D), has met. Pairs with a'_i = a_i are skipped; no other pair, or L = 0, gives `maximum`.
/// A NaN or infinity in any of the four gives NaN in that state and nowhere else.
///
/// Cost: one pass over four arrays. Error: relative u + (D + 8) 2^-53, u the unit roundoff of T; in
/// double precision (D + 8) u. The same bits on every instruction set and thread count. Throws
/// std::invalid_argument before anything is written unless maximum > 0 and 0 < fraction < 2.
template <class T>
void adaptive_step_size(T* step_size, const T* particles, const T* drift, const T* new_particles,
                        const T* new_drift, const CloudShape& shape, double fraction,
                        const PerState<T>& maximum);

}  // namespace wpg
