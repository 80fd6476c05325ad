// MALA on a device: the CPU's proposals, decisions and counts for every support, narrow and wide
// steps, numbers a state, values and drifts that are not finite, proposals that did not move;
// fractions; refusals.
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "wpg/transport/mala.hpp"
#include "wpg/transport/mala_cuda.hpp"

namespace {

using wpg::CloudShape;
using wpg::SupportKind;

constexpr SupportKind kKinds[] = {SupportKind::unbounded, SupportKind::box_reflect,
                                  SupportKind::box_tanh, SupportKind::box_probit,
                                  SupportKind::torus};

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Bounds of their own in every coordinate, or, beyond 64, the same.
template <class T>
wpg::Support<T> support_of(SupportKind kind, std::int64_t D) {
  std::vector<T> low, high;
  for (std::int64_t d = 0; d < D; ++d) {
    low.push_back(T(-1) - T(0.01) * static_cast<T>(D > 64 ? 0 : d % 5));
    high.push_back(T(0.7) + T(0.03) * static_cast<T>(D > 64 ? 0 : d % 7));
  }
  if (kind == SupportKind::unbounded) return wpg::Support<T>::unbounded();
  if (kind == SupportKind::torus) return wpg::Support<T>::torus(high.data(), D);
  return wpg::Support<T>::box(low.data(), high.data(), D, kind);
}

template <class T>
void check_round(const CloudShape& shape, SupportKind kind, T step_size, bool each) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::int64_t S = shape.states, N = shape.particles, D = shape.dimension;
  std::vector<T> a = numbers<T>(shape.size(), 1), g = numbers<T>(shape.size(), 2);
  std::vector<T> h = numbers<T>(shape.size(), 3), q = numbers<T>(S * N, 4);
  std::vector<T> r = numbers<T>(S * N, 5), eta = numbers<T>(S + 1, 6), tau = numbers<T>(S + 1, 7);
  for (T& x : a) x = T(0.35) + T(0.3) * x;  // inside of every support
  for (T& x : eta) x = step_size * (T(1) + T(0.4) * x);
  for (T& x : tau) x = T(0.5) + T(0.2) * x;
  const wpg::Support<T> support = support_of<T>(kind, D);
  wpg::LangevinParameters<T> cpu;
  cpu.step_size = {eta.data(), each ? 1 : 0};
  cpu.temperature = {tau.data(), each ? 1 : 0};
  cpu.seed = 0xABCDEF0123456789u;
  cpu.step = (std::uint64_t{1} << 35) + 3;
  DeviceArray<T> etas(eta), taus(tau);
  wpg::cuda::LangevinParameters<T> gpu;
  gpu.step_size = eta[0];
  gpu.temperature = tau[0];
  if (each) {
    gpu.step_size = static_cast<const T*>(etas.get());
    gpu.temperature = static_cast<const T*>(taus.get());
  }
  gpu.seed = cpu.seed;
  gpu.step = cpu.step;

  std::vector<T> b(a.size());
  wpg::mala_propose(b.data(), a.data(), g.data(), shape, cpu, support);
  DeviceArray<T> cloud(a), drift(g), proposals(a.size());
  wpg::cuda::mala_propose(proposals.get(), cloud.get(), drift.get(), shape, gpu, support, nullptr);
  CHECK_EQUAL(different(proposals.on_host(), b), 0);

