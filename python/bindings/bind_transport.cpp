#include "args.hpp"
#include "wpg/transport/adaptive_step_size.hpp"
#include "wpg/transport/birth_death.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg::bindings {
namespace {

template <class T>
py::array run_langevin(const py::array& particles, const py::array& drift,
                       const py::handle& step_size, const py::handle& temperature,
                       const py::handle& seed, const py::handle& step, const py::handle& support,
                       const py::handle& preconditioner, const py::handle& out) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3);
  require_dtype(drift, "drift", kDouble);
  require_shape(drift, "drift", shape);
  const PerStateArgument<T> eta(step_size, "step_size", shape[0]);
  const PerStateArgument<T> tau(temperature, "temperature", shape[0]);
  py::object keep_matrix, keep_root;
  LangevinParameters<T> parameters;
  parameters.step_size = eta.view();
  parameters.temperature = tau.view();
  parameters.preconditioner =
      preconditioner_of<T>(preconditioner, shape[0], shape[2], keep_matrix, keep_root);
  parameters.seed = seed_of(seed);
  parameters.step = step_of(step);
  const Support<T> where = support_of<T>(support, shape[2]);
  py::array result = output(out, "out", shape, kDouble);
  T* to = mutable_data<T>(result);
  const T* from = data<T>(particles);
  const T* along = data<T>(drift);
  {
    py::gil_scoped_release release;
    langevin(to, from, along, CloudShape{shape[0], shape[1], shape[2]}, parameters, where);
  }
  return result;
}

py::array particles_of(const py::handle& particles) {
  py::array cloud = array_of(particles, "particles");
  if (cloud.ndim() != 3) {
    throw py::value_error("particles has " + std::to_string(cloud.ndim()) +
                          " dimensions; it must be (S, N, D)");
  }
  return cloud;
}

template <class T>
py::tuple run_birth_death(const py::array& particles, const py::array& log_density,
                          const py::array& q_values, const py::handle& temperature,
                          const py::handle& rate, const py::handle& step_size,
                          const py::handle& seed, const py::handle& step, const py::handle& out) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3), each{shape[0], shape[1]};
  require_dtype(log_density, "log_density", kDouble);
  require_shape(log_density, "log_density", each);
  require_dtype(q_values, "q_values", kDouble);
  require_shape(q_values, "q_values", each);
  const PerStateArgument<T> tau(temperature, "temperature", shape[0]);
  const PerStateArgument<T> kappa(rate, "rate", shape[0]);
  const PerStateArgument<T> eta(step_size, "step_size", shape[0]);
  BirthDeathParameters<T> parameters;
  parameters.temperature = tau.view();
  parameters.rate = kappa.view();
  parameters.step_size = eta.view();
  parameters.seed = seed_of(seed);
  parameters.step = step_of(step);
  py::array result = output(out, "out", shape, kDouble);
  if (result.size() > 0) {
    require_disjoint(result, "out", q_values, "q_values");
    require_disjoint(result, "out", log_density, "log_density");
  }
  py::array ancestors(py::dtype::of<std::int32_t>(), each);
  T* to = mutable_data<T>(result);
  auto* from = static_cast<std::int32_t*>(ancestors.mutable_data());
  {
    py::gil_scoped_release release;
    birth_death(to, from, data<T>(particles), data<T>(log_density), data<T>(q_values),
                CloudShape{shape[0], shape[1], shape[2]}, parameters);
  }
  return py::make_tuple(result, ancestors);
}

template <class T>
py::array run_adaptive_step_size(const py::array& particles, const py::array& drift,
                                 const py::array& new_particles, const py::array& new_drift,
                                 double fraction, const py::handle& maximum) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3);
  const auto check = [&](const py::array& array, const char* name) {
    require_dtype(array, name, kDouble);
    require_shape(array, name, shape);
  };
  check(drift, "drift");
  check(new_particles, "new_particles");
  check(new_drift, "new_drift");
  const PerStateArgument<T> most(maximum, "maximum", shape[0]);
  py::array result = output(py::none(), "out", {shape[0]}, kDouble);
  T* to = mutable_data<T>(result);
  {
    py::gil_scoped_release release;
    adaptive_step_size(to, data<T>(particles), data<T>(drift), data<T>(new_particles),
                       data<T>(new_drift), CloudShape{shape[0], shape[1], shape[2]}, fraction,
                       most.view());
  }
  return result;
}

}  // namespace

void bind_transport(py::module_& m) {
  m.def(
      "birth_death",
      [](const py::handle& particles, const py::handle& log_density, const py::handle& q_values,
         const py::handle& temperature, const py::handle& rate, const py::handle& step_size,
         const py::handle& seed, const py::handle& step, const py::handle& out) {
        const py::array cloud = particles_of(particles);
        const py::array density = array_of(log_density, "log_density");
        const py::array q = array_of(q_values, "q_values");
        return (is_double(cloud) ? run_birth_death<double>
                                 : run_birth_death<float>)(cloud, density, q, temperature, rate,
                                                           step_size, seed, step, out);
      },
      py::arg("particles"), py::arg("log_density"), py::arg("q_values"), py::arg("temperature"),
      py::arg("rate"), py::arg("step_size"), py::arg("seed"), py::arg("step"), py::arg("out"));
  m.def(
      "adaptive_step_size",
      [](const py::handle& particles, const py::handle& drift, const py::handle& new_particles,
         const py::handle& new_drift, double fraction, const py::handle& maximum) {
        const py::array cloud = particles_of(particles), along = array_of(drift, "drift");
        const py::array moved = array_of(new_particles, "new_particles");
        const py::array new_along = array_of(new_drift, "new_drift");
        return (is_double(cloud) ? run_adaptive_step_size<double>
                                 : run_adaptive_step_size<float>)(cloud, along, moved, new_along,
                                                                  fraction, maximum);
      },
      py::arg("particles"), py::arg("drift"), py::arg("new_particles"), py::arg("new_drift"),
      py::arg("fraction"), py::arg("maximum"));
  m.def(
      "langevin",
      [](const py::handle& particles, const py::handle& drift, const py::handle& step_size,
         const py::handle& temperature, const py::handle& seed, const py::handle& step,
         const py::handle& support, const py::handle& preconditioner, const py::handle& out) {
        const py::array cloud = array_of(particles, "particles");
        if (cloud.ndim() != 3) {
          throw py::value_error("particles has " + std::to_string(cloud.ndim()) +
                                " dimensions; it must be (S, N, D)");
        }
        const py::array along = array_of(drift, "drift");
        return (is_double(cloud) ? run_langevin<double>
                                 : run_langevin<float>)(cloud, along, step_size, temperature, seed,
                                                        step, support, preconditioner, out);
      },
      py::arg("particles"), py::arg("drift"), py::arg("step_size"), py::arg("temperature"),
      py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("preconditioner"),
      py::arg("out"));
}

}  // namespace wpg::bindings
