// What the card can do at most, measured in the same run as the routines.
#pragma once

#include "ceilings.hpp"
#include "wpg/base/cuda.hpp"
#include "wpg/base/lanes.hpp"

namespace wpg::bench {

/// copy_bytes_per_second: bytes read plus bytes written by the fastest of the copies below.
/// fma_flops_per_second: fused multiply-adds of independent chains x = x a + b in registers, on all
/// multiprocessors; one counts as two operations.
struct DeviceCeilings : Ceilings {
  std::string fastest_copy, fastest_chains;
};

/// `bytes` is the size of the array that is copied. Throws std::runtime_error if a copy is no copy
/// or a chain has another end than on the host.
DeviceCeilings measure_device_ceilings(const Protocol& protocol, std::int64_t bytes, int rounds);

// ceilings_cuda.cu:

/// `each` (1, 2, 4 or 8) accesses of 16 bytes a thread.
void copy_on_device(void* to, const void* from, std::int64_t bytes, int each, cuda::CudaStream on);

/// Every thread runs `chains` (8 or 16) chains of `rounds` multiply-adds each and leaves their sum.
void multiply_add_on_device(float* ends, int chains, int rounds, std::int64_t blocks,
                            cuda::CudaStream on);
inline constexpr int kChainThreads = 256;
inline constexpr float kChainFactor = 0.999f, kChainSummand = 0.25f;

/// Where chain `chain` of a thread begins.
WPG_FORMULA float chain_begin(int chain) { return 0.5f * static_cast<float>(chain + 1); }

}  // namespace wpg::bench
