// phi(r) = (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r), the Matern profile of smoothness 5/2: twice
// differentiable, positive definite in every dimension.
// Source: Matern 1960; Rasmussen, Williams 2006, eq. 4.17.
#pragma once

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/logarithm_math.hpp"

namespace wpg {

struct Matern52 {
  static constexpr double kUnit = 1;

  /// log2 phi, for a square of at most 1e30; beyond, the value there.
  template <class V>
  WPG_FORMULA V log2_profile(V square) {
    using T = number_of<V>;
    const V t = square_root(V(smaller(V(all_lanes<V>(T(1e30))), square) * T(5)));
    return binary_logarithm<V>(1 + t * (1 + t * T(1.0 / 3))) - t * (2 * kHalfLog2E<T>);
  }

  /// phi, and -phi'(r)/r = 5/3 (1 + sqrt(5) r) exp(-sqrt(5) r), which at 0 is 5/3. Where r is so
  /// large that phi is below 2^-110 (float), 2^-980 (double): what they are there.
  template <class V>
  WPG_FORMULA V profile(V square, V& slope) {
    using T = number_of<V>;
    constexpr T kFarthest = sizeof(T) == 4 ? T(1500) : T(96000);
    const V t = square_root_of_device<V>(smaller(V(all_lanes<V>(kFarthest)), square) * T(5));
    const V power = power_of_two_of_device<V>(t * (-2 * kHalfLog2E<T>));
    slope = (T(5.0 / 3) + t * T(5.0 / 3)) * power;
    return (1 + t * (1 + t * T(1.0 / 3))) * power;
  }
};

}  // namespace wpg
