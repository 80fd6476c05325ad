// Contents of wpg._cuda.
#include "cuda_args.hpp"

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "The CUDA routines of wpg. Use the modules of the package, which take CUDA arrays.";
  // What the runtime refuses is a RuntimeError with the routine's name.
  wpg::bindings::bind_cuda_base(m);
  wpg::bindings::bind_cuda_transport(m);
  wpg::bindings::bind_cuda_density(m);
  wpg::bindings::bind_cuda_critics(m);
#ifdef WPG_CUDA_ON_HOST
  wpg::bindings::bind_host_memory(m);
#endif
}
