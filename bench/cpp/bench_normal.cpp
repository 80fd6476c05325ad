#include <memory>

#include "cases.hpp"
#include "problem.hpp"

namespace wpg::bench {

// A pair of draws (normal_math.hpp): 22 for the logarithm, 18 for the point on the circle, a square
// root and 2 products.
constexpr double kFlopsPerNormal = 43.0 / 2;

void bench_normal(Cases& cases) {
  const CloudShape shape{4096, 64, 6};
  cases.push_back({"standard_normal/" + text_of(shape), [shape] {
                     const auto out = std::make_shared<Floats>(at(shape.size()));
                     const auto n = static_cast<double>(shape.size());
                     const auto call = [=] {
                       standard_normal<float>(out->data(), shape, 1, Stream::langevin, 0);
                     };
                     // Mean and mean square of n draws: standard errors 1 and sqrt(2) over sqrt(n);
                     // 7 of them are exceeded once in 4e11 runs, and these draws are always the
                     // same.
                     const auto check = [=] {
                       double sum = 0, square = 0;
                       for (const double x : *out) {
                         sum += x;
                         square += x * x - 1;
                       }
                       const double error =
                           std::fmax(std::fabs(sum), std::fabs(square) / std::sqrt(2.0));
                       return Answer{error / std::sqrt(n), 7};
                     };
                     return Ready{{"element", n, 4 * n, kFlopsPerNormal * n}, call, check};
                   }});
}

}  // namespace wpg::bench
