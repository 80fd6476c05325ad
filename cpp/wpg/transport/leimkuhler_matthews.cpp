#include "wpg/transport/leimkuhler_matthews.hpp"

#include "wpg/transport/langevin_step.hpp"

namespace wpg {

template <class T>
void leimkuhler_matthews(T* out, const T* particles, const T* drift, const CloudShape& shape,
                         const LangevinParameters<T>& parameters, const Support<T>& support) {
  langevin_step(out, particles, drift, shape, parameters, support, Stream::leimkuhler_matthews);
}

template void leimkuhler_matthews<float>(float*, const float*, const float*, const CloudShape&,
                                         const LangevinParameters<float>&, const Support<float>&);
template void leimkuhler_matthews<double>(double*, const double*, const double*, const CloudShape&,
                                          const LangevinParameters<double>&,
                                          const Support<double>&);

}  // namespace wpg
