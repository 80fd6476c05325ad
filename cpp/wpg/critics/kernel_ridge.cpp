#include "wpg/critics/kernel_ridge.hpp"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_ridge_cpu.hpp"

namespace wpg {
namespace {

// Tiles have fixed sizes, so that a sum's shape never depends on the number of threads.
constexpr std::int64_t kRows = 256;
constexpr std::int64_t kColumns = 64;
// Added to the diagonal of K_mm, whose entries are 1: far above rounding, far below any ridge.
constexpr double kJitter = 1e-10;

void product_kernel(Profile profile, const double* x, std::int64_t rows, const double* c,
                    std::int64_t columns, std::int64_t split, std::int64_t width, double* out,
                    std::int64_t ld) {
  WPG_CALL(product_kernel(profile, x, rows, c, columns, split, width, out, ld))
}
void solve_right_transposed(double* x, std::int64_t rows, std::int64_t ld, const double* l,
                            std::int64_t size, std::int64_t ld_l) {
  WPG_CALL(solve_right_transposed(x, rows, ld, l, size, ld_l))
}
bool cholesky(double* a, std::int64_t size) { WPG_CALL(cholesky(a, size)) }
void solve_lower(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  WPG_CALL(solve_lower(l, size, b, columns))
}
void solve_lower_transposed(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  WPG_CALL(solve_lower_transposed(l, size, b, columns))
}
void transposed_product(const double* a, std::int64_t columns_a, const double* b,
                        std::int64_t columns_b, std::int64_t rows, std::int64_t ld_a,
                        std::int64_t ld_b, double* out, std::int64_t ld_out) {
  WPG_CALL(transposed_product(a, columns_a, b, columns_b, rows, ld_a, ld_b, out, ld_out))
}
void product(const double* a, std::int64_t rows, std::int64_t inner, std::int64_t ld_a,
             const double* b, std::int64_t columns, double* out) {
  WPG_CALL(product(a, rows, inner, ld_a, b, columns, out))
}
double dot(const double* a, const double* b, std::int64_t count){WPG_CALL(dot(a, b, count))}

std::int64_t tiles_of(std::int64_t count, std::int64_t tile) {
  return (count + tile - 1) / tile;
}

std::size_t as_size(std::int64_t n) { return static_cast<std::size_t>(n); }

void require_positive(const double* values, std::int64_t count, const char* name) {
  for (std::int64_t i = 0; i < count; ++i) {
    WPG_REQUIRE(std::isfinite(values[i]) && values[i] > 0,
                std::string(name) + "[" + std::to_string(i) + "] is " + number_text(values[i]) +
                    "; it must be finite and positive");
  }
}

/// (n, O) and (n, D) side by side in units of length scales.
std::vector<double> joined(const double* states, const double* actions, std::int64_t count,
                           std::int64_t observation_size, std::int64_t action_size,
                           const double* state_lengthscale, const double* action_lengthscale) {
  const std::int64_t width = observation_size + action_size;
  std::vector<double> points(as_size(count * width));
  for (std::int64_t i = 0; i < count; ++i) {
    double* point = points.data() + i * width;
    for (std::int64_t o = 0; o < observation_size; ++o) {
      point[o] = states[i * observation_size + o] / state_lengthscale[o];
    }
    for (std::int64_t d = 0; d < action_size; ++d) {
      point[observation_size + d] = actions[i * action_size + d] / action_lengthscale[d];
    }
  }
  return points;
}

}  // namespace

KernelRidge::KernelRidge(const double* states, const double* actions, std::int64_t count,
                         std::int64_t observation_size, std::int64_t action_size,
                         const double* state_lengthscale, const double* action_lengthscale,
                         Profile profile)
    : count_(count),
      observation_size_(observation_size),
      action_size_(action_size),
      profile_(profile) {
  WPG_REQUIRE(count >= 1 && observation_size >= 1 && action_size >= 1,
              "ridge regression needs at least one datum; got n = " + std::to_string(count));
  require_positive(state_lengthscale, observation_size, "state_lengthscale");
  require_positive(action_lengthscale, action_size, "action_lengthscale");
  points_ = joined(states, actions, count, observation_size, action_size, state_lengthscale,
                   action_lengthscale);
  for (const double x : points_) WPG_REQUIRE(std::isfinite(x), "states and actions must be finite");
  residual_.assign(as_size(count), 1.0);
}

void KernelRidge::reserve(std::int64_t centers) {
  if (centers <= stride_) return;
  const std::int64_t wider = (std::max(centers, 2 * stride_) + 7) / 8 * 8;
  std::vector<double> features(as_size(count_ * wider));
  for (std::int64_t i = 0; i < count_ && stride_ > 0; ++i) {
    std::memcpy(features.data() + i * wider, features_.data() + i * stride_,
                sizeof(double) * centers_.size());
  }
  features_ = std::move(features);
  stride_ = wider;
}

void KernelRidge::add_centers(const std::int64_t* rows, std::int64_t count) {
  for (std::int64_t j = 0; j < count; ++j) {
    WPG_REQUIRE(rows[j] >= 0 && rows[j] < count_,
                "centers[" + std::to_string(j) + "] is " + std::to_string(rows[j]) +
                    "; rows run from 0 to " + std::to_string(count_ - 1));
  }
  if (count == 0) return;
  factored_ = false;
  centers_.insert(centers_.end(), rows, rows + count);
  const std::int64_t M = centers(), width = observation_size_ + action_size_;
  reserve(M);
  std::vector<double> chosen(as_size(M * width));
  for (std::int64_t m = 0; m < M; ++m) {
    std::memcpy(chosen.data() + m * width, points_.data() + centers_[as_size(m)] * width,
                sizeof(double) * as_size(width));
  }
  factor_of_centers_.resize(as_size(M * M));
  product_kernel(profile_, chosen.data(), M, chosen.data(), M, observation_size_, width,
                 factor_of_centers_.data(), M);
  for (std::int64_t m = 0; m < M; ++m) factor_of_centers_[as_size(m * M + m)] += kJitter;
  WPG_REQUIRE(cholesky(factor_of_centers_.data(), M),
              "the kernel matrix of the centres is singular: too many centres coincide");
  parallel_for(tiles_of(count_, kRows), kRows * M * M, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t begin = tile * kRows, size = std::min(kRows, count_ - begin);
      double* features = features_.data() + begin * stride_;
      product_kernel(profile_, points_.data() + begin * width, size, chosen.data(), M,
                     observation_size_, width, features, stride_);
      solve_right_transposed(features, size, stride_, factor_of_centers_.data(), M, M);
      for (std::int64_t i = 0; i < size; ++i) {
        const double* row = features + i * stride_;
        residual_[as_size(begin + i)] = std::max(0.0, 1.0 - dot(row, row, M));
      }
    }
  });
}

