#include <algorithm>
#include <memory>

#include "args.hpp"
#include "wpg/critics/kernel_matrix.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/critics/kernel_ridge.hpp"
#include "wpg/critics/ridge_path.hpp"
#include "wpg/critics/soft_backup.hpp"

namespace wpg::bindings {
namespace {

py::array matrix_of(const py::handle& object, const char* name, bool as_double) {
  py::array array = array_of(object, name);
  require_dtype(array, name, as_double);
  if (array.ndim() != 2) {
    throw py::value_error(std::string(name) + " has " + std::to_string(array.ndim()) +
                          " dimensions; it must have 2");
  }
  return array;
}

py::array vector_of(const py::handle& object, const char* name, bool as_double,
                    py::ssize_t length) {
  py::array array = array_of(object, name);
  require_dtype(array, name, as_double);
  require_shape(array, name, {length});
  return array;
}

template <class T>
std::unique_ptr<KernelQ<T>> make_kernel_q(const py::handle& center_states,
                                          const py::handle& center_actions,
                                          const py::handle& weights,
                                          const py::handle& state_lengthscale,
                                          const py::handle& action_lengthscale,
                                          const std::string& kernel) {
  constexpr bool kDouble = sizeof(T) == 8;
  const py::array s = matrix_of(center_states, "center_states", kDouble);
  const py::array a = matrix_of(center_actions, "center_actions", kDouble);
  const py::ssize_t M = s.shape(0), O = s.shape(1), D = a.shape(1);
  require_shape(a, "center_actions", {M, D});
  const py::array w = vector_of(weights, "weights", kDouble, M);
  const py::array ls = vector_of(state_lengthscale, "state_lengthscale", kDouble, O);
  const py::array la = vector_of(action_lengthscale, "action_lengthscale", kDouble, D);
  const Profile profile = profile_of(kernel);
  py::gil_scoped_release release;
  return std::make_unique<KernelQ<T>>(data<T>(s), data<T>(a), data<T>(w), M, O, D, data<T>(ls),
                                      data<T>(la), profile);
}

template <class T>
py::tuple evaluate(const KernelQ<T>& q, const py::handle& states, const py::handle& particles,
                   bool wants_values, bool wants_gradient, const py::handle& out_values,
                   const py::handle& out_gradient) {
  constexpr bool kDouble = sizeof(T) == 8;
  const py::array s = matrix_of(states, "states", kDouble);
  const py::array a = array_of(particles, "particles");
  require_dtype(a, "particles", kDouble);
  const py::ssize_t S = s.shape(0), D = q.action_size();
  require_shape(s, "states", {S, q.observation_size()});
  if (a.ndim() != 3 || a.shape(0) != S || a.shape(2) != D) {
    throw py::value_error("particles has shape " + text_of(Shape(a.shape(), a.shape() + a.ndim())) +
                          "; it must be (" + std::to_string(S) + ", N, " + std::to_string(D) + ")");
  }
  const py::ssize_t N = a.shape(1);
  py::object values = py::none(), gradient = py::none();
  T* v = nullptr;
  T* g = nullptr;
  const auto prepare = [&](const py::handle& given, const char* name, const Shape& shape,
                           py::object& kept) {
    py::array array = output(given, name, shape, kDouble);
    if (array.size() > 0) {
      require_disjoint(array, name, s, "states");
      require_disjoint(array, name, a, "particles");
    }
    kept = array;
    return mutable_data<T>(array);
  };
  if (wants_values) v = prepare(out_values, "out[0]", {S, N}, values);
  if (wants_gradient) g = prepare(out_gradient, "out[1]", {S, N, D}, gradient);
  if (v != nullptr && g != nullptr && S * N > 0) {
    require_disjoint(values, "out[0]", gradient, "out[1]");
  }
  {
    py::gil_scoped_release release;
    q.evaluate(v, g, data<T>(s), data<T>(a), CloudShape{S, N, D});
  }
  return py::make_tuple(values, gradient);
}

template <class T>
void bind_kernel_q(py::module_& m, const char* name) {
  py::class_<KernelQ<T>>(m, name)
      .def(py::init(&make_kernel_q<T>), py::arg("center_states"), py::arg("center_actions"),
           py::arg("weights"), py::arg("state_lengthscale"), py::arg("action_lengthscale"),
           py::arg("kernel"))
      .def("evaluate", &evaluate<T>, py::arg("states"), py::arg("particles"),
           py::arg("wants_values"), py::arg("wants_gradient"), py::arg("out_values"),
           py::arg("out_gradient"))
      .def_property_readonly("centers", &KernelQ<T>::centers)
      .def_property_readonly("observation_size", &KernelQ<T>::observation_size)
      .def_property_readonly("action_size", &KernelQ<T>::action_size);
}

/// (n, R) or (n,), float64.
py::array columns_of(const py::handle& object, const char* name, py::ssize_t rows,
                     py::ssize_t& columns) {
  py::array array = array_of(object, name);
  require_dtype(array, name, true);
  columns = array.ndim() == 2 ? array.shape(1) : 1;
  require_shape(array, name, array.ndim() == 2 ? Shape{rows, columns} : Shape{rows});
  return array;
}

using Rows = py::array_t<std::int64_t, py::array::c_style>;

void bind_kernel_ridge(py::module_& m) {
  py::class_<KernelRidge>(m, "KernelRidge")
      .def(py::init([](const py::handle& states, const py::handle& actions,
                       const py::handle& state_lengthscale, const py::handle& action_lengthscale,
                       const std::string& kernel) {
             const py::array s = matrix_of(states, "states", true);
             const py::array a = matrix_of(actions, "actions", true);
             require_shape(a, "actions", {s.shape(0), a.shape(1)});
             const py::array ls =
                 vector_of(state_lengthscale, "state_lengthscale", true, s.shape(1));
             const py::array la =
                 vector_of(action_lengthscale, "action_lengthscale", true, a.shape(1));
             const Profile profile = profile_of(kernel);
             py::gil_scoped_release release;
             return std::make_unique<KernelRidge>(data<double>(s), data<double>(a), s.shape(0),
                                                  s.shape(1), a.shape(1), data<double>(ls),
                                                  data<double>(la), profile);
           }),
           py::arg("states"), py::arg("actions"), py::arg("state_lengthscale"),
           py::arg("action_lengthscale"), py::arg("kernel"))
      .def(
          "add_centers",
          [](KernelRidge& ridge, const Rows& rows) {
            if (rows.ndim() != 1) throw py::value_error("centers must be a vector of row numbers");
            const std::int64_t* begin = rows.data();
            const py::ssize_t count = rows.size();
            py::gil_scoped_release release;
            ridge.add_centers(begin, count);
          },
          py::arg("rows").noconvert())
      .def(
          "add_greedy_centers",
          [](KernelRidge& ridge, std::int64_t most, double tolerance, const py::object& candidate) {
            py::array_t<bool, py::array::c_style> mask;
            const std::uint8_t* chosen = nullptr;
            if (!candidate.is_none()) {
              mask = candidate.cast<py::array_t<bool, py::array::c_style>>();
              if (mask.ndim() != 1 || mask.size() != ridge.count()) {
                throw py::value_error("candidate must be a vector of n truth values");
              }
              chosen = reinterpret_cast<const std::uint8_t*>(mask.data());
            }
            py::gil_scoped_release release;
            ridge.add_greedy_centers(most, tolerance, chosen);
          },
          py::arg("most"), py::arg("tolerance"), py::arg("candidate"))
      .def("factor", &KernelRidge::factor, py::arg("ridge"),
           py::call_guard<py::gil_scoped_release>())
      .def(
          "solve",
          [](const KernelRidge& ridge, const py::handle& targets) {
            py::ssize_t columns = 1;
            const py::array y = columns_of(targets, "targets", ridge.count(), columns);
            Shape shape{ridge.centers()};
            if (y.ndim() == 2) shape.push_back(columns);
            py::array weights = output(py::none(), "weights", shape, true);
            double* to = mutable_data<double>(weights);
            py::gil_scoped_release release;
            ridge.solve(data<double>(y), columns, to);
            return weights;
          },
          py::arg("targets"))
      .def(
          "fitted",
          [](const KernelRidge& ridge, const py::handle& weights) {
            py::ssize_t columns = 1;
            const py::array w = columns_of(weights, "weights", ridge.centers(), columns);
            Shape shape{ridge.count()};
            if (w.ndim() == 2) shape.push_back(columns);
            py::array values = output(py::none(), "values", shape, true);
            double* to = mutable_data<double>(values);
            py::gil_scoped_release release;
            ridge.fitted(data<double>(w), columns, to);
            return values;
          },
          py::arg("weights"))
      .def("features",
           [](const KernelRidge& ridge) {
             py::array out = output(py::none(), "out", {ridge.count(), ridge.centers()}, true);
             ridge.features(mutable_data<double>(out));
             return out;
           })
      .def(
          "weights_of_coefficients",
          [](const KernelRidge& ridge, const py::handle& coefficients) {
            py::ssize_t columns = 1;
            const py::array given =
                columns_of(coefficients, "coefficients", ridge.centers(), columns);
            py::array weights = output(py::none(), "weights",
                                       Shape(given.shape(), given.shape() + given.ndim()), true);
            double* to = mutable_data<double>(weights);
            std::copy_n(data<double>(given), given.size(), to);
            ridge.weights_of_coefficients(to, columns);
            return weights;
          },
          py::arg("coefficients"))
      .def_property_readonly("center_rows",
                             [](const KernelRidge& ridge) {
                               const auto& rows = ridge.center_rows();
                               return py::array_t<std::int64_t>(
                                   static_cast<py::ssize_t>(rows.size()), rows.data());
                             })
      .def_property_readonly("residual_variance",
                             [](const KernelRidge& ridge) {
                               const auto& variance = ridge.residual_variance();
                               return py::array_t<double>(static_cast<py::ssize_t>(variance.size()),
                                                          variance.data());
                             })
      .def_property_readonly("count", &KernelRidge::count)
      .def_property_readonly("centers", &KernelRidge::centers);
}

void bind_soft_backup(py::module_& m) {
  py::class_<SoftBackup>(m, "SoftBackup")
      .def(py::init([](const py::handle& next_states, std::int64_t actions,
                       const py::handle& centers, const py::handle& lengthscale,
                       const py::handle& smoothing) {
             const py::array x = matrix_of(next_states, "next_states", true);
             const py::array c = matrix_of(centers, "centers", true);
             const py::ssize_t O = x.shape(1);
             require_shape(c, "centers", {c.shape(0), O});
             const py::array l = vector_of(lengthscale, "lengthscale", true, O);
             const py::array s = vector_of(smoothing, "smoothing", true, O);
             if (actions < 1 || x.shape(0) % actions != 0) {
               throw py::value_error("next_states must have P * actions rows");
             }
             py::gil_scoped_release release;
             return std::make_unique<SoftBackup>(data<double>(x), x.shape(0) / actions, actions,
                                                 data<double>(c), c.shape(0), O, data<double>(l),
                                                 data<double>(s));
           }),
           py::arg("next_states"), py::arg("actions"), py::arg("centers"), py::arg("lengthscale"),
           py::arg("smoothing"))
      .def(
          "backup",
          [](const SoftBackup& soft, const py::handle& weights, double baseline,
             const py::handle& rewards, const py::handle& continuation,
             const py::handle& log_weight, double temperature) {
            const Shape shape{soft.states(), soft.actions()};
            const py::array w = vector_of(weights, "weights", true, soft.centers());
            py::array parts[3];
            const py::handle given[3] = {rewards, continuation, log_weight};
            const char* names[3] = {"rewards", "continuation", "log_weight"};
            for (int i = 0; i < 3; ++i) {
              parts[i] = array_of(given[i], names[i]);
              require_dtype(parts[i], names[i], true);
              require_shape(parts[i], names[i], shape);
            }
            py::array values = output(py::none(), "values", {soft.states()}, true);
            py::array q = output(py::none(), "q", shape, true);
            double* v = mutable_data<double>(values);
            double* to = mutable_data<double>(q);
            {
              py::gil_scoped_release release;
              soft.backup(data<double>(w), baseline, data<double>(parts[0]), data<double>(parts[1]),
                          data<double>(parts[2]), temperature, v, to);
            }
            return py::make_tuple(values, q);
          },
          py::arg("weights"), py::arg("baseline"), py::arg("rewards"), py::arg("continuation"),
          py::arg("log_weight"), py::arg("temperature"));
}

void bind_kernel_matrix(py::module_& m) {
  m.def(
      "kernel_matrix",
      [](const py::handle& x, const py::handle& centers, const py::handle& lengthscale,
         const std::string& kernel) {
        const py::array a = matrix_of(x, "x", true), c = matrix_of(centers, "centers", true);
        require_shape(c, "centers", {c.shape(0), a.shape(1)});
        const py::array l = vector_of(lengthscale, "lengthscale", true, a.shape(1));
        const Profile profile = profile_of(kernel);
        py::array out = output(py::none(), "out", {a.shape(0), c.shape(0)}, true);
        double* to = mutable_data<double>(out);
        py::gil_scoped_release release;
        kernel_matrix(profile, data<double>(a), a.shape(0), data<double>(c), c.shape(0), a.shape(1),
                      data<double>(l), to);
        return out;
      },
      py::arg("x"), py::arg("centers"), py::arg("lengthscale"), py::arg("kernel") = "gaussian");
  m.def(
      "matrix_product",
      [](const py::handle& left, const py::handle& right) {
        const py::array a = matrix_of(left, "a", true), b = matrix_of(right, "b", true);
        require_shape(b, "b", {a.shape(1), b.shape(1)});
        py::array out = output(py::none(), "out", {a.shape(0), b.shape(1)}, true);
        double* to = mutable_data<double>(out);
        py::gil_scoped_release release;
        matrix_product(data<double>(a), a.shape(0), a.shape(1), data<double>(b), b.shape(1), to);
        return out;
      },
      py::arg("a"), py::arg("b"));
  m.def(
      "ridge_path",
      [](const py::handle& features, const py::handle& targets, const py::handle& ridges,
         bool wants_errors) {
        const py::array f = matrix_of(features, "features", true);
        const py::array y = matrix_of(targets, "targets", true);
        const py::ssize_t n = f.shape(0), p = f.shape(1), k = y.shape(1);
        require_shape(y, "targets", {n, k});
        const py::array penalties = array_of(ridges, "ridges");
        require_dtype(penalties, "ridges", true);
        const py::ssize_t r = penalties.size();
        require_shape(penalties, "ridges", {r});
        py::array coefficients = output(py::none(), "coefficients", {r, p, k}, true);
        py::array errors = output(py::none(), "errors", {r, k}, true);
        double* c = mutable_data<double>(coefficients);
        double* e = wants_errors ? mutable_data<double>(errors) : nullptr;
        {
          py::gil_scoped_release release;
          ridge_path(data<double>(f), n, p, data<double>(y), k, data<double>(penalties), r, c, e);
        }
        return py::make_tuple(coefficients, wants_errors ? py::object(errors) : py::none());
      },
      py::arg("features"), py::arg("targets"), py::arg("ridges"), py::arg("wants_errors"));
}

}  // namespace

void bind_critics(py::module_& m) {
  bind_kernel_q<float>(m, "KernelQ32");
  bind_kernel_q<double>(m, "KernelQ64");
  bind_kernel_ridge(m);
  bind_soft_backup(m);
  bind_kernel_matrix(m);
}

}  // namespace wpg::bindings
