// What every binding of _cuda asks of its arguments: arrays on one CUDA device, by
// __cuda_array_interface__ or DLPack, C-contiguous, of the right type and shape. Nothing is
// converted, copied or waited for.
#pragma once

#include "args.hpp"
#include "wpg/base/cuda.hpp"
#include "wpg/transport/langevin_cuda.hpp"

namespace wpg::bindings {

/// Memory on a device that somebody else owns; `keep` holds on to them.
struct DeviceArray {
  py::object keep;
  void* data = nullptr;
  Shape shape;
  char kind = 'f';  // f floating point, i signed integer
  int item_size = 4;
  bool read_only = false;
  int device = -1;  // -1: it has no elements

  bool is_double() const { return item_size == 8; }
  py::ssize_t size() const;
  std::size_t bytes() const { return static_cast<std::size_t>(size() * item_size); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// Any array on a device. TypeError or ValueError by name.
DeviceArray device_array_of(const py::handle& object, const char* name);

/// The arrays of one call: all on the device of the first one that has elements.
class DeviceCall {
 public:
  /// Of float32 or float64, the type of the first one asked for.
  DeviceArray input(const py::handle& object, const char* name, const Shape& shape);
  /// The first: points (S, N, D), D at least 1.
  DeviceArray cloud(const py::handle& object, const char* name);
  /// Writable as well.
  DeviceArray output(const py::handle& object, const char* name, const Shape& shape);
  DeviceArray integer_output(const py::handle& object, const char* name, const Shape& shape,
                             int item_size);
  /// The type of arrays to come, where no cloud says it.
  void take_type(bool as_double) {
    as_double_ = as_double;
    typed_ = true;
  }
  bool is_double() const { return as_double_; }

 private:
  void require_here(const DeviceArray& array, const char* name);

  bool as_double_ = false, typed_ = false;
  int device_ = -1;
  std::string first_;  // the name of the array that chose the device
};

void require_apart(const DeviceArray& out, const char* out_name, const DeviceArray& in,
                   const char* in_name);

/// A number, or an array (S,) on the device.
template <class T>
class DevicePerState {
 public:
  DevicePerState(DeviceCall& call, const py::handle& object, const char* name, py::ssize_t states) {
    if (!is_number(object) && !py::isinstance<py::array>(object)) {
      array_ = call.input(object, name, {states});
      is_array_ = true;
      return;
    }
    const PerStateArgument<T> number(object, name, states);
    const auto view = number.view();
    if (view.stride != 0) {
      throw py::type_error(std::string(name) +
                           " is a NumPy array and the particles lie on a CUDA device; give a "
                           "number, or an array (S,) on that device");
    }
    value_ = view[0];
  }

  cuda::PerState<T> view() const {
    return is_array_ ? cuda::PerState<T>(static_cast<const T*>(array_.as<T>()))
                     : cuda::PerState<T>(value_);
  }
  void require_apart(const DeviceArray& out, const char* name) const {
    if (is_array_) bindings::require_apart(out, "out", array_, name);
  }

 private:
  DeviceArray array_;
  T value_ = 0;
  bool is_array_ = false;
};

/// Working memory, as large as a call wants.
DeviceArray scratch_of(DeviceCall& call, const py::handle& object, std::int64_t wanted);

/// The stream as an integer, as PyTorch and CuPy tell it.
cuda::CudaStream stream_of(std::uintptr_t stream);

inline CloudShape cloud_shape(const Shape& shape) { return {shape[0], shape[1], shape[2]}; }

void bind_cuda_base(py::module_& m);
void bind_cuda_transport(py::module_& m);
void bind_cuda_density(py::module_& m);
void bind_cuda_critics(py::module_& m);
void bind_host_memory(py::module_& m);  // tests/cuda_on_host

}  // namespace wpg::bindings
