// One number for the bits of an array, and every setting under which it must be the same.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"
#include "wpg/base/isa.hpp"
#include "wpg/base/parallel.hpp"

/// FNV-1a over the bytes.
template <class T>
std::uint64_t hash_of(const std::vector<T>& array) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(array.data());
  for (std::size_t i = 0; i < array.size() * sizeof(T); ++i) {
    hash = (hash ^ bytes[i]) * 0x100000001B3u;
  }
  return hash;
}

/// Runs `make`, which returns an array, with 1, 2, 3 and 7 threads; all hashes must be equal.
template <class Make>
std::uint64_t same_on_all_threads(Make&& make) {
  const int before = wpg::get_num_threads();
  wpg::set_work_per_thread(256);  // threads also on small arrays
  wpg::set_num_threads(1);
  const std::uint64_t hash = hash_of(make());
  for (const int threads : {2, 3, 7}) {
    wpg::set_num_threads(threads);
    CHECK_EQUAL(hash_of(make()), hash);
  }
  wpg::set_num_threads(before);
  return hash;
}

/// The same on every instruction set of this machine as well.
template <class Make>
std::uint64_t same_everywhere(Make&& make) {
  const std::string before = wpg::isa_name(wpg::active_isa());
  wpg::set_active_isa("base");
  const std::uint64_t hash = same_on_all_threads(make);
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    CHECK_EQUAL(same_on_all_threads(make), hash);
  }
  wpg::set_active_isa(before);
  return hash;
}

/// Numbers in [-1, 1] for inputs: a multiplicative generator, the same on every machine.
template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<T> out(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (T& x : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<T>(static_cast<double>(state >> 11) * 0x1p-52 - 1.0);
  }
  return out;
}
