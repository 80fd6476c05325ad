#include "wpg/base/gaussian_pairs_cuda.hpp"
#include "wpg/density/kde_cuda.hpp"

namespace wpg {
namespace cuda {

template <class T>
std::int64_t kde_scratch(const CloudShape& shape, bool in_place) {
  return in_place && pairs_are_split<T>(shape) ? shape.size() : 0;
}

template <class T>
void kde_score(T* score, const T* particles, const CloudShape& shape, const PerState<T>& bandwidth,
               T* scratch, CudaStream on) {
  constexpr const char* kWhat = "kde_score";
  require_shape(shape);
  require_bandwidth(on_host(bandwidth), shape.states);
  require_countable_pairs(shape);
  if (shape.size() == 0) return;
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(score, bytes, particles, bytes, "particles");
  require_scratch(scratch != nullptr, kde_scratch<T>(shape, score == particles), "kde_scratch");
  const CurrentDevice device(device_of(score));
  PairTask<T> task;
  task.out = score;
  task.particles = kept_for_pairs(particles, score, scratch, shape, on, kWhat);
  task.shape = shape;
  task.bandwidth = bandwidth;
  sum_all_pairs<PairSum::score>(kWhat, task, on);
}

template <class T>
void kde_log_mean(T* log_mean, const T* particles, const CloudShape& shape,
                  const PerState<T>& bandwidth, CudaStream on) {
  require_shape(shape);
  require_bandwidth(on_host(bandwidth), shape.states);
  require_countable_pairs(shape);
  if (shape.size() == 0) return;
  const auto numbers = static_cast<std::size_t>(shape.states * shape.particles);
  const auto all = static_cast<std::size_t>(shape.size());
  WPG_REQUIRE(log_mean != particles, "out is particles; give it memory of its own");
  require_same_or_disjoint(log_mean, numbers * sizeof(T), particles, all * sizeof(T), "particles");
  const CurrentDevice device(device_of(log_mean));
  PairTask<T> task;
  task.out = log_mean;
  task.particles = particles;
  task.shape = shape;
  task.bandwidth = bandwidth;
  task.logarithms = true;
  sum_all_pairs<PairSum::kernel>("kde_log_mean", task, on);
}

#define WPG_INSTANTIATE(T)                                                                         \
  template std::int64_t kde_scratch<T>(const CloudShape&, bool);                                   \
  template void kde_score<T>(T*, const T*, const CloudShape&, const PerState<T>&, T*, CudaStream); \
  template void kde_log_mean<T>(T*, const T*, const CloudShape&, const PerState<T>&, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
