#include "cases.hpp"
#include "kernel_q_problem.hpp"

namespace wpg::bench {
namespace {

void add(Cases& cases, const CloudShape& shape, std::int64_t centers, std::int64_t observation_size,
         float state_lengthscale, const char* variant) {
  const std::string name = "kernel_q/" + text_of(shape) + "/" + std::to_string(centers) + variant;
  cases.push_back({name, [=] {
                     const auto p = std::make_shared<KernelQProblem>(
                         shape, centers, observation_size, state_lengthscale);
                     // A pair is a particle and a centre that matters at its state.
                     const double kept = p->centers_that_matter();
                     const double pairs = kept * static_cast<double>(shape.particles);
                     const auto size = static_cast<double>(shape.size());
                     const double bytes =
                         4 * (2 * size + static_cast<double>(p->values.size() + p->states.size()) +
                              static_cast<double>(centers) *
                                  static_cast<double>(observation_size + shape.dimension + 1));
                     // A state and a centre: difference, square, sum for each coordinate; exponent.
                     const double flops = kept * (3 * static_cast<double>(observation_size) + 2) +
                                          pairs * kernel_q_flops(shape.dimension);
                     return Ready{{"pair", pairs, bytes, flops},
                                  [p] { p->evaluate(); },
                                  [p] { return p->check(); }};
                   }});
}

}  // namespace

void bench_kernel_q(Cases& cases) {
  add(cases, {1024, 8, 6}, 2048, 4, 1.0f, "");
  // About 500 of the 100,000 centres matter at a state.
  add(cases, {128, 8, 6}, 100000, 4, 0.05f, "/local");
}

}  // namespace wpg::bench
