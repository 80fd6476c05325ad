// Acceptance for one state's particles. Internal to the files that are compiled once per
// instruction set; never compiled with contraction.
#pragma once

#include <cmath>
#include <limits>

#include "wpg/base/normal_block.hpp"
#include "wpg/base/squash_math.hpp"
#include "wpg/base/support.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_math.hpp"
#include "wpg/transport/mala_math.hpp"

namespace wpg {
namespace WPG_ISA {

/// Particles of one state with what the critic says there.
template <class T>
struct Evaluated {
  T* particles;  // (N, D)
  T* values;     // (N)
  T* drift;      // (N, D)
};

template <class T>
class MalaBlock {
 public:
  MalaBlock(const CloudShape& shape, const LangevinParameters<T>& parameters,
            const Support<T>& support)
      : plan_(CloudShape{1, shape.particles, 1}),
        draws_(plan_),
        particles_(shape.particles),
        dimension_(shape.dimension),
        parameters_(parameters),
        support_(support),
        exponential_(shape.particles) {}

  /// Replaces what is accepted of a state's particles; the number of those.
  std::int64_t accept(const Evaluated<T>& now, const Evaluated<const T>& proposed,
                      std::int64_t state, std::uint64_t step) {
    const std::int64_t N = particles_, D = dimension_;
    for (std::int64_t i = 0; i < plan_.count(); ++i) {
      Block block = plan_.block(i);
      block.first_state = state;
      draws_.draw_exponential({parameters_.seed, Stream::mala_acceptance, step}, block,
                              exponential_.get() + block.first_particle);
    }
    const double eta = static_cast<double>(parameters_.step_size[state]);
    const double tau = static_cast<double>(parameters_.temperature[state]);
    const MalaStep law{eta, tau, 2 * eta * tau};
    std::int64_t accepted = 0;
    for (std::int64_t n = 0; n < N; ++n) {
      T* const a = now.particles + n * D;
      T* const g = now.drift + n * D;
      const T* const b = proposed.particles + n * D;
      const T* const h = proposed.drift + n * D;
      const T value = now.values[n], other = proposed.values[n];
      constexpr T kInfinity = std::numeric_limits<T>::infinity();
      if (!(value < kInfinity) || !finite(a) || !finite(g) || !finite(b)) {
        lose(a, &now.values[n], g);
        continue;
      }
      if (other == -kInfinity) continue;
      if (!(other < kInfinity) || !finite(h)) {
        lose(a, &now.values[n], g);
        continue;
      }
      if (!equal(a, b)) {
        double log_ratio = (static_cast<double>(other) - static_cast<double>(value)) / tau;
        for (std::int64_t d = 0; d < D; ++d) log_ratio += of_coordinate(a, b, g, h, d, law);
        if (!(log_ratio == log_ratio)) {
          lose(a, &now.values[n], g);
          continue;
        }
        // u <= ratio, with -log u the exponential.
        if (!(static_cast<double>(exponential_[n]) + log_ratio >= 0)) continue;
      }
      for (std::int64_t d = 0; d < D; ++d) {
        a[d] = b[d];
        g[d] = h[d];
      }
      now.values[n] = other;
      ++accepted;
    }
    return accepted;
  }

 private:
  bool finite(const T* x) const {
    for (std::int64_t d = 0; d < dimension_; ++d) {
      if (!(x[d] - x[d] == T(0))) return false;
    }
    return true;
  }

  bool equal(const T* x, const T* y) const {
    for (std::int64_t d = 0; d < dimension_; ++d) {
      if (x[d] != y[d]) return false;
    }
    return true;
  }

  void lose(T* a, T* value, T* g) const {
    constexpr T kNothing = std::numeric_limits<T>::quiet_NaN();
    for (std::int64_t d = 0; d < dimension_; ++d) a[d] = g[d] = kNothing;
    *value = kNothing;
  }

  double of_coordinate(const T* a, const T* b, const T* g, const T* h, std::int64_t d,
                       const MalaStep& law) const {
    const auto x = static_cast<double>(a[d]), y = static_cast<double>(b[d]);
    const auto slope = static_cast<double>(g[d]), other = static_cast<double>(h[d]);
    if (support_.kind == SupportKind::unbounded) {
      return log_ratio_on_line(y - x, slope, other, law);
    }
    const auto i = static_cast<std::size_t>(d);
    const auto low = static_cast<double>(support_.low[i]);
    const auto high = static_cast<double>(support_.high[i]);
    if (support_.kind == SupportKind::box_reflect) {
      return log_ratio_in_box(x, y, slope, other, low, high, law);
    }
    if (support_.kind == SupportKind::torus) {
      return log_ratio_on_torus(x, y, slope, other, high, law);
    }
    const auto least = static_cast<double>(support_.least[i]);
    const auto most = static_cast<double>(support_.most[i]);
    return log_ratio_squashed(clamp<double>(x, least, most), clamp<double>(y, least, most), slope,
                              other, low, high, support_.kind == SupportKind::box_tanh, law);
  }

  BlockPlan<T> plan_;
  NormalBlock<T> draws_;
  std::int64_t particles_, dimension_;
  LangevinParameters<T> parameters_;
  const Support<T>& support_;
  Scratch<T> exponential_;
};

}  // namespace WPG_ISA
}  // namespace wpg
