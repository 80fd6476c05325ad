// What the CUDA routines share with whoever calls them; needs no CUDA header.
//
// Every routine of namespace wpg::cuda takes pointers into the memory of one device, which is the
// device of `out`, and works on the caller's stream: it launches and returns. It allocates nothing
// and waits for nothing. Numbers are passed by value, also those of a support.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "wpg/base/support.hpp"
#include "wpg/base/view.hpp"

struct CUstream_st;

namespace wpg {
namespace cuda {

/// cudaStream_t; null is the default stream.
using CudaStream = CUstream_st*;

/// What the CUDA runtime said when it refused a launch. It has been asked for its last error, so
/// that the next call finds none.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One number for all states, or one for each, `each` (S) in device memory. What lies there is not
/// checked, which would mean to wait for it: a number that makes no sense gives NaN or a particle
/// that does not move.
template <class T>
struct PerState {
  T value = 0;
  const T* each = nullptr;

  PerState() = default;
  PerState(T number) : value(number) {}
  PerState(const T* numbers) : each(numbers) {}
};

/// The number as the checks of the CPU's routines take it, with 1 for what is in device memory. It
/// points into `given`.
template <class T>
wpg::PerState<T> on_host(const PerState<T>& given) {
  static constexpr T kOne = 1;
  return {given.each != nullptr ? &kOne : &given.value, 0};
}

/// A support as a kernel's argument: kWalls coordinates, or any number of coordinates alike.
template <class T>
struct KernelSupport {
  static constexpr std::int64_t kWalls = 64;
  SupportKind kind = SupportKind::unbounded;
  int stride = 0;  // 0: all coordinates alike
  Walls<T> walls[kWalls] = {};
};

/// Throws std::invalid_argument if more than kWalls coordinates are bounded, and not all alike.
template <class T>
KernelSupport<T> kernel_support(const Support<T>& support, std::int64_t dimension);

/// Devices that there are; 0 where there is no driver.
int device_count();

/// Where a pointer points: the device's number, or -1 for memory that no device can read (the
/// host's, or memory that was freed).
int device_of(const void* pointer);

/// Bytes of one device's memory copied, or set to 0, on a stream. Throw Error.
void copy(void* to, const void* from, std::size_t bytes, CudaStream on);
void set_zero(void* to, std::size_t bytes, CudaStream on);

/// While it lives, its device is the calling thread's current one.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = -1;
};

}  // namespace cuda
}  // namespace wpg
