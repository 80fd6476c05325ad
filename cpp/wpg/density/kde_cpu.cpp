#include "wpg/density/kde_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void kde_score_items(T* score, const T* particles, const CloudShape& shape,
                     const PerState<T>& bandwidth, std::int64_t first, std::int64_t last) {
  const PairPlan plan(shape);
  const std::int64_t D = shape.dimension;
  GaussianPairs<T> pairs(shape.particles, D, false);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t at = rows.state * shape.per_state();
    if (rows.state != taken) finite = pairs.take_state(particles + at, bandwidth[rows.state]);
    taken = rows.state;
    if (finite) {
      pairs.sum_velocities(pairs.tiles_of(rows.first, rows.last), nullptr, T(-1), false);
    }
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      T* const to = score + at + i * D;
      const T* const sum = pairs.velocity(i);
      const T share = finite ? 1 / pairs.kernel_sum(i) : std::numeric_limits<T>::quiet_NaN();
      for (std::int64_t d = 0; d < D; ++d) to[d] = finite ? sum[d * pairs.kStride] * share : share;
    }
  }
}

template void kde_score_items<float>(float*, const float*, const CloudShape&,
                                     const PerState<float>&, std::int64_t, std::int64_t);
template void kde_score_items<double>(double*, const double*, const CloudShape&,
                                      const PerState<double>&, std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
