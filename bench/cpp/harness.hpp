// How a routine is timed: a warm-up call, as many calls in a row as fill the minimum time, and that
// many again for every repetition. Reported are the least, the median and the spread (the median
// distance from the median, MAD) of the time of one call.
//
// The least is what the routine costs when nothing disturbs it; the median and the spread say how
// much disturbance there was. Processor time is not stretched by other programs, wall time is; only
// wall time falls when threads help.
#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace wpg::bench {

struct Protocol {
  int repetitions = 15;
  double min_time = 0.02;  // seconds of calls in one repetition
};

/// Throws std::invalid_argument.
inline void require_protocol(const Protocol& protocol) {
  if (protocol.repetitions < 1 || protocol.repetitions > 10000) {
    throw std::invalid_argument("repetitions is " + std::to_string(protocol.repetitions) +
                                "; it must be from 1 to 10000");
  }
  if (!(protocol.min_time > 0 && protocol.min_time <= 60)) {
    throw std::invalid_argument("min_time is " + std::to_string(protocol.min_time) +
                                "; it must be above 0 and at most 60 seconds");
  }
}

struct Spread {
  double least = 0, median = 0, mad = 0;

  /// MAD over median.
  double relative() const { return median > 0 ? mad / median : 0; }
};

/// The middle one, or the mean of the two in the middle.
inline double median_of(std::vector<double> values) {
  const std::size_t n = values.size();
  if (n == 0) throw std::invalid_argument("the median of no numbers");
  std::sort(values.begin(), values.end());
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

inline Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  spread.median = median_of(values);
  spread.least = *std::min_element(values.begin(), values.end());
  std::vector<double> away;
  for (const double value : values) away.push_back(std::fabs(value - spread.median));
  spread.mad = median_of(away);
  return spread;
}

struct Instant {
  double wall = 0, cpu = 0;  // seconds
};

/// Wall time, and processor time of all threads of this process.
struct Clock {
  static double seconds(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
  Instant operator()() const {
    return {seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
  }
};

/// Seconds of one call, one entry per repetition.
struct Timing {
  std::int64_t iterations = 0;  // calls in one repetition
  std::vector<double> wall, cpu;
};

/// The caller has called once already, so caches and page tables are warm.
template <class Call, class Now = Clock>
Timing measure(const Protocol& protocol, Call&& call, Now&& now = Now{}) {
  require_protocol(protocol);
  const auto elapsed = [&](std::int64_t calls) {
    const Instant begin = now();
    for (std::int64_t i = 0; i < calls; ++i) call();
    const Instant end = now();
    return Instant{end.wall - begin.wall, end.cpu - begin.cpu};
  };
  Timing timing;
  timing.iterations = 1;
  for (;;) {
    const double took = elapsed(timing.iterations).wall;
    if (took >= protocol.min_time || timing.iterations >= (std::int64_t{1} << 40)) break;
    const double wanted = 1.1 * protocol.min_time / std::max(took, 1e-9);
    const double factor = std::min(10.0, std::max(1.0, wanted));
    timing.iterations =
        std::max(timing.iterations + 1,
                 static_cast<std::int64_t>(static_cast<double>(timing.iterations) * factor));
  }
  for (int r = 0; r < protocol.repetitions; ++r) {
    const Instant took = elapsed(timing.iterations);
    timing.wall.push_back(took.wall / static_cast<double>(timing.iterations));
    timing.cpu.push_back(took.cpu / static_cast<double>(timing.iterations));
  }
  return timing;
}

}  // namespace wpg::bench
