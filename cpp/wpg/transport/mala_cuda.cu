#include "wpg/base/cuda_kernel.hpp"
#include "wpg/base/normal_group_math.hpp"
#include "wpg/transport/langevin_checks.hpp"
#include "wpg/transport/mala_cuda.hpp"
#include "wpg/transport/mala_math.hpp"

namespace wpg {
namespace cuda {
namespace {

template <class T>
struct Acceptance {
  T* particles;
  T* values;
  T* drift;
  std::int64_t* accepted;
  const T* proposals;
  const T* proposed_values;
  const T* proposed_drift;
  std::int64_t count, dimension;  // particles of all states
  Divider<std::uint64_t> by_particles;
  DrawName name;
  PerState<T> step_size, temperature;
  KernelSupport<T> support;
};

/// A thread a particle.
template <class T>
__global__ void __launch_bounds__(kThreads) accept(const __grid_constant__ Acceptance<T> of) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= of.count) return;
  const auto at = divide(static_cast<std::uint64_t>(i), of.by_particles);
  const auto state = static_cast<std::int64_t>(at.whole);
  const auto n = static_cast<std::uint32_t>(at.rest);
  const WordGroup<T> words = word_group<T>(of.name, n / static_cast<std::uint32_t>(kGroup<T>),
                                           static_cast<std::uint32_t>(state), 0);
  const T draw = exponential_of<T>(words.word[n % static_cast<std::uint32_t>(kGroup<T>)]);
  const auto eta = static_cast<double>(of_state(of.step_size, state));
  const auto tau = static_cast<double>(of_state(of.temperature, state));
  const std::int64_t D = of.dimension;
  T* const a = of.particles + i * D;
  T* const g = of.drift + i * D;
  const T* const b = of.proposals + i * D;
  const T* const h = of.proposed_drift + i * D;
  const KernelSupport<T>& support = of.support;
  const MalaVerdict verdict =
      mala_verdict<T>({a, of.values[i], g, b, of.proposed_values[i], h, D}, support.kind,
                      [&support](std::int64_t d) { return support.walls[d * support.stride]; },
                      draw, {eta, tau, 2 * eta * tau});
  if (verdict == MalaVerdict::keep) return;
  const bool lost = verdict == MalaVerdict::lose;
  for (std::int64_t d = 0; d < D; ++d) {
    a[d] = lost ? kNotANumber<T> : b[d];
    g[d] = lost ? kNotANumber<T> : h[d];
  }
  of.values[i] = lost ? kNotANumber<T> : of.proposed_values[i];
  if (!lost) add_one(of.accepted + state);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    divide_counts(T* out, const std::int64_t* counts, std::int64_t count, std::int64_t of) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  out[i] =
      of == 0 ? T(1) : static_cast<T>(static_cast<double>(counts[i]) / static_cast<double>(of));
}

}  // namespace

template <class T>
void mala_propose(T* out, const T* particles, const T* drift, const CloudShape& shape,
                  const LangevinParameters<T>& parameters, const Support<T>& support,
                  CudaStream on) {
  require_mala(shape, on_host(parameters), support);
  langevin_step(out, particles, drift, shape, parameters, support, Stream::mala_proposal, on);
}

template <class T>
void mala_accept(T* particles, T* values, T* drift, std::int64_t* accepted, const T* proposals,
                 const T* proposed_values, const T* proposed_drift, const CloudShape& shape,
                 const LangevinParameters<T>& parameters, const Support<T>& support,
                 CudaStream on) {
  require_mala(shape, on_host(parameters), support);
  require_step(parameters.step);
  if (shape.size() == 0) return;
  const CurrentDevice device(device_of(particles));
  const std::int64_t count = shape.states * shape.particles;
  const Acceptance<T> of{particles,
                         values,
                         drift,
                         accepted,
                         proposals,
                         proposed_values,
                         proposed_drift,
                         count,
                         shape.dimension,
                         Divider<std::uint64_t>(static_cast<std::uint64_t>(shape.particles)),
                         draw_name(parameters.seed, Stream::mala_acceptance, parameters.step),
                         parameters.step_size,
                         parameters.temperature,
                         kernel_support(support, shape.dimension)};
  launch("mala_accept", on, {(count + kThreads - 1) / kThreads}, accept<T>, of);
}

template <class T>
void fractions(T* out, const std::int64_t* counts, std::int64_t count, std::int64_t of,
               CudaStream on) {
  if (count == 0) return;
  const CurrentDevice device(device_of(out));
  launch("fractions", on, {(count + kThreads - 1) / kThreads}, divide_counts<T>, out, counts, count,
         of);
}

#define WPG_INSTANTIATE(T)                                                                         \
  template void mala_propose<T>(T*, const T*, const T*, const CloudShape&,                         \
                                const LangevinParameters<T>&, const Support<T>&, CudaStream);      \
  template void mala_accept<T>(T*, T*, T*, std::int64_t*, const T*, const T*, const T*,            \
                               const CloudShape&, const LangevinParameters<T>&, const Support<T>&, \
                               CudaStream);                                                        \
  template void fractions<T>(T*, const std::int64_t*, std::int64_t, std::int64_t, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
