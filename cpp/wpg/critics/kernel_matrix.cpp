#include "wpg/critics/kernel_matrix.hpp"

#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_ridge_cpu.hpp"

namespace wpg {
namespace {

constexpr std::int64_t kRows = 256;

void of_tile(Profile profile, const double* x, std::int64_t rows, const double* c,
             std::int64_t columns, std::int64_t width, double* out) {
  WPG_CALL(product_kernel(profile, x, rows, c, columns, width, width, out, columns))
}
void multiply(const double* a, std::int64_t rows, std::int64_t inner, const double* b,
              std::int64_t columns, double* out) {
  WPG_CALL(product(a, rows, inner, inner, b, columns, out))
}
void multiply_transposed(const double* a, std::int64_t columns_a, const double* b,
                         std::int64_t columns_b, std::int64_t rows, std::int64_t ld_a, double* out){
    WPG_CALL(transposed_product(a, columns_a, b, columns_b, rows, ld_a, columns_b, out, columns_b))}

std::vector<double> scaled(const double* rows, std::int64_t count, std::int64_t width,
                           const double* lengthscale) {
  std::vector<double> out(static_cast<std::size_t>(count * width));
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t k = 0; k < width; ++k) {
      out[static_cast<std::size_t>(i * width + k)] = rows[i * width + k] / lengthscale[k];
    }
  }
  return out;
}

std::int64_t tiles_of(std::int64_t count) { return (count + kRows - 1) / kRows; }

}  // namespace

void kernel_matrix(Profile profile, const double* x, std::int64_t n, const double* c,
                   std::int64_t m, std::int64_t width, const double* lengthscale, double* out) {
  for (std::int64_t k = 0; k < width; ++k) {
    WPG_REQUIRE(std::isfinite(lengthscale[k]) && lengthscale[k] > 0,
                "lengthscale[" + std::to_string(k) + "] is " + number_text(lengthscale[k]) +
                    "; it must be finite and positive");
  }
  const auto p = scaled(x, n, width, lengthscale), q = scaled(c, m, width, lengthscale);
  parallel_for(n, m * (width + 8), [&](std::int64_t first, std::int64_t last) {
    of_tile(profile, p.data() + first * width, last - first, q.data(), m, width, out + first * m);
  });
}

void matrix_product(const double* a, std::int64_t n, std::int64_t k, const double* b,
                    std::int64_t p, double* out) {
  parallel_for(tiles_of(n), kRows * k * p, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t begin = tile * kRows;
      const std::int64_t rows = std::min(kRows, n - begin);
      multiply(a + begin * k, rows, k, b, p, out + begin * p);
    }
  });
}

void matrix_transposed_product(const double* a, std::int64_t n, std::int64_t p, const double* b,
                               std::int64_t r, double* out) {
  constexpr std::int64_t kColumns = 64;
  const std::int64_t blocks = (p + kColumns - 1) / kColumns;
  parallel_for(blocks, n * kColumns * r, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t begin = block * kColumns;
      multiply_transposed(a + begin, std::min(kColumns, p - begin), b, r, n, p, out + begin * r);
    }
  });
}

}  // namespace wpg
