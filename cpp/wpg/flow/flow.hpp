// The fused loop: several transport steps against a KernelQ, in one pass over the states.
#pragma once

#include <cstdint>
#include <string>

#include "wpg/base/support.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

enum class Scheme { langevin, leimkuhler_matthews, mala, svgd, blob };

/// By the name it has in Python; throws std::invalid_argument with the names there are.
Scheme scheme_of(const std::string& name);

/// Does it move particles along a velocity with a kernel between them, without noise?
constexpr bool has_pair_kernel(Scheme scheme) {
  return scheme == Scheme::svgd || scheme == Scheme::blob;
}

template <class T>
struct FlowParameters {
  Scheme scheme = Scheme::langevin;
  std::int64_t steps = 1;
  LangevinParameters<T> step;  // of the first step; the others count on from its `step`
  PerState<T> bandwidth;       // of a kernel between particles; null: the median rule, every step
};

/// out = `steps` steps of `particles` (S, N, D) of `states` (S, O), with drift = grad_a Q asked
/// anew before each. Step l draws the noise of parameters.step.step + l.
///
/// `acceptance` (S), for scheme mala and null otherwise, is the fraction of accepted proposals over
/// steps and particles; 1 where there are no steps: none was rejected.
///
/// svgd and blob: a <- fold(a + step_size * velocity(a, drift)) with the velocity of svgd.hpp or
/// blob.hpp at the temperature, in a box that reflects, on a torus or without bounds; the bandwidth
/// is given, or median_bandwidth of the cloud before every step, where infinity counts as NaN.
///
/// The same bits as `steps` calls of KernelQ::evaluate and the scheme's step; svgd and blob: of
/// langevin at temperature 0 along the velocity. mala carries the value and gradient of where the
/// particles are: `steps` + 1 evaluations.
///
/// States run in parallel; the state factor of the kernel is computed once for all steps; a
/// thread's memory is M (D + 5) and at most N (4 D + 2). svgd and blob add to every step the cost
/// of their velocity and of the median rule, to a thread their memory. Where S < 16 and N > 512, so
/// that pairs of a state are shared out, they go step by step over all states instead, with
/// 2 S N D numbers. `out` may be `particles`. Throws std::invalid_argument before anything is
/// written.
template <class T>
void flow(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
          const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support);

}  // namespace wpg
