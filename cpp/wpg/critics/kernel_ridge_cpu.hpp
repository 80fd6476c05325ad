// Dense linear algebra and kernel matrices behind kernel_ridge.hpp, once per instruction set.
// Row-major unless said otherwise. Every function works on a tile that the caller fixes, so that no
// sum depends on the number of threads.
#pragma once

#include <cstdint>

#include "wpg/base/isa_table.hpp"
#include "wpg/critics/profiles/profile.hpp"

namespace wpg {

#define WPG_DECLARE(isa)                                                                         \
  namespace isa {                                                                                \
  /* out (rows, ld_out) = phi(|x_i - c_j|) of the first `split` coordinates times that of the */ \
  /* others, x (rows, width), c (columns, width) */                                              \
  void product_kernel(Profile profile, const double* x, std::int64_t rows, const double* c,      \
                      std::int64_t columns, std::int64_t split, std::int64_t width, double* out, \
                      std::int64_t ld_out);                                                      \
  /* X (rows, ld) -> X L^-T in place, L (size, ld_l) lower */                                    \
  void solve_right_transposed(double* x, std::int64_t rows, std::int64_t ld, const double* l,    \
                              std::int64_t size, std::int64_t ld_l);                             \
  /* lower Cholesky factor in place; false if not positive definite */                           \
  bool cholesky(double* a, std::int64_t size);                                                   \
  /* B (size, columns) -> L^-1 B, and L^-T B */                                                  \
  void solve_lower(const double* l, std::int64_t size, double* b, std::int64_t columns);         \
  void solve_lower_transposed(const double* l, std::int64_t size, double* b,                     \
                              std::int64_t columns);                                             \
  /* out (columns_a, columns_b; ld_out) = A'B over `rows` rows */                                \
  void transposed_product(const double* a, std::int64_t columns_a, const double* b,              \
                          std::int64_t columns_b, std::int64_t rows, std::int64_t ld_a,          \
                          std::int64_t ld_b, double* out, std::int64_t ld_out);                  \
  /* out (rows, columns) = A (rows, inner; ld_a) B (inner, columns) */                           \
  void product(const double* a, std::int64_t rows, std::int64_t inner, std::int64_t ld_a,        \
               const double* b, std::int64_t columns, double* out);                              \
  double dot(const double* a, const double* b, std::int64_t count);                              \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
