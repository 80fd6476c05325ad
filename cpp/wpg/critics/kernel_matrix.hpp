// Kernel matrices and matrix products in float64 whose sums have a fixed shape: no bit depends on
// the number of threads.
#pragma once

#include <cstdint>

#include "wpg/critics/profiles/profile.hpp"

namespace wpg {

/// out (n, m) = phi(|(x_i - c_j) / lengthscale|), x (n, width), c (m, width).
void kernel_matrix(Profile profile, const double* x, std::int64_t n, const double* c,
                   std::int64_t m, std::int64_t width, const double* lengthscale, double* out);

/// out (n, p) = a (n, k) b (k, p), row-major.
void matrix_product(const double* a, std::int64_t n, std::int64_t k, const double* b,
                    std::int64_t p, double* out);

/// out (p, r) = a' b over n rows, a (n, p), b (n, r), row-major.
void matrix_transposed_product(const double* a, std::int64_t n, std::int64_t p, const double* b,
                               std::int64_t r, double* out);

}  // namespace wpg
