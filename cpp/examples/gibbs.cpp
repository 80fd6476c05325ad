// Your own critic, our particles: Langevin steps along the action gradient of
//
//   Q_s(a) = -m_s |a|^2 / 2,        Gibbs policy exp(Q_s / temperature) = N(0, temperature / m_s)
//
// in eight states that differ in m_s. A step of size h rests at the variance
// temperature / (m (1 - h m / 2)), which is known, so the program can tell whether it is right: it
// prints a table and fails if a variance is off by more than six standard errors.
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

#include "wpg/transport/langevin.hpp"

int main() {
  const wpg::CloudShape shape{8, 4096, 2};  // states, particles, action dimension
  const float step_size = 0.1f, temperature = 0.5f;
  const auto stiffness = [](std::int64_t state) { return 0.5f * static_cast<float>(state + 1); };

  std::vector<float> particles(static_cast<std::size_t>(shape.size()), 0.0f);
  std::vector<float> drift(particles.size());
  wpg::LangevinParameters<float> parameters;
  parameters.step_size = {&step_size, 0};  // one number for all states; stride 1: one for each
  parameters.temperature = {&temperature, 0};
  parameters.seed = 7;
  const auto support = wpg::Support<float>::unbounded();

  for (parameters.step = 0; parameters.step < 300; ++parameters.step) {
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      drift[at] = -stiffness(i / shape.per_state()) * particles[at];  // grad_a Q
    }
    wpg::langevin(particles.data(), particles.data(), drift.data(), shape, parameters, support);
  }

  std::printf("stiffness  variance   law of the steps   Gibbs policy\n");
  bool right = true;
  for (std::int64_t state = 0; state < shape.states; ++state) {
    double sum = 0;
    for (std::int64_t i = 0; i < shape.per_state(); ++i) {
      const double a = particles[static_cast<std::size_t>(state * shape.per_state() + i)];
      sum += a * a;
    }
    const double m = stiffness(state), count = static_cast<double>(shape.per_state());
    const double variance = sum / count, gibbs = temperature / m;
    const double law = gibbs / (1 - step_size * m / 2);
    std::printf("%9.2f  %8.4f   %16.4f   %12.4f\n", m, variance, law, gibbs);
    right = right && std::fabs(variance / law - 1) < 6 * std::sqrt(2 / count);
  }
  return right ? 0 : 1;
}
