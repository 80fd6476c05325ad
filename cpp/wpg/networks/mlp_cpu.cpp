#include "wpg/networks/mlp_cpu.hpp"

#include <Eigen/Core>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/networks/mlp_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using In = Eigen::Map<const RowMajor, 0, Stride>;
using Out = Eigen::Map<RowMajor, 0, Stride>;

constexpr std::int64_t kWide = kLanes<float>;

/// Calls body(i, vector?) over a row of numbers, whole vectors first.
template <class Body>
WPG_INLINE void over_row(std::int64_t count, Body&& body) {
  std::int64_t j = 0;
  for (; j + kWide <= count; j += kWide) body(j, f32v{});
  for (; j < count; ++j) body(j, float{});
}

/// Sum over a row of term(j, zero of the type wanted), in a shape that the width alone fixes.
template <class Term>
WPG_INLINE float sum_over_row(std::int64_t count, Term&& term) {
  f32v first{}, second{};
  std::int64_t j = 0;
  for (; j + 2 * kWide <= count; j += 2 * kWide) {
    first += term(j, f32v{});
    second += term(j + kWide, f32v{});
  }
  float rest = 0;
  for (; j < count; ++j) rest += term(j, float{});
  return sum_of_lanes<float>(first + second) + rest;
}

template <bool kSilu>
void activate(const HiddenLayer& layer, std::int64_t rows, float* z, float* kept,
              float* inverse_deviation) {
  const std::int64_t width = layer.width;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = z + r * width;
    float* keep = kept == nullptr ? nullptr : kept + r * width;
    if (layer.gain == nullptr) {
      over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        const V u = load<V>(row + j) + load<V>(layer.bias + j);
        if (kSilu && keep != nullptr) store(keep + j, u);
        store(row + j, activation<kSilu>(u));
      });
      continue;
    }
    const float mean = sum_over_row(width,
                                    [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
                                      using V = decltype(zero);
                                      const V u = load<V>(row + j) + load<V>(layer.bias + j);
                                      store(row + j, u);
                                      return u;
                                    }) /
                       static_cast<float>(width);
    const float variance =
        sum_over_row(width,
                     [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
                       using V = decltype(zero);
                       const V away = load<V>(row + j) - mean;
                       return V(away * away);
                     }) /
        static_cast<float>(width);
    const float inverse = 1.0f / std::sqrt(variance + kLayerNormEpsilon);
    if (inverse_deviation != nullptr) inverse_deviation[r] = inverse;
    over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
      using V = decltype(zero);
      const V normal = (load<V>(row + j) - mean) * inverse;
      if (keep != nullptr) store(keep + j, normal);
      const V u = normal * load<V>(layer.gain + j) + load<V>(layer.offset + j);
      store(row + j, activation<kSilu>(u));
    });
  }
}

template <bool kSilu>
void activate_back(const HiddenLayer& layer, std::int64_t n, const std::int32_t* at, const float* h,
                   const float* kept, const float* inverse_deviation, float* delta,
                   float* at_norm) {
  const std::int64_t width = layer.width;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t r = at == nullptr ? i : at[i];
    float* d = delta + i * width;
    const float* out = h + r * width;
    if (layer.gain == nullptr) {
      over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        const V g = load<V>(d + j);
        if constexpr (kSilu) {
          store(d + j, V(g * activation_slope<true>(load<V>(kept + r * width + j))));
        } else {
          store(d + j, V(g * relu_slope_of_output(load<V>(out + j))));
        }
      });
      continue;
    }
    const float* normal = kept + r * width;
    float* u_gradient = at_norm == nullptr ? nullptr : at_norm + i * width;
    float along = 0;
    const float sum =
        sum_over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
          using V = decltype(zero);
          V g = load<V>(d + j);
          if constexpr (kSilu) {
            const V u = load<V>(normal + j) * load<V>(layer.gain + j) + load<V>(layer.offset + j);
            g = g * activation_slope<true>(u);
          } else {
            g = g * relu_slope_of_output(load<V>(out + j));
          }
          if (u_gradient != nullptr) store(u_gradient + j, g);
          g = g * load<V>(layer.gain + j);
          store(d + j, g);
          return g;
        });
    along = sum_over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
      using V = decltype(zero);
      return V(load<V>(d + j) * load<V>(normal + j));
    });
    const float mean = sum / static_cast<float>(width);
    const float mean_along = along / static_cast<float>(width);
    const float inverse = inverse_deviation[r];
    over_row(width, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
      using V = decltype(zero);
      store(d + j, V((load<V>(d + j) - mean - load<V>(normal + j) * mean_along) * inverse));
    });
  }
}

/// Rows that the library multiplies side by side. What is left over takes another way there, in
/// another order of sums.
constexpr std::int64_t kBlock = Eigen::internal::gebp_traits<float, float>::nr;

