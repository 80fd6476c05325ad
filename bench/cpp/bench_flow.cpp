#include "cases.hpp"
#include "kernel_q_problem.hpp"
#include "wpg/flow/flow.hpp"

namespace wpg::bench {
namespace {

constexpr float kStepSize = 0.01f, kTemperature = 0.5f;
constexpr std::int64_t kSteps = 10;

struct Problem : KernelQProblem {
  using KernelQProblem::KernelQProblem;
  Floats out = Floats(at(shape.size()));
  Support<float> support = unit_box(shape.dimension);
  LangevinParameters<float> parameters;

  void flow() {
    parameters.step_size = {&kStepSize, 0};
    parameters.temperature = {&kTemperature, 0};
    parameters.seed = 1;
    langevin_flow<float>(out.data(), particles.data(), *critic, states.data(), shape, kSteps,
                         parameters, support);
  }

  /// The same bits as asking and stepping in turn.
  Answer check_flow() {
    Floats moved = particles;
    LangevinParameters<float> each = parameters;
    for (std::int64_t l = 0; l < kSteps; ++l) {
      critic->evaluate(nullptr, gradient.data(), states.data(), moved.data(), shape);
      each.step = parameters.step + static_cast<std::uint64_t>(l);
      langevin<float>(moved.data(), moved.data(), gradient.data(), shape, each, support);
    }
    return {moved == out ? 0.0 : 1.0, 0};
  }
};

}  // namespace

void bench_flow(Cases& cases) {
  const CloudShape shape{1024, 8, 6};
  cases.push_back({"flow/" + text_of(shape) + "/2048/10-steps", [shape] {
                     const auto p = std::make_shared<Problem>(shape, 2048, 4, 1.0f);
                     const double pairs =
                         p->centers_that_matter() * kSteps * static_cast<double>(shape.particles);
                     const auto size = static_cast<double>(shape.size());
                     const double bytes = 4 * (2 * size + 2048 * 11 + 4.0 * 1024);
                     // The gradient for every pair, the step (bench_langevin.cpp) for every
                     // element.
                     const double flops = pairs * kernel_q_flops(6) + size * kSteps * 29.5;
                     return Ready{{"pair", pairs, bytes, flops},
                                  [p] { p->flow(); },
                                  [p] { return p->check_flow(); }};
                   }});
}

}  // namespace wpg::bench
