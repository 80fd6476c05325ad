// SVGD, blob and the kernel density's score and logarithm on a device, against loops in long double
// within the errors that the headers state; limits, lengths whose squares are no numbers, NaN,
// results in place, bits, refusals.
#include "pair_cases.hpp"
#include "wpg/density/kde_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"

namespace {

using namespace pair_cases;

enum class Place { own, particles, drift };

template <class T>
struct Found {
  std::vector<T> svgd, blob, score, log_mean;
};

/// Scratch is NaN before: nobody may read what nobody wrote.
template <class T>
DeviceArray<T> scratch(std::int64_t count) {
  return DeviceArray<T>(std::vector<T>(at(count), std::numeric_limits<T>::quiet_NaN()));
}

/// One number for all states if all are alike, so that both kinds are met.
template <class T>
wpg::cuda::PerState<T> per_state(const std::vector<T>& host, DeviceArray<T>& on_device) {
  if (host.size() == 1) return host[0];
  return static_cast<const T*>(on_device.get());
}

template <class T>
Found<T> run(const Case<T>& c, Place place = Place::own) {
  Found<T> found;
  const CloudShape& shape = c.shape;
  DeviceArray<T> tau(c.temperature), length(c.bandwidth);
  const auto temperature = per_state(c.temperature, tau),
             bandwidth = per_state(c.bandwidth, length);
  {
    DeviceArray<T> a(c.particles), g(c.drift), out(c.particles.size());
    auto room = scratch<T>(wpg::cuda::svgd_scratch<T>(shape, place != Place::own));
    DeviceArray<T>& to = place == Place::particles ? a : place == Place::drift ? g : out;
    wpg::cuda::svgd_velocity(to.get(), a.get(), g.get(), shape, temperature, bandwidth, room.get(),
                             nullptr);
    found.svgd = to.on_host();
  }
  {
    DeviceArray<T> a(c.particles), g(c.drift), out(c.particles.size());
    auto room = scratch<T>(wpg::cuda::blob_scratch<T>(shape, place == Place::particles));
    DeviceArray<T>& to = place == Place::particles ? a : place == Place::drift ? g : out;
    wpg::cuda::blob_velocity(to.get(), a.get(), g.get(), shape, temperature, bandwidth, room.get(),
                             nullptr);
    found.blob = to.on_host();
  }
  {
    DeviceArray<T> a(c.particles), out(c.particles.size());
    auto room = scratch<T>(wpg::cuda::kde_scratch<T>(shape, place == Place::particles));
    DeviceArray<T>& to = place == Place::particles ? a : out;
    wpg::cuda::kde_score(to.get(), a.get(), shape, bandwidth, room.get(), nullptr);
    found.score = to.on_host();
  }
  DeviceArray<T> a(c.particles), out(at(shape.states * shape.particles));
  wpg::cuda::kde_log_mean(out.get(), a.get(), shape, bandwidth, nullptr);
  found.log_mean = out.on_host();
  return found;
}

/// The largest share of the stated errors that was used.
struct Used {
  Long svgd = 0, blob = 0, score = 0, log_mean = 0;
};

template <class T>
void check(const Case<T>& c, Used& used) {
  const Found<T> found = run(c);
  const std::int64_t N = c.shape.particles, D = c.shape.dimension;
  const std::int64_t step = row_step(c.shape), states = c.shape.states;
  for (std::int64_t s = 0; s < states; s += states > 10 ? 37 : 1) {
    Loops<T> loops(c, s);
    for (std::int64_t i = 0; i < N; i += i + step < N || i == N - 1 ? step : N - 1 - i) {
      const Row row = loops.row(i);
      const std::int64_t first = (s * N + i) * D;
      used.svgd = std::max(used.svgd, share(found.svgd.data() + first, row.svgd, row.svgd_error));
      used.blob = std::max(used.blob, share(found.blob.data() + first, row.blob, row.blob_error));
      used.score =
          std::max(used.score, share(found.score.data() + first, row.score, row.score_error));
      used.log_mean = std::max(used.log_mean, share<T>(found.log_mean.data() + s * N + i,
                                                       {row.log_sum}, {row.log_sum_error}));
    }
  }
}

template <class T>
void check_stated_errors() {
  std::mt19937_64 random(sizeof(T));
  Used used;
  for (const CloudShape& shape : shapes()) {
    check(draw<T>(random, shape), used);
    check(plain<T>(shape), used);
  }
  // One state with many clouds: every kind of cloud in every kind of kernel.
  for (const std::int64_t D : {1, 2, 3, 5, 6, 8, 11, 15, 20}) {
    for (int n = 0; n < 12; ++n) check(draw<T>(random, {1, n % 2 == 0 ? 9 : 35, D}), used);
  }
  for (const Long share : {used.svgd, used.blob, used.score, used.log_mean}) {
    CHECK_AT_MOST(share, 1);
  }
  std::printf("%d bytes, share of the stated error: svgd %.2Lf blob %.2Lf score %.2Lf log %.2Lf\n",
              static_cast<int>(sizeof(T)), used.svgd, used.blob, used.score, used.log_mean);
}

template <class T>
void check_limits() {
  constexpr T kLargest = std::numeric_limits<T>::max();
  for (const std::int64_t D : {1, 2, 3, 7, 18}) {
    // One particle.
    const Case<T> one = plain<T>({3, 1, D});
    const Found<T> alone = run(one);
    CHECK(alone.svgd == one.drift);
    CHECK(alone.blob == one.drift);
    CHECK(alone.score == std::vector<T>(at(3 * D), T(0)));
    CHECK(alone.log_mean == std::vector<T>(3, T(0)));
    for (const std::int64_t N : {5, 45}) {
      const T n = static_cast<T>(N), eps = std::numeric_limits<T>::epsilon();
      // Temperature 0: the drift's average, and the drift.
      Case<T> cold = plain<T>({1, N, D});
      cold.temperature[0] = 0;
      CHECK(run(cold).blob == cold.drift);
      // Bandwidth 0, and one so small that it counts as 0; with differences of all magnitudes.
      for (const T length :
           {T(0), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min()}) {
        Case<T> c = plain<T>({1, N, D});
        c.bandwidth[0] = length;
        for (std::int64_t d = 0; d < D; ++d) {
          c.particles[at(4 * D + d)] = c.particles[at(D + d)];
          c.particles[at(2 * D + d)] = 0;
          c.particles[at(3 * D + d)] = d == 0 ? std::numeric_limits<T>::denorm_min() : T(0);
        }
        const Found<T> found = run(c);
        for (std::int64_t d = 0; d < D; ++d) {
          const T pair = c.drift[at(D + d)] + c.drift[at(4 * D + d)];
          CHECK_AT_MOST(std::fabs(found.svgd[at(d)] - c.drift[at(d)] / n), eps);
          CHECK_AT_MOST(std::fabs(found.svgd[at(D + d)] - pair / n), eps);
          CHECK_AT_MOST(std::fabs(found.svgd[at(2 * D + d)] - c.drift[at(2 * D + d)] / n), eps);
        }
        CHECK(found.blob == c.drift);
        CHECK(found.score == std::vector<T>(c.particles.size(), T(0)));
        CHECK_AT_MOST(std::fabs(found.log_mean[0] + std::log(n)), 8 * eps);
        CHECK_AT_MOST(std::fabs(found.log_mean[1] - std::log(2 / n)), 8 * eps);
      }
      // Lengths so far apart that their squares, and differences, overflow: nobody meets anybody.
      for (const T size : {kLargest / 64, kLargest}) {
        Case<T> far = plain<T>({1, N, D});
        far.bandwidth[0] = sizeof(T) == 4 ? T(1e-12) : T(1e-120);
        for (std::int64_t e = 0; e < N * D; ++e) {
          far.particles[at(e)] = (2 * static_cast<T>(e / D) / (n - 1) - 1) * size;
        }
        const Found<T> found = run(far);
        CHECK(found.blob == far.drift);
        CHECK(found.score == std::vector<T>(far.particles.size(), T(0)));
        for (std::int64_t e = 0; e < N * D; ++e) {
          CHECK_AT_MOST(std::fabs(found.svgd[at(e)] - far.drift[at(e)] / n), eps);
        }
      }
      // A bandwidth so large that all are one.
      Case<T> wide = plain<T>({1, N, D});
      wide.bandwidth[0] = kLargest / 4;
      const std::vector<T> mean = run(wide).svgd;
      for (std::int64_t d = 0; d < D; ++d) {
        Long sum = 0;
        for (std::int64_t i = 0; i < N; ++i) sum += wide.drift[at(i * D + d)];
        CHECK_AT_MOST(std::fabs(mean[at(d)] - sum / n), n * eps);
      }
    }
  }
}

template <class T>
void check_not_a_number() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  for (const std::int64_t D : {2, 3, 18}) {
    for (const std::int64_t N : {11, 37}) {
      Case<T> clean = plain<T>({6, N, D});
      clean.bandwidth[5] = T(0.01);  // nobody meets anybody
      const Found<T> was = run(clean);
      for (const T bad : {kNan, kInfinity, -kInfinity}) {
        Case<T> c = clean;
        c.particles[at(N * D + 5)] = bad;        // state 1
        c.drift[at((2 * N + 4) * D)] = bad;      // state 2, particle 4, coordinate 0
        c.drift[at((5 * N + 4) * D + 1)] = bad;  // state 5, particle 4, coordinate 1
        c.bandwidth[3] = kNan;
        const Found<T> now = run(c);
        for (std::int64_t e = 0; e < c.shape.size(); ++e) {
          const std::int64_t s = e / (N * D), i = e / D % N, d = e % D;
          const bool lost = s == 1 || s == 3;
          const bool hit = (s == 2 && d == 0) || (s == 5 && d == 1);
          const auto same = [&](T found, T before, bool gone) {
            CHECK(gone ? std::isnan(found) : found == before);
          };
          same(now.svgd[at(e)], was.svgd[at(e)], lost || hit);
          same(now.blob[at(e)], was.blob[at(e)], lost || (hit && i == 4));
          same(now.score[at(e)], was.score[at(e)], lost);
          same(now.log_mean[at(e / D)], was.log_mean[at(e / D)], lost);
        }
      }
    }
  }
}

