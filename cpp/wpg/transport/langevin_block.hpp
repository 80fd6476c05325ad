// The Langevin step of one block of particles, with fresh noise or with the average of two draws
// (Leimkuhler and Matthews). Internal to the files that are compiled once per instruction set;
// never compiled with contraction, so that the bits agree everywhere.
//
// Where the box is squashed, a first pass writes y and grad_y Q_y = (da/dy) drift + temperature
// d/dy log(da/dy), the preconditioner and the step act on these, and the new y becomes an action.
#pragma once

#include <cstring>

#include "wpg/base/fold_math.hpp"
#include "wpg/base/normal_block.hpp"
#include "wpg/base/support.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_math.hpp"
#include "wpg/transport/leimkuhler_matthews_math.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
class LangevinBlock {
 public:
  /// `stream` names the noise; leimkuhler_matthews averages the draws of a step and the next one.
  LangevinBlock(const BlockPlan<T>& plan, const LangevinParameters<T>& parameters,
                const Support<T>& support, Stream stream)
      : normals_(plan),
        stream_(stream),
        dimension_(plan.dimension()),
        parameters_(parameters),
        kind_(support.kind),
        row_length_(plan.particles() * plan.dimension()),
        bounded_(kind_ == SupportKind::unbounded ? 0 : row_length_),
        squashed_(is_squashed(kind_) ? row_length_ : 0),
        low_(bounded_),
        high_(bounded_),
        period_(bounded_),
        inverse_period_(bounded_),
        least_(squashed_),
        most_(squashed_),
        noise_(plan.elements()),
        draw_(averaged() ? plan.elements() : 0),
        carried_(averaged() ? plan.elements() : 0),
        y_(squashed_),
        y_drift_(squashed_),
        drift_(preconditioned() ? row_length_ : 0),
        row_(preconditioned() ? plan.dimension() : 0) {
    for (std::int64_t e = 0; e < bounded_; e += dimension_) {
      for (std::int64_t d = 0; d < dimension_; ++d) {
        const Walls<T> walls = support.walls(d);
        low_[e + d] = walls.low;
        high_[e + d] = walls.high;
        same_walls_ = same_walls_ && walls.low == low_[0] && walls.high == high_[0];
        period_[e + d] = walls.period;
        inverse_period_[e + d] = walls.inverse_period;
        if (squashed_ == 0) continue;
        least_[e + d] = walls.least;
        most_[e + d] = walls.most;
      }
    }
  }

  bool averaged() const { return stream_ == Stream::leimkuhler_matthews; }

  /// `out`, `particles`, `drift` point at the block's first element; `step` names the noise.
  void move(T* out, const T* particles, const T* drift, const Block& block, std::uint64_t step) {
    if (!noisy(block)) return move_without_noise(out, particles, drift, block);
    if (averaged()) {
      draw(block, step, carried_.get(), {particles, drift});
      return move_on(out, particles, drift, block, step, carried_.get());
    }
    draw(block, step, noise_.get(), {particles, drift});
    advance_states(out, particles, drift, block);
  }

  /// The step of states whose noise has no size: nothing is drawn.
  void move_without_noise(T* out, const T* particles, const T* drift, const Block& block) {
    advance_states(out, particles, drift, block);
  }

  /// The raw normal draws of a step.
  void draw(const Block& block, std::uint64_t step, T* xi, const ComingMemory<T>& coming = {}) {
    normals_.draw({parameters_.seed, stream_, step}, block, xi, coming);
  }

  /// The same for averaged noise: `carried` holds the draws of `step`, afterwards those of step
  /// + 1.
  void move_on(T* out, const T* particles, const T* drift, const Block& block, std::uint64_t step,
               T* carried) {
    draw(block, step + 1, draw_.get());
    const std::int64_t count = block.states * block.particles * dimension_;
    const T* const next = draw_.get();
    T* const noise = noise_.get();
    for (std::int64_t e = 0; e < count; ++e) {
      noise[e] = averaged_noise<T>(carried[e], next[e]);
      carried[e] = next[e];
    }
    advance_states(out, particles, drift, block);
  }

 private:
  using V = vector_of<T>;

  bool noisy(const Block& block) const {
    for (std::int64_t s = block.first_state; s < block.first_state + block.states; ++s) {
      if (langevin_noise_scale<T>(parameters_.step_size[s], parameters_.temperature[s]) > T(0)) {
        return true;
      }
    }
    return false;
  }

