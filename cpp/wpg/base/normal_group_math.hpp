// The draws of one Philox counter, one number after the other: what a GPU thread, or a loop that
// wants no vectors, does. normal_block.hpp does the same for vectors of counters.
#pragma once

#include <cstdint>

#include "wpg/base/normal_math.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/base/streams.hpp"

namespace wpg {

/// What a seed, a stream and a step fix for all draws of a call.
struct DrawName {
  PhiloxKeys<std::uint64_t> keys;
  std::uint32_t step_word;    // counter2
  std::uint32_t stream_word;  // counter3 without its coordinate
};

WPG_FORMULA DrawName draw_name(std::uint64_t seed, Stream stream, std::uint64_t step) {
  DrawName name;
  philox_keys(seed, name.keys);
  name.step_word = static_cast<std::uint32_t>(step & 0xFFFFFFFFu);
  name.stream_word = stream_word(stream, step);
  return name;
}

/// Random words of neighbouring particles at one coordinate, each as wide as a number.
template <class T>
struct WordGroup {
  unsigned_of<T> word[kGroup<T>];
};

template <class T>
WPG_FORMULA WordGroup<T> word_group(const DrawName& name, std::uint32_t group, std::uint32_t state,
                                    std::uint32_t coordinate) {
  const PhiloxWords<std::uint64_t> x = philox4x32<std::uint64_t>(
      group, state, name.step_word, name.stream_word | coordinate, name.keys);
  if constexpr (kGroup<T> == 4) {
    return {{static_cast<std::uint32_t>(x.x0), static_cast<std::uint32_t>(x.x1),
             static_cast<std::uint32_t>(x.x2), static_cast<std::uint32_t>(x.x3)}};
  } else {
    return {{(x.x0 & 0xFFFFFFFFu) | (x.x1 << 32), (x.x2 & 0xFFFFFFFFu) | (x.x3 << 32)}};
  }
}

/// Standard normals, one for each particle of the group.
template <class T>
struct NormalGroup {
  T draw[kGroup<T>];
};

template <class T>
WPG_FORMULA NormalGroup<T> normal_group(const DrawName& name, std::uint32_t group,
                                        std::uint32_t state, std::uint32_t coordinate) {
  const WordGroup<T> words = word_group<T>(name, group, state, coordinate);
  NormalGroup<T> normals;
  WPG_UNROLL(2)
  for (int k = 0; k < kGroup<T>; k += 2) {
    const NormalPair<T> pair =
        box_muller<T>(minus_two_log_of_uniform<T>(words.word[k]), words.word[k + 1]);
    normals.draw[k] = pair.first;
    normals.draw[k + 1] = pair.second;
  }
  return normals;
}

}  // namespace wpg