  // What is not finite, and what did not move; in turn over the particles.
  for (std::int64_t i = 0; i < S * N; ++i) {
    const std::size_t row = at(i), first = at(i * D);
    switch (i % 29) {
      case 3:
        q[row] = nan;
        break;
      case 5:
        q[row] = -kInfinity;
        break;
      case 7:
        r[row] = -kInfinity;
        break;
      case 11:
        r[row] = kInfinity;
        break;
      case 13:
        g[first] = kInfinity;
        break;
      case 17:
        h[first] = nan;
        break;
      case 19:
        for (std::size_t d = first; d < first + at(D); ++d) b[d] = a[d];
        break;
      case 23:
        b[first] = nan;
        break;
    }
  }
  DeviceArray<T> now(a), values(q), slopes(g), next(b), next_values(r), next_slopes(h);
  std::vector<std::int64_t> accepted(at(S), 5);
  DeviceArray<std::int64_t> counts(accepted);
  wpg::mala_accept(a.data(), q.data(), g.data(), accepted.data(), b.data(), r.data(), h.data(),
                   shape, cpu, support);
  wpg::cuda::mala_accept(now.get(), values.get(), slopes.get(), counts.get(), next.get(),
                         next_values.get(), next_slopes.get(), shape, gpu, support, nullptr);
  CHECK_EQUAL(different(now.on_host(), a), 0);
  CHECK_EQUAL(different(values.on_host(), q), 0);
  CHECK_EQUAL(different(slopes.on_host(), g), 0);
  CHECK_EQUAL(different(counts.on_host(), accepted), 0);
  std::int64_t taken = 0;
  for (const std::int64_t count : accepted) taken += count - 5;
  if (S * N > 200) CHECK(taken > S * N / 20 && taken < S * N * 19 / 20);

  // The CPU's quotient of whole numbers.
  std::vector<T> want(at(S));
  for (std::int64_t s = 0; s < S; ++s) {
    want[at(s)] = static_cast<T>(static_cast<double>(accepted[at(s)]) / 7.0);
  }
  DeviceArray<T> parts(at(S));
  wpg::cuda::fractions(parts.get(), counts.get(), S, 7, nullptr);
  CHECK_EQUAL(different(parts.on_host(), want), 0);
  wpg::cuda::fractions(parts.get(), counts.get(), S, 0, nullptr);
  CHECK_EQUAL(different(parts.on_host(), std::vector<T>(at(S), T(1))), 0);
}

template <class T>
void rounds_are_the_cpus() {
  for (const SupportKind kind : kKinds) {
    // In the box and on the torus the last two are summed as a cosine series.
    for (const T step_size : {T(0.002), T(0.05), T(0.4), T(3)}) {
      check_round<T>({3, 130, 2}, kind, step_size, false);
      check_round<T>({7, 33, 1}, kind, step_size, true);
    }
    check_round<T>({300, 1, 6}, kind, T(0.02), true);
    check_round<T>({2, 5, 70}, kind, T(0.001), false);
    check_round<T>({0, 3, 2}, kind, T(0.1), false);
  }
}

void refusals() {
  DeviceArray<float> a(24), g(24), b(24), q(8), r(8);
  DeviceArray<std::int64_t> accepted(2);
  wpg::cuda::LangevinParameters<float> p;
  p.step_size = 0.1f;
  p.temperature = 1.0f;
  const auto propose = [&](const CloudShape& shape,
                           const wpg::cuda::LangevinParameters<float>& with,
                           const wpg::Support<float>& support) {
    wpg::cuda::mala_propose(b.get(), a.get(), g.get(), shape, with, support, nullptr);
  };
  const auto none = wpg::Support<float>::unbounded();
  auto cold = p, late = p;
  cold.temperature = 0.0f;
  late.step = wpg::kMostSteps;
  CHECK_REFUSED(propose({2, 4, 3}, cold, none), "needs a density");
  CHECK_REFUSED(propose({2, 4, 3}, late, none), "2^40");
  CHECK_REFUSED(propose({2, 0, 3}, p, none), "at least one particle");
  CHECK_REFUSED(propose({2, 4, 3}, p, support_of<float>(SupportKind::box_clip, 3)), "clip");
  CHECK_REFUSED(wpg::cuda::mala_accept(a.get(), q.get(), g.get(), accepted.get(), b.get(), r.get(),
                                       g.get(), {2, 4, 3}, late, none, nullptr),
                "2^40");
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  WANT_DEVICE();
  rounds_are_the_cpus<float>();
  rounds_are_the_cpus<double>();
  refusals();
  return result();
}
