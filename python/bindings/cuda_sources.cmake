# Of the module _cuda, on a GPU and on the host.
set(cuda_sources
  args.cpp
  cuda_args.cpp
  cuda_module.cpp
  bind_cuda_base.cpp
  bind_cuda_critics.cpp
  bind_cuda_density.cpp
  bind_cuda_transport.cpp)
list(TRANSFORM cuda_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
