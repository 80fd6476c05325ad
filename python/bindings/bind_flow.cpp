#include <optional>

#include "args.hpp"
#include "wpg/flow/flow.hpp"

namespace wpg::bindings {
namespace {

/// The moved particles and, for scheme mala, the acceptance (S,), otherwise None.
template <class T>
py::tuple run_flow(const py::handle& particles, const KernelQ<T>& critic, const py::handle& states,
                   const std::string& scheme, std::int64_t steps, const py::handle& step_size,
                   const py::handle& temperature, const py::handle& seed, const py::handle& step,
                   const py::handle& support, const py::handle& bandwidth, const py::handle& out) {
  constexpr bool kDouble = sizeof(T) == 8;
  const py::array cloud = array_of(particles, "particles");
  require_dtype(cloud, "particles", kDouble);
  if (cloud.ndim() != 3 || cloud.shape(2) != critic.action_size()) {
    throw py::value_error("particles has shape " +
                          text_of(Shape(cloud.shape(), cloud.shape() + cloud.ndim())) +
                          "; it must be (S, N, " + std::to_string(critic.action_size()) + ")");
  }
  const Shape shape(cloud.shape(), cloud.shape() + 3);
  const py::array where = array_of(states, "states");
  require_dtype(where, "states", kDouble);
  require_shape(where, "states", {shape[0], critic.observation_size()});
  const PerStateArgument<T> eta(step_size, "step_size", shape[0]);
  const PerStateArgument<T> tau(temperature, "temperature", shape[0]);
  std::optional<PerStateArgument<T>> length;
  if (!bandwidth.is_none()) length.emplace(bandwidth, "bandwidth", shape[0]);
  FlowParameters<T> parameters;
  parameters.scheme = scheme_of(scheme);
  parameters.steps = steps;
  parameters.step.step_size = eta.view();
  parameters.step.temperature = tau.view();
  parameters.step.seed = seed_of(seed);
  parameters.step.step = step_of(step);
  if (length) parameters.bandwidth = length->view();
  const Support<T> home = support_of<T>(support, shape[2]);
  py::array result = output(out, "out", shape, kDouble);
  if (result.size() > 0) require_disjoint(result, "out", where, "states");
  eta.require_apart(result, "out", "step_size");
  tau.require_apart(result, "out", "temperature");
  if (length) length->require_apart(result, "out", "bandwidth");
  T* to = mutable_data<T>(result);
  py::object acceptance = py::none();
  T* accepted = nullptr;
  if (parameters.scheme == Scheme::mala) {
    py::array array = output(py::none(), "acceptance", {shape[0]}, kDouble);
    accepted = mutable_data<T>(array);
    acceptance = array;
  }
  {
    py::gil_scoped_release release;
    flow(to, accepted, data<T>(cloud), critic, data<T>(where),
         CloudShape{shape[0], shape[1], shape[2]}, parameters, home);
  }
  return py::make_tuple(result, acceptance);
}

template <class T>
void bind_one(py::module_& m) {
  m.def("flow", &run_flow<T>, py::arg("particles"), py::arg("critic"), py::arg("states"),
        py::arg("scheme"), py::arg("steps"), py::arg("step_size"), py::arg("temperature"),
        py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("bandwidth"), py::arg("out"));
}

}  // namespace

void bind_flow(py::module_& m) {
  bind_one<float>(m);
  bind_one<double>(m);
}

}  // namespace wpg::bindings
