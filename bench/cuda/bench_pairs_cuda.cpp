#include <memory>

#include "cases_cuda.hpp"
#include "pair_problem.hpp"
#include "wpg/density/kde_cuda.hpp"
#include "wpg/transport/blob_cuda.hpp"
#include "wpg/transport/svgd_cuda.hpp"

namespace wpg::bench {
namespace {

/// The arrays of pair_problem.hpp on the device.
struct Pairs {
  PairProblem host;
  DeviceNumbers<float> particles, drift, out, scratch;

  Pairs(const CloudShape& shape, float bandwidth, std::int64_t scratch_size)
      : host(shape, bandwidth),
        particles(host.particles),
        drift(host.drift),
        out(shape.size()),
        scratch(scratch_size) {}
};

struct Routine {
  const char* name;
  std::int64_t (*scratch)(const CloudShape& shape, bool in_place);
  void (*call)(Pairs& p);
  Answer (*check)(const PairProblem& p);
  double arrays;  // of (S, N, D), read or written
};

/// Of some states, each a cloud of its own.
Answer check(const Pairs& p, const Routine& routine) {
  const Floats out = p.out.on_host();
  Answer worst{all_finite(out) ? 0 : std::nan(""), 1};
  const CloudShape& shape = p.host.shape;
  for (const std::int64_t s : some_states(shape)) {
    PairProblem one({1, shape.particles, shape.dimension}, p.host.bandwidth);
    const auto of_state = [&](const Floats& all) {
      const auto first = all.begin() + s * shape.per_state();
      return Floats(first, first + shape.per_state());
    };
    one.particles = of_state(p.host.particles);
    one.drift = of_state(p.host.drift);
    one.out = of_state(out);
    worst = worse_of(worst, routine.check(one));
  }
  return worst;
}

/// `multiply_adds` and one exponential for each of the S N^2 ordered pairs.
void add(DeviceCases& cases, const Routine& routine, const CloudShape& shape, float bandwidth,
         double multiply_adds, double wanted) {
  const auto size = static_cast<double>(shape.size());
  const double pairs =
      static_cast<double>(shape.states * shape.particles) * static_cast<double>(shape.particles);
  const auto prepare = [=] {
    const auto p = std::make_shared<Pairs>(shape, bandwidth, routine.scratch(shape, false));
    return Ready{{"pair", pairs, 4 * routine.arrays * size, (2 * multiply_adds + 1) * pairs},
                 [=] { routine.call(*p); },
                 [=] { return check(*p, routine); }};
  };
  cases.cases.push_back({std::string(routine.name) + "/" + text_of(shape), prepare, pairs,
                         wanted > 0 ? Ceiling::multiply_add : Ceiling::none, wanted});
}

double slope_of(const PairProblem& p) {
  return p.temperature / (static_cast<double>(p.bandwidth) * p.bandwidth);
}

const Routine kSvgd = {"svgd_velocity", cuda::svgd_scratch<float>,
                       [](Pairs& p) {
                         cuda::svgd_velocity<float>(p.out.get(), p.particles.get(), p.drift.get(),
                                                    p.host.shape, p.host.temperature,
                                                    p.host.bandwidth, p.scratch.get(), nullptr);
                       },
                       [](const PairProblem& p) {
                         const double slope = slope_of(p);
                         const auto n = static_cast<double>(p.shape.particles);
                         return p.check(0, [&](const Pair& pair, std::int64_t d) {
                           const double along = p.drift[at(pair.j * p.shape.dimension + d)];
                           return pair.kernel * (along + slope * pair.away[d]) / n;
                         });
                       },
                       3};

const Routine kBlob = {"blob_velocity", cuda::blob_scratch<float>,
                       [](Pairs& p) {
                         cuda::blob_velocity<float>(p.out.get(), p.particles.get(), p.drift.get(),
                                                    p.host.shape, p.host.temperature,
                                                    p.host.bandwidth, p.scratch.get(), nullptr);
                       },
                       [](const PairProblem& p) {
                         const double slope = slope_of(p);
                         const std::vector<double> sums = p.kernel_sums();
                         return p.check(1, [&](const Pair& pair, std::int64_t d) {
                           const double weight = 1 / sums[at(pair.i)] + 1 / sums[at(pair.j)];
                           return slope * pair.kernel * pair.away[d] * weight;
                         });
                       },
                       3};

const Routine kScore = {"kde_score", cuda::kde_scratch<float>,
                        [](Pairs& p) {
                          cuda::kde_score<float>(p.out.get(), p.particles.get(), p.host.shape,
                                                 p.host.bandwidth, p.scratch.get(), nullptr);
                        },
                        [](const PairProblem& p) {
                          const double l = p.bandwidth;
                          const std::vector<double> sums = p.kernel_sums();
                          return p.check(0, [&](const Pair& pair, std::int64_t d) {
                            return -pair.kernel * pair.away[d] / (l * l * sums[at(pair.i)]);
                          });
                        },
                        2};

}  // namespace

void bench_pairs_cuda(DeviceCases& cases, const Sizes& sizes) {
  const CloudShape usual{sizes.small ? 2 : 4096, sizes.small ? 40 : 256, 6};
  const CloudShape wide{sizes.small ? 1 : 512, sizes.small ? 40 : 512, 17};
  // D for the exponent and D + 1 for the sums: of k (drift_j - a_j temperature / l^2), and of k.
  add(cases, kSvgd, usual, 1.0f, 2 * 6 + 1, 0.40);
  add(cases, kSvgd, wide, 1.5f, 2 * 17 + 1, 0);
  // D for the exponent, 1 for S_i, 2 for k (1 / S_i + 1 / S_j), D + 1 for the sums of that.
  add(cases, kBlob, usual, 1.0f, 2 * 6 + 4, 0);
  // D for the exponent and D + 1 for the sums of k a_j and of k.
  add(cases, kScore, usual, 1.0f, 2 * 6 + 1, 0);
}

}  // namespace wpg::bench
