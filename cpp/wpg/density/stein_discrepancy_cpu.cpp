#include "wpg/density/stein_discrepancy_cpu.hpp"

#include <limits>

#include "wpg/base/gaussian_pairs.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
void stein_sums(double* sums, const T* particles, const T* drift, const CloudShape& shape,
                const PerState<T>& temperature, const PerState<T>& bandwidth, std::int64_t first,
                std::int64_t last) {
  constexpr double kTwoLog2 = 1.38629436111989061883;
  const PairPlan plan(shape);
  const std::int64_t D = shape.dimension;
  GaussianPairs<T> pairs(shape.particles, D, false);
  std::int64_t taken = -1;
  bool finite = false;
  for (std::int64_t index = first; index < last; ++index) {
    const PairRows rows = plan.item(index);
    const std::int64_t at = rows.state * shape.per_state();
    const double tau = temperature[rows.state];
    const double length =
        bandwidth[rows.state] < kLeastBandwidth<T> ? 0 : static_cast<double>(bandwidth[rows.state]);
    if (rows.state != taken) finite = pairs.take_state(particles + at, bandwidth[rows.state]);
    taken = rows.state;
    if (!finite) {
      sums[index] = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    pairs.sum_velocities(pairs.tiles_of(rows.first, rows.last), drift + at,
                         2 * temperature[rows.state], true);
    double along = 0, around = 0, lost = 0;
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      const T* const g = drift + at + i * D;
      const T* const velocity = pairs.velocity(i);
      for (std::int64_t d = 0; d < D; ++d) {
        const double score = static_cast<double>(g[d]) / tau;
        along += score * (static_cast<double>(velocity[d * pairs.kStride]) / tau);
        lost += score - score;  // NaN for infinity
      }
      around += static_cast<double>(D) * static_cast<double>(pairs.kernel_sum(i)) +
                kTwoLog2 * static_cast<double>(pairs.kernel_log_sum(i));
    }
    sums[index] = along + around / length / length + lost;
  }
}

template void stein_sums<float>(double*, const float*, const float*, const CloudShape&,
                                const PerState<float>&, const PerState<float>&, std::int64_t,
                                std::int64_t);
template void stein_sums<double>(double*, const double*, const double*, const CloudShape&,
                                 const PerState<double>&, const PerState<double>&, std::int64_t,
                                 std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
