// No kernel of its own: on a GPU a step is bound by its evaluation of the critic, whose sums fill
// the registers, and what lies between two launches is read from the second cache.
#include "wpg/base/cuda_kernel.hpp"
#include "wpg/density/bandwidth_cuda.hpp"
#include "wpg/flow/flow_checks.hpp"
#include "wpg/flow/flow_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/mala_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"

namespace wpg {
namespace cuda {
namespace {

/// Where in the working memory its parts stand; null what a scheme does not want.
template <class T>
struct FlowScratch {
  std::int64_t size = 0;
  std::int64_t* accepted = nullptr;  // (S)
  T* drift = nullptr;                // (S, N, D), as the next three
  T* velocity = nullptr;
  T* proposals = nullptr;
  T* proposed_drift = nullptr;
  T* values = nullptr;  // (S, N), as the next one
  T* proposed_values = nullptr;
  T* medians = nullptr;  // (S)
  T* pairs = nullptr;    // of the velocity

  FlowScratch(T* memory, const CloudShape& shape, Scheme scheme, bool median_rule) {
    const auto take = [&](std::int64_t count) {
      T* const part = memory == nullptr ? nullptr : memory + size;
      size += count;
      return part;
    };
    const std::int64_t rows = shape.states * shape.particles;
    if (scheme == Scheme::mala) {
      constexpr auto kWords = static_cast<std::int64_t>(sizeof(std::int64_t) / sizeof(T));
      accepted = reinterpret_cast<std::int64_t*>(take(shape.states * kWords));
      proposals = take(shape.size());
      proposed_drift = take(shape.size());
      values = take(rows);
      proposed_values = take(rows);
    }
    drift = take(shape.size());
    if (!has_pair_kernel(scheme)) return;
    velocity = take(shape.size());
    if (median_rule) medians = take(shape.states);
    pairs = take(scheme == Scheme::svgd ? svgd_scratch<T>(shape, false)
                                        : blob_scratch<T>(shape, false));
  }
};

/// The parameters of the l-th step.
template <class T>
LangevinParameters<T> step_of(const FlowParameters<T>& parameters, std::int64_t l) {
  LangevinParameters<T> step = parameters.step;
  step.step += static_cast<std::uint64_t>(l);
  return step;
}

template <class T>
void propose_and_accept(T* out, T* acceptance, const KernelQ<T>& critic, const T* states,
                        const CloudShape& shape, const FlowParameters<T>& parameters,
                        const Support<T>& support, const FlowScratch<T>& scratch, CudaStream on) {
  set_zero(scratch.accepted, static_cast<std::size_t>(shape.states) * sizeof(std::int64_t), on);
  if (parameters.steps > 0) {
    evaluate(scratch.values, scratch.drift, critic, states, out, shape, on);
  }
  for (std::int64_t l = 0; l < parameters.steps; ++l) {
    const LangevinParameters<T> step = step_of(parameters, l);
    mala_propose(scratch.proposals, out, scratch.drift, shape, step, support, on);
    evaluate(scratch.proposed_values, scratch.proposed_drift, critic, states, scratch.proposals,
             shape, on);
    mala_accept(out, scratch.values, scratch.drift, scratch.accepted, scratch.proposals,
                scratch.proposed_values, scratch.proposed_drift, shape, step, support, on);
  }
  if (acceptance == nullptr) return;
  fractions(acceptance, scratch.accepted, shape.states, parameters.steps * shape.particles, on);
}

/// One step along the drift, of any other scheme.
template <class T>
void move(T* out, const T* cloud, const CloudShape& shape, const FlowParameters<T>& parameters,
          std::int64_t l, const Support<T>& support, const FlowScratch<T>& scratch, CudaStream on) {
  LangevinParameters<T> step = step_of(parameters, l);
  if (parameters.scheme == Scheme::leimkuhler_matthews) {
    return leimkuhler_matthews(out, cloud, scratch.drift, shape, step, support, on);
  }
  if (parameters.scheme == Scheme::langevin) {
    return langevin(out, cloud, scratch.drift, shape, step, support, on);
  }
  // Infinity, where a median overflows, gives NaN.
  if (parameters.median_rule) median_bandwidth(scratch.medians, cloud, shape, on);
  const PerState<T> bandwidth = parameters.median_rule
                                    ? PerState<T>(static_cast<const T*>(scratch.medians))
                                    : parameters.bandwidth;
  (parameters.scheme == Scheme::svgd ? svgd_velocity<T>
                                     : blob_velocity<T>)(scratch.velocity, cloud, scratch.drift,
                                                         shape, step.temperature, bandwidth,
                                                         scratch.pairs, on);
  step.temperature = T(0);  // the velocity carries the entropy
  langevin(out, cloud, scratch.velocity, shape, step, support, on);
}

}  // namespace

template <class T>
std::int64_t flow_scratch(const CloudShape& shape, Scheme scheme, bool median_rule) {
  require_shape(shape);
  return FlowScratch<T>(nullptr, shape, scheme, median_rule).size;
}

template <class T>
void flow(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
          const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support,
          T* scratch, CudaStream on) {
  wpg::FlowParameters<T> checked;
  checked.scheme = parameters.scheme;
  checked.steps = parameters.steps;
  checked.step = on_host(parameters.step);
  if (has_pair_kernel(parameters.scheme) && !parameters.median_rule) {
    checked.bandwidth = on_host(parameters.bandwidth);
  }
  require_flow(out, particles, shape, checked, support, critic.action_size);
  kernel_support(support, shape.dimension);  // a support that no kernel takes
  if (shape.size() == 0) return;
  WPG_REQUIRE(
      scratch != nullptr && reinterpret_cast<std::uintptr_t>(scratch) % 8 == 0,
      "scratch must hold the " +
          std::to_string(flow_scratch<T>(shape, parameters.scheme, parameters.median_rule)) +
          " numbers that flow_scratch says, from a multiple of 8 bytes on");
  const FlowScratch<T> parts(scratch, shape, parameters.scheme, parameters.median_rule);
  const T* cloud = particles;
  if (parameters.scheme == Scheme::mala || parameters.steps == 0) {
    if (out != particles)
      copy(out, particles, sizeof(T) * static_cast<std::size_t>(shape.size()), on);
    cloud = out;
  }
  if (parameters.scheme == Scheme::mala) {
    return propose_and_accept(out, acceptance, critic, states, shape, parameters, support, parts,
                              on);
  }
  for (std::int64_t l = 0; l < parameters.steps; ++l, cloud = out) {
    evaluate(static_cast<T*>(nullptr), parts.drift, critic, states, cloud, shape, on);
    move(out, cloud, shape, parameters, l, support, parts, on);
  }
}

#define WPG_INSTANTIATE(T)                                                                \
  template std::int64_t flow_scratch<T>(const CloudShape&, Scheme, bool);                 \
  template void flow<T>(T*, T*, const T*, const KernelQ<T>&, const T*, const CloudShape&, \
                        const FlowParameters<T>&, const Support<T>&, T*, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
