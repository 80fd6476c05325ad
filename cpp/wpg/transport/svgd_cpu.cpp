#include "wpg/transport/svgd_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void svgd_items(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                const PerState<T>& temperature, const PerState<T>& bandwidth, std::int64_t first,
                std::int64_t last) {
  const PairPlan plan(shape);
  const std::int64_t D = shape.dimension;
  const T share = T(1) / static_cast<T>(shape.particles);
  GaussianPairs<T> pairs(shape.particles, D, false);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t at = rows.state * shape.per_state();
    if (rows.state != taken) finite = pairs.take_state(particles + at, bandwidth[rows.state]);
    taken = rows.state;
    if (finite) {
      pairs.sum_velocities(pairs.tiles_of(rows.first, rows.last), drift + at,
                           temperature[rows.state], false);
    }
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      T* const to = velocity + at + i * D;
      const T* const sum = pairs.velocity(i);
      for (std::int64_t d = 0; d < D; ++d) {
        to[d] = finite ? finite_or_nan(sum[d * pairs.kStride] * share)
                       : std::numeric_limits<T>::quiet_NaN();
      }
    }
  }
}

template void svgd_items<float>(float*, const float*, const float*, const CloudShape&,
                                const PerState<float>&, const PerState<float>&, std::int64_t,
                                std::int64_t);
template void svgd_items<double>(double*, const double*, const double*, const CloudShape&,
                                 const PerState<double>&, const PerState<double>&, std::int64_t,
                                 std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
