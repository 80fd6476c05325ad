#include <memory>

#include "cases.hpp"
#include "problem.hpp"
#include "wpg/transport/langevin.hpp"

namespace wpg::bench {
namespace {

// The draw as in bench_normal.cpp, a + step_size drift + scale xi, and in a box two differences, a
// maximum and a minimum.
constexpr double kFlopsOfDraw = 43.0 / 2, kFlopsOfMove = 4, kFlopsOfBox = 4;
constexpr float kStepSize = 0.01f, kTemperature = 0.5f;

struct Problem {
  CloudShape shape;
  Support<float> support;
  Floats particles, drift, out;
  float temperature;

  void step(float at_temperature) {
    LangevinParameters<float> parameters;
    parameters.step_size = {&kStepSize, 0};
    parameters.temperature = {&at_temperature, 0};
    parameters.seed = 1;
    langevin<float>(out.data(), particles.data(), drift.data(), shape, parameters, support);
  }

  /// Without noise a step is one product, one sum and at most one reflection: three roundings of
  /// numbers below 2.
  Answer check() {
    step(0);
    double worst = 0;
    for (std::size_t e = 0; e < out.size(); ++e) {
      double moved = particles[e] + static_cast<double>(kStepSize) * drift[e];
      if (support.kind == SupportKind::box_reflect) {
        moved = moved > 1 ? 2 - moved : moved < -1 ? -2 - moved : moved;
      }
      worst = std::fmax(worst, std::fabs(moved - out[e]));
    }
    return {worst, 6 * kUnitRoundoff};
  }
};

void add(Cases& cases, const CloudShape& shape, bool box, float temperature) {
  const std::string variant = std::string(box ? "/box" : "") + (temperature > 0 ? "" : "/no-noise");
  cases.push_back({"langevin/" + text_of(shape) + variant, [=] {
                     const auto p = std::make_shared<Problem>();
                     p->shape = shape;
                     p->temperature = temperature;
                     if (box) p->support = unit_box(shape.dimension);
                     p->particles = uniform(shape.size(), 1);
                     p->drift = normals(shape.size(), 2);
                     p->out.resize(at(shape.size()));
                     const auto n = static_cast<double>(shape.size());
                     const double flops = (temperature > 0 ? kFlopsOfDraw : 0) + kFlopsOfMove +
                                          (box ? kFlopsOfBox : 0);
                     return Ready{{"element", n, 12 * n, flops * n},
                                  [p] { p->step(p->temperature); },
                                  [p] { return p->check(); }};
                   }});
}

}  // namespace

void bench_langevin(Cases& cases) {
  add(cases, {4096, 64, 6}, true, kTemperature);
  add(cases, {4096, 64, 6}, false, kTemperature);
  add(cases, {4096, 64, 6}, true, 0);
  add(cases, {1, 16, 1}, true, kTemperature);
}

}  // namespace wpg::bench
