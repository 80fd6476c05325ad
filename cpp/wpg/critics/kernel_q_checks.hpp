// What a KernelQ asks of its sizes and length scales, wherever it lives.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "wpg/base/checks.hpp"

namespace wpg {

inline void require_kernel_q_sizes(std::int64_t centers, std::int64_t observation_size,
                                   std::int64_t action_size) {
  WPG_REQUIRE(
      centers >= 1 && observation_size >= 1 && action_size >= 1,
      "KernelQ needs at least one centre, one observation and one action coordinate; got M = " +
          std::to_string(centers) + ", O = " + std::to_string(observation_size) +
          ", D = " + std::to_string(action_size));
}

template <class T>
void require_lengthscales(const T* lengthscale, std::int64_t count, const char* name) {
  for (std::int64_t i = 0; i < count; ++i) {
    WPG_REQUIRE(
        std::isfinite(lengthscale[i]) && lengthscale[i] > 0 && std::isfinite(1 / lengthscale[i]),
        std::string(name) + "[" + std::to_string(i) + "] is " + number_text(lengthscale[i]) +
            "; it must be finite and positive");
  }
}

/// Of a call: the particles' dimension is the critic's.
inline void require_kernel_q_shape(const CloudShape& shape, std::int64_t action_size) {
  require_shape(shape);
  WPG_REQUIRE(shape.dimension == action_size,
              "particles have D = " + std::to_string(shape.dimension) +
                  "; this KernelQ has D = " + std::to_string(action_size));
}

}  // namespace wpg
