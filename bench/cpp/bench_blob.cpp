#include "pair_problem.hpp"
#include "wpg/transport/blob.hpp"

namespace wpg::bench {
namespace {

void call(PairProblem& p) {
  blob_velocity<float>(p.out.data(), p.particles.data(), p.drift.data(), p.shape,
                       {&p.temperature, 0}, {&p.bandwidth, 0});
}

Answer check(const PairProblem& p) {
  const double slope = p.temperature / (static_cast<double>(p.bandwidth) * p.bandwidth);
  const std::vector<double> sums = p.kernel_sums();
  return p.check(1, [&](const Pair& pair, std::int64_t d) {
    return slope * pair.kernel * pair.away[d] * (1 / sums[at(pair.i)] + 1 / sums[at(pair.j)]);
  });
}

}  // namespace

void bench_blob(Cases& cases) {
  // An ordered pair (blob.hpp): half a power of two of 14, and 3 D / 2 + 3 multiply-adds.
  add_pairs(cases, "blob_velocity", {512, 128, 6}, 1.0f, 3, 7 + 3 * 6 + 6, call, check);
}

}  // namespace wpg::bench
