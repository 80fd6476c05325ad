// The median rule on a device against a sorted table in long double: clouds of all sizes, ties,
// magnitudes whose squares are no numbers, order, NaN, refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "naive_median.hpp"
#include "wpg/density/bandwidth_cuda.hpp"

namespace {

using wpg::CloudShape;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
std::vector<T> bandwidths(const std::vector<T>& cloud, const CloudShape& shape) {
  DeviceArray<T> on_device(cloud), out(std::vector<T>(at(shape.states), T(-1)));
  wpg::cuda::median_bandwidth(out.get(), on_device.get(), shape, nullptr);
  return out.on_host();
}

/// The largest share of the stated error that was used.
template <class T>
Long check(const std::vector<T>& cloud, const CloudShape& shape) {
  const Long u = std::numeric_limits<T>::epsilon() / 2;
  const std::vector<T> found = bandwidths(cloud, shape);
  Long worst = 0;
  for (std::int64_t s = 0; s < shape.states; ++s) {
    const Long want = naive(cloud.data() + s * shape.per_state(), shape.particles, shape.dimension);
    const Long allowed = (static_cast<Long>(shape.dimension) / 2 + 6) * u * want +
                         std::numeric_limits<T>::denorm_min();
    const Long share = std::fabs(found[at(s)] - want) / allowed;
    CHECK_AT_MOST(share, 1);
    worst = std::max(worst, share);
  }
  return worst;
}

template <class T>
void check_against_a_table() {
  Long worst = 0;
  // A warp a state up to 32; one pass, a list, more keys than a list holds, no room for the cloud.
  const CloudShape shapes[] = {{2, 1, 3},   {2, 2, 1},   {2, 3, 2},   {9, 4, 5},
                               {5, 8, 6},   {2, 9, 17},  {3, 17, 3},  {2, 32, 2},
                               {2, 33, 1},  {2, 34, 3},  {2, 47, 9},  {2, 64, 6},
                               {1, 96, 40}, {1, 129, 2}, {1, 320, 1}, {1, 77, 180}};
  for (const CloudShape& shape : shapes) {
    std::vector<T> cloud = numbers<T>(shape.size(), at(shape.particles * 100 + shape.dimension));
    worst = std::max(worst, check(cloud, shape));
    for (T& x : cloud) x = std::floor(x * 3);  // many ties
    worst = std::max(worst, check(cloud, shape));
  }
  // Squares that under- and overflow, some or all of them.
  constexpr int kRange = sizeof(T) == 4 ? 126 : 1020;
  for (const std::int64_t N : {5, 40}) {
    for (int power = -kRange; power <= kRange; power += sizeof(T) == 4 ? 14 : 60) {
      std::vector<T> cloud = numbers<T>(3 * N * 2, 5);
      for (std::size_t i = 0; i < cloud.size(); ++i) {
        if (i < cloud.size() / 3 || i % 2 == 0) cloud[i] = std::ldexp(cloud[i], power);
      }
      worst = std::max(worst, check(cloud, {3, N, 2}));
    }
  }
  std::printf("bandwidth<%s>: error at most %.2Lg of its bound\n",
              sizeof(T) == 4 ? "float" : "double", worst);
}

template <class T>
void check_bits() {
  for (const std::int64_t N : {30, 77}) {
    const CloudShape shape{21, N, 3};
    const std::vector<T> cloud = numbers<T>(shape.size(), 9);
    const std::vector<T> found = bandwidths(cloud, shape);
    CHECK_EQUAL(different(bandwidths(cloud, shape), found), 0);
    std::vector<T> turned = cloud;
    for (std::int64_t s = 0; s < shape.states; ++s) {
      const auto first = turned.begin() + s * shape.per_state();
      std::rotate(first, first + 30, first + shape.per_state());
    }
    CHECK_EQUAL(different(bandwidths(turned, shape), found), 0);
  }
}

template <class T>
void check_edges() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  for (const std::int64_t N : {11, 70}) {
    const CloudShape shape{3, N, 2};
    std::vector<T> cloud = numbers<T>(shape.size(), 4);
    const std::vector<T> clean = bandwidths(cloud, shape);
    for (const T bad : {kNan, std::numeric_limits<T>::infinity()}) {
      cloud[at(4 * N - 1)] = bad;
      const std::vector<T> found = bandwidths(cloud, shape);
      CHECK(std::isnan(found[1]));
      CHECK_EQUAL(found[0], clean[0]);
      CHECK_EQUAL(found[2], clean[2]);
    }
    CHECK_EQUAL(bandwidths(std::vector<T>(at(2 * N), T(3)), {1, N, 2})[0], T(0));
  }
  CHECK_EQUAL(bandwidths(std::vector<T>{T(1), T(2)}, {2, 1, 1})[1], T(0));
  CHECK(bandwidths(std::vector<T>{}, {0, 5, 2}).empty());
  CHECK_REFUSED(bandwidths(std::vector<T>{}, {2, 0, 2}), "at least one particle");
  CHECK_REFUSED(bandwidths(std::vector<T>{}, {1, std::int64_t{1} << 31, 2}), "2^30");
  CHECK_REFUSED(wpg::cuda::median_bandwidth<T>(nullptr, nullptr, {-1, 2, 2}, nullptr), "S >= 0");
  CHECK(cudaGetLastError() == cudaSuccess);
}

template <class T>
void check_all() {
  check_against_a_table<T>();
  check_bits<T>();
  check_edges<T>();
}

}  // namespace

int main() {
  WANT_DEVICE();
  check_all<float>();
  check_all<double>();
  return result();
}
