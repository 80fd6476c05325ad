// The fused flow on a device against its routines called one after the other, in bits, for every
// scheme, in place and not; in double against the CPU's flow; refusals.
#include <cmath>
#include <limits>

#include "device.hpp"
#include "hash.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/density/bandwidth_cuda.hpp"
#include "wpg/flow/flow_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/mala_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"

namespace {

using wpg::CloudShape;
using wpg::Scheme;

constexpr Scheme kSchemes[] = {Scheme::langevin, Scheme::leimkuhler_matthews, Scheme::mala,
                               Scheme::svgd, Scheme::blob};
constexpr std::int64_t kCenters = 40, kObservation = 3;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
struct Problem {
  CloudShape shape;
  std::vector<T> center_states, center_actions, weights, state_lengthscale, action_lengthscale;
  std::vector<T> states, particles, low, high;
  DeviceArray<T> s, a, w, table, x, cloud;
  wpg::cuda::KernelQ<T> q;
  wpg::Support<T> support;
  wpg::cuda::FlowParameters<T> parameters;

  explicit Problem(const CloudShape& cloud_shape)
      : shape(cloud_shape),
        center_states(numbers<T>(kCenters * kObservation, 1)),
        center_actions(numbers<T>(kCenters * shape.dimension, 2)),
        weights(numbers<T>(kCenters, 3)),
        state_lengthscale(at(kObservation), T(1)),
        action_lengthscale(at(shape.dimension), T(0.6)),
        states(numbers<T>(shape.states * kObservation, 4)),
        particles(numbers<T>(shape.size(), 5)),
        low(at(shape.dimension), T(-1)),
        high(at(shape.dimension), T(1)),
        s(center_states),
        a(center_actions),
        w(weights),
        table(at(wpg::cuda::kernel_q_table_size<T>(kCenters, kObservation, shape.dimension))),
        x(states),
        cloud(particles),
        q(wpg::cuda::pack_kernel_q(table.get(), s.get(), a.get(), w.get(), kCenters, kObservation,
                                   shape.dimension, state_lengthscale.data(),
                                   action_lengthscale.data(), wpg::Profile::gaussian, nullptr)),
        support(wpg::Support<T>::box(low.data(), high.data(), shape.dimension,
                                     wpg::SupportKind::box_reflect)) {
    parameters.step.step_size = T(0.05);
    parameters.step.temperature = T(0.2);
    parameters.step.seed = 11;
    parameters.step.step = 1000;
  }

  struct Answer {
    std::vector<T> cloud, acceptance;
  };

  /// What lies behind the working memory stays as it is.
  Answer fused(bool in_place) {
    const std::int64_t count =
        wpg::cuda::flow_scratch<T>(shape, parameters.scheme, parameters.median_rule);
    DeviceArray<T> from(particles), out(std::vector<T>(particles.size(), T(9)));
    DeviceArray<T> acceptance(std::vector<T>(at(shape.states), T(9)));
    DeviceArray<T> scratch(std::vector<T>(at(count + 50), T(-77)));
    T* const to = in_place ? from.get() : out.get();
    wpg::cuda::flow(to, parameters.scheme == Scheme::mala ? acceptance.get() : nullptr, from.get(),
                    q, x.get(), shape, parameters, support, scratch.get(), nullptr);
    const std::vector<T> left = scratch.on_host();
    for (std::size_t i = at(count); i < left.size(); ++i) CHECK_EQUAL(left[i], T(-77));
    if (!in_place) CHECK_EQUAL(different(from.on_host(), particles), 0);
    return {in_place ? from.on_host() : out.on_host(), acceptance.on_host()};
  }

