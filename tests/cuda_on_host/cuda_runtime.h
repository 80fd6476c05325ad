// CUDA on the host: enough of the runtime's interface that the .cu files compile as C++ and run,
// thread by thread, where there is no GPU. Every thread of a block is a fibre; __syncthreads and
// the warp operations hand over to the next one. A barrier that not all threads reach is reported;
// so is, under the thread sanitizer, what two threads of a block do with no barrier in between.
//
// Memory is the host's; what cudaMalloc gave belongs to the device that was set, so that mixed
// devices, freed pointers and host pointers are told apart as on a GPU.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __shared__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
      : x(width), y(height), z(depth) {}
};

// Of the thread that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

struct CUstream_st;
using cudaStream_t = CUstream_st*;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
};
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3,
};
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  int major, minor, multiProcessorCount, l2CacheSize;
};

struct CUevent_st;
using cudaEvent_t = CUevent_st*;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);
cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
template <class T>
cudaError_t cudaMalloc(T** pointer, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

struct cudaLaunchAttribute {};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int) {
  return cudaSuccess;
}

namespace cuda_on_host {

/// Runs `thread` once for every thread of every block.
cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread);

/// Waits for all threads of the block (warp).
void block_barrier();
void warp_barrier();

/// The thread's place in its warp, and how many threads that has.
int lane();
int lanes();

/// Every thread's word, seen by its warp. As on a GPU, nothing is said of other memory.
using Words = std::array<std::uint64_t, 32>;
Words exchange(std::uint64_t word);

template <class T>
std::uint64_t word_of(T value) {
  static_assert(sizeof(T) <= 8, "a number");
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  return word;
}
template <class T>
T value_of(std::uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

/// Launches so far, and the last one's stream: tests ask whether nothing ran, and where.
std::int64_t launches();
cudaStream_t last_stream();

}  // namespace cuda_on_host

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const std::tuple<std::decay_t<Parameters>...> kept(std::forward<Arguments>(arguments)...);
  return cuda_on_host::run(*config, [&] { std::apply(kernel, kept); });
}

inline void __syncthreads() { cuda_on_host::block_barrier(); }
inline void __syncwarp(unsigned = 0xFFFFFFFFu) { cuda_on_host::warp_barrier(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  using namespace cuda_on_host;
  const int other = lane() ^ mask;
  const Words words = exchange(word_of(value));
  return other < lanes() ? value_of<T>(words[static_cast<std::size_t>(other)]) : value;
}
template <class T>
T __shfl_sync(unsigned, T value, int source) {
  using namespace cuda_on_host;
  return value_of<T>(exchange(word_of(value))[static_cast<std::size_t>(source)]);
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned distance) {
  using namespace cuda_on_host;
  const int source = lane() - static_cast<int>(distance);
  const Words words = exchange(word_of(value));
  return source >= 0 ? value_of<T>(words[static_cast<std::size_t>(source)]) : value;
}
inline unsigned __ballot_sync(unsigned, int predicate) {
  using namespace cuda_on_host;
  const Words words = exchange(static_cast<std::uint64_t>(predicate != 0));
  unsigned bits = 0;
  for (int i = 0; i < lanes(); ++i) {
    bits |= static_cast<unsigned>(words[static_cast<std::size_t>(i)]) << i;
  }
  return bits;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline std::uint64_t __umul64hi(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
}

template <class T>
T atomicAdd(T* to, T value) {
  static_assert(std::is_integral_v<T>, "a whole number");
  return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
}
