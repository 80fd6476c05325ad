// The velocity of the blob method:
//
//   v_i = drift_i - temperature [ sum_j grad_i k_ij / S_i + sum_j grad_i k_ij / S_j ]
//
// k_ij = exp(-|a_i - a_j|^2 / (2 l^2)), S_i = sum_l k_il, i itself included. The bracket is N times
// the gradient in a_i of the regularised entropy int log(k * mu) dmu of the particles, whose two
// factors both depend on a_i. Particles that follow v need no noise. For Q = -m |a|^2 / 2 the
// Gaussian law whose energy is least has variance y - l^2, y = (v/2)(1 + sqrt(1 + 4 l^2 / v)),
// v = temperature / m: off by the fraction (l^2 / v)^2 to leading order, where the first sum alone,
// a kernel density's score, gives v - l^2. Source: Carrillo, Craig, Patacchini 2019.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// `velocity`, `particles`, `drift`: (S, N, D) [reward/action, action, reward/action], all of the
/// same dtype; `temperature` >= 0 [reward], `bandwidth` l >= 0 [action].
///
/// `velocity` may be `particles` or `drift`. N = 1 and temperature 0 give the drift. l = 0 is the
/// limit, where nothing repels, and so is l < 2^-62 (float), 2^-510 (double).
///
/// Cost: S N^2 / 2 exponentials (twice that above 256 KB of kernel a state) and S N^2 (3 D / 2 + 3)
/// multiply-adds; where S < 16 and N > 512, so that a state is split, 2 S N^2 and S N^2 (3 D + 3).
/// Memory: 3 N (D + 1) numbers a thread, and at most 288 KB.
///
/// Error: with x = min(88, max_ij |a_i - a_j|^2 / (2 l^2)) (float; 700 in double) and
/// r = min(max_ij |a_i - a_j|, 14 l), off by at most, in every coordinate d,
///     u (2 N + 4 (D + 4) x + 24)
///       ( |drift_id| + temperature sum_j k_ij (1/S_i + 1/S_j) (|a_id - a_jd| + r) / l^2 ),
/// as long as nothing overflows. A particle that is not finite or a bandwidth NaN gives NaN in its
/// state, a drift that is not finite NaN in its place. No bit depends on the number of threads.
/// Throws std::invalid_argument, and writes nothing then.
template <class T>
void blob_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth);

}  // namespace wpg
