// Arrays in device memory for the CUDA tests.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "wpg/base/cuda.hpp"

inline void succeed(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::abort();
}

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count, std::size_t offset = 0) : count_(count), offset_(offset) {
    succeed(cudaMalloc(&memory_, (count + offset) * sizeof(T) + 1));
  }
  /// A copy, `offset` numbers after the beginning of the memory.
  explicit DeviceArray(const std::vector<T>& from, std::size_t offset = 0)
      : DeviceArray(from.size(), offset) {
    succeed(cudaMemcpy(get(), from.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceArray() { cudaFree(memory_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() { return memory_ + offset_; }
  std::vector<T> on_host() const {
    std::vector<T> out(count_);
    succeed(cudaMemcpy(out.data(), memory_ + offset_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  std::size_t count_, offset_;
  T* memory_ = nullptr;
};

/// How many numbers differ in a bit; NaN is NaN, whose bits a GPU chooses otherwise.
template <class T>
std::int64_t different(const std::vector<T>& a, const std::vector<T>& b) {
  std::int64_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const bool same = std::memcmp(&a[i], &b[i], sizeof(T)) == 0 || (a[i] != a[i] && b[i] != b[i]);
    count += same ? 0 : 1;
  }
  return count;
}

/// First in main: where there is no GPU the test is skipped.
#define WANT_DEVICE()                               \
  do {                                              \
    if (wpg::cuda::device_count() == 0) {           \
      std::printf("skipped: there is no device\n"); \
      return 77;                                    \
    }                                               \
  } while (false)
