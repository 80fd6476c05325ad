#include <memory>

#include "cases_cuda.hpp"
#include "problem.hpp"
#include "wpg/density/bandwidth.hpp"
#include "wpg/density/bandwidth_cuda.hpp"

namespace wpg::bench {
namespace {

struct Problem {
  CloudShape shape;
  Floats host;
  DeviceNumbers<float> particles, out;

  explicit Problem(const CloudShape& shape_)
      : shape(shape_), host(uniform(shape.size(), 1)), particles(host), out(shape.states) {}

  /// The CPU's, each within (D/2 + 6) u of the truth, relative to it (bandwidth.hpp).
  Answer check() const {
    Floats wanted(at(shape.states));
    median_bandwidth<float>(wanted.data(), host.data(), shape);
    const Floats found = out.on_host();
    double worst = 0;
    for (std::size_t s = 0; s < wanted.size(); ++s) {
      const double error = std::fabs(static_cast<double>(found[s]) - wanted[s]) / wanted[s];
      worst = error <= worst ? worst : error;  // NaN stays
    }
    return {worst, (static_cast<double>(shape.dimension) + 12.1) * kUnitRoundoff};
  }
};

}  // namespace

void bench_bandwidth_cuda(DeviceCases& cases, const Sizes& sizes) {
  const CloudShape shape{sizes.small ? 3 : 4096, sizes.small ? 40 : 256, 6};
  const auto prepare = [shape] {
    const auto p = std::make_shared<Problem>(shape);
    const auto states = static_cast<double>(shape.states);
    const auto n = static_cast<double>(shape.particles);
    const double pairs = states * n * (n - 1) / 2;
    // A pair once, though the search looks at all pairs several times: difference, square and sum
    // of each coordinate, and two comparisons.
    return Ready{
        {"pair", pairs, 4 * (static_cast<double>(shape.size()) + states), (3 * 6 + 2) * pairs},
        [p] { cuda::median_bandwidth<float>(p->out.get(), p->particles.get(), p->shape, nullptr); },
        [p] { return p->check(); }};
  };
  cases.cases.push_back({"median_bandwidth/" + text_of(shape), prepare});
}

}  // namespace wpg::bench
