// Devices, memory and noise of _cuda.
#include <pybind11/stl.h>

#include "cuda_args.hpp"
#include "wpg/base/normal_cuda.hpp"

namespace wpg::bindings {
namespace {

void standard_normal_face(const py::handle& out, const py::handle& seed, const py::handle& step,
                          std::uint32_t stream, std::uintptr_t on) {
  DeviceCall call;
  DeviceArray result = call.cloud(out, "out");
  result = call.output(out, "out", result.shape);
  const std::uint64_t key = seed_of(seed), counter = step_of(step);
  py::gil_scoped_release release;
  if (result.is_double()) {
    cuda::standard_normal(result.as<double>(), cloud_shape(result.shape), key,
                          static_cast<Stream>(stream), counter, stream_of(on));
  } else {
    cuda::standard_normal(result.as<float>(), cloud_shape(result.shape), key,
                          static_cast<Stream>(stream), counter, stream_of(on));
  }
}

/// Of any type and shape.
void copy_face(const py::handle& out, const py::handle& array, std::uintptr_t on) {
  const DeviceArray to = device_array_of(out, "out"), from = device_array_of(array, "array");
  if (to.shape != from.shape || to.kind != from.kind || to.item_size != from.item_size) {
    throw py::value_error("array has shape " + text_of(from.shape) + "; it must be that of out, " +
                          text_of(to.shape) + ", and of its type");
  }
  if (to.read_only) throw py::value_error("out is read-only; give an array that can be written");
  cuda::copy(to.data, from.data, to.bytes(), stream_of(on));
}

}  // namespace

void bind_cuda_base(py::module_& m) {
  m.def("device_count", &cuda::device_count);
  m.def(
      "describe",
      [](const py::handle& array, const std::string& name) {
        const DeviceArray given = device_array_of(array, name.c_str());
        return py::make_tuple(given.shape, given.kind + std::to_string(given.item_size));
      },
      py::arg("array"), py::arg("name"));
  m.def("copy", &copy_face, py::arg("out"), py::arg("array"), py::arg("stream"));
  m.def(
      "set_zero",
      [](const py::handle& out, std::uintptr_t on) {
        const DeviceArray to = device_array_of(out, "out");
        cuda::set_zero(to.data, to.bytes(), stream_of(on));
      },
      py::arg("out"), py::arg("stream"));
  m.def("standard_normal", &standard_normal_face, py::arg("out"), py::arg("seed"), py::arg("step"),
        py::arg("noise"), py::arg("stream"));
}

}  // namespace wpg::bindings
