#include "wpg/base/gaussian_pairs_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/velocity_checks.hpp"

namespace wpg {
namespace cuda {

template <class T>
std::int64_t blob_scratch(const CloudShape& shape, bool in_place) {
  const std::int64_t sums = shape.size() == 0 ? 0 : shape.states * shape.particles;
  return sums + (in_place && pairs_are_split<T>(shape) ? shape.size() : 0);
}

template <class T>
void blob_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth, T* scratch,
                   CudaStream on) {
  constexpr const char* kWhat = "blob_velocity";
  require_velocity(velocity, particles, drift, shape, on_host(temperature), on_host(bandwidth));
  require_countable_pairs(shape);
  require_scratch(scratch != nullptr, blob_scratch<T>(shape, velocity == particles),
                  "blob_scratch");
  if (shape.size() == 0) return;
  const CurrentDevice device(device_of(velocity));
  T* const copy = scratch + shape.states * shape.particles;
  PairTask<T> task;
  task.out = scratch;
  task.particles = kept_for_pairs(particles, velocity, copy, shape, on, kWhat);
  task.shape = shape;
  task.temperature = temperature;
  task.bandwidth = bandwidth;
  sum_all_pairs<PairSum::kernel>(kWhat, task, on);
  task.out = velocity;
  task.drift = drift;  // of its own place alone
  task.inverse_sums = scratch;
  sum_all_pairs<PairSum::blob>(kWhat, task, on);
}

#define WPG_INSTANTIATE(T)                                                                      \
  template std::int64_t blob_scratch<T>(const CloudShape&, bool);                               \
  template void blob_velocity<T>(T*, const T*, const T*, const CloudShape&, const PerState<T>&, \
                                 const PerState<T>&, T*, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