  /// The step of every state of the block, with the noise in `noise_`.
  void advance_states(T* out, const T* particles, const T* drift, const Block& block) {
    const std::int64_t count = block.particles * dimension_;
    for (std::int64_t s = 0; s < block.states; ++s) {
      const std::int64_t state = block.first_state + s;
      const T step_size = parameters_.step_size[state],
              temperature = parameters_.temperature[state];
      const T noise_scale = langevin_noise_scale<T>(step_size, temperature);
      const T* const a = particles + s * count;
      const T* start = a;
      const T* g = drift + s * count;
      T* xi = noise_.get() + s * count;
      // So that the bits do not depend on whether another state of the block has noise.
      if (noise_scale == T(0)) std::memset(xi, 0, sizeof(T) * static_cast<std::size_t>(count));
      if (squashed_ > 0) {
        to_line(a, g, count, temperature);
        start = y_.get();
        g = y_drift_.get();
      }
      if (preconditioned()) {
        precondition(drift_.get(), xi, g, block.particles, state);
        g = drift_.get();
      }
      const Rows rows{out + s * count, a, start, g, xi, count, step_size, noise_scale};
      same_walls_ ? advance<true>(rows) : advance<false>(rows);
    }
  }

  bool preconditioned() const {
    return parameters_.preconditioner.kind != Preconditioner<T>::Kind::none;
  }

  /// moved = M g and xi = M^(1/2) xi for every particle; sums run in the order of the coordinates.
  void precondition(T* moved, T* xi, const T* g, std::int64_t particles, std::int64_t state) {
    const auto& pre = parameters_.preconditioner;
    const std::int64_t D = dimension_;
    const T* m = pre.matrix + state * pre.stride;
    const bool full = pre.kind == Preconditioner<T>::Kind::full;
    const T* l = full ? pre.root + state * pre.stride : nullptr;
    for (std::int64_t n = 0; n < particles; ++n, moved += D, xi += D, g += D) {
      if (!full) {
        for (std::int64_t d = 0; d < D; ++d) {
          moved[d] = m[d] * g[d];
          xi[d] = square_root(m[d]) * xi[d];
        }
        continue;
      }
      for (std::int64_t d = 0; d < D; ++d) {
        moved[d] = row_product<T>(m + d * D, g, D);
        row_[d] = row_product<T>(l + d * D, xi, d + 1);
      }
      for (std::int64_t d = 0; d < D; ++d) xi[d] = row_[d];
    }
  }

  /// One of the support's constants for every element of a row: after a store the compiler must
  /// read memory again, so what is the same for every coordinate is kept as a number.
  template <bool kSame>
  struct Wall {
    const T* table;
    T first;

    template <class L>
    WPG_INLINE L at(std::int64_t e) const {
      if constexpr (kSame) return all_lanes<L>(first);
      L wall;
      load_lanes(wall, table + e);
      return wall;
    }
  };

  template <bool kSame>
  struct WallTables {
    Wall<kSame> low, high, period, inverse_period, least, most;

    /// A kind loads only from the tables that it has.
    template <SupportKind kKind, class L>
    WPG_INLINE Walls<L> at(std::int64_t e) const {
      Walls<L> walls{};
      if constexpr (kKind != SupportKind::unbounded) {
        walls.low = low.template at<L>(e);
        walls.high = high.template at<L>(e);
        walls.period = period.template at<L>(e);
        walls.inverse_period = inverse_period.template at<L>(e);
      }
      if constexpr (is_squashed(kKind)) {
        walls.least = least.template at<L>(e);
        walls.most = most.template at<L>(e);
      }
      return walls;
    }
  };

  /// y and its drift, for one state's particles.
  template <SupportKind kKind, bool kSame>
  void to_line_in(const T* a, const T* g, std::int64_t count, T temperature) {
    const WallTables<kSame> walls = walls_of<kSame>();
    T* const y = y_.get();
    T* const drift = y_drift_.get();
    const V tau = all_lanes<V>(temperature);
    std::int64_t e = 0;
    for (; e + kLanes<T> <= count; e += kLanes<T>) {
      const LinePoint<V> point =
          line_point<kKind, V>(load<V>(a + e), walls.template at<kKind, V>(e));
      store(y + e, point.y);
      store(drift + e, line_drift<V>(load<V>(g + e), point, tau));
    }
    for (; e < count; ++e) {
      const LinePoint<T> point = line_point<kKind, T>(a[e], walls.template at<kKind, T>(e));
      y[e] = point.y;
      drift[e] = line_drift<T>(g[e], point, temperature);
    }
  }

