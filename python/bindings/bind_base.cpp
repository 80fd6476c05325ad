// Threads, instruction sets, noise, and the checks of args.hpp.
#include <pybind11/stl.h>

#include "args.hpp"
#include "wpg/base/isa.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/base/squash.hpp"

namespace wpg::bindings {
namespace {

std::uint64_t counter_of(const py::handle& object, const char* name, std::uint64_t below_bits) {
  py::object index;
  if (!PyBool_Check(object.ptr())) {
    index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  }
  if (!index) {
    PyErr_Clear();
    throw py::type_error(std::string(name) + " is " + std::string(py::repr(object)) +
                         "; it must be an int");
  }
  const std::uint64_t value = PyLong_AsUnsignedLongLong(index.ptr());
  if (PyErr_Occurred() != nullptr || (below_bits < 64 && value >> below_bits != 0)) {
    PyErr_Clear();
    throw py::value_error(std::string(name) + " is " + std::string(py::repr(object)) +
                          "; it must be an int from 0 to 2^" + std::to_string(below_bits) + " - 1");
  }
  return value;
}

py::array standard_normal_face(const py::tuple& shape, const py::handle& seed,
                               const py::handle& step, std::uint32_t stream, bool as_double,
                               const py::handle& out) {
  Shape wanted;
  for (const auto& n : shape) wanted.push_back(n.cast<py::ssize_t>());
  const std::uint64_t key = seed_of(seed), counter = step_of(step);
  const CloudShape cloud{wanted[0], wanted[1], wanted[2]};
  py::array result = output(out, "out", wanted, as_double);
  void* memory = result.mutable_data();
  py::gil_scoped_release release;
  if (as_double) {
    standard_normal(static_cast<double*>(memory), cloud, key, static_cast<Stream>(stream), counter);
  } else {
    standard_normal(static_cast<float*>(memory), cloud, key, static_cast<Stream>(stream), counter);
  }
  return result;
}

/// A map between actions (..., D) of a squashed box and its line.
enum SquashMap { to_unbounded, to_actions, slope, slope_gradient };

template <class T>
py::array run_squash(SquashMap map, const char* name, const py::array& given,
                     const py::handle& support, const py::handle& out) {
  Shape shape(given.shape(), given.shape() + given.ndim());
  const py::ssize_t D = shape.back();
  const Support<T> box = support_of<T>(support, D);
  if (map == slope) shape.pop_back();
  py::array result = output(out, "out", shape, sizeof(T) == 8);
  if (map == slope && result.size() > 0) require_disjoint(result, "out", given, name);
  T* to = mutable_data<T>(result);
  const T* from = data<T>(given);
  const std::int64_t rows = given.size() / D;
  const std::size_t bytes = static_cast<std::size_t>(given.nbytes());
  py::gil_scoped_release release;
  if (map != slope) require_same_or_disjoint(to, bytes, from, bytes, name);
  if (map == to_unbounded) unbounded_of_actions(to, from, rows, box, name);
  if (map == to_actions) actions_of_unbounded(to, from, rows, box);
  if (map == slope) log_slope(to, from, rows, box, name);
  if (map == slope_gradient) log_slope_gradient(to, from, rows, box, name);
  return result;
}

void bind_squash(py::module_& m, const char* function, SquashMap map, const char* name) {
  m.def(
      function,
      [map, name](const py::handle& given, const py::handle& support, const py::handle& out) {
        const py::array array = array_of(given, name);
        if (array.ndim() < 1 || array.shape(array.ndim() - 1) < 1) {
          throw py::value_error(std::string(name) + " must be (..., D) with D >= 1");
        }
        return (is_double(array) ? run_squash<double> : run_squash<float>)(map, name, array,
                                                                           support, out);
      },
      py::arg(name), py::arg("support"), py::arg("out"));
}

}  // namespace

std::string text_of(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

static Shape shape_of(const py::array& array) {
  return Shape(array.shape(), array.shape() + array.ndim());
}

/// Only a subclass can be one, and most arrays are none.
static bool is_masked(const py::handle& object) {
  return Py_TYPE(object.ptr()) != py::detail::npy_api::get().PyArray_Type_ &&
         py::isinstance(object, py::module_::import("numpy.ma").attr("MaskedArray"));
}

py::array array_of(const py::handle& object, const char* name) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(std::string(name) + " is " + std::string(py::str(py::type::of(object))) +
                         "; it must be a NumPy array of float32 or float64");
  }
  if (is_masked(object)) {
    throw py::type_error(std::string(name) +
                         " is a masked array, whose mask would be lost; give a plain array");
  }
  auto array = py::reinterpret_borrow<py::array>(object);
  const bool number = array.dtype().kind() == 'f' &&
                      (array.itemsize() == 4 || array.itemsize() == 8) &&
                      (array.dtype().byteorder() == '=' || array.dtype().byteorder() == '|');
  if (!number) {
    throw py::type_error(std::string(name) + " has dtype " + std::string(py::str(array.dtype())) +
                         "; it must be float32 or float64, in native byte order");
  }
  if ((array.flags() & py::array::c_style) == 0) {
    throw py::value_error(std::string(name) + " with shape " + text_of(shape_of(array)) +
                          " is not C-contiguous; give np.ascontiguousarray(" + name + ")");
  }
  if (reinterpret_cast<std::uintptr_t>(array.data()) % static_cast<std::size_t>(array.itemsize())) {
    throw py::value_error(std::string(name) + " is not aligned to its item size; give a copy");
  }
  return array;
}

