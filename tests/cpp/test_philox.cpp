// Known answers of Philox4x32-10 (Random123's kat_vectors), and vector lanes against a number.
#include <array>

#include "check.hpp"
#include "wpg/base/philox.hpp"

namespace {

using Words = std::array<std::uint32_t, 4>;

Words philox(const Words& c, std::uint64_t key) {
  wpg::PhiloxKeys<std::uint64_t> keys;
  wpg::philox_keys(key, keys);
  const auto out = wpg::philox4x32<std::uint64_t>(c[0], c[1], c[2], c[3], keys);
  return {static_cast<std::uint32_t>(out.x0), static_cast<std::uint32_t>(out.x1),
          static_cast<std::uint32_t>(out.x2), static_cast<std::uint32_t>(out.x3)};
}

}  // namespace

int main() {
  CHECK(philox({0, 0, 0, 0}, 0) == (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox({kOnes, kOnes, kOnes, kOnes}, ~std::uint64_t{0}) ==
        (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
        (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));

  // High halves of the lanes may be dirty.
  wpg::PhiloxKeys<std::uint64_t> keys;
  wpg::philox_keys(0x299f31d0a4093822, keys);
  constexpr std::uint64_t kDirt = 0xABCDEF0100000000;
  const auto dirty = wpg::philox4x32<std::uint64_t>(0x243f6a88 | kDirt, 0x85a308d3 | kDirt,
                                                    0x13198a2e | kDirt, 0x03707344 | kDirt, keys);
  CHECK_EQUAL(static_cast<std::uint32_t>(dirty.x0), 0xd16cfe09);
  CHECK_EQUAL(static_cast<std::uint32_t>(dirty.x3), 0x24126ea1);
  return result();
}
