// Birth and death of particles on a GPU: the events of birth_death.hpp.
#pragma once

#include <cstdint>

#include "wpg/base/cuda.hpp"

namespace wpg {
namespace cuda {

template <class T>
struct BirthDeathParameters {
  PerState<T> temperature;
  PerState<T> rate;
  PerState<T> step_size;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// Bytes of working memory that birth_death takes: none up to N = 4000; above, 8 for each particle
/// and, if `out` is `particles`, the cloud once more.
template <class T>
std::int64_t birth_death_scratch(const CloudShape& shape, bool in_place);

/// wpg::birth_death with all arrays, and `scratch`, in device memory, and the same random words.
/// Chances are the CPU's but for the last bits of expm1, so that an event whose random number is
/// that close to its chance may happen on one device and not on the other. `out` may be
/// `particles`. Numbers for each state, which are not checked, make no events where they are NaN.
template <class T>
void birth_death(T* out, std::int32_t* ancestors, const T* particles, const T* log_density,
                 const T* q_values, const CloudShape& shape,
                 const BirthDeathParameters<T>& parameters, void* scratch, CudaStream on);

}  // namespace cuda
}  // namespace wpg
