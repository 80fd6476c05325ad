// Networks by hand and against sums in double; gradients against central differences; broken rows;
// bits over threads and addresses; the memory that threads keep; Adam; refusals.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <thread>

#include "hash.hpp"
#include "wpg/base/uninitialised.hpp"
#include "wpg/networks/adam.hpp"
#include "wpg/networks/mlp.hpp"
#include "wpg/networks/mlp_math.hpp"

namespace {

using wpg::Activation;
using wpg::Aggregate;
using wpg::MlpRows;
using wpg::MlpShape;
using wpg::MlpTape;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

void on_every_isa(const std::function<void()>& body) {
  const std::string before = wpg::isa_name(wpg::active_isa());
  for (const wpg::Isa isa : wpg::available_isas()) {
    wpg::set_active_isa(wpg::isa_name(isa));
    body();
  }
  wpg::set_active_isa(before);
}

/// A network, rows for it, and a gradient at its outputs.
struct Problem {
  MlpShape shape;
  Floats parameters, states, particles, output_gradient;
  MlpRows rows;

  Problem(MlpShape shape_, std::int64_t count, std::int64_t each)
      : shape(std::move(shape_)),
        parameters(numbers<float>(shape.parameters(), 1)),
        states(numbers<float>(count * shape.state_size, 2)),
        particles(numbers<float>(count * each * shape.particle_size, 3)),
        output_gradient(numbers<float>(shape.members * count * each * shape.outputs, 4)),
        rows{states.data(), particles.data(), count, each} {
    // Gains near 1 and weights of the size that keeps numbers near 1.
    for (std::int64_t e = 0; e < shape.members; ++e) {
      for (std::int64_t l = 0; l < shape.layers(); ++l) {
        float* layer = parameters.data() + e * shape.parameters_of_member() + shape.begin_of(l);
        const std::int64_t in = shape.inputs_of(l), out = shape.outputs_of(l);
        for (std::int64_t i = 0; i < in * out; ++i) layer[i] *= 2 / std::sqrt(float(in));
        if (shape.normalised(l)) {
          for (std::int64_t j = 0; j < out; ++j) layer[(in + 1) * out + j] += 1;
        }
      }
    }
  }

