# cmake -D NVCC=nvcc -D OPTIONS=--fmad=false,-arch=compute_75 -D INCLUDE=cpp -D SOURCE=x.cu
#       -D DOUBLE_LIBRARY=OFF -P test_ptx.cmake
# Fails if the PTX of a file whose bits must be the CPU's holds floating-point arithmetic that is
# fused, approximate, flushes to zero, or lets the assembler fuse: .rn of a product and a sum says
# that it may not (PTX ISA, "add", "mul"), and of a quotient and a square root that it is exact.
#
# DOUBLE_LIBRARY: the file calls one of CUDA's mathematical functions in double, which hold fused
# multiply-adds and approximate reciprocals; what is in float, and what the compiler chose itself,
# must be exact all the same.

string(REPLACE "," ";" options "${OPTIONS}")
execute_process(COMMAND ${NVCC} -std=c++17 -ptx ${options} -I${INCLUDE} ${SOURCE}
                        -o -
                OUTPUT_VARIABLE ptx ERROR_VARIABLE said RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${NVCC} -ptx ${SOURCE}: ${status}\n${said}")
endif()
if(NOT ptx MATCHES "\\.target sm_")
  message(FATAL_ERROR "${NVCC} -ptx ${SOURCE} gave no PTX")
endif()
# Instructions as "mul.rn.f32", each once. Semicolons would be read as list syntax.
string(REPLACE ";" "\n" ptx "${ptx}")
string(REGEX MATCHALL "[\n\t ][a-z][a-z0-9_]*\\.[a-z0-9_.]*f(16|32|64)[a-z0-9_.]*" found "${ptx}")
list(TRANSFORM found STRIP)
list(REMOVE_DUPLICATES found)
set(wrong "")
foreach(instruction IN LISTS found)
  if(instruction MATCHES "^(add|sub|mul|div|sqrt)\\.rn\\.f(32|64)$")
    continue()
  endif()
  # No arithmetic: moved, chosen, compared, a sign changed, an integer made a number.
  if(instruction MATCHES "^(mov|ld|st|selp|setp|set|neg|abs|shfl|min|max|copysign)\\."
     AND NOT instruction MATCHES "\\.(ftz|approx)")
    continue()
  endif()
  if(instruction MATCHES "^cvt\\.(rn\\.)?f(32|64)\\.[suf](32|64)$"
     OR instruction MATCHES "^cvt\\.rzi\\.[su](32|64)\\.f(32|64)$")
    continue()
  endif()
  if(DOUBLE_LIBRARY
     AND instruction MATCHES "^(fma\\.rn|rcp\\.rn|rcp\\.approx\\.ftz|cvt\\.rni\\.s32)\\.f64$")
    continue()
  endif()
  list(APPEND wrong ${instruction})
endforeach()
if(wrong)
  list(SORT wrong)
  list(JOIN wrong " " text)
  message(FATAL_ERROR "${SOURCE} does not have the CPU's arithmetic: ${text}")
endif()
