// Acceptance for one state's particles. Internal to the files that are compiled once per
// instruction set; never compiled with contraction.
#pragma once

#include "wpg/base/normal_block.hpp"
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
      const MalaVerdict verdict = mala_verdict<T>(
          {a, now.values[n], g, b, proposed.values[n], h, D}, support_.kind,
          [this](std::int64_t d) { return walls(d); }, exponential_[n], law);
      if (verdict == MalaVerdict::keep) continue;
      if (verdict == MalaVerdict::lose) {
        for (std::int64_t d = 0; d < D; ++d) a[d] = g[d] = kNotANumber<T>;
        now.values[n] = kNotANumber<T>;
        continue;
      }
      for (std::int64_t d = 0; d < D; ++d) {
        a[d] = b[d];
        g[d] = h[d];
      }
      now.values[n] = proposed.values[n];
      ++accepted;
    }
    return accepted;
  }

 private:
  Walls<T> walls(std::int64_t d) const {
    return support_.kind == SupportKind::unbounded ? Walls<T>{} : support_.walls(d);
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
