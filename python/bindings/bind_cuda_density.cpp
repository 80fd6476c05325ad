// Sums over pairs of particles and the median rule on CUDA arrays: velocities, scores, births and
// deaths. Working memory is given, of the size that the function of that name tells.
#include "cuda_args.hpp"
#include "wpg/density/bandwidth_cuda.hpp"
#include "wpg/density/kde_cuda.hpp"
#include "wpg/transport/birth_death_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"

namespace wpg::bindings {
namespace {

template <class T>
using ScratchSize = std::int64_t (*)(const CloudShape&, bool);

/// How many numbers, or bytes, of working memory a call wants that writes to `out`.
void bind_scratch(py::module_& m, const char* name, ScratchSize<float> single,
                  ScratchSize<double> twice) {
  m.def(
      name,
      [single, twice](const py::handle& particles, const py::handle& out) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        const bool in_place = device_array_of(out, "out").data == cloud.data;
        return (cloud.is_double() ? twice : single)(cloud_shape(cloud.shape), in_place);
      },
      py::arg("particles"), py::arg("out"));
}

template <class T>
using Velocity = void (*)(T*, const T*, const T*, const CloudShape&, const cuda::PerState<T>&,
                          const cuda::PerState<T>&, T*, cuda::CudaStream);

template <class T>
void run_velocity(Velocity<T> routine, ScratchSize<T> size, DeviceCall& call,
                  const DeviceArray& cloud, const py::handle& drift, const py::handle& temperature,
                  const py::handle& bandwidth, const py::handle& out, const py::handle& scratch,
                  std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const DeviceArray along = call.input(drift, "drift", shape);
  const DevicePerState<T> tau(call, temperature, "temperature", shape[0]);
  const DevicePerState<T> length(call, bandwidth, "bandwidth", shape[0]);
  const DeviceArray result = call.output(out, "out", shape);
  tau.require_apart(result, "temperature");
  length.require_apart(result, "bandwidth");
  const bool in_place = result.data == cloud.data;
  const DeviceArray room = scratch_of(call, scratch, size(cloud_shape(shape), in_place));
  py::gil_scoped_release release;
  routine(result.as<T>(), cloud.as<const T>(), along.as<const T>(), cloud_shape(shape), tau.view(),
          length.view(), room.as<T>(), stream_of(on));
}

void bind_velocity(py::module_& m, const char* name, Velocity<float> single,
                   ScratchSize<float> single_size, Velocity<double> twice,
                   ScratchSize<double> twice_size) {
  bind_scratch(m, (std::string(name) + "_scratch").c_str(), single_size, twice_size);
  m.def(
      name,
      [=](const py::handle& particles, const py::handle& drift, const py::handle& temperature,
          const py::handle& bandwidth, const py::handle& out, const py::handle& scratch,
          std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        if (cloud.is_double()) {
          run_velocity<double>(twice, twice_size, call, cloud, drift, temperature, bandwidth, out,
                               scratch, stream);
        } else {
          run_velocity<float>(single, single_size, call, cloud, drift, temperature, bandwidth, out,
                              scratch, stream);
        }
      },
      py::arg("particles"), py::arg("drift"), py::arg("temperature"), py::arg("bandwidth"),
      py::arg("out"), py::arg("scratch"), py::arg("stream"));
}

template <class T>
void run_score(DeviceCall& call, const DeviceArray& cloud, const py::handle& bandwidth,
               const py::handle& out, const py::handle& scratch, std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const DevicePerState<T> length(call, bandwidth, "bandwidth", shape[0]);
  const DeviceArray result = call.output(out, "out", shape);
  length.require_apart(result, "bandwidth");
  const std::int64_t wanted = cuda::kde_scratch<T>(cloud_shape(shape), result.data == cloud.data);
  const DeviceArray room = scratch_of(call, scratch, wanted);
  py::gil_scoped_release release;
  cuda::kde_score(result.as<T>(), cloud.as<const T>(), cloud_shape(shape), length.view(),
                  room.as<T>(), stream_of(on));
}

template <class T>
void run_log_mean(DeviceCall& call, const DeviceArray& cloud, const py::handle& bandwidth,
                  const py::handle& out, std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const DevicePerState<T> length(call, bandwidth, "bandwidth", shape[0]);
  const DeviceArray result = call.output(out, "out", {shape[0], shape[1]});
  py::gil_scoped_release release;
  cuda::kde_log_mean(result.as<T>(), cloud.as<const T>(), cloud_shape(shape), length.view(),
                     stream_of(on));
}

template <class T>
void run_median(DeviceCall& call, const DeviceArray& cloud, const py::handle& out,
                std::uintptr_t on) {
  const DeviceArray result = call.output(out, "out", {cloud.shape[0]});
  py::gil_scoped_release release;
  cuda::median_bandwidth(result.as<T>(), cloud.as<const T>(), cloud_shape(cloud.shape),
                         stream_of(on));
}

template <class T>
void run_birth_death(DeviceCall& call, const DeviceArray& cloud, const py::handle& log_density,
                     const py::handle& q_values, const py::handle& temperature,
                     const py::handle& rate, const py::handle& step_size, const py::handle& seed,
                     const py::handle& step, const py::handle& out, const py::handle& ancestors,
                     const py::handle& scratch, std::uintptr_t on) {
  const Shape& shape = cloud.shape;
  const Shape each{shape[0], shape[1]};
  const DeviceArray density = call.input(log_density, "log_density", each);
  const DeviceArray q = call.input(q_values, "q_values", each);
  const DevicePerState<T> tau(call, temperature, "temperature", shape[0]);
  const DevicePerState<T> kappa(call, rate, "rate", shape[0]);
  const DevicePerState<T> eta(call, step_size, "step_size", shape[0]);
  cuda::BirthDeathParameters<T> parameters;
  parameters.temperature = tau.view();
  parameters.rate = kappa.view();
  parameters.step_size = eta.view();
  parameters.seed = seed_of(seed);
  parameters.step = step_of(step);
  const DeviceArray result = call.output(out, "out", shape);
  require_apart(result, "out", q, "q_values");
  require_apart(result, "out", density, "log_density");
  tau.require_apart(result, "temperature");
  kappa.require_apart(result, "rate");
  eta.require_apart(result, "step_size");
  const DeviceArray from = call.integer_output(ancestors, "ancestors", each, 4);
  const std::int64_t bytes =
      cuda::birth_death_scratch<T>(cloud_shape(shape), result.data == cloud.data);
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const DeviceArray room = scratch_of(call, scratch, (bytes + kSize - 1) / kSize);
  py::gil_scoped_release release;
  cuda::birth_death(result.as<T>(), from.as<std::int32_t>(), cloud.as<const T>(),
                    density.as<const T>(), q.as<const T>(), cloud_shape(shape), parameters,
                    room.data, stream_of(on));
}

}  // namespace

