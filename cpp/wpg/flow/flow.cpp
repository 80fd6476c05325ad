#include "wpg/flow/flow.hpp"

#include <cstring>

#include "wpg/base/parallel.hpp"
#include "wpg/flow/flow_cpu.hpp"
#include "wpg/transport/langevin_checks.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
         const CloudShape& shape, std::int64_t steps, const LangevinParameters<T>& parameters,
         const Support<T>& support, std::int64_t first, std::int64_t last) {
  WPG_CALL(langevin_flow_states<T>(out, particles, critic, states, shape, steps, parameters,
                                   support, first, last))
}

}  // namespace

template <class T>
void langevin_flow(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
                   const CloudShape& shape, std::int64_t steps,
                   const LangevinParameters<T>& parameters, const Support<T>& support) {
  require_langevin(shape, parameters, support);
  require(steps >= 0, "steps is " + std::to_string(steps) + "; it must not be negative");
  require_step(parameters.step);
  require(steps <= static_cast<std::int64_t>(kMostSteps - parameters.step),
          "step + steps is beyond 2^40: no noise is left there");
  require(shape.dimension == critic.action_size(),
          "particles have D = " + std::to_string(shape.dimension) +
              "; the critic has D = " + std::to_string(critic.action_size()));
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  if (shape.size() == 0) return;
  const std::int64_t work =
      critic.centers() * (critic.observation_size() + steps * shape.per_state());
  parallel_for(shape.states, work, [&](std::int64_t first, std::int64_t last) {
    run(out, particles, critic, states, shape, steps, parameters, support, first, last);
  });
}

template void langevin_flow<float>(float*, const float*, const KernelQ<float>&, const float*,
                                   const CloudShape&, std::int64_t,
                                   const LangevinParameters<float>&, const Support<float>&);
template void langevin_flow<double>(double*, const double*, const KernelQ<double>&, const double*,
                                    const CloudShape&, std::int64_t,
                                    const LangevinParameters<double>&, const Support<double>&);

}  // namespace wpg
