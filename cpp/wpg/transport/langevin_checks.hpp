// What the Langevin steps and the fused loop both ask of their parameters.
#pragma once

#include "wpg/base/checks.hpp"
#include "wpg/base/streams.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

template <class T>
void require_langevin(const CloudShape& shape, const LangevinParameters<T>& parameters,
                      const Support<T>& support) {
  require_shape(shape);
  require_non_negative(parameters.step_size, shape.states, "step_size");
  require_non_negative(parameters.temperature, shape.states, "temperature");
  WPG_REQUIRE(support.kind == SupportKind::unbounded ||
                  static_cast<std::int64_t>(support.low.size()) == shape.dimension,
              "support has " + std::to_string(support.low.size()) +
                  " coordinates; the particles have " + std::to_string(shape.dimension));
  if (support.kind == SupportKind::box_clip) {
    const std::int64_t count = parameters.temperature.count(shape.states);
    for (std::int64_t s = 0; s < count; ++s) {
      WPG_REQUIRE(parameters.temperature[s] == T(0),
                  "boundary 'clip' leaves atoms on the walls, which have no entropy: temperature[" +
                      std::to_string(s) + "] must be 0; use boundary 'reflect'");
    }
  }
}

/// `steps` moves from counter step `step` on; the average of two draws looks one step ahead.
inline void require_steps(std::uint64_t step, std::int64_t steps, Stream stream) {
  require_step(step);
  WPG_REQUIRE(steps >= 0, "steps is " + std::to_string(steps) + "; it must not be negative");
  const std::uint64_t ahead = stream == Stream::leimkuhler_matthews ? 1 : 0;
  WPG_REQUIRE(static_cast<std::uint64_t>(steps) + ahead <= kMostSteps - step,
              "step is " + std::to_string(step) + " and steps is " + std::to_string(steps) +
                  "; noise ends at step 2^40 - 1" +
                  (ahead == 1 ? ", and the average of two draws looks one step ahead" : ""));
}

/// What an acceptance step asks beyond require_langevin.
template <class T>
void require_mala(const CloudShape& shape, const LangevinParameters<T>& parameters,
                  const Support<T>& support) {
  require_langevin(shape, parameters, support);
  WPG_REQUIRE(support.kind != SupportKind::box_clip,
              "boundary 'clip' leaves atoms on the walls, which have no density to accept by; use "
              "boundary 'reflect'");
  WPG_REQUIRE(shape.particles >= 1, "particles has N = 0; MALA needs at least one particle");
  const std::int64_t count = parameters.temperature.count(shape.states);
  for (std::int64_t s = 0; s < count; ++s) {
    WPG_REQUIRE(parameters.temperature[s] > T(0),
                "temperature[" + std::to_string(s) +
                    "] is 0; MALA needs a density exp(Q / temperature) to accept by; it must be "
                    "positive");
  }
}

}  // namespace wpg