template <class T>
void check_bits_and_places() {
  for (const CloudShape& shape :
       {CloudShape{23, 21, 3}, CloudShape{2, 601, 2}, CloudShape{300, 33, 6}, CloudShape{3, 35, 17},
        CloudShape{1, 5, 70}}) {
    const Case<T> c = plain<T>(shape);
    const Found<T> first = run(c), again = run(c);
    const Found<T> over_particles = run(c, Place::particles), over_drift = run(c, Place::drift);
    for (const Found<T>* other : {&again, &over_particles, &over_drift}) {
      CHECK_EQUAL(different(other->svgd, first.svgd), 0);
      CHECK_EQUAL(different(other->blob, first.blob), 0);
      CHECK_EQUAL(different(other->score, first.score), 0);
      CHECK_EQUAL(different(other->log_mean, first.log_mean), 0);
    }
    // All three the same array.
    DeviceArray<T> all(c.particles), a(c.particles), g(c.particles), out(c.particles.size());
    auto room = scratch<T>(wpg::cuda::svgd_scratch<T>(shape, true));
    wpg::cuda::svgd_velocity<T>(out.get(), a.get(), g.get(), shape, T(0.5), T(0.7), room.get(),
                                nullptr);
    wpg::cuda::svgd_velocity<T>(all.get(), all.get(), all.get(), shape, T(0.5), T(0.7), room.get(),
                                nullptr);
    CHECK_EQUAL(different(all.on_host(), out.on_host()), 0);
  }
  // A state does not depend on the others of its block.
  const Case<T> many = plain<T>({2000, 8, 4});
  Case<T> one = many;
  one.shape.states = 1;
  const std::vector<T> whole = run(many).svgd, alone = run(one).svgd;
  for (std::size_t e = 0; e < 32; ++e) CHECK_EQUAL(whole[e], alone[e]);
}

