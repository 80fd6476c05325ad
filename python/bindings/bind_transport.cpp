#include "args.hpp"
#include "wpg/transport/adaptive_step_size.hpp"
#include "wpg/transport/birth_death.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"
#include "wpg/transport/mala.hpp"
#include "wpg/transport/svgd.hpp"

namespace wpg::bindings {
namespace {

/// What every step takes beside the arrays.
template <class T>
struct StepArguments {
  StepArguments(const Shape& shape, const py::handle& step_size, const py::handle& temperature,
                const py::handle& seed, const py::handle& step, const py::handle& support)
      : eta(step_size, "step_size", shape[0]),
        tau(temperature, "temperature", shape[0]),
        cloud{shape[0], shape[1], shape[2]},
        home(support_of<T>(support, shape[2])) {
    parameters.step_size = eta.view();
    parameters.temperature = tau.view();
    parameters.seed = seed_of(seed);
    parameters.step = step_of(step);
  }

  PerStateArgument<T> eta, tau;
  CloudShape cloud;
  Support<T> home;
  LangevinParameters<T> parameters;
};

template <class T>
using Step = void (*)(T*, const T*, const T*, const CloudShape&, const LangevinParameters<T>&,
                      const Support<T>&);

template <class T>
py::array run_step(Step<T> move, const py::array& particles, const py::handle& drift,
                   const py::handle& step_size, const py::handle& temperature,
                   const py::handle& seed, const py::handle& step, const py::handle& support,
                   const py::handle& preconditioner, const py::handle& out) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3);
  const py::array along = array_of(drift, "drift");
  require_dtype(along, "drift", kDouble);
  require_shape(along, "drift", shape);
  StepArguments<T> given(shape, step_size, temperature, seed, step, support);
  py::object keep_matrix = py::none(), keep_root = py::none();
  given.parameters.preconditioner =
      preconditioner_of<T>(preconditioner, shape[0], shape[2], keep_matrix, keep_root);
  py::array result = output(out, "out", shape, kDouble);
  given.eta.require_apart(result, "out", "step_size");
  given.tau.require_apart(result, "out", "temperature");
  if (!keep_matrix.is_none() && result.size() > 0) {
    require_disjoint(result, "out", py::reinterpret_borrow<py::array>(keep_matrix),
                     "preconditioner");
  }
  T* to = mutable_data<T>(result);
  const T* from = data<T>(particles);
  const T* slope = data<T>(along);
  {
    py::gil_scoped_release release;
    move(to, from, slope, given.cloud, given.parameters, given.home);
  }
  return result;
}

