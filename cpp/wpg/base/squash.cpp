#include "wpg/base/squash.hpp"

#include <cmath>

#include "wpg/base/parallel.hpp"
#include "wpg/base/squash_math.hpp"

namespace wpg {
namespace {

template <class T>
void require_squashed(const Support<T>& support) {
  WPG_REQUIRE(is_squashed(support.kind),
              "support must be a box with boundary 'tanh' or 'probit': only there is an unbounded "
              "variable");
}

template <class T>
void require_inside(const T* actions, std::int64_t rows, const Support<T>& support,
                    const char* name) {
  require_squashed(support);
  const std::size_t D = support.low.size();
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::size_t d = 0; d < D; ++d, ++actions) {
      WPG_REQUIRE(!(*actions < support.low[d] || *actions > support.high[d]),  // true for NaN
                  std::string(name) + " has " + number_text(*actions) + " in row " +
                      std::to_string(i) + ", coordinate " + std::to_string(d) +
                      ", outside the box [" + number_text(support.low[d]) + ", " +
                      number_text(support.high[d]) + "]");
    }
  }
}

template <class T>
LinePoint<T> point_of(T a, const Support<T>& support, std::size_t d) {
  if (std::isnan(a)) return {a, a, a};
  const T inside = clamp<T>(a, support.least[d], support.most[d]);
  const T below = inside - support.low[d], above = support.high[d] - inside;
  const T width = support.period[d] / 2, inverse = support.inverse_period[d] * 2;
  return support.kind == SupportKind::box_tanh ? tanh_point<T>(below, above, inverse)
                                               : probit_point<T>(below, above, width, inverse);
}

/// body(row, coordinate) for every number.
template <class Body>
void each_number(std::int64_t rows, std::size_t D, Body body) {
  parallel_for(rows, static_cast<std::int64_t>(D) * 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      for (std::size_t d = 0; d < D; ++d) body(i * static_cast<std::int64_t>(D), d);
    }
  });
}

}  // namespace

template <class T>
void unbounded_of_actions(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
                          const char* name) {
  require_inside(actions, rows, support, name);
  each_number(rows, support.low.size(), [&](std::int64_t row, std::size_t d) {
    const std::int64_t e = row + static_cast<std::int64_t>(d);
    out[e] = point_of(actions[e], support, d).y;
  });
}

template <class T>
void actions_of_unbounded(T* out, const T* y, std::int64_t rows, const Support<T>& support) {
  require_squashed(support);
  each_number(rows, support.low.size(), [&](std::int64_t row, std::size_t d) {
    const std::int64_t e = row + static_cast<std::int64_t>(d);
    const T width = support.period[d] / 2;
    const T distance = support.kind == SupportKind::box_tanh ? tanh_wall_distance<T>(y[e], width)
                                                             : probit_wall_distance<T>(y[e], width);
    out[e] = action_by_distance<T>(y[e], distance, support.low[d], support.high[d],
                                   support.least[d], support.most[d]);
  });
}

template <class T>
void log_slope(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
               const char* name) {
  require_inside(actions, rows, support, name);
  const std::size_t D = support.low.size();
  const bool tanh = support.kind == SupportKind::box_tanh;
  parallel_for(rows, static_cast<std::int64_t>(D) * 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      double sum = 0;
      for (std::size_t d = 0; d < D; ++d) {
        const T a = actions[i * static_cast<std::int64_t>(D) + static_cast<std::int64_t>(d)];
        const double width = static_cast<double>(support.period[d] / 2);
        if (tanh) {
          const T inside = clamp<T>(a, support.least[d], support.most[d]);
          sum += std::log(2.0) + std::log(static_cast<double>(inside - support.low[d])) +
                 std::log(static_cast<double>(support.high[d] - inside)) - std::log(width);
        } else {
          const double y = static_cast<double>(point_of(a, support, d).y);
          sum += std::log(width) - 0.91893853320467274178 - 0.5 * y * y;
        }
      }
      out[i] = static_cast<T>(sum);
    }
  });
}

template <class T>
void log_slope_gradient(T* out, const T* actions, std::int64_t rows, const Support<T>& support,
                        const char* name) {
  require_inside(actions, rows, support, name);
  each_number(rows, support.low.size(), [&](std::int64_t row, std::size_t d) {
    const std::int64_t e = row + static_cast<std::int64_t>(d);
    const LinePoint<T> point = point_of(actions[e], support, d);
    out[e] = point.log_slope_gradient / point.slope;
  });
}

#define WPG_INSTANTIATE(T)                                                                \
  template void unbounded_of_actions<T>(T*, const T*, std::int64_t, const Support<T>&,    \
                                        const char*);                                     \
  template void actions_of_unbounded<T>(T*, const T*, std::int64_t, const Support<T>&);   \
  template void log_slope<T>(T*, const T*, std::int64_t, const Support<T>&, const char*); \
  template void log_slope_gradient<T>(T*, const T*, std::int64_t, const Support<T>&, const char*);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)
#undef WPG_INSTANTIATE

}  // namespace wpg
