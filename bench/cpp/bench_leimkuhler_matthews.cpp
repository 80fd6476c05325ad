#include <memory>

#include "cases.hpp"
#include "problem.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"

namespace wpg::bench {
namespace {

constexpr float kStepSize = 0.01f, kTemperature = 0.5f;

struct Problem {
  CloudShape shape;
  Support<float> support;
  Floats particles, drift, out;

  void step() {
    LangevinParameters<float> parameters;
    parameters.step_size = {&kStepSize, 0};
    parameters.temperature = {&kTemperature, 0};
    parameters.seed = 1;
    leimkuhler_matthews<float>(out.data(), particles.data(), drift.data(), shape, parameters,
                               support);
  }

  /// The mean of two draws of its stream in double, where no wall is near: two draws, their sum,
  /// two products and two sums of numbers below 8 are off by at most 16 u.
  Answer check() const {
    Floats now(out.size()), next(out.size());
    standard_normal<float>(now.data(), shape, 1, Stream::leimkuhler_matthews, 0);
    standard_normal<float>(next.data(), shape, 1, Stream::leimkuhler_matthews, 1);
    const double scale = std::sqrt(2.0 * kStepSize * kTemperature);
    double worst = 0;
    for (std::size_t e = 0; e < out.size(); ++e) {
      const double begun = particles[e] + static_cast<double>(kStepSize) * drift[e];
      const double moved = begun + scale * 0.5 * (static_cast<double>(now[e]) + next[e]);
      if (std::fabs(moved) < 1) worst = std::fmax(worst, std::fabs(moved - out[e]));
    }
    return {worst, 16 * kUnitRoundoff};
  }
};

}  // namespace

void bench_leimkuhler_matthews(Cases& cases) {
  const CloudShape shape{4096, 64, 6};
  cases.push_back({"leimkuhler_matthews/" + text_of(shape) + "/box", [=] {
                     const auto p = std::make_shared<Problem>();
                     p->shape = shape;
                     p->support = unit_box(shape.dimension);
                     p->particles = uniform(shape.size(), 1);
                     p->drift = normals(shape.size(), 2);
                     p->out.resize(at(shape.size()));
                     const auto n = static_cast<double>(shape.size());
                     // Two draws and their mean, and the rest of a Langevin step in a box.
                     return Ready{{"element", n, 12 * n, (43 + 2 + 8) * n},
                                  [p] { p->step(); },
                                  [p] { return p->check(); }};
                   }});
}

}  // namespace wpg::bench
