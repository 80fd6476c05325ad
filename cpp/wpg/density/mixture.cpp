#include "wpg/density/mixture.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/base/squash.hpp"
#include "wpg/density/mixture_cpu.hpp"
#include "wpg/density/mixture_math.hpp"

namespace wpg {
namespace {

template <class T>
void run(T* log_density, T* leave_one_out, const T* points, const T* means,
         const MixtureShape& shape, const PerState<T>& deviation, const Support<T>& support,
         bool any_series, std::int64_t first, std::int64_t last) {
  WPG_CALL(mixture_blocks<T>(log_density, leave_one_out, points, means, shape, deviation, support,
                             any_series, first, last))
}

/// Width of a box, half the period of a torus.
template <class T>
T half_period(const Support<T>& support, std::size_t d) {
  return support.period[d] / 2;
}

/// Every std is positive and no length overflows when it is measured in it. Is the cosine series
/// needed anywhere?
template <class T>
bool require_deviation(const PerState<T>& deviation, std::int64_t states,
                       const Support<T>& support) {
  T shortest = std::numeric_limits<T>::infinity(), longest = 0;
  for (std::size_t d = 0; d < support.period.size(); ++d) {
    shortest = std::min(shortest, half_period(support, d));
    longest = std::max(longest, half_period(support, d));
  }
  bool any_series = false;
  const std::int64_t count = deviation.count(states);
  for (std::int64_t s = 0; s < count; ++s) {
    const T value = deviation[s];
    WPG_REQUIRE(std::isfinite(value) && value > 0 && std::isfinite(1 / value),
                "std[" + std::to_string(s) + "] is " + number_text(value) +
                    "; it must be finite and positive");
    const T largest = longest / value;
    WPG_REQUIRE(std::isfinite(16 * largest * largest),
                "std[" + std::to_string(s) + "] is too small for a support this wide");
    any_series = any_series || shortest <= kWidestSeries<T> * value;
  }
  return any_series;
}

template <class T>
void require_inside(const T* points, const MixtureShape& shape, const Support<T>& support,
                    const char* name) {
  const std::int64_t D = shape.dimension, rows = shape.states * shape.points;
  const T* const low = support.low.data();
  const T* const high = support.high.data();
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t d = 0; d < D; ++d) {
      const T x = points[i * D + d];
      if (x < low[d] || x > high[d]) {  // false for NaN, which gives NaN
        WPG_REQUIRE(false, std::string(name) + "[" + std::to_string(i / shape.points) + ", " +
                               std::to_string(i % shape.points) + ", " + std::to_string(d) +
                               "] is " + number_text(x) + ", outside the box [" +
                               number_text(low[d]) + ", " + number_text(high[d]) +
                               "]; the density is that of actions");
      }
    }
  }
}

/// Points and means on the line of a squashed box, and log(da/dy) at the points.
template <class T>
struct OnTheLine {
  std::vector<T> points, means, log_slopes;

  OnTheLine(const T* given_points, const T* given_means, const MixtureShape& shape,
            const Support<T>& support, const char* name)
      : points(static_cast<std::size_t>(shape.states * shape.points * shape.dimension)),
        means(static_cast<std::size_t>(shape.states * shape.means * shape.dimension)),
        log_slopes(static_cast<std::size_t>(shape.states * shape.points)) {
    const std::int64_t rows = shape.states * shape.points;
    unbounded_of_actions(points.data(), given_points, rows, support, name);
    unbounded_of_actions(means.data(), given_means, shape.states * shape.means, support, "means");
    log_slope(log_slopes.data(), given_points, rows, support, name);
  }
};

}  // namespace

template <class T>
void mixture_log_density(T* log_density, T* leave_one_out, const T* points, const T* means,
                         const MixtureShape& shape, const PerState<T>& deviation,
                         const Support<T>& support, const char* points_name) {
  WPG_REQUIRE(shape.states >= 0 && shape.points >= 0 && shape.means >= 1 && shape.dimension >= 1,
              "a mixture needs at least one mean and one coordinate; got S = " +
                  std::to_string(shape.states) + ", K = " + std::to_string(shape.points) +
                  ", N = " + std::to_string(shape.means) +
                  ", D = " + std::to_string(shape.dimension));
  if (leave_one_out != nullptr) {
    WPG_REQUIRE(shape.points == shape.means,
                std::string("leaving out each point's own mean needs as many ") + points_name +
                    " as means; got " + std::to_string(shape.points) + " and " +
                    std::to_string(shape.means));
    WPG_REQUIRE(shape.means >= 2,
                "leaving one out of N = 1 means leaves nothing; N must be at least 2");
  }
  WPG_REQUIRE(support.kind == SupportKind::unbounded ||
                  static_cast<std::int64_t>(support.low.size()) == shape.dimension,
              "support has " + std::to_string(support.low.size()) +
                  " coordinates; the points have " + std::to_string(shape.dimension));
  WPG_REQUIRE(support.kind != SupportKind::box_clip,
              "boundary 'clip' leaves atoms on the walls, which have no density; use boundary "
              "'reflect'");
  if (is_squashed(support.kind)) {
    const Support<T> line = Support<T>::unbounded();
    require_deviation(deviation, shape.states, line);
    const OnTheLine<T> there(points, means, shape, support, points_name);
    mixture_log_density(log_density, leave_one_out, there.points.data(), there.means.data(), shape,
                        deviation, line);
    for (T* const out : {log_density, leave_one_out}) {
      if (out == nullptr) continue;
      for (std::size_t i = 0; i < there.log_slopes.size(); ++i) out[i] -= there.log_slopes[i];
    }
    return;
  }
  const bool any_series = require_deviation(deviation, shape.states, support);
  if (support.kind == SupportKind::box_reflect) require_inside(points, shape, support, points_name);
  const std::int64_t blocks = (shape.points + kPointsPerBlock - 1) / kPointsPerBlock;
  const std::int64_t images = support.kind == SupportKind::unbounded ? 1 : 3;
  const std::int64_t work =
      std::min(shape.points, kPointsPerBlock) * shape.means * shape.dimension * images;
  parallel_for(shape.states * blocks, work, [&](std::int64_t first, std::int64_t last) {
    run(log_density, leave_one_out, points, means, shape, deviation, support, any_series, first,
        last);
  });
}

template void mixture_log_density<float>(float*, float*, const float*, const float*,
                                         const MixtureShape&, const PerState<float>&,
                                         const Support<float>&, const char*);
template void mixture_log_density<double>(double*, double*, const double*, const double*,
                                          const MixtureShape&, const PerState<double>&,
                                          const Support<double>&, const char*);

}  // namespace wpg
