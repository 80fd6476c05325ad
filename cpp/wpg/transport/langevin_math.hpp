// One Langevin step of one coordinate:
//
//   a' = fold( a + step_size * drift + sqrt(2 step_size temperature) * xi ),   xi ~ N(0, 1)
//
// The noise carries the entropy; nothing else in the step does. Source: arXiv 2605.26078.
#pragma once

#include "wpg/base/lanes.hpp"
#include "wpg/base/squash_math.hpp"

namespace wpg {

/// sqrt(2 step_size temperature): the standard deviation of the noise, in action units.
template <class V>
WPG_FORMULA V langevin_noise_scale(V step_size, V temperature) {
  return square_root((step_size * number_of<V>(2)) * temperature);
}

/// The step before the fold.
template <class V>
WPG_FORMULA V langevin_move(V a, V drift, V xi, V step_size, V noise_scale) {
  return (a + step_size * drift) + noise_scale * xi;
}

/// grad_y of Q(a(y)) + temperature log(da/dy): the drift of the same law seen on the line.
template <class V>
WPG_FORMULA V line_drift(V drift, const LinePoint<V>& point, V temperature) {
  return point.slope * drift + temperature * point.log_slope_gradient;
}

/// A row of a preconditioner times a vector; the sum runs in the order of the coordinates.
template <class T>
WPG_FORMULA T row_product(const T* row, const T* x, std::int64_t count) {
  T sum = 0;
  for (std::int64_t j = 0; j < count; ++j) sum += row[j] * x[j];
  return sum;
}

}  // namespace wpg
