// Transport on CUDA arrays. Outputs are given: who allocates is the caller's library.
#include "cuda_args.hpp"
#include "wpg/transport/langevin_cuda.hpp"
#include "wpg/transport/mala_cuda.hpp"

namespace wpg::bindings {
namespace {

/// (kind, matrix, root), the arrays on the device, or None.
template <class T>
wpg::Preconditioner<T> device_preconditioner(DeviceCall& call, const py::handle& object,
                                             const Shape& shape, const DeviceArray& out) {
  wpg::Preconditioner<T> result;
  if (object.is_none()) return result;
  const auto parts = py::reinterpret_borrow<py::tuple>(object);
  const bool full = parts[0].cast<std::string>() == "full";
  result.kind = full ? wpg::Preconditioner<T>::Kind::full : wpg::Preconditioner<T>::Kind::diagonal;
  const DeviceArray matrix = call.input(parts[1], "preconditioner", {});
  const py::ssize_t D = shape[2];
  const Shape one = full ? Shape{D, D} : Shape{D}, each{shape[0], D, D};
  if (matrix.shape != one && !(full && matrix.shape == each)) {
    throw py::value_error("preconditioner has shape " + text_of(matrix.shape) + "; it must be " +
                          text_of(one));
  }
  result.stride = matrix.shape == one ? 0 : D * D;
  result.matrix = matrix.as<T>();
  require_apart(out, "out", matrix, "preconditioner");
  if (full) {
    const DeviceArray root = call.input(parts[2], "preconditioner", matrix.shape);
    result.root = root.as<T>();
  }
  return result;
}

/// What every step takes beside the arrays.
template <class T>
struct StepArguments {
  StepArguments(DeviceCall& call, const Shape& shape, const py::handle& step_size,
                const py::handle& temperature, const py::handle& seed, const py::handle& step,
                const py::handle& support)
      : eta(call, step_size, "step_size", shape[0]),
        tau(call, temperature, "temperature", shape[0]),
        home(support_of<T>(support, shape[2])) {
    parameters.step_size = eta.view();
    parameters.temperature = tau.view();
    parameters.seed = seed_of(seed);
    parameters.step = step_of(step);
  }

