#include "args.hpp"

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

bool is_number(const py::handle& object) {
  PyObject* const given = object.ptr();
  return PyFloat_Check(given) ||
         (!PyBool_Check(given) &&
          (PyLong_Check(given) ||
           py::isinstance(object, py::module_::import("numbers").attr("Real"))));
}

double number_of(const py::handle& object, const char* name, const std::string& wants) {
  PyObject* const given = object.ptr();
  if (PyFloat_Check(given)) return PyFloat_AS_DOUBLE(given);
  if (!is_number(object)) {
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

}  // namespace wpg::bindings
