// One Langevin step of one coordinate:
//
//   a' = fold( a + step_size * drift + sqrt(2 step_size temperature) * xi ),   xi ~ N(0, 1)
//
// The noise carries the entropy; nothing else in the step does. Source: arXiv 2605.26078.
#pragma once

#include "wpg/base/lanes.hpp"

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

}  // namespace wpg
