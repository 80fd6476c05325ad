#include "wpg/flow/flow_cpu.hpp"

#include "wpg/base/gaussian_pairs.hpp"
#include "wpg/critics/kernel_q_cpu.hpp"
#include "wpg/density/median_bandwidth.hpp"
#include "wpg/transport/blob_cpu.hpp"
#include "wpg/transport/langevin_block.hpp"
#include "wpg/transport/mala_block.hpp"
#include "wpg/transport/svgd_cpu.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

/// A state's cloud, block by block, with the Langevin step of a stream.
template <class T>
class LangevinMover {
 public:
  LangevinMover(const CloudShape& shape, const LangevinParameters<T>& parameters,
                const Support<T>& support, Stream stream)
      : plan_(CloudShape{1, shape.particles, shape.dimension}),
        step_(plan_, parameters, support, stream),
        carried_(step_.averaged() ? shape.per_state() : 0) {}

  void begin(std::int64_t state, std::uint64_t step) {
    if (!step_.averaged()) return;
    each_block(state, [&](const Block& block, std::int64_t at) {
      step_.draw(block, step, carried_.get() + at);
    });
  }

  /// `out` may be `cloud`. Averaged noise needs begin(), and steps that follow each other.
  void move(T* out, const T* cloud, const T* drift, std::int64_t state, std::uint64_t step) {
    each_block(state, [&](const Block& block, std::int64_t at) {
      if (step_.averaged()) {
        step_.move_on(out + at, cloud + at, drift + at, block, step, carried_.get() + at);
      } else {
        step_.move(out + at, cloud + at, drift + at, block, step);
      }
    });
  }

  void move_without_noise(T* out, const T* cloud, const T* drift, std::int64_t state) {
    each_block(state, [&](const Block& block, std::int64_t at) {
      step_.move_without_noise(out + at, cloud + at, drift + at, block);
    });
  }

 private:
  template <class Body>
  void each_block(std::int64_t state, Body body) {
    for (std::int64_t i = 0; i < plan_.count(); ++i) {
      Block block = plan_.block(i);
      block.first_state = state;
      body(block, block.first_particle * plan_.dimension());
    }
  }

  BlockPlan<T> plan_;
  LangevinBlock<T> step_;
  Scratch<T> carried_;  // the whole state's: the next step's first draw
};

template <class T>
constexpr T kNone = 0;

/// The parameters of a step that carries no entropy: the velocity does.
template <class T>
LangevinParameters<T> without_noise(LangevinParameters<T> parameters) {
  parameters.temperature = {&kNone<T>, 0};
  return parameters;
}

/// A state's cloud along the velocity of svgd or blob.
template <class T>
class VelocityMover {
 public:
  /// `median` is the rule of the bandwidth, or null where it is given.
  VelocityMover(const CloudShape& shape, const FlowParameters<T>& parameters,
                const Support<T>& support, MedianBandwidth<T>* median)
      : shape_(shape),
        svgd_(parameters.scheme == Scheme::svgd),
        temperature_(parameters.step.temperature),
        bandwidth_(parameters.bandwidth),
        median_(median),
        step_(shape, without_noise(parameters.step), support, Stream::langevin),
        pairs_(shape.particles, shape.dimension, !svgd_ && blob_keeps_kernel<T>(shape.particles)),
        inverse_sums_(svgd_ ? 0 : shape.particles),
        velocity_(shape.per_state()) {}

  void begin(std::int64_t, std::uint64_t) {}

  /// `out` may be `cloud`.
  void move(T* out, const T* cloud, const T* drift, std::int64_t state, std::uint64_t) {
    const T length = median_ != nullptr ? median_->of(cloud) : bandwidth_[state];
    if (svgd_) {
      svgd_state<T>(velocity_.get(), cloud, drift, shape_, temperature_[state], length, pairs_);
    } else {
      blob_state<T>(velocity_.get(), inverse_sums_.get(), cloud, drift, shape_, temperature_[state],
                    length, pairs_);
    }
    step_.move_without_noise(out, cloud, velocity_.get(), state);
  }

 private:
  CloudShape shape_;
  bool svgd_;
  PerState<T> temperature_, bandwidth_;
  MedianBandwidth<T>* median_;
  LangevinMover<T> step_;
  GaussianPairs<T> pairs_;
  Scratch<T> inverse_sums_, velocity_;
};

