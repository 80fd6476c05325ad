#include "wpg/flow/flow.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "wpg/base/pair_plan.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/density/bandwidth.hpp"
#include "wpg/flow/flow_checks.hpp"
#include "wpg/flow/flow_cpu.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/svgd.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
         const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support,
         std::int64_t first, std::int64_t last) {
  WPG_CALL(flow_states<T>(out, acceptance, particles, critic, states, shape, parameters, support,
                          first, last))
}

template <class T>
void run_move(T* out, const T* particles, const T* velocity, const CloudShape& shape,
              const LangevinParameters<T>& parameters, const Support<T>& support,
              const BlockPlan<T>& plan, std::int64_t first, std::int64_t last) {
  WPG_CALL(move_along<T>(out, particles, velocity, shape, parameters, support, plan, first, last))
}

/// The velocities of a state that is split need all of its particles: step after step over all
/// states, with threads in every part.
template <class T>
void flow_step_by_step(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
                       const CloudShape& shape, const FlowParameters<T>& parameters,
                       const Support<T>& support) {
  const auto count = static_cast<std::size_t>(shape.size());
  const bool rule = parameters.bandwidth.data == nullptr;
  std::vector<T> drift(count), velocity(count);
  std::vector<T> medians(rule ? static_cast<std::size_t>(shape.states) : 0);
  const PerState<T> bandwidth = rule ? PerState<T>{medians.data(), 1} : parameters.bandwidth;
  const auto& velocity_of = parameters.scheme == Scheme::svgd ? svgd_velocity<T> : blob_velocity<T>;
  const BlockPlan<T> plan(shape);
  for (std::int64_t l = 0; l < parameters.steps; ++l) {
    const T* const cloud = l == 0 ? particles : out;
    critic.evaluate(nullptr, drift.data(), states, cloud, shape);
    if (rule) {
      median_bandwidth(medians.data(), cloud, shape);
      for (T& length : medians) {
        if (std::isinf(length)) length = std::numeric_limits<T>::quiet_NaN();
      }
    }
    velocity_of(velocity.data(), cloud, drift.data(), shape, parameters.step.temperature,
                bandwidth);
    parallel_for(plan.count(), plan.elements(), [&](std::int64_t first, std::int64_t last) {
      run_move(out, cloud, velocity.data(), shape, parameters.step, support, plan, first, last);
    });
  }
  if (parameters.steps == 0 && out != particles) std::memcpy(out, particles, count * sizeof(T));
}

}  // namespace

Scheme scheme_of(const std::string& name) {
  if (name == "langevin") return Scheme::langevin;
  if (name == "leimkuhler-matthews") return Scheme::leimkuhler_matthews;
  if (name == "mala") return Scheme::mala;
  if (name == "svgd") return Scheme::svgd;
  if (name == "blob") return Scheme::blob;
  throw std::invalid_argument("scheme is '" + name +
                              "'; it must be 'langevin', 'leimkuhler-matthews', 'mala', 'svgd' or "
                              "'blob'");
}

template <class T>
void flow(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
          const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support) {
  const bool mala = parameters.scheme == Scheme::mala;
  const bool pairs = has_pair_kernel(parameters.scheme);
  require_flow(out, particles, shape, parameters, support, critic.action_size());
  if (shape.size() == 0) return;
  const PairPlan plan(shape);
  if (pairs && plan.splits()) {
    return flow_step_by_step(out, particles, critic, states, shape, parameters, support);
  }
  const std::int64_t evaluations = parameters.steps + (mala ? 1 : 0);
  const std::int64_t work =
      critic.centers() * (critic.observation_size() + evaluations * shape.per_state()) +
      (pairs ? parameters.steps * plan.work() : 0);
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
