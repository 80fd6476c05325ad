// The C++ benchmarks, for `wpg bench` without a compiler. They stand in this module rather than in
// one of their own, which would need a second copy of every routine that they measure.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "args.hpp"
#include "report.hpp"
#include "suite.hpp"

namespace wpg::bindings {

void bind_bench(py::module_& m) {
  m.def("bench_names", &bench::names);
  m.def("bench_context", [] { return bench::json(bench::context_of_this_machine()); });
  m.def(
      "bench_run",
      [](const std::string& filter, int repetitions, double min_time, int threads,
         const std::function<void(const std::string&)>& say) {
        const py::gil_scoped_release release;  // taken back for every call of `say`
        return bench::run({filter, {repetitions, min_time}, threads}, say);
      },
      py::arg("filter"), py::arg("repetitions"), py::arg("min_time"), py::arg("threads"),
      py::arg("say"));
}

}  // namespace wpg::bindings
