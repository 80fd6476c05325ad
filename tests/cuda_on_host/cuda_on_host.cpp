#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "fibre.hpp"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

// What `extern __shared__` names: one block runs at a time.
namespace wpg::cuda {
alignas(128) unsigned char shared_bytes[228 * 1024];
}

namespace cuda_on_host {
namespace {

constexpr std::size_t kStack = 128 * 1024;
constexpr int kWarp = 32, kDevices = 2;

struct Fibre {
  Context context;
  std::unique_ptr<unsigned char[]> stack;
  void* thread = nullptr;
  uint3 index;
  bool done = true;
};

struct Barrier {
  int arrived = 0;
  std::uint64_t generation = 0;
  std::uint64_t marks[2] = {};  // of generations in turn: who comes again first is not mixed up
};

struct Machine {
  std::mutex one_at_a_time;
  std::vector<std::unique_ptr<Fibre>> fibres;
  std::vector<Barrier> warps;
  std::vector<std::uint64_t> words;
  Barrier block;
  Context scheduler;
  void* scheduler_thread = nullptr;
  std::uint64_t begin_mark = 0, end_mark = 0;  // of a block
  int current = 0, threads = 0, live = 0;
  std::vector<int> live_of_warp;
  bool progress = false;
  std::size_t shared = 0;
  const std::function<void()>* thread = nullptr;
  std::int64_t launches = 0;
  cudaStream_t stream = nullptr;
  cudaError_t last_error = cudaSuccess;
  int device = 0;
  std::map<std::uintptr_t, std::pair<std::size_t, int>> memory;
};

Machine& machine() {
  static Machine one;
  return one;
}

void hand_over() {
  Machine& m = machine();
  becomes_thread(m.scheduler_thread);
  switch_context(m.fibres[static_cast<std::size_t>(m.current)]->context, m.scheduler);
}

void wait(Barrier& barrier, const int& expected, bool orders_memory) {
  Machine& m = machine();
  const std::uint64_t mine = barrier.generation;
  std::uint64_t* mark = &barrier.marks[mine % 2];
  if (orders_memory) leave_mark(mark);
  ++barrier.arrived;
  while (barrier.generation == mine) {
    // A thread that has ended is waited for no longer.
    if (barrier.arrived >= expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      m.progress = true;
      break;
    }
    hand_over();
  }
  if (orders_memory) find_mark(mark);
}

/// A thread of one block after the other.
void enter() {
  Machine& m = machine();
  for (;;) {
    find_mark(&m.begin_mark);
    (*m.thread)();
    leave_mark(&m.end_mark);
    m.fibres[static_cast<std::size_t>(m.current)]->done = true;
    --m.live;
    --m.live_of_warp[static_cast<std::size_t>(m.current / kWarp)];
    m.progress = true;
    hand_over();
  }
}

void run_block() {
  Machine& m = machine();
  m.live = m.threads;
  m.block = {};
  const auto warps = static_cast<std::size_t>((m.threads + kWarp - 1) / kWarp);
  m.warps.assign(warps, {});
  m.words.assign(warps * kWarp, 0);
  m.live_of_warp.assign(warps, 0);
  // What a block finds in shared memory is anything.
  std::memset(wpg::cuda::shared_bytes, 0xA5, m.shared);
  for (int i = 0; i < m.threads; ++i) {
    Fibre& fibre = *m.fibres[static_cast<std::size_t>(i)];
    const auto t = static_cast<unsigned>(i);
    fibre.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    fibre.done = false;
    ++m.live_of_warp[static_cast<std::size_t>(i / kWarp)];
  }
  m.scheduler_thread = this_thread();
  leave_mark(&m.begin_mark);
  while (m.live > 0) {
    m.progress = false;
    for (int i = 0; i < m.threads; ++i) {
      Fibre& fibre = *m.fibres[static_cast<std::size_t>(i)];
      if (fibre.done) continue;
      m.current = i;
      threadIdx = fibre.index;
      becomes_thread(fibre.thread);
      switch_context(m.scheduler, fibre.context);
    }
    if (!m.progress) {
      std::fprintf(stderr, "CUDA on the host: not all threads of a block reach a barrier\n");
      std::abort();
    }
  }
  find_mark(&m.end_mark);
}

cudaError_t failed(cudaError_t error) {
  machine().last_error = error;
  return error;
}

}  // namespace

cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  Machine& m = machine();
  const std::lock_guard<std::mutex> guard(m.one_at_a_time);
  const dim3 block = config.blockDim, grid = config.gridDim;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads < 1 || threads > 1024 || grid.x < 1 || grid.y < 1 || grid.z < 1 ||
      grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535 ||
      config.dynamicSmemBytes > sizeof(wpg::cuda::shared_bytes)) {
    return failed(cudaErrorInvalidConfiguration);
  }
  while (m.fibres.size() < threads) {
    m.fibres.push_back(std::make_unique<Fibre>());
    Fibre& fibre = *m.fibres.back();
    fibre.stack = std::make_unique<unsigned char[]>(kStack);
    fibre.thread = new_thread();
    begin_context(fibre.context, fibre.stack.get(), kStack, enter);
  }
  m.threads = static_cast<int>(threads);
  m.thread = &thread;
  m.shared = config.dynamicSmemBytes;
  blockDim = block;
  gridDim = grid;
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) run_block();
    }
  }
  ++m.launches;
  m.stream = config.stream;
  return cudaSuccess;
}

