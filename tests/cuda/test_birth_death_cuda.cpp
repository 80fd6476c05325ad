// Birth and death on a device: the CPU's ancestors and copies, with forbidden actions, lost states,
// numbers a state, more particles than shared memory holds, in place; refusals.
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "wpg/transport/birth_death.hpp"
#include "wpg/transport/birth_death_cuda.hpp"

namespace {

using wpg::CloudShape;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
struct Step {
  CloudShape shape;
  std::vector<T> particles, log_density, q_values, temperature, rate, step_size;

  explicit Step(const CloudShape& shape_)
      : shape(shape_),
        particles(numbers<T>(shape.size(), 1)),
        log_density(numbers<T>(shape.states * shape.particles, 2)),
        q_values(numbers<T>(shape.states * shape.particles, 3)),
        temperature{T(0.5)},
        rate{T(2)},
        step_size{T(0.5)} {}

  void check(bool in_place) const {
    std::vector<T> want(particles.size());
    std::vector<std::int32_t> want_ancestors(log_density.size());
    const auto on_host = [](const std::vector<T>& numbers) {
      return wpg::PerState<T>{numbers.data(), numbers.size() == 1 ? 0 : 1};
    };
    wpg::BirthDeathParameters<T> cpu;
    cpu.temperature = on_host(temperature);
    cpu.rate = on_host(rate);
    cpu.step_size = on_host(step_size);
    cpu.seed = 5;
    cpu.step = (std::uint64_t{1} << 33) + 7;
    wpg::birth_death(want.data(), want_ancestors.data(), particles.data(), log_density.data(),
                     q_values.data(), shape, cpu);

    DeviceArray<T> a(particles), out(std::vector<T>(particles.size(), T(9))), l(log_density),
        q(q_values), tau(temperature), speed(rate), eta(step_size);
    DeviceArray<std::int32_t> ancestors(std::vector<std::int32_t>(log_density.size(), -7));
    DeviceArray<double> scratch(
        at(wpg::cuda::birth_death_scratch<T>(shape, in_place)) / sizeof(double) + 1);
    const auto on_device = [](const std::vector<T>& numbers, DeviceArray<T>& array) {
      return numbers.size() == 1 ? wpg::cuda::PerState<T>(numbers[0])
                                 : wpg::cuda::PerState<T>(static_cast<const T*>(array.get()));
    };
    wpg::cuda::BirthDeathParameters<T> gpu;
    gpu.temperature = on_device(temperature, tau);
    gpu.rate = on_device(rate, speed);
    gpu.step_size = on_device(step_size, eta);
    gpu.seed = cpu.seed;
    gpu.step = cpu.step;
    DeviceArray<T>& to = in_place ? a : out;
    wpg::cuda::birth_death(to.get(), ancestors.get(), a.get(), l.get(), q.get(), shape, gpu,
                           scratch.get(), nullptr);
    CHECK_EQUAL(different(to.on_host(), want), 0);
    CHECK_EQUAL(different(ancestors.on_host(), want_ancestors), 0);
  }
};

template <class T>
void check_steps() {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  for (const bool in_place : {false, true}) {
    for (const CloudShape& shape :
         {CloudShape{40, 9, 3}, CloudShape{7, 32, 1}, CloudShape{5, 33, 6}, CloudShape{2, 700, 2},
          CloudShape{3, 1, 4}, CloudShape{2, 2, 1}, CloudShape{0, 3, 2}, CloudShape{3, 0, 2}}) {
      Step<T> step(shape);
      step.check(in_place);
      if (step.log_density.empty()) continue;
      const std::int64_t S = shape.states, N = shape.particles;
      step.temperature = step.rate = step.step_size = {};
      for (std::int64_t s = 0; s < S; ++s) {
        step.temperature.push_back(T(0.2) + static_cast<T>(s % 4) / 4);
        step.rate.push_back(static_cast<T>(s % 5));
        step.step_size.push_back(static_cast<T>(s % 3) / 2);
      }
      step.check(in_place);
      // Forbidden: some of the first state, all of the last; the second is lost.
      for (std::int64_t i = 0; i < N; ++i) {
        if (i % 3 == 1) step.q_values[at(i)] = -kInfinity;
        if (S > 2) step.q_values[at((S - 1) * N + i)] = -kInfinity;
      }
      if (S > 1) step.q_values[at(N)] = kInfinity;
      step.check(in_place);
      if (S > 2) step.log_density[at(2 * N)] = std::numeric_limits<T>::quiet_NaN();
      step.check(in_place);
    }
    Step<T> large({2, 4321, 2});  // more than shared memory holds
    large.q_values[5] = large.q_values[4300] = -kInfinity;
    large.check(in_place);
  }
}

template <class T>
void check_refusals() {
  const CloudShape shape{2, 3, 1};
  DeviceArray<T> a(std::vector<T>(6, T(1)));
  DeviceArray<std::int32_t> ancestors(std::vector<std::int32_t>(6, -7));
  wpg::cuda::BirthDeathParameters<T> good;
  good.temperature = T(1);
  good.rate = T(1);
  good.step_size = T(1);
  const auto move = [&](const CloudShape& with, const wpg::cuda::BirthDeathParameters<T>& p) {
    wpg::cuda::birth_death(a.get(), ancestors.get(), a.get(), a.get(), a.get(), with, p, nullptr,
                           nullptr);
  };
  for (const T bad : {T(0), T(-1), std::numeric_limits<T>::quiet_NaN()}) {
    auto p = good;
    p.temperature = bad;
    CHECK_REFUSED(move(shape, p), "temperature[0]");
    p = good;
    p.rate = bad - 1;
    CHECK_REFUSED(move(shape, p), "rate[0]");
    p = good;
    p.step_size = bad - 1;
    CHECK_REFUSED(move(shape, p), "step_size[0]");
  }
  auto late = good;
  late.step = std::uint64_t{1} << 40;
  CHECK_REFUSED(move(shape, late), "2^40");
  CHECK_REFUSED(move({1, 5000, 1}, good), "birth_death_scratch");
  CHECK_REFUSED(move({1, std::int64_t{1} << 31, 1}, good), "ancestors");
  CHECK(ancestors.on_host() == std::vector<std::int32_t>(6, -7));
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  WANT_DEVICE();
  check_steps<float>();
  check_steps<double>();
  check_refusals<float>();
  check_refusals<double>();
  return result();
}
