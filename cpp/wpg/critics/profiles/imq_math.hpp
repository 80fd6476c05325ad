// phi(r) = (1 + r^2)^(-1/2), the inverse multiquadric: positive definite in every dimension, with a
// tail so heavy that no centre is ever out of reach.
// Source: Hardy 1971; Micchelli 1986.
#pragma once

#include "wpg/base/logarithm_math.hpp"

namespace wpg {

struct InverseMultiquadric {
  static constexpr double kUnit = 1;

  /// log2 phi, for a square of at most 1e38 (float), 1e300 (double); beyond, the value there.
  template <class V>
  WPG_FORMULA V log2_profile(V square) {
    using T = number_of<V>;
    constexpr T kFarthest = sizeof(T) == 4 ? T(1e38) : T(1e300);
    return T(-0.5) * binary_logarithm<V>(1 + smaller(V(all_lanes<V>(kFarthest)), square));
  }

  /// phi, and -phi'(r)/r = phi^3, which at 0 is 1.
  template <class V>
  WPG_FORMULA V profile(V square, V& slope) {
    const V value = inverse_square_root_of_device<V>(1 + square);
    slope = value * value * value;
    return value;
  }
};

}  // namespace wpg
