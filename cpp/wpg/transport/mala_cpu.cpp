#include "wpg/transport/mala_cpu.hpp"

#include "wpg/transport/mala_block.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void mala_accept_states(T* particles, T* values, T* drift, std::int64_t* accepted,
                        const T* proposals, const T* proposed_values, const T* proposed_drift,
                        const CloudShape& shape, const LangevinParameters<T>& parameters,
                        const Support<T>& support, std::int64_t first_state,
                        std::int64_t last_state) {
  MalaBlock<T> judge(shape, parameters, support);
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const std::int64_t offset = s * shape.per_state(), row = s * shape.particles;
    accepted[s] += judge.accept(
        {particles + offset, values + row, drift + offset},
        {proposals + offset, proposed_values + row, proposed_drift + offset}, s, parameters.step);
  }
}

template void mala_accept_states<float>(float*, float*, float*, std::int64_t*, const float*,
                                        const float*, const float*, const CloudShape&,
                                        const LangevinParameters<float>&, const Support<float>&,
                                        std::int64_t, std::int64_t);
template void mala_accept_states<double>(double*, double*, double*, std::int64_t*, const double*,
                                         const double*, const double*, const CloudShape&,
                                         const LangevinParameters<double>&, const Support<double>&,
                                         std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
