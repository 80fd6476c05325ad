#include <memory>

#include "cases_cuda.hpp"
#include "problem.hpp"
#include "wpg/base/normal_cuda.hpp"

namespace wpg::bench {

// A pair of draws: 43 operations, as counted in bench/cpp/bench_normal.cpp, and Philox, which is
// not counted.
constexpr double kFlopsPerNormal = 43.0 / 2;

void bench_normal_cuda(DeviceCases& cases, const Sizes& sizes) {
  for (const std::int64_t dimension : {1, 6, 17}) {
    const CloudShape shape = cloud_of(sizes.elements, dimension);
    const auto prepare = [shape] {
      const auto out = std::make_shared<DeviceNumbers<float>>(shape.size());
      const auto call = [=] {
        cuda::standard_normal<float>(out->get(), shape, 1, Stream::langevin, 0, nullptr);
      };
      const auto check = [=] {  // the CPU's bits
        Floats wanted(at(shape.size()));
        standard_normal<float>(wanted.data(), shape, 1, Stream::langevin, 0);
        return same_bits_answer(out->on_host(), wanted);
      };
      const auto n = static_cast<double>(shape.size());
      return Ready{{"element", n, 4 * n, kFlopsPerNormal * n}, call, check};
    };
    cases.cases.push_back({"standard_normal/" + text_of(shape), prepare});
  }
}

}  // namespace wpg::bench