/// Schemes that move every particle along the drift: a mover has begin(state, step) and
/// move(out, cloud, drift, state, step).
template <class T, class Mover>
void follow_drift(T* out, const T* particles, const KernelQ<T>& critic, const T* states,
                  const CloudShape& shape, const FlowParameters<T>& parameters, Mover& mover,
                  std::int64_t first_state, std::int64_t last_state) {
  const std::int64_t count = shape.per_state();
  Scratch<T> slice_memory(slice_scratch(critic)), drift(count);
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice =
        slice_state(critic, states + s * critic.observation_size(), slice_memory.get());
    T* const cloud = out + s * count;
    if (out != particles) {
      std::memcpy(cloud, particles + s * count, sizeof(T) * static_cast<std::size_t>(count));
    }
    mover.begin(s, parameters.step.step);
    for (std::int64_t l = 0; l < parameters.steps; ++l) {
      evaluate_particles<T>(critic, slice, nullptr, drift.get(), cloud, shape.particles);
      mover.move(cloud, cloud, drift.get(), s,
                 parameters.step.step + static_cast<std::uint64_t>(l));
    }
  }
}

template <class T>
void propose_and_accept(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic,
                        const T* states, const CloudShape& shape,
                        const FlowParameters<T>& parameters, const Support<T>& support,
                        std::int64_t first_state, std::int64_t last_state) {
  const std::int64_t count = shape.per_state(), N = shape.particles;
  LangevinMover<T> mover(shape, parameters.step, support, Stream::mala_proposal);
  MalaBlock<T> judge(shape, parameters.step, support);
  Scratch<T> slice_memory(slice_scratch(critic)), values(N), drift(count), proposals(count),
      proposed_values(N), proposed_drift(count);
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice =
        slice_state(critic, states + s * critic.observation_size(), slice_memory.get());
    T* const cloud = out + s * count;
    if (out != particles) {
      std::memcpy(cloud, particles + s * count, sizeof(T) * static_cast<std::size_t>(count));
    }
    std::int64_t accepted = 0;
    if (parameters.steps > 0) {
      evaluate_particles<T>(critic, slice, values.get(), drift.get(), cloud, N);
    }
    for (std::int64_t l = 0; l < parameters.steps; ++l) {
      const std::uint64_t step = parameters.step.step + static_cast<std::uint64_t>(l);
      mover.move(proposals.get(), cloud, drift.get(), s, step);
      evaluate_particles<T>(critic, slice, proposed_values.get(), proposed_drift.get(),
                            proposals.get(), N);
      accepted +=
          judge.accept({cloud, values.get(), drift.get()},
                       {proposals.get(), proposed_values.get(), proposed_drift.get()}, s, step);
    }
    if (acceptance != nullptr) {
      acceptance[s] =
          parameters.steps == 0
              ? T(1)
              : static_cast<T>(static_cast<double>(accepted) /
                               (static_cast<double>(parameters.steps) * static_cast<double>(N)));
    }
  }
}

}  // namespace

template <class T>
void flow_states(T* out, T* acceptance, const T* particles, const KernelQ<T>& critic,
                 const T* states, const CloudShape& shape, const FlowParameters<T>& parameters,
                 const Support<T>& support, std::int64_t first_state, std::int64_t last_state) {
  if (parameters.scheme == Scheme::mala) {
    return propose_and_accept(out, acceptance, particles, critic, states, shape, parameters,
                              support, first_state, last_state);
  }
  if (has_pair_kernel(parameters.scheme)) {
    const auto follow = [&](MedianBandwidth<T>* median) {
      VelocityMover<T> mover(shape, parameters, support, median);
      follow_drift(out, particles, critic, states, shape, parameters, mover, first_state,
                   last_state);
    };
    if (parameters.bandwidth.data != nullptr) return follow(nullptr);
    MedianBandwidth<T> median(shape.particles, shape.dimension);
    return follow(&median);
  }
  const Stream stream =
      parameters.scheme == Scheme::langevin ? Stream::langevin : Stream::leimkuhler_matthews;
  LangevinMover<T> mover(shape, parameters.step, support, stream);
  follow_drift(out, particles, critic, states, shape, parameters, mover, first_state, last_state);
}

template <class T>
void move_along(T* out, const T* particles, const T* velocity, const CloudShape& shape,
                const LangevinParameters<T>& parameters, const Support<T>& support,
                const BlockPlan<T>& plan, std::int64_t first_block, std::int64_t last) {
  LangevinBlock<T> step(plan, without_noise(parameters), support, Stream::langevin);
  for (std::int64_t i = first_block; i < last; ++i) {
    const Block block = plan.block(i);
    const std::int64_t at =
        (block.first_state * shape.particles + block.first_particle) * shape.dimension;
    step.move_without_noise(out + at, particles + at, velocity + at, block);
  }
}

#define WPG_INSTANTIATE(T)                                                                       \
  template void flow_states<T>(T*, T*, const T*, const KernelQ<T>&, const T*, const CloudShape&, \
                               const FlowParameters<T>&, const Support<T>&, std::int64_t,        \
                               std::int64_t);                                                    \
  template void move_along<T>(T*, const T*, const T*, const CloudShape&,                         \
                              const LangevinParameters<T>&, const Support<T>&,                   \
                              const BlockPlan<T>&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
