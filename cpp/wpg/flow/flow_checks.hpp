// What the fused loop asks of its arguments, wherever it runs.
#pragma once

#include <string>

#include "wpg/base/checks.hpp"
#include "wpg/flow/flow.hpp"
#include "wpg/transport/langevin_checks.hpp"

namespace wpg {

/// What a velocity between particles asks beyond require_langevin.
template <class T>
void require_pair_kernel(const CloudShape& shape, const FlowParameters<T>& parameters,
                         const Support<T>& support) {
  WPG_REQUIRE(support.kind == SupportKind::unbounded || support.kind == SupportKind::box_reflect ||
                  support.kind == SupportKind::torus,
              "svgd and blob carry an entropy of actions and move them in action units; use "
              "boundary 'reflect'");
  if (parameters.bandwidth.data != nullptr) {
    require_bandwidth(parameters.bandwidth, shape.states);
  } else {
    WPG_REQUIRE(shape.particles >= 1,
                "particles has N = 0; the median rule for the bandwidth needs at least one");
  }
}

template <class T>
void require_flow(const T* out, const T* particles, const CloudShape& shape,
                  const FlowParameters<T>& parameters, const Support<T>& support,
                  std::int64_t action_size) {
  parameters.scheme == Scheme::mala ? require_mala(shape, parameters.step, support)
                                    : require_langevin(shape, parameters.step, support);
  require_steps(parameters.step.step, parameters.steps,
                parameters.scheme == Scheme::leimkuhler_matthews ? Stream::leimkuhler_matthews
                                                                 : Stream::langevin);
  if (has_pair_kernel(parameters.scheme)) {
    require_pair_kernel(shape, parameters, support);
  } else {
    WPG_REQUIRE(parameters.bandwidth.data == nullptr,
                "bandwidth belongs to schemes with a kernel between particles, svgd and blob");
  }
  WPG_REQUIRE(shape.dimension == action_size,
              "particles have D = " + std::to_string(shape.dimension) +
                  "; the critic has D = " + std::to_string(action_size));
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
}

}  // namespace wpg
