#include "wpg/transport/blob_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

/// Bytes of a state's kernel that are kept between the two passes: half the second-level cache.
constexpr std::int64_t kMostKept = 262144;

/// 1 / S_i of particles first .. last - 1 of the state that was taken.
template <class T>
void write_inverse_sums(T* inverse_sums, std::int64_t first, std::int64_t last,
                        GaussianPairs<T>& pairs) {
  pairs.sum_kernel(pairs.tiles_of(first, last));
  for (std::int64_t i = first; i < last; ++i) inverse_sums[i] = 1 / pairs.kernel_sum(i);
}

/// Velocities of particles first .. last - 1 of the state that was taken, if it is finite.
template <class T>
void write_rows(T* velocity, const T* inverse_sums, const T* drift, std::int64_t D, T temperature,
                bool finite, std::int64_t first, std::int64_t last, GaussianPairs<T>& pairs) {
  if (finite) {
    pairs.sum_scaled_velocities(pairs.tiles_of(first, last), inverse_sums, temperature);
  }
  for (std::int64_t i = first; i < last; ++i) {
    T* const to = velocity + i * D;
    const T* const along = drift + i * D;
    const T* const sum = pairs.velocity(i);
    for (std::int64_t d = 0; d < D; ++d) {
      to[d] = finite ? finite_or_nan(along[d] + sum[d * pairs.kStride])
                     : std::numeric_limits<T>::quiet_NaN();
    }
  }
}

}  // namespace

template <class T>
bool blob_keeps_kernel(std::int64_t particles) {
  return particles * particles * static_cast<std::int64_t>(sizeof(T)) <= kMostKept;
}

template <class T>
void blob_state(T* velocity, T* inverse_sums, const T* particles, const T* drift,
                const CloudShape& shape, T temperature, T bandwidth, GaussianPairs<T>& pairs) {
  const std::int64_t N = shape.particles;
  const bool finite = pairs.take_state(particles, bandwidth);
  if (finite) write_inverse_sums(inverse_sums, 0, N, pairs);
  write_rows(velocity, inverse_sums, drift, shape.dimension, temperature, finite, 0, N, pairs);
}

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
    T* const to = inverse_sums + rows.state * shape.particles;
    if (finite) {
      write_inverse_sums(to, rows.first, rows.last, pairs);
    } else {
      for (std::int64_t i = rows.first; i < rows.last; ++i) to[i] = T(0);
    }
  }
}

template <class T>
void blob_items(T* velocity, const T* inverse_sums, const T* particles, const T* drift,
                const CloudShape& shape, const PerState<T>& temperature,
                const PerState<T>& bandwidth, std::int64_t first, std::int64_t last) {
  const PairPlan plan(shape);
  const std::int64_t N = shape.particles, D = shape.dimension;
  const bool whole = inverse_sums == nullptr;
  GaussianPairs<T> pairs(N, D, whole && blob_keeps_kernel<T>(N));
  Scratch<T> own_sums(whole ? N : 0);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t s = rows.state, at = s * shape.per_state();
    if (whole) {
      blob_state(velocity + at, own_sums.get(), particles + at, drift + at, shape, temperature[s],
                 bandwidth[s], pairs);
      continue;
    }
    if (s != taken) finite = pairs.take_state(particles + at, bandwidth[s]);
    taken = s;
    write_rows(velocity + at, inverse_sums + s * N, drift + at, D, temperature[s], finite,
               rows.first, rows.last, pairs);
  }
}

#define WPG_INSTANTIATE(T)                                                                      \
  template bool blob_keeps_kernel<T>(std::int64_t);                                             \
  template void blob_state<T>(T*, T*, const T*, const T*, const CloudShape&, T, T,              \
                              GaussianPairs<T>&);                                               \
  template void blob_sums<T>(T*, const T*, const CloudShape&, const PerState<T>&, std::int64_t, \
                             std::int64_t);                                                     \
  template void blob_items<T>(T*, const T*, const T*, const T*, const CloudShape&,              \
                              const PerState<T>&, const PerState<T>&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
