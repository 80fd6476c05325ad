// Distances between particles, and the bandwidth that belongs to their median.
#pragma once

#include <cmath>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// One coordinate's part of a squared distance, added to that of the others.
template <class V>
WPG_FORMULA V add_square(V sum, V difference) {
  return sum + difference * difference;
}

/// Squared distances from here on keep their relative accuracy: what a coordinate loses to
/// underflow is below u / 2^9 of them, for any D that a cloud may have.
template <class T>
inline constexpr T kLeastSquare = sizeof(T) == 4 ? T(0x1p-100) : T(0x1p-960);

/// Differences times the one stay above kLeastSquare when they are squared, however small;
/// particles times the other give squared distances that do not overflow, however large.
template <class T>
inline constexpr T kMagnify = sizeof(T) == 4 ? T(0x1p+100) : T(0x1p+600);
template <class T>
inline constexpr T kShrink = sizeof(T) == 4 ? T(0x1p-80) : T(0x1p-600);

/// l = med / sqrt(2 log(N + 1)).
WPG_FORMULA double bandwidth_of_median(double median, double particles) {
  return median / std::sqrt(2 * std::log1p(particles));
}

}  // namespace wpg
