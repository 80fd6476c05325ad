// For the Python tests: memory of the devices that CUDA on the host has, and what ran there.
#include <cuda_runtime.h>

#include "cuda_args.hpp"

namespace wpg::bindings {
namespace {

/// Memory of a device, freed with the object or by free().
class HostMemory {
 public:
  HostMemory(std::size_t bytes, int device) : bytes_(bytes) {
    const cuda::CurrentDevice here(device);
    if (cudaMalloc(&memory_, bytes) != cudaSuccess) throw std::bad_alloc();
  }
  ~HostMemory() { free(); }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  void free() {
    if (memory_ != nullptr) cudaFree(memory_);
    memory_ = nullptr;
  }
  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(memory_); }
  py::memoryview view() { return py::memoryview::from_memory(memory_, py::ssize_t(bytes_)); }

 private:
  std::size_t bytes_;
  void* memory_ = nullptr;
};

}  // namespace

void bind_host_memory(py::module_& m) {
  py::class_<HostMemory>(m, "HostMemory")
      .def(py::init<std::size_t, int>(), py::arg("bytes"), py::arg("device"))
      .def("free", &HostMemory::free)
      .def_property_readonly("address", &HostMemory::address)
      .def("view", &HostMemory::view, py::keep_alive<0, 1>());
  m.def("launches", &cuda_on_host::launches);
  m.def("last_stream",
        [] { return reinterpret_cast<std::uintptr_t>(cuda_on_host::last_stream()); });
  m.def("last_error", [] { return static_cast<int>(cudaPeekAtLastError()); });
  m.def("current_device", [] {
    int device = -1;
    cudaGetDevice(&device);
    return device;
  });
}

}  // namespace wpg::bindings
