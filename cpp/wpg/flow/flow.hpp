// The fused loop: several Langevin steps against a KernelQ, in one pass over the states.
#pragma once

#include <cstdint>

#include "wpg/base/support.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

/// out = `steps` Langevin steps of `particles` (S, N, D) of `states` (S, O), with drift = grad_a Q
/// asked anew before each. Step l draws the noise of parameters.step + l.
///
/// The same bits as `steps` calls of KernelQ::evaluate and langevin. States run in parallel; the
/// state factor of the kernel is computed once for all steps; a thread's memory is M (D + 2) + 2 N
/// D. `out` may be `particles`. Throws std::invalid_argument before anything is written.
template <class T>
void langevin_flow(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
                   const CloudShape& shape, std::int64_t steps,
                   const LangevinParameters<T>& parameters, const Support<T>& support);

}  // namespace wpg
