// Powers of two, for kernels and densities. V is a number or a vector of numbers.
//
// 2^x = 2^n 2^r, n = round(x), |r| <= 1/2, and a polynomial for 2^r: a Chebyshev interpolant
// computed in 40 digits. Kernels work in base two: exp(-r^2/2) = 2^(-kHalfLog2E r^2).
#pragma once

#include "wpg/base/lanes.hpp"

namespace wpg {

/// log2(e) / 2.
template <class T>
inline constexpr T kHalfLog2E = T(0.72134752044448170368);

/// 2^x for |x| <= 125 (float), <= 1000 (double), unguarded: anything beyond gives any number.
/// Relative error below 2.8e-7 in float, 4e-16 in double (measured in test_kernel_q.cpp).
template <class V>
WPG_FORMULA V power_of_two_within(V x) {
  using U = unsigned_of<V>;
  using T = number_of<V>;
  if constexpr (sizeof(T) == 4) {
    constexpr T kRound = 12582912.0f;  // 1.5 * 2^23: the low bits of the sum hold n
    const V moved = x + kRound;
    const V r = x - (moved - kRound);
    V p = r * 0.001338130254f + 0.009666368515f;
    p = p * r + 0.05550381014f;
    p = p * r + 0.2402234904f;
    p = p * r + 0.6931471806f;
    p = p * r + 1.0f;
    return same_bits<V>(U(same_bits<U>(p) + (same_bits<U>(moved) << 23)));
  } else {
    constexpr T kRound = 6755399441055744.0;  // 1.5 * 2^52
    const V moved = x + kRound;
    const V r = (x - (moved - kRound)) * 0.69314718055994530942;
    V p = r * 2.09146793765839351e-9 + 2.5105206373957011116e-8;
    p = p * r + 2.7557273661348636219e-7;
    p = p * r + 2.7557255425746434682e-6;
    p = p * r + 0.000024801587325533363819;
    p = p * r + 0.00019841269874800491981;
    p = p * r + 0.0013888888888883752417;
    p = p * r + 0.008333333333326140884;
    p = p * r + 0.041666666666669752;
    p = p * r + 0.16666666666666670986;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    return same_bits<V>(U(same_bits<U>(p) + (same_bits<U>(moved) << 52)));
  }
}

/// 2^x for finite x <= 120 (float), <= 1000 (double); below -125 and -1000 the value there. The
/// same relative error.
template <class V>
WPG_FORMULA V power_of_two(V x) {
  using T = number_of<V>;
  return power_of_two_within<V>(larger(V(all_lanes<V>(sizeof(T) == 4 ? T(-125) : T(-1000))), x));
}

/// 2^x for x <= 120 (float), <= 1000 (double), and exactly 0 for x <= -127 (float), <= -1023
/// (double), -infinity included: there n = x, r = 0, and the bits of 1 less those of n are 0. Down
/// to -125 (-1000) the same relative error, below an absolute one of 2^-126 (2^-1000).
template <class V>
WPG_FORMULA V power_of_two_or_zero(V x) {
  using T = number_of<V>;
  return power_of_two_within<V>(larger(V(all_lanes<V>(sizeof(T) == 4 ? T(-127) : T(-1023))), x));
}

/// power_of_two_or_zero by a GPU's own instruction, where there is one: in float a relative error
/// below 2.4e-7 (two units of the last place), and 0 for results below 2^-126.
template <class T>
WPG_FORMULA T power_of_two_of_device(T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == 4) {
    T power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
  }
#endif
  return power_of_two_or_zero<T>(x);
}

/// The square root, and 1 over it, likewise: in float a relative error below 2.4e-7 on a GPU.
template <class V>
WPG_FORMULA V square_root_of_device(V x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(V) == 4) {
    V root;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
    return root;
  }
#endif
  return square_root(x);
}

template <class V>
WPG_FORMULA V inverse_square_root_of_device(V x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(V) == 4) {
    V root;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
    return root;
  }
#endif
  return 1 / square_root(x);
}

/// power_of_two up to a constant factor, in fewer multiplications where there is an instruction for
/// it, and with a sign (+0 or -0): kScale of(x, sign) = sign 2^x. Relative error below 4.5e-7 in
/// float. Without kLimited x must be at least -120 (float), -1000 (double); with it, below, the
/// value there.
template <class V>
struct ScaledPowerOfTwo {
  static constexpr number_of<V> kScale = 1;
  template <bool kLimited>
  WPG_FORMULA V of(V x, V sign) {
    using U = unsigned_of<V>;
    return same_bits<V>(U(same_bits<U>(power_of_two<V>(x)) ^ same_bits<U>(sign)));
  }
};

#ifdef WPG_PICKS_OF_FOUR
/// n/4 = x rounded to a quarter; 2^(n/4) from four numbers and the exponent's bits, a monic cubic
/// for the rest, |r| <= 1/8. The numbers have the bits of n modulo 4 taken off, which come back
/// with the exponent.
template <>
struct ScaledPowerOfTwo<f32v> {
  static constexpr float kScale = 0.05548327847f;
  template <bool kLimited>
  WPG_FORMULA f32v of(f32v x, f32v sign) {
    constexpr float kRound = 3145728.0f;  // 1.5 * 2^21: the low bits of the sum hold n
    if (kLimited) x = larger(f32v(all_lanes<f32v>(-120.0f)), x);
    const f32v moved = x + kRound;
    const f32v r = x - (moved - kRound);
    f32v p = (r + 4.33241724f) * r + 12.4929104f;
    p = p * r + 18.0234430f;
    const u32v n = same_bits<u32v>(moved);
    const f32v four = pick_of_four(1.0f, 0x1.F06FE0p-1f, 0x1.EA09E6p-1f, 0x1.EE89FAp-1f, n);
    return p * same_bits<f32v>(u32v((same_bits<u32v>(four) + (n << 21)) ^ same_bits<u32v>(sign)));
  }
};
#endif

}  // namespace wpg
