#include "cases.hpp"

namespace wpg::bench {

Cases all_cases() {
  Cases cases;
  bench_normal(cases);
  bench_langevin(cases);
  bench_leimkuhler_matthews(cases);
  bench_svgd(cases);
  bench_blob(cases);
  bench_bandwidth(cases);
  bench_kde(cases);
  bench_mixture(cases);
  bench_kernel_q(cases);
  bench_flow(cases);
  bench_mlp(cases);
  return cases;
}

}  // namespace wpg::bench
