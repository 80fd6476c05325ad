#include "wpg/transport/svgd_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {
namespace WPG_ISA {

namespace {

/// Velocities of particles first .. last - 1 of the state that was taken, if it is finite.
template <class T>
void write_rows(T* velocity, const T* drift, const CloudShape& shape, T temperature, bool finite,
                std::int64_t first, std::int64_t last, GaussianPairs<T>& pairs) {
  const std::int64_t D = shape.dimension;
  const T share = T(1) / static_cast<T>(shape.particles);
  if (finite) pairs.sum_velocities(pairs.tiles_of(first, last), drift, temperature, false);
  for (std::int64_t i = first; i < last; ++i) {
    T* const to = velocity + i * D;
    const T* const sum = pairs.velocity(i);
    for (std::int64_t d = 0; d < D; ++d) {
      to[d] = finite ? finite_or_nan(sum[d * pairs.kStride] * share)
                     : std::numeric_limits<T>::quiet_NaN();
    }
  }
}

}  // namespace

template <class T>
void svgd_state(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                T temperature, T bandwidth, GaussianPairs<T>& pairs) {
  const bool finite = pairs.take_state(particles, bandwidth);
  write_rows(velocity, drift, shape, temperature, finite, 0, shape.particles, pairs);
}

template <class T>
void svgd_items(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                const PerState<T>& temperature, const PerState<T>& bandwidth, std::int64_t first,
                std::int64_t last) {
  const PairPlan plan(shape);
  GaussianPairs<T> pairs(shape.particles, shape.dimension, false);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t at = rows.state * shape.per_state();
    if (rows.state != taken) finite = pairs.take_state(particles + at, bandwidth[rows.state]);
    taken = rows.state;
    write_rows(velocity + at, drift + at, shape, temperature[rows.state], finite, rows.first,
               rows.last, pairs);
  }
}

#define WPG_INSTANTIATE(T)                                                                         \
  template void svgd_state<T>(T*, const T*, const T*, const CloudShape&, T, T, GaussianPairs<T>&); \
  template void svgd_items<T>(T*, const T*, const T*, const CloudShape&, const PerState<T>&,       \
                              const PerState<T>&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
