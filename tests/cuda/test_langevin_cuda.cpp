// Noise and Langevin steps on a device: the CPU's bits for every support, shape, alignment, kind
// of parameter and preconditioner; refusals.
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/normal_cuda.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_cuda.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"

namespace {

using wpg::CloudShape;
using wpg::Stream;
using wpg::SupportKind;

// Whole groups and not, D above and below a tile, many states, one particle.
const CloudShape kShapes[] = {{3, 8, 6},   {5, 7, 1},   {3, 1, 2},   {2, 1024, 3}, {1, 1001, 6},
                              {300, 4, 2}, {2, 33, 17}, {2, 8, 300}, {700, 1, 1},  {1, 4096, 1},
                              {70, 12, 5}, {0, 3, 2},   {3, 0, 2}};

template <class T>
wpg::Support<T> support_of(SupportKind kind, std::int64_t dimension) {
  std::vector<T> low, high;
  const bool alike = dimension > 64;
  for (std::int64_t d = 0; d < dimension; ++d) {
    low.push_back(T(-1) - (alike ? T(0) : T(0.01) * static_cast<T>(d % 5)));
    high.push_back(T(0.7) + (alike ? T(0) : T(0.03) * static_cast<T>(d % 7)));
  }
  if (kind == SupportKind::unbounded) return wpg::Support<T>::unbounded();
  if (kind == SupportKind::torus) return wpg::Support<T>::torus(high.data(), dimension);
  return wpg::Support<T>::box(low.data(), high.data(), dimension, kind);
}

std::size_t as_size(std::int64_t n) { return static_cast<std::size_t>(n); }

template <class T>
void noise_is_the_cpus() {
  for (const CloudShape& shape : kShapes) {
    for (const std::size_t offset : {std::size_t{0}, std::size_t{1}}) {
      std::vector<T> want(as_size(shape.size()));
      const std::uint64_t seed = 0xFEDCBA9876543210u, step = (std::uint64_t{1} << 40) - 1;
      wpg::standard_normal(want.data(), shape, seed, Stream::behaviour, step);
      DeviceArray<T> out(want.size(), offset);
      wpg::cuda::standard_normal(out.get(), shape, seed, Stream::behaviour, step, nullptr);
      CHECK_EQUAL(different(out.on_host(), want), 0);
    }
  }
}

// Every fifth of all combinations, which meets each pair of choices on some shape.
template <class T>
void steps_are_the_cpus() {
  int turn = 0;
  using Kind = typename wpg::Preconditioner<T>::Kind;
  for (const CloudShape& shape : kShapes) {
    const auto count = shape.size(), S = shape.states, D = shape.dimension;
    std::vector<T> particles = numbers<T>(count, 1), drift = numbers<T>(count, 2);
    for (T& g : drift) g *= 3;
    if (count > 20) drift[7] = std::numeric_limits<T>::quiet_NaN();
    std::vector<T> eta = numbers<T>(S, 3), tau = numbers<T>(S, 4);
    for (T& x : eta) x = T(0.1) + T(0.05) * x;
    for (T& x : tau) x = x < T(-0.5) ? T(0) : T(0.6) + T(0.4) * x;
    // Rows of M = L L', lower triangular L with a positive diagonal, one for each state.
    std::vector<T> diagonal = numbers<T>(D, 5), root = numbers<T>(S * D * D, 6),
                   matrix(root.size());
    for (T& m : diagonal) m = T(1.5) + m;
    for (std::int64_t s = 0; s < S && D <= 20; ++s) {
      T* const l = root.data() + s * D * D;
      for (std::int64_t i = 0; i < D; ++i) {
        for (std::int64_t j = i + 1; j < D; ++j) l[i * D + j] = 0;
        l[i * D + i] = T(1.2) + l[i * D + i] * T(0.5);
      }
      for (std::int64_t i = 0; i < D; ++i) {
        for (std::int64_t j = 0; j < D; ++j) {
          T sum = 0;
          for (std::int64_t k = 0; k < D; ++k) sum += l[i * D + k] * l[j * D + k];
          matrix[as_size((s * D + i) * D + j)] = sum;
        }
      }
    }
    for (const SupportKind kind :
         {SupportKind::unbounded, SupportKind::box_reflect, SupportKind::box_clip,
          SupportKind::box_tanh, SupportKind::box_probit, SupportKind::torus}) {
      const wpg::Support<T> support = support_of<T>(kind, D);
      const bool clip = kind == SupportKind::box_clip;
      for (const Kind how : {Kind::none, Kind::diagonal, Kind::full}) {
        if (how == Kind::full && D > 20) continue;
        for (const Stream stream : {Stream::langevin, Stream::leimkuhler_matthews}) {
          for (const bool each : {false, true}) {
            if (each && clip) continue;
            for (const std::size_t offset : {std::size_t{0}, std::size_t{1}}) {
              if (turn++ % 5 != 0) continue;
              const T zero = 0, one_eta = T(0.07), one_tau = T(0.4);
              wpg::LangevinParameters<T> cpu;
              cpu.step_size =
                  each ? wpg::PerState<T>{eta.data(), 1} : wpg::PerState<T>{&one_eta, 0};
              cpu.temperature = clip   ? wpg::PerState<T>{&zero, 0}
                                : each ? wpg::PerState<T>{tau.data(), 1}
                                       : wpg::PerState<T>{&one_tau, 0};
              cpu.seed = 99;
              cpu.step = 77;
              cpu.preconditioner.kind = how;
              cpu.preconditioner.matrix = how == Kind::full ? matrix.data() : diagonal.data();
              cpu.preconditioner.root = how == Kind::full ? root.data() : nullptr;
              cpu.preconditioner.stride = how == Kind::full ? D * D : 0;
              std::vector<T> want(as_size(count));
              (stream == Stream::langevin
                   ? wpg::langevin<T>
                   : wpg::leimkuhler_matthews<T>)(want.data(), particles.data(), drift.data(),
                                                  shape, cpu, support);

              DeviceArray<T> a(particles, offset), g(drift), e(eta), t(tau), l(root), m(matrix),
                  diag(diagonal);
              wpg::cuda::LangevinParameters<T> gpu;
              if (each) {
                gpu.step_size = e.get();
                gpu.temperature = t.get();
              } else {
                gpu.step_size = one_eta;
                gpu.temperature = clip ? zero : one_tau;
              }
              gpu.seed = cpu.seed;
              gpu.step = cpu.step;
              gpu.preconditioner = cpu.preconditioner;
              gpu.preconditioner.matrix = how == Kind::full ? m.get() : diag.get();
              gpu.preconditioner.root = how == Kind::full ? l.get() : nullptr;
              // In place.
              wpg::cuda::langevin_step(a.get(), a.get(), g.get(), shape, gpu, support, stream,
                                       nullptr);
              CHECK_EQUAL(different(a.on_host(), want), 0);
            }
          }
        }
      }
    }
  }
}

void refusals() {
  const CloudShape shape{2, 4, 3};
  DeviceArray<float> a(24), g(24), more(2 * 4 * 70);
  wpg::cuda::LangevinParameters<float> p;
  p.step_size = 0.1f;
  p.temperature = 1.0f;
  const auto none = wpg::Support<float>::unbounded();
  const auto step = [&](const wpg::cuda::LangevinParameters<float>& with,
                        const wpg::Support<float>& support) {
    wpg::cuda::langevin(a.get(), a.get(), g.get(), shape, with, support, nullptr);
  };
  auto bad = p;
  bad.step_size = -1.0f;
  CHECK_REFUSED(step(bad, none), "step_size");
  bad = p;
  bad.temperature = std::numeric_limits<float>::infinity();
  CHECK_REFUSED(step(bad, none), "temperature");
  bad = p;
  bad.step = std::uint64_t{1} << 40;
  CHECK_REFUSED(step(bad, none), "2^40");
  CHECK_REFUSED(step(p, support_of<float>(SupportKind::box_clip, 3)), "clip");
  CHECK_REFUSED(wpg::cuda::langevin(a.get() + 1, a.get(), g.get(), shape, p, none, nullptr),
                "overlaps");
  std::vector<float> low(70, -1.0f), high(70, 1.0f);
  high[3] = 2.0f;
  const auto box = wpg::Support<float>::box(low.data(), high.data(), 70, SupportKind::box_reflect);
  CHECK_REFUSED(
      wpg::cuda::langevin(more.get(), more.get(), more.get(), {2, 4, 70}, p, box, nullptr),
      "not all alike");
  // One group of particles more than a launch has blocks; no memory is looked at.
  auto diagonal = p;
  diagonal.preconditioner.kind = wpg::Preconditioner<float>::Kind::diagonal;
  diagonal.preconditioner.matrix = g.get();
  const CloudShape many{std::int64_t{1} << 31, 4, 1};
  CHECK_REFUSED(wpg::cuda::langevin(a.get(), a.get(), a.get(), many, diagonal, none, nullptr),
                "less than 2^31");
  CHECK_EQUAL(wpg::cuda::device_of(low.data()), -1);
  CHECK(wpg::cuda::device_of(a.get()) >= 0);
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  WANT_DEVICE();
  noise_is_the_cpus<float>();
  noise_is_the_cpus<double>();
  steps_are_the_cpus<float>();
  steps_are_the_cpus<double>();
  refusals();
  return result();
}