void bind_cuda_density(py::module_& m) {
  bind_velocity(m, "svgd_velocity", cuda::svgd_velocity<float>, cuda::svgd_scratch<float>,
                cuda::svgd_velocity<double>, cuda::svgd_scratch<double>);
  bind_velocity(m, "blob_velocity", cuda::blob_velocity<float>, cuda::blob_scratch<float>,
                cuda::blob_velocity<double>, cuda::blob_scratch<double>);
  bind_scratch(m, "kde_score_scratch", cuda::kde_scratch<float>, cuda::kde_scratch<double>);
  m.def(
      "kde_score",
      [](const py::handle& particles, const py::handle& bandwidth, const py::handle& out,
         const py::handle& scratch, std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_score<double> : run_score<float>)(call, cloud, bandwidth, out,
                                                                   scratch, stream);
      },
      py::arg("particles"), py::arg("bandwidth"), py::arg("out"), py::arg("scratch"),
      py::arg("stream"));
  m.def(
      "kde_log_mean",
      [](const py::handle& particles, const py::handle& bandwidth, const py::handle& out,
         std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_log_mean<double> : run_log_mean<float>)(call, cloud, bandwidth,
                                                                         out, stream);
      },
      py::arg("particles"), py::arg("bandwidth"), py::arg("out"), py::arg("stream"));
  m.def(
      "median_bandwidth",
      [](const py::handle& particles, const py::handle& out, std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_median<double> : run_median<float>)(call, cloud, out, stream);
      },
      py::arg("particles"), py::arg("out"), py::arg("stream"));
  m.def(
      "birth_death_scratch",
      [](const py::handle& particles, const py::handle& out) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        const bool in_place = device_array_of(out, "out").data == cloud.data;
        const CloudShape shape = cloud_shape(cloud.shape);
        return cloud.is_double() ? (cuda::birth_death_scratch<double>(shape, in_place) + 7) / 8
                                 : (cuda::birth_death_scratch<float>(shape, in_place) + 3) / 4;
      },
      py::arg("particles"), py::arg("out"));
  m.def(
      "birth_death",
      [](const py::handle& particles, const py::handle& log_density, const py::handle& q_values,
         const py::handle& temperature, const py::handle& rate, const py::handle& step_size,
         const py::handle& seed, const py::handle& step, const py::handle& out,
         const py::handle& ancestors, const py::handle& scratch, std::uintptr_t stream) {
        DeviceCall call;
        const DeviceArray cloud = call.cloud(particles, "particles");
        (cloud.is_double() ? run_birth_death<double>
                           : run_birth_death<float>)(call, cloud, log_density, q_values,
                                                     temperature, rate, step_size, seed, step, out,
                                                     ancestors, scratch, stream);
      },
      py::arg("particles"), py::arg("log_density"), py::arg("q_values"), py::arg("temperature"),
      py::arg("rate"), py::arg("step_size"), py::arg("seed"), py::arg("step"), py::arg("out"),
      py::arg("ancestors"), py::arg("scratch"), py::arg("stream"));
}

}  // namespace wpg::bindings
