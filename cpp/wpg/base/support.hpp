// Where actions live: R^D, a box, or a torus.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/fold_math.hpp"

namespace wpg {

/// Per-coordinate constants of a support, precomputed once per call.
/// Box: low <= a <= high. Torus: 0 <= a < period, kept as low = 0, high = period.
template <class T>
struct Support {
  SupportKind kind = SupportKind::unbounded;
  std::vector<T> low, high, period, inverse_period;  // period of the fold: 2 (high - low) in a box
  std::vector<T> least, most;  // squashed boxes: the numbers next to the walls that have a finite y

  static Support unbounded() { return {}; }

  /// What a step looks at in coordinate d: a squashed box wants its width, half the period,
  /// exactly.
  Walls<T> walls(std::int64_t d) const {
    const auto i = static_cast<std::size_t>(d);
    if (!is_squashed(kind)) return {low[i], high[i], period[i], inverse_period[i], T(0), T(0)};
    return {low[i], high[i], period[i] / 2, inverse_period[i] * 2, least[i], most[i]};
  }

  static Support box(const T* low, const T* high, std::int64_t dimension, SupportKind kind) {
    WPG_REQUIRE(kind != SupportKind::unbounded && kind != SupportKind::torus,
                "box: kind is no box's");
    Support support;
    support.kind = kind;
    for (std::int64_t d = 0; d < dimension; ++d) {
      const T width = high[d] - low[d];
      WPG_REQUIRE(std::isfinite(low[d]) && std::isfinite(high[d]) && low[d] < high[d] &&
                      std::isfinite(2 * width) && std::isfinite(1 / (2 * width)),
                  "support: low[" + std::to_string(d) + "] = " + number_text(low[d]) + ", high[" +
                      std::to_string(d) + "] = " + number_text(high[d]) +
                      "; both must be finite and low < high");
      support.push(low[d], high[d], 2 * width);
      if (!is_squashed(kind)) continue;
      const T gap = width * kLeastWallDistance<T>;
      support.least.push_back(std::max(std::nextafter(low[d], high[d]), low[d] + gap));
      support.most.push_back(std::min(std::nextafter(high[d], low[d]), high[d] - gap));
      WPG_REQUIRE(support.least.back() < support.most.back(),
                  "support: low[" + std::to_string(d) + "] = " + number_text(low[d]) +
                      " and high[" + std::to_string(d) +
                      "] leave no two numbers between them, which boundaries "
                      "'tanh' and 'probit' need");
    }
    return support;
  }

  static Support torus(const T* period, std::int64_t dimension) {
    Support support;
    support.kind = SupportKind::torus;
    for (std::int64_t d = 0; d < dimension; ++d) {
      WPG_REQUIRE(std::isfinite(period[d]) && period[d] > 0 && std::isfinite(1 / period[d]),
                  "support: period[" + std::to_string(d) + "] = " + number_text(period[d]) +
                      "; it must be finite and positive");
      support.push(T(0), period[d], period[d]);
    }
    return support;
  }

 private:
  void push(T l, T h, T p) {
    low.push_back(l);
    high.push_back(h);
    period.push_back(p);
    inverse_period.push_back(1 / p);
  }
};

}  // namespace wpg
