#include "ceilings_cuda.hpp"
#include "wpg/base/cuda_kernel.hpp"

namespace wpg {
namespace bench {
namespace {

using cuda::kThreads;
using cuda::Quad;

/// A block copies a piece without gaps; its threads ask for all they copy before they store.
template <int kEach>
__global__ void __launch_bounds__(kThreads)
    copy_quads(Quad<float>* to, const Quad<float>* from, std::int64_t quads) {
  const std::int64_t first = std::int64_t{blockIdx.x} * (kThreads * kEach) + threadIdx.x;
  Quad<float> held[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    if (first + i * kThreads < quads) held[i] = from[first + i * kThreads];
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    if (first + i * kThreads < quads) to[first + i * kThreads] = held[i];
  }
}

/// Factor and summand are parameters, so that nothing is known when this is compiled.
template <int kChains>
__global__ void __launch_bounds__(kChainThreads)
    multiply_add(float* ends, int rounds, float factor, float summand) {
  constexpr int kAtOnce = 16;
  float x[kChains];
#pragma unroll
  for (int c = 0; c < kChains; ++c) x[c] = chain_begin(c);
  for (int round = 0; round < rounds; round += kAtOnce) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
      for (int c = 0; c < kChains; ++c) x[c] = fmaf(x[c], factor, summand);
    }
  }
  float sum = 0;
#pragma unroll
  for (int c = 0; c < kChains; ++c) sum += x[c];
  ends[std::int64_t{blockIdx.x} * kChainThreads + threadIdx.x] = sum;
}

template <int kEach>
void copy(void* to, const void* from, std::int64_t bytes, cuda::CudaStream on) {
  const std::int64_t quads = bytes / 16, of_block = kThreads * kEach;
  cuda::launch("copy", on, {(quads + of_block - 1) / of_block}, copy_quads<kEach>,
               static_cast<Quad<float>*>(to), static_cast<const Quad<float>*>(from), quads);
}

}  // namespace

void copy_on_device(void* to, const void* from, std::int64_t bytes, int each, cuda::CudaStream on) {
  if (each == 1) return copy<1>(to, from, bytes, on);
  if (each == 2) return copy<2>(to, from, bytes, on);
  if (each == 4) return copy<4>(to, from, bytes, on);
  copy<8>(to, from, bytes, on);
}

void multiply_add_on_device(float* ends, int chains, int rounds, std::int64_t blocks,
                            cuda::CudaStream on) {
  cuda::launch("multiply_add", on, {blocks, kChainThreads},
               chains == 8 ? multiply_add<8> : multiply_add<16>, ends, rounds, kChainFactor,
               kChainSummand);
}

}  // namespace bench
}  // namespace wpg
