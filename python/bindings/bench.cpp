// Contents of wpg._bench: the C++ benchmarks without a compiler at hand.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "report.hpp"
#include "suite.hpp"

PYBIND11_MODULE(_bench, m) {
  namespace py = pybind11;
  m.doc() = "Benchmark cases of the compiled core. Use `wpg bench` or wpg.benchmarks.";
  m.def("names", &wpg::bench::names);
  m.def("context", [] { return wpg::bench::json(wpg::bench::context_of_this_machine()); });
  m.def(
      "run",
      [](const std::string& filter, int repetitions, double min_time, int threads,
         const std::function<void(const std::string&)>& say) {
        const py::gil_scoped_release release;  // taken back for every call of `say`
        return wpg::bench::run({filter, {repetitions, min_time}, threads}, say);
      },
      py::arg("filter"), py::arg("repetitions"), py::arg("min_time"), py::arg("threads"),
      py::arg("say"));
}