  /// The routines one after the other.
  Answer composed() {
    const std::int64_t rows = shape.states * shape.particles;
    DeviceArray<T> now(particles), next(particles), drift(particles.size());
    DeviceArray<T> next_drift(particles.size()), values(at(rows)), next_values(at(rows));
    DeviceArray<T> medians(at(shape.states)), pairs(at(wpg::cuda::blob_scratch<T>(shape, false)));
    DeviceArray<T> acceptance(std::vector<T>(at(shape.states), T(9)));
    DeviceArray<std::int64_t> accepted(std::vector<std::int64_t>(at(shape.states), 0));
    auto step = parameters.step;
    for (std::int64_t l = 0; l < parameters.steps; ++l, ++step.step) {
      // mala carries what it knows of where the particles are.
      if (parameters.scheme != Scheme::mala || l == 0) {
        wpg::cuda::evaluate(values.get(), drift.get(), q, x.get(), now.get(), shape, nullptr);
      }
      if (parameters.scheme == Scheme::langevin) {
        wpg::cuda::langevin(now.get(), now.get(), drift.get(), shape, step, support, nullptr);
      } else if (parameters.scheme == Scheme::leimkuhler_matthews) {
        wpg::cuda::leimkuhler_matthews(now.get(), now.get(), drift.get(), shape, step, support,
                                       nullptr);
      } else if (parameters.scheme == Scheme::mala) {
        wpg::cuda::mala_propose(next.get(), now.get(), drift.get(), shape, step, support, nullptr);
        wpg::cuda::evaluate(next_values.get(), next_drift.get(), q, x.get(), next.get(), shape,
                            nullptr);
        wpg::cuda::mala_accept(now.get(), values.get(), drift.get(), accepted.get(), next.get(),
                               next_values.get(), next_drift.get(), shape, step, support, nullptr);
      } else {
        auto bandwidth = parameters.bandwidth;
        if (parameters.median_rule) {
          wpg::cuda::median_bandwidth(medians.get(), now.get(), shape, nullptr);
          bandwidth = static_cast<const T*>(medians.get());
        }
        (parameters.scheme == Scheme::svgd
             ? wpg::cuda::svgd_velocity<T>
             : wpg::cuda::blob_velocity<T>)(next.get(), now.get(), drift.get(), shape,
                                            step.temperature, bandwidth, pairs.get(), nullptr);
        auto plain = step;
        plain.temperature = T(0);
        wpg::cuda::langevin(now.get(), now.get(), next.get(), shape, plain, support, nullptr);
      }
    }
    if (parameters.scheme == Scheme::mala) {
      wpg::cuda::fractions(acceptance.get(), accepted.get(), shape.states,
                           parameters.steps * shape.particles, nullptr);
    }
    return {now.on_host(), acceptance.on_host()};
  }
};

template <class T>
void flows_are_their_steps() {
  for (const Scheme scheme : kSchemes) {
    for (const CloudShape& shape :
         {CloudShape{3, 5, 2}, CloudShape{2, 40, 3}, CloudShape{4, 1, 6}}) {
      for (const std::int64_t steps : {0, 1, 3}) {
        for (const bool each : {false, true}) {
          Problem<T> p(shape);
          std::vector<T> eta, tau, length;
          for (std::int64_t s = 0; s < shape.states; ++s) {
            eta.push_back(T(0.02) + T(0.03) * static_cast<T>(s));
            tau.push_back(T(0.2) + T(0.1) * static_cast<T>(s));
            length.push_back(T(0.4) + T(0.1) * static_cast<T>(s));
          }
          DeviceArray<T> etas(eta), taus(tau), lengths(length);
          p.parameters.scheme = scheme;
          p.parameters.steps = steps;
          if (each) {
            p.parameters.step.step_size = static_cast<const T*>(etas.get());
            p.parameters.step.temperature = static_cast<const T*>(taus.get());
            p.parameters.median_rule = !wpg::has_pair_kernel(scheme);
            p.parameters.bandwidth = static_cast<const T*>(lengths.get());
          }
          const auto want = p.composed();
          for (const bool in_place : {false, true}) {
            const auto found = p.fused(in_place);
            CHECK_EQUAL(different(found.cloud, want.cloud), 0);
            CHECK_EQUAL(different(found.acceptance, want.acceptance), 0);
          }
        }
      }
    }
  }
}

/// A step moves a particle by step_size times an error of the gradient, below 1e-11 here
/// (kernel_q.hpp: M + 6 (O + D + 4) (1 + R)^2 < 1500 times u, sums of 40 terms below 3); five steps
/// magnify that by (1 + step_size |Q''|)^5 < 20. Asked for is 1e-9.
void flows_are_the_cpus() {
  for (const Scheme scheme : {Scheme::langevin, Scheme::leimkuhler_matthews, Scheme::mala}) {
    Problem<double> p({3, 20, 2});
    p.parameters.scheme = scheme;
    p.parameters.steps = 5;
    const auto found = p.fused(false);
    const wpg::KernelQ<double> q(p.center_states.data(), p.center_actions.data(), p.weights.data(),
                                 kCenters, kObservation, 2, p.state_lengthscale.data(),
                                 p.action_lengthscale.data());
    wpg::FlowParameters<double> parameters;
    parameters.scheme = scheme;
    parameters.steps = 5;
    parameters.step = wpg::cuda::on_host(p.parameters.step);
    std::vector<double> want(p.particles.size()), acceptance(3, 9);
    wpg::flow(want.data(), acceptance.data(), p.particles.data(), q, p.states.data(), p.shape,
              parameters, p.support);
    for (std::size_t i = 0; i < want.size(); ++i) {
      CHECK_AT_MOST(std::fabs(found.cloud[i] - want[i]), 1e-9);
    }
    if (scheme == Scheme::mala) CHECK_EQUAL(different(found.acceptance, acceptance), 0);
  }
}

void refusals() {
  Problem<float> p({2, 4, 3});
  DeviceArray<float> out(24), scratch(1000);
  const auto flow = [&](const CloudShape& shape, const wpg::cuda::FlowParameters<float>& with,
                        float* memory) {
    wpg::cuda::flow(out.get(), static_cast<float*>(nullptr), p.cloud.get(), p.q, p.x.get(), shape,
                    with, p.support, memory, nullptr);
  };
  auto bad = p.parameters;
  CHECK_REFUSED(flow({2, 4, 2}, bad, scratch.get()), "support has 3 coordinates");
  CHECK_REFUSED(flow(p.shape, bad, nullptr), "flow_scratch");
  CHECK_REFUSED(flow(p.shape, bad, scratch.get() + 1), "8 bytes");
  auto other = p.q;
  other.action_size = 2;
  CHECK_REFUSED(wpg::cuda::flow(out.get(), static_cast<float*>(nullptr), p.cloud.get(), other,
                                p.x.get(), p.shape, bad, p.support, scratch.get(), nullptr),
                "the critic has D = 2");
  bad.steps = -1;
  CHECK_REFUSED(flow(p.shape, bad, scratch.get()), "steps is -1");
  bad = p.parameters;
  bad.scheme = Scheme::svgd;
  bad.median_rule = false;
  bad.bandwidth = -1.0f;
  CHECK_REFUSED(flow(p.shape, bad, scratch.get()), "bandwidth");
  bad = p.parameters;
  bad.scheme = Scheme::mala;
  bad.step.temperature = 0.0f;
  CHECK_REFUSED(flow(p.shape, bad, scratch.get()), "temperature");
  flow({0, 4, 3}, p.parameters, nullptr);
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  WANT_DEVICE();
  flows_are_their_steps<float>();
  flows_are_their_steps<double>();
  flows_are_the_cpus();
  refusals();
  return result();
}
