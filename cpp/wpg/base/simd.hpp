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

template <>
struct LaneTypes<u32v> {
  using Number = std::uint32_t;
  using Signed = i32v;
  using Unsigned = u32v;
};

template <>
struct LaneTypes<u64v> {
  using Number = std::uint64_t;
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

// These instructions return their second operand for equal numbers and NaN, as lanes.hpp promises.
#if defined(__AVX512F__)
WPG_FORMULA f32v larger(f32v a, f32v b) { return (f32v)_mm512_max_ps((__m512)a, (__m512)b); }
WPG_FORMULA f64v larger(f64v a, f64v b) { return (f64v)_mm512_max_pd((__m512d)a, (__m512d)b); }
WPG_FORMULA f32v smaller(f32v a, f32v b) { return (f32v)_mm512_min_ps((__m512)a, (__m512)b); }
WPG_FORMULA f64v smaller(f64v a, f64v b) { return (f64v)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif defined(__AVX2__)
WPG_FORMULA f32v larger(f32v a, f32v b) { return (f32v)_mm256_max_ps((__m256)a, (__m256)b); }
WPG_FORMULA f64v larger(f64v a, f64v b) { return (f64v)_mm256_max_pd((__m256d)a, (__m256d)b); }
WPG_FORMULA f32v smaller(f32v a, f32v b) { return (f32v)_mm256_min_ps((__m256)a, (__m256)b); }
WPG_FORMULA f64v smaller(f64v a, f64v b) { return (f64v)_mm256_min_pd((__m256d)a, (__m256d)b); }
#elif defined(__SSE2__)
WPG_FORMULA f32v larger(f32v a, f32v b) { return (f32v)_mm_max_ps((__m128)a, (__m128)b); }
WPG_FORMULA f64v larger(f64v a, f64v b) { return (f64v)_mm_max_pd((__m128d)a, (__m128d)b); }
WPG_FORMULA f32v smaller(f32v a, f32v b) { return (f32v)_mm_min_ps((__m128)a, (__m128)b); }
WPG_FORMULA f64v smaller(f64v a, f64v b) { return (f64v)_mm_min_pd((__m128d)a, (__m128d)b); }
#else
WPG_FORMULA f32v larger(f32v a, f32v b) { return a > b ? a : b; }
WPG_FORMULA f64v larger(f64v a, f64v b) { return a > b ? a : b; }
WPG_FORMULA f32v smaller(f32v a, f32v b) { return a < b ? a : b; }
WPG_FORMULA f64v smaller(f64v a, f64v b) { return a < b ? a : b; }
#endif

WPG_FORMULA bool any_lane(i32v condition) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)condition, (__m512i)condition) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)condition, (__m256i)condition);
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)condition) != 0;
#else
  std::int32_t any = 0;
  for (int i = 0; i < kLanes<float>; ++i) any |= condition[i];
  return any != 0;
#endif
}

WPG_FORMULA bool any_lane(i64v condition) { return any_lane((i32v)condition); }

/// Bit i is set where the condition holds in lane i.
WPG_FORMULA unsigned mask_of_lanes(i32v condition) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)condition);
#elif defined(__AVX2__)
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)condition));
#elif defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_ps((__m128)condition));
#else
  unsigned mask = 0;
  for (int i = 0; i < kLanes<float>; ++i) mask |= (condition[i] != 0 ? 1u : 0u) << i;
  return mask;
#endif
}

WPG_FORMULA unsigned mask_of_lanes(i64v condition) {
#if defined(__AVX512F__)
  return _mm512_movepi64_mask((__m512i)condition);
#elif defined(__AVX2__)
  return static_cast<unsigned>(_mm256_movemask_pd((__m256d)condition));
#elif defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_pd((__m128d)condition));
#else
  unsigned mask = 0;
  for (int i = 0; i < kLanes<double>; ++i) mask |= (condition[i] != 0 ? 1u : 0u) << i;
  return mask;
#endif
}

/// How the lanes of a mask are packed to the front, to be used for several vectors.
#if defined(__AVX512F__)
using Packing = unsigned;
template <class T>
WPG_FORMULA Packing packing_of(unsigned mask) {
  return mask;
}
WPG_FORMULA f32v pack(f32v v, Packing how) {
  return (f32v)_mm512_maskz_compress_ps(static_cast<__mmask16>(how), (__m512)v);
}
WPG_FORMULA f64v pack(f64v v, Packing how) {
  return (f64v)_mm512_maskz_compress_pd(static_cast<__mmask8>(how), (__m512d)v);
}
#elif defined(__AVX2__)
using Packing = i32v;
/// For a mask of `lanes` lanes of `words` 32-bit words: which word comes from where.
template <int lanes, int words>
struct PackingTable {
  std::int8_t from[1 << lanes][8] = {};
  constexpr PackingTable() {
    for (int mask = 0; mask < 1 << lanes; ++mask) {
      int at = 0;
      for (int lane = 0; lane < lanes; ++lane) {
        if ((mask >> lane & 1) == 0) continue;
        for (int word = 0; word < words; ++word) {
          from[mask][at++] = static_cast<std::int8_t>(lane * words + word);
        }
      }
    }
  }
};
static constexpr PackingTable<8, 1> kPackingOf8;
static constexpr PackingTable<4, 2> kPackingOf4;
template <class T>
WPG_FORMULA Packing packing_of(unsigned mask) {
  const std::int8_t* from = sizeof(T) == 4 ? kPackingOf8.from[mask] : kPackingOf4.from[mask];
  return (i32v)_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}
