#include "wpg/transport/mala.hpp"

#include "wpg/base/parallel.hpp"
#include "wpg/transport/langevin_checks.hpp"
#include "wpg/transport/langevin_step.hpp"
#include "wpg/transport/mala_cpu.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* particles, T* values, T* drift, std::int64_t* accepted, const T* proposals,
         const T* proposed_values, const T* proposed_drift, const CloudShape& shape,
         const LangevinParameters<T>& parameters, const Support<T>& support, std::int64_t first,
         std::int64_t last) {
  WPG_CALL(mala_accept_states<T>(particles, values, drift, accepted, proposals, proposed_values,
                                 proposed_drift, shape, parameters, support, first, last))
}

}  // namespace

template <class T>
void mala_propose(T* out, const T* particles, const T* drift, const CloudShape& shape,
                  const LangevinParameters<T>& parameters, const Support<T>& support) {
  require_mala(shape, parameters, support);
  langevin_step(out, particles, drift, shape, parameters, support, Stream::mala_proposal);
}

template <class T>
void mala_accept(T* particles, T* values, T* drift, std::int64_t* accepted, const T* proposals,
                 const T* proposed_values, const T* proposed_drift, const CloudShape& shape,
                 const LangevinParameters<T>& parameters, const Support<T>& support) {
  require_mala(shape, parameters, support);
  require_step(parameters.step);
  parallel_for(shape.states, shape.per_state() * 8, [&](std::int64_t first, std::int64_t last) {
    run(particles, values, drift, accepted, proposals, proposed_values, proposed_drift, shape,
        parameters, support, first, last);
  });
}

template void mala_propose<float>(float*, const float*, const float*, const CloudShape&,
                                  const LangevinParameters<float>&, const Support<float>&);
template void mala_propose<double>(double*, const double*, const double*, const CloudShape&,
                                   const LangevinParameters<double>&, const Support<double>&);
template void mala_accept<float>(float*, float*, float*, std::int64_t*, const float*, const float*,
                                 const float*, const CloudShape&, const LangevinParameters<float>&,
                                 const Support<float>&);
template void mala_accept<double>(double*, double*, double*, std::int64_t*, const double*,
                                  const double*, const double*, const CloudShape&,
                                  const LangevinParameters<double>&, const Support<double>&);

}  // namespace wpg
