#include "wpg/critics/kernel_q.hpp"

#include <algorithm>
#include <string>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/critics/kernel_q_checks.hpp"
#include "wpg/critics/kernel_q_cpu.hpp"
#include "wpg/critics/profiles/profiles_math.hpp"

namespace wpg {
namespace {

std::size_t as_size(std::int64_t n) { return static_cast<std::size_t>(n); }

template <class T>
std::vector<T> unit_of(const T* lengthscale, std::int64_t count, double profile_unit,
                       const char* name) {
  require_lengthscales(lengthscale, count, name);
  std::vector<T> unit;
  for (std::int64_t i = 0; i < count; ++i) {
    unit.push_back(static_cast<T>(profile_unit / lengthscale[i]));
  }
  return unit;
}

/// (M, width) of the centres `rows`, each coordinate in its unit.
template <class T>
std::vector<T> scaled(const T* centers, const std::vector<std::int64_t>& rows, std::int64_t width,
                      const std::vector<T>& unit, const char* name, const char* lengthscale) {
  std::vector<T> out;
  out.reserve(rows.size() * as_size(width));
  for (const std::int64_t m : rows) {
    for (std::int64_t c = 0; c < width; ++c) {
      const T x = centers[m * width + c] * unit[as_size(c)];
      if (!std::isfinite(x)) {
        WPG_REQUIRE(false, std::string(name) + " / " + lengthscale + " overflows in row " +
                               std::to_string(m));
      }
      out.push_back(x);
    }
  }
  return out;
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
                    const T* state_lengthscale, const T* action_lengthscale, Profile profile,
                    std::int64_t indexed)
    : centers_(centers),
      observation_size_(observation_size),
      action_size_(action_size),
      profile_(profile) {
  require_kernel_q_sizes(centers, observation_size, action_size);
  const auto require_finite = [](const T* numbers, std::int64_t count, const char* name) {
    WPG_REQUIRE(
        std::all_of(numbers, numbers + count, [](T number) { return std::isfinite(number); }),
        std::string(name) + " holds NaN or infinity");
  };
  require_finite(center_states, centers * observation_size, "center_states");
  require_finite(center_actions, centers * action_size, "center_actions");
  require_finite(weights, centers, "weights");
  const double unit = with_profile(profile, [](auto of) { return decltype(of)::kUnit; });
  state_unit_ = unit_of(state_lengthscale, observation_size, unit, "state_lengthscale");
  action_unit_ = unit_of(action_lengthscale, action_size, unit, "action_lengthscale");
  for (std::int64_t d = 0; d < action_size; ++d) {
    gradient_unit_.push_back(static_cast<T>(1 / (unit * action_lengthscale[d])));
  }

  std::vector<std::int64_t> rows;
  for (std::int64_t m = 0; m < centers; ++m) {
    if (weights[m] != 0) rows.push_back(m);
  }
  std::vector<T> states = scaled(center_states, rows, observation_size, state_unit_,
                                 "center_states", "state_lengthscale");
  const auto count = static_cast<std::int64_t>(rows.size());
  if (count >= indexed) {
    std::vector<std::int64_t> ordered;
    for (const std::int64_t i : CenterIndex<T>::order(states.data(), count, observation_size)) {
      ordered.push_back(rows[as_size(i)]);
    }
    rows = std::move(ordered);
    states = scaled(center_states, rows, observation_size, state_unit_, "center_states",
                    "state_lengthscale");
  }
  std::vector<T> actions = scaled(center_actions, rows, action_size, action_unit_, "center_actions",
                                  "action_lengthscale");
  std::vector<T> log_weights;
  for (const std::int64_t m : rows) log_weights.push_back(std::log2(std::abs(weights[m])));
  if (count >= indexed) {
    index_ = CenterIndex<T>(states.data(), log_weights.data(), count, observation_size);
  }

  for (std::int64_t d = 0; d < action_size; ++d) {
    T low = count > 0 ? actions[as_size(d)] : T(0), high = low;
    for (std::int64_t i = 1; i < count; ++i) {
      low = std::min(low, actions[as_size(i * action_size + d)]);
      high = std::max(high, actions[as_size(i * action_size + d)]);
    }
    middle_.push_back(low / 2 + high / 2);
  }
  constexpr std::int64_t leaf = CenterIndex<T>::kLeaf;
  padded_ = (count + leaf - 1) / leaf * leaf;
  state_blocks_.assign(as_size(blocks() * (observation_size + 1) * kRow), T(0));
  action_blocks_.assign(as_size(blocks() * action_block_size()), T(0));
  T farthest = 0;
  for (std::int64_t i = 0; i < blocks() * kBlock; ++i) {
    T* const state = state_blocks_.data() + i / kBlock * (observation_size + 1) * kRow + i % kBlock;
    T* const action = action_blocks_.data() + i / kBlock * action_block_size() + i % kBlock;
    if (i >= count) {
      state[observation_size * kRow] = kNothing;
      continue;
    }
    for (std::int64_t o = 0; o < observation_size; ++o) {
      state[o * kRow] = states[as_size(i * observation_size + o)];
    }
    state[observation_size * kRow] = log_weights[as_size(i)];
    T square = 0;
    for (std::int64_t d = 0; d < action_size; ++d) {
      const T x = actions[as_size(i * action_size + d)] - middle_[as_size(d)];
      action[d * kRow] = x;
      square += x * x;
    }
    action[action_size * kRow] = std::copysign(T(0), weights[rows[as_size(i)]]);
    action[(action_size + 1) * kRow] = square;
    farthest = std::max(farthest, square);
  }
  centers_near_ = profile == Profile::gaussian && farthest <= kNear && action_size <= 12;
}

template <class T>
void KernelQ<T>::evaluate(T* values, T* gradient, const T* states, const T* particles,
                          const CloudShape& shape) const {
  require_kernel_q_shape(shape, action_size_);
  if (shape.size() == 0) return;
  const std::int64_t work = centers_ * (observation_size_ + shape.per_state());
  parallel_for(shape.states, work, [&](std::int64_t first, std::int64_t last) {
    run(*this, values, gradient, states, particles, shape, first, last);
  });
}

template class KernelQ<float>;
template class KernelQ<double>;

}  // namespace wpg
