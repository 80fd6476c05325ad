// phi(r) = exp(-r^2 / 2), the Gaussian profile. Its square is counted in units in which it is a
// power of two, so that a product of two is a sum of exponents; KernelQ has loops of its own for
// it.
#pragma once

#include "wpg/base/exponential_math.hpp"

namespace wpg {

struct Gaussian {
  static constexpr double kUnit = 0.84932180028801904272;  // sqrt(log2(e) / 2)

  template <class V>
  WPG_FORMULA V log2_profile(V square) {
    return -square;
  }

  template <class V>
  WPG_FORMULA V profile(V square, V& slope) {
    slope = power_of_two<V>(-square);
    return slope;
  }
};

}  // namespace wpg
