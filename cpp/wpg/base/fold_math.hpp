// Where a step ends, on each kind of support: one coordinate; V is a number or a vector.
//
// In a squashed box a step is taken in y (squash_math.hpp), everywhere else in the action itself.
#pragma once

#include "wpg/base/lanes.hpp"
#include "wpg/base/squash_math.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {

/// box_tanh and box_probit: steps are taken in an unbounded variable (squash_math.hpp).
enum class SupportKind { unbounded, box_reflect, box_clip, box_tanh, box_probit, torus };

WPG_FORMULA constexpr bool is_squashed(SupportKind kind) {
  return kind == SupportKind::box_tanh || kind == SupportKind::box_probit;
}

/// What a support says of one coordinate; only what its kind needs is looked at.
template <class V>
struct Walls {
  V low, high;
  V period;          // of the fold; the width, where the box is squashed
  V inverse_period;  // 1 / period
  V least, most;     // squashed boxes: the numbers next to the walls that have a finite y
};

/// The action of where a step ended, x. A squashed box also asks for where it began, the action a
/// and its y = start: a step that moved nothing leaves the action alone.
template <SupportKind kKind, class V>
WPG_FORMULA V fold(V x, V a, V start, const Walls<V>& walls) {
  if constexpr (kKind == SupportKind::box_reflect) {
    return reflect<V>(x, walls.low, walls.high, walls.period, walls.inverse_period);
  } else if constexpr (kKind == SupportKind::box_clip) {
    return clamp<V>(finite_or_nan<V>(x), walls.low, walls.high);
  } else if constexpr (kKind == SupportKind::torus) {
    return wrap<V>(x, walls.period, walls.inverse_period);
  } else if constexpr (is_squashed(kKind)) {
    const V distance = kKind == SupportKind::box_tanh ? tanh_wall_distance<V>(x, walls.period)
                                                      : probit_wall_distance<V>(x, walls.period);
    const V moved =
        action_by_distance<V>(x, distance, walls.low, walls.high, walls.least, walls.most);
    return select(x == start, clamp<V>(a, walls.least, walls.most), moved);
  } else {
    return finite_or_nan<V>(x);
  }
}

/// The action on the line of a squashed box; a wall counts as the number beside it.
template <SupportKind kKind, class V>
WPG_FORMULA LinePoint<V> line_point(V a, const Walls<V>& walls) {
  const V inside = clamp<V>(finite_or_nan<V>(a), walls.least, walls.most);
  const V below = inside - walls.low, above = walls.high - inside;
  LinePoint<V> point;
  if constexpr (kKind == SupportKind::box_tanh) {
    point = tanh_point<V>(below, above, walls.inverse_period);
  } else {
    point = probit_point<V>(below, above, walls.period, walls.inverse_period);
  }
  const V nothing = a - a;  // the logarithm makes a number of NaN
  point.y = select(nothing == nothing, point.y, nothing);
  return point;
}

}  // namespace wpg
