// A soft Q-function in a reproducing kernel Hilbert space:
//
//   Q(s, a) = sum_m weights[m] k((s - s_m) / state_lengthscale) k((a - a_m) / action_lengthscale)
//   k(x) = exp(-|x|^2 / 2)
//
//   grad_a Q = sum_m weights[m] k_s k_a (a_m - a) / action_lengthscale^2
#pragma once

#include <cstdint>
#include <vector>

#include "wpg/base/view.hpp"

namespace wpg {

template <class T>
class KernelQ {
 public:
  /// Copies its arrays: center_states (M, O), center_actions (M, D), weights (M),
  /// state_lengthscale (O) and action_lengthscale (D), positive. Throws std::invalid_argument.
  KernelQ(const T* center_states, const T* center_actions, const T* weights, std::int64_t centers,
          std::int64_t observation_size, std::int64_t action_size, const T* state_lengthscale,
          const T* action_lengthscale);

  /// values (S, N) and gradient (S, N, D) of Q at `particles` (S, N, D) of `states` (S, O); either
  /// output may be null. `shape` is (S, N, D).
  ///
  /// The state factor is computed once per state and shared by its N particles. With
  /// b_m = |weights[m]| k_s, centres with b_m < (u / M) max_m b_m, u the unit roundoff, are
  /// skipped: together they change a value by less than u max_m b_m. Cost: S M (O + 4) + S N M' (2
  /// D + 13), M' the centres that are left; memory of one thread M (D + 5), nothing of size N M.
  /// Error: with R the largest |a| or |a_m| in length scales, and e = (M' + 6 (D + 4) (1 + R)^2) u,
  /// a value is off by e sum_m |terms| and a gradient by e sum_m |terms| (|a_m - middle| +
  /// |a - middle|) / lengthscale^2 + 4 (1 + R) u sum_m |terms| / lengthscale, beyond what was
  /// skipped. Terms below 2^-125 (float), 2^-1000
  /// (double) times the largest b_m count as that. Where all actions and centres lie within 2.8
  /// length scales of the middle of the centres, squares are expanded, |a - c|^2 = |a|^2 - 2 a.c +
  /// |c|^2; elsewhere differences are taken first. NaN or infinity in a state or a particle gives
  /// NaN there and nowhere else.
  /// No bit depends on the number of threads.
  void evaluate(T* values, T* gradient, const T* states, const T* particles,
                const CloudShape& shape) const;

  std::int64_t centers() const { return centers_; }
  std::int64_t observation_size() const { return observation_size_; }
  std::int64_t action_size() const { return action_size_; }

  // For the loops: structure of arrays in units of length scales, one row per coordinate, rows
  // `padded()` apart, padded with centres of weight zero.
  std::int64_t padded() const { return padded_; }
  const T* scaled_states() const { return scaled_states_.data(); }
  /// Scaled, and relative to middle(): (D, padded).
  const T* scaled_actions() const { return scaled_actions_.data(); }
  const T* middle() const { return middle_.data(); }
  /// log2 |weights[m]|, very negative for 0 and for padding; and +0 or -0 for the sign.
  const T* log_weights() const { return log_weights_.data(); }
  const T* signs() const { return signs_.data(); }
  /// log2(e) |a_m|^2 / 2 of the scaled actions.
  const T* half_squares() const { return half_squares_.data(); }
  /// May squares be expanded for points within kNear of the middle?
  bool centers_near() const { return centers_near_; }
  static constexpr T kNear = 8;  // square of the distance, in length scales
  const T* inverse_state_lengthscale() const { return inverse_state_lengthscale_.data(); }
  const T* inverse_action_lengthscale() const { return inverse_action_lengthscale_.data(); }

 private:
  std::int64_t centers_, observation_size_, action_size_, padded_;
  std::vector<T> scaled_states_, scaled_actions_, middle_, log_weights_, signs_, half_squares_;
  bool centers_near_ = false;
  std::vector<T> inverse_state_lengthscale_, inverse_action_lengthscale_;
};

}  // namespace wpg
