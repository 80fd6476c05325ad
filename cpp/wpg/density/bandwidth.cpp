#include "wpg/density/bandwidth.hpp"

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/density/bandwidth_cpu.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* bandwidth, const T* particles, const CloudShape& shape, std::int64_t first,
         std::int64_t last) {
  WPG_CALL(median_bandwidth_states<T>(bandwidth, particles, shape, first, last))
}

}  // namespace

template <class T>
void median_bandwidth(T* bandwidth, const T* particles, const CloudShape& shape) {
  require_shape(shape);
  WPG_REQUIRE(shape.particles >= 1, "particles: a bandwidth needs at least one particle; got N = " +
                                        std::to_string(shape.particles));
  const std::int64_t work = shape.particles * (shape.particles - 1) / 2 * shape.dimension;
  parallel_for(shape.states, work, [&](std::int64_t first, std::int64_t last) {
    run(bandwidth, particles, shape, first, last);
  });
}

template void median_bandwidth<float>(float*, const float*, const CloudShape&);
template void median_bandwidth<double>(double*, const double*, const CloudShape&);

}  // namespace wpg