py::array cloud_of(const py::handle& object, const char* name) {
  py::array array = array_of(object, name);
  if (array.ndim() != 3 || array.shape(2) < 1) {
    throw py::value_error(std::string(name) + " has shape " +
                          text_of(Shape(array.shape(), array.shape() + array.ndim())) +
                          "; it must have three dimensions, the last of them at least 1");
  }
  return array;
}

bool is_double(const py::array& array) { return array.itemsize() == 8; }

void require_dtype(const py::array& array, const char* name, bool wants_double) {
  if (is_double(array) != wants_double) {
    throw py::type_error(std::string(name) + " has dtype " + std::string(py::str(array.dtype())) +
                         "; the other arrays of this call are " +
                         (wants_double ? "float64" : "float32") + ", and nothing is converted");
  }
}

void require_shape(const py::array& array, const char* name, const Shape& wanted) {
  if (shape_of(array) != wanted) {
    throw py::value_error(std::string(name) + " has shape " + text_of(shape_of(array)) +
                          "; it must be " + text_of(wanted));
  }
}

py::array output(const py::handle& object, const char* name, const Shape& shape, bool as_double) {
  if (object.is_none()) {
    return py::array(as_double ? py::dtype::of<double>() : py::dtype::of<float>(), shape);
  }
  py::array array = array_of(object, name);
  require_dtype(array, name, as_double);
  require_shape(array, name, shape);
  if (!array.writeable()) {
    throw py::value_error(std::string(name) + " is read-only; give an array that can be written");
  }
  return array;
}

void require_disjoint(const py::array& out, const char* out_name, const py::array& in,
                      const char* in_name) {
  const auto a = reinterpret_cast<std::uintptr_t>(out.data());
  const auto b = reinterpret_cast<std::uintptr_t>(in.data());
  if (a < b + static_cast<std::size_t>(in.nbytes()) &&
      b < a + static_cast<std::size_t>(out.nbytes())) {
    throw py::value_error(std::string(out_name) + " shares memory with " + in_name +
                          "; give it memory of its own");
  }
}

double number_of(const py::handle& object, const char* name, const std::string& wants) {
  PyObject* const given = object.ptr();
  if (PyFloat_Check(given)) return PyFloat_AS_DOUBLE(given);
  const bool number =
      !PyBool_Check(given) &&
      (PyLong_Check(given) || py::isinstance(object, py::module_::import("numbers").attr("Real")));
  if (!number) {
    throw py::type_error(std::string(name) + " is " + std::string(py::str(py::type::of(object))) +
                         "; it must be " + wants);
  }
  const double value = PyFloat_AsDouble(given);
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw py::value_error(std::string(name) + " is too large for a float; it must be " + wants);
  }
  return value;
}

void refuse_rounding(const py::handle& object, const char* name, bool as_double) {
  throw py::value_error(std::string(name) + " is " + std::string(py::repr(object)) +
                        ", which is 0 or infinite in " + (as_double ? "float64" : "float32") +
                        ", the type of the arrays");
}

std::uint64_t seed_of(const py::handle& object) { return counter_of(object, "seed", 64); }
std::uint64_t step_of(const py::handle& object) { return counter_of(object, "step", 40); }

template <class T>
Support<T> support_of(const py::handle& object, py::ssize_t dimension) {
  if (object.is_none()) return Support<T>::unbounded();
  const auto parts = py::reinterpret_borrow<py::tuple>(object);
  const auto kind = parts[0].cast<std::string>();
  const py::array low = array_of(parts[1], "low"), high = array_of(parts[2], "high");
  require_dtype(low, "low", sizeof(T) == 8);
  require_dtype(high, "high", sizeof(T) == 8);
  require_shape(low, "support.low", {dimension});
  require_shape(high, "support.high", {dimension});
  if (kind == "torus") return Support<T>::torus(data<T>(high), dimension);
  const SupportKind box = kind == "reflect"  ? SupportKind::box_reflect
                          : kind == "clip"   ? SupportKind::box_clip
                          : kind == "tanh"   ? SupportKind::box_tanh
                          : kind == "probit" ? SupportKind::box_probit
                                             : SupportKind::unbounded;
  if (box == SupportKind::unbounded) {
    throw py::value_error("support has the boundary '" + kind + "', which is not known here");
  }
  return Support<T>::box(data<T>(low), data<T>(high), dimension, box);
}

