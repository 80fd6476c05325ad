// The loops behind mlp.hpp and adam.hpp, once per instruction set. Row-major; `ld` is the length of
// a row in memory. Every function works on a piece that the caller fixes.
#pragma once

#include <cstdint>

#include "wpg/base/isa_table.hpp"
#include "wpg/networks/adam.hpp"

namespace wpg {

/// What a hidden layer does to a row after the product.
struct HiddenLayer {
  std::int64_t width;
  const float* bias;
  const float* gain;    // null without layer norm
  const float* offset;  // null without layer norm
  bool silu;
};

#define WPG_DECLARE(isa)                                                                          \
  namespace isa {                                                                                 \
  /* y (rows, columns) = x (rows, inner; ld_x) w (inner, columns), added to y or not */           \
  void mlp_product(const float* x, std::int64_t rows, std::int64_t inner, std::int64_t ld_x,      \
                   const float* w, std::int64_t columns, float* y, bool add);                     \
  /* x (rows, inner; ld_x) = y (rows, columns) w (inner, columns)', added to x or not */          \
  void mlp_product_back(const float* y, std::int64_t rows, std::int64_t columns, const float* w,  \
                        std::int64_t inner, float* x, std::int64_t ld_x, bool add);               \
  /* w (inner, columns; ld_w) = x (rows, inner)' y (rows, columns; ld_y) */                       \
  void mlp_product_weights(const float* x, std::int64_t rows, std::int64_t inner, const float* y, \
                           std::int64_t columns, std::int64_t ld_y, float* w, std::int64_t ld_w); \
  /* out[j] = sum_r y[r, j], and with `times` sum_r y[r, j] times[r, j] (same ld) */              \
  void mlp_column_sums(const float* y, const float* times, std::int64_t rows,                     \
                       std::int64_t columns, std::int64_t ld, float* out);                        \
  /* z (rows, width) in, h = f(norm(z + bias)) in its place. kept (rows, width): (z - mean)/std   \
     with layer norm, z + bias for silu without; inverse_deviation (rows). Null if not wanted. */ \
  void mlp_activate(const HiddenLayer& layer, std::int64_t rows, float* z, float* kept,           \
                    float* inverse_deviation);                                                    \
  /* delta (n, width): gradient at h in, at z out, for the rows at[0..n) of h, kept and           \
     inverse_deviation (all n rows in order if null). at_norm (n, width): the gradient at         \
     norm(z), if wanted. */                                                                       \
  void mlp_activate_back(const HiddenLayer& layer, std::int64_t n, const std::int32_t* at,        \
                         const float* h, const float* kept, const float* inverse_deviation,       \
                         float* delta, float* at_norm);                                           \
  void adam_piece(float* p, float* m, float* v, const float* g, std::int64_t count,               \
                  const AdamSettings& settings, float rate, float correction);                    \
  void polyak_piece(float* average, const float* p, std::int64_t count, float rate);              \
  }
WPG_FOR_EACH_ISA(WPG_DECLARE)
#undef WPG_DECLARE

}  // namespace wpg