void KernelRidge::add_greedy_centers(std::int64_t most, double tolerance,
                                     const std::uint8_t* candidate) {
  WPG_REQUIRE(std::isfinite(tolerance) && tolerance > 0,
              "tolerance is " + number_text(tolerance) + "; it must be positive");
  const std::int64_t before = centers();
  most = std::min(most, count_);
  if (most <= before) return;
  reserve(most);
  factored_ = false;
  const std::int64_t width = observation_size_ + action_size_;
  std::vector<double> column(as_size(count_));
  while (centers() < most) {
    std::int64_t worst = -1;
    for (std::int64_t i = 0; i < count_; ++i) {
      if (candidate != nullptr && candidate[i] == 0) continue;
      if (worst < 0 || residual_[as_size(i)] > residual_[as_size(worst)]) worst = i;
    }
    if (worst < 0 || !(residual_[as_size(worst)] > tolerance)) break;
    const std::int64_t m = centers();
    const double* pivot = features_.data() + worst * stride_;
    const double scale = 1.0 / std::sqrt(residual_[as_size(worst)]);
    parallel_for(tiles_of(count_, kRows), kRows * (m + width + 8),
                 [&](std::int64_t first, std::int64_t last) {
                   const std::int64_t begin = first * kRows;
                   const std::int64_t end = std::min(count_, last * kRows);
                   product_kernel(profile_, points_.data() + begin * width, end - begin,
                                  points_.data() + worst * width, 1, observation_size_, width,
                                  column.data() + begin, 1);
                   for (std::int64_t i = begin; i < end; ++i) {
                     if (i == worst) continue;  // the pivot's row is read by every other one
                     double* row = features_.data() + i * stride_;
                     row[m] = (column[as_size(i)] - dot(row, pivot, m)) * scale;
                     residual_[as_size(i)] = std::max(0.0, residual_[as_size(i)] - row[m] * row[m]);
                   }
                 });
    features_[as_size(worst * stride_ + m)] = 1.0 / scale;
    residual_[as_size(worst)] = 0.0;
    centers_.push_back(worst);
  }
  // L grows by the new centres' own rows of F; the rows that were there hold the jitter and stay.
  const std::int64_t M = centers();
  std::vector<double> grown(as_size(M * M), 0.0);
  for (std::int64_t j = 0; j < before; ++j) {
    std::memcpy(grown.data() + j * M, factor_of_centers_.data() + j * before,
                sizeof(double) * as_size(j + 1));
  }
  for (std::int64_t j = before; j < M; ++j) {
    std::memcpy(grown.data() + j * M, features_.data() + centers_[as_size(j)] * stride_,
                sizeof(double) * as_size(j + 1));
  }
  factor_of_centers_ = std::move(grown);
}