template Support<float> support_of<float>(const py::handle&, py::ssize_t);
template Support<double> support_of<double>(const py::handle&, py::ssize_t);

template <class T>
Preconditioner<T> preconditioner_of(const py::handle& object, py::ssize_t states,
                                    py::ssize_t dimension, py::object& keep_matrix,
                                    py::object& keep_root) {
  Preconditioner<T> result;
  if (object.is_none()) return result;
  const auto parts = py::reinterpret_borrow<py::tuple>(object);
  const bool full = parts[0].cast<std::string>() == "full";
  result.kind = full ? Preconditioner<T>::Kind::full : Preconditioner<T>::Kind::diagonal;
  const py::array matrix = array_of(parts[1], "preconditioner");
  require_dtype(matrix, "preconditioner", sizeof(T) == 8);
  const Shape one = full ? Shape{dimension, dimension} : Shape{dimension};
  Shape each{states};
  each.insert(each.end(), one.begin(), one.end());
  if (matrix.ndim() == static_cast<py::ssize_t>(each.size())) {
    require_shape(matrix, "preconditioner", each);
    result.stride = full ? dimension * dimension : dimension;
  } else {
    require_shape(matrix, "preconditioner", one);
  }
  keep_matrix = matrix;
  result.matrix = data<T>(matrix);
  if (full) {
    const py::array root = array_of(parts[2], "preconditioner");
    require_dtype(root, "preconditioner", sizeof(T) == 8);
    keep_root = root;
    result.root = data<T>(root);
  }
  return result;
}

template Preconditioner<float> preconditioner_of<float>(const py::handle&, py::ssize_t, py::ssize_t,
                                                        py::object&, py::object&);
template Preconditioner<double> preconditioner_of<double>(const py::handle&, py::ssize_t,
                                                          py::ssize_t, py::object&, py::object&);

void bind_base(py::module_& m) {
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
  m.def("get_num_threads", &get_num_threads);
  m.def("set_work_per_thread", &set_work_per_thread, py::arg("work"));
  m.def("simd_isa", [] { return std::string(isa_name(active_isa())); });
  m.def("set_simd_isa", &set_active_isa, py::arg("name"));
  m.def("available_simd_isas", [] {
    std::vector<std::string> names;
    for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
    return names;
  });
  m.def(
      "philox4x32",
      [](std::vector<std::uint32_t> counter, std::vector<std::uint32_t> key) {
        if (counter.size() != 4 || key.size() != 2) {
          throw py::value_error("philox4x32 wants four counter words and two key words");
        }
        PhiloxKeys<std::uint64_t> keys;
        philox_keys(key[0] | static_cast<std::uint64_t>(key[1]) << 32, keys);
        const auto words =
            philox4x32<std::uint64_t>(counter[0], counter[1], counter[2], counter[3], keys);
        return std::vector<std::uint32_t>{
            static_cast<std::uint32_t>(words.x0), static_cast<std::uint32_t>(words.x1),
            static_cast<std::uint32_t>(words.x2), static_cast<std::uint32_t>(words.x3)};
      },
      py::arg("counter"), py::arg("key"));
  m.def("standard_normal", &standard_normal_face, py::arg("shape"), py::arg("seed"),
        py::arg("step"), py::arg("stream"), py::arg("as_double"), py::arg("out"));
  bind_squash(m, "unbounded_of_actions", to_unbounded, "actions");
  bind_squash(m, "actions_of_unbounded", to_actions, "coordinates");
  bind_squash(m, "log_slope", slope, "actions");
  bind_squash(m, "log_slope_gradient", slope_gradient, "actions");
  const std::vector<std::pair<const char*, Stream>> streams = {
      {"langevin", Stream::langevin},
      {"initial", Stream::initial},
      {"behaviour", Stream::behaviour},
      {"exploration", Stream::exploration},
      {"evaluation", Stream::evaluation},
      {"centers", Stream::centers},
      {"reset", Stream::reset},
      {"replay", Stream::replay},
      {"leimkuhler_matthews", Stream::leimkuhler_matthews},
      {"mala_proposal", Stream::mala_proposal},
      {"mala_acceptance", Stream::mala_acceptance},
      {"birth_death", Stream::birth_death},
      {"network", Stream::network},
      {"policy", Stream::policy},
  };
  py::dict names;
  for (const auto& [name, stream] : streams) names[name] = static_cast<std::uint32_t>(stream);
  m.attr("STREAMS") = names;
}

}  // namespace wpg::bindings
