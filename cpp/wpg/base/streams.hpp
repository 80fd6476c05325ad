// The named streams of randomness, and how a draw's name becomes a Philox counter.
//
// A draw is a pure function of (seed, stream, step, state, particle, coordinate). It does not
// depend on the shape of the call: (S, N, D) may grow and the draws that were there stay the same.
//
//   key      = seed, 64 bits
//   counter0 = particle group: particle / 4 for float, particle / 2 for double
//   counter1 = state
//   counter2 = low 32 bits of step
//   counter3 = stream (8 bits) | high 8 bits of step | coordinate (16 bits)
//
// The four output words of one counter serve four neighbouring particles at one coordinate in
// float (two in double), so a small action dimension wastes no words.
//
// Birth and death wants two 64-bit words a particle and no normals: there counter0 is the particle
// itself, the coordinate 0, and the draws are the same for float and double.
#pragma once

#include <cstdint>

#include "wpg/base/lanes.hpp"

namespace wpg {

/// Values are part of the interface: changing one changes every run ever made with it.
enum class Stream : std::uint32_t {
  langevin = 0,     // the noise of a Langevin step
  initial = 1,      // where particles start
  behaviour = 2,    // which particle acts while data are collected, or how it is drawn
  exploration = 3,  // actions before there is a critic
  evaluation = 4,   // which particle acts in a sampled evaluation
  centers = 5,      // which data become centres
  reset = 6,        // reset seeds of environments
  replay = 7,       // which transitions are drawn
  leimkuhler_matthews = 8,
  mala_proposal = 9,
  mala_acceptance = 10,
  birth_death = 11,
  network = 12,  // where the weights of a network start
  policy = 13,   // latent draws and noise of a policy's particles, in the backup and its own update
};

inline constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 40;

/// Neighbouring particles whose draws come from one counter.
template <class T>
inline constexpr std::int64_t kGroup = sizeof(T) == 4 ? 4 : 2;

/// counter3 without its coordinate.
WPG_FORMULA std::uint32_t stream_word(Stream stream, std::uint64_t step) {
  return (static_cast<std::uint32_t>(stream) << 24) |
         (static_cast<std::uint32_t>((step >> 32) & 0xFFu) << 16);
}

}  // namespace wpg