  void to_line(const T* a, const T* g, std::int64_t count, T temperature) {
    constexpr SupportKind kTanh = SupportKind::box_tanh, kProbit = SupportKind::box_probit;
    if (kind_ == kTanh) {
      same_walls_ ? to_line_in<kTanh, true>(a, g, count, temperature)
                  : to_line_in<kTanh, false>(a, g, count, temperature);
    } else {
      same_walls_ ? to_line_in<kProbit, true>(a, g, count, temperature)
                  : to_line_in<kProbit, false>(a, g, count, temperature);
    }
  }

  /// One state's particles, `count` numbers; the step begins at `start`, which is `a` but on a
  /// line.
  struct Rows {
    T* out;
    const T* a;
    const T* start;
    const T* g;
    const T* xi;
    std::int64_t count;
    T step_size, noise_scale;
  };

  template <SupportKind kKind, class L, bool kSame>
  WPG_INLINE static void move_lanes(const WallTables<kSame>& walls, const Rows& r, std::int64_t e) {
    const L eta = all_lanes<L>(r.step_size), sigma = all_lanes<L>(r.noise_scale);
    L a, start, g, xi;
    load_lanes(a, r.a + e);
    load_lanes(start, r.start + e);
    load_lanes(g, r.g + e);
    load_lanes(xi, r.xi + e);
    const L x = langevin_move<L>(start, g, xi, eta, sigma);
    store_lanes(r.out + e, fold<kKind, L>(x, a, start, walls.template at<kKind, L>(e)));
  }

  template <SupportKind kKind, bool kSame>
  static void advance_in(const WallTables<kSame> walls, const Rows r) {
    std::int64_t e = 0;
    if constexpr (!is_squashed(kKind)) {  // whose step is long enough as it is
      for (; e + 4 * kLanes<T> <= r.count; e += 4 * kLanes<T>) {
        move_lanes<kKind, SideBySide<SideBySide<V>>>(walls, r, e);
      }
    }
    for (; e + kLanes<T> <= r.count; e += kLanes<T>) move_lanes<kKind, V>(walls, r, e);
    for (; e < r.count; ++e) move_lanes<kKind, T>(walls, r, e);
  }

  template <bool kSame>
  WallTables<kSame> walls_of() {
    const auto wall = [](Scratch<T>& table) {
      return Wall<kSame>{table.get(), table.get() == nullptr ? T(0) : table[0]};
    };
    return {wall(low_),   wall(high_), wall(period_), wall(inverse_period_),
            wall(least_), wall(most_)};
  }

  template <bool kSame>
  void advance(const Rows& rows) {
    const WallTables<kSame> walls = walls_of<kSame>();
    switch (kind_) {
      case SupportKind::box_reflect:
        return advance_in<SupportKind::box_reflect>(walls, rows);
      case SupportKind::box_clip:
        return advance_in<SupportKind::box_clip>(walls, rows);
      case SupportKind::box_tanh:
        return advance_in<SupportKind::box_tanh>(walls, rows);
      case SupportKind::box_probit:
        return advance_in<SupportKind::box_probit>(walls, rows);
      case SupportKind::torus:
        return advance_in<SupportKind::torus>(walls, rows);
      default:
        return advance_in<SupportKind::unbounded>(walls, rows);
    }
  }

  NormalBlock<T> normals_;
  Stream stream_;
  std::int64_t dimension_;
  LangevinParameters<T> parameters_;
  SupportKind kind_;
  std::int64_t row_length_, bounded_, squashed_;
  // The support's constants, repeated along a row of particles so that vectors can load them.
  Scratch<T> low_, high_, period_, inverse_period_, least_, most_;
  bool same_walls_ = true;  // for every coordinate
  Scratch<T> noise_, draw_, carried_, y_, y_drift_, drift_, row_;
};

}  // namespace WPG_ISA
}  // namespace wpg
