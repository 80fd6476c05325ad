# wpg::cuda: the routines that a GPU has too, without Python and without the CPU's loops.

# Contraction changes bits, so noise and Langevin steps never have it, nor does what orders or
# decides (the median rule, birth and death); sums over pairs state an error bound instead
# (core.cmake).
set(WPG_CUDA_EXACT
  cpp/wpg/base/cuda.cu
  cpp/wpg/base/normal_cuda.cu
  cpp/wpg/density/bandwidth_cuda.cu
  cpp/wpg/flow/flow_cuda.cu
  cpp/wpg/transport/birth_death_cuda.cu
  cpp/wpg/transport/langevin_cuda.cu
  cpp/wpg/transport/mala_cuda.cu)
set(WPG_CUDA_PAIRWISE
  cpp/wpg/critics/kernel_q_cuda.cu
  cpp/wpg/density/kde_cuda.cu
  cpp/wpg/transport/blob_cuda.cu
  cpp/wpg/transport/svgd_cuda.cu)

# AUTO: where there are nvcc and a GPU, for that GPU; or for the generations that
# CMAKE_CUDA_ARCHITECTURES names. ON: machine code for every generation, and PTX for those to come,
# which takes minutes; what is built for other machines wants that.
set(WPG_CUDA AUTO CACHE STRING "Build the CUDA routines: AUTO (where nvcc and a GPU are), ON or OFF")
set_property(CACHE WPG_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT WPG_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "WPG_CUDA is ${WPG_CUDA}; it must be AUTO, ON or OFF")
endif()
file(GLOB wpg_gpus "/dev/nvidia[0-9]*" "/dev/dxg")
set(WPG_HAVE_CUDA OFF)
if(WPG_CUDA STREQUAL "ON" OR
   (WPG_CUDA STREQUAL "AUTO" AND (wpg_gpus OR DEFINED CMAKE_CUDA_ARCHITECTURES)))
  include(CheckLanguage)
  check_language(CUDA)  # a compiler that does not work is none, instead of an error
  if(CMAKE_CUDA_COMPILER)
    if(DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(wpg_generations ${CMAKE_CUDA_ARCHITECTURES})
    endif()
    enable_language(CUDA)
    if(NOT DEFINED wpg_generations)
      if(WPG_CUDA STREQUAL "AUTO" AND CMAKE_CUDA_ARCHITECTURES_NATIVE MATCHES "^[0-9]")
        set(wpg_generations ${CMAKE_CUDA_ARCHITECTURES_NATIVE})
      elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
        set(wpg_generations 75-real 80-real 86-real 89-real 90)
      else()
        set(wpg_generations 75-real 80-real 86-real 89-real 90-real 100-real 120)
      endif()
    endif()
    set(CMAKE_CUDA_ARCHITECTURES ${wpg_generations})
    set(WPG_HAVE_CUDA ON)
  elseif(WPG_CUDA STREQUAL "ON")
    message(FATAL_ERROR "WPG_CUDA is ON, but no CUDA compiler works here; set CUDACXX to an nvcc")
  endif()
endif()
message(STATUS "CUDA routines: ${WPG_HAVE_CUDA} ${CMAKE_CUDA_ARCHITECTURES}")

if(WPG_HAVE_CUDA)
  add_library(wpg_cuda STATIC ${WPG_CUDA_EXACT} ${WPG_CUDA_PAIRWISE})
  add_library(wpg::cuda ALIAS wpg_cuda)
  set_target_properties(wpg_cuda PROPERTIES EXPORT_NAME cuda CUDA_STANDARD 17
    CUDA_STANDARD_REQUIRED ON CUDA_VISIBILITY_PRESET hidden CUDA_RUNTIME_LIBRARY Static)
  target_compile_options(wpg_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings
    -Xcompiler=-Wall,-Wextra,-Wno-unknown-pragmas,-ffp-contract=off>)
  set_source_files_properties(${WPG_CUDA_EXACT} PROPERTIES COMPILE_OPTIONS "--fmad=false")
  target_link_libraries(wpg_cuda PUBLIC wpg_core)
  install(TARGETS wpg_cuda EXPORT wpg-targets COMPONENT core)
endif()
