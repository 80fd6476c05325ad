# wpg::core: the compiled routines, without Python.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(wpg_core STATIC
  cpp/wpg/base/isa.cpp
  cpp/wpg/base/normal.cpp
  cpp/wpg/base/parallel.cpp
  cpp/wpg/base/squash.cpp
  cpp/wpg/base/uninitialised.cpp
  cpp/wpg/transport/adaptive_step_size.cpp
  cpp/wpg/transport/birth_death.cpp
  cpp/wpg/transport/blob.cpp
  cpp/wpg/transport/langevin.cpp
  cpp/wpg/transport/leimkuhler_matthews.cpp
  cpp/wpg/transport/mala.cpp
  cpp/wpg/transport/svgd.cpp
  cpp/wpg/density/bandwidth.cpp
  cpp/wpg/density/kde.cpp
  cpp/wpg/density/mixture.cpp
  cpp/wpg/density/stein_discrepancy.cpp
  cpp/wpg/critics/center_index.cpp
  cpp/wpg/critics/kernel_matrix.cpp
  cpp/wpg/critics/kernel_q.cpp
  cpp/wpg/critics/kernel_ridge.cpp
  cpp/wpg/critics/profiles/profile.cpp
  cpp/wpg/critics/ridge_path.cpp
  cpp/wpg/critics/soft_backup.cpp
  cpp/wpg/flow/flow.cpp
  cpp/wpg/networks/mlp.cpp)
add_library(wpg::core ALIAS wpg_core)
set_target_properties(wpg_core PROPERTIES EXPORT_NAME core)
target_compile_features(wpg_core PUBLIC cxx_std_17)
target_compile_options(wpg_core PRIVATE -Wall -Wextra -Wshadow -ffp-contract=off)
target_include_directories(wpg_core PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/cpp>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

if(WPG_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(wpg_core PRIVATE OpenMP::OpenMP_CXX)
  target_compile_definitions(wpg_core PRIVATE WPG_OPENMP)
endif()

# These files are compiled once per instruction set, each time in a namespace of that name.
# Contraction changes bits, so the noise and Langevin steps never have it; pairwise sums state an
# error bound instead and may use fused multiply-add. Eigen is renamed per instruction set: two
# copies of one template under one name would be merged by the linker, and the wrong one may stay.
function(wpg_instruction_set name)
  foreach(kind exact pairwise)
    set(object wpg_${kind}_${name})
    if(kind STREQUAL "exact")
      add_library(${object} OBJECT
        cpp/wpg/base/normal_cpu.cpp
        cpp/wpg/transport/langevin_cpu.cpp
        cpp/wpg/transport/mala_cpu.cpp
        cpp/wpg/flow/flow_cpu.cpp)
      target_compile_options(${object} PRIVATE -ffp-contract=off)
    else()
      add_library(${object} OBJECT
        cpp/wpg/base/gaussian_pairs_cpu.cpp
        cpp/wpg/transport/blob_cpu.cpp
        cpp/wpg/transport/svgd_cpu.cpp
        cpp/wpg/density/bandwidth_cpu.cpp
        cpp/wpg/density/kde_cpu.cpp
        cpp/wpg/density/mixture_cpu.cpp
        cpp/wpg/density/stein_discrepancy_cpu.cpp
        cpp/wpg/critics/kernel_q_cpu.cpp
        cpp/wpg/critics/kernel_ridge_cpu.cpp
        cpp/wpg/critics/soft_backup_cpu.cpp
        cpp/wpg/networks/mlp_cpu.cpp)
      target_compile_options(${object} PRIVATE -ffp-contract=fast)
      target_link_libraries(${object} PRIVATE Eigen3::Eigen)
      # Eigen sums products of tiny matrices in an order that depends on the address of the result,
      # so bits would change from run to run; at threshold 0 it never does.
      target_compile_definitions(${object} PRIVATE Eigen=Eigen_${name} EIGEN_DONT_PARALLELIZE
                                 EIGEN_GEMM_TO_COEFFBASED_THRESHOLD=0)
    endif()
    target_include_directories(${object} PRIVATE ${PROJECT_SOURCE_DIR}/cpp)
    target_compile_definitions(${object} PRIVATE WPG_ISA=${name})
    target_compile_options(${object} PRIVATE
      -Wall -Wextra -Wno-psabi -Wno-ignored-attributes
      -O3 -fno-math-errno -fno-trapping-math -fno-tree-loop-distribute-patterns ${ARGN})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # false alarms out of avx512fintrin.h
      target_compile_options(${object} PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
    target_sources(wpg_core PRIVATE $<TARGET_OBJECTS:${object}>)
    list(APPEND objects ${object})
  endforeach()
  set(WPG_INSTRUCTION_SET_OBJECTS ${WPG_INSTRUCTION_SET_OBJECTS} ${objects} PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_definitions(WPG_HAVE_AVX2 WPG_HAVE_AVX512)
  set(WPG_INSTRUCTION_SETS avx2 avx512)
  set(WPG_FLAGS_avx2 -mavx2 -mfma)
  set(WPG_FLAGS_avx512
      -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=512)
endif()
list(APPEND WPG_INSTRUCTION_SETS base)
foreach(isa IN LISTS WPG_INSTRUCTION_SETS)
  wpg_instruction_set(${isa} ${WPG_FLAGS_${isa}})
endforeach()

install(TARGETS wpg_core EXPORT wpg-targets COMPONENT core)
install(DIRECTORY cpp/wpg/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/wpg COMPONENT core
        FILES_MATCHING PATTERN "*.hpp")
install(EXPORT wpg-targets NAMESPACE wpg:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/wpg
        FILE wpg-targets.cmake COMPONENT core)
configure_package_config_file(cpp/wpg/wpg-config.cmake.in wpg-config.cmake
        INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/wpg)
write_basic_package_version_file(wpg-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/wpg-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/wpg-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/wpg COMPONENT core)
