#include "wpg/base/normal.hpp"

#include "wpg/base/checks.hpp"
#include "wpg/base/normal_cpu.hpp"
#include "wpg/base/parallel.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* out, const CloudShape& shape, const BlockPlan<T>& plan, std::int64_t first,
         std::int64_t last, std::uint64_t seed, Stream stream, std::uint64_t step) {
  WPG_CALL(standard_normal_blocks<T>(out, shape, plan, first, last, seed, stream, step))
}

}  // namespace

template <class T>
void standard_normal(T* out, const CloudShape& shape, std::uint64_t seed, Stream stream,
                     std::uint64_t step) {
  require_shape(shape);
  require_step(step);
  const BlockPlan<T> plan(shape);
  parallel_for(plan.count(), plan.elements(), [&](std::int64_t first, std::int64_t last) {
    run(out, shape, plan, first, last, seed, stream, step);
  });
}

template void standard_normal<float>(float*, const CloudShape&, std::uint64_t, Stream,
                                     std::uint64_t);
template void standard_normal<double>(double*, const CloudShape&, std::uint64_t, Stream,
                                      std::uint64_t);

}  // namespace wpg