/// A product of rows x with something, by whole blocks of rows, the last one filled up with zeros,
/// so that the bits of a row do not depend on how many stand beside it.
template <class Added, class Assigned>
WPG_INLINE void row_blocks(const float* x, std::int64_t rows, std::int64_t inner, std::int64_t ld_x,
                           float* y, std::int64_t columns, std::int64_t ld_y, bool add,
                           Added&& added, Assigned&& assigned) {
  const std::int64_t rest = rows % kBlock, whole = rows - rest;
  if (whole > 0) {
    const In left(x, whole, inner, Stride(ld_x));
    Out result(y, whole, columns, Stride(ld_y));
    add ? added(left, result) : assigned(left, result);
  }
  if (rest == 0) return;
  RowMajor left = RowMajor::Zero(kBlock, inner), result = RowMajor::Zero(kBlock, columns);
  Out last(y + whole * ld_y, rest, columns, Stride(ld_y));
  left.topRows(rest) = In(x + whole * ld_x, rest, inner, Stride(ld_x));
  if (add) {
    result.topRows(rest) = last;
    added(left, result);
  } else {
    assigned(left, result);
  }
  last = result.topRows(rest);
}

}  // namespace

void mlp_product(const float* x, std::int64_t rows, std::int64_t inner, std::int64_t ld_x,
                 const float* w, std::int64_t columns, float* y, bool add) {
  const In right(w, inner, columns, Stride(columns));
  row_blocks(
      x, rows, inner, ld_x, y, columns, columns, add,
      [&](auto&& left, auto&& result) { result.noalias() += left * right; },
      [&](auto&& left, auto&& result) { result.noalias() = left * right; });
}

void mlp_product_back(const float* y, std::int64_t rows, std::int64_t columns, const float* w,
                      std::int64_t inner, float* x, std::int64_t ld_x, bool add) {
  const In right(w, inner, columns, Stride(columns));
  row_blocks(
      y, rows, columns, columns, x, inner, ld_x, add,
      [&](auto&& left, auto&& result) { result.noalias() += left * right.transpose(); },
      [&](auto&& left, auto&& result) { result.noalias() = left * right.transpose(); });
}

void mlp_product_weights(const float* x, std::int64_t rows, std::int64_t inner, const float* y,
                         std::int64_t columns, std::int64_t ld_y, float* w, std::int64_t ld_w) {
  Out result(w, inner, columns, Stride(ld_w));
  result.noalias() =
      In(x, rows, inner, Stride(inner)).transpose() * In(y, rows, columns, Stride(ld_y));
}

void mlp_column_sums(const float* y, const float* times, std::int64_t rows, std::int64_t columns,
                     std::int64_t ld, float* out) {
  for (std::int64_t j = 0; j < columns; ++j) out[j] = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = y + r * ld;
    const float* factor = times == nullptr ? nullptr : times + r * ld;
    over_row(columns, [&](std::int64_t j, auto zero) __attribute__((always_inline)) {
      using V = decltype(zero);
      const V term =
          factor == nullptr ? load<V>(row + j) : V(load<V>(row + j) * load<V>(factor + j));
      store(out + j, V(load<V>(out + j) + term));
    });
  }
}

void mlp_activate(const HiddenLayer& layer, std::int64_t rows, float* z, float* kept,
                  float* inverse_deviation) {
  layer.silu ? activate<true>(layer, rows, z, kept, inverse_deviation)
             : activate<false>(layer, rows, z, kept, inverse_deviation);
}

void mlp_activate_back(const HiddenLayer& layer, std::int64_t n, const std::int32_t* at,
                       const float* h, const float* kept, const float* inverse_deviation,
                       float* delta, float* at_norm) {
  layer.silu ? activate_back<true>(layer, n, at, h, kept, inverse_deviation, delta, at_norm)
             : activate_back<false>(layer, n, at, h, kept, inverse_deviation, delta, at_norm);
}

void adam_piece(float* p, float* m, float* v, const float* g, std::int64_t count,
                const AdamSettings& settings, float rate, float correction) {
  const auto beta1 = static_cast<float>(settings.beta1);
  const auto beta2 = static_cast<float>(settings.beta2);
  // 1 - 0.999f is off by 1.3e-5 of itself.
  const auto rest1 = static_cast<float>(1 - settings.beta1);
  const auto rest2 = static_cast<float>(1 - settings.beta2);
  const auto epsilon = static_cast<float>(settings.epsilon);
  over_row(count, [&](std::int64_t i, auto zero) __attribute__((always_inline)) {
    using V = decltype(zero);
    const V slope = load<V>(g + i);
    const V first = load<V>(m + i) * beta1 + slope * rest1;
    const V second = load<V>(v + i) * beta2 + slope * slope * rest2;
    store(m + i, first);
    store(v + i, second);
    store(p + i, V(load<V>(p + i) - first * rate / (square_root(second) * correction + epsilon)));
  });
}

void polyak_piece(float* average, const float* p, std::int64_t count, float rate) {
  over_row(count, [&](std::int64_t i, auto zero) __attribute__((always_inline)) {
    using V = decltype(zero);
    const V old = load<V>(average + i);
    store(average + i, V(old + (load<V>(p + i) - old) * rate));
  });
}

}  // namespace WPG_ISA
}  // namespace wpg
