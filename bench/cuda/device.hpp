// The device as the benchmarks see it: memory, a clock, and what it is called.
#pragma once

#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "harness.hpp"
#include "wpg/base/cuda.hpp"

namespace wpg::bench {

inline void succeed(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  throw cuda::Error(std::string(what) + ": " + cudaGetErrorString(error));
}

/// Numbers in device memory.
template <class T>
class DeviceNumbers {
 public:
  DeviceNumbers() = default;
  explicit DeviceNumbers(std::int64_t count) : count_(static_cast<std::size_t>(count)) {
    succeed(cudaMalloc(&memory_, (count_ > 0 ? count_ : 1) * sizeof(T)), "device memory");
    // NaN, so that what nothing has written is seen.
    succeed(cudaMemsetAsync(memory_, 0xFF, count_ * sizeof(T), nullptr), "device memory");
  }
  explicit DeviceNumbers(const std::vector<T>& from)
      : DeviceNumbers(static_cast<std::int64_t>(from.size())) {
    succeed(cudaMemcpy(memory_, from.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "copy");
  }
  DeviceNumbers(DeviceNumbers&& other) noexcept : count_(other.count_), memory_(other.memory_) {
    other.memory_ = nullptr;
  }
  DeviceNumbers& operator=(DeviceNumbers&& other) noexcept {
    std::swap(count_, other.count_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~DeviceNumbers() { cudaFree(memory_); }

  T* get() { return memory_; }
  const T* get() const { return memory_; }
  std::vector<T> on_host() const {
    std::vector<T> out(count_);
    succeed(cudaMemcpy(out.data(), memory_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "copy");
    return out;
  }

 private:
  std::size_t count_ = 0;
  T* memory_ = nullptr;
};

/// Device time for `measure` (harness.hpp), by events: the calls of a repetition run back to back,
/// and what the host does between repetitions is not in it.
class DeviceClock {
 public:
  DeviceClock() {
    for (cudaEvent_t& event : events_) succeed(cudaEventCreate(&event), "event");
    succeed(cudaEventRecord(events_[0], nullptr), "event");
  }
  ~DeviceClock() {
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
  }
  DeviceClock(const DeviceClock&) = delete;
  DeviceClock& operator=(const DeviceClock&) = delete;

  Instant operator()() {
    const cudaEvent_t now = events_[1 - last_];
    succeed(cudaEventRecord(now, nullptr), "event");
    succeed(cudaEventSynchronize(now), "a routine");
    float milliseconds = 0;
    succeed(cudaEventElapsedTime(&milliseconds, events_[last_], now), "event");
    seconds_ += 1e-3 * static_cast<double>(milliseconds);
    last_ = 1 - last_;
    return {seconds_, seconds_};
  }

 private:
  cudaEvent_t events_[2] = {};
  int last_ = 0;
  double seconds_ = 0;
};

/// What figures depend on.
struct Card {
  std::string name, driver, runtime, toolkit, capability;
  int multiprocessors = 0;
  double memory_gib = 0, second_level_cache_mib = 0;
};

Card card();

}  // namespace wpg::bench
