// The median rule for one state after another, with memory that is made once. Internal to the files
// that are compiled once per instruction set; the loops are in bandwidth_cpu.cpp.
#pragma once

#include <cstdint>

#ifndef WPG_ISA
#error "define WPG_ISA (base, avx2 or avx512) for files that include median_bandwidth.hpp"
#endif

namespace wpg {
namespace WPG_ISA {

/// bandwidth.hpp's number for states of N >= 1 particles.
template <class T>
class MedianBandwidth {
 public:
  MedianBandwidth(std::int64_t particles, std::int64_t dimension);
  ~MedianBandwidth();
  MedianBandwidth(const MedianBandwidth&) = delete;
  MedianBandwidth& operator=(const MedianBandwidth&) = delete;

  /// Of the particles (N, D) of a state.
  T of(const T* particles);

 private:
  class Rule;
  Rule* rule_;
};

}  // namespace WPG_ISA
}  // namespace wpg