void block_barrier() { wait(machine().block, machine().live, true); }

namespace {

void warp_barrier(bool orders_memory) {
  Machine& m = machine();
  const auto warp = static_cast<std::size_t>(m.current / kWarp);
  wait(m.warps[warp], m.live_of_warp[warp], orders_memory);
}

}  // namespace

void warp_barrier() { warp_barrier(true); }

Words exchange(std::uint64_t word) {
  Machine& m = machine();
  const auto first = static_cast<std::size_t>(m.current / kWarp * kWarp);
  m.words[first + static_cast<std::size_t>(lane())] = word;
  warp_barrier(false);
  Words seen;
  std::copy_n(m.words.begin() + static_cast<std::ptrdiff_t>(first), kWarp, seen.begin());
  warp_barrier(false);
  return seen;
}

int lane() { return machine().current % kWarp; }
int lanes() {
  const int left = machine().threads - machine().current / kWarp * kWarp;
  return left < kWarp ? left : kWarp;
}
std::int64_t launches() { return machine().launches; }
cudaStream_t last_stream() { return machine().stream; }

}  // namespace cuda_on_host

using cuda_on_host::failed;
using cuda_on_host::machine;

const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess ? "cudaSuccess" : "cudaErrorOnHost";
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    default:
      return "invalid argument";
  }
}
cudaError_t cudaPeekAtLastError() { return machine().last_error; }
cudaError_t cudaGetLastError() {
  const cudaError_t error = machine().last_error;
  machine().last_error = cudaSuccess;
  return error;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = cuda_on_host::kDevices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = machine().device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= cuda_on_host::kDevices) return failed(cudaErrorInvalidDevice);
  machine().device = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 2 : 99 * 1024;
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, nullptr};
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto& memory = machine().memory;
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return cudaSuccess;
  --after;
  if (address >= after->first + after->second.first) return cudaSuccess;
  *attributes = {cudaMemoryTypeDevice, after->second.second, const_cast<void*>(pointer), nullptr};
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  void* memory =
      bytes < (std::size_t{1} << 40) ? std::aligned_alloc(256, (bytes + 511) / 256 * 256) : nullptr;
  if (memory == nullptr) return failed(cudaErrorMemoryAllocation);
  machine().memory[reinterpret_cast<std::uintptr_t>(memory)] = {bytes < 1 ? 1 : bytes,
                                                                machine().device};
  *pointer = memory;
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  if (machine().memory.erase(reinterpret_cast<std::uintptr_t>(pointer)) == 0) {
    return failed(cudaErrorInvalidValue);
  }
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes > 0) std::memmove(to, from, bytes);  // of nothing, the pointers may be null
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t) {
  return cudaMemcpy(to, from, bytes, kind);
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  if (bytes > 0) std::memset(to, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"CUDA on the host", std::size_t{1} << 30, 0, 0, 2, 0};
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

struct CUevent_st {
  std::chrono::steady_clock::time_point when;
};
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->when = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->when - begin->when).count();
  return cudaSuccess;
}
