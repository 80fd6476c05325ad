#include "pair_problem.hpp"
#include "wpg/density/kde.hpp"

namespace wpg::bench {
namespace {

void call(PairProblem& p) {
  kde_score<float>(p.out.data(), p.particles.data(), p.shape, {&p.bandwidth, 0});
}

Answer check(const PairProblem& p) {
  const double l = p.bandwidth;
  const std::vector<double> sums = p.kernel_sums();
  return p.check(0, [&](const Pair& pair, std::int64_t d) {
    return -pair.kernel * pair.away[d] / (l * l * sums[at(pair.i)]);
  });
}

}  // namespace

void bench_kde(Cases& cases) {
  // An ordered pair (kde.hpp): half a power of two of 14, and 3 D / 2 + 1 multiply-adds.
  add_pairs(cases, "kde_score", {512, 128, 6}, 1.0f, 2, 7 + 3 * 6 + 2, call, check);
}

}  // namespace wpg::bench
