// The median rule for the bandwidth on a GPU: bandwidth.hpp's number, within its error.
#pragma once

#include "wpg/base/cuda.hpp"

namespace wpg {
namespace cuda {

/// wpg::median_bandwidth with `bandwidth` (S) and `particles` (S, N, D) in device memory: error,
/// limits and NaN are those of bandwidth.hpp; the middle two are exact order statistics of the
/// computed squared distances, and the order of the particles does not change a bit. N < 2^30.
///
/// No working memory: squared distances are computed again in every pass over the pairs. Cost: 2 to
/// 4 passes (float; up to 7 in double) of S N^2 D / 2 differences and squares.
template <class T>
void median_bandwidth(T* bandwidth, const T* particles, const CloudShape& shape, CudaStream on);

}  // namespace cuda
}  // namespace wpg
