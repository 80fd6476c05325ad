#include "ceilings.hpp"

#include <cstring>
#include <vector>

#include "ceilings_cpu.hpp"
#include "wpg/base/parallel.hpp"

namespace wpg::bench {
namespace {

// Two arrays of 128 MiB: four times a third-level cache of 32 MiB each.
constexpr std::int64_t kCopied = std::int64_t{128} << 20;
constexpr std::int64_t kRounds = 100000;

double multiply_add(float* sink) { WPG_CALL(multiply_add(sink, kRounds)); }

}  // namespace

Ceilings measure_ceilings(const Protocol& protocol) {
  const int threads = get_num_threads();
  Ceilings ceilings;
  {
    // Zeros that were never written share one page of memory; ones do not.
    std::vector<char> from(kCopied, 1), to(kCopied, 2);
    const auto copy = [&] {
      parallel_for(kCopied, 1, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
      });
    };
    copy();
    const Spread spread = time_of(measure(protocol, copy), threads);
    ceilings.copy_bytes_per_second = 2.0 * kCopied / spread.least;
    ceilings.copy_spread = spread.relative();
  }
  constexpr std::int64_t kSink = 128;  // floats of one thread: cache lines of its own
  std::vector<float> sinks(static_cast<std::size_t>(threads * kSink), 0.5f);
  std::vector<double> flops(static_cast<std::size_t>(threads), 0.0);
  const auto chains = [&] {
    parallel_for(threads, kRounds * 24, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        flops[static_cast<std::size_t>(t)] = multiply_add(sinks.data() + t * kSink);
      }
    });
  };
  chains();
  const Spread spread = time_of(measure(protocol, chains), threads);
  for (const double each : flops) ceilings.fma_flops_per_second += each / spread.least;
  ceilings.fma_spread = spread.relative();
  return ceilings;
}

}  // namespace wpg::bench
