// Division of whole numbers by one that is known beforehand: a multiplication and a correction,
// where a GPU would take some twenty (32 bits) or eighty (64 bits) instructions.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// The upper half of the product.
WPG_FORMULA std::uint32_t high_product(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>(std::uint64_t{a} * b >> 32);
}

WPG_FORMULA std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
#if defined(__CUDA_ARCH__)
  return __umul64hi(a, b);
#else
  const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32);
#endif
}

/// U is std::uint32_t or std::uint64_t, w its bits.
template <class U>
struct Quotient {
  U whole, rest;
};

/// n / divisor and n % divisor for any n, exactly: with r = floor((2^w - 1) / divisor), n r / 2^w
/// is above n / divisor - 1 and not above n / divisor, so its whole part is short by one at most.
template <class U>
struct Divider {
  U divisor = 1, reciprocal = ~U{0};

  Divider() = default;
  explicit Divider(U by) : divisor(by), reciprocal(~U{0} / by) {}
};

template <class U>
WPG_FORMULA Quotient<U> divide(U n, const Divider<U>& by) {
  U whole = high_product(n, by.reciprocal);
  U rest = n - whole * by.divisor;
  if (rest >= by.divisor) {
    ++whole;
    rest -= by.divisor;
  }
  return {whole, rest};
}

}  // namespace wpg