  std::int64_t outputs() const { return shape.members * rows.rows() * shape.outputs; }
};

/// The outputs of a row of one member in double, straight from the formula.
Doubles naive(const MlpShape& shape, const double* member, Doubles h) {
  const double* p = member;
  for (std::int64_t l = 0; l < shape.layers(); ++l) {
    const std::int64_t in = shape.inputs_of(l), out = shape.outputs_of(l);
    Doubles z(p + in * out, p + (in + 1) * out);
    for (std::int64_t j = 0; j < out; ++j) {
      for (std::int64_t i = 0; i < in; ++i) z[at(j)] += h[at(i)] * p[i * out + j];
    }
    p += (in + 1) * out;
    if (shape.normalised(l)) {
      double mean = 0, variance = 0;
      for (const double x : z) mean += x / static_cast<double>(out);
      for (const double x : z) variance += (x - mean) * (x - mean) / static_cast<double>(out);
      for (std::int64_t j = 0; j < out; ++j) {
        z[at(j)] = (z[at(j)] - mean) / std::sqrt(variance + 1e-5) * p[j] + p[out + j];
      }
      p += 2 * out;
    }
    if (l + 1 < shape.layers()) {
      for (double& x : z) {
        x = shape.activation == Activation::relu ? std::fmax(x, 0) : x / (1 + std::exp(-x));
      }
    }
    h = z;
  }
  return h;
}

Doubles input_of(const Problem& p, std::int64_t row, const Doubles& particles) {
  const std::int64_t O = p.shape.state_size, D = p.shape.particle_size, s = row / p.rows.each;
  Doubles x(p.states.begin() + s * O, p.states.begin() + (s + 1) * O);
  x.insert(x.end(), particles.begin() + row * D, particles.begin() + (row + 1) * D);
  return x;
}

/// sum output_gradient * outputs over the rows of one member.
double along(const Problem& p, std::int64_t e, const Doubles& member, const Doubles& particles) {
  double sum = 0;
  const std::int64_t total = p.rows.rows(), K = p.shape.outputs;
  for (std::int64_t r = 0; r < total; ++r) {
    const Doubles y = naive(p.shape, member.data(), input_of(p, r, particles));
    for (std::int64_t k = 0; k < K; ++k) {
      sum += y[at(k)] * p.output_gradient[at((e * total + r) * K + k)];
    }
  }
  return sum;
}

const MlpShape kShapes[] = {
    {2, 3, 2, {9, 4}, 2, Activation::silu, true},  {1, 3, 2, {9, 4}, 1, Activation::silu, false},
    {2, 0, 3, {5}, 3, Activation::relu, false},    {1, 4, 0, {7, 3}, 2, Activation::relu, true},
    {3, 2, 1, {}, 2, Activation::relu, false},     {1, 1, 1, {1, 1}, 1, Activation::silu, true},
    {1, 2, 2, {17, 8}, 1, Activation::relu, true},
};

/// Two units, weights that can be followed by hand.
void check_by_hand() {
  const MlpShape shape{1, 1, 1, {2}, 1, Activation::relu, false};
  CHECK_EQUAL(shape.parameters(), 9);
  CHECK_EQUAL(shape.begin_of(1), 6);
  // z = (s + 3 a + 1, 2 s - a), y = 2 h_0 - h_1 + 0.5
  const Floats p = {1, 2, 3, -1, 1, 0, 2, -1, 0.5f};
  const Floats states = {1, -2}, particles = {0.5f, 4, 0, -1};
  const MlpRows rows{states.data(), particles.data(), 2, 2};
  const Floats outputs_wanted = {
      2 * 3.5f - 1.5f + 0.5f,  // z = (3.5, 1.5)
      2 * 14.0f + 0.5f,        // z = (14, -2)
      0.5f,                    // z = (-1, -4)
      0.5f,                    // z = (-4, -3)
  };
  MlpTape tape;
  wpg::mlp_forward(tape, shape, p.data(), rows);
  CHECK(std::equal(outputs_wanted.begin(), outputs_wanted.end(), tape.outputs()));
  // Slopes by a: 2 * 3 - (-1) = 7, then 6, 0, 0.
  const Floats weights = {1, 10, 100, 1000}, wanted = {7, 60, 0, 0};
  Floats gradient(4), of_parameters(9);
  wpg::mlp_backward(of_parameters.data(), gradient.data(), tape, shape, p.data(), weights.data());
  CHECK(gradient == wanted);
  // h = (3.5, 1.5), (14, 0): by W' = sum w h, by b' = sum w; by W = sum w W' x where h > 0.
  const Floats of_parameters_wanted = {22, -1, 81, -0.5f, 22, -1, 143.5f, 1.5f, 1111};
  CHECK(of_parameters == of_parameters_wanted);
  Floats values(4);
  wpg::mlp_value_and_particle_gradient(values.data(), gradient.data(), shape, p.data(), rows,
                                       Aggregate::minimum);
  CHECK(values == outputs_wanted);
  CHECK(gradient == Floats({7, 6, 0, 0}));
}

/// Numbers are near 1 and sums have fewer than 20 terms in at most three layers: 1e-5 is a hundred
/// roundings. Central differences in double are right to 1e-8.
void check_against_double() {
  for (const MlpShape& shape : kShapes) {
    const Problem p(shape, 3, shape.particle_size > 0 ? 5 : 1);
    const std::int64_t total = p.rows.rows(), P = shape.parameters_of_member();
    const Doubles particles(p.particles.begin(), p.particles.end());
    MlpTape tape;
    wpg::mlp_forward(tape, shape, p.parameters.data(), p.rows);
    Floats alone(at(p.outputs()));
    wpg::mlp_forward(alone.data(), shape, p.parameters.data(), p.rows);
    CHECK(std::equal(alone.begin(), alone.end(), tape.outputs()));
    Floats of_parameters(p.parameters.size()), of_particles(p.particles.size());
    wpg::mlp_backward(of_parameters.data(), shape.particle_size > 0 ? of_particles.data() : nullptr,
                      tape, shape, p.parameters.data(), p.output_gradient.data());
    Doubles of_particles_wanted(p.particles.size());
    const double h = 1e-6;
    for (std::int64_t e = 0; e < shape.members; ++e) {
      const Doubles member(p.parameters.begin() + e * P, p.parameters.begin() + (e + 1) * P);
      for (std::int64_t r = 0; r < total; ++r) {
        const Doubles y = naive(shape, member.data(), input_of(p, r, particles));
        for (std::int64_t k = 0; k < shape.outputs; ++k) {
          const double found = tape.outputs()[(e * total + r) * shape.outputs + k];
          CHECK_AT_MOST(std::fabs(found - y[at(k)]), 1e-5);
        }
      }
      const auto slope = [&](const auto& changed) {
        return (along(p, e, changed(h).first, changed(h).second) -
                along(p, e, changed(-h).first, changed(-h).second)) /
               (2 * h);
      };
      for (std::int64_t i = 0; i < P; ++i) {
        const double wanted = slope([&](double step) {
          Doubles moved = member;
          moved[at(i)] += step;
          return std::make_pair(moved, particles);
        });
        CHECK_AT_MOST(std::fabs(of_parameters[at(e * P + i)] - wanted),
                      2e-5 * std::fmax(1, std::fabs(wanted)));
      }
      for (std::size_t i = 0; i < particles.size(); ++i) {
        of_particles_wanted[i] += slope([&](double step) {
          Doubles moved = particles;
          moved[i] += step;
          return std::make_pair(member, moved);
        });
      }
    }
    for (std::size_t i = 0; i < particles.size(); ++i) {
      CHECK_AT_MOST(std::fabs(of_particles[i] - of_particles_wanted[i]), 1e-4);
    }
  }
}

/// The least of the members, its gradient by their own, and the mean.
void check_aggregates() {
  const Problem p({3, 3, 2, {17, 8}, 1, Activation::relu, true}, 3, 60);
  const std::int64_t total = p.rows.rows(), D = 2;
  MlpTape tape;
  wpg::mlp_forward(tape, p.shape, p.parameters.data(), p.rows);
  for (const bool mean : {false, true}) {
    Floats weights(at(3 * total)), wanted(at(total * D));
    Doubles values(at(total));
    for (std::int64_t r = 0; r < total; ++r) {
      std::int64_t least = 0;
      for (std::int64_t e = 0; e < 3; ++e) {
        const float q = tape.outputs()[e * total + r];
        if (q < tape.outputs()[least * total + r]) least = e;
        values[at(r)] += q / 3.0;
        if (mean) weights[at(e * total + r)] = 1.0f / 3;
      }
      if (!mean) {
        weights[at(least * total + r)] = 1;
        values[at(r)] = tape.outputs()[least * total + r];
      }
    }
    wpg::mlp_backward(nullptr, wanted.data(), tape, p.shape, p.parameters.data(), weights.data());
    Floats value(at(total)), gradient(at(total * D)), alone(at(total));
    const auto how = mean ? Aggregate::mean : Aggregate::minimum;
    wpg::mlp_value_and_particle_gradient(value.data(), gradient.data(), p.shape,
                                         p.parameters.data(), p.rows, how);
    wpg::mlp_value_and_particle_gradient(alone.data(), nullptr, p.shape, p.parameters.data(),
                                         p.rows, how);
    CHECK(alone == value);
    for (std::int64_t r = 0; r < total; ++r) {
      CHECK_AT_MOST(std::fabs(value[at(r)] - values[at(r)]), 1e-6);
      for (std::int64_t i = r * D; i < (r + 1) * D; ++i) {
        CHECK_AT_MOST(std::fabs(gradient[at(i)] - wanted[at(i)]), 2e-5);
      }
    }
  }
}

/// NaN or infinity in one particle of one state, and in another state.
void check_broken_rows() {
  for (const float broken : {kNaN, kInfinity, -kInfinity}) {
    for (const bool layer_norm : {false, true}) {
      for (const auto how : {Aggregate::minimum, Aggregate::mean}) {
        Problem p({2, 3, 2, {9}, 1, Activation::relu, layer_norm}, 3, 60);
        Floats before(180), values(180), gradient(360);
        wpg::mlp_value_and_particle_gradient(before.data(), gradient.data(), p.shape,
                                             p.parameters.data(), p.rows, how);
        p.particles[2 * 70] = broken;  // of the second state
        p.states[3 * 2 + 2] = broken;  // the third state
        wpg::mlp_value_and_particle_gradient(values.data(), gradient.data(), p.shape,
                                             p.parameters.data(), p.rows, how);
        for (std::size_t r = 0; r < 180; ++r) {
          const bool touched = r == 70 || r >= 120;
          CHECK_EQUAL(std::isnan(values[r]), touched);
          CHECK_EQUAL(std::isnan(gradient[2 * r]), touched);
          CHECK_EQUAL(std::isnan(gradient[2 * r + 1]), touched);
          if (!touched) CHECK_EQUAL(values[r], before[r]);
        }
      }
    }
  }
}

Floats everything(const Problem& p) {
  MlpTape tape;
  wpg::mlp_forward(tape, p.shape, p.parameters.data(), p.rows);
  Floats made(tape.outputs(), tape.outputs() + p.outputs());
  Floats alone(made.size()), of_parameters(p.parameters.size()), of_particles(p.particles.size());
  wpg::mlp_forward(alone.data(), p.shape, p.parameters.data(), p.rows);
  CHECK(alone == made);
  const bool particles = p.shape.particle_size > 0;
  wpg::mlp_backward(of_parameters.data(), particles ? of_particles.data() : nullptr, tape, p.shape,
                    p.parameters.data(), p.output_gradient.data());
  made.insert(made.end(), of_parameters.begin(), of_parameters.end());
  made.insert(made.end(), of_particles.begin(), of_particles.end());
  if (p.shape.outputs == 1 && particles) {
    for (const auto how : {Aggregate::minimum, Aggregate::mean}) {
      Floats values(at(p.rows.rows())), gradient(p.particles.size());
      wpg::mlp_value_and_particle_gradient(values.data(), gradient.data(), p.shape,
                                           p.parameters.data(), p.rows, how);
      made.insert(made.end(), values.begin(), values.end());
      made.insert(made.end(), gradient.begin(), gradient.end());
    }
  }
  return made;
}

void check_threads() {
  for (const MlpShape& shape : kShapes) {
    const Problem p(shape, 61, shape.particle_size > 0 ? 7 : 1);
    same_on_all_threads([&] { return everything(p); });
  }
  const Problem wide({2, 5, 3, {150, 130}, 1, Activation::silu, true}, 40, 9);
  same_on_all_threads([&] { return everything(wide); });
}

/// The same numbers at other addresses: the arrays lie `offset` floats behind a cache line.
void check_addresses() {
  for (const MlpShape& shape : kShapes) {
    Problem p(shape, 2, shape.particle_size > 0 ? 3 : 1);
    const std::uint64_t wanted = hash_of(everything(p));
    for (const std::int64_t offset : {1, 4, 8, 11}) {
      wpg::Uninitialised<float> states(offset + 64), particles(offset + 64);
      std::copy(p.states.begin(), p.states.end(), states.data() + offset);
      std::copy(p.particles.begin(), p.particles.end(), particles.data() + offset);
      p.rows.states = states.data() + offset;
      p.rows.particles = particles.data() + offset;
      CHECK_EQUAL(hash_of(everything(p)), wanted);
    }
  }
}

void check_no_rows() {
  const MlpShape shape{2, 3, 2, {4}, 1, Activation::relu, true};
  Floats parameters(at(shape.parameters())), gradient(parameters.size(), 9.0f);
  wpg::mlp_initialise(parameters.data(), shape, 1);
  for (const auto& [count, each] : {std::pair{0, 5}, std::pair{4, 0}}) {
    const Floats states(at(3 * count));
    const MlpRows rows{states.data(), nullptr, count, each};
    MlpTape tape;
    wpg::mlp_forward(tape, shape, parameters.data(), rows);
    std::fill(gradient.begin(), gradient.end(), 9.0f);
    wpg::mlp_backward(gradient.data(), nullptr, tape, shape, parameters.data(), nullptr);
    CHECK(std::all_of(gradient.begin(), gradient.end(), [](float g) { return g == 0; }));
    wpg::mlp_value_and_particle_gradient(nullptr, nullptr, shape, parameters.data(), rows,
                                         Aggregate::mean);
  }
}

/// 5e-7 + 1e-7 |u| of the logistic function, and what is said of it far out.
void check_silu() {
  for (int i = -20000; i <= 20000; ++i) {
    const float u = static_cast<float>(i) / 200;
    const double p = 1 / (1 + std::exp(-static_cast<double>(u)));
    const double error = 5e-7 + 1e-7 * std::fmax(-u, 0);
    if (u >= -83) CHECK_AT_MOST(std::fabs(wpg::logistic<float>(u) - p), error * p);
    const double silu = u * p, slope = p * (1 + u * (1 - p));
    CHECK_AT_MOST(std::fabs(wpg::activation<true, float>(u) - silu),
                  (error + 0x1p-24) * std::fabs(silu) + 1e-34);
    CHECK_AT_MOST(std::fabs(wpg::activation_slope<true, float>(u) - slope),
                  2 * error * (1 + std::fabs(u)) * p + 1e-34);
  }
  for (const float u : {-1e4f, -1e30f, -3e38f, -kInfinity}) {
    CHECK_AT_MOST(std::fabs(wpg::activation<true, float>(u)), 1e-34f);
    CHECK_AT_MOST(std::fabs(wpg::activation_slope<true, float>(u)), 1e-34f);
  }
  for (const float u : {1e4f, 1e30f, 3e38f}) {
    CHECK_EQUAL((wpg::activation<true, float>(u)), u);
    CHECK_EQUAL((wpg::activation_slope<true, float>(u)), 1.0f);
  }
  CHECK(std::isnan(wpg::activation<true, float>(kNaN)));
  CHECK(std::isnan(wpg::activation<false, float>(kNaN)));
  CHECK(std::isnan(wpg::activation_slope<true, float>(kNaN)));
  CHECK(std::isnan(wpg::relu_slope_of_output<float>(kNaN)));
  CHECK_EQUAL(wpg::relu_slope_of_output<float>(0.0f), 0.0f);
  CHECK_EQUAL(wpg::relu_slope_of_output<float>(1e-45f), 1.0f);
}

void check_tapes() {
  const Problem p({2, 3, 2, {8, 6}, 2, Activation::relu, true}, 4, 5);
  Floats first(p.parameters.size()), second(p.parameters.size());
  auto tape = std::make_unique<MlpTape>();
  const auto back = [&](const MlpTape& from, const MlpShape& shape, Floats& to) {
    wpg::mlp_backward(to.data(), nullptr, from, shape, p.parameters.data(),
                      p.output_gradient.data());
  };
  CHECK_REFUSED(back(*tape, p.shape, first), "tape");
  wpg::mlp_forward(*tape, p.shape, p.parameters.data(), p.rows);
  back(*tape, p.shape, first);
  MlpTape moved = std::move(*tape);
  back(moved, p.shape, second);
  CHECK(first == second);
  CHECK_REFUSED(back(*tape, p.shape, first), "tape");  // what was moved from
  tape.reset();
  back(moved, p.shape, second);
  CHECK(first == second);
  // As many numbers, or fewer inputs, but another network.
  MlpShape other = p.shape;
  other.hidden = {6, 8};
  CHECK_REFUSED(back(moved, other, second), "tape");
  other = p.shape;
  other.particle_size = 3;
  CHECK_REFUSED(back(moved, other, second), "tape");
  other = p.shape;
  other.activation = Activation::silu;
  CHECK_REFUSED(back(moved, other, second), "tape");
  CHECK(first == second);
  // A tape may be used again, for fewer and for more rows.
  for (const std::int64_t count : {1, 70, 3}) {
    const Problem next(p.shape, count, 5);
    wpg::mlp_forward(moved, next.shape, next.parameters.data(), next.rows);
    Floats alone(at(next.outputs()));
    wpg::mlp_forward(alone.data(), next.shape, next.parameters.data(), next.rows);
    CHECK(std::equal(alone.begin(), alone.end(), moved.outputs()));
  }
}

// Memory that threads keep.

template <class T>
bool on_cache_line(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 64 == 0;
}

void check_memory() {
  using wpg::Uninitialised;
  Uninitialised<float> empty;
  CHECK(empty.data() == nullptr && empty.size() == 0);
  empty.resize(0);
  CHECK(empty.data() == nullptr);

  // What is freed is taken again, by who needs about as much.
  const float* place = nullptr;
  {
    Uninitialised<float> first(50000);
    place = first.data();
    CHECK(on_cache_line(place));
    CHECK_EQUAL(first.size(), 50000);
  }
  {
    Uninitialised<float> again(40000), tiny(10);
    CHECK(again.data() == place);
    CHECK(tiny.data() != place && on_cache_line(tiny.data()));
  }

  // Smaller stays where it is, with its numbers; larger goes elsewhere.
  Uninitialised<float> kept(3000);
  for (int i = 0; i < 3000; ++i) kept.data()[i] = static_cast<float>(i);
  const float* before = kept.data();
  kept.resize(10);
  kept.resize(3000);
  CHECK(kept.data() == before && kept.data()[2999] == 2999);
  kept.resize(1000000);
  CHECK_EQUAL(kept.size(), 1000000);
  kept.data()[999999] = 1;

  // Moves swap, so nothing is freed twice and nothing is lost.
  Uninitialised<float> other(std::move(kept));
  CHECK(kept.data() == nullptr && kept.size() == 0 && other.size() == 1000000);
  kept.resize(5);
  kept.data()[4] = 4;
  kept = std::move(other);
  CHECK(kept.size() == 1000000 && kept.data()[999999] == 1);
  CHECK(other.size() == 5 && other.data()[4] == 4);
  other = Uninitialised<float>();
  CHECK(other.size() == 0);

  // No memory could hold so many.
  for (const std::int64_t count :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), std::int64_t{1} << 61,
        std::numeric_limits<std::int64_t>::max()}) {
    bool thrown = false;
    try {
      other.resize(count);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(other.size() == 0);
  }
  other.resize(7);
  CHECK_EQUAL(other.size(), 7);

  // More blocks than are kept, and more bytes.
  std::vector<Uninitialised<double>> many;
  for (std::int64_t i = 1; i <= 40; ++i) many.emplace_back(i * 1000).data()[i * 1000 - 1] = 1;
  many.clear();
  for (std::int64_t i = 0; i < 12; ++i) {
    many.emplace_back(std::int64_t{1} << 20).data()[(1 << 20) - 1] = 1;  // 8 MiB each
  }
  many.clear();
  Uninitialised<double> large(std::int64_t{10} << 20);  // beyond what is kept
  large.data()[large.size() - 1] = 1;
}

