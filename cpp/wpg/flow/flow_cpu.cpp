#include "wpg/flow/flow_cpu.hpp"

#include "wpg/critics/kernel_q_cpu.hpp"
#include "wpg/transport/langevin_block.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void langevin_flow_states(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
                          const CloudShape& shape, std::int64_t steps,
                          const LangevinParameters<T>& parameters, const Support<T>& support,
                          std::int64_t first_state, std::int64_t last_state) {
  const std::int64_t count = shape.per_state();
  const BlockPlan<T> plan(CloudShape{1, shape.particles, shape.dimension});
  LangevinBlock<T> mover(plan, parameters, support);
  Scratch<T> slice_memory(slice_scratch(critic)), drift(count);
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice =
        slice_state(critic, states + s * critic.observation_size(), slice_memory.get());
    T* cloud = out + s * count;
    if (out != particles) {
      std::memcpy(cloud, particles + s * count, sizeof(T) * static_cast<std::size_t>(count));
    }
    for (std::int64_t l = 0; l < steps; ++l) {
      evaluate_particles<T>(critic, slice, nullptr, drift.get(), cloud, shape.particles);
      for (std::int64_t i = 0; i < plan.count(); ++i) {
        Block block = plan.block(i);
        block.first_state = s;
        const std::int64_t offset = block.first_particle * shape.dimension;
        mover.move(cloud + offset, cloud + offset, drift.get() + offset, block,
                   parameters.step + static_cast<std::uint64_t>(l));
      }
    }
  }
}

template void langevin_flow_states<float>(float*, const float*, const KernelQ<float>&, const float*,
                                          const CloudShape&, std::int64_t,
                                          const LangevinParameters<float>&, const Support<float>&,
                                          std::int64_t, std::int64_t);
template void langevin_flow_states<double>(double*, const double*, const KernelQ<double>&,
                                           const double*, const CloudShape&, std::int64_t,
                                           const LangevinParameters<double>&,
                                           const Support<double>&, std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