WPG_FORMULA f32v pack(f32v v, Packing how) {
  return (f32v)_mm256_permutevar8x32_ps((__m256)v, (__m256i)how);
}
WPG_FORMULA f64v pack(f64v v, Packing how) {
  return (f64v)_mm256_permutevar8x32_ps((__m256)v, (__m256i)how);
}
#else
using Packing = unsigned;
template <class T>
WPG_FORMULA Packing packing_of(unsigned mask) {
  return mask;
}
template <class V>
WPG_FORMULA V pack(V v, Packing how) {
  V packed = {};
  int at = 0;
  for (int i = 0; i < kLanes<number_of<V>>; ++i) {
    if ((how >> i & 1u) != 0) packed[at++] = v[i];
  }
  return packed;
}
#endif

#if defined(__AVX2__)
#define WPG_PICKS_OF_FOUR
/// In every lane the number that its index, modulo 4, names.
WPG_FORMULA f32v pick_of_four(float a, float b, float c, float d, u32v index) {
#if defined(__AVX512F__)
  return (f32v)_mm512_permutevar_ps((__m512)f32v{a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d},
                                    (__m512i)index);
#else
  return (f32v)_mm256_permutevar_ps((__m256)f32v{a, b, c, d, a, b, c, d}, (__m256i)index);
#endif
}
#endif

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

/// 32-bit lanes from the low halves of 64-bit lanes: even ones from `even`, odd ones from `odd`.
WPG_FORMULA u32v join_words(u64v even, u64v odd) {
#if defined(__AVX512F__)
  return (u32v)_mm512_mask_blend_epi32(0xAAAA, (__m512i)even, (__m512i)(odd << 32));
#elif defined(__AVX2__)
  return (u32v)_mm256_blend_epi32((__m256i)even, (__m256i)(odd << 32), 0xAA);
#else
  return (u32v)((even & 0xFFFFFFFFu) | (odd << 32));
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
/// For eight flags as the bits of a number: where the lanes whose bit is set are, in order.
struct ChosenLanes {
  alignas(32) std::int32_t lane[256][8];
};

static constexpr ChosenLanes chosen_lanes() {
  ChosenLanes table{};
  for (int flags = 0; flags < 256; ++flags) {
    int count = 0;
    for (int lane = 0; lane < 8; ++lane) {
      if (flags >> lane & 1) table.lane[flags][count++] = lane;
    }
  }
  return table;
}

static constexpr ChosenLanes kChosenLanes = chosen_lanes();
#endif

/// One bit for each lane whose flag is set; with AVX2 two for a double.
template <class V>
WPG_FORMULA unsigned flags_of(V chosen) {
#if defined(__AVX512F__)
  if constexpr (sizeof(chosen[0]) == 4) {
    return _mm512_movepi32_mask((__m512i)chosen);
  } else {
    return _mm512_movepi64_mask((__m512i)chosen);
  }
#elif defined(__AVX2__)
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)chosen));
#elif defined(__SSE2__)
  return static_cast<unsigned>(sizeof(chosen[0]) == 4 ? _mm_movemask_ps((__m128)chosen)
                                                      : _mm_movemask_pd((__m128d)chosen));
#else
  unsigned flags = 0;
  for (std::size_t i = 0; i < sizeof(V) / sizeof(chosen[0]); ++i) {
    flags |= static_cast<unsigned>(chosen[i] & 1) << i;
  }
  return flags;
#endif
}

/// How many lanes have their flag set.
template <class V>
WPG_FORMULA int count_of_flags(V chosen) {
  const unsigned flags = flags_of(chosen);
#if defined(__AVX512F__)
  return __builtin_popcount(flags);
#elif defined(__AVX2__)
  return __builtin_popcount(flags) * 4 / static_cast<int>(sizeof(chosen[0]));
#else
  return static_cast<int>(0x4332322132212110u >> (4 * flags) & 7);  // of four bits at most
#endif
}

/// Writes the lanes whose flag is set next to each other and returns how many they are. Up to a
/// whole vector is written at `to`; what is beyond that count is undefined.
template <class T>
WPG_FORMULA int store_chosen(T* to, vector_of<T> v, signed_of<vector_of<T>> chosen) {
#if defined(__AVX512F__)
  const unsigned flags = flags_of(chosen);
  if constexpr (sizeof(T) == 4) {
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(flags), (__m512)v));
  } else {
    _mm512_storeu_pd(to, _mm512_maskz_compress_pd(static_cast<__mmask8>(flags), (__m512d)v));
  }
#elif defined(__AVX2__)
  const auto* lanes = reinterpret_cast<const __m256i*>(kChosenLanes.lane[flags_of(chosen)]);
  const __m256i moved = _mm256_permutevar8x32_epi32((__m256i)v, _mm256_load_si256(lanes));
  std::memcpy(to, &moved, sizeof(moved));
#else
  int next = 0;
  for (int i = 0; i < kLanes<T>; ++i) {
    to[next] = v[i];
    next -= static_cast<int>(chosen[i]);  // a flag is -1
  }
#endif
  return count_of_flags(chosen);
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

/// The same, kept in a register: the compiler would rather load it anew for every use.
template <class V>
WPG_FORMULA V in_register(V v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__SSE2__)
  __asm__("" : "+x"(v));
#endif
  return v;
}

/// Sum of a vector's lanes, always in the same tree.
template <class T>
WPG_FORMULA T sum_of_lanes(vector_of<T> v) {
  T lane[kLanes<T>];
  store(lane, v);
  for (int width = kLanes<T> / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

/// The largest lane.
template <class T>
WPG_FORMULA T largest_lane(vector_of<T> v) {
  T lane[kLanes<T>];
  store(lane, v);
  T most = lane[0];
  for (int i = 1; i < kLanes<T>; ++i) most = larger(lane[i], most);
  return most;
}

}  // namespace wpg