  DevicePerState<T> eta, tau;
  Support<T> home;
  cuda::LangevinParameters<T> parameters;
};

template <class T>
void run_step(DeviceCall& call, Stream noise, const DeviceArray& cloud, const py::handle& drift,
              const py::handle& step_size, const py::handle& temperature, const py::handle& seed,
              const py::handle& step, const py::handle& support, const py::handle& preconditioner,
              const py::handle& out, std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const DeviceArray along = call.input(drift, "drift", shape);
  StepArguments<T> given(call, shape, step_size, temperature, seed, step, support);
  const DeviceArray result = call.output(out, "out", shape);
  given.parameters.preconditioner = device_preconditioner<T>(call, preconditioner, shape, result);
  given.eta.require_apart(result, "step_size");
  given.tau.require_apart(result, "temperature");
  py::gil_scoped_release release;
  cuda::langevin_step(result.as<T>(), cloud.as<const T>(), along.as<const T>(), cloud_shape(shape),
                      given.parameters, given.home, noise, stream_of(on));
}

void bind_step(py::module_& m, const char* name, Stream noise) {
  m.def(
      name,
      [noise](const py::handle& particles, const py::handle& drift, const py::handle& step_size,
              const py::handle& temperature, const py::handle& seed, const py::handle& step,
              const py::handle& support, const py::handle& preconditioner, const py::handle& out,
              std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_step<double>
                           : run_step<float>)(call, noise, cloud, drift, step_size, temperature,
                                              seed, step, support, preconditioner, out, stream);
      },
      py::arg("particles"), py::arg("drift"), py::arg("step_size"), py::arg("temperature"),
      py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("preconditioner"),
      py::arg("out"), py::arg("stream"));
}

template <class T>
void run_propose(DeviceCall& call, const DeviceArray& cloud, const py::handle& drift,
                 const py::handle& step_size, const py::handle& temperature, const py::handle& seed,
                 const py::handle& step, const py::handle& support, const py::handle& out,
                 std::uintptr_t on) {
  const DeviceArray along = call.input(drift, "drift", cloud.shape);
  const StepArguments<T> given(call, cloud.shape, step_size, temperature, seed, step, support);
  const DeviceArray result = call.output(out, "out", cloud.shape);
  py::gil_scoped_release release;
  cuda::mala_propose(result.as<T>(), cloud.as<const T>(), along.as<const T>(),
                     cloud_shape(cloud.shape), given.parameters, given.home, stream_of(on));
}

template <class T>
void run_accept(DeviceCall& call, const DeviceArray& cloud, const py::handle& values,
                const py::handle& drift, const py::handle& accepted, const py::handle& proposals,
                const py::handle& proposed_values, const py::handle& proposed_drift,
                const py::handle& step_size, const py::handle& temperature, const py::handle& seed,
                const py::handle& step, const py::handle& support, std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const Shape row{shape[0], shape[1]};
  const DeviceArray q = call.output(values, "values", row);
  const DeviceArray g = call.output(drift, "drift", shape);
  const DeviceArray counts = call.integer_output(accepted, "accepted", {shape[0]}, 8);
  const DeviceArray b = call.input(proposals, "proposals", shape);
  const DeviceArray r = call.input(proposed_values, "values", row);
  const DeviceArray h = call.input(proposed_drift, "drift", shape);
  const StepArguments<T> given(call, shape, step_size, temperature, seed, step, support);
  py::gil_scoped_release release;
  cuda::mala_accept(cloud.as<T>(), q.as<T>(), g.as<T>(), counts.as<std::int64_t>(), b.as<const T>(),
                    r.as<const T>(), h.as<const T>(), cloud_shape(shape), given.parameters,
                    given.home, stream_of(on));
}

void bind_mala(py::module_& m) {
  m.def(
      "mala_propose",
      [](const py::handle& particles, const py::handle& drift, const py::handle& step_size,
         const py::handle& temperature, const py::handle& seed, const py::handle& step,
         const py::handle& support, const py::handle& out, std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_propose<double> : run_propose<float>)(call, cloud, drift,
                                                                       step_size, temperature, seed,
                                                                       step, support, out, stream);
      },
      py::arg("particles"), py::arg("drift"), py::arg("step_size"), py::arg("temperature"),
      py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("out"), py::arg("stream"));
  m.def(
      "mala_accept",
      [](const py::handle& particles, const py::handle& values, const py::handle& drift,
         const py::handle& accepted, const py::handle& proposals, const py::handle& proposed_values,
         const py::handle& proposed_drift, const py::handle& step_size,
         const py::handle& temperature, const py::handle& seed, const py::handle& step,
         const py::handle& support, std::uintptr_t stream) {
        DeviceCall call;
        DeviceArray cloud = call.cloud(particles, "particles");
        cloud = call.output(particles, "particles", cloud.shape);
        (cloud.is_double() ? run_accept<double>
                           : run_accept<float>)(call, cloud, values, drift, accepted, proposals,
                                                proposed_values, proposed_drift, step_size,
                                                temperature, seed, step, support, stream);
      },
      py::arg("particles"), py::arg("values"), py::arg("drift"), py::arg("accepted"),
      py::arg("proposals"), py::arg("proposed_values"), py::arg("proposed_drift"),
      py::arg("step_size"), py::arg("temperature"), py::arg("seed"), py::arg("step"),
      py::arg("support"), py::arg("stream"));
  m.def(
      "fractions",
      [](const py::handle& out, const py::handle& counts, std::int64_t of, std::uintptr_t stream) {
        DeviceCall call;
        DeviceArray to = call.input(out, "out", {});
        to = call.output(out, "out", to.shape);
        const DeviceArray from = call.integer_output(counts, "counts", to.shape, 8);
        const auto* numbers = from.as<const std::int64_t>();
        if (to.is_double()) {
          cuda::fractions(to.as<double>(), numbers, to.size(), of, stream_of(stream));
        } else {
          cuda::fractions(to.as<float>(), numbers, to.size(), of, stream_of(stream));
        }
      },
      py::arg("out"), py::arg("counts"), py::arg("of"), py::arg("stream"));
  m.def(
      "require_out",
      [](const py::handle& particles, const py::handle& out, const py::handle& states) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        const DeviceArray to = call.output(out, "out", cloud.shape);
        require_same_or_disjoint(to.data, to.bytes(), cloud.data, cloud.bytes(), "particles");
        require_apart(to, "out", call.input(states, "states", {}), "states");
      },
      py::arg("particles"), py::arg("out"), py::arg("states"));
}

}  // namespace

void bind_cuda_transport(py::module_& m) {
  bind_mala(m);
  bind_step(m, "langevin", Stream::langevin);
  bind_step(m, "leimkuhler_matthews", Stream::leimkuhler_matthews);
}

}  // namespace wpg::bindings
