#include "wpg/transport/langevin.hpp"

#include "wpg/base/parallel.hpp"
#include "wpg/transport/langevin_checks.hpp"
#include "wpg/transport/langevin_cpu.hpp"
#include "wpg/transport/langevin_step.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* out, const T* particles, const T* drift, const CloudShape& shape,
         const LangevinParameters<T>& parameters, const Support<T>& support, Stream stream,
         const BlockPlan<T>& plan, std::int64_t first, std::int64_t last) {
  WPG_CALL(langevin_blocks<T>(out, particles, drift, shape, parameters, support, stream, plan,
                              first, last))
}

}  // namespace

template <class T>
void langevin_step(T* out, const T* particles, const T* drift, const CloudShape& shape,
                   const LangevinParameters<T>& parameters, const Support<T>& support,
                   Stream stream) {
  require_langevin(shape, parameters, support);
  require_steps(parameters.step, 1, stream);
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  require_same_or_disjoint(out, bytes, drift, bytes, "drift");
  const BlockPlan<T> plan(shape);
  parallel_for(plan.count(), plan.elements(), [&](std::int64_t first, std::int64_t last) {
    run(out, particles, drift, shape, parameters, support, stream, plan, first, last);
  });
}

template <class T>
void langevin(T* out, const T* particles, const T* drift, const CloudShape& shape,
              const LangevinParameters<T>& parameters, const Support<T>& support) {
  langevin_step(out, particles, drift, shape, parameters, support, Stream::langevin);
}

template void langevin_step<float>(float*, const float*, const float*, const CloudShape&,
                                   const LangevinParameters<float>&, const Support<float>&, Stream);
template void langevin_step<double>(double*, const double*, const double*, const CloudShape&,
                                    const LangevinParameters<double>&, const Support<double>&,
                                    Stream);
template void langevin<float>(float*, const float*, const float*, const CloudShape&,
                              const LangevinParameters<float>&, const Support<float>&);
template void langevin<double>(double*, const double*, const double*, const CloudShape&,
                               const LangevinParameters<double>&, const Support<double>&);

}  // namespace wpg
