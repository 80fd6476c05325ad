// The velocity of the blob method on a GPU: blob.hpp's, within its error.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"

namespace wpg {
namespace cuda {

/// Numbers of working memory that blob_velocity takes: (S, N) for 1 / S_i, and, where `in_place`
/// says that `velocity` is `particles` and several blocks of threads share a state, (S, N, D) for a
/// copy.
template <class T>
std::int64_t blob_scratch(const CloudShape& shape, bool in_place);

/// wpg::blob_velocity with `velocity`, `particles`, `drift` (S, N, D) and `scratch` in device
/// memory; `velocity` may be `particles` or `drift`. Error, limits and NaN are those of blob.hpp.
/// The bits do not depend on the device, nor on the other states. Cost: 2 S N^2 exponentials and
/// S N^2 (3 D + 4) multiply-adds; twice that and more where a cloud reaches further than 6.5
/// bandwidths from its middle, or D > 16 (float), 8 (double).
template <class T>
void blob_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth, T* scratch,
                   CudaStream on);

}  // namespace cuda
}  // namespace wpg
