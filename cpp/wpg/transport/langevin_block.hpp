// The Langevin step of one block of particles. Internal to the files that are compiled once per
// instruction set; never compiled with contraction, so that the bits agree everywhere.
#pragma once

#include "wpg/base/normal_block.hpp"
#include "wpg/base/support.hpp"
#include "wpg/base/support_math.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_math.hpp"

namespace wpg {
namespace WPG_ISA {

template <class T>
class LangevinBlock {
 public:
  LangevinBlock(const BlockPlan<T>& plan, const LangevinParameters<T>& parameters,
                const Support<T>& support)
      : normals_(plan),
        dimension_(plan.dimension()),
        parameters_(parameters),
        kind_(support.kind),
        bounded_(kind_ == SupportKind::unbounded ? 0 : plan.particles() * plan.dimension()),
        low_(bounded_),
        high_(bounded_),
        period_(bounded_),
        inverse_period_(bounded_),
        noise_(plan.elements()),
        drift_(preconditioned() ? plan.particles() * plan.dimension() : 0),
        row_(preconditioned() ? plan.dimension() : 0) {
    for (std::int64_t e = 0; e < bounded_; e += dimension_) {
      for (std::int64_t d = 0; d < dimension_; ++d) {
        const auto i = static_cast<std::size_t>(d);
        low_[e + d] = support.low[i];
        high_[e + d] = support.high[i];
        same_walls_ = same_walls_ && low_[e + d] == low_[0] && high_[e + d] == high_[0];
        period_[e + d] = support.period[i];
        inverse_period_[e + d] = support.inverse_period[i];
      }
    }
  }

  /// `out`, `particles`, `drift` point at the block's first element; `step` names the noise.
  void move(T* out, const T* particles, const T* drift, const Block& block, std::uint64_t step) {
    normals_.draw({parameters_.seed, Stream::langevin, step}, block, noise_.get(),
                  {particles, drift, out});
    const std::int64_t count = block.particles * dimension_;
    for (std::int64_t s = 0; s < block.states; ++s) {
      const std::int64_t state = block.first_state + s;
      const T step_size = parameters_.step_size[state];
      const T noise_scale = langevin_noise_scale<T>(step_size, parameters_.temperature[state]);
      const T* g = drift + s * count;
      T* xi = noise_.get() + s * count;
      if (preconditioned()) {
        precondition(drift_.get(), xi, g, block.particles, state);
        g = drift_.get();
      }
      const Rows rows{out + s * count, particles + s * count, g, xi, count, step_size, noise_scale};
      same_walls_ ? advance<true>(rows) : advance<false>(rows);
    }
  }

 private:
  using V = vector_of<T>;

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
        T sum = 0, noise = 0;
        for (std::int64_t j = 0; j < D; ++j) sum += m[d * D + j] * g[j];
        for (std::int64_t j = 0; j <= d; ++j) noise += l[d * D + j] * xi[j];
        moved[d] = sum;
        row_[d] = noise;
      }
      for (std::int64_t d = 0; d < D; ++d) xi[d] = row_[d];
    }
  }

  /// The support's constants as plain pointers: after a store the compiler must read members again.
  /// kSame: every coordinate has the same ones, which then stay in registers.
  template <bool kSame>
  struct Walls {
    const T* low;
    const T* high;
    const T* period;
    const T* inverse_period;

    template <class L>
    static L at(const T* table, std::int64_t e) {
      if constexpr (kSame) return all_lanes<L>(table[0]);
      L wall;
      load_lanes(wall, table + e);
      return wall;
    }
  };

  template <SupportKind kKind, class L, bool kSame>
  static L fold(L x, const Walls<kSame>& walls, std::int64_t e) {
    using W = Walls<kSame>;
    if constexpr (kKind == SupportKind::box_reflect) {
      return reflect<L>(x, W::template at<L>(walls.low, e), W::template at<L>(walls.high, e),
                        W::template at<L>(walls.period, e),
                        W::template at<L>(walls.inverse_period, e));
    } else if constexpr (kKind == SupportKind::box_clip) {
      return clamp<L>(finite_or_nan<L>(x), W::template at<L>(walls.low, e),
                      W::template at<L>(walls.high, e));
    } else if constexpr (kKind == SupportKind::torus) {
      return wrap<L>(x, W::template at<L>(walls.period, e),
                     W::template at<L>(walls.inverse_period, e));
    } else {
      return finite_or_nan<L>(x);
    }
  }

  /// One state's particles, `count` numbers.
  struct Rows {
    T* out;
    const T* a;
    const T* g;
    const T* xi;
    std::int64_t count;
    T step_size, noise_scale;
  };

  template <SupportKind kKind, class L, bool kSame>
  static void move_lanes(const Walls<kSame>& walls, const Rows& r, std::int64_t e) {
    const L eta = all_lanes<L>(r.step_size), sigma = all_lanes<L>(r.noise_scale);
    L a, g, xi;
    load_lanes(a, r.a + e);
    load_lanes(g, r.g + e);
    load_lanes(xi, r.xi + e);
    store_lanes(r.out + e, fold<kKind, L>(langevin_move<L>(a, g, xi, eta, sigma), walls, e));
  }

  template <SupportKind kKind, bool kSame>
  static void advance_in(const Walls<kSame> walls, const Rows r) {
    std::int64_t e = 0;
    for (; e + 4 * kLanes<T> <= r.count; e += 4 * kLanes<T>) {
      move_lanes<kKind, SideBySide<SideBySide<V>>>(walls, r, e);
    }
    for (; e + kLanes<T> <= r.count; e += kLanes<T>) move_lanes<kKind, V>(walls, r, e);
    for (; e < r.count; ++e) move_lanes<kKind, T>(walls, r, e);
  }

  template <bool kSame>
  void advance(const Rows& rows) {
    const Walls<kSame> walls{low_.get(), high_.get(), period_.get(), inverse_period_.get()};
    switch (kind_) {
      case SupportKind::box_reflect:
        return advance_in<SupportKind::box_reflect>(walls, rows);
      case SupportKind::box_clip:
        return advance_in<SupportKind::box_clip>(walls, rows);
      case SupportKind::torus:
        return advance_in<SupportKind::torus>(walls, rows);
      default:
        return advance_in<SupportKind::unbounded>(walls, rows);
    }
  }

  NormalBlock<T> normals_;
  std::int64_t dimension_;
  LangevinParameters<T> parameters_;
  SupportKind kind_;
  std::int64_t bounded_;
  // The support's constants, repeated along a row of particles so that vectors can load them.
  Scratch<T> low_, high_, period_, inverse_period_;
  bool same_walls_ = true;  // for every coordinate
  Scratch<T> noise_, drift_, row_;
};

}  // namespace WPG_ISA
}  // namespace wpg