/// A number that outlives the memory that its thread keeps: it is made first, so it ends last.
thread_local wpg::Uninitialised<float> outlives;

/// Memory that one thread takes and another frees, in many sizes at once.
void check_memory_of_threads() {
  std::vector<wpg::Uninitialised<std::int64_t>> handed(64);
  std::vector<int> wrong(8, 0);
  const auto run = [&](const std::function<void(int)>& body) {
    std::vector<std::thread> team;
    for (int t = 0; t < 8; ++t) team.emplace_back(body, t);
    for (std::thread& thread : team) thread.join();
  };
  run([&](int t) {
    outlives.resize(100 + t);
    outlives.data()[99 + t] = 1;
    for (int round = 0; round < 200; ++round) {
      wpg::Uninitialised<std::int64_t> a(100 + 700 * ((t + round) % 9)), b(5000 + round);
      std::fill(a.data(), a.data() + a.size(), t);
      std::fill(b.data(), b.data() + b.size(), -t);
      for (std::int64_t i = 0; i < a.size(); ++i) wrong[at(t)] += a.data()[i] != t;
      for (std::int64_t i = 0; i < b.size(); ++i) wrong[at(t)] += b.data()[i] != -t;
      auto& mine = handed[at(8 * t + round % 8)];
      mine = std::move(a);
    }
  });
  run([&](int t) {  // freed by another thread, which then uses it
    for (int i = 0; i < 8; ++i) {
      auto& theirs = handed[at(8 * ((t + 3) % 8) + i)];
      for (std::int64_t k = 0; k < theirs.size(); ++k) {
        wrong[at(t)] += theirs.data()[k] != (t + 3) % 8;
      }
      const std::int64_t size = theirs.size();
      theirs = wpg::Uninitialised<std::int64_t>();
      wpg::Uninitialised<std::int64_t> mine(size);
      std::fill(mine.data(), mine.data() + size, t);
      for (std::int64_t k = 0; k < size; ++k) wrong[at(t)] += mine.data()[k] != t;
    }
  });
  for (const int count : wrong) CHECK_EQUAL(count, 0);
}

