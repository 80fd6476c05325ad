#include "wpg/transport/blob.hpp"

#include <vector>

#include "wpg/base/parallel.hpp"
#include "wpg/transport/blob_cpu.hpp"
#include "wpg/transport/velocity_checks.hpp"

namespace wpg {
namespace {

template <class T>
void run_sums(T* inverse_sums, const T* particles, const CloudShape& shape,
              const PerState<T>& bandwidth, std::int64_t first, std::int64_t last) {
  WPG_CALL(blob_sums<T>(inverse_sums, particles, shape, bandwidth, first, last))
}

template <class T>
void run(T* velocity, const T* inverse_sums, const T* particles, const T* drift,
         const CloudShape& shape, const PerState<T>& temperature, const PerState<T>& bandwidth,
         std::int64_t first, std::int64_t last) {
  WPG_CALL(blob_items<T>(velocity, inverse_sums, particles, drift, shape, temperature, bandwidth,
                         first, last))
}

}  // namespace

template <class T>
void blob_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth) {
  require_velocity(velocity, particles, drift, shape, temperature, bandwidth);
  if (shape.size() == 0) return;
  const PairPlan plan(shape);
  std::vector<T> inverse_sums, kept;
  if (plan.splits()) {
    inverse_sums.resize(static_cast<std::size_t>(shape.states * shape.particles));
    parallel_for(plan.count(), plan.work(), [&](std::int64_t first, std::int64_t last) {
      run_sums(inverse_sums.data(), particles, shape, bandwidth, first, last);
    });
    if (velocity == particles) {  // a state that is split is read again after its first rows
      kept.assign(particles, particles + shape.size());
      particles = kept.data();
    }
  }
  const T* const sums = plan.splits() ? inverse_sums.data() : nullptr;
  parallel_for(plan.count(), plan.work(), [&](std::int64_t first, std::int64_t last) {
    run(velocity, sums, particles, drift, shape, temperature, bandwidth, first, last);
  });
}

template void blob_velocity<float>(float*, const float*, const float*, const CloudShape&,
                                   const PerState<float>&, const PerState<float>&);
template void blob_velocity<double>(double*, const double*, const double*, const CloudShape&,
                                    const PerState<double>&, const PerState<double>&);

}  // namespace wpg
