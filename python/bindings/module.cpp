// Contents of wpg._core.
#include "args.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled core of wpg. Use the modules of the package: they hold the documentation.";
  wpg::bindings::bind_base(m);
  wpg::bindings::bind_transport(m);
  wpg::bindings::bind_critics(m);
  wpg::bindings::bind_density(m);
  wpg::bindings::bind_flow(m);
  wpg::bindings::bind_networks(m);
  wpg::bindings::bind_bench(m);
}