// Adam and averages.

void check_steps() {
  const std::int64_t count = 20001;
  const Floats g = numbers<float>(count, 5), start = numbers<float>(count, 6);
  const wpg::AdamSettings settings{1e-2, 0.9, 0.999, 1e-8};
  Floats p = start, m(at(count)), v(at(count));
  for (std::uint64_t t = 1; t <= 20; ++t) {
    wpg::adam_step(p.data(), m.data(), v.data(), g.data(), count, t, settings);
  }
  for (std::size_t i = 0; i < p.size(); ++i) {
    // With one gradient all along m = g (1 - 0.9^t) and v = g^2 (1 - 0.999^t): 20 whole steps.
    const double wanted = start[i] - 20 * 1e-2 * g[i] / (std::fabs(g[i]) + 1e-8);
    CHECK_AT_MOST(std::fabs(p[i] - wanted), 20 * 1.2 * 0x1p-24 + 0.2 * 60 * 0x1p-24);
  }
  same_on_all_threads([&] {
    Floats q = start, first(at(count)), second(at(count));
    for (std::uint64_t t = 1; t <= 3; ++t) {
      wpg::adam_step(q.data(), first.data(), second.data(), g.data(), count, t, settings);
    }
    wpg::polyak_average(first.data(), q.data(), count, 0.3);
    q.insert(q.end(), first.begin(), first.end());
    return q;
  });

  Floats average = {1, kNaN, 1e8f};
  const Floats target = {0.25f, 2, 0.1f};
  wpg::polyak_average(average.data(), target.data(), 3, 0.0);
  CHECK(average[0] == 1 && std::isnan(average[1]) && average[2] == 1e8f);
  wpg::polyak_average(average.data(), target.data(), 1, 0.5);
  CHECK_EQUAL(average[0], 0.625f);
  wpg::polyak_average(average.data(), target.data(), 3, 1.0);
  CHECK(average == target);

  const Floats before = p;
  const auto step = [&](double rate, double beta1, double beta2, double epsilon,
                        std::uint64_t steps) {
    wpg::adam_step(p.data(), m.data(), v.data(), g.data(), count, steps,
                   {rate, beta1, beta2, epsilon});
  };
  for (const double rate : {-1.0, double{kNaN}, double{kInfinity}, 1e39, 1e-60}) {
    CHECK_REFUSED(step(rate, 0.9, 0.999, 1e-8, 1), "learning_rate");
  }
  for (const double beta : {-0.1, 1.0, double{kNaN}}) {
    CHECK_REFUSED(step(0.1, beta, 0.999, 1e-8, 1), "beta1");
    CHECK_REFUSED(step(0.1, 0.9, beta, 1e-8, 1), "beta2");
  }
  for (const double epsilon : {0.0, -1.0, 1e-60, double{kNaN}}) {
    CHECK_REFUSED(step(0.1, 0.9, 0.999, epsilon, 1), "epsilon");
  }
  CHECK_REFUSED(step(0.1, 0.9, 0.999, 1e-8, 0), "steps");
  for (const double rate : {-0.1, 1.1, double{kNaN}}) {
    CHECK_REFUSED(wpg::polyak_average(p.data(), g.data(), count, rate), "rate");
  }
  CHECK(p == before);
}

