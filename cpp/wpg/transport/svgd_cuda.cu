#include "wpg/base/gaussian_pairs_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"
#include "wpg/transport/velocity_checks.hpp"

namespace wpg {
namespace cuda {

template <class T>
std::int64_t svgd_scratch(const CloudShape& shape, bool in_place) {
  return in_place && pairs_are_split<T>(shape) ? shape.size() : 0;
}

template <class T>
void svgd_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth, T* scratch,
                   CudaStream on) {
  constexpr const char* kWhat = "svgd_velocity";
  require_velocity(velocity, particles, drift, shape, on_host(temperature), on_host(bandwidth));
  require_countable_pairs(shape);
  if (shape.size() == 0) return;
  const bool in_place = velocity == particles || velocity == drift;
  require_scratch(scratch != nullptr, svgd_scratch<T>(shape, in_place), "svgd_scratch");
  const CurrentDevice device(device_of(velocity));
  PairTask<T> task;
  task.out = velocity;
  task.shape = shape;
  task.temperature = temperature;
  task.bandwidth = bandwidth;
  const T* const kept = velocity == particles
                            ? kept_for_pairs(particles, velocity, scratch, shape, on, kWhat)
                            : kept_for_pairs(drift, velocity, scratch, shape, on, kWhat);
  task.particles = velocity == particles ? kept : particles;
  task.drift = velocity == drift ? kept : drift;  // both may be the same array
  sum_all_pairs<PairSum::svgd>(kWhat, task, on);
}

#define WPG_INSTANTIATE(T)                                                                      \
  template std::int64_t svgd_scratch<T>(const CloudShape&, bool);                               \
  template void svgd_velocity<T>(T*, const T*, const T*, const CloudShape&, const PerState<T>&, \
                                 const PerState<T>&, T*, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
