// A soft Q-function in a reproducing kernel Hilbert space:
//
//   Q(s, a) = sum_m weights[m] k((s - s_m) / state_lengthscale) k((a - a_m) / action_lengthscale)
//   k(x) = phi(|x|), one of
//     gaussian   exp(-r^2 / 2)
//     matern52   (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)
//     imq        (1 + r^2)^(-1/2)
//
//   grad_a Q = sum_m weights[m] k_s psi(r_a) (a_m - a) / action_lengthscale^2,  psi(r) = -phi'(r)/r
#pragma once

#include <cstdint>
#include <vector>

#include "wpg/base/aligned.hpp"
#include "wpg/base/view.hpp"
#include "wpg/critics/center_index.hpp"
#include "wpg/critics/profiles/profile.hpp"

namespace wpg {

template <class T>
class KernelQ {
 public:
  /// Copies its arrays: center_states (M, O), center_actions (M, D), weights (M),
  /// state_lengthscale (O) and action_lengthscale (D), positive. Throws std::invalid_argument.
  /// Cost: M (O + D), and M log M where an index of the centres is built, from `indexed` centres
  /// on.
  KernelQ(const T* center_states, const T* center_actions, const T* weights, std::int64_t centers,
          std::int64_t observation_size, std::int64_t action_size, const T* state_lengthscale,
          const T* action_lengthscale, Profile profile = Profile::gaussian,
          std::int64_t indexed = kIndexed);

  /// values (S, N) and gradient (S, N, D) of Q at `particles` (S, N, D) of `states` (S, O); either
  /// output may be null. `shape` is (S, N, D).
  ///
  /// The state factor is computed once per state and shared by its N particles. With
  /// b_m = |weights[m]| k_s, centres with b_m < (u / M) max_m b_m, u the unit roundoff, are
  /// skipped: together they change a value by less than u max_m b_m.
  ///
  /// Cost: S (M'' (O + 4) + M' D) + S N M' (2 D + 13), M' the centres that are left and M'' those
  /// that are looked at: all M below kIndexed, beyond that those of the leaves that hold the M',
  /// and M''/8 boxes. Memory of one thread: that of the M', (D + 5) M', and M''; nothing of size N
  /// M.
  ///
  /// Error: R being the largest norm of a state, a_m, s_m or a particle in length scales, L the
  /// largest |log2 |weights[m]||, and e = (M' + 6 (O + D + 4) (1 + R)^2 + 2 L) u, a value is off by
  /// e sum_m |terms| and a gradient by e sum_m |weights[m] k_s psi| (|a_m - middle| + |a - middle|)
  /// / lengthscale^2 + 4 (1 + R) u sum_m |weights[m] k_s psi| / lengthscale, beyond what was
  /// skipped. Terms below 2^-88 (float), 2^-900 (double) times max_m b_m count as that. Where all
  /// actions and centres lie within 2.8 length scales of the middle of the centres, a Gaussian's
  /// squares are expanded, |a - c|^2 = |a|^2 - 2 a.c + |c|^2; elsewhere differences are taken
  /// first. NaN or infinity in a state or a particle gives NaN there and nowhere else. No bit
  /// depends on the number of threads.
  void evaluate(T* values, T* gradient, const T* states, const T* particles,
                const CloudShape& shape) const;

  std::int64_t centers() const { return centers_; }
  std::int64_t observation_size() const { return observation_size_; }
  std::int64_t action_size() const { return action_size_; }
  Profile profile() const { return profile_; }

  // For the loops: the centres whose weight is not 0, in the index's order, in blocks of kBlock.
  // Coordinates are multiplied by the profile's unit over the length scale. A block holds rows of
  // kRow numbers, of which kBlock are used: what lies behind them keeps the rows of a block out of
  // each other's way in the cache, and takes what is stored beyond a row's end.
  static constexpr std::int64_t kBlock = 128;
  static constexpr std::int64_t kRow = kBlock + 64 / static_cast<std::int64_t>(sizeof(T));
  static constexpr T kNothing = -100000;  // a log2 |weight| far below any other
  /// Centres that have a weight, rounded up to whole leaves by centres that have none.
  std::int64_t padded() const { return padded_; }
  std::int64_t blocks() const { return (padded_ + kBlock - 1) / kBlock; }
  /// Rows: states (O), log2 |weights|.
  const T* state_block(std::int64_t i) const {
    return state_blocks_.data() + i * (observation_size_ + 1) * kRow;
  }
  /// Rows: actions relative to middle() (D), +0 or -0 for the weight's sign, squared norms.
  const T* action_blocks() const { return action_blocks_.data(); }
  std::int64_t action_block_size() const { return (action_size_ + 2) * kRow; }
  const T* middle() const { return middle_.data(); }
  /// May squares be expanded for points within kNear of the middle?
  bool centers_near() const { return centers_near_; }
  static constexpr T kNear = T(5.7707801635558535);  // 8 squared length scales, log2(e)/2 to one
  /// No levels below kIndexed centres.
  const CenterIndex<T>& index() const { return index_; }
  static constexpr std::int64_t kIndexed = 512;
  /// The profile's unit over the length scale; and 1 over both, which a gradient is multiplied by.
  const T* state_unit() const { return state_unit_.data(); }
  const T* action_unit() const { return action_unit_.data(); }
  const T* gradient_unit() const { return gradient_unit_.data(); }

 private:
  std::int64_t centers_, observation_size_, action_size_, padded_ = 0;
  Profile profile_;
  AlignedVector<T> state_blocks_, action_blocks_;
  std::vector<T> middle_, state_unit_, action_unit_, gradient_unit_;
  bool centers_near_ = false;
  CenterIndex<T> index_;
};

}  // namespace wpg