void check_refusals() {
  const auto refused = [](MlpShape shape, const char* word) {
    CHECK_REFUSED(shape.require(), word);
  };
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  refused({0, 3, 2, {4}, 1, Activation::relu, false}, "members");
  refused({1, 0, 0, {4}, 1, Activation::relu, false}, "inputs");
  refused({1, -1, 2, {4}, 1, Activation::relu, false}, "state_size");
  refused({1, 3, 2, {4}, 0, Activation::relu, false}, "outputs");
  refused({1, 3, 2, {0}, 1, Activation::relu, false}, "hidden");
  refused({1, 3, 2, {65537}, 1, Activation::relu, false}, "hidden");
  refused({1, 3, 2, std::vector<std::int64_t>(1025, 1), 1, Activation::relu, false}, "hidden");
  for (const std::int64_t size : {std::int64_t{1} << 31, std::int64_t{1} << 62, kHuge}) {
    refused({size, 3, 2, {4}, 1, Activation::relu, false}, "2^30");
    refused({1, size, size, {}, 1, Activation::relu, false}, "2^30");
    refused({1, size, 2, {}, size, Activation::relu, false}, "2^30");
    refused({size, size, size, {65536, 65536}, size, Activation::relu, true}, "2^30");
  }
  refused({1, 3, 2, {65536, 65536}, 1, Activation::relu, false}, "2^30");
  const MlpShape largest{1 << 15, 30, 1, {}, 1 << 10, Activation::relu, false};
  largest.require();
  CHECK_EQUAL(largest.parameters(), wpg::kMostNumbers);

  const Problem p({1, 3, 2, {4}, 2, Activation::relu, false}, 2, 3);
  Floats values(6);
  CHECK_REFUSED(wpg::mlp_value_and_particle_gradient(values.data(), nullptr, p.shape,
                                                     p.parameters.data(), p.rows, Aggregate::mean),
                "outputs");
  MlpRows rows = p.rows;
  rows.count = -1;
  CHECK_REFUSED(wpg::mlp_forward(values.data(), p.shape, p.parameters.data(), rows), "rows");
  const Problem states({1, 3, 0, {4}, 1, Activation::relu, false}, 2, 1);
  rows = states.rows;
  rows.each = 2;
  CHECK_REFUSED(wpg::mlp_forward(values.data(), states.shape, states.parameters.data(), rows),
                "one row a state");
}

