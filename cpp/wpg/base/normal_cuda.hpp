// Standard normal draws on a GPU: the same bits as normal.hpp.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"
#include "wpg/base/streams.hpp"

namespace wpg {
namespace cuda {

/// out[s, n, d] = the draw of that name, `out` (S, N, D) in device memory. The bits are those of
/// wpg::standard_normal. Throws std::invalid_argument, and Error if the launch is refused.
template <class T>
void standard_normal(T* out, const CloudShape& shape, std::uint64_t seed, Stream stream,
                     std::uint64_t step, CudaStream on);

}  // namespace cuda
}  // namespace wpg
