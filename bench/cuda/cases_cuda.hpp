// The measured CUDA routines. As in bench/cpp, a case says what a call has to do at least (Work)
// and how its answer is checked before it is timed; here also which fraction of a ceiling is
// wanted.
//
// `flops` counts sums over pairs as they are written, every ordered pair: a multiply-add as two, an
// exponential as one operation, though no processor has one as fast as a multiply-add. Beside it
// stands the fraction with an exponential as the 14 operations of its polynomial, which is how
// bench/cpp counts it.
#pragma once

#include <cmath>

#include "cases.hpp"
#include "device.hpp"

namespace wpg::bench {

struct Sizes {
  std::int64_t elements = 100'000'000;  // of noise and Langevin
  bool small = false;                   // answers alone are wanted, as from CUDA on the host
};

enum class Ceiling { none, copy, multiply_add };

struct DeviceCase {
  std::string name;
  std::function<Ready()> prepare;
  double exponentials = 0;        // of one call
  Ceiling bound = Ceiling::none;  // of which ceiling `wanted` is a fraction
  double wanted = 0;
};

/// Two calls that are timed in turn; the time of the first over the second's is at most `wanted`,
/// if that is not 0.
struct RatioCase {
  std::string name, first, second;
  struct Ready {
    std::function<void()> first, second;
    std::function<Answer()> check;
  };
  std::function<Ready()> prepare;
  double wanted = 0;
};

struct DeviceCases {
  std::vector<DeviceCase> cases;
  std::vector<RatioCase> ratios;
};

void bench_normal_cuda(DeviceCases& cases, const Sizes& sizes);
void bench_langevin_cuda(DeviceCases& cases, const Sizes& sizes);
void bench_pairs_cuda(DeviceCases& cases, const Sizes& sizes);
void bench_bandwidth_cuda(DeviceCases& cases, const Sizes& sizes);
void bench_kernel_q_cuda(DeviceCases& cases, const Sizes& sizes);
void bench_flow_cuda(DeviceCases& cases, const Sizes& sizes);

/// All of them.
DeviceCases all_device_cases(const Sizes& sizes);

/// How many numbers differ in a bit, and 0 allowed. None of them is NaN.
inline Answer same_bits_answer(const std::vector<float>& found, const std::vector<float>& wanted) {
  double different = found.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < found.size() && i < wanted.size(); ++i) {
    different += same_bits<std::uint32_t>(found[i]) != same_bits<std::uint32_t>(wanted[i]);
  }
  return {different, 0};
}

/// Has every number been written, and is it one? Device memory begins as NaN.
inline bool all_finite(const std::vector<float>& found) {
  for (const float x : found) {
    if (!std::isfinite(x)) return false;
  }
  return true;
}

/// The first state, one in the middle and the last one, for what is held against sums in double.
inline std::vector<std::int64_t> some_states(const CloudShape& shape) {
  return {0, shape.states / 2, shape.states - 1};
}

/// The one whose error is the larger part of what is allowed, or NaN.
inline Answer worse_of(const Answer& a, const Answer& b) {
  return std::isnan(a.error) || b.error * a.allowed <= a.error * b.allowed ? a : b;
}

/// At least `elements` of them in states of 64 particles.
inline CloudShape cloud_of(std::int64_t elements, std::int64_t dimension) {
  const std::int64_t of_state = 64 * dimension;
  return {(elements + of_state - 1) / of_state, 64, dimension};
}

}  // namespace wpg::bench
