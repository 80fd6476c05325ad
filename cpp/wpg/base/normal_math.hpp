// From random words to standard normals: sine and cosine of our own, so that every processor gives
// the same bits, and the Box-Muller pair. V is a number or a vector of numbers.
//
// Polynomials are Chebyshev interpolants computed in 40 digits. A normal draw differs from the
// exact function of its random words by less than 1e-6 (float) and 4e-15 (double): test_normal.cpp.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"
#include "wpg/base/logarithm_math.hpp"

namespace wpg {

template <class V>
struct NormalPair {
  V first, second;
};

/// -2 log((word + 1/2) / 2^bits), bits the number of random bits that are used: 31 of a float's
/// word, 52 of a double's. A float's word + 1/2 is rounded to float first, which may give 1. In
/// [0, 45) and [0, 74), so a normal draw reaches 6.7 and 8.5.
template <class V>
WPG_FORMULA V minus_two_log_of_uniform(unsigned_of<V> word) {
  using I = signed_of<V>;
  using U = unsigned_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    const V x = to_number(same_bits<I>(U(word >> 1))) + 0.5f;
    return minus_two_log<31>(x);
  } else {
    const U mantissa = (word >> 12) | 0x3FF0000000000000u;
    const V x = same_bits<V>(mantissa) - (1.0 - 1.1102230246251565404e-16);
    return minus_two_log<0>(x);
  }
}

/// A standard exponential, -log of a uniform number.
template <class V>
WPG_FORMULA V exponential_of(unsigned_of<V> word) {
  return minus_two_log_of_uniform<V>(word) * number_of<V>(0.5);
}

/// A point on the unit circle, uniform for a uniform word: an angle in +-pi/4 from all but the top
/// two bits, its cosine's sign from the top bit, and which coordinate is which from the next.
template <class V>
WPG_FORMULA NormalPair<V> point_on_circle(unsigned_of<V> word) {
  using I = signed_of<V>;
  using U = unsigned_of<V>;
  if constexpr (sizeof(number_of<V>) == 4) {
    const V angle = to_number(same_bits<I>(U(word << 2))) * 3.65729504e-10f;  // pi / 2^33
    const V t = angle * angle;
    V sine = t * -0.0001958789088f + 0.008332748271f;
    sine = sine * t - 0.1666666466f;
    sine = sine * (t * angle) + angle;
    V cosine = t * 2.454794209e-5f - 0.001388830304f;
    cosine = cosine * t + 0.04166666466f;
    cosine = cosine * (t * t) + (t * -0.5f + 1.0f);
    cosine = same_bits<V>(U(same_bits<U>(cosine) ^ (word & 0x80000000u)));
    const auto swapped = same_bits<I>(U(word << 1)) < 0;
    return {select(swapped, sine, cosine), select(swapped, cosine, sine)};
  } else {
    // 52 bits as a number in [1, 2): exact.
    const U mantissa = ((word << 2) >> 12) | 0x3FF0000000000000u;
    const V angle = (same_bits<V>(mantissa) - 1.5) * 1.57079632679489661923;
    const V t = angle * angle;
    V sine = t * -7.5866971177069179847e-13 + 1.6058531618986146836e-10;
    sine = sine * t - 2.5052106232447577328e-8;
    sine = sine * t + 2.7557319219339166518e-6;
    sine = sine * t - 0.00019841269841265064947;
    sine = sine * t + 0.0083333333333333314921;
    sine = sine * t - 0.16666666666666666666;
    sine = sine * (t * angle) + angle;
    V cosine = t * 4.7458719020432915366e-14 - 1.1470460887609959107e-11;
    cosine = cosine * t + 2.0876755791080423807e-9;
    cosine = cosine * t - 2.7557319221402824394e-7;
    cosine = cosine * t + 0.000024801587301584646428;
    cosine = cosine * t - 0.0013888888888888887865;
    cosine = cosine * t + 0.041666666666666666666;
    cosine = cosine * (t * t) + (t * -0.5 + 1.0);
    cosine = same_bits<V>(U(same_bits<U>(cosine) ^ (word & 0x8000000000000000u)));
    const auto swapped = same_bits<I>(U(word << 1)) < 0;
    return {select(swapped, sine, cosine), select(swapped, cosine, sine)};
  }
}

/// Two independent standard normals: sqrt(-2 log u) times a point on the circle. `square` is
/// minus_two_log_of_uniform of the first random word, `circle_word` the second one.
/// Source: Box, Muller 1958.
template <class V>
WPG_FORMULA NormalPair<V> box_muller(V square, unsigned_of<V> circle_word) {
  const V radius = square_root(square);
  const NormalPair<V> point = point_on_circle<V>(circle_word);
  return {radius * point.first, radius * point.second};
}

}  // namespace wpg
