#include "pair_problem.hpp"
#include "wpg/transport/svgd.hpp"

namespace wpg::bench {
namespace {

void call(PairProblem& p) {
  svgd_velocity<float>(p.out.data(), p.particles.data(), p.drift.data(), p.shape,
                       {&p.temperature, 0}, {&p.bandwidth, 0});
}

Answer check(const PairProblem& p) {
  const double slope = p.temperature / (static_cast<double>(p.bandwidth) * p.bandwidth);
  const auto n = static_cast<double>(p.shape.particles);
  return p.check(0, [&](const Pair& pair, std::int64_t d) {
    const double along = p.drift[at(pair.j * p.shape.dimension + d)];
    return pair.kernel * (along + slope * pair.away[d]) / n;
  });
}

/// An ordered pair (svgd.hpp): half a power of two of 14, and 3 D / 2 + 1 multiply-adds.
double flops(double dimension) { return 7 + 3 * dimension + 2; }

}  // namespace

void bench_svgd(Cases& cases) {
  add_pairs(cases, "svgd_velocity", {512, 128, 6}, 1.0f, 3, flops(6), call, check);
  add_pairs(cases, "svgd_velocity", {64, 512, 17}, 1.5f, 3, flops(17), call, check);
  add_pairs(cases, "svgd_velocity", {4096, 16, 1}, 0.5f, 3, flops(1), call, check);
}

}  // namespace wpg::bench
