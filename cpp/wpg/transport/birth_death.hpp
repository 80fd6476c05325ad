// Birth and death of particles: mass moves between modes without crossing the barrier.
//
//   d pi/dt = rate pi (Q - temperature log pi - V),   V = E_pi [Q - temperature log pi]
//
// B_i = log pi_hat(a_i) - Q(a_i)/temperature minus its mean over the state's particles. In time
// step_size, with probability 1 - exp(-rate temperature |B_i| step_size), B_i > 0 kills particle i
// and duplicates a uniformly chosen other in its place, B_i < 0 duplicates i in the place of a
// uniformly chosen other. Source: Lu, Lu, Nolen 2019, algorithm 1.
#pragma once

#include <cstdint>

#include "wpg/base/view.hpp"

namespace wpg {

template <class T>
struct BirthDeathParameters {
  PerState<T> temperature;  // reward units, positive
  PerState<T> rate;         // 1/action^2: rate times temperature is one over time
  PerState<T> step_size;    // time
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// out (S, N, D) = particles[s, ancestors[s, i]], ancestors (S, N), from `particles` (S, N, D),
/// `log_density` = log pi_hat (S, N) and `q_values` (S, N).
///
/// Chances come from the cloud before the step. Events happen in the order of the particles; a copy
/// is one of what stands in its place by then, and a particle that has been replaced has no event
/// of its own any more. All this is of second order in step_size. A Q of -infinity says that an
/// action is forbidden: first of all such particles are replaced by uniformly chosen ones that are
/// not, and the mean of B is one over the others; if all are forbidden nothing happens. NaN or
/// +infinity in Q, or a log-density that is not finite, makes all particles of the state NaN, each
/// its own ancestor, and no other state's. One particle stays as it is.
///
/// The draws of particle i are the 64-bit halves of Philox's output for the counter (i, state,
/// step, stream); they do not depend on T. Decisions are made in double precision. `out` may be
/// `particles`. Cost: S N exponentials, random numbers and copies. The same bits on every
/// thread count. Throws std::invalid_argument before anything is written.
template <class T>
void birth_death(T* out, std::int32_t* ancestors, const T* particles, const T* log_density,
                 const T* q_values, const CloudShape& shape,
                 const BirthDeathParameters<T>& parameters);

}  // namespace wpg
