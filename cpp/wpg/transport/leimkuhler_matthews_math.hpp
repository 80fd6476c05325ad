// The noise of one coordinate in the Leimkuhler-Matthews step:
//
//   a' = fold( a + step_size * drift + sqrt(2 step_size temperature) * (xi_k + xi_{k+1}) / 2 )
//
// Draw k + 1 serves steps k and k + 1. Source: Leimkuhler, Matthews 2013.
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// (xi_k + xi_{k+1}) / 2.
template <class V>
WPG_FORMULA V averaged_noise(V now, V next) {
  return (now + next) * number_of<V>(0.5);
}

}  // namespace wpg
