// The fused flow is the composition of KernelQ::evaluate and langevin, to the bit.
#include <limits>

#include "hash.hpp"
#include "wpg/flow/flow.hpp"

namespace {

using wpg::CloudShape;

template <class T>
wpg::KernelQ<T> critic_of(std::int64_t M, std::int64_t O, std::int64_t D) {
  const auto s = numbers<T>(M * O, 1), a = numbers<T>(M * D, 2), w = numbers<T>(M, 3);
  std::vector<T> ls(static_cast<std::size_t>(O), T(0.7)), la(static_cast<std::size_t>(D), T(0.9));
  return wpg::KernelQ<T>(s.data(), a.data(), w.data(), M, O, D, ls.data(), la.data());
}

template <class T>
void check_composition() {
  // The last but one has states that several blocks share, the last one state of several blocks.
  const std::int64_t shapes[][3] = {{1, 1, 1}, {1, 65, 2}, {7, 9, 3}, {130, 4, 1}, {2, 3001, 2}};
  for (const auto& [S, N, D] : shapes) {
    const CloudShape shape{S, N, D};
    const auto critic = critic_of<T>(37, 2, D);
    const auto states = numbers<T>(S * 2, 4), particles = numbers<T>(shape.size(), 5);
    auto step_size = numbers<T>(S, 6);
    for (T& x : step_size) x = T(0.05) + T(0.02) * x;
    const T temperature = T(0.3);
    const std::vector<T> low(static_cast<std::size_t>(D), T(-1)), high(low.size(), T(0.8));
    for (const auto& support :
         {wpg::Support<T>::unbounded(), wpg::Support<T>::box(low.data(), high.data(), D, true),
          wpg::Support<T>::torus(high.data(), D)}) {
      wpg::LangevinParameters<T> p;
      p.step_size = {step_size.data(), 1};
      p.temperature = {&temperature, 0};
      p.seed = 11;
      p.step = 4294967294u;  // the low word of the counter overflows on the way
      const std::int64_t steps = 4;
      const auto fused = [&] {
        std::vector<T> out(particles.size());
        wpg::langevin_flow(out.data(), particles.data(), critic, states.data(), shape, steps, p,
                           support);
        return out;
      };
      for (const wpg::Isa isa : wpg::available_isas()) {
        wpg::set_active_isa(wpg::isa_name(isa));
        const std::uint64_t hash = same_on_all_threads(fused);
        std::vector<T> cloud = particles, drift(particles.size());
        auto q = p;
        for (std::int64_t l = 0; l < steps; ++l, ++q.step) {
          critic.evaluate(nullptr, drift.data(), states.data(), cloud.data(), shape);
          wpg::langevin(cloud.data(), cloud.data(), drift.data(), shape, q, support);
        }
        CHECK_EQUAL(hash_of(cloud), hash);
        std::vector<T> in_place = particles;
        wpg::langevin_flow(in_place.data(), in_place.data(), critic, states.data(), shape, steps, p,
                           support);
        CHECK_EQUAL(hash_of(in_place), hash);
      }
      std::vector<T> still(particles.size());
      wpg::langevin_flow(still.data(), particles.data(), critic, states.data(), shape, 0, p,
                         support);
      CHECK(still == particles);
    }
  }
}

template <class T>
void check_refusals() {
  const auto critic = critic_of<T>(5, 2, 3);
  const T good = T(0.1), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> states(4, T(0)), particles(24, T(0.5));
  std::vector<T> out(24, T(9));
  const CloudShape shape{2, 4, 3};
  wpg::LangevinParameters<T> p;
  p.step_size = p.temperature = {&good, 0};
  const auto run = [&](const CloudShape& cloud, std::int64_t steps,
                       const wpg::LangevinParameters<T>& parameters) {
    wpg::langevin_flow(out.data(), particles.data(), critic, states.data(), cloud, steps,
                       parameters, wpg::Support<T>::unbounded());
  };
  CHECK_REFUSED(run(shape, -1, p), "steps");
  CHECK_REFUSED(run({2, 6, 2}, 1, p), "D = 2");
  auto q = p;
  q.step = wpg::kMostSteps - 3;
  CHECK_REFUSED(run(shape, 4, q), "step");
  q = p;
  q.temperature = {&nan, 0};
  CHECK_REFUSED(run(shape, 1, q), "temperature");
  q = p;
  q.step_size = {&nan, 0};
  CHECK_REFUSED(run(shape, 1, q), "step_size");
  CHECK_REFUSED(wpg::langevin_flow(out.data() + 3, out.data(), critic, states.data(), {1, 4, 3}, 1,
                                   p, wpg::Support<T>::unbounded()),
                "overlaps particles");
  CHECK(out == std::vector<T>(24, T(9)));
}

}  // namespace

int main() {
  check_composition<float>();
  check_composition<double>();
  check_refusals<float>();
  check_refusals<double>();
  return result();
}
