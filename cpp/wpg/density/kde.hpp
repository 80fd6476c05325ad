// The score of a kernel density estimate at its own particles:
//
//   grad_i log (1/N) sum_j N(a_i; a_j, l^2 I) = sum_j grad_i k_ij / S_i
//                                            = sum_j k_ij (a_j - a_i) / (l^2 S_i)
//
// k_ij = exp(-|a_i - a_j|^2 / (2 l^2)), S_i = sum_j k_ij, i itself included. Source: mean shift,
// Fukunaga and Hostetler 1975.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// `score`, `particles`: (S, N, D) [1/action, action]; `bandwidth` l >= 0 [action].
///
/// `score` may be `particles`. N = 1 gives 0. l = 0 is the limit, where nothing repels: 0; so is
/// l < 2^-62 (float), 2^-510 (double).
///
/// Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 1) multiply-adds; where S < 16 and N > 512, so
/// that a state is split, S N^2 and S N^2 (2 D + 1). Memory: 3 N (D + 1) numbers a thread.
///
/// Error: with x = min(88, max_ij |a_i - a_j|^2 / (2 l^2)) (float; 700 in double) and
/// r = min(max_ij |a_i - a_j|, 14 l), off by at most, in every coordinate d,
///     u (2 N + 4 (D + 4) x + 24) sum_j k_ij (|a_id - a_jd| + r) / (l^2 S_i),
/// as long as nothing overflows. A particle that is not finite or a bandwidth NaN gives NaN in its
/// state. No bit depends on the number of threads. Throws std::invalid_argument, and writes nothing
/// then.
template <class T>
void kde_score(T* score, const T* particles, const CloudShape& shape, const PerState<T>& bandwidth);

}  // namespace wpg
