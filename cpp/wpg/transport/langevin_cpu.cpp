#include "wpg/transport/langevin_cpu.hpp"

#include "wpg/transport/langevin_block.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void langevin_blocks(T* out, const T* particles, const T* drift, const CloudShape& shape,
                     const LangevinParameters<T>& parameters, const Support<T>& support,
                     Stream stream, const BlockPlan<T>& plan, std::int64_t first_block,
                     std::int64_t last) {
  LangevinBlock<T> mover(plan, parameters, support, stream);
  for (std::int64_t i = first_block; i < last; ++i) {
    const Block block = plan.block(i);
    const std::int64_t offset =
        (block.first_state * shape.particles + block.first_particle) * shape.dimension;
    mover.move(out + offset, particles + offset, drift + offset, block, parameters.step);
  }
}

template void langevin_blocks<float>(float*, const float*, const float*, const CloudShape&,
                                     const LangevinParameters<float>&, const Support<float>&,
                                     Stream, const BlockPlan<float>&, std::int64_t, std::int64_t);
template void langevin_blocks<double>(double*, const double*, const double*, const CloudShape&,
                                      const LangevinParameters<double>&, const Support<double>&,
                                      Stream, const BlockPlan<double>&, std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
