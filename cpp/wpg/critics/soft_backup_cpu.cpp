#include "wpg/critics/soft_backup_cpu.hpp"

#include "wpg/base/simd.hpp"

namespace wpg {
namespace WPG_ISA {

float dot_float(const float* a, const float* b, std::int64_t count) {
  // 16 partial sums whatever the width of a vector, added in one fixed tree.
  constexpr int kVectors = 16 / kLanes<float>;
  f32v sum[kVectors] = {};
  for (std::int64_t i = 0; i < count; i += 16) {
    for (int v = 0; v < kVectors; ++v) {
      sum[v] =
          sum[v] + load<f32v>(a + i + v * kLanes<float>) * load<f32v>(b + i + v * kLanes<float>);
    }
  }
  float lane[16];
  for (int v = 0; v < kVectors; ++v) store(lane + v * kLanes<float>, sum[v]);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

}  // namespace WPG_ISA
}  // namespace wpg
