// The velocity of Stein variational gradient descent, in energy units:
//
//   w(a_i) = (1/N) sum_j [ k(a_j, a_i) drift_j + temperature grad_{a_j} k(a_j, a_i) ]
//
// k(a, b) = exp(-|a - b|^2 / (2 l^2)), so grad_{a_j} k = k (a_i - a_j) / l^2: neighbours are pushed
// apart. Particles that follow w need no noise. Source: Liu and Wang 2016, algorithm 1, times the
// temperature.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// `velocity`, `particles`, `drift`: (S, N, D) [reward/action, action, reward/action], all of the
/// same dtype; `temperature` >= 0 [reward], `bandwidth` l >= 0 [action].
///
/// `velocity` may be `particles` or `drift`. N = 1 gives the drift, temperature 0 its average. l =
/// 0 is the limit: k = 1 for equal particles, otherwise 0, and no repulsion; so is l < 2^-62
/// (float), 2^-510 (double).
///
/// Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 1) multiply-adds; where S < 16 and N > 512, so
/// that a state is split, S N^2 and S N^2 (2 D + 1). Memory: 3 N (D + 1) numbers a thread.
///
/// Error: with x = min(88, max_ij |a_i - a_j|^2 / (2 l^2)) (float; 700 in double) and
/// r = min(max_ij |a_i - a_j|, 14 l), off by at most, in every coordinate d,
///     u (N + 2 (D + 4) x + 16) (1/N)
///       sum_j k_ij (|drift_jd| + temperature (|a_id - a_jd| + r) / l^2),
/// as long as nothing overflows. A particle that is not finite or a bandwidth NaN gives NaN in its
/// state, a drift that is not finite NaN in its state and coordinate. No bit depends on the number
/// of threads. Throws std::invalid_argument, and writes nothing then.
template <class T>
void svgd_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth);

}  // namespace wpg
