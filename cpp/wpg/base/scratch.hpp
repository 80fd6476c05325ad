// Working memory for the loops that are compiled once per instruction set: no container, so that no
// symbol is shared between instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#ifndef WPG_ISA
#error "define WPG_ISA (base, avx2 or avx512) for files that include scratch.hpp"
#endif

namespace wpg {
namespace WPG_ISA {

/// Memory of one thread, aligned for vectors, with a vector's width to spare at its end. Aligned by
/// hand: malloc keeps small pieces at hand, aligned_alloc searches for each of them.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count) {
    if (count == 0) return;
    constexpr std::uintptr_t kAlignment = 128;
    memory_ = std::malloc(static_cast<std::size_t>(count) * sizeof(T) + 2 * kAlignment);
    if (memory_ == nullptr) throw std::bad_alloc();
    const auto first = reinterpret_cast<std::uintptr_t>(memory_);
    data_ = reinterpret_cast<T*>((first + kAlignment - 1) / kAlignment * kAlignment);
  }
  ~Scratch() { std::free(memory_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* get() { return data_; }
  T& operator[](std::int64_t i) { return data_[i]; }

 private:
  void* memory_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace WPG_ISA
}  // namespace wpg
