#include "wpg/base/normal_cpu.hpp"

#include "wpg/base/normal_block.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void standard_normal_blocks(T* out, const CloudShape& shape, const BlockPlan<T>& plan,
                            std::int64_t first_block, std::int64_t last_block, std::uint64_t seed,
                            Stream stream, std::uint64_t step) {
  NormalBlock<T> normals(plan);
  for (std::int64_t i = first_block; i < last_block; ++i) {
    const Block block = plan.block(i);
    normals.draw(
        {seed, stream, step}, block,
        out + (block.first_state * shape.particles + block.first_particle) * shape.dimension);
  }
}

template void standard_normal_blocks<float>(float*, const CloudShape&, const BlockPlan<float>&,
                                            std::int64_t, std::int64_t, std::uint64_t, Stream,
                                            std::uint64_t);
template void standard_normal_blocks<double>(double*, const CloudShape&, const BlockPlan<double>&,
                                             std::int64_t, std::int64_t, std::uint64_t, Stream,
                                             std::uint64_t);

}  // namespace WPG_ISA
}  // namespace wpg
