// What langevin and the fused loop both ask of their parameters.
#pragma once

#include "wpg/base/checks.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

template <class T>
void require_langevin(const CloudShape& shape, const LangevinParameters<T>& parameters,
                      const Support<T>& support) {
  require_shape(shape);
  require_non_negative(parameters.step_size, shape.states, "step_size");
  require_non_negative(parameters.temperature, shape.states, "temperature");
  require(support.kind == SupportKind::unbounded ||
              static_cast<std::int64_t>(support.low.size()) == shape.dimension,
          "support has " + std::to_string(support.low.size()) +
              " coordinates; the particles have " + std::to_string(shape.dimension));
  if (support.kind == SupportKind::box_clip) {
    const std::int64_t count =
        parameters.temperature.stride == 0 ? (shape.states > 0 ? 1 : 0) : shape.states;
    for (std::int64_t s = 0; s < count; ++s) {
      require(parameters.temperature[s] == T(0),
              "boundary 'clip' leaves atoms on the walls, which have no entropy: temperature[" +
                  std::to_string(s) + "] must be 0; use boundary 'reflect'");
    }
  }
}

}  // namespace wpg
