#include "cases.hpp"
#include "kernel_q_problem.hpp"
#include "wpg/density/bandwidth.hpp"
#include "wpg/flow/flow.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"
#include "wpg/transport/mala.hpp"
#include "wpg/transport/svgd.hpp"

namespace wpg::bench {
namespace {

constexpr float kStepSize = 0.01f, kTemperature = 0.5f, kBandwidth = 0.5f, kNone = 0;
constexpr std::int64_t kSteps = 10;

struct Problem : KernelQProblem {
  using KernelQProblem::KernelQProblem;
  Scheme scheme = Scheme::langevin;
  bool median = false;  // the rule for the bandwidth of svgd and blob
  Floats out = Floats(at(shape.size()));
  Floats acceptance = Floats(at(shape.states));
  Support<float> support = unit_box(shape.dimension);

  FlowParameters<float> parameters() const {
    FlowParameters<float> found;
    found.scheme = scheme;
    found.steps = kSteps;
    found.step.step_size = {&kStepSize, 0};
    found.step.temperature = {&kTemperature, 0};
    found.step.seed = 1;
    if (has_pair_kernel(scheme) && !median) found.bandwidth = {&kBandwidth, 0};
    return found;
  }

  void move() {
    flow<float>(out.data(), scheme == Scheme::mala ? acceptance.data() : nullptr, particles.data(),
                *critic, states.data(), shape, parameters(), support);
  }

  /// The same bits as asking and stepping in turn.
  Answer check_flow() {
    Floats moved = particles;
    LangevinParameters<float> step = parameters().step;
    if (scheme == Scheme::mala) {
      mala(moved, step);
    } else if (has_pair_kernel(scheme)) {
      along_velocity(moved, step);
    } else {
      for (std::int64_t l = 0; l < kSteps; ++l, ++step.step) {
        critic->evaluate(nullptr, gradient.data(), states.data(), moved.data(), shape);
        const auto& one = scheme == Scheme::langevin ? langevin<float> : leimkuhler_matthews<float>;
        one(moved.data(), moved.data(), gradient.data(), shape, step, support);
      }
    }
    return {moved == out ? 0.0 : 1.0, 0};
  }

  void along_velocity(Floats& moved, LangevinParameters<float>& step) {
    Floats medians(at(shape.states));
    step.temperature = {&kNone, 0};
    for (std::int64_t l = 0; l < kSteps; ++l, ++step.step) {
      critic->evaluate(nullptr, gradient.data(), states.data(), moved.data(), shape);
      PerState<float> bandwidth{&kBandwidth, 0};
      if (median) {
        median_bandwidth<float>(medians.data(), moved.data(), shape);
        bandwidth = {medians.data(), 1};
      }
      const auto& velocity = scheme == Scheme::svgd ? svgd_velocity<float> : blob_velocity<float>;
      velocity(gradient.data(), moved.data(), gradient.data(), shape, {&kTemperature, 0},
               bandwidth);
      langevin<float>(moved.data(), moved.data(), gradient.data(), shape, step, support);
    }
  }

  void mala(Floats& moved, LangevinParameters<float>& step) {
    Floats proposals(moved.size()), proposed_values(values.size()), proposed_drift(moved.size());
    std::vector<std::int64_t> accepted(at(shape.states), 0);
    critic->evaluate(values.data(), gradient.data(), states.data(), moved.data(), shape);
    for (std::int64_t l = 0; l < kSteps; ++l, ++step.step) {
      mala_propose<float>(proposals.data(), moved.data(), gradient.data(), shape, step, support);
      critic->evaluate(proposed_values.data(), proposed_drift.data(), states.data(),
                       proposals.data(), shape);
      mala_accept<float>(moved.data(), values.data(), gradient.data(), accepted.data(),
                         proposals.data(), proposed_values.data(), proposed_drift.data(), shape,
                         step, support);
    }
  }
};

void add(Cases& cases, Scheme scheme, const char* name, const CloudShape& shape = {1024, 8, 6},
         bool median = false) {
  cases.push_back(
      {"flow/" + text_of(shape) + "/2048/10-" + name, [=] {
         const auto p = std::make_shared<Problem>(shape, 2048, 4, 1.0f);
         p->scheme = scheme;
         p->median = median;
         const auto evaluations = static_cast<double>(scheme == Scheme::mala ? kSteps + 1 : kSteps);
         const double pairs =
             p->centers_that_matter() * evaluations * static_cast<double>(shape.particles);
         const auto size = static_cast<double>(shape.size());
         const double bytes = 4 * (2 * size + 2048 * 11 + 4.0 * static_cast<double>(shape.states));
         // The gradient for every pair, a Langevin step (bench_langevin.cpp) for every element;
         // what the other schemes add to that is not counted, nor are the pairs of particles.
         const double flops = pairs * kernel_q_flops(6) + size * kSteps * 29.5;
         return Ready{
             {"pair", pairs, bytes, flops}, [p] { p->move(); }, [p] { return p->check_flow(); }};
       }});
}

}  // namespace

void bench_flow(Cases& cases) {
  add(cases, Scheme::langevin, "langevin");
  add(cases, Scheme::leimkuhler_matthews, "leimkuhler-matthews");
  add(cases, Scheme::mala, "mala");
  add(cases, Scheme::svgd, "svgd");
  add(cases, Scheme::svgd, "svgd-median", {1024, 8, 6}, true);
  add(cases, Scheme::blob, "blob");
  add(cases, Scheme::blob, "blob-median", {1024, 8, 6}, true);
  // Many particles: their pairs cost as much as the critic.
  add(cases, Scheme::svgd, "svgd-median", {64, 128, 6}, true);
}

}  // namespace wpg::bench
