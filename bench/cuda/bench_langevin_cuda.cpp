#include <memory>

#include "cases_cuda.hpp"
#include "problem.hpp"
#include "wpg/base/normal_cuda.hpp"
#include "wpg/transport/langevin_cuda.hpp"

namespace wpg::bench {
namespace {

// As counted in bench/cpp/bench_langevin.cpp; Philox is not.
constexpr double kFlopsOfDraw = 43.0 / 2, kFlopsOfMove = 4, kFlopsOfBox = 4;
constexpr float kStepSize = 0.01f, kTemperature = 0.5f;

struct Problem {
  CloudShape shape;
  Support<float> support;
  DeviceNumbers<float> particles, drift, out;

  Problem(const CloudShape& shape_, bool box)
      : shape(shape_),
        support(box ? unit_box(shape.dimension) : Support<float>::unbounded()),
        particles(shape.size()),
        drift(shape.size()),
        out(shape.size()) {
    cuda::standard_normal<float>(drift.get(), shape, 2, Stream::initial, 0, nullptr);
    cuda::standard_normal<float>(particles.get(), shape, 1, Stream::initial, 0, nullptr);
    step(particles, 1);  // into the box
  }

  void step(DeviceNumbers<float>& to, std::uint64_t number) {
    cuda::LangevinParameters<float> parameters;
    parameters.step_size = kStepSize;
    parameters.temperature = kTemperature;
    parameters.seed = 3;
    parameters.step = number;
    cuda::langevin<float>(to.get(), particles.get(), drift.get(), shape, parameters, support,
                          nullptr);
  }

  /// The CPU's bits.
  Answer check() const {
    wpg::LangevinParameters<float> parameters;
    parameters.step_size = {&kStepSize, 0};
    parameters.temperature = {&kTemperature, 0};
    parameters.seed = 3;
    Floats moved = particles.on_host();
    langevin<float>(moved.data(), moved.data(), drift.on_host().data(), shape, parameters, support);
    return same_bits_answer(out.on_host(), moved);
  }
};

}  // namespace

void bench_langevin_cuda(DeviceCases& cases, const Sizes& sizes) {
  for (const bool box : {false, true}) {
    for (const std::int64_t dimension : {1, 6, 17}) {
      const CloudShape shape = cloud_of(sizes.elements, dimension);
      const auto prepare = [=] {
        const auto p = std::make_shared<Problem>(shape, box);
        const auto n = static_cast<double>(shape.size());
        const double flops = kFlopsOfDraw + kFlopsOfMove + (box ? kFlopsOfBox : 0);
        return Ready{{"element", n, 12 * n, flops * n},  // particles, drift, out
                     [p] { p->step(p->out, 0); },
                     [p] { return p->check(); }};
      };
      cases.cases.push_back(
          {"langevin/" + text_of(shape) + (box ? "/box" : ""), prepare, 0, Ceiling::copy, 0.85});
    }
  }
}

}  // namespace wpg::bench
