#include "wpg/density/stein_discrepancy.hpp"

#include <cmath>
#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/density/stein_discrepancy_cpu.hpp"

namespace wpg {
namespace {

template <class T>
void run(double* sums, const T* particles, const T* drift, const CloudShape& shape,
         const PerState<T>& temperature, const PerState<T>& bandwidth, std::int64_t first,
         std::int64_t last) {
  WPG_CALL(stein_sums<T>(sums, particles, drift, shape, temperature, bandwidth, first, last))
}

}  // namespace

template <class T>
void kernel_stein_discrepancy(T* discrepancy, const T* particles, const T* drift,
                              const CloudShape& shape, const PerState<T>& temperature,
                              const PerState<T>& bandwidth) {
  require_shape(shape);
  WPG_REQUIRE(shape.particles >= 1,
              "particles has N = 0; a discrepancy needs at least one particle in every state");
  require_positive(temperature, shape.states, "temperature");
  require_bandwidth(bandwidth, shape.states);
  if (shape.states == 0) return;
  const PairPlan plan(shape);
  std::vector<double> sums(static_cast<std::size_t>(plan.count()));
  parallel_for(plan.count(), plan.work(), [&](std::int64_t first, std::int64_t last) {
    run(sums.data(), particles, drift, shape, temperature, bandwidth, first, last);
  });
  const auto particles_count = static_cast<double>(shape.particles);
  for (std::int64_t s = 0; s < shape.states; ++s) {
    double sum = 0;
    for (std::int64_t b = 0; b < plan.blocks(); ++b) {
      sum += sums[static_cast<std::size_t>(s * plan.blocks() + b)];
    }
    // NaN is not below 0, and stays.
    discrepancy[s] = static_cast<T>((sum < 0 ? 0 : std::sqrt(sum)) / particles_count);
  }
}

template void kernel_stein_discrepancy<float>(float*, const float*, const float*, const CloudShape&,
                                              const PerState<float>&, const PerState<float>&);
template void kernel_stein_discrepancy<double>(double*, const double*, const double*,
                                               const CloudShape&, const PerState<double>&,
                                               const PerState<double>&);

}  // namespace wpg