void KernelRidge::factor(double ridge) {
  WPG_REQUIRE(std::isfinite(ridge) && ridge > 0,
              "ridge is " + number_text(ridge) + "; it must be finite and positive");
  const std::int64_t M = centers();
  WPG_REQUIRE(M > 0, "there are no centres yet");
  normal_factor_.resize(as_size(M * M));
  const std::int64_t blocks = tiles_of(M, kColumns);
  std::vector<std::pair<std::int64_t, std::int64_t>> lower;
  for (std::int64_t i = 0; i < blocks; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) lower.emplace_back(i * kColumns, j * kColumns);
  }
  parallel_for(static_cast<std::int64_t>(lower.size()), count_ * kColumns * kColumns,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t t = first; t < last; ++t) {
                   const auto [i, j] = lower[as_size(t)];
                   transposed_product(features_.data() + i, std::min(kColumns, M - i),
                                      features_.data() + j, std::min(kColumns, M - j), count_,
                                      stride_, stride_, normal_factor_.data() + i * M + j, M);
                 }
               });
  for (std::int64_t m = 0; m < M; ++m) normal_factor_[as_size(m * M + m)] += ridge;
  WPG_REQUIRE(cholesky(normal_factor_.data(), M),
              "F'F + ridge I is not positive definite: give a larger ridge");
  factored_ = true;
}

void KernelRidge::solve(const double* targets, std::int64_t columns, double* weights) const {
  WPG_REQUIRE(factored_, "call factor(ridge) before solve");
  const std::int64_t M = centers(), tiles = tiles_of(count_, kRows);
  std::vector<double> partial(as_size(tiles * M * columns));
  parallel_for(tiles, kRows * M * columns, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t begin = tile * kRows;
      transposed_product(features_.data() + begin * stride_, M, targets + begin * columns, columns,
                         std::min(kRows, count_ - begin), stride_, columns,
                         partial.data() + tile * M * columns, columns);
    }
  });
  for (std::int64_t e = 0; e < M * columns; ++e) {
    double sum = 0;
    for (std::int64_t tile = 0; tile < tiles; ++tile)
      sum += partial[as_size(tile * M * columns + e)];
    weights[e] = sum;
  }
  solve_lower(normal_factor_.data(), M, weights, columns);
  solve_lower_transposed(normal_factor_.data(), M, weights, columns);
  solve_lower_transposed(factor_of_centers_.data(), M, weights, columns);
}

void KernelRidge::fitted(const double* weights, std::int64_t columns, double* values) const {
  const std::int64_t M = centers();
  WPG_REQUIRE(M > 0, "there are no centres yet");
  // K_nm w = F (L' w)
  std::vector<double> rotated(as_size(M * columns), 0.0);
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t j = 0; j <= m; ++j) {
      for (std::int64_t c = 0; c < columns; ++c) {
        rotated[as_size(j * columns + c)] +=
            factor_of_centers_[as_size(m * M + j)] * weights[m * columns + c];
      }
    }
  }
  parallel_for(tiles_of(count_, kRows), kRows * M * columns,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t tile = first; tile < last; ++tile) {
                   const std::int64_t begin = tile * kRows;
                   product(features_.data() + begin * stride_, std::min(kRows, count_ - begin), M,
                           stride_, rotated.data(), columns, values + begin * columns);
                 }
               });
}

void KernelRidge::features(double* out) const {
  const std::int64_t M = centers();
  for (std::int64_t i = 0; i < count_; ++i) {
    std::memcpy(out + i * M, features_.data() + i * stride_, sizeof(double) * as_size(M));
  }
}

void KernelRidge::weights_of_coefficients(double* coefficients, std::int64_t columns) const {
  solve_lower_transposed(factor_of_centers_.data(), centers(), coefficients, columns);
}

}  // namespace wpg
