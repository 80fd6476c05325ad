// A soft Q-function and particles to ask it about: for bench_kernel_q.cpp and bench_flow.cpp.
#pragma once

#include <memory>

#include "cases.hpp"
#include "problem.hpp"
#include "wpg/critics/kernel_q.hpp"

namespace wpg::bench {

struct KernelQProblem {
  CloudShape shape;
  std::int64_t centers, observation_size;
  float state_lengthscale;
  Floats center_states, center_actions, weights, states, particles, values, gradient;
  std::unique_ptr<KernelQ<float>> critic;

  /// States and centres spread evenly over (-1, 1)^O, actions over (-1, 1)^D.
  KernelQProblem(const CloudShape& shape_, std::int64_t centers_, std::int64_t observation_size_,
                 float state_lengthscale_)
      : shape(shape_),
        centers(centers_),
        observation_size(observation_size_),
        state_lengthscale(state_lengthscale_),
        center_states(uniform(centers * observation_size, 1)),
        center_actions(uniform(centers * shape.dimension, 2)),
        weights(normals(centers, 3)),
        states(uniform(shape.states * observation_size, 4)),
        particles(uniform(shape.size(), 5)),
        values(at(shape.states * shape.particles)),
        gradient(at(shape.size())) {
    const Floats state_scale(at(observation_size), state_lengthscale);
    const Floats action_scale(at(shape.dimension), 1.0f);
    critic = std::make_unique<KernelQ<float>>(
        center_states.data(), center_actions.data(), weights.data(), centers, observation_size,
        shape.dimension, state_scale.data(), action_scale.data());
  }

  void evaluate() {
    critic->evaluate(values.data(), gradient.data(), states.data(), particles.data(), shape);
  }

  /// log of centre m's state factor at state s, in nats.
  double log_state_factor(std::int64_t s, std::int64_t m) const {
    double square = 0;
    for (std::int64_t o = 0; o < observation_size; ++o) {
      const double away = (static_cast<double>(states[at(s * observation_size + o)]) -
                           center_states[at(m * observation_size + o)]) /
                          state_lengthscale;
      square += away * away;
    }
    return -square / 2;
  }

  /// Centres whose state factor is within u / M of the largest, over all states: what cannot be
  /// skipped. (The routine weighs them by |weights| too, which changes the count by little.)
  double centers_that_matter() const {
    const double cut = std::log(kUnitRoundoff / static_cast<double>(centers));
    double count = 0;
    for (std::int64_t s = 0; s < shape.states; ++s) {
      double top = -1e300;
      for (std::int64_t m = 0; m < centers; ++m) top = std::fmax(top, log_state_factor(s, m));
      for (std::int64_t m = 0; m < centers; ++m) count += log_state_factor(s, m) >= top + cut;
    }
    return count;
  }

  /// The particles of the first state against the sums in double. Every term is off by at most
  /// 6 (O + D + 4)(1 + R)^2 u of itself, R <= sqrt(O) / state_lengthscale + sqrt(D) the largest
  /// norm in length scales, the sum by M u more, and what is skipped is below u of the largest
  /// term; |a - a_m| <= 2 sqrt(D) (header of KernelQ).
  Answer check() const {
    const std::int64_t D = shape.dimension;
    const auto width = static_cast<double>(D), seen = static_cast<double>(observation_size);
    const double reach_of_all = std::sqrt(seen) / state_lengthscale + std::sqrt(width);
    const double each = 6 * (seen + width + 4) * std::pow(1 + reach_of_all, 2);
    double worst = 0;
    for (std::int64_t n = 0; n < shape.particles; ++n) {
      std::vector<double> slope(at(D), 0.0);
      double value = 0, magnitude = 0, largest = 0;
      for (std::int64_t m = 0; m < centers; ++m) {
        double square = 0;
        for (std::int64_t d = 0; d < D; ++d) {
          const double away =
              static_cast<double>(center_actions[at(m * D + d)]) - particles[at(n * D + d)];
          square += away * away;
        }
        const double factor = weights[at(m)] * std::exp(log_state_factor(0, m));
        const double term = factor * std::exp(-square / 2);
        value += term;
        magnitude += std::fabs(term);
        largest = std::fmax(largest, std::fabs(factor));
        for (std::int64_t d = 0; d < D; ++d) {
          slope[at(d)] += term * (static_cast<double>(center_actions[at(m * D + d)]) -
                                  particles[at(n * D + d)]);
        }
      }
      const double allowed =
          kUnitRoundoff * ((static_cast<double>(centers) + each) * magnitude + largest);
      const double reach = 4 * std::sqrt(width) + 4 * (1 + std::sqrt(width));
      worst = std::fmax(worst, std::fabs(value - values[at(n)]) / allowed);
      for (std::int64_t d = 0; d < D; ++d) {
        const double error = std::fabs(slope[at(d)] - gradient[at(n * D + d)]);
        worst = std::fmax(worst, error / (reach * allowed));
      }
    }
    return {worst, 1};
  }
};

/// One pair, value and gradient (kernel_q_cpu.cpp): 2 D for the exponent, 14 for the power of two
/// (a maximum, 3 for the split, 10 for the polynomial), the sum, 2 D for the gradient.
inline double kernel_q_flops(std::int64_t dimension) {
  return 4 * static_cast<double>(dimension) + 15;
}

}  // namespace wpg::bench