/// Bounds, symmetry, and that a member does not depend on how many there are.
void check_initial_weights() {
  const MlpShape shape{2, 20, 5, {40}, 3, Activation::relu, true};
  Floats pair(at(shape.parameters())), one(at(shape.parameters_of_member()));
  wpg::mlp_initialise(pair.data(), shape, 7);
  MlpShape alone = shape;
  alone.members = 1;
  wpg::mlp_initialise(one.data(), alone, 7);
  CHECK(std::equal(one.begin(), one.end(), pair.begin()));
  CHECK(!std::equal(one.begin(), one.begin() + 100, pair.begin() + shape.parameters_of_member()));
  const std::int64_t drawn = 26 * 40;
  double sum = 0;
  for (std::int64_t i = 0; i < drawn; ++i) {
    CHECK(std::fabs(one[at(i)]) < 0.2f);  // 1 / sqrt(25)
    sum += one[at(i)];
  }
  // Hoeffding: |mean| > 0.2 sqrt(2 log(2e9) / n) has probability 1e-9.
  CHECK_AT_MOST(std::fabs(sum), 0.2 * std::sqrt(2 * std::log(2e9) * static_cast<double>(drawn)));
  for (std::int64_t j = 0; j < 40; ++j) {
    CHECK(one[at(drawn + j)] == 1 && one[at(drawn + 40 + j)] == 0);
  }
}

}  // namespace

int main() {
  on_every_isa(check_by_hand);
  on_every_isa(check_against_double);
  on_every_isa(check_aggregates);
  on_every_isa(check_broken_rows);
  on_every_isa(check_threads);
  on_every_isa(check_addresses);
  on_every_isa(check_steps);
  check_no_rows();
  check_silu();
  check_tapes();
  check_memory();
  check_memory_of_threads();
  check_initial_weights();
  check_refusals();
  return result();
}
