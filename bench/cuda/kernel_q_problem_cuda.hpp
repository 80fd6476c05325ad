// The soft Q-function and the particles of kernel_q_problem.hpp on the device: for
// bench_kernel_q_cuda.cpp and bench_flow_cuda.cpp.
#pragma once

#include "cases_cuda.hpp"
#include "kernel_q_problem.hpp"
#include "wpg/critics/kernel_q_cuda.hpp"

namespace wpg::bench {

/// With this length scale no centre can be skipped: states and centres are at most 2 sqrt(17)
/// apart, so a state factor is at least exp(-8.5), and skipped is what is below u / M, exp(-25).
inline constexpr float kStateLengthscale = 2;
inline constexpr std::int64_t kObservation = 17;

inline CloudShape kernel_q_shape(const Sizes& sizes) { return {sizes.small ? 2 : 16384, 16, 6}; }
inline std::int64_t kernel_q_centers(const Sizes& sizes) { return sizes.small ? 300 : 4096; }

struct DeviceKernelQProblem {
  KernelQProblem host;
  DeviceNumbers<float> states, particles, values, gradient, table;
  cuda::KernelQ<float> critic;

  DeviceKernelQProblem(const CloudShape& shape, std::int64_t centers)
      : host(shape, centers, kObservation, kStateLengthscale),
        states(host.states),
        particles(host.particles),
        values(shape.states * shape.particles),
        gradient(shape.size()),
        table(cuda::kernel_q_table_size<float>(centers, kObservation, shape.dimension)) {
    const DeviceNumbers<float> center_states(host.center_states),
        center_actions(host.center_actions), weights(host.weights);
    const Floats state_scale(at(kObservation), kStateLengthscale);
    const Floats action_scale(at(shape.dimension), 1.0f);
    critic = cuda::pack_kernel_q<float>(table.get(), center_states.get(), center_actions.get(),
                                        weights.get(), centers, kObservation, shape.dimension,
                                        state_scale.data(), action_scale.data(), Profile::gaussian,
                                        nullptr);
    succeed(cudaDeviceSynchronize(), "pack_kernel_q");
  }

  void evaluate(bool with_values) {
    cuda::evaluate<float>(with_values ? values.get() : nullptr, gradient.get(), critic,
                          states.get(), particles.get(), host.shape, nullptr);
  }

  /// Of some states: each comes first for its turn.
  Answer check() {
    host.values = values.on_host();
    host.gradient = gradient.on_host();
    const bool finite = all_finite(host.values) && all_finite(host.gradient);
    Answer worst{finite ? 0 : std::nan(""), 1};
    for (const std::int64_t s : some_states(host.shape)) {
      bring_first(s);
      worst = worse_of(worst, host.check());
      bring_first(s);
    }
    return worst;
  }

 private:
  /// Swaps the first state and state s on the host.
  void bring_first(std::int64_t s) {
    if (s == 0) return;
    for (Floats* each : {&host.states, &host.particles, &host.values, &host.gradient}) {
      const auto width = static_cast<std::int64_t>(each->size()) / host.shape.states;
      std::swap_ranges(each->begin(), each->begin() + width, each->begin() + s * width);
    }
  }
};

}  // namespace wpg::bench
