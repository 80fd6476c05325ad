// Adam, and the average that a target network is:
//
//   m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
//   p <- p - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
//
// Source: Kingma and Ba 2015, algorithm 1; averaging: Polyak and Juditsky 1992.
#pragma once

#include <cstdint>

namespace wpg {

struct AdamSettings {
  double learning_rate = 3e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Step t = `steps` (from 1) of all `count` numbers, in place. Throws std::invalid_argument if a
/// setting is out of range, or the learning rate 0 or infinite in float where it was not. One pass
/// over memory; no bit depends on the number of threads. Each number is off by a few roundings, and
/// by those of beta1 and beta2 to float.
void adam_step(float* parameters, float* first_moment, float* second_moment, const float* gradient,
               std::int64_t count, std::uint64_t steps, const AdamSettings& settings);

/// average <- average + rate (parameters - average), 0 <= rate <= 1; a copy at rate 1.
void polyak_average(float* average, const float* parameters, std::int64_t count, double rate);

}  // namespace wpg
