// The velocity of Stein variational gradient descent on a GPU: svgd.hpp's, within its error.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"

namespace wpg {
namespace cuda {

/// Numbers of working memory that svgd_velocity takes: 0, or, where `in_place` says that `velocity`
/// is `particles` or `drift` and several blocks of threads share a state, (S, N, D) for a copy.
template <class T>
std::int64_t svgd_scratch(const CloudShape& shape, bool in_place);

/// wpg::svgd_velocity with `velocity`, `particles`, `drift` (S, N, D) and `scratch` in device
/// memory. Its error, except that exponents are those of exp to 2.4e-7 in float, and its limits;
/// sums may be 2^31 times as large on the way. The bits do not depend on the device, nor on the
/// other states. Cost: S N^2 exponentials and S N^2 (2 D + 1) multiply-adds; twice that and more
/// where a cloud reaches further than 6.5 bandwidths from its middle, or D > 16 (float), 8
/// (double).
template <class T>
void svgd_velocity(T* velocity, const T* particles, const T* drift, const CloudShape& shape,
                   const PerState<T>& temperature, const PerState<T>& bandwidth, T* scratch,
                   CudaStream on);

}  // namespace cuda
}  // namespace wpg
