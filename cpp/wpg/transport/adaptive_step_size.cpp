#include "wpg/transport/adaptive_step_size.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"

namespace wpg {
namespace {

/// value 2^power
struct Length {
  double value;
  int power;
};

/// |x - y|, also where squares are no numbers. Floats are differences and squares in double.
template <class T>
Length distance(const T* x, const T* y, std::int64_t dimension) {
  const auto root_of_sum = [&](double before, double after) {
    double sum = 0;
    for (std::int64_t d = 0; d < dimension; ++d) {
      const double from = static_cast<double>(x[d]) * before;
      const double away = (from - static_cast<double>(y[d]) * before) * after;
      sum += away * away;
    }
    return std::sqrt(sum);
  };
  const double plain = root_of_sum(1, 1);
  if (plain > 0x1p-450 && plain < 0x1p+450) return {plain, 0};
  if (plain <= 0x1p-450) return {root_of_sum(1, 0x1p+600), -600};
  return {root_of_sum(0x1p-600, 1), 600};
}

/// False if any of `count` numbers is NaN or infinite.
template <class T>
bool all_finite(const T* numbers, std::int64_t count) {
  T rest = 0;
  for (std::int64_t i = 0; i < count; ++i) rest += numbers[i] - numbers[i];
  return rest == T(0);
}

}  // namespace

template <class T>
void adaptive_step_size(T* step_size, const T* particles, const T* drift, const T* new_particles,
                        const T* new_drift, const CloudShape& shape, double fraction,
                        const PerState<T>& maximum) {
  require_shape(shape);
  WPG_REQUIRE(fraction > 0 && fraction < 2,
              "fraction is " + number_text(fraction) + "; it must be above 0 and below 2");
  require_positive(maximum, shape.states, "maximum");
  const std::int64_t count = shape.per_state(), D = shape.dimension;
  parallel_for(shape.states, 8 * count, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const T* const a = particles + s * count;
      const T* const b = new_particles + s * count;
      const T* const g = drift + s * count;
      const T* const h = new_drift + s * count;
      if (!all_finite(a, count) || !all_finite(b, count) || !all_finite(g, count) ||
          !all_finite(h, count)) {
        step_size[s] = std::numeric_limits<T>::quiet_NaN();
        continue;
      }
      double steepest = 0;
      for (std::int64_t i = 0; i < count; i += D) {
        const Length moved = distance(a + i, b + i, D);
        if (moved.value == 0) continue;
        const Length changed = distance(g + i, h + i, D);
        const double slope = std::ldexp(changed.value / moved.value, changed.power - moved.power);
        steepest = std::max(steepest, slope);
      }
      const auto most = static_cast<double>(maximum[s]);
      step_size[s] = static_cast<T>(steepest > 0 ? std::min(most, fraction / steepest) : most);
    }
  });
}

template void adaptive_step_size<float>(float*, const float*, const float*, const float*,
                                        const float*, const CloudShape&, double,
                                        const PerState<float>&);
template void adaptive_step_size<double>(double*, const double*, const double*, const double*,
                                         const double*, const CloudShape&, double,
                                         const PerState<double>&);

}  // namespace wpg
