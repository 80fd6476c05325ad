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

/// Memory of one thread, aligned for vectors, with a vector's width to spare at its end.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count) {
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 255) / 128 * 128;
    data_ = static_cast<T*>(std::aligned_alloc(128, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* get() { return data_; }
  T& operator[](std::int64_t i) { return data_[i]; }

 private:
  T* data_;
};

}  // namespace WPG_ISA
}  // namespace wpg
