// Vectors of W numbers for the instruction set that this file is compiled for. Included only by
// the *_cpu.cpp files that CMake compiles once per instruction set, with WPG_ISA naming the
// namespace. Arithmetic comes from the compiler's vector extension; only the four operations that
// it expresses badly are intrinsics.
#pragma once

#include <cstdint>
#include <cstring>

#include "wpg/base/lanes.hpp"

#ifndef WPG_ISA
#error "define WPG_ISA (base, avx2 or avx512) for files that include simd.hpp"
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#define WPG_VECTOR_BYTES 64
#elif defined(__AVX2__)
#include <immintrin.h>
#define WPG_VECTOR_BYTES 32
#elif defined(__SSE2__)
#include <emmintrin.h>
#define WPG_VECTOR_BYTES 16
#else
#define WPG_VECTOR_BYTES 16
#endif

namespace wpg {

using f32v = float __attribute__((vector_size(WPG_VECTOR_BYTES)));
using f64v = double __attribute__((vector_size(WPG_VECTOR_BYTES)));
using i32v = std::int32_t __attribute__((vector_size(WPG_VECTOR_BYTES)));
using u32v = std::uint32_t __attribute__((vector_size(WPG_VECTOR_BYTES)));
using i64v = std::int64_t __attribute__((vector_size(WPG_VECTOR_BYTES)));
using u64v = std::uint64_t __attribute__((vector_size(WPG_VECTOR_BYTES)));

template <>
struct LaneTypes<f32v> {
  using Number = float;
  using Signed = i32v;
  using Unsigned = u32v;
};

template <>
struct LaneTypes<f64v> {
  using Number = double;
  using Signed = i64v;
  using Unsigned = u64v;
};

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type = f32v;
};
template <>
struct VectorOf<double> {
  using type = f64v;
};
template <class T>
using vector_of = typename VectorOf<T>::type;

template <class T>
inline constexpr int kLanes = WPG_VECTOR_BYTES / sizeof(T);

WPG_FORMULA f32v square_root(f32v x) {
#if defined(__AVX512F__)
  return (f32v)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (f32v)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (f32v)_mm_sqrt_ps((__m128)x);
#else
  f32v y;
  for (int i = 0; i < kLanes<float>; ++i) y[i] = std::sqrt(x[i]);
  return y;
#endif
}

WPG_FORMULA f64v square_root(f64v x) {
#if defined(__AVX512F__)
  return (f64v)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX2__)
  return (f64v)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (f64v)_mm_sqrt_pd((__m128d)x);
#else
  f64v y;
  for (int i = 0; i < kLanes<double>; ++i) y[i] = std::sqrt(x[i]);
  return y;
#endif
}

WPG_FORMULA f32v to_number(i32v x) { return __builtin_convertvector(x, f32v); }

WPG_FORMULA u64v multiply_low_words(u64v a, std::uint32_t m) {
  const u64v factor = u64v{} + std::uint64_t{m};
#if defined(__AVX512F__)
  return (u64v)_mm512_mul_epu32((__m512i)a, (__m512i)factor);
#elif defined(__AVX2__)
  return (u64v)_mm256_mul_epu32((__m256i)a, (__m256i)factor);
#elif defined(__SSE2__)
  return (u64v)_mm_mul_epu32((__m128i)a, (__m128i)factor);
#else
  return (a & 0xFFFFFFFFu) * factor;
#endif
}

/// Unaligned load and store.
template <class V, class T>
WPG_FORMULA V load(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

template <class T, class V>
WPG_FORMULA void store(T* to, V v) {
  std::memcpy(to, &v, sizeof(V));
}

}  // namespace wpg
