// Birth and death, and the adaptive step: what happens for certain, by hand; bits; refusals.
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/transport/adaptive_step_size.hpp"
#include "wpg/transport/birth_death.hpp"
#include "wpg/transport/birth_death_math.hpp"

namespace {

using wpg::CloudShape;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

void check_choices() {
  CHECK_EQUAL(wpg::choice_of(0, 7), 0);
  CHECK_EQUAL(wpg::choice_of(~std::uint64_t{0}, 7), 6);
  CHECK_EQUAL(wpg::choice_of(std::uint64_t{1} << 63, 8), 4);
  CHECK_EQUAL(wpg::choice_of((std::uint64_t{1} << 63) - 1, 8), 3);
  CHECK_EQUAL(wpg::choice_of(~std::uint64_t{0}, std::int64_t{1} << 32),
              (std::int64_t{1} << 32) - 1);
  CHECK_EQUAL(wpg::uniform_of(0), 0.0);
  CHECK(wpg::uniform_of(~std::uint64_t{0}) < 1.0);
  CHECK_EQUAL(wpg::chance_of_event(0), 0.0);
  CHECK_EQUAL(wpg::chance_of_event(std::numeric_limits<double>::infinity()), 1.0);
}

template <class T>
struct Step {
  CloudShape shape;
  std::vector<T> particles, log_density, q_values;
  T temperature = T(0.5), rate = 2, step_size = T(0.5);
  std::vector<std::int32_t> ancestors;

  explicit Step(const CloudShape& shape_)
      : shape(shape_),
        particles(numbers<T>(shape.size(), 1)),
        log_density(numbers<T>(shape.states * shape.particles, 2)),
        q_values(numbers<T>(shape.states * shape.particles, 3)),
        ancestors(log_density.size(), -7) {}

  std::vector<T> move(bool in_place = false) {
    std::vector<T> out = in_place ? particles : std::vector<T>(particles.size(), T(9));
    wpg::BirthDeathParameters<T> parameters;
    parameters.temperature = {&temperature, 0};
    parameters.rate = {&rate, 0};
    parameters.step_size = {&step_size, 0};
    parameters.seed = 5;
    wpg::birth_death(out.data(), ancestors.data(), in_place ? out.data() : particles.data(),
                     log_density.data(), q_values.data(), shape, parameters);
    return out;
  }
};

template <class T>
void check_birth_death() {
  Step<T> step({40, 9, 3});
  step.q_values[4] = -std::numeric_limits<T>::infinity();
  step.q_values[9] = std::numeric_limits<T>::infinity();
  const std::vector<T> moved = step.move();
  CHECK_EQUAL(hash_of(step.move(true)), hash_of(moved));
  same_everywhere([&] { return step.move(); });
  bool any = false;
  for (std::int64_t i = 0; i < 40 * 9; ++i) {
    const std::int64_t from = step.ancestors[at(i)];
    CHECK(from >= 0 && from < 9);
    any = any || from != i % 9;
    for (std::int64_t d = 0; d < 3; ++d) {
      const T x = moved[at(i * 3 + d)];
      if (i / 9 == 1) {
        CHECK(std::isnan(x));
        CHECK_EQUAL(from, i % 9);
      } else {
        CHECK_EQUAL(x, step.particles[at((i / 9 * 9 + from) * 3 + d)]);
      }
    }
    if (i < 9) CHECK(from != 4);
  }
  CHECK(any);
  // One of two particles is sure to win: B = +-50, an event with probability 1 - exp(-25).
  Step<T> duel({50, 2, 1});
  for (std::int64_t i = 0; i < 100; ++i) {
    duel.log_density[at(i)] = 0;
    duel.q_values[at(i)] = i % 2 == 0 ? T(0) : T(50);
  }
  duel.move();
  for (const std::int32_t from : duel.ancestors) CHECK_EQUAL(from, 1);
  // No time, no rate, one particle: nothing happens.
  Step<T> still({3, 5, 2});
  still.rate = 0;
  CHECK(still.move() == still.particles);
  Step<T> alone({3, 1, 2});
  alone.q_values[1] = -std::numeric_limits<T>::infinity();
  CHECK(alone.move() == alone.particles);
  for (const T bad : {T(0), T(-1), std::numeric_limits<T>::quiet_NaN()}) {
    Step<T> refused({2, 3, 1});
    refused.temperature = bad;
    CHECK_REFUSED(refused.move(), "temperature[0]");
    refused.temperature = 1;
    refused.rate = bad - 1;
    CHECK_REFUSED(refused.move(), "rate[0]");
    CHECK_EQUAL(refused.ancestors[0], -7);
  }
}

template <class T>
void check_adaptive_step() {
  const CloudShape shape{30, 11, 3};
  const std::vector<T> a = numbers<T>(shape.size(), 1), b = numbers<T>(shape.size(), 2);
  std::vector<T> g, h;
  for (std::size_t i = 0; i < a.size(); ++i) {
    g.push_back(-4 * a[i]);  // exact, so L = 4 to the last bit but one
    h.push_back(-4 * b[i]);
  }
  const T most = 10;
  const auto run = [&] {
    std::vector<T> out(30);
    wpg::adaptive_step_size(out.data(), a.data(), g.data(), b.data(), h.data(), shape, 0.5,
                            wpg::PerState<T>{&most, 0});
    return out;
  };
  same_everywhere(run);
  for (const T eta : run()) {
    CHECK_AT_MOST(std::fabs(eta - T(0.125)), T(0.125) * 11 * std::numeric_limits<T>::epsilon());
  }
  g[5] = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(run()[0]));
  CHECK(!std::isnan(run()[1]));
  const T zero = 0;
  T out = 9;
  for (const double bad : {0.0, 2.0, -1.0}) {
    CHECK_REFUSED(wpg::adaptive_step_size(&out, &zero, &zero, &most, &most, {1, 1, 1}, bad,
                                          wpg::PerState<T>{&most, 0}),
                  "fraction");
  }
  CHECK_REFUSED(wpg::adaptive_step_size(&out, &zero, &zero, &most, &most, {1, 1, 1}, 0.5,
                                        wpg::PerState<T>{&zero, 0}),
                "maximum[0]");
  CHECK_EQUAL(out, T(9));
}

}  // namespace

int main() {
  check_choices();
  check_birth_death<float>();
  check_birth_death<double>();
  check_adaptive_step<float>();
  check_adaptive_step<double>();
  return result();
}
