// The fused loop on a GPU: several transport steps against a KernelQ, all of them on the stream.
#pragma once

#include <cstdint>

#include "wpg/critics/kernel_q_cuda.hpp"
#include "wpg/flow/flow.hpp"
#include "wpg/transport/langevin_cuda.hpp"

namespace wpg {
namespace cuda {

template <class T>
struct FlowParameters {
  Scheme scheme = Scheme::langevin;
  std::int64_t steps = 1;
  LangevinParameters<T> step;  // of the first step; the others count on from its `step`
  // Of a kernel between particles: the median rule before every step, or this one.
  bool median_rule = true;
  PerState<T> bandwidth;
};

/// How many numbers of T a flow wants as working memory.
template <class T>
std::int64_t flow_scratch(const CloudShape& shape, Scheme scheme, bool median_rule);

/// wpg::flow with `out`, `acceptance`, `particles`, `states` and `scratch`, which begins at a
/// multiple of 8 bytes, in device memory. The bits are those of the CUDA routines called one after
/// the other: evaluate of kernel_q_cuda.hpp and the scheme's step, `steps` + 1 evaluations for
/// mala. `out` may be `particles`. Launches and returns; a step is two or three launches, those
/// of mala four. Throws std::invalid_argument before `out` is written.
template <class T>
void flow(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic, const T* states,
          const CloudShape& shape, const FlowParameters<T>& parameters, const Support<T>& support,
          T* scratch, CudaStream on);

}  // namespace cuda
}  // namespace wpg
