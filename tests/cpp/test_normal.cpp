// Accuracy of the logarithm and of the point on the circle against long double, the SIMD loops
// against the formula on single numbers, and one hash everywhere.
#include <algorithm>
#include <cmath>

#include "hash.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/normal_math.hpp"
#include "wpg/base/philox.hpp"

namespace {

constexpr long double kPi = 3.14159265358979323846264338327950288L;

/// The uniform number that a word stands for. The sum is rounded to float for a 32-bit word; for a
/// 64-bit word it is exact.
long double uniform(std::uint32_t word) {
  return static_cast<long double>(static_cast<float>(word >> 1) + 0.5f) / 0x1p31L;
}
long double uniform(std::uint64_t word) {
  return (static_cast<long double>(word >> 12) + 0.5L) / 0x1p52L;
}

struct Exact {
  long double radius_squared, first, second;
};

template <class U>
Exact exact(U radius, U circle) {
  constexpr int kBits = 8 * sizeof(U);
  // All but the top two bits, as a number in [-1/2, 1/2).
  long double turn;
  if constexpr (kBits == 32) {
    turn = static_cast<long double>(static_cast<std::int32_t>(circle << 2)) / 0x1p32L;
  } else {
    turn = static_cast<long double>((circle << 2) >> 12) / 0x1p52L - 0.5L;
  }
  long double sine = std::sin(turn * (kPi / 2)), cosine = std::cos(turn * (kPi / 2));
  if (circle >> (kBits - 1) & 1) cosine = -cosine;
  if (circle >> (kBits - 2) & 1) std::swap(sine, cosine);
  return {-2 * std::log(uniform(radius)), cosine, sine};
}

struct Errors {
  long double log_relative = 0, circle = 0, normal = 0;
  void operator()(long double& worst, long double x) { worst = std::max(worst, std::fabs(x)); }
};

template <class T, class U>
void compare(Errors& errors, U radius, U circle) {
  const Exact want = exact(radius, circle);
  const T square = wpg::minus_two_log_of_uniform<T>(radius);
  if (want.radius_squared == 0) {
    CHECK_EQUAL(square, T(0));
  } else {
    errors(errors.log_relative, square / want.radius_squared - 1);
  }
  const auto point = wpg::point_on_circle<T>(circle);
  errors(errors.circle, point.first - want.first);
  errors(errors.circle, point.second - want.second);
  const auto pair = wpg::box_muller<T>(wpg::minus_two_log_of_uniform<T>(radius), circle);
  const long double r = std::sqrt(want.radius_squared);
  errors(errors.normal, pair.first - r * want.first);
  errors(errors.normal, pair.second - r * want.second);
}

/// Words: a stride through all of them, and both ends, where the logarithm is hardest.
template <class T, class U>
Errors measure() {
  Errors errors;
  constexpr int kBits = 8 * sizeof(U);
  const U stride = static_cast<U>(~U{0} / 400009) | 1;
  for (U i = 0; i < 400000; ++i) {
    compare<T>(errors, static_cast<U>(i * stride), static_cast<U>(i * stride * 7));
  }
  for (U i = 0; i < 20000; ++i) {
    compare<T>(errors, static_cast<U>(i << (kBits - 31 > 1 ? 6 : 0)), i);
    compare<T>(errors, static_cast<U>(~(i << (kBits - 31 > 1 ? 6 : 0))), static_cast<U>(~i));
  }
  return errors;
}

template <class T, class U>
T scalar_draw(std::uint64_t seed, wpg::Stream stream, std::uint64_t step, std::uint64_t s,
              std::uint64_t n, std::uint64_t d) {
  constexpr std::uint64_t kShare = sizeof(T) == 4 ? 4 : 2;
  wpg::PhiloxKeys<std::uint64_t> keys;
  wpg::philox_keys(seed, keys);
  const auto words = wpg::philox4x32<std::uint64_t>(n / kShare, s, step & 0xFFFFFFFFu,
                                                    wpg::stream_word(stream, step) | d, keys);
  const auto low = [](std::uint64_t x) { return x & 0xFFFFFFFFu; };
  U radius, circle;
  if constexpr (sizeof(T) == 4) {
    radius = static_cast<U>(n % 4 < 2 ? words.x0 : words.x2);
    circle = static_cast<U>(n % 4 < 2 ? words.x1 : words.x3);
  } else {
    radius = low(words.x0) | low(words.x1) << 32;
    circle = low(words.x2) | low(words.x3) << 32;
  }
  const auto pair = wpg::box_muller<T>(wpg::minus_two_log_of_uniform<T>(radius), circle);
  return n % 2 == 0 ? pair.first : pair.second;
}

template <class T>
std::vector<T> draws(const wpg::CloudShape& shape) {
  std::vector<T> out(static_cast<std::size_t>(shape.size()));
  wpg::standard_normal(out.data(), shape, 0x123456789ABCDEF0u, wpg::Stream::initial, 0x3456789AB7u);
  return out;
}

template <class T, class U>
void check_draws() {
  const std::int64_t shapes[][3] = {
      {5, 7, 1},    {3, 1, 2},   {2, 9, 3}, {1, 1001, 6}, {300, 3, 2}, {2, 33, 17},  {2, 6, 300},
      {1, 1, 2000}, {700, 1, 1}, {0, 5, 2}, {3, 0, 2},    {40, 64, 8}, {1, 30011, 1}};
  for (const auto& [S, N, D] : shapes) {
    const wpg::CloudShape shape{S, N, D};
    same_everywhere([&] { return draws<T>(shape); });
    const std::vector<T> array = draws<T>(shape);
    std::int64_t differ = 0;
    for (std::int64_t s = 0; s < S; ++s) {
      for (std::int64_t n = 0; n < N; ++n) {
        for (std::int64_t d = 0; d < D; ++d) {
          const T want =
              scalar_draw<T, U>(0x123456789ABCDEF0u, wpg::Stream::initial, 0x3456789AB7u,
                                static_cast<std::uint64_t>(s), static_cast<std::uint64_t>(n),
                                static_cast<std::uint64_t>(d));
          differ += !(array[static_cast<std::size_t>((s * N + n) * D + d)] == want);
        }
      }
    }
    CHECK_EQUAL(differ, 0);
  }
}

}  // namespace

