// A kernel without the barrier that it wants is reported by the thread sanitizer, and one with it
// is not. Both give the same numbers here, where the threads of a block take turns.
#include <cuda_runtime.h>

#include <cstdio>

namespace {

constexpr int kThreads = 64;
int shared[kThreads];

template <bool kOrdered>
__global__ void neighbours(int* seen) {
  const auto t = static_cast<int>(threadIdx.x);
  shared[t] = t;
  if constexpr (kOrdered) __syncthreads();
  seen[t] = shared[(t + kThreads - 1) % kThreads];
}

template <bool kOrdered>
void run(const char* name) {
  int seen[kThreads] = {};
  cudaLaunchConfig_t config;
  config.blockDim = dim3(kThreads);
  cudaLaunchKernelEx(&config, neighbours<kOrdered>, static_cast<int*>(seen));
  int wrong = 0;
  for (int t = 1; t < kThreads; ++t) wrong += seen[t] != t - 1;
  std::fprintf(stderr, "%s: %d of %d wrong\n", name, wrong, kThreads);
}

}  // namespace

int main() {
  run<true>("ordered");
  run<false>("without a barrier");
  return 0;
}
