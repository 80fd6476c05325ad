// Threads, instruction sets, noise.
#include <pybind11/stl.h>

#include "args.hpp"
#include "wpg/base/isa.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/base/squash.hpp"

namespace wpg::bindings {
namespace {

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
