// What the loops of KernelQ on a CPU and on a GPU share. V is a number or a vector of numbers.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// term with the sign of the weight: signs are +0 or -0.
template <class V>
WPG_FORMULA V with_sign(V term, V sign) {
  using U = unsigned_of<V>;
  return same_bits<V>(U(same_bits<U>(term) ^ same_bits<U>(sign)));
}

/// By how much the exponent of a centre is below the highest when it is skipped: log2 (M / u), with
/// log2 M rounded up.
template <class T>
WPG_FORMULA T skipping_range(std::int64_t centers) {
  T power = 1, bits = 0;
  while (power < static_cast<T>(centers)) {
    power *= 2;
    bits += 1;
  }
  return bits + (sizeof(T) == 4 ? 24 : 53);
}

/// No exponent counts as lower than this; where all are, every term is 0.
template <class T>
inline constexpr T kLowestExponent = T(-1e6);

}  // namespace wpg
