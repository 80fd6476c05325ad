#include "wpg/density/kde.hpp"

#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/density/kde_cpu.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* score, const T* particles, const CloudShape& shape, const PerState<T>& bandwidth,
         std::int64_t first, std::int64_t last) {
  WPG_CALL(kde_score_items<T>(score, particles, shape, bandwidth, first, last))
}

}  // namespace

template <class T>
void kde_score(T* score, const T* particles, const CloudShape& shape,
               const PerState<T>& bandwidth) {
  require_shape(shape);
  require_bandwidth(bandwidth, shape.states);
  if (shape.size() == 0) return;
  const auto count = static_cast<std::size_t>(shape.size());
  require_same_or_disjoint(score, count * sizeof(T), particles, count * sizeof(T), "particles");
  const PairPlan plan(shape);
  std::vector<T> kept;
  if (plan.splits() && score == particles) {  // read again after its first rows have been written
    kept.assign(particles, particles + count);
    particles = kept.data();
  }
  parallel_for(plan.count(), plan.work(), [&](std::int64_t first, std::int64_t last) {
    run(score, particles, shape, bandwidth, first, last);
  });
}

template void kde_score<float>(float*, const float*, const CloudShape&, const PerState<float>&);
template void kde_score<double>(double*, const double*, const CloudShape&, const PerState<double>&);

}  // namespace wpg
