#include "wpg/critics/ridge_path.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_matrix.hpp"
#include "wpg/critics/kernel_ridge_cpu.hpp"

namespace wpg {
namespace {

constexpr std::int64_t kRows = 256;

bool cholesky(double* a, std::int64_t size) { WPG_CALL(cholesky(a, size)) }
void solve_lower(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  WPG_CALL(solve_lower(l, size, b, columns))
}
void solve_lower_transposed(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  WPG_CALL(solve_lower_transposed(l, size, b, columns))
}
void solve_right_transposed(double* x, std::int64_t rows, const double* l, std::int64_t size) {
  WPG_CALL(solve_right_transposed(x, rows, size, l, size, size))
}
double dot(const double* a, const double* b, std::int64_t count){WPG_CALL(dot(a, b, count))}

std::size_t as_size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

}  // namespace

void ridge_path(const double* features, std::int64_t n, std::int64_t p, const double* targets,
                std::int64_t k, const double* ridges, std::int64_t r, double* coefficients,
                double* errors) {
  WPG_REQUIRE(n >= 1 && p >= 1 && k >= 1, "a regression needs data, features and targets");
  std::vector<double> gram(as_size(p * p)), moment(as_size(p * k));
  matrix_transposed_product(features, n, p, features, p, gram.data());
  matrix_transposed_product(features, n, p, targets, k, moment.data());
  std::vector<double> factor(as_size(p * p)), fitted(as_size(n * k)), leverage(as_size(n));
  for (std::int64_t i = 0; i < r; ++i) {
    WPG_REQUIRE(std::isfinite(ridges[i]) && ridges[i] > 0, "ridges[" + std::to_string(i) + "] is " +
                                                               number_text(ridges[i]) +
                                                               "; it must be finite and positive");
    factor = gram;
    for (std::int64_t j = 0; j < p; ++j) factor[as_size(j * p + j)] += ridges[i];
    WPG_REQUIRE(cholesky(factor.data(), p), "F'F + ridge I is not positive definite: larger ridge");
    double* solution = coefficients + i * p * k;
    std::memcpy(solution, moment.data(), sizeof(double) * moment.size());
    solve_lower(factor.data(), p, solution, k);
    solve_lower_transposed(factor.data(), p, solution, k);
    if (errors == nullptr) continue;
    matrix_product(features, n, p, solution, k, fitted.data());
    const std::int64_t tiles = (n + kRows - 1) / kRows;
    parallel_for(tiles, kRows * p * p, [&](std::int64_t first, std::int64_t last) {
      std::vector<double> tile(as_size(kRows * p));
      for (std::int64_t t = first; t < last; ++t) {
        const std::int64_t begin = t * kRows, rows = std::min(kRows, n - begin);
        std::memcpy(tile.data(), features + begin * p, sizeof(double) * as_size(rows * p));
        solve_right_transposed(tile.data(), rows, factor.data(), p);
        for (std::int64_t row = 0; row < rows; ++row) {
          const double* x = tile.data() + row * p;
          leverage[as_size(begin + row)] = dot(x, x, p);
        }
      }
    });
    for (std::int64_t j = 0; j < k; ++j) {
      double sum = 0;
      for (std::int64_t row = 0; row < n; ++row) {
        const double left = std::max(1.0 - leverage[as_size(row)], 1e-3);
        const double error = (targets[row * k + j] - fitted[as_size(row * k + j)]) / left;
        sum += error * error;
      }
      errors[i * k + j] = sum / static_cast<double>(n);
    }
  }
}

}  // namespace wpg
