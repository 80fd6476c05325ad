// Ridge regression on explicit features for several ridges at once, each with its leave-one-out
// error, in float64.
//
//   coefficients = (F'F + ridge I)^-1 F' Y
//   error_j      = mean_i ( (Y_ij - fitted_ij) / (1 - h_i) )^2,   h_i = F_i (F'F + ridge I)^-1 F_i'
//
// The error is that of predicting every datum from all others, exactly, without refitting.
// Source: Allen 1974 (PRESS).
#pragma once

#include <cstdint>

namespace wpg {

/// features (n, p), targets (n, k), ridges (r) > 0; coefficients (r, p, k), errors (r, k) or null.
/// 1 - h_i is kept above 1e-3. Cost n p^2 for all and, if errors are wanted, n p^2 for each ridge.
/// No bit depends on the number of threads.
void ridge_path(const double* features, std::int64_t n, std::int64_t p, const double* targets,
                std::int64_t k, const double* ridges, std::int64_t r, double* coefficients,
                double* errors);

}  // namespace wpg
