#include "wpg/transport/blob_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

/// Bytes of a state's kernel that are kept between the two passes: half the second-level cache.
constexpr std::int64_t kMostKept = 262144;

}  // namespace

template <class T>
void blob_sums(T* inverse_sums, const T* particles, const CloudShape& shape,
               const PerState<T>& bandwidth, std::int64_t first, std::int64_t last) {
  const PairPlan plan(shape);
  GaussianPairs<T> pairs(shape.particles, shape.dimension, false);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    if (rows.state != taken) {
      finite = pairs.take_state(particles + rows.state * shape.per_state(), bandwidth[rows.state]);
    }
    taken = rows.state;
    if (finite) pairs.sum_kernel(pairs.tiles_of(rows.first, rows.last));
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      inverse_sums[rows.state * shape.particles + i] = finite ? 1 / pairs.kernel_sum(i) : T(0);
    }
  }
}

template <class T>
void blob_items(T* velocity, const T* inverse_sums, const T* particles, const T* drift,
                const CloudShape& shape, const PerState<T>& temperature,
                const PerState<T>& bandwidth, std::int64_t first, std::int64_t last) {
  const PairPlan plan(shape);
  const std::int64_t N = shape.particles, D = shape.dimension;
  const std::int64_t bytes = N * N * static_cast<std::int64_t>(sizeof(T));
  GaussianPairs<T> pairs(N, D, inverse_sums == nullptr && bytes <= kMostKept);
  Scratch<T> scale(inverse_sums == nullptr ? N : 0);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t at = rows.state * shape.per_state();
    if (rows.state != taken) finite = pairs.take_state(particles + at, bandwidth[rows.state]);
    taken = rows.state;
    if (finite) {
      const T* scales = inverse_sums + rows.state * N;
      if (inverse_sums == nullptr) {
        pairs.sum_kernel(pairs.all());
        for (std::int64_t i = 0; i < N; ++i) scale[i] = 1 / pairs.kernel_sum(i);
        scales = scale.get();
      }
      pairs.sum_scaled_velocities(pairs.tiles_of(rows.first, rows.last), scales,
                                  temperature[rows.state]);
    }
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      T* const to = velocity + at + i * D;
      const T* const along = drift + at + i * D;
      const T* const sum = pairs.velocity(i);
      for (std::int64_t d = 0; d < D; ++d) {
        to[d] = finite ? finite_or_nan(along[d] + sum[d * pairs.kStride])
                       : std::numeric_limits<T>::quiet_NaN();
      }
    }
  }
}

#define WPG_INSTANTIATE(T)                                                                      \
  template void blob_sums<T>(T*, const T*, const CloudShape&, const PerState<T>&, std::int64_t, \
                             std::int64_t);                                                     \
  template void blob_items<T>(T*, const T*, const T*, const T*, const CloudShape&,              \
                              const PerState<T>&, const PerState<T>&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
