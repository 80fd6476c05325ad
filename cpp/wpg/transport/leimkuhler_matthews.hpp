// Leimkuhler-Matthews: a Langevin step whose noise is the average of two neighbouring draws.
#pragma once

#include "wpg/transport/langevin.hpp"

namespace wpg {

/// out = fold( particles + step_size M drift + sqrt(2 step_size temperature) M^(1/2) xi ) with
/// xi = (xi_k + xi_{k+1}) / 2, xi_k the draw of stream leimkuhler_matthews at counter step k.
///
/// No state is kept: the calls of one chain must use consecutive steps, which then share draws. For
/// fixed smooth Q the error of the law is O(step_size^2), and none for a quadratic Q on R^D; its KL
/// to the Gibbs law is O(step_size^4). On a reflecting box the walls leave an error of
/// O(step_size). Cost: 2 S N D normals, S N D in a flow. Everything else as in langevin;
/// parameters.step must be below 2^40 - 1. Source: Leimkuhler, Matthews 2013.
template <class T>
void leimkuhler_matthews(T* out, const T* particles, const T* drift, const CloudShape& shape,
                         const LangevinParameters<T>& parameters, const Support<T>& support);

}  // namespace wpg
