#include "wpg/critics/kernel_ridge_cpu.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/critics/profiles/profiles_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using In = Eigen::Map<const RowMajor, 0, Stride>;
using Out = Eigen::Map<RowMajor, 0, Stride>;

/// A product of Gaussians is one Gaussian.
void gaussian_matrix(const double* x, std::int64_t rows, const double* c, std::int64_t columns,
                     std::int64_t width, double* out, std::int64_t ld_out) {
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = out + i * ld_out;
    const double* p = x + i * width;
    for (std::int64_t j = 0; j < columns; ++j) {
      double square = 0;
      for (std::int64_t k = 0; k < width; ++k) {
        const double away = p[k] - c[j * width + k];
        square += away * away;
      }
      row[j] = square * -kHalfLog2E<double>;
    }
    std::int64_t j = 0;
    for (; j + kLanes<double> <= columns; j += kLanes<double>) {
      store(row + j, power_of_two<f64v>(load<f64v>(row + j)));
    }
    for (; j < columns; ++j) row[j] = power_of_two<double>(row[j]);
  }
}

template <class P>
void profile_matrix(const double* x, std::int64_t rows, const double* c, std::int64_t columns,
                    std::int64_t split, std::int64_t width, double* out, std::int64_t ld_out) {
  constexpr double kSquaredUnit = P::kUnit * P::kUnit;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double* p = x + i * width;
    for (std::int64_t j = 0; j < columns; j += kLanes<double>) {
      double state[kLanes<double>] = {}, action[kLanes<double>] = {};
      const std::int64_t count = columns - j < kLanes<double> ? columns - j : kLanes<double>;
      for (std::int64_t l = 0; l < count; ++l) {
        for (std::int64_t k = 0; k < width; ++k) {
          const double away = p[k] - c[(j + l) * width + k];
          (k < split ? state : action)[l] += away * away * kSquaredUnit;
        }
      }
      f64v slope;
      const f64v of_state = P::template profile<f64v>(load<f64v>(state), slope);
      const f64v value = of_state * P::template profile<f64v>(load<f64v>(action), slope);
      for (std::int64_t l = 0; l < count; ++l) out[i * ld_out + j + l] = value[l];
    }
  }
}

}  // namespace

void product_kernel(Profile profile, const double* x, std::int64_t rows, const double* c,
                    std::int64_t columns, std::int64_t split, std::int64_t width, double* out,
                    std::int64_t ld_out) {
  if (profile == Profile::gaussian) {
    return gaussian_matrix(x, rows, c, columns, width, out, ld_out);
  }
  with_profile(profile, [&](auto of) __attribute__((always_inline)) {
    profile_matrix<decltype(of)>(x, rows, c, columns, split, width, out, ld_out);
  });
}

void solve_right_transposed(double* x, std::int64_t rows, std::int64_t ld, const double* l,
                            std::int64_t size, std::int64_t ld_l) {
  Out target(x, rows, size, Stride(ld));
  In lower(l, size, size, Stride(ld_l));
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(target);
}

bool cholesky(double* a, std::int64_t size) {
  Out matrix(a, size, size, Stride(size));
  Eigen::LLT<Eigen::Ref<RowMajor, 0, Stride>, Eigen::Lower> factor(matrix);
  return factor.info() == Eigen::Success;
}

void solve_lower(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  Out target(b, size, columns, Stride(columns));
  In(l, size, size, Stride(size)).triangularView<Eigen::Lower>().solveInPlace(target);
}

void solve_lower_transposed(const double* l, std::int64_t size, double* b, std::int64_t columns) {
  Out target(b, size, columns, Stride(columns));
  In lower(l, size, size, Stride(size));
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace(target);
}

void transposed_product(const double* a, std::int64_t columns_a, const double* b,
                        std::int64_t columns_b, std::int64_t rows, std::int64_t ld_a,
                        std::int64_t ld_b, double* out, std::int64_t ld_out) {
  Out result(out, columns_a, columns_b, Stride(ld_out));
  In left(a, rows, columns_a, Stride(ld_a));
  if (columns_b == 1 && ld_b == 1) {
    Eigen::Map<const Eigen::VectorXd> right(b, rows);
    result.col(0).noalias() = left.transpose() * right;
  } else {
    result.noalias() = left.transpose() * In(b, rows, columns_b, Stride(ld_b));
  }
}

void product(const double* a, std::int64_t rows, std::int64_t inner, std::int64_t ld_a,
             const double* b, std::int64_t columns, double* out) {
  Out result(out, rows, columns, Stride(columns));
  result.noalias() = In(a, rows, inner, Stride(ld_a)) * In(b, inner, columns, Stride(columns));
}

double dot(const double* a, const double* b, std::int64_t count) {
  return Eigen::Map<const Eigen::VectorXd>(a, count).dot(
      Eigen::Map<const Eigen::VectorXd>(b, count));
}

}  // namespace WPG_ISA
}  // namespace wpg
