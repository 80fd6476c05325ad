// Metropolis-adjusted Langevin, in two pieces between which the critic is asked: propose, accept.
//
//   a'      ~ k(. | a), one Langevin step with the noise of stream mala_proposal
//   accept with probability min(1, exp((Q(a') - Q(a)) / temperature) k(a | a') / k(a' | a))
//
// k is the law of the step on its support: the Gaussian on R^D, its sum over images in a reflecting
// box and on a torus, the Gaussian in y in a squashed box, where Q gains temperature log |da/dy|.
// So the Gibbs law exp(Q / temperature) is kept without bias. Source: Roberts, Tweedie 1996.
#pragma once

#include <cstdint>

#include "wpg/transport/langevin.hpp"

namespace wpg {

/// out = proposals (S, N, D) for `particles` (S, N, D) along `drift` (S, N, D). Temperatures must
/// be positive, N >= 1, boundary clip is refused, and there is no preconditioner. Otherwise as
/// langevin.
template <class T>
void mala_propose(T* out, const T* particles, const T* drift, const CloudShape& shape,
                  const LangevinParameters<T>& parameters, const Support<T>& support);

/// Replaces particles (S, N, D), values Q (S, N) and drift (S, N, D) where the proposal is
/// accepted, and adds to accepted (S) how many were.
///
/// Uniform numbers are those of stream mala_acceptance, coordinate 0, one for each particle. The
/// probability is computed in double, sums over images to 1e-16. A proposal equal to the particle
/// is accepted. A proposal whose value is -infinity is rejected. NaN or infinity elsewhere is never
/// repaired: a particle whose own value is NaN or +infinity, or whose drift is not finite, or whose
/// proposal's are, becomes NaN with its value and drift, and stays so. Cost: S N D; exponentials
/// where walls are near. The same bits on every thread count.
template <class T>
void mala_accept(T* particles, T* values, T* drift, std::int64_t* accepted, const T* proposals,
                 const T* proposed_values, const T* proposed_drift, const CloudShape& shape,
                 const LangevinParameters<T>& parameters, const Support<T>& support);

}  // namespace wpg
