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
  /// The state factor weights[m] k_s is computed once per state and shared by its N particles.
  /// Centres whose |weights[m]| k_s is below (u / M) sum_m |weights[m]| k_s, u the unit roundoff,
  /// are skipped: together they change a value by less than u sum_m |weights[m]| k_s.
  /// Cost: S M (O + 12) + S N M' (2 D + 14), M' the centres that are left; memory of one thread
  /// M (D + 2), nothing of size N M.
  /// Error: (M' + 2 x + 16) u sum_m |terms|, x the largest |a - a_m|^2 / (2 lengthscale^2) that
  /// contributes (at most 87 in float). No bit depends on the number of threads.
  void evaluate(T* values, T* gradient, const T* states, const T* particles,
                const CloudShape& shape) const;

  std::int64_t centers() const { return centers_; }
  std::int64_t observation_size() const { return observation_size_; }
  std::int64_t action_size() const { return action_size_; }

  // For the loops: structure of arrays in units of length scales, one row per coordinate, rows
  // `padded()` apart, padded with centres of weight zero.
  std::int64_t padded() const { return padded_; }
  const T* scaled_states() const { return scaled_states_.data(); }
  const T* scaled_actions() const { return scaled_actions_.data(); }
  const T* weights() const { return weights_.data(); }
  const T* inverse_state_lengthscale() const { return inverse_state_lengthscale_.data(); }
  const T* inverse_action_lengthscale() const { return inverse_action_lengthscale_.data(); }

 private:
  std::int64_t centers_, observation_size_, action_size_, padded_;
  std::vector<T> scaled_states_, scaled_actions_, weights_;
  std::vector<T> inverse_state_lengthscale_, inverse_action_lengthscale_;
};

}  // namespace wpg
