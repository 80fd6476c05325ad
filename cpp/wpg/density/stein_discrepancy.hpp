// The kernel Stein discrepancy of particles against the Gibbs law exp(Q / temperature):
//
//   KSD^2 = (1/N^2) sum_ij [ s_i.s_j k_ij + s_i.grad_j k_ij + s_j.grad_i k_ij
//                            + tr grad_i grad_j k_ij ]
//
// s = drift / temperature the score of the law, k_ij = exp(-|a_i - a_j|^2 / (2 l^2)). With
// grad_j k_ij = k_ij (a_i - a_j) / l^2 and
// tr grad_i grad_j k_ij = k_ij (D - |a_i - a_j|^2 / l^2) / l^2,
//
//   KSD^2 = (1/N^2) sum_i [ s_i . sum_j k_ij (s_j + 2 (a_i - a_j) / l^2)
//                           + (D S_i + 2 sum_j k_ij log k_ij) / l^2 ]
//
// all terms are counted, so it is never negative but for rounding. temperature^2 KSD^2 is the rate
// at which the soft value grows under the velocity of svgd.hpp. Source: Liu, Lee and Jordan 2016;
// Chwialkowski, Strathmann and Gretton 2016.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// KSD (S) [1/action] of `particles` (S, N, D) [action] with `drift` (S, N, D) [reward/action], N
/// at least 1; `temperature` > 0 [reward], `bandwidth` l >= 0 [action]. Rounding below 0 gives 0.
///
/// l = 0, and l < 2^-62 (float), 2^-510 (double), is the limit, which is infinite.
///
/// Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 2) multiply-adds; where S < 16 and N > 512, so
/// that a state is split, S N^2 and S N^2 (2 D + 2). Memory: 3 N (D + 1) numbers a thread.
///
/// Error: with x and r as in svgd.hpp, KSD^2 is off by at most
///     u (2 N + 4 (D + 4) x + 32) (1/N^2) sum_ij k_ij sum_d [
///       |s_id| (|s_jd| + 2 (|a_id - a_jd| + r) / l^2) + (1 + |a_id - a_jd|^2 / l^2) / l^2 ]
/// as long as nothing overflows. A particle or a drift that is not finite, or a bandwidth NaN,
/// gives NaN in its state. No bit depends on the number of threads. Throws std::invalid_argument,
/// and writes nothing then.
template <class T>
void kernel_stein_discrepancy(T* discrepancy, const T* particles, const T* drift,
                              const CloudShape& shape, const PerState<T>& temperature,
                              const PerState<T>& bandwidth);

}  // namespace wpg
