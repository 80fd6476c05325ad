#include "cuda_args.hpp"

#include <pybind11/stl.h>

#include "dlpack.hpp"

namespace wpg::bindings {
namespace {

std::string type_of(const py::handle& object) { return std::string(py::str(py::type::of(object))); }

/// An attribute, or nothing if there is none; another error on the way is passed on as one of the
/// argument: PyTorch refuses what autograd follows.
py::object attribute(const py::handle& object, const char* attribute_name, const char* name) {
  PyObject* const found = PyObject_GetAttrString(object.ptr(), attribute_name);
  if (found != nullptr) return py::reinterpret_steal<py::object>(found);
  if (PyErr_ExceptionMatches(PyExc_AttributeError) != 0) {
    PyErr_Clear();
    return {};
  }
  py::error_already_set error;
  const std::string why = std::string(py::str(error.value()));
  throw py::type_error(std::string(name) + " does not give its memory: " + why);
}

void require_contiguous(const DeviceArray& array, const char* name,
                        const std::vector<py::ssize_t>& strides) {
  if (array.size() == 0) return;
  py::ssize_t wanted = 1;
  for (std::size_t i = array.shape.size(); i-- > 0;) {
    if (array.shape[i] != 1 && strides[i] != wanted) {
      throw py::value_error(std::string(name) + " with shape " + text_of(array.shape) +
                            " is not C-contiguous; give a contiguous copy");
    }
    wanted *= array.shape[i];
  }
}

DeviceArray of_interface(const py::object& found, const py::handle& object, const char* name) {
  const auto interface = found.cast<py::dict>();
  DeviceArray array;
  array.keep = py::reinterpret_borrow<py::object>(object);
  array.shape = interface["shape"].cast<Shape>();
  const auto type = interface["typestr"].cast<std::string>();
  const bool known = type.size() == 3 && type[0] != '>' &&
                     (type[1] == 'f' || type[1] == 'i' || type[1] == 'u') && type[2] >= '1' &&
                     type[2] <= '8';
  if (!known) {
    throw py::type_error(std::string(name) + " has type " + type +
                         "; it must be of float32 or float64");
  }
  array.kind = type[1];
  array.item_size = type[2] - '0';
  const auto memory = interface["data"].cast<py::tuple>();
  array.data = reinterpret_cast<void*>(memory[0].cast<std::uintptr_t>());
  array.read_only = memory[1].cast<bool>();
  if (interface.contains("mask") && !interface["mask"].is_none()) {
    throw py::type_error(std::string(name) +
                         " has a mask, which would be lost; give a plain array");
  }
  if (interface.contains("strides") && !interface["strides"].is_none()) {
    std::vector<py::ssize_t> strides;
    for (const auto bytes : interface["strides"].cast<Shape>()) {
      strides.push_back(bytes % array.item_size == 0 ? bytes / array.item_size : -1);
    }
    require_contiguous(array, name, strides);
  }
  return array;
}

DeviceArray of_tensor(const DLTensor& tensor, bool read_only, const py::object& capsule,
                      const char* name) {
  DeviceArray array;
  array.keep = capsule;  // who made it frees it with the capsule, since nobody takes it over
  array.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  if (tensor.dtype.lanes != 1 || tensor.dtype.bits % 8 != 0 ||
      (tensor.dtype.code != kDLFloat && tensor.dtype.code != kDLInt)) {
    throw py::type_error(std::string(name) + " must be of float32 or float64");
  }
  array.kind = tensor.dtype.code == kDLFloat ? 'f' : 'i';
  array.item_size = tensor.dtype.bits / 8;
  array.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  array.read_only = read_only;
  if (tensor.strides != nullptr) {
    require_contiguous(array, name, Shape(tensor.strides, tensor.strides + tensor.ndim));
  }
  return array;
}

/// Empty where the object's memory is not a CUDA device's.
DeviceArray of_dlpack(const py::handle& object, const char* name) {
  const py::object device = attribute(object, "__dlpack_device__", name);
  if (!device) return {};
  const auto where = device().cast<py::tuple>();
  const auto type = static_cast<std::int32_t>(py::int_(where[0]));
  if (type != kDLCUDA && type != kDLCUDAManaged) return {};
  py::object capsule;
  try {
    // 1: the legacy default stream, on which whoever has no stream of their own is called.
    capsule = object.attr("__dlpack__")(py::arg("stream") = 1);
  } catch (const py::error_already_set& error) {
    throw py::type_error(std::string(name) +
                         " does not give its memory: " + std::string(py::str(error.value())));
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
    const auto* managed = static_cast<DLManagedTensorVersioned*>(
        PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    return of_tensor(managed->tensor, (managed->flags & kDLReadOnly) != 0, capsule, name);
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") == 0) {
    throw py::type_error(std::string(name) + ".__dlpack__() gave no DLPack capsule");
  }
  const auto* managed =
      static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  return of_tensor(managed->tensor, false, capsule, name);
}

}  // namespace

py::ssize_t DeviceArray::size() const {
  py::ssize_t count = 1;
  for (const py::ssize_t length : shape) count *= length;
  return count;
}

DeviceArray device_array_of(const py::handle& object, const char* name) {
  if (py::isinstance<py::array>(object)) {
    throw py::type_error(std::string(name) +
                         " is a NumPy array and other arrays of this call lie on a CUDA device; "
                         "give all of them in one place");
  }
  const py::object interface = attribute(object, "__cuda_array_interface__", name);
  DeviceArray array = interface ? of_interface(interface, object, name) : of_dlpack(object, name);
  if (!array.keep) {
    throw py::type_error(std::string(name) + " is " + type_of(object) +
                         "; it must be an array on a CUDA device, as the other arrays of this "
                         "call are");
  }
  if (array.size() == 0) return array;
  if (reinterpret_cast<std::uintptr_t>(array.data) % static_cast<std::size_t>(array.item_size)) {
    throw py::value_error(std::string(name) + " is not aligned to its item size; give a copy");
  }
  array.device = cuda::device_of(array.data);
  if (array.device < 0) {
    throw py::value_error(std::string(name) +
                          " points to no memory of a CUDA device; has it been freed?");
  }
  return array;
}

void DeviceCall::require_here(const DeviceArray& array, const char* name) {
  if (array.device < 0) return;
  if (device_ < 0) {
    device_ = array.device;
    first_ = name;
  }
  if (array.device != device_) {
    throw py::value_error(std::string(name) + " lies on CUDA device " +
                          std::to_string(array.device) + " and " + first_ + " on device " +
                          std::to_string(device_) + "; give all arrays of a call on one device");
  }
}

DeviceArray DeviceCall::input(const py::handle& object, const char* name, const Shape& shape) {
  DeviceArray array = device_array_of(object, name);
  if (array.kind != 'f' || (array.item_size != 4 && array.item_size != 8)) {
    throw py::type_error(std::string(name) + " has type " + array.kind +
                         std::to_string(8 * array.item_size) + "; it must be float32 or float64");
  }
  if (!typed_) {
    typed_ = true;
    as_double_ = array.is_double();
  }
  if (array.is_double() != as_double_) {
    throw py::type_error(std::string(name) + " is " + (as_double_ ? "float32" : "float64") +
                         "; the other arrays of this call are " +
                         (as_double_ ? "float64" : "float32") + ", and nothing is converted");
  }
  if (!shape.empty() && array.shape != shape) {
    throw py::value_error(std::string(name) + " has shape " + text_of(array.shape) +
                          "; it must be " + text_of(shape));
  }
  require_here(array, name);
  return array;
}

DeviceArray DeviceCall::cloud(const py::handle& object, const char* name) {
  DeviceArray array = input(object, name, {});
  if (array.shape.size() != 3 || array.shape[2] < 1) {
    throw py::value_error(std::string(name) + " has shape " + text_of(array.shape) +
                          "; it must have three dimensions, the last of them at least 1");
  }
  return array;
}

namespace {

void require_writable(const DeviceArray& array, const char* name) {
  if (!array.read_only) return;
  throw py::value_error(std::string(name) + " is read-only; give an array that can be written");
}

}  // namespace

DeviceArray DeviceCall::output(const py::handle& object, const char* name, const Shape& shape) {
  DeviceArray array = input(object, name, shape);
  require_writable(array, name);
  return array;
}

DeviceArray DeviceCall::integer_output(const py::handle& object, const char* name,
                                       const Shape& shape, int item_size) {
  DeviceArray array = device_array_of(object, name);
  if (array.kind != 'i' || array.item_size != item_size) {
    throw py::type_error(std::string(name) + " must be of int" + std::to_string(8 * item_size));
  }
  if (array.shape != shape) {
    throw py::value_error(std::string(name) + " has shape " + text_of(array.shape) +
                          "; it must be " + text_of(shape));
  }
  require_writable(array, name);
  require_here(array, name);
  return array;
}

void require_apart(const DeviceArray& out, const char* out_name, const DeviceArray& in,
                   const char* in_name) {
  const auto a = reinterpret_cast<std::uintptr_t>(out.data);
  const auto b = reinterpret_cast<std::uintptr_t>(in.data);
  if (a < b + in.bytes() && b < a + out.bytes()) {
    throw py::value_error(std::string(out_name) + " shares memory with " + in_name +
                          "; give it memory of its own");
  }
}

DeviceArray scratch_of(DeviceCall& call, const py::handle& object, std::int64_t wanted) {
  DeviceArray scratch = call.input(object, "scratch", {});
  scratch = call.output(object, "scratch", scratch.shape);
  if (scratch.size() < wanted) {
    throw py::value_error("scratch has " + std::to_string(scratch.size()) + " numbers; it must " +
                          "have " + std::to_string(wanted));
  }
  return scratch;
}

cuda::CudaStream stream_of(std::uintptr_t stream) {
  return reinterpret_cast<cuda::CudaStream>(stream);
}

}  // namespace wpg::bindings
