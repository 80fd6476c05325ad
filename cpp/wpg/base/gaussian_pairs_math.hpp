// Where sums over pairs with a Gaussian kernel change their form; the same on every device.
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// Below this bandwidth 1/l^2 overflows or nearly so; it counts as 0.
template <class T>
inline constexpr T kLeastBandwidth = sizeof(T) == 4 ? T(0x1p-62) : T(0x1p-510);

/// Exponents -log2(e) |x - middle|^2 / (2 l^2) of a cloud whose squares are expanded are above
/// -kNear, those of its pairs above -4 kNear: the power of two needs no guard.
template <class T>
inline constexpr T kNear = T(31);

}  // namespace wpg
