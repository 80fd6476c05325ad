#include "args.hpp"
#include "wpg/density/bandwidth.hpp"
#include "wpg/density/kde.hpp"
#include "wpg/density/mixture.hpp"
#include "wpg/density/stein_discrepancy.hpp"

namespace wpg::bindings {
namespace {

template <class T>
py::object run_mixture(const py::array& points, const py::array& means, const py::handle& std,
                       const py::handle& support, bool wants_all, bool wants_others,
                       const py::handle& out, const std::string& points_name) {
  constexpr bool kDouble = sizeof(T) == 8;
  const py::ssize_t S = points.shape(0), K = points.shape(1), D = points.shape(2);
  require_dtype(means, "means", kDouble);
  require_shape(means, "means", {S, means.shape(1), D});
  const PerStateArgument<T> scale(std, "std", S);
  const Support<T> where = support_of<T>(support, D);
  py::object all = py::none(), others = py::none();
  T* to_all = nullptr;
  T* to_others = nullptr;
  const auto prepare = [&](const py::handle& given, py::object& kept) {
    py::array array = output(given, "out", {S, K}, kDouble);
    if (array.size() > 0) {
      require_disjoint(array, "out", points, points_name.c_str());
      require_disjoint(array, "out", means, "means");
      scale.require_apart(array, "out", "std");
    }
    kept = array;
    return mutable_data<T>(array);
  };
  if (wants_all) to_all = prepare(wants_others ? py::none() : out, all);
  if (wants_others) to_others = prepare(wants_all ? py::none() : out, others);
  {
    py::gil_scoped_release release;
    mixture_log_density(to_all, to_others, data<T>(points), data<T>(means),
                        MixtureShape{S, K, means.shape(1), D}, scale.view(), where,
                        points_name.c_str());
  }
  if (wants_all && wants_others) return py::make_tuple(all, others);
  return wants_all ? all : others;
}

template <class T>
py::array run_score(const py::array& particles, const py::handle& bandwidth,
                    const py::handle& out) {
  const Shape shape(particles.shape(), particles.shape() + 3);
  const PerStateArgument<T> length(bandwidth, "bandwidth", shape[0]);
  py::array result = output(out, "out", shape, sizeof(T) == 8);
  length.require_apart(result, "out", "bandwidth");
  T* to = mutable_data<T>(result);
  {
    py::gil_scoped_release release;
    kde_score(to, data<T>(particles), CloudShape{shape[0], shape[1], shape[2]}, length.view());
  }
  return result;
}

template <class T>
py::array run_discrepancy(const py::array& particles, const py::array& drift,
                          const py::handle& temperature, const py::handle& bandwidth) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Shape shape(particles.shape(), particles.shape() + 3);
  require_dtype(drift, "drift", kDouble);
  require_shape(drift, "drift", shape);
  const PerStateArgument<T> tau(temperature, "temperature", shape[0]);
  const PerStateArgument<T> length(bandwidth, "bandwidth", shape[0]);
  py::array result = output(py::none(), "out", {shape[0]}, kDouble);
  T* to = mutable_data<T>(result);
  {
    py::gil_scoped_release release;
    kernel_stein_discrepancy(to, data<T>(particles), data<T>(drift),
                             CloudShape{shape[0], shape[1], shape[2]}, tau.view(), length.view());
  }
  return result;
}

template <class T>
py::array run_median_bandwidth(const py::array& particles) {
  py::array result = output(py::none(), "out", {particles.shape(0)}, sizeof(T) == 8);
  T* to = mutable_data<T>(result);
  {
    py::gil_scoped_release release;
    median_bandwidth(to, data<T>(particles),
                     CloudShape{particles.shape(0), particles.shape(1), particles.shape(2)});
  }
  return result;
}

}  // namespace

void bind_density(py::module_& m) {
  m.def(
      "kde_score",
      [](const py::handle& particles, const py::handle& bandwidth, const py::handle& out) {
        const py::array cloud = cloud_of(particles, "particles");
        return (is_double(cloud) ? run_score<double> : run_score<float>)(cloud, bandwidth, out);
      },
      py::arg("particles"), py::arg("bandwidth"), py::arg("out"));
  m.def(
      "kernel_stein_discrepancy",
      [](const py::handle& particles, const py::handle& drift, const py::handle& temperature,
         const py::handle& bandwidth) {
        const py::array cloud = cloud_of(particles, "particles");
        const py::array along = array_of(drift, "drift");
        return (is_double(cloud) ? run_discrepancy<double>
                                 : run_discrepancy<float>)(cloud, along, temperature, bandwidth);
      },
      py::arg("particles"), py::arg("drift"), py::arg("temperature"), py::arg("bandwidth"));
  m.def(
      "median_bandwidth",
      [](const py::handle& particles) {
        const py::array cloud = cloud_of(particles, "particles");
        return (is_double(cloud) ? run_median_bandwidth<double>
                                 : run_median_bandwidth<float>)(cloud);
      },
      py::arg("particles"));
  m.def(
      "mixture_log_density",
      [](const py::handle& points, const py::handle& means, const py::handle& std,
         const py::handle& support, bool wants_all, bool wants_others, const py::handle& out,
         const std::string& points_name) {
        const py::array at = cloud_of(points, points_name.c_str()),
                        centers = cloud_of(means, "means");
        if (!wants_all && !wants_others) throw py::value_error("nothing is wanted");
        return (is_double(at) ? run_mixture<double> : run_mixture<float>)(at, centers, std, support,
                                                                          wants_all, wants_others,
                                                                          out, points_name);
      },
      py::arg("points"), py::arg("means"), py::arg("std"), py::arg("support"), py::arg("wants_all"),
      py::arg("wants_others"), py::arg("out"), py::arg("points_name") = "points");
}

}  // namespace wpg::bindings
