// The small vocabulary in which a formula is written once and used for a single number, for a
// vector of numbers, and (as a device function) on a GPU. Formula headers (*_math.hpp) use only
//   + - * / sqrt, comparisons, integer operations, and the functions declared here;
// all of these are exactly rounded, so the bits agree on every processor as long as the compiler
// may not contract a*b+c (-ffp-contract=off, --fmad=false).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

// WPG_INLINE is for members, WPG_FORMULA for functions.
#if defined(__CUDACC__)
#define WPG_INLINE __host__ __device__ inline
#define WPG_FORMULA __host__ __device__ static inline
#define WPG_UNROLL(count) _Pragma("unroll")
#elif defined(__GNUC__)
// Internal linkage and always inlined: a file that is compiled once per instruction set must not
// leave a symbol that the linker could merge with another instruction set's copy.
#define WPG_INLINE inline __attribute__((always_inline))
#define WPG_FORMULA static WPG_INLINE
#define WPG_PRAGMA(text) _Pragma(#text)
#define WPG_UNROLL(count) WPG_PRAGMA(GCC unroll count)
#else
#define WPG_INLINE inline
#define WPG_FORMULA static inline
#define WPG_UNROLL(count)
#endif

namespace wpg {

/// As variables: device code may not call functions of std::numeric_limits.
template <class T>
inline constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T>
inline constexpr T kNotANumber = std::numeric_limits<T>::quiet_NaN();

/// For a lane type (a number or a vector of numbers): the number in each lane, and the signed and
/// unsigned integers of the same width.
template <class V>
struct LaneTypes;

template <>
struct LaneTypes<float> {
  using Number = float;
  using Signed = std::int32_t;
  using Unsigned = std::uint32_t;
};

template <>
struct LaneTypes<double> {
  using Number = double;
  using Signed = std::int64_t;
  using Unsigned = std::uint64_t;
};

template <>
struct LaneTypes<std::uint32_t> {
  using Number = std::uint32_t;
};

template <>
struct LaneTypes<std::uint64_t> {
  using Number = std::uint64_t;
};

template <class V>
using number_of = typename LaneTypes<V>::Number;
template <class V>
using signed_of = typename LaneTypes<V>::Signed;
template <class V>
using unsigned_of = typename LaneTypes<V>::Unsigned;

/// The same bits, seen as another type of the same size.
template <class To, class From>
WPG_FORMULA To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// condition ? a : b in every lane.
template <class C, class V>
WPG_FORMULA V select(C condition, V a, V b) {
  return condition ? a : b;
}

/// Is the condition true in any lane?
WPG_FORMULA bool any_lane(bool condition) { return condition; }

/// Absolute value by the sign bit, so that zero and NaN are treated alike everywhere.
template <class V>
WPG_FORMULA V absolute(V x) {
  using U = unsigned_of<V>;
  constexpr auto kAllButSign = ~static_cast<number_of<U>>(0) >> 1;
  return same_bits<V>(U(same_bits<U>(x) & kAllButSign));
}

/// Every lane the same number.
template <class V>
WPG_FORMULA V all_lanes(number_of<V> x) {
  if constexpr (sizeof(V) == sizeof(number_of<V>)) {
    return x;
  } else {
    return x - V{};  // x itself, also for -0, so that nothing is left to compute
  }
}

/// Correctly rounded square root in every lane; simd.hpp adds the vector forms.
WPG_FORMULA float square_root(float x) { return std::sqrt(x); }
WPG_FORMULA double square_root(double x) { return std::sqrt(x); }

/// The larger (smaller) of the two; the second if they are equal or either is NaN.
WPG_FORMULA float larger(float a, float b) { return a > b ? a : b; }
WPG_FORMULA double larger(double a, double b) { return a > b ? a : b; }
WPG_FORMULA float smaller(float a, float b) { return a < b ? a : b; }
WPG_FORMULA double smaller(double a, double b) { return a < b ? a : b; }

/// The signed integer in every lane as a floating point number, rounded to nearest.
WPG_FORMULA float to_number(std::int32_t x) { return static_cast<float>(x); }

/// Low 32 bits of a times m, all 64 bits of the product; high bits of a are ignored.
WPG_FORMULA std::uint64_t multiply_low_words(std::uint64_t a, std::uint32_t m) {
#if defined(__CUDA_ARCH__)
  std::uint64_t product;  // the compiler's own multiplication adds high words of zero
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(static_cast<std::uint32_t>(a)), "r"(m));
  return product;
#else
  return (a & 0xFFFFFFFFu) * m;
#endif
}

}  // namespace wpg

// Vectors are built-in types, which argument-dependent lookup does not see: their overloads must be
// declared before the formulas that call them.
#ifdef WPG_ISA
#include "wpg/base/simd.hpp"
#endif
