// KernelQ on CUDA arrays, and the fused flow along it.
#include <pybind11/stl.h>

#include "cuda_args.hpp"
#include "wpg/critics/kernel_q_cuda.hpp"
#include "wpg/flow/flow_cuda.hpp"

namespace wpg::bindings {
namespace {

/// A KernelQ's table, which the caller's library allocated and which lives as long as this.
template <class T>
struct DeviceKernelQ {
  DeviceArray table;
  cuda::KernelQ<T> q;
};

template <class T>
DeviceKernelQ<T> make_kernel_q(const py::handle& center_states, const py::handle& center_actions,
                               const py::handle& weights, const py::handle& state_lengthscale,
                               const py::handle& action_lengthscale, const std::string& kernel,
                               const py::handle& table, std::uintptr_t on) {
  constexpr bool kDouble = sizeof(T) == 8;
  DeviceCall call;
  call.take_type(kDouble);
  const DeviceArray s = call.input(center_states, "center_states", {});
  const DeviceArray a = call.input(center_actions, "center_actions", {});
  if (s.shape.size() != 2 || a.shape.size() != 2) {
    throw py::value_error("center_states and center_actions must be (M, O) and (M, D)");
  }
  const py::ssize_t M = s.shape[0], O = s.shape[1], D = a.shape[1];
  if (a.shape[0] != M) {
    throw py::value_error("center_actions has shape " + text_of(a.shape) + "; it must be (" +
                          std::to_string(M) + ", D)");
  }
  const DeviceArray w = call.input(weights, "weights", {M});
  const auto lengths = [](const py::handle& object, const char* name, py::ssize_t count) {
    py::array array = array_of(object, name);
    require_dtype(array, name, kDouble);
    require_shape(array, name, {count});
    return array;
  };
  const py::array ls = lengths(state_lengthscale, "state_lengthscale", O);
  const py::array la = lengths(action_lengthscale, "action_lengthscale", D);
  const std::int64_t size = cuda::kernel_q_table_size<T>(M, O, D);
  DeviceKernelQ<T> made;
  made.table = call.output(table, "table", {size});
  const Profile profile = profile_of(kernel);
  made.q = cuda::pack_kernel_q<T>(static_cast<T*>(made.table.data), s.as<const T>(),
                                  a.as<const T>(), w.as<const T>(), M, O, D, data<T>(ls),
                                  data<T>(la), profile, stream_of(on));
  return made;
}

/// States (S, O) and particles (S, N, D) as this critic takes them, on its device.
template <class T>
DeviceArray asked_at(DeviceCall& call, const DeviceKernelQ<T>& critic, const py::handle& states,
                     const py::handle& particles, DeviceArray& where) {
  call.take_type(sizeof(T) == 8);
  call.input(critic.table.keep, "critic", critic.table.shape);
  DeviceArray cloud = call.cloud(particles, "particles");
  if (cloud.shape[2] != critic.q.action_size) {
    throw py::value_error("particles has shape " + text_of(cloud.shape) + "; it must be (S, N, " +
                          std::to_string(critic.q.action_size) + ")");
  }
  where = call.input(states, "states", {cloud.shape[0], critic.q.observation_size});
  return cloud;
}

template <class T>
void evaluate(const DeviceKernelQ<T>& critic, const py::handle& states, const py::handle& particles,
              const py::handle& values, const py::handle& gradient, std::uintptr_t on) {
  DeviceCall call;
  DeviceArray where;
  const DeviceArray cloud = asked_at(call, critic, states, particles, where);
  DeviceArray v, g;
  const auto prepare = [&](const py::handle& object, const char* name, const Shape& shape) {
    const DeviceArray array = call.output(object, name, shape);
    require_apart(array, name, where, "states");
    require_apart(array, name, cloud, "particles");
    return array;
  };
  if (!values.is_none()) v = prepare(values, "out[0]", {cloud.shape[0], cloud.shape[1]});
  if (!gradient.is_none()) g = prepare(gradient, "out[1]", cloud.shape);
  if (!values.is_none() && !gradient.is_none()) require_apart(v, "out[0]", g, "out[1]");
  py::gil_scoped_release release;
  cuda::evaluate(v.as<T>(), g.as<T>(), critic.q, where.as<const T>(), cloud.as<const T>(),
                 cloud_shape(cloud.shape), stream_of(on));
}

template <class T>
void run_flow(const py::handle& particles, const DeviceKernelQ<T>& critic, const py::handle& states,
              const std::string& scheme, std::int64_t steps, const py::handle& step_size,
              const py::handle& temperature, const py::handle& seed, const py::handle& step,
              const py::handle& support, const py::handle& bandwidth, const py::handle& out,
              const py::handle& acceptance, const py::handle& scratch, std::uintptr_t on) {
  DeviceCall call;
  DeviceArray where;
  const DeviceArray cloud = asked_at(call, critic, states, particles, where);
  const Shape& shape = cloud.shape;
  const DevicePerState<T> eta(call, step_size, "step_size", shape[0]);
  const DevicePerState<T> tau(call, temperature, "temperature", shape[0]);
  cuda::FlowParameters<T> parameters;
  parameters.scheme = scheme_of(scheme);
  parameters.steps = steps;
  parameters.step.step_size = eta.view();
  parameters.step.temperature = tau.view();
  parameters.step.seed = seed_of(seed);
  parameters.step.step = step_of(step);
  parameters.median_rule = bandwidth.is_none();
  const DevicePerState<T> length(
      call, bandwidth.is_none() ? py::handle(py::float_(1.0)) : bandwidth, "bandwidth", shape[0]);
  parameters.bandwidth = length.view();
  const Support<T> home = support_of<T>(support, shape[2]);
  const DeviceArray result = call.output(out, "out", shape);
  require_apart(result, "out", where, "states");
  eta.require_apart(result, "step_size");
  tau.require_apart(result, "temperature");
  length.require_apart(result, "bandwidth");
  T* accepted = nullptr;
  if (!acceptance.is_none()) {
    accepted = call.output(acceptance, "acceptance", {shape[0]}).template as<T>();
  }
  const CloudShape size = cloud_shape(shape);
  const DeviceArray room = scratch_of(
      call, scratch, cuda::flow_scratch<T>(size, parameters.scheme, parameters.median_rule));
  py::gil_scoped_release release;
  cuda::flow(result.as<T>(), accepted, cloud.as<const T>(), critic.q, where.as<const T>(), size,
             parameters, home, room.as<T>(), stream_of(on));
}

template <class T>
void bind_one(py::module_& m, const char* name) {
  py::class_<DeviceKernelQ<T>>(m, name)
      .def(py::init(&make_kernel_q<T>), py::arg("center_states"), py::arg("center_actions"),
           py::arg("weights"), py::arg("state_lengthscale"), py::arg("action_lengthscale"),
           py::arg("kernel"), py::arg("table"), py::arg("stream"))
      .def("evaluate", &evaluate<T>, py::arg("states"), py::arg("particles"), py::arg("values"),
           py::arg("gradient"), py::arg("stream"));
  m.def("flow", &run_flow<T>, py::arg("particles"), py::arg("critic"), py::arg("states"),
        py::arg("scheme"), py::arg("steps"), py::arg("step_size"), py::arg("temperature"),
        py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("bandwidth"), py::arg("out"),
        py::arg("acceptance"), py::arg("scratch"), py::arg("stream"));
}

}  // namespace

void bind_cuda_critics(py::module_& m) {
  bind_one<float>(m, "KernelQ32");
  bind_one<double>(m, "KernelQ64");
  m.def(
      "kernel_q_table_size",
      [](std::int64_t M, std::int64_t O, std::int64_t D, bool as_double) {
        return (as_double ? cuda::kernel_q_table_size<double>
                          : cuda::kernel_q_table_size<float>)(M, O, D);
      },
      py::arg("centers"), py::arg("observation_size"), py::arg("action_size"),
      py::arg("as_double"));
  m.def(
      "flow_scratch_size",
      [](const Shape& shape, const std::string& scheme, bool as_double, bool median_rule) {
        return (as_double ? cuda::flow_scratch<double>
                          : cuda::flow_scratch<float>)(cloud_shape(shape), scheme_of(scheme),
                                                       median_rule);
      },
      py::arg("shape"), py::arg("scheme"), py::arg("as_double"), py::arg("median_rule"));
}

}  // namespace wpg::bindings
