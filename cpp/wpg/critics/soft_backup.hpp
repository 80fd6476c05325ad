// Soft Bellman backups of a state value in a reproducing kernel Hilbert space, at planned states
// with a few actions each:
//
//   V(s) = baseline + sum_m w_m k(s, c_m)
//   q_ij = reward_ij + continuation_ij V(next_ij)
//   v_i  = temperature log sum_j exp(q_ij / temperature + log_weight_ij)
//
// i runs over P states, j over A actions. The kernel at the next states is computed once, so that a
// backup for new w is one pass over a (P A, M) matrix in float32. Source: Haarnoja et al. 2017, eq.
// 5-6.
#pragma once

#include <cstdint>
#include <vector>

namespace wpg {

class SoftBackup {
 public:
  /// next_states (P A, O), centers (M, O), length scales (O), all in one unit. `smoothing` (O) are
  /// standard deviations by which the kernel is convolved: E k(next + noise, c) in closed form.
  SoftBackup(const double* next_states, std::int64_t states, std::int64_t actions,
             const double* centers, std::int64_t count, std::int64_t observation_size,
             const double* lengthscale, const double* smoothing);

  /// values (P) and q (P, A). Cost 2 P A M. No bit depends on the number of threads.
  void backup(const double* weights, double baseline, const double* rewards,
              const double* continuation, const double* log_weight, double temperature,
              double* values, double* q) const;

  std::int64_t states() const { return states_; }
  std::int64_t actions() const { return actions_; }
  std::int64_t centers() const { return centers_; }

 private:
  std::int64_t states_, actions_, centers_, stride_;
  std::vector<float> kernel_;  // (P A, stride)
};

}  // namespace wpg
