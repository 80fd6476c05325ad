// Metropolis-adjusted Langevin on a GPU, in two pieces between which the critic is asked.
#pragma once

#include <cstdint>

#include "wpg/transport/langevin_cuda.hpp"

namespace wpg {
namespace cuda {

/// wpg::mala_propose with arrays in device memory; the same bits.
template <class T>
void mala_propose(T* out, const T* particles, const T* drift, const CloudShape& shape,
                  const LangevinParameters<T>& parameters, const Support<T>& support,
                  CudaStream on);

/// wpg::mala_accept with arrays in device memory, `accepted` (S) too. The same decisions, but where
/// the kernel of the step is so wide that it is summed as a series: its cosines are the device's,
/// and a draw within 1e-15 of its chance may fall the other way.
template <class T>
void mala_accept(T* particles, T* values, T* drift, std::int64_t* accepted, const T* proposals,
                 const T* proposed_values, const T* proposed_drift, const CloudShape& shape,
                 const LangevinParameters<T>& parameters, const Support<T>& support, CudaStream on);

/// out (count) = counts / of, and 1 where `of` is 0.
template <class T>
void fractions(T* out, const std::int64_t* counts, std::int64_t count, std::int64_t of,
               CudaStream on);

}  // namespace cuda
}  // namespace wpg
