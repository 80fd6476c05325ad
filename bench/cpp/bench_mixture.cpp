#include <memory>

#include "cases.hpp"
#include "problem.hpp"
#include "wpg/density/mixture.hpp"

namespace wpg::bench {
namespace {

constexpr float kDeviation = 0.25f;

struct Problem {
  MixtureShape shape;
  Floats cloud, out;

  void call() {
    mixture_log_density<float>(out.data(), nullptr, cloud.data(), cloud.data(), shape,
                               {&kDeviation, 0}, Support<float>::unbounded());
  }

  /// The points of the first state against the sum in double. The header's bound with X <= log N
  /// (a point is itself a mean), R <= 1 and |l| <= 20.
  Answer check() const {
    const std::int64_t N = shape.means, D = shape.dimension;
    const double std = kDeviation;
    double worst = 0;
    for (std::int64_t i = 0; i < shape.points; ++i) {
      double sum = 0;
      for (std::int64_t j = 0; j < N; ++j) {
        double square = 0;
        for (std::int64_t d = 0; d < D; ++d) {
          const double away = static_cast<double>(cloud[at(i * D + d)]) - cloud[at(j * D + d)];
          square += away * away;
        }
        sum += std::exp(-square / (2 * std * std));
      }
      const auto width = static_cast<double>(D);
      const double answer =
          std::log(sum / static_cast<double>(N)) - width * std::log(std * 2.5066282746310005);
      worst = std::fmax(worst, std::fabs(answer - out[at(i)]));
    }
    const auto n = static_cast<double>(N), width = static_cast<double>(D);
    const double x = std::log(n);
    return {worst, kUnitRoundoff * (n + 10 * (width + 1) + (width + 14) * x +
                                    4 * std::sqrt(2 * width * x) / std + 80 + 10 * width)};
  }
};

}  // namespace

void bench_mixture(Cases& cases) {
  const CloudShape shape{512, 64, 2};
  cases.push_back({"mixture_log_density/" + text_of(shape), [shape] {
                     const auto p = std::make_shared<Problem>();
                     p->shape = {shape.states, shape.particles, shape.particles, shape.dimension};
                     p->cloud = uniform(shape.size(), 1);
                     p->out.resize(at(shape.states * shape.particles));
                     const auto size = static_cast<double>(shape.size());
                     const auto points = static_cast<double>(p->out.size());
                     const double pairs = points * static_cast<double>(shape.particles);
                     // A coordinate: difference, scale, square, scale, sum. A pair: the
                     // largest taken off, 14 for the power of two, its factor, the sum.
                     const double flops = 5 * static_cast<double>(shape.dimension) + 17;
                     return Ready{{"pair", pairs, 8 * size + 4 * points, flops * pairs},
                                  [p] { p->call(); },
                                  [p] { return p->check(); }};
                   }});
}

}  // namespace wpg::bench
