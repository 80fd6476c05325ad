#include "wpg/critics/kernel_q.hpp"

#include <string>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_q_cpu.hpp"

namespace wpg {
namespace {

constexpr std::int64_t kWidest = 64;  // bytes of the widest vector

template <class T>
std::vector<T> inverse_of(const T* lengthscale, std::int64_t count, const char* name) {
  std::vector<T> inverse;
  for (std::int64_t i = 0; i < count; ++i) {
    require(
        std::isfinite(lengthscale[i]) && lengthscale[i] > 0 && std::isfinite(1 / lengthscale[i]),
        std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(lengthscale[i]) +
            "; it must be finite and positive");
    inverse.push_back(1 / lengthscale[i]);
  }
  return inverse;
}

/// (M, C) row-major to (C, padded), scaled.
template <class T>
std::vector<T> by_coordinate(const T* rows, std::int64_t count, std::int64_t width,
                             std::int64_t padded, const std::vector<T>& inverse) {
  std::vector<T> columns(static_cast<std::size_t>(width * padded), T(0));
  for (std::int64_t m = 0; m < count; ++m) {
    for (std::int64_t c = 0; c < width; ++c) {
      columns[static_cast<std::size_t>(c * padded + m)] =
          rows[m * width + c] * inverse[static_cast<std::size_t>(c)];
    }
  }
  return columns;
}

template <class T>
void run(const KernelQ<T>& q, T* values, T* gradient, const T* states, const T* particles,
         const CloudShape& shape, std::int64_t first, std::int64_t last) {
  WPG_CALL(evaluate_states<T>(q, values, gradient, states, particles, shape, first, last))
}

}  // namespace

template <class T>
KernelQ<T>::KernelQ(const T* center_states, const T* center_actions, const T* weights,
                    std::int64_t centers, std::int64_t observation_size, std::int64_t action_size,
                    const T* state_lengthscale, const T* action_lengthscale)
    : centers_(centers), observation_size_(observation_size), action_size_(action_size) {
  require(centers >= 1 && observation_size >= 1 && action_size >= 1,
          "KernelQ needs at least one centre, one observation and one action coordinate; got M = " +
              std::to_string(centers) + ", O = " + std::to_string(observation_size) +
              ", D = " + std::to_string(action_size));
  const auto require_finite = [](const T* numbers, std::int64_t count, const char* name) {
    for (std::int64_t i = 0; i < count; ++i) {
      require(std::isfinite(numbers[i]), std::string(name) + " holds NaN or infinity");
    }
  };
  require_finite(center_states, centers * observation_size, "center_states");
  require_finite(center_actions, centers * action_size, "center_actions");
  require_finite(weights, centers, "weights");
  inverse_state_lengthscale_ = inverse_of(state_lengthscale, observation_size, "state_lengthscale");
  inverse_action_lengthscale_ = inverse_of(action_lengthscale, action_size, "action_lengthscale");
  constexpr std::int64_t lanes = kWidest / static_cast<std::int64_t>(sizeof(T));
  padded_ = (centers + lanes - 1) / lanes * lanes;
  scaled_states_ =
      by_coordinate(center_states, centers, observation_size, padded_, inverse_state_lengthscale_);
  scaled_actions_ =
      by_coordinate(center_actions, centers, action_size, padded_, inverse_action_lengthscale_);
  constexpr T kNothing = -100000;  // far below any other exponent; sums of it stay finite
  constexpr T kHalfLog2E = T(0.72134752044448170368);
  const auto room = static_cast<std::size_t>(padded_);
  log_weights_.assign(room, kNothing);
  signs_.assign(room, T(0));
  half_squares_.assign(room, T(0));
  for (std::int64_t m = 0; m < centers; ++m) {
    const auto i = static_cast<std::size_t>(m);
    signs_[i] = std::copysign(T(0), weights[m]);
    if (weights[m] != 0) log_weights_[i] = std::log2(std::abs(weights[m]));
  }
  T farthest = 0;
  for (std::int64_t d = 0; d < action_size; ++d) {
    T* row = scaled_actions_.data() + d * padded_;
    T low = row[0], high = row[0];
    for (std::int64_t m = 1; m < centers; ++m) {
      low = std::min(low, row[m]);
      high = std::max(high, row[m]);
    }
    middle_.push_back((low + high) / 2);
    for (std::int64_t m = 0; m < centers; ++m) row[m] -= middle_.back();
  }
  for (std::int64_t m = 0; m < centers; ++m) {
    T square = 0;
    for (std::int64_t d = 0; d < action_size; ++d) {
      const T x = scaled_actions_[static_cast<std::size_t>(d * padded_ + m)];
      square += x * x;
    }
    half_squares_[static_cast<std::size_t>(m)] = kHalfLog2E * square;
    farthest = std::max(farthest, square);
  }
  centers_near_ = farthest <= kNear && action_size <= 12;
}

template <class T>
void KernelQ<T>::evaluate(T* values, T* gradient, const T* states, const T* particles,
                          const CloudShape& shape) const {
  require_shape(shape);
  require(shape.dimension == action_size_,
          "particles have D = " + std::to_string(shape.dimension) +
              "; this KernelQ has D = " + std::to_string(action_size_));
  if (shape.size() == 0) return;
  const std::int64_t work = centers_ * (observation_size_ + shape.per_state());
  parallel_for(shape.states, work, [&](std::int64_t first, std::int64_t last) {
    run(*this, values, gradient, states, particles, shape, first, last);
  });
}

template class KernelQ<float>;
template class KernelQ<double>;

}  // namespace wpg
