// The Langevin steps on a GPU: the same bits as langevin.hpp.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"
#include "wpg/base/streams.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg {
namespace cuda {

template <class T>
struct LangevinParameters {
  PerState<T> step_size;
  PerState<T> temperature;
  wpg::Preconditioner<T> preconditioner;  // its matrices in device memory
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// wpg::langevin with `out`, `particles`, `drift` (S, N, D) in device memory; the same bits. A full
/// preconditioner takes D up to 1024.
template <class T>
void langevin(T* out, const T* particles, const T* drift, const CloudShape& shape,
              const LangevinParameters<T>& parameters, const Support<T>& support, CudaStream on);

/// wpg::leimkuhler_matthews.
template <class T>
void leimkuhler_matthews(T* out, const T* particles, const T* drift, const CloudShape& shape,
                         const LangevinParameters<T>& parameters, const Support<T>& support,
                         CudaStream on);

/// The step of any of the streams langevin, leimkuhler_matthews and mala_proposal.
template <class T>
void langevin_step(T* out, const T* particles, const T* drift, const CloudShape& shape,
                   const LangevinParameters<T>& parameters, const Support<T>& support,
                   Stream stream, CudaStream on);

/// The parameters as the checks of the CPU's routines take them, with 1 for what is in device
/// memory. They point into `parameters`.
template <class T>
wpg::LangevinParameters<T> on_host(const LangevinParameters<T>& parameters) {
  wpg::LangevinParameters<T> out;
  out.step_size = on_host(parameters.step_size);
  out.temperature = on_host(parameters.temperature);
  out.seed = parameters.seed;
  out.step = parameters.step;
  return out;
}

}  // namespace cuda
}  // namespace wpg
