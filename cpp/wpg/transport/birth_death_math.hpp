// Chances and choices of birth and death.
#pragma once

#include <cmath>
#include <cstdint>

#include "wpg/base/lanes.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/base/streams.hpp"

namespace wpg {

/// 1 - exp(-x): the chance of an event within x times its mean waiting time.
WPG_FORMULA double chance_of_event(double x) { return -std::expm1(-x); }

/// In [0, 1).
WPG_FORMULA double uniform_of(std::uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

/// A whole number below `count` <= 2^32: the high half of word * count.
WPG_FORMULA std::int64_t choice_of(std::uint64_t word, std::int64_t count) {
  const auto n = static_cast<std::uint64_t>(count);
  return static_cast<std::int64_t>(((word >> 32) * n + ((word & 0xFFFFFFFFu) * n >> 32)) >> 32);
}

/// B_i, but for the mean.
WPG_FORMULA double birth_death_excess(double log_density, double q_value, double temperature) {
  return log_density - q_value / temperature;
}

/// What a particle's numbers say of its state.
enum class Standing { allowed, forbidden, lost };

WPG_FORMULA Standing standing_of(double log_density, double q_value) {
  if (!(log_density - log_density == 0.0) || !(q_value < HUGE_VAL)) return Standing::lost;
  return q_value == -HUGE_VAL ? Standing::forbidden : Standing::allowed;
}

/// The particle's random words: does something happen to it, and with whom?
struct EventDraws {
  std::uint64_t event, choice;
};

WPG_FORMULA EventDraws event_draws(std::int64_t particle, std::int64_t state, std::uint64_t step,
                                   const PhiloxKeys<std::uint64_t>& keys) {
  constexpr std::uint64_t kLow = 0xFFFFFFFFu;
  const auto words = philox4x32<std::uint64_t>(static_cast<std::uint64_t>(particle),
                                               static_cast<std::uint64_t>(state), step & kLow,
                                               stream_word(Stream::birth_death, step), keys);
  return {(words.x0 & kLow) | words.x1 << 32, (words.x2 & kLow) | words.x3 << 32};
}

/// One of the other count - 1 particles.
WPG_FORMULA std::int64_t other_particle(std::uint64_t word, std::int64_t particle,
                                        std::int64_t count) {
  const std::int64_t choice = choice_of(word, count - 1);
  return choice + (choice >= particle ? 1 : 0);
}

}  // namespace wpg
