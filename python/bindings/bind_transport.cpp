#include "args.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/svgd.hpp"

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
  py::array keep_matrix, keep_root;
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

/// svgd_velocity or blob_velocity of one dtype.
template <class T>
using PairVelocity = void (*)(T*, const T*, const T*, const CloudShape&, const PerState<T>&,
                              const PerState<T>&);

template <class T>
py::array run_velocity(PairVelocity<T> routine, const py::array& particles, const py::array& drift,
                       const py::handle& temperature, const py::handle& bandwidth,
                       const py::handle& out) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3);
  require_dtype(drift, "drift", kDouble);
  require_shape(drift, "drift", shape);
  const PerStateArgument<T> tau(temperature, "temperature", shape[0]);
  const PerStateArgument<T> length(bandwidth, "bandwidth", shape[0]);
  py::array result = output(out, "out", shape, kDouble);
  T* to = mutable_data<T>(result);
  const T* from = data<T>(particles);
  const T* along = data<T>(drift);
  {
    py::gil_scoped_release release;
    routine(to, from, along, CloudShape{shape[0], shape[1], shape[2]}, tau.view(), length.view());
  }
  return result;
}

void bind_velocity(py::module_& m, const char* name, PairVelocity<float> single,
                   PairVelocity<double> twice) {
  m.def(
      name,
      [single, twice](const py::handle& particles, const py::handle& drift,
                      const py::handle& temperature, const py::handle& bandwidth,
                      const py::handle& out) {
        const py::array cloud = array_of(particles, "particles");
        if (cloud.ndim() != 3) {
          throw py::value_error("particles has " + std::to_string(cloud.ndim()) +
                                " dimensions; it must be (S, N, D)");
        }
        const py::array along = array_of(drift, "drift");
        return is_double(cloud) ? run_velocity(twice, cloud, along, temperature, bandwidth, out)
                                : run_velocity(single, cloud, along, temperature, bandwidth, out);
      },
      py::arg("particles"), py::arg("drift"), py::arg("temperature"), py::arg("bandwidth"),
      py::arg("out"));
}

}  // namespace

void bind_transport(py::module_& m) {
  bind_velocity(m, "svgd_velocity", &svgd_velocity<float>, &svgd_velocity<double>);
  bind_velocity(m, "blob_velocity", &blob_velocity<float>, &blob_velocity<double>);
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
