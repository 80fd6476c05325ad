// The fused flow is the composition of KernelQ::evaluate and the scheme's step, to the bit.
#include <limits>

#include "hash.hpp"
#include "wpg/density/bandwidth.hpp"
#include "wpg/flow/flow.hpp"
#include "wpg/transport/blob.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"
#include "wpg/transport/mala.hpp"
#include "wpg/transport/svgd.hpp"

namespace {

using wpg::CloudShape;
using wpg::Scheme;

template <class T>
wpg::KernelQ<T> critic_of(std::int64_t M, std::int64_t O, std::int64_t D) {
  const auto s = numbers<T>(M * O, 1), a = numbers<T>(M * D, 2), w = numbers<T>(M, 3);
  std::vector<T> ls(static_cast<std::size_t>(O), T(0.7)), la(static_cast<std::size_t>(D), T(0.9));
  return wpg::KernelQ<T>(s.data(), a.data(), w.data(), M, O, D, ls.data(), la.data());
}

/// Step after step with calls of KernelQ::evaluate between, and the accepted fraction.
template <class T>
std::vector<T> composed(const std::vector<T>& particles, const wpg::KernelQ<T>& critic,
                        const std::vector<T>& states, const CloudShape& shape,
                        const wpg::FlowParameters<T>& p, const wpg::Support<T>& support) {
  const auto rows = static_cast<std::size_t>(shape.states);
  std::vector<T> cloud = particles, drift(particles.size());
  std::vector<T> values(rows * static_cast<std::size_t>(shape.particles));
  std::vector<T> proposals = drift, other_drift = drift, other_values = values;
  std::vector<std::int64_t> accepted(rows, 0);
  auto q = p.step;
  critic.evaluate(values.data(), drift.data(), states.data(), cloud.data(), shape);
  for (std::int64_t l = 0; l < p.steps; ++l, ++q.step) {
    if (p.scheme == Scheme::mala) {
      wpg::mala_propose(proposals.data(), cloud.data(), drift.data(), shape, q, support);
      critic.evaluate(other_values.data(), other_drift.data(), states.data(), proposals.data(),
                      shape);
      wpg::mala_accept(cloud.data(), values.data(), drift.data(), accepted.data(), proposals.data(),
                       other_values.data(), other_drift.data(), shape, q, support);
      continue;
    }
    critic.evaluate(nullptr, drift.data(), states.data(), cloud.data(), shape);
    (p.scheme == Scheme::langevin ? wpg::langevin<T>
                                  : wpg::leimkuhler_matthews<T>)(cloud.data(), cloud.data(),
                                                                 drift.data(), shape, q, support);
  }
  for (const std::int64_t n : accepted) {
    cloud.push_back(
        static_cast<T>(static_cast<double>(n) / static_cast<double>(p.steps * shape.particles)));
  }
  return cloud;
}

template <class T>
void check_composition() {
  // The last but one has states that several blocks share, the last one state of several blocks.
  const std::int64_t shapes[][3] = {{1, 1, 1}, {1, 65, 2}, {7, 9, 3}, {130, 4, 1}, {2, 3001, 2}};
  for (const auto& [S, N, D] : shapes) {
    const CloudShape shape{S, N, D};
    const auto critic = critic_of<T>(37, 2, D);
    const auto states = numbers<T>(S * 2, 4), particles = numbers<T>(shape.size(), 5);
    auto step_size = numbers<T>(S, 6);
    for (T& x : step_size) x = T(0.05) + T(0.02) * x;
    const T temperature = T(0.3);
    const std::vector<T> low(static_cast<std::size_t>(D), T(-1)), high(low.size(), T(0.8));
    for (const auto& support :
         {wpg::Support<T>::unbounded(),
          wpg::Support<T>::box(low.data(), high.data(), D, wpg::SupportKind::box_reflect),
          wpg::Support<T>::box(low.data(), high.data(), D, wpg::SupportKind::box_tanh),
          wpg::Support<T>::box(low.data(), high.data(), D, wpg::SupportKind::box_probit),
          wpg::Support<T>::torus(high.data(), D)}) {
      // The supports differ in the step alone: one large shape for two of them is enough.
      const bool plain = support.kind == wpg::SupportKind::unbounded ||
                         support.kind == wpg::SupportKind::box_reflect;
      if (!plain && shape.size() > 1000) continue;
      for (const Scheme scheme : {Scheme::langevin, Scheme::leimkuhler_matthews, Scheme::mala}) {
        wpg::FlowParameters<T> p;
        p.scheme = scheme;
        p.steps = 4;
        p.step.step_size = {step_size.data(), 1};
        p.step.temperature = {&temperature, 0};
        p.step.seed = 11;
        p.step.step = 4294967294u;  // the low word of the counter overflows on the way
        // The cloud, and behind it the accepted fraction of every state.
        const auto rows = static_cast<std::size_t>(S);
        const auto end = static_cast<std::ptrdiff_t>(particles.size());
        const auto fused = [&] {
          std::vector<T> out(particles.size() + rows, T(0));
          wpg::flow(out.data(), scheme == Scheme::mala ? out.data() + end : nullptr,
                    particles.data(), critic, states.data(), shape, p, support);
          return out;
        };
        for (const wpg::Isa isa : wpg::available_isas()) {
          wpg::set_active_isa(wpg::isa_name(isa));
          const std::uint64_t hash = same_on_all_threads(fused);
          CHECK_EQUAL(hash_of(composed(particles, critic, states, shape, p, support)), hash);
          std::vector<T> in_place = particles;
          in_place.resize(particles.size() + rows, T(0));
          wpg::flow(in_place.data(), scheme == Scheme::mala ? in_place.data() + end : nullptr,
                    in_place.data(), critic, states.data(), shape, p, support);
          CHECK_EQUAL(hash_of(in_place), hash);
        }
        p.steps = 0;
        std::vector<T> still = fused();
        if (scheme == Scheme::mala) {
          for (std::size_t s = 0; s < rows; ++s) CHECK_EQUAL(still[particles.size() + s], T(1));
        }
        still.resize(particles.size());
        CHECK(still == particles);
      }
    }
  }
}

/// Step after step along the velocity of svgd or blob.
template <class T>
std::vector<T> along_velocity(const std::vector<T>& particles, const wpg::KernelQ<T>& critic,
                              const std::vector<T>& states, const CloudShape& shape,
                              const wpg::FlowParameters<T>& p, const wpg::Support<T>& support) {
  std::vector<T> cloud = particles, drift(particles.size());
  std::vector<T> medians(static_cast<std::size_t>(shape.states));
  const T zero = 0;
  auto q = p.step;
  q.temperature = {&zero, 0};
  for (std::int64_t l = 0; l < p.steps; ++l, ++q.step) {
    critic.evaluate(nullptr, drift.data(), states.data(), cloud.data(), shape);
    auto bandwidth = p.bandwidth;
    if (bandwidth.data == nullptr) {
      wpg::median_bandwidth(medians.data(), cloud.data(), shape);
      bandwidth = {medians.data(), 1};
    }
    (p.scheme == Scheme::svgd ? wpg::svgd_velocity<T>
                              : wpg::blob_velocity<T>)(drift.data(), cloud.data(), drift.data(),
                                                       shape, p.step.temperature, bandwidth);
    wpg::langevin(cloud.data(), cloud.data(), drift.data(), shape, q, support);
  }
  return cloud;
}

template <class T>
void check_pairs() {
  // The last but one has states of several blocks; of the last one, pairs are shared out.
  const std::int64_t shapes[][3] = {{1, 1, 1}, {7, 9, 3}, {130, 4, 1}, {16, 513, 5}, {2, 600, 2}};
  for (const auto& [S, N, D] : shapes) {
    const CloudShape shape{S, N, D};
    const auto critic = critic_of<T>(37, 2, D);
    const auto states = numbers<T>(S * 2, 4), particles = numbers<T>(shape.size(), 5);
    auto temperature = numbers<T>(S, 6), bandwidth = numbers<T>(S, 7);
    for (T& x : temperature) x = T(0.3) + T(0.2) * x;
    for (T& x : bandwidth) x = T(0.5) + T(0.2) * x;
    const T step_size = T(0.05);
    const std::vector<T> low(static_cast<std::size_t>(D), T(-1)), high(low.size(), T(0.8));
    for (const auto& support :
         {wpg::Support<T>::unbounded(),
          wpg::Support<T>::box(low.data(), high.data(), D, wpg::SupportKind::box_reflect),
          wpg::Support<T>::torus(high.data(), D)}) {
      // The supports differ in the step alone: one shape for all of them is enough.
      if (S != 7 && support.kind != wpg::SupportKind::box_reflect) continue;
      const bool large = N > 500;  // for one instruction set
      for (const Scheme scheme : {Scheme::svgd, Scheme::blob}) {
        for (const bool given : {false, true}) {
          wpg::FlowParameters<T> p;
          p.scheme = scheme;
          p.steps = 2;
          p.step.step_size = {&step_size, 0};
          p.step.temperature = {temperature.data(), 1};
          if (given) p.bandwidth = {bandwidth.data(), 1};
          const auto fused = [&] {
            std::vector<T> out(particles.size(), T(0));
            wpg::flow(out.data(), static_cast<T*>(nullptr), particles.data(), critic, states.data(),
                      shape, p, support);
            return out;
          };
          for (const wpg::Isa isa : wpg::available_isas()) {
            if (large && isa != wpg::available_isas().back()) continue;
            wpg::set_active_isa(wpg::isa_name(isa));
            const std::uint64_t hash = same_on_all_threads(fused);
            CHECK_EQUAL(hash_of(along_velocity(particles, critic, states, shape, p, support)),
                        hash);
            std::vector<T> in_place = particles;
            wpg::flow(in_place.data(), static_cast<T*>(nullptr), in_place.data(), critic,
                      states.data(), shape, p, support);
            CHECK_EQUAL(hash_of(in_place), hash);
          }
          p.steps = 0;
          CHECK(fused() == particles);
        }
      }
    }
  }
}

template <class T>
void check_refusals() {
  const auto critic = critic_of<T>(5, 2, 3);
  const T good = T(0.1), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> states(4, T(0)), particles(24, T(0.5));
  std::vector<T> out(24, T(9));
  const CloudShape shape{2, 4, 3};
  const T zero = T(0);
  wpg::FlowParameters<T> p;
  p.step.step_size = p.step.temperature = {&good, 0};
  const auto run = [&](const CloudShape& cloud, const wpg::FlowParameters<T>& parameters) {
    wpg::flow(out.data(), static_cast<T*>(nullptr), particles.data(), critic, states.data(), cloud,
              parameters, wpg::Support<T>::unbounded());
  };
  auto q = p;
  q.steps = -1;
  CHECK_REFUSED(run(shape, q), "steps");
  CHECK_REFUSED(run({2, 6, 2}, p), "D = 2");
  q = p;
  q.steps = 4;
  q.step.step = wpg::kMostSteps - 3;
  CHECK_REFUSED(run(shape, q), "step");
  q.steps = 3;
  q.scheme = Scheme::leimkuhler_matthews;  // the last step wants a draw beyond the last one
  CHECK_REFUSED(run(shape, q), "one step ahead");
  q = p;
  q.step.temperature = {&nan, 0};
  CHECK_REFUSED(run(shape, q), "temperature");
  q = p;
  q.step.step_size = {&nan, 0};
  CHECK_REFUSED(run(shape, q), "step_size");
  q = p;
  q.scheme = Scheme::mala;
  CHECK_REFUSED(run({2, 0, 3}, q), "at least one particle");
  q.step.temperature = {&zero, 0};
  CHECK_REFUSED(run(shape, q), "needs a density");
  CHECK_REFUSED(wpg::flow(out.data() + 3, static_cast<T*>(nullptr), out.data(), critic,
                          states.data(), {1, 4, 3}, p, wpg::Support<T>::unbounded()),
                "overlaps particles");
  q = p;
  q.bandwidth = {&good, 0};
  CHECK_REFUSED(run(shape, q), "bandwidth");  // langevin has none
  const std::vector<T> low(3, T(0)), high(3, T(1));
  for (const Scheme scheme : {Scheme::svgd, Scheme::blob}) {
    const T negative = T(-0.1), infinite = std::numeric_limits<T>::infinity();
    q.scheme = scheme;
    for (const T& bad : {negative, infinite}) {
      q.bandwidth = {&bad, 0};
      CHECK_REFUSED(run(shape, q), "bandwidth");
    }
    q.bandwidth = {};
    CHECK_REFUSED(run({2, 0, 3}, q), "at least one");
    for (const auto kind : {wpg::SupportKind::box_tanh, wpg::SupportKind::box_probit}) {
      CHECK_REFUSED(
          wpg::flow(out.data(), static_cast<T*>(nullptr), particles.data(), critic, states.data(),
                    shape, q, wpg::Support<T>::box(low.data(), high.data(), 3, kind)),
          "reflect");
    }
  }
  CHECK(out == std::vector<T>(24, T(9)));
}

}  // namespace

int main() {
  check_composition<float>();
  check_composition<double>();
  check_pairs<float>();
  check_pairs<double>();
  check_refusals<float>();
  check_refusals<double>();
  return result();
}
