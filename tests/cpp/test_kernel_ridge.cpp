// Ridge regression against a dense solve with Eigen, greedy centres against a naive pivoted
// Cholesky factorisation, several right-hand sides against one, bits over threads, refusals.
#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/critics/kernel_ridge.hpp"

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::VectorXd;

constexpr std::int64_t kCount = 700, kO = 2, kD = 1;
const double kStateLengthscale[2] = {0.5, 0.7};
const double kActionLengthscale[1] = {0.6};

struct Data {
  std::vector<double> states = numbers<double>(kCount * kO, 1);
  std::vector<double> actions = numbers<double>(kCount * kD, 2);
  std::vector<double> targets = numbers<double>(kCount, 3);

  double kernel(std::int64_t i, std::int64_t j) const {
    double square = 0;
    for (std::int64_t o = 0; o < kO; ++o) {
      const double away = (states[static_cast<std::size_t>(i * kO + o)] -
                           states[static_cast<std::size_t>(j * kO + o)]) /
                          kStateLengthscale[o];
      square += away * away;
    }
    const double away =
        (actions[static_cast<std::size_t>(i)] - actions[static_cast<std::size_t>(j)]) /
        kActionLengthscale[0];
    return std::exp(-(square + away * away) / 2);
  }

  wpg::KernelRidge ridge() const {
    return wpg::KernelRidge(states.data(), actions.data(), kCount, kO, kD, kStateLengthscale,
                            kActionLengthscale);
  }
};

VectorXd as_eigen(const std::vector<double>& x) {
  return Eigen::Map<const VectorXd>(x.data(), static_cast<Eigen::Index>(x.size()));
}

/// (K_mn K_nm + ridge K_mm) w = K_mn y. Fits are compared, not weights, whose condition is that of
/// K_mm. The routine adds 1e-10 to the diagonal of K_mm, which changes the fit by about
/// 1e-10 * ridge * |w|; with the rounding of the normal equations 1e-7 of the targets is allowed.
void check_dense_solution() {
  const Data data;
  std::vector<std::int64_t> rows;
  for (std::int64_t m = 0; m < 60; ++m) rows.push_back(m * 11 + 3);
  const auto M = static_cast<Eigen::Index>(rows.size());
  Matrix knm(kCount, M), kmm(M, M);
  for (Eigen::Index m = 0; m < M; ++m) {
    for (Eigen::Index i = 0; i < kCount; ++i) {
      knm(i, m) = data.kernel(i, rows[static_cast<std::size_t>(m)]);
    }
    for (Eigen::Index j = 0; j < M; ++j) {
      kmm(m, j) = data.kernel(rows[static_cast<std::size_t>(m)], rows[static_cast<std::size_t>(j)]);
    }
  }
  const double ridge = 0.5;
  const VectorXd y = as_eigen(data.targets);
  const VectorXd w =
      Eigen::LDLT<Matrix>(knm.transpose() * knm + ridge * kmm).solve(knm.transpose() * y);

  auto routine = data.ridge();
  routine.add_centers(rows.data(), M);
  routine.factor(ridge);
  std::vector<double> weights(static_cast<std::size_t>(M)), fit(kCount);
  routine.solve(data.targets.data(), 1, weights.data());
  routine.fitted(weights.data(), 1, fit.data());
  const VectorXd fast = as_eigen(fit);
  CHECK_AT_MOST((fast - knm * w).lpNorm<Eigen::Infinity>(), 1e-7);
  CHECK_AT_MOST((fast - knm * as_eigen(weights)).lpNorm<Eigen::Infinity>(), 1e-7);

  // F coefficients and weights stand for the same function, and residuals are 1 - |F_i|^2.
  std::vector<double> features(static_cast<std::size_t>(kCount * M));
  routine.features(features.data());
  const Eigen::Map<Matrix> f(features.data(), kCount, M);
  std::vector<double> coefficients = numbers<double>(M, 4), moved = coefficients;
  routine.weights_of_coefficients(moved.data(), 1);
  CHECK_AT_MOST((f * as_eigen(coefficients) - knm * as_eigen(moved)).lpNorm<Eigen::Infinity>(),
                1e-6);
  for (Eigen::Index i = 0; i < kCount; ++i) {
    const double residual = std::max(0.0, 1 - f.row(i).squaredNorm());
    CHECK_AT_MOST(std::fabs(routine.residual_variance()[static_cast<std::size_t>(i)] - residual),
                  1e-12);
  }

  // Several right-hand sides: to the rounding of sums that Eigen orders in its own way.
  std::vector<double> columns(3 * kCount), several(static_cast<std::size_t>(3 * M));
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t c = 0; c < 3; ++c) columns[3 * i + c] = std::pow(data.targets[i], c + 1.0);
  }
  routine.solve(columns.data(), 3, several.data());
  double size = 0;
  for (const double x : weights) size = std::max(size, std::fabs(x));
  for (std::size_t m = 0; m < static_cast<std::size_t>(M); ++m) {
    CHECK_AT_MOST(std::fabs(several[3 * m] - weights[m]), 1e-7 * size);
  }
}

