// The median rule against a sorted table in long double, on every instruction set: clouds of all
// sizes, ties, magnitudes whose squares are no numbers; bits over threads and order; refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "naive_median.hpp"
#include "wpg/density/bandwidth.hpp"

namespace {

using wpg::CloudShape;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
std::vector<T> bandwidths(const std::vector<T>& cloud, const CloudShape& shape) {
  std::vector<T> out(at(shape.states), T(-1));
  wpg::median_bandwidth(out.data(), cloud.data(), shape);
  return out;
}

/// Every state against the table; returns the worst ratio of error and bound.
template <class T>
Long check(const std::vector<T>& cloud, const CloudShape& shape) {
  const Long u = std::numeric_limits<T>::epsilon() / 2;
  const std::vector<T> found = bandwidths(cloud, shape);
  Long worst = 0;
  for (std::int64_t s = 0; s < shape.states; ++s) {
    const Long want = naive(cloud.data() + s * shape.per_state(), shape.particles, shape.dimension);
    const Long allowed = (static_cast<Long>(shape.dimension) / 2 + 6) * u * want +
                         std::numeric_limits<T>::denorm_min();
    const Long error = std::fabs(found[at(s)] - want);
    CHECK_AT_MOST(error, allowed);
    worst = std::max(worst, error / allowed);
  }
  return worst;
}

template <class T>
void check_against_a_table() {
  Long worst = 0;
  const std::string before = wpg::isa_name(wpg::active_isa());
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    for (const std::int64_t N : {1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 46, 47, 64, 65, 96, 129, 200}) {
      for (const std::int64_t D : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17}) {
        std::vector<T> cloud = numbers<T>(2 * N * D, static_cast<std::uint64_t>(N * 100 + D));
        worst = std::max(worst, check(cloud, {2, N, D}));
        for (T& x : cloud) x = std::floor(x * 3);  // many ties
        worst = std::max(worst, check(cloud, {2, N, D}));
      }
    }
    // Squares that under- and overflow, some or all of them.
    constexpr int kRange = sizeof(T) == 4 ? 126 : 1020;
    for (const std::int64_t N : {5, 60}) {
      for (int power = -kRange; power <= kRange; power += 7) {
        std::vector<T> cloud = numbers<T>(3 * N * 2, 5);
        for (std::size_t i = 0; i < cloud.size(); ++i) {
          if (i < cloud.size() / 3 || i % 2 == 0) cloud[i] = std::ldexp(cloud[i], power);
        }
        worst = std::max(worst, check(cloud, {3, N, 2}));
      }
    }
  }
  wpg::set_active_isa(before);
  std::printf("bandwidth<%s>: error at most %.2Lg of its bound\n",
              sizeof(T) == 4 ? "float" : "double", worst);
}

template <class T>
void check_bits() {
  const CloudShape shape{21, 77, 3};
  std::vector<T> cloud = numbers<T>(shape.size(), 9);
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    const std::uint64_t hash = same_on_all_threads([&] { return bandwidths(cloud, shape); });
    std::vector<T> turned = cloud;
    for (std::int64_t s = 0; s < shape.states; ++s) {
      const auto first = turned.begin() + s * shape.per_state();
      std::rotate(first, first + 30, first + shape.per_state());
    }
    CHECK_EQUAL(hash_of(bandwidths(turned, shape)), hash);
  }
}

template <class T>
void check_edges() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  const CloudShape shape{3, 70, 2};
  std::vector<T> cloud = numbers<T>(shape.size(), 4);
  const std::vector<T> clean = bandwidths(cloud, shape);
  for (const T bad : {kNan, std::numeric_limits<T>::infinity()}) {
    cloud[at(140 + 139)] = bad;
    const std::vector<T> found = bandwidths(cloud, shape);
    CHECK(std::isnan(found[1]));
    CHECK_EQUAL(found[0], clean[0]);
    CHECK_EQUAL(found[2], clean[2]);
  }
  CHECK_EQUAL(bandwidths(std::vector<T>{T(1), T(2)}, {2, 1, 1})[1], T(0));
  CHECK_EQUAL(bandwidths(std::vector<T>(600, T(3)), {1, 300, 2})[0], T(0));
  CHECK(bandwidths(std::vector<T>{}, {0, 5, 2}).empty());
  CHECK_REFUSED(bandwidths(std::vector<T>{}, {2, 0, 2}), "at least one particle");
  T out = 9, none = 0;
  CHECK_REFUSED(wpg::median_bandwidth(&out, &none, {-1, 2, 2}), "S >= 0");
  CHECK_EQUAL(out, T(9));
}

template <class T>
void check_all() {
  check_against_a_table<T>();
  check_bits<T>();
  check_edges<T>();
}

}  // namespace

int main() {
  check_all<float>();
  check_all<double>();
  return result();
}