template <class T>
void check_refusals() {
  const CloudShape shape{2, 600, 2};
  const Case<T> c = plain<T>(shape);
  DeviceArray<T> a(c.particles), g(c.drift), out(std::vector<T>(c.particles.size(), T(9)));
  const auto svgd = [&](const CloudShape& with, T tau, T length) {
    wpg::cuda::svgd_velocity<T>(out.get(), a.get(), g.get(), with, tau, length, nullptr, nullptr);
  };
  const T infinity = std::numeric_limits<T>::infinity();
  CHECK_REFUSED(svgd({2, 3, 0}, 1, 1), "D >= 1");
  CHECK_REFUSED(svgd(shape, -1, 1), "temperature[0]");
  CHECK_REFUSED(svgd(shape, 1, -1), "bandwidth[0]");
  CHECK_REFUSED(svgd(shape, 1, infinity), "bandwidth[0]");
  CHECK_REFUSED(
      wpg::cuda::svgd_velocity<T>(a.get(), a.get(), a.get(), {1, std::int64_t{1} << 31, 1}, T(1),
                                  T(1), out.get(), nullptr),
      "2^30");
  CHECK_REFUSED(
      wpg::cuda::svgd_velocity<T>(a.get(), a.get(), g.get(), shape, T(1), T(1), nullptr, nullptr),
      "svgd_scratch");
  CHECK_REFUSED(
      wpg::cuda::blob_velocity<T>(out.get(), a.get(), g.get(), shape, T(1), T(1), nullptr, nullptr),
      "blob_scratch");
  CHECK_REFUSED(wpg::cuda::blob_velocity<T>(g.get() + 1, a.get(), g.get(), {2, 3, 1}, T(1), T(1),
                                            out.get(), nullptr),
                "drift");
  CHECK_REFUSED(wpg::cuda::kde_score<T>(a.get(), a.get(), shape, T(1), nullptr, nullptr),
                "kde_scratch");
  CHECK_REFUSED(wpg::cuda::kde_log_mean<T>(a.get(), a.get(), {4, 3, 1}, T(1), nullptr),
                "particles");
  svgd({0, 3, 2}, 1, 1);
  svgd({2, 0, 2}, 1, 1);
  CHECK(out.on_host() == std::vector<T>(c.particles.size(), T(9)));
  CHECK(cudaGetLastError() == cudaSuccess);
}

template <class T>
void check_all() {
  check_stated_errors<T>();
  check_limits<T>();
  check_not_a_number<T>();
  check_bits_and_places<T>();
  check_refusals<T>();
}

}  // namespace

int main() {
  WANT_DEVICE();
  check_all<float>();
  check_all<double>();
  return result();
}
