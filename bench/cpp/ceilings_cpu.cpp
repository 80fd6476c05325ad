#include "ceilings_cpu.hpp"

#include "wpg/base/simd.hpp"

namespace wpg {
namespace WPG_ISA {

// Two units that take 4 cycles each need 8 chains, a product and a sum of 3 to 4 cycles each need
// up to 16; twelve chains and two constants still fit 16 registers.
double multiply_add(float* sink, std::int64_t rounds) {
  using V = vector_of<float>;
  constexpr int kChains = 12;
  V x[kChains];
  for (int i = 0; i < kChains; ++i) x[i] = all_lanes<V>(sink[i]);
  // From memory, so that nothing is known when this is compiled; with a = 0.5 all values stay near
  // 2b.
  const V a = all_lanes<V>(sink[kChains]), b = all_lanes<V>(sink[kChains + 1]);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) x[i] = x[i] * a + b;
  }
  for (int i = 0; i < kChains; ++i) sink[i] = sum_of_lanes<float>(x[i]) / kLanes<float>;
  return 2.0 * kChains * kLanes<float> * static_cast<double>(rounds);
}

}  // namespace WPG_ISA
}  // namespace wpg
