// The kernel density estimate at its own particles on a GPU: its score, kde.hpp's within its error,
// and its logarithm.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"

namespace wpg {
namespace cuda {

/// Numbers of working memory that kde_score takes: 0, or, where `in_place` says that `score` is
/// `particles` and several blocks of threads share a state, (S, N, D) for a copy.
template <class T>
std::int64_t kde_scratch(const CloudShape& shape, bool in_place);

/// wpg::kde_score with `score`, `particles` (S, N, D) and `scratch` in device memory. Error, limits
/// and NaN are those of kde.hpp. The bits do not depend on the device, nor on the other states.
/// Cost: S N^2 exponentials and S N^2 (2 D + 1) multiply-adds; twice that and more where a cloud
/// reaches further than 6.5 bandwidths from its middle, or D > 16 (float), 8 (double).
template <class T>
void kde_score(T* score, const T* particles, const CloudShape& shape, const PerState<T>& bandwidth,
               T* scratch, CudaStream on);

/// log (1/N) sum_j k_ij (S, N) at the particles (S, N, D): the logarithm of the density, but for
/// the constant -D log(l sqrt(2 pi)) of each state. It is at least -log N; bandwidth 0 counts equal
/// particles.
///
/// Error: with x of kde.hpp and u the unit roundoff at most
///     u (N + 2 (D + 4) x + 8 + 2 |result|).
/// A particle that is not finite or a bandwidth NaN gives NaN in its state. Cost: S N^2
/// exponentials and S N^2 (D + 1) multiply-adds.
template <class T>
void kde_log_mean(T* log_mean, const T* particles, const CloudShape& shape,
                  const PerState<T>& bandwidth, CudaStream on);

}  // namespace cuda
}  // namespace wpg
