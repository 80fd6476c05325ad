#include "wpg/transport/svgd.hpp"

#include <vector>

#include "wpg/base/parallel.hpp"
#include "wpg/transport/svgd_cpu.hpp"
#include "wpg/transport/velocity_checks.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
         const PerState<T>& temperature, const PerState<T>& bandwidth, std::int64_t first,
         std::int64_t last) {
  WPG_CALL(svgd_items<T>(velocity, particles, drift, shape, temperature, bandwidth, first, last))
}

}  // namespace

template <class T>
void svgd_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth) {
  require_velocity(velocity, particles, drift, shape, temperature, bandwidth);
  if (shape.size() == 0) return;
  const PairPlan plan(shape);
  // A state that is split is read again after its first rows have been written.
  std::vector<T> kept;
  if (plan.splits() && (velocity == particles || velocity == drift)) {
    kept.assign(velocity, velocity + shape.size());
    if (velocity == particles) particles = kept.data();
    if (velocity == drift) drift = kept.data();  // both may be the same array
  }
  parallel_for(plan.count(), plan.work(), [&](std::int64_t first, std::int64_t last) {
    run(velocity, particles, drift, shape, temperature, bandwidth, first, last);
  });
}

template void svgd_velocity<float>(float*, const float*, const float*, const CloudShape&,
                                   const PerState<float>&, const PerState<float>&);
template void svgd_velocity<double>(double*, const double*, const double*, const CloudShape&,
                                    const PerState<double>&, const PerState<double>&);

}  // namespace wpg
