// Nystroem ridge regression with the product kernel of KernelQ, in float64.
//
//   minimise over w:  |K_nm w - y|^2 + ridge w' K_mm w
//
// n data, m centres. With K_mm + jitter I = L L' and F = K_nm L^-T the minimiser is
//   w = L^-T (F'F + ridge I)^-1 F' y,
// which is far better conditioned than the normal equations in w. Everything but the right-hand
// side is computed once, so a new target costs O(n M + M^2).
//
// Source: Williams, Seeger 2001 (Nystroem); Smola, Bartlett 2001; the greedy choice of centres is
// the pivoted Cholesky factorisation of Harbrecht, Peters, Schneider 2012.
#pragma once

#include <cstdint>
#include <vector>

#include "wpg/critics/profiles/profile.hpp"

namespace wpg {

class KernelRidge {
 public:
  /// Data: states (n, O), actions (n, D); copied. Length scales (O), (D), positive.
  KernelRidge(const double* states, const double* actions, std::int64_t count,
              std::int64_t observation_size, std::int64_t action_size,
              const double* state_lengthscale, const double* action_lengthscale,
              Profile profile = Profile::gaussian);

  /// Adds the data rows of these indices as centres, in this order. Cost n M^2.
  void add_centers(const std::int64_t* rows, std::int64_t count);

  /// Adds centres one at a time, each the candidate that the centres so far explain worst, until
  /// there are `most` or the worst residual variance is below `tolerance` (k(x, x) = 1).
  /// Candidates: rows with candidate[i] != 0, or all if null. Cost n M for each new centre.
  void add_greedy_centers(std::int64_t most, double tolerance, const std::uint8_t* candidate);

  /// Rows of the centres, in the order they came.
  const std::vector<std::int64_t>& center_rows() const { return centers_; }

  /// Residual variance of each datum given the centres, 1 - |F_i|^2, in [0, 1]: (n).
  const std::vector<double>& residual_variance() const { return residual_; }

  /// Factors F'F + ridge I; ridge > 0. Cost n M^2 / 2 + M^3 / 6.
  void factor(double ridge);

  /// weights (M, R) of targets (n, R), both row-major; wants factor(). Cost R (2 n M + 4 M^2).
  void solve(const double* targets, std::int64_t columns, double* weights) const;

  /// What the regression with the weights (M, R) says at the data: K_nm w, (n, R).
  void fitted(const double* weights, std::int64_t columns, double* values) const;

  /// F (n, M): features whose ridge regression this is.
  void features(double* out) const;

  /// coefficients (M, R) on F -> weights L^-T coefficients of the kernel functions, in place.
  void weights_of_coefficients(double* coefficients, std::int64_t columns) const;

  std::int64_t count() const { return count_; }
  std::int64_t centers() const { return static_cast<std::int64_t>(centers_.size()); }

 private:
  std::int64_t count_, observation_size_, action_size_;
  Profile profile_;
  std::vector<double> points_;  // (n, O + D) in units of length scales
  std::vector<std::int64_t> centers_;
  std::vector<double> factor_of_centers_;  // L, (M, M) row-major lower
  std::vector<double> features_;           // F, (n, stride_) row-major
  std::int64_t stride_ = 0;                // room for centres in a row of features_
  std::vector<double> residual_;
  std::vector<double> normal_factor_;  // Cholesky factor of F'F + ridge I, (M, M) row-major lower
  bool factored_ = false;

  void reserve(std::int64_t centers);
};

}  // namespace wpg