int main() {
  const Errors single = measure<float, std::uint32_t>();
  std::printf("float:  -2 log u %.2Lg relative, circle %.2Lg, normal %.2Lg\n", single.log_relative,
              single.circle, single.normal);
  // u = 2^-24. Logarithm: polynomial and three roundings; circle: the angle alone is rounded twice
  // (2 u pi/4), the polynomial ends in a sum (u). A normal is at most 6.7 times these, and the
  // header promises 1e-6.
  CHECK_AT_MOST(single.log_relative, 3e-7L);
  CHECK_AT_MOST(single.circle, 1.5e-7L);
  CHECK_AT_MOST(single.normal, 1e-6L);
  const Errors twice = measure<double, std::uint64_t>();
  std::printf("double: -2 log u %.2Lg relative, circle %.2Lg, normal %.2Lg\n", twice.log_relative,
              twice.circle, twice.normal);
  CHECK_AT_MOST(twice.log_relative, 6e-16L);
  CHECK_AT_MOST(twice.circle, 3e-16L);
  CHECK_AT_MOST(twice.normal, 4e-15L);

  check_draws<float, std::uint32_t>();
  check_draws<double, std::uint64_t>();

  // Golden hashes, recorded once: a changed stream would change every run ever made.
  const auto golden = [](auto zero) {
    std::vector<decltype(zero)> out(13 * 37 * 5);
    wpg::standard_normal(out.data(), {13, 37, 5}, 260526078, wpg::Stream::langevin, 0x200000005);
    return hash_of(out);
  };
  CHECK_EQUAL(golden(0.0f), 0x93952A0927C143ACu);
  CHECK_EQUAL(golden(0.0), 0x2A422CA8E069AD2Au);

  // Bad arguments leave the output alone.
  float untouched[4] = {1, 2, 3, 4};
  using wpg::Stream;
  CHECK_REFUSED(wpg::standard_normal(untouched, {-1, 4, 1}, 0, Stream::langevin, 0), "shape");
  CHECK_REFUSED(wpg::standard_normal(untouched, {1, 4, 0}, 0, Stream::langevin, 0), "shape");
  CHECK_REFUSED(wpg::standard_normal(untouched, {1, 1, 65537}, 0, Stream::langevin, 0), "shape");
  CHECK_REFUSED(wpg::standard_normal(untouched, {1, 4, 1}, 0, Stream::langevin, wpg::kMostSteps),
                "step");
  CHECK(untouched[0] == 1 && untouched[3] == 4);
  return result();
}
