// Standard normal draws, named by (seed, stream, step; state, particle, coordinate).
#pragma once

#include <cstdint>

#include "wpg/base/streams.hpp"
#include "wpg/base/view.hpp"

namespace wpg {

/// out[s, n, d] = the draw of that name. The same bits on every instruction set and thread count.
/// Cost: one Philox block and two Box-Muller pairs for each four floats (one pair, two doubles).
template <class T>
void standard_normal(T* out, const CloudShape& shape, std::uint64_t seed, Stream stream,
                     std::uint64_t step);

}  // namespace wpg
