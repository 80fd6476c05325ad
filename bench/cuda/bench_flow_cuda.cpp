#include <memory>

#include "cases_cuda.hpp"
#include "kernel_q_problem_cuda.hpp"
#include "wpg/flow/flow_cuda.hpp"
#include "wpg/transport/langevin_cuda.hpp"

namespace wpg::bench {
namespace {

constexpr std::int64_t kSteps = 10;

struct Problem : DeviceKernelQProblem {
  Support<float> support;
  DeviceNumbers<float> out, scratch;

  Problem(const CloudShape& shape, std::int64_t centers)
      : DeviceKernelQProblem(shape, centers),
        support(unit_box(shape.dimension)),
        out(shape.size()),
        scratch(cuda::flow_scratch<float>(shape, Scheme::langevin, false)) {}

  static cuda::FlowParameters<float> parameters() {
    cuda::FlowParameters<float> found;
    found.steps = kSteps;
    found.step.step_size = 0.01f;
    found.step.temperature = 0.5f;
    found.step.seed = 1;
    found.median_rule = false;  // no kernel between particles
    return found;
  }

  void flow() {
    cuda::flow<float>(out.get(), nullptr, particles.get(), critic, states.get(), host.shape,
                      parameters(), support, scratch.get(), nullptr);
  }

  void gradients() {
    for (std::int64_t step = 0; step < kSteps; ++step) evaluate(false);
  }

  /// The same bits as asking and stepping in turn.
  Answer check() {
    DeviceNumbers<float> moved(host.particles);
    cuda::LangevinParameters<float> step = parameters().step;
    for (std::int64_t l = 0; l < kSteps; ++l, ++step.step) {
      cuda::evaluate<float>(nullptr, gradient.get(), critic, states.get(), moved.get(), host.shape,
                            nullptr);
      cuda::langevin<float>(moved.get(), moved.get(), gradient.get(), host.shape, step, support,
                            nullptr);
    }
    return same_bits_answer(out.on_host(), moved.on_host());
  }
};

}  // namespace

void bench_flow_cuda(DeviceCases& cases, const Sizes& sizes) {
  const CloudShape shape = kernel_q_shape(sizes);
  const std::int64_t M = kernel_q_centers(sizes);
  const auto prepare = [=] {
    const auto p = std::make_shared<Problem>(shape, M);
    return RatioCase::Ready{[p] { p->flow(); }, [p] { p->gradients(); },
                            [p] { return p->check(); }};
  };
  cases.ratios.push_back({"flow/" + text_of(shape) + "/" + std::to_string(M) + "/10-langevin",
                          "flow, ten Langevin steps", "ten evaluations of the gradient", prepare,
                          1.1});
}

}  // namespace wpg::bench
