// The step that langevin, leimkuhler_matthews and the proposals of mala share; they differ in the
// noise, which the stream names.
#pragma once

#include "wpg/base/streams.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {

/// Checks its arguments, cuts the cloud into blocks and moves them. The stream leimkuhler_matthews
/// averages the draws of a step and of the next one.
template <class T>
void langevin_step(T* out, const T* particles, const T* drift, const CloudShape& shape,
                   const LangevinParameters<T>& parameters, const Support<T>& support,
                   Stream stream);

}  // namespace wpg
