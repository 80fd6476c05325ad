// What every binding asks of its arguments. Nothing is converted: an array has the right type,
// shape and layout, or the call ends with an error that names the argument, what it got and what
// it wants.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "wpg/base/support.hpp"
#include "wpg/base/view.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg::bindings {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

std::string text_of(const Shape& shape);

/// A C-contiguous, aligned NumPy array of float32 or float64.
py::array array_of(const py::handle& object, const char* name);

/// The same with three dimensions, (S, N, D) or (S, K, D), D at least 1.
py::array cloud_of(const py::handle& object, const char* name);

/// Is it float64? Anything but float32 and float64 has been refused by array_of.
bool is_double(const py::array& array);

void require_dtype(const py::array& array, const char* name, bool wants_double);
void require_shape(const py::array& array, const char* name, const Shape& wanted);

/// `object` is None: a new array. Otherwise the same array, checked and writable.
py::array output(const py::handle& object, const char* name, const Shape& shape, bool as_double);

/// An output that may share no memory with an input.
void require_disjoint(const py::array& out, const char* out_name, const py::array& in,
                      const char* in_name);

/// A real number, and no truth value?
bool is_number(const py::handle& object);

/// A real number, exactly as it was given: an int or float of Python or NumPy, no truth value.
double number_of(const py::handle& object, const char* name, const std::string& wants);

/// What a number becomes in the arrays' type must be what it was but for rounding: a step of 1e-60
/// is not one of 0.
[[noreturn]] void refuse_rounding(const py::handle& object, const char* name, bool as_double);

std::uint64_t seed_of(const py::handle& object);
std::uint64_t step_of(const py::handle& object);

template <class T>
const T* data(const py::array& array) {
  return static_cast<const T*>(array.data());
}

template <class T>
T* mutable_data(py::array& array) {
  return static_cast<T*>(array.mutable_data());
}

/// A number, or an array of shape (S,).
template <class T>
class PerStateArgument {
 public:
  PerStateArgument(const py::handle& object, const char* name, py::ssize_t states) {
    if (py::isinstance<py::array>(object)) {
      const py::array array = array_of(object, name);
      require_dtype(array, name, sizeof(T) == 8);
      if (array.ndim() == 0) {
        value_ = *data<T>(array);
        return;
      }
      require_shape(array, name, {states});
      keep_ = array;
      data_ = data<T>(array);
      return;
    }
    const double given =
        number_of(object, name, "a number or an array of shape (" + std::to_string(states) + ",)");
    value_ = static_cast<T>(given);
    if ((given != 0 && value_ == T(0)) || (std::isfinite(given) && !std::isfinite(value_))) {
      refuse_rounding(object, name, sizeof(T) == 8);
    }
  }

  /// An output that is also read as this argument would change it on the way.
  void require_apart(const py::array& out, const char* out_name, const char* name) const {
    if (data_ == nullptr || out.size() == 0) return;
    require_disjoint(out, out_name, py::reinterpret_borrow<py::array>(keep_), name);
  }

  PerState<T> view() const {
    return data_ == nullptr ? PerState<T>{&value_, 0} : PerState<T>{data_, 1};
  }

 private:
  py::object keep_;  // a default-constructed py::array would be a new array
  const T* data_ = nullptr;
  T value_ = 0;
};

/// (kind, low, high) as wpg.supports hands it over.
template <class T>
Support<T> support_of(const py::handle& object, py::ssize_t dimension);

/// (kind, matrix, root) as wpg.transport hands it over, or None.
template <class T>
Preconditioner<T> preconditioner_of(const py::handle& object, py::ssize_t states,
                                    py::ssize_t dimension, py::object& keep_matrix,
                                    py::object& keep_root);

void bind_base(py::module_& m);
void bind_transport(py::module_& m);
void bind_critics(py::module_& m);
void bind_density(py::module_& m);
void bind_flow(py::module_& m);
void bind_networks(py::module_& m);
void bind_bench(py::module_& m);

}  // namespace wpg::bindings