template <class T>
void run_accept(py::array particles, const py::handle& values, const py::handle& drift,
                py::array_t<std::int64_t> accepted, const py::handle& proposals,
                const py::handle& proposed_values, const py::handle& proposed_drift,
                const py::handle& step_size, const py::handle& temperature, const py::handle& seed,
                const py::handle& step, const py::handle& support) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3), row{shape[0], shape[1]};
  // `output` asks for what is written into to be writable.
  py::array q = output(values, "values", row, kDouble);
  py::array g = output(drift, "drift", shape, kDouble);
  py::array cloud = output(particles, "particles", shape, kDouble);
  const auto input = [](const py::handle& object, const char* name, const Shape& wanted) {
    py::array array = array_of(object, name);
    require_dtype(array, name, kDouble);
    require_shape(array, name, wanted);
    return array;
  };
  const py::array b = input(proposals, "proposals", shape);
  const py::array r = input(proposed_values, "values", row);
  const py::array h = input(proposed_drift, "drift", shape);
  require_shape(accepted, "accepted", {shape[0]});
  const StepArguments<T> given(shape, step_size, temperature, seed, step, support);
  T* to[3] = {mutable_data<T>(cloud), mutable_data<T>(q), mutable_data<T>(g)};
  std::int64_t* count = accepted.mutable_data();
  {
    py::gil_scoped_release release;
    mala_accept(to[0], to[1], to[2], count, data<T>(b), data<T>(r), data<T>(h), given.cloud,
                given.parameters, given.home);
  }
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
  tau.require_apart(result, "out", "temperature");
  length.require_apart(result, "out", "bandwidth");
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
        const py::array cloud = cloud_of(particles, "particles");
        const py::array along = array_of(drift, "drift");
        return is_double(cloud) ? run_velocity(twice, cloud, along, temperature, bandwidth, out)
                                : run_velocity(single, cloud, along, temperature, bandwidth, out);
      },
      py::arg("particles"), py::arg("drift"), py::arg("temperature"), py::arg("bandwidth"),
      py::arg("out"));
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
  tau.require_apart(result, "out", "temperature");
  kappa.require_apart(result, "out", "rate");
  eta.require_apart(result, "out", "step_size");
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
        const py::array cloud = cloud_of(particles, "particles");
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
        const py::array cloud = cloud_of(particles, "particles"), along = array_of(drift, "drift");
        const py::array moved = array_of(new_particles, "new_particles");
        const py::array new_along = array_of(new_drift, "new_drift");
        return (is_double(cloud) ? run_adaptive_step_size<double>
                                 : run_adaptive_step_size<float>)(cloud, along, moved, new_along,
                                                                  fraction, maximum);
      },
      py::arg("particles"), py::arg("drift"), py::arg("new_particles"), py::arg("new_drift"),
      py::arg("fraction"), py::arg("maximum"));
  bind_velocity(m, "svgd_velocity", &svgd_velocity<float>, &svgd_velocity<double>);
  bind_velocity(m, "blob_velocity", &blob_velocity<float>, &blob_velocity<double>);
  m.def(
      "langevin",
      [](const py::handle& particles, const py::handle& drift, const py::handle& step_size,
         const py::handle& temperature, const py::handle& seed, const py::handle& step,
         const py::handle& support, const py::handle& preconditioner, const py::handle& out) {
        const py::array cloud = cloud_of(particles, "particles");
        return is_double(cloud) ? run_step<double>(langevin, cloud, drift, step_size, temperature,
                                                   seed, step, support, preconditioner, out)
                                : run_step<float>(langevin, cloud, drift, step_size, temperature,
                                                  seed, step, support, preconditioner, out);
      },
      py::arg("particles"), py::arg("drift"), py::arg("step_size"), py::arg("temperature"),
      py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("preconditioner"),
      py::arg("out"));
  const auto plain_step = [&m](const char* name, Step<float> single, Step<double> twice) {
    m.def(
        name,
        [single, twice](const py::handle& particles, const py::handle& drift,
                        const py::handle& step_size, const py::handle& temperature,
                        const py::handle& seed, const py::handle& step, const py::handle& support,
                        const py::handle& out) {
          const py::array cloud = cloud_of(particles, "particles");
          return is_double(cloud) ? run_step<double>(twice, cloud, drift, step_size, temperature,
                                                     seed, step, support, py::none(), out)
                                  : run_step<float>(single, cloud, drift, step_size, temperature,
                                                    seed, step, support, py::none(), out);
        },
        py::arg("particles"), py::arg("drift"), py::arg("step_size"), py::arg("temperature"),
        py::arg("seed"), py::arg("step"), py::arg("support"), py::arg("out"));
  };
  plain_step("leimkuhler_matthews", leimkuhler_matthews<float>, leimkuhler_matthews<double>);
  plain_step("mala_propose", mala_propose<float>, mala_propose<double>);
  m.def(
      "mala_accept",
      [](const py::handle& particles, const py::handle& values, const py::handle& drift,
         py::array_t<std::int64_t> accepted, const py::handle& proposals,
         const py::handle& proposed_values, const py::handle& proposed_drift,
         const py::handle& step_size, const py::handle& temperature, const py::handle& seed,
         const py::handle& step, const py::handle& support) {
        const py::array cloud = cloud_of(particles, "particles");
        (is_double(cloud) ? run_accept<double>
                          : run_accept<float>)(cloud, values, drift, std::move(accepted), proposals,
                                               proposed_values, proposed_drift, step_size,
                                               temperature, seed, step, support);
      },
      py::arg("particles"), py::arg("values"), py::arg("drift"), py::arg("accepted").noconvert(),
      py::arg("proposals"), py::arg("proposed_values"), py::arg("proposed_drift"),
      py::arg("step_size"), py::arg("temperature"), py::arg("seed"), py::arg("step"),
      py::arg("support"));
}

}  // namespace wpg::bindings
