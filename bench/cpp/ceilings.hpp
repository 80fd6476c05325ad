// What this machine can do at most, measured in the same run as the routines: how fast it copies,
// and how fast it multiplies and adds.
#pragma once

#include <cstdint>

#include "harness.hpp"

namespace wpg::bench {

struct Ceilings {
  /// Bytes read plus bytes written per second by memcpy between arrays that are larger than the
  /// caches. What the cache lines of the target cost before they are overwritten is not counted:
  /// memcpy avoids most of it, an ordinary loop does not.
  double copy_bytes_per_second = 0;
  /// float32 operations per second of twelve independent chains x = x a + b per thread, a fused
  /// multiply-add counted as two; on the base instruction set a product and a sum.
  double fma_flops_per_second = 0;
  double copy_spread = 0, fma_spread = 0;  // MAD over median
};

/// On as many threads as get_num_threads() says.
Ceilings measure_ceilings(const Protocol& protocol);

/// Time of one call: processor time of one thread, wall time of several.
inline Spread time_of(const Timing& timing, int threads) {
  return spread_of(threads == 1 ? timing.cpu : timing.wall);
}

}  // namespace wpg::bench
