// Where actions live: R^D, a box, or a torus.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "wpg/base/checks.hpp"

namespace wpg {

enum class SupportKind { unbounded, box_reflect, box_clip, torus };

/// Per-coordinate constants of a support, precomputed once per call.
/// Box: low <= a <= high. Torus: 0 <= a < period, kept as low = 0, high = period.
template <class T>
struct Support {
  SupportKind kind = SupportKind::unbounded;
  std::vector<T> low, high, period, inverse_period;  // period of the fold: 2 (high - low) in a box

  static Support unbounded() { return {}; }

  static Support box(const T* low, const T* high, std::int64_t dimension, bool reflect) {
    Support support;
    support.kind = reflect ? SupportKind::box_reflect : SupportKind::box_clip;
    for (std::int64_t d = 0; d < dimension; ++d) {
      const T width = high[d] - low[d];
      require(std::isfinite(low[d]) && std::isfinite(high[d]) && low[d] < high[d] &&
                  std::isfinite(2 * width) && std::isfinite(1 / (2 * width)),
              "box: low[" + std::to_string(d) + "] = " + std::to_string(low[d]) + ", high[" +
                  std::to_string(d) + "] = " + std::to_string(high[d]) +
                  "; both must be finite and low < high");
      support.push(low[d], high[d], 2 * width);
    }
    return support;
  }

  static Support torus(const T* period, std::int64_t dimension) {
    Support support;
    support.kind = SupportKind::torus;
    for (std::int64_t d = 0; d < dimension; ++d) {
      require(std::isfinite(period[d]) && period[d] > 0 && std::isfinite(1 / period[d]),
              "torus: period[" + std::to_string(d) + "] = " + std::to_string(period[d]) +
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
