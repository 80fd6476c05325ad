#include <memory>

#include "cases_cuda.hpp"
#include "kernel_q_problem_cuda.hpp"

namespace wpg::bench {

void bench_kernel_q_cuda(DeviceCases& cases, const Sizes& sizes) {
  const CloudShape shape = kernel_q_shape(sizes);
  const std::int64_t M = kernel_q_centers(sizes), O = kObservation, D = shape.dimension;
  const double states = static_cast<double>(shape.states * M);
  const double pairs = states * static_cast<double>(shape.particles);
  const auto prepare = [=] {
    const auto p = std::make_shared<DeviceKernelQProblem>(shape, M);
    // D for the exponent and D + 1 for the sums of k w a_m and k w, for every particle and centre;
    // O for the exponent of every state and centre, and the two exponents' sum.
    const double flops = (2.0 * static_cast<double>(2 * D + 1) + 1) * pairs +
                         (2.0 * static_cast<double>(O + 1) + 1) * states;
    const double bytes = 4 * static_cast<double>(2 * shape.size() + shape.states * shape.particles +
                                                 shape.states * O + M * (O + D + 1));
    return Ready{
        {"pair", pairs, bytes, flops}, [p] { p->evaluate(true); }, [p] { return p->check(); }};
  };
  cases.cases.push_back({"kernel_q/" + text_of(shape) + "/" + std::to_string(M), prepare,
                         pairs + states, Ceiling::multiply_add, 0.40});
}

}  // namespace wpg::bench
