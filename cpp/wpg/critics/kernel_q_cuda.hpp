// KernelQ on a GPU: the function of kernel_q.hpp, from a table of its centres in device memory.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"
#include "wpg/critics/profiles/profile.hpp"

namespace wpg {
namespace cuda {

/// A soft Q-function whose table somebody else owns.
template <class T>
struct KernelQ {
  const T* table = nullptr;  // as pack_kernel_q left it
  std::int64_t centers = 0, observation_size = 0, action_size = 0;
  Profile profile = Profile::gaussian;
};

/// How many numbers of T the table of so many centres takes: M (O + D + 3) or so, and M D more from
/// D = 33 (float), 9 (double) on.
template <class T>
std::int64_t kernel_q_table_size(std::int64_t centers, std::int64_t observation_size,
                                 std::int64_t action_size);

/// Makes the table of center_states (M, O), center_actions (M, D) and weights (M), all in device
/// memory, and of state_lengthscale (O) and action_lengthscale (D), finite and positive, in the
/// host's. The centres are read on the stream and wanted no longer when that is done. What lies in
/// device memory is not checked, which would mean to wait for it: a centre or a weight that is NaN
/// or infinite, or overflows in length scales, makes every value NaN. Throws std::invalid_argument,
/// and Error if a launch is refused. Cost: M (O + D).
template <class T>
KernelQ<T> pack_kernel_q(T* table, const T* center_states, const T* center_actions,
                         const T* weights, std::int64_t centers, std::int64_t observation_size,
                         std::int64_t action_size, const T* state_lengthscale,
                         const T* action_lengthscale, Profile profile, CudaStream on);

/// wpg::KernelQ::evaluate with arrays in device memory: the same sums within the same bound of the
/// error, the same skipping but for centres that come before the one of the highest exponent, of
/// which more may be kept, the same treatment of NaN and infinity. Terms below 2^-126 max_m b_m
/// (float) are 0. Particles that are neighbours, up to eight, are expanded together or not at all.
/// Either output may be null; values alone cost as much as both. No index: every state looks at all
/// M centres. No bit depends on the device.
///
/// Cost: S M (2 O + 20) + S N M' (2 D + 4), M' the centres that are left. Memory: none.
template <class T>
void evaluate(T* values, T* gradient, const KernelQ<T>& q, const T* states, const T* particles,
              const CloudShape& shape, CudaStream on);

}  // namespace cuda
}  // namespace wpg
