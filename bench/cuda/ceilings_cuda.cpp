#include "ceilings_cuda.hpp"

#include <cmath>
#include <cstring>

#include "device.hpp"

namespace wpg::bench {
namespace {

void measure_copies(DeviceCeilings& found, const Protocol& protocol, std::int64_t bytes) {
  const std::size_t size = static_cast<std::size_t>(bytes);
  std::vector<unsigned> words(size / 4);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<unsigned>(i) * 2654435761u;
  DeviceNumbers<unsigned> from(words), to(static_cast<std::int64_t>(words.size()));
  DeviceClock clock;
  for (const int each : {0, 1, 2, 4, 8}) {
    const auto call = [&] {
      if (each > 0) return copy_on_device(to.get(), from.get(), bytes, each, nullptr);
      succeed(cudaMemcpyAsync(to.get(), from.get(), size, cudaMemcpyDeviceToDevice, nullptr),
              "cudaMemcpyAsync");
    };
    succeed(cudaMemsetAsync(to.get(), 0, size, nullptr), "cudaMemsetAsync");
    call();
    if (to.on_host() != words) throw std::runtime_error("a copy on the device is no copy");
    const Spread spread = spread_of(measure(protocol, call, clock).wall);
    const double rate = 2 * static_cast<double>(bytes) / spread.least;
    if (rate <= found.copy_bytes_per_second) continue;
    found.copy_bytes_per_second = rate;
    found.copy_spread = spread.relative();
    found.fastest_copy =
        each == 0 ? "cudaMemcpyAsync" : std::to_string(each) + " accesses of 16 bytes a thread";
  }
}

/// The sum of the ends of one thread's chains.
float chains_on_host(int chains, int rounds) {
  float sum = 0;
  for (int c = 0; c < chains; ++c) {
    float x = chain_begin(c);
    for (int round = 0; round < rounds; ++round) x = std::fmaf(x, kChainFactor, kChainSummand);
    sum += x;
  }
  return sum;
}

void measure_chains(DeviceCeilings& found, const Protocol& protocol, int rounds) {
  const std::int64_t blocks = std::int64_t{card().multiprocessors} * 32;
  DeviceNumbers<float> ends(blocks * kChainThreads);
  DeviceClock clock;
  for (const int chains : {8, 16}) {
    const auto call = [&] { multiply_add_on_device(ends.get(), chains, rounds, blocks, nullptr); };
    call();
    const float want = chains_on_host(chains, rounds);
    for (const float end : ends.on_host()) {
      if (end != want) throw std::runtime_error("multiply-adds on the device end elsewhere");
    }
    const Spread spread = spread_of(measure(protocol, call, clock).wall);
    const double flops = 2.0 * chains * rounds * static_cast<double>(blocks * kChainThreads);
    if (flops / spread.least <= found.fma_flops_per_second) continue;
    found.fma_flops_per_second = flops / spread.least;
    found.fma_spread = spread.relative();
    found.fastest_chains = std::to_string(chains) + " chains a thread";
  }
}

}  // namespace

DeviceCeilings measure_device_ceilings(const Protocol& protocol, std::int64_t bytes, int rounds) {
  DeviceCeilings found;
  measure_copies(found, protocol, bytes);
  measure_chains(found, protocol, rounds);
  return found;
}

}  // namespace wpg::bench
