#include "wpg/base/cuda_kernel.hpp"

namespace wpg {
namespace cuda {

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

int device_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
    cudaGetLastError();
    return -1;
  }
  const bool readable =
      attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return readable ? attributes.device : -1;
}

CurrentDevice::CurrentDevice(int device) {
  int now = 0;
  require_success(cudaGetDevice(&now), "asking for the current device");
  if (now == device) return;
  require_success(cudaSetDevice(device), "making the arrays' device the current one");
  before_ = now;
}

CurrentDevice::~CurrentDevice() {
  if (before_ >= 0) cudaSetDevice(before_);
}

void copy(void* to, const void* from, std::size_t bytes, CudaStream on) {
  if (bytes == 0) return;
  const CurrentDevice device(device_of(to));
  require_success(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, on), "copy");
}

void set_zero(void* to, std::size_t bytes, CudaStream on) {
  if (bytes == 0) return;
  const CurrentDevice device(device_of(to));
  require_success(cudaMemsetAsync(to, 0, bytes, on), "set_zero");
}

template <class T>
KernelSupport<T> kernel_support(const Support<T>& support, std::int64_t dimension) {
  KernelSupport<T> out;
  out.kind = support.kind;
  if (support.kind == SupportKind::unbounded) return out;
  bool alike = true;
  const Walls<T> first = support.walls(0);
  for (std::int64_t d = 1; d < dimension; ++d) {
    const Walls<T> walls = support.walls(d);
    alike = alike && walls.low == first.low && walls.high == first.high;
  }
  WPG_REQUIRE(alike || dimension <= out.kWalls,
              "support has " + std::to_string(dimension) + " coordinates that are not all alike; " +
                  "on a GPU it may have " + std::to_string(out.kWalls) +
                  ", or any number that have the same bounds");
  out.stride = alike ? 0 : 1;
  for (std::int64_t d = 0; d < (alike ? 1 : dimension); ++d) out.walls[d] = support.walls(d);
  return out;
}

template KernelSupport<float> kernel_support<float>(const Support<float>&, std::int64_t);
template KernelSupport<double> kernel_support<double>(const Support<double>&, std::int64_t);

}  // namespace cuda
}  // namespace wpg
