#include "cases_cuda.hpp"

namespace wpg::bench {

DeviceCases all_device_cases(const Sizes& sizes) {
  DeviceCases cases;
  bench_normal_cuda(cases, sizes);
  bench_langevin_cuda(cases, sizes);
  bench_pairs_cuda(cases, sizes);
  bench_bandwidth_cuda(cases, sizes);
  bench_kernel_q_cuda(cases, sizes);
  bench_flow_cuda(cases, sizes);
  if (sizes.small) {  // times that say nothing are held against nothing
    for (DeviceCase& each : cases.cases) each.bound = Ceiling::none;
    for (RatioCase& each : cases.ratios) each.wanted = 0;
  }
  return cases;
}

}  // namespace wpg::bench
