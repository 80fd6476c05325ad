#include <memory>

#include "cases.hpp"
#include "harness.hpp"
#include "problem.hpp"
#include "wpg/density/bandwidth.hpp"

namespace wpg::bench {
namespace {

struct Problem {
  CloudShape shape;
  Floats particles, out;

  void call() { median_bandwidth<float>(out.data(), particles.data(), shape); }

  /// The first state by sorting in double; relative to the answer (D/2 + 6) u (bandwidth.hpp).
  Answer check() const {
    std::vector<double> distances;
    const std::int64_t N = shape.particles, D = shape.dimension;
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        double square = 0;
        for (std::int64_t d = 0; d < D; ++d) {
          const double away =
              static_cast<double>(particles[at(i * D + d)]) - particles[at(j * D + d)];
          square += away * away;
        }
        distances.push_back(std::sqrt(square));
      }
    }
    const double median = median_of(distances);
    const double answer = median / std::sqrt(2 * std::log(static_cast<double>(N) + 1));
    return {std::fabs(out[0] - answer) / answer, (static_cast<double>(D) / 2 + 6) * kUnitRoundoff};
  }
};

}  // namespace

void bench_bandwidth(Cases& cases) {
  const CloudShape shape{512, 128, 6};
  cases.push_back({"median_bandwidth/" + text_of(shape), [=] {
                     const auto p = std::make_shared<Problem>();
                     *p = {shape, uniform(shape.size(), 1), Floats(at(shape.states))};
                     const auto size = static_cast<double>(shape.size());
                     const double pairs = size / 6 * (static_cast<double>(shape.particles) - 1) / 2;
                     // A pair: difference, square and sum of each coordinate, and two comparisons.
                     return Ready{{"pair", pairs, 4 * size, (3 * 6 + 2) * pairs},
                                  [p] { p->call(); },
                                  [p] { return p->check(); }};
                   }});
}

}  // namespace wpg::bench
