#include "wpg/flow/flow.hpp"

#include <cstring>

#include "wpg/base/parallel.hpp"
#include "wpg/flow/flow_cpu.hpp"
#include "wpg/transport/langevin_checks.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
         const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support,
         std::int64_t first, std::int64_t last) {
  WPG_CALL(flow_states<T>(out, acceptance, particles, critic, states, shape, parameters, support,
                          first, last))
}

}  // namespace

template <class T>
void flow(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
          const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support) {
  const bool mala = parameters.scheme == Scheme::mala;
  mala ? require_mala(shape, parameters.step, support)
       : require_langevin(shape, parameters.step, support);
  require_steps(parameters.step.step, parameters.steps,
                parameters.scheme == Scheme::leimkuhler_matthews ? Stream::leimkuhler_matthews
                                                                 : Stream::langevin);
  WPG_REQUIRE(shape.dimension == critic.action_size(),
              "particles have D = " + std::to_string(shape.dimension) +
                  "; the critic has D = " + std::to_string(critic.action_size()));
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  if (shape.size() == 0) return;
  const std::int64_t evaluations = parameters.steps + (mala ? 1 : 0);
  const std::int64_t work =
      critic.centers() * (critic.observation_size() + evaluations * shape.per_state());
  parallel_for(shape.states, work, [&](std::int64_t first, std::int64_t last) {
    run(out, acceptance, particles, critic, states, shape, parameters, support, first, last);
  });
}

template void flow<float>(float*, float*, const float*, const KernelQ<float>&, const float*,
                          const CloudShape&, const FlowParameters<float>&, const Support<float>&);
template void flow<double>(double*, double*, const double*, const KernelQ<double>&, const double*,
                           const CloudShape&, const FlowParameters<double>&,
                           const Support<double>&);

}  // namespace wpg
