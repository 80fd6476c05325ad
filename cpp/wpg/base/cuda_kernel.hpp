// What .cu files write kernels with: launches and their errors, shared memory, sums over threads.
#pragma once

#include <cuda_runtime.h>

#include <string>
#include <utility>

#include "wpg/base/checks.hpp"
#include "wpg/base/cuda.hpp"
#include "wpg/base/divider.hpp"

// A loop of unknown length, so many rounds at a time. (WPG_UNROLL is for all rounds.)
#if defined(__CUDACC__)
#define WPG_PRAGMA(text) _Pragma(#text)
#define WPG_UNROLL_BY(count) WPG_PRAGMA(unroll count)
#else
#define WPG_UNROLL_BY(count) WPG_UNROLL(count)
#endif

namespace wpg {
namespace cuda {

/// Threads of a block, unless a kernel says otherwise.
constexpr int kThreads = 256;

/// All the shared memory that a block has without asking for more.
constexpr std::int64_t kSharedBytes = 48 * 1024;

extern __shared__ __align__(16) unsigned char shared_bytes[];

/// The block's shared memory, from its `offset`-th byte on.
template <class T>
__device__ __forceinline__ T* shared_memory(std::int64_t offset = 0) {
  return reinterpret_cast<T*>(shared_bytes + offset);
}

inline void require_success(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // asked, it is forgotten
  throw Error(std::string(what) + ": " + cudaGetErrorString(error) + " (" +
              cudaGetErrorName(error) + ")");
}

/// A number for the state, in device code.
template <class T>
__device__ __forceinline__ T of_state(const PerState<T>& numbers, std::int64_t state) {
  return numbers.each != nullptr ? numbers.each[state] : numbers.value;
}

struct Grid {
  std::int64_t blocks = 1;
  int threads = kThreads;
  std::int64_t shared = 0;  // bytes
  int rows = 1;             // blocks in y
};

/// Launches, or throws Error with the routine's name. More than kSharedBytes is asked for.
template <class... Parameters, class... Arguments>
void launch(const char* what, CudaStream stream, const Grid& grid, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  if (grid.blocks == 0) return;
  WPG_REQUIRE(grid.blocks <= 0x7FFFFFFF, std::string(what) + ": " + std::to_string(grid.blocks) +
                                             " blocks of threads; a launch has less than 2^31: "
                                             "give fewer states or particles in a call");
  if (grid.shared > kSharedBytes) {
    require_success(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(grid.shared)),
                    what);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.rows));
  config.blockDim = dim3(static_cast<unsigned>(grid.threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(grid.shared);
  config.stream = stream;
  require_success(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), what);
}

/// 16 bytes that are loaded and stored at once.
template <class T>
struct alignas(16) Quad {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  T x[kCount];
};

/// May 16 bytes be loaded at once from here?
template <class T>
bool is_aligned(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

/// Counts one more, in whatever order the threads come.
__device__ __forceinline__ void add_one(std::int64_t* count) {
  static_assert(sizeof(unsigned long long) == sizeof(std::int64_t), "the same bits");
  atomicAdd(reinterpret_cast<unsigned long long*>(count), 1ull);
}

/// The sum over a warp, in every lane; its shape is fixed.
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
  for (int away = 16; away > 0; away /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, away);
  return x;
}

template <class T>
__device__ __forceinline__ T warp_max(T x) {
  for (int away = 16; away > 0; away /= 2) {
    const T other = __shfl_xor_sync(0xFFFFFFFFu, x, away);
    x = other > x ? other : x;
  }
  return x;
}

}  // namespace cuda
}  // namespace wpg
