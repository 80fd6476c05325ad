#include "wpg/critics/soft_backup.hpp"

#include <cmath>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_matrix.hpp"
#include "wpg/critics/soft_backup_cpu.hpp"

namespace wpg {
namespace {

float dot_float(const float* a, const float* b,
                std::int64_t count){WPG_CALL(dot_float(a, b, count))}

std::size_t as_size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

}  // namespace

SoftBackup::SoftBackup(const double* next_states, std::int64_t states, std::int64_t actions,
                       const double* centers, std::int64_t count, std::int64_t observation_size,
                       const double* lengthscale, const double* smoothing)
    : states_(states), actions_(actions), centers_(count), stride_((count + 15) / 16 * 16) {
  WPG_REQUIRE(states >= 1 && actions >= 1 && count >= 1 && observation_size >= 1,
              "a soft backup needs at least one state, one action and one centre");
  // A Gaussian convolved with a Gaussian: variances add, and the height is what keeps the mass.
  std::vector<double> wider(as_size(observation_size));
  double height = 1.0;
  for (std::int64_t o = 0; o < observation_size; ++o) {
    WPG_REQUIRE(std::isfinite(smoothing[o]) && smoothing[o] >= 0,
                "smoothing[" + std::to_string(o) + "] is " + number_text(smoothing[o]) +
                    "; it must be finite and not negative");
    wider[as_size(o)] = std::sqrt(lengthscale[o] * lengthscale[o] + smoothing[o] * smoothing[o]);
    height *= lengthscale[o] / wider[as_size(o)];
  }
  kernel_.assign(as_size(states * actions * stride_), 0.0f);
  constexpr std::int64_t kRows = 512;
  const std::int64_t rows = states * actions;
  std::vector<double> tile(as_size(kRows * count));
  for (std::int64_t begin = 0; begin < rows; begin += kRows) {
    const std::int64_t size = std::min(kRows, rows - begin);
    kernel_matrix(Profile::gaussian, next_states + begin * observation_size, size, centers, count,
                  observation_size, wider.data(), tile.data());
    for (std::int64_t i = 0; i < size; ++i) {
      float* to = kernel_.data() + (begin + i) * stride_;
      for (std::int64_t m = 0; m < count; ++m) {
        to[m] = static_cast<float>(height * tile[as_size(i * count + m)]);
      }
    }
  }
}

void SoftBackup::backup(const double* weights, double baseline, const double* rewards,
                        const double* continuation, const double* log_weight, double temperature,
                        double* values, double* q) const {
  WPG_REQUIRE(std::isfinite(temperature) && temperature > 0,
              "temperature is " + number_text(temperature) + "; it must be finite and positive");
  std::vector<float> w(as_size(stride_), 0.0f);
  for (std::int64_t m = 0; m < centers_; ++m) w[as_size(m)] = static_cast<float>(weights[m]);
  parallel_for(states_, actions_ * centers_, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i * actions_;
      double top = -HUGE_VAL;
      for (std::int64_t j = row; j < row + actions_; ++j) {
        const double next = baseline + dot_float(kernel_.data() + j * stride_, w.data(), stride_);
        q[j] = rewards[j] + continuation[j] * next;
        top = std::max(top, q[j] / temperature + log_weight[j]);
      }
      double sum = 0;
      for (std::int64_t j = row; j < row + actions_; ++j) {
        sum += std::exp(q[j] / temperature + log_weight[j] - top);
      }
      values[i] = temperature * (top + std::log(sum));
    }
  });
}

}  // namespace wpg