void check_greedy_centers() {
  const Data data;
  auto routine = data.ridge();
  std::vector<std::uint8_t> candidate(kCount, 1);
  for (std::size_t i = 0; i < kCount; i += 3) candidate[i] = 0;
  routine.add_greedy_centers(40, 1e-6, candidate.data());
  // Pivoted Cholesky, naively: eliminate the worst candidate from the residual kernel matrix.
  Matrix residual(kCount, kCount);
  for (Eigen::Index i = 0; i < kCount; ++i) {
    for (Eigen::Index j = 0; j < kCount; ++j) residual(i, j) = data.kernel(i, j);
  }
  CHECK_EQUAL(routine.centers(), 40);
  for (const std::int64_t row : routine.center_rows()) {
    Eigen::Index worst = -1;
    for (Eigen::Index i = 0; i < kCount; ++i) {
      if (candidate[static_cast<std::size_t>(i)] == 0) continue;
      // Equal residuals, as at the start where all are 1: the first one.
      if (worst < 0 || residual(i, i) > residual(worst, worst) * (1 + 1e-12)) worst = i;
    }
    CHECK_EQUAL(row, worst);
    const VectorXd column = residual.col(worst);
    residual -= column * column.transpose() / column(worst);
  }
  for (Eigen::Index i = 0; i < kCount; ++i) {
    CHECK_AT_MOST(
        std::fabs(routine.residual_variance()[static_cast<std::size_t>(i)] - residual(i, i)),
        1e-11);
  }
  // A loose tolerance ends the choice early, with all residuals below it.
  auto early = data.ridge();
  early.add_greedy_centers(kCount, 0.2, nullptr);
  CHECK(early.centers() < kCount);
  for (const double x : early.residual_variance()) CHECK_AT_MOST(x, 0.2);
}

void check_threads() {
  const Data data;
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    for (const bool greedy : {false, true}) {
      same_on_all_threads([&] {
        auto routine = data.ridge();
        std::vector<std::int64_t> rows;
        for (std::int64_t m = 0; m < 70; ++m) rows.push_back(m * 10);
        if (greedy) {
          routine.add_greedy_centers(70, 1e-6, nullptr);
        } else {
          routine.add_centers(rows.data(), 70);
        }
        routine.factor(0.1);
        std::vector<double> out(static_cast<std::size_t>(routine.centers() + kCount));
        routine.solve(data.targets.data(), 1, out.data());
        routine.fitted(out.data(), 1, out.data() + routine.centers());
        return out;
      });
    }
  }
}

void check_refusals() {
  const Data data;
  auto routine = data.ridge();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  double weights[3] = {9, 9, 9};
  CHECK_REFUSED(routine.factor(1.0), "centres");
  CHECK_REFUSED(routine.fitted(weights, 1, weights), "centres");
  const std::int64_t good[2] = {0, 5}, bad[2] = {0, kCount}, negative[1] = {-1};
  CHECK_REFUSED(routine.add_centers(bad, 2), "centers[1]");
  CHECK_REFUSED(routine.add_centers(negative, 1), "centers[0]");
  CHECK_EQUAL(routine.centers(), 0);
  routine.add_centers(good, 2);
  CHECK_REFUSED(routine.solve(data.targets.data(), 1, weights), "factor");
  for (const double ridge : {0.0, -1.0, nan, std::numeric_limits<double>::infinity()}) {
    CHECK_REFUSED(routine.factor(ridge), "ridge");
  }
  for (const double tolerance : {0.0, -1.0, nan}) {
    CHECK_REFUSED(routine.add_greedy_centers(5, tolerance, nullptr), "tolerance");
  }
  Data broken;
  broken.states[7] = nan;
  CHECK_REFUSED(broken.ridge(), "finite");
  const double zero = 0;
  CHECK_REFUSED(wpg::KernelRidge(data.states.data(), data.actions.data(), kCount, kO, kD,
                                 kStateLengthscale, &zero),
                "action_lengthscale");
  CHECK_REFUSED(wpg::KernelRidge(data.states.data(), data.actions.data(), 0, kO, kD,
                                 kStateLengthscale, kActionLengthscale),
                "n = 0");
  CHECK(weights[0] == 9 && weights[2] == 9);
}

}  // namespace

int main() {
  check_dense_solution();
  check_greedy_centers();
  check_threads();
  check_refusals();
  return result();
}
