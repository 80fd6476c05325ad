// Actions in a squashed box and the points of a line that they stand for, as arrays
// (squash_math.hpp): a = middle + half s(y) in every coordinate.
#pragma once

#include <cstdint>

#include "wpg/base/support.hpp"

namespace wpg {

// All arrays are (rows, D), D the dimension of the support, but for log_slope; `out` may be the
// input. `support` must be box_tanh or box_probit. Actions outside the box throw
// std::invalid_argument that calls them `name`, before anything is written; a wall counts as the
// number beside it; NaN stays NaN. Cost: one logarithm or power of two for each number. The same
// bits on every instruction set and thread count.

/// y of actions.
template <class T>
void unbounded_of_actions(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
                          const char* name);

/// Actions of y, kept off the walls so far that their y is finite.
template <class T>
void actions_of_unbounded(T* out, const T* y, std::int64_t rows, const Support<T>& support);

/// out (rows) = sum over coordinates of log(da/dy) [log action^D]: log-density of y minus that of
/// the action.
template <class T>
void log_slope(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
               const char* name);

/// d/da log(da/dy) [1/action]: what a drift in actions gains, times the temperature, from the
/// change of variable.
template <class T>
void log_slope_gradient(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
                        const char* name);

}  // namespace wpg
