#include "wpg/transport/birth_death.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/transport/birth_death_math.hpp"

namespace wpg {
namespace {

/// One state's events.
template <class T>
class Population {
 public:
  Population(const CloudShape& shape, const BirthDeathParameters<T>& parameters)
      : N_(shape.particles), parameters_(parameters), excess_(static_cast<std::size_t>(N_)) {
    philox_keys(parameters.seed, keys_);
    allowed_.reserve(excess_.size());
  }

  /// False if nothing can be said because a number is not finite.
  bool take_state(std::int32_t* ancestors, const T* log_density, const T* q_values,
                  std::int64_t state) {
    for (std::int64_t i = 0; i < N_; ++i) ancestors[i] = static_cast<std::int32_t>(i);
    allowed_.clear();
    const auto temperature = static_cast<double>(parameters_.temperature[state]);
    double sum = 0;
    for (std::int64_t i = 0; i < N_; ++i) {
      const auto q = static_cast<double>(q_values[i]), log_pi = static_cast<double>(log_density[i]);
      const Standing standing = standing_of(log_pi, q);
      if (standing == Standing::lost) return false;
      if (standing == Standing::forbidden) continue;
      allowed_.push_back(i);
      excess_[static_cast<std::size_t>(i)] = birth_death_excess(log_pi, q, temperature);
      sum += excess_[static_cast<std::size_t>(i)];
    }
    if (N_ < 2 || allowed_.empty()) return true;
    replace_forbidden(ancestors, state);
    const double mean = sum / static_cast<double>(allowed_.size());
    const double time = static_cast<double>(parameters_.rate[state]) * temperature *
                        static_cast<double>(parameters_.step_size[state]);
    for (const std::int64_t i : allowed_) {
      const double excess = excess_[static_cast<std::size_t>(i)] - mean;
      const EventDraws draws = draws_of(i, state);
      const double chance = chance_of_event(time * std::abs(excess));
      if (ancestors[i] != i || !(uniform_of(draws.event) < chance)) continue;
      const std::int64_t other = other_particle(draws.choice, i, N_);
      if (excess > 0) {
        ancestors[i] = ancestors[other];
      } else {
        ancestors[other] = ancestors[i];
      }
    }
    return true;
  }

 private:
  EventDraws draws_of(std::int64_t particle, std::int64_t state) const {
    return event_draws(particle, state, parameters_.step, keys_);
  }

  void replace_forbidden(std::int32_t* ancestors, std::int64_t state) const {
    const auto count = static_cast<std::int64_t>(allowed_.size());
    if (count == N_) return;
    std::int64_t next = 0;
    for (std::int64_t i = 0; i < N_; ++i) {
      if (next < count && allowed_[static_cast<std::size_t>(next)] == i) {
        ++next;
        continue;
      }
      const std::int64_t choice = choice_of(draws_of(i, state).choice, count);
      ancestors[i] = static_cast<std::int32_t>(allowed_[static_cast<std::size_t>(choice)]);
    }
  }

  std::int64_t N_;
  BirthDeathParameters<T> parameters_;
  PhiloxKeys<std::uint64_t> keys_;
  std::vector<double> excess_;         // log pi_hat - Q / temperature
  std::vector<std::int64_t> allowed_;  // particles whose Q is not -infinity
};

}  // namespace

template <class T>
void birth_death(T* out, std::int32_t* ancestors, const T* particles, const T* log_density,
                 const T* q_values, const CloudShape& shape,
                 const BirthDeathParameters<T>& parameters) {
  require_shape(shape);
  WPG_REQUIRE(
      shape.particles <= std::numeric_limits<std::int32_t>::max(),
      "particles: N = " + std::to_string(shape.particles) + " is more than ancestors can count");
  require_step(parameters.step);
  require_positive(parameters.temperature, shape.states, "temperature");
  require_non_negative(parameters.rate, shape.states, "rate");
  require_non_negative(parameters.step_size, shape.states, "step_size");
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  const std::int64_t N = shape.particles, D = shape.dimension;
  parallel_for(shape.states, N * (D + 32), [&](std::int64_t first, std::int64_t last) {
    Population<T> population(shape, parameters);
    std::vector<T> before(static_cast<std::size_t>(out == particles ? N * D : 0));
    for (std::int64_t s = first; s < last; ++s) {
      std::int32_t* const from = ancestors + s * N;
      T* const to = out + s * N * D;
      if (!population.take_state(from, log_density + s * N, q_values + s * N, s)) {
        for (std::int64_t i = 0; i < N; ++i) from[i] = static_cast<std::int32_t>(i);
        std::fill(to, to + N * D, std::numeric_limits<T>::quiet_NaN());
        continue;
      }
      const T* cloud = particles + s * N * D;
      if (out == particles) {
        std::copy(cloud, cloud + N * D, before.begin());
        cloud = before.data();
      }
      for (std::int64_t i = 0; i < N; ++i) {
        std::copy(cloud + from[i] * D, cloud + (from[i] + 1) * D, to + i * D);
      }
    }
  });
}

template void birth_death<float>(float*, std::int32_t*, const float*, const float*, const float*,
                                 const CloudShape&, const BirthDeathParameters<float>&);
template void birth_death<double>(double*, std::int32_t*, const double*, const double*,
                                  const double*, const CloudShape&,
                                  const BirthDeathParameters<double>&);

}  // namespace wpg
