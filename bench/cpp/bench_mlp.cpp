#include <memory>

#include "cases.hpp"
#include "problem.hpp"
#include "wpg/networks/mlp.hpp"

namespace wpg::bench {
namespace {

/// Two critics of 17 observations and 6 actions, relu, one particle a state.
struct Problem {
  MlpShape shape{2, 17, 6, {256, 256}, 1, Activation::relu, false};
  std::int64_t rows;
  Floats parameters, states, particles, output_gradient, outputs, gradient, parameter_gradient;
  MlpTape tape;

  explicit Problem(std::int64_t rows_)
      : rows(rows_),
        parameters(at(shape.parameters())),
        states(normals(rows * shape.state_size, 1)),
        particles(uniform(rows * shape.particle_size, 2)),
        output_gradient(normals(shape.members * rows, 3)),
        outputs(at(shape.members * rows)),
        gradient(particles.size()),
        parameter_gradient(parameters.size()) {
    mlp_initialise(parameters.data(), shape, 4);
    mlp_forward(tape, shape, parameters.data(), of());
  }

  MlpRows of() const { return {states.data(), particles.data(), rows, 1}; }
  /// Weights of one member, a multiply-add a row each; without those of the first layer, and those
  /// of its particles.
  double weights() const { return 23 * 256 + 256 * 256 + 256; }
  double hidden_weights() const { return 256 * 256 + 256; }
  double particle_weights() const { return 6 * 256; }

  void forward() { mlp_forward(outputs.data(), shape, parameters.data(), of()); }
  void value_and_gradient() {
    mlp_value_and_particle_gradient(outputs.data(), gradient.data(), shape, parameters.data(), of(),
                                    Aggregate::minimum);
  }
  void backward() {
    mlp_backward(parameter_gradient.data(), nullptr, tape, shape, parameters.data(),
                 output_gradient.data());
  }

  /// Numbers in double, and how far float may be from them: a sum of n terms by (n + 2) u sum
  /// |terms|, errors that come in by the slopes. A unit that is 0 within its error may be off by
  /// its whole slope.
  struct Row {
    std::vector<double> z[2], z_error[2], g[2], g_error[2];  // g: the gradient of q at z
    std::vector<double> slope, slope_error;                  // of q by the particle
    double q = 0, q_error = 0;
  };

  Row row(std::int64_t e, std::int64_t r) const {
    Row found;
    const float* member = parameters.data() + e * shape.parameters_of_member();
    std::vector<double> h, error(23, 0.0);
    for (std::int64_t o = 0; o < 17; ++o) h.push_back(states[at(r * 17 + o)]);
    for (std::int64_t d = 0; d < 6; ++d) h.push_back(particles[at(r * 6 + d)]);
    for (std::int64_t l = 0; l < 3; ++l) {
      const std::int64_t in = shape.inputs_of(l), out = shape.outputs_of(l);
      const float* w = member + shape.begin_of(l);
      std::vector<double> z(at(out)), z_error(at(out));
      for (std::int64_t j = 0; j < out; ++j) {
        double sum = w[in * out + j], size = std::fabs(sum), carried = 0;
        for (std::int64_t i = 0; i < in; ++i) {
          sum += h[at(i)] * w[i * out + j];
          size += std::fabs(h[at(i)] * w[i * out + j]);
          carried += error[at(i)] * std::fabs(w[i * out + j]);
        }
        z[at(j)] = sum;
        z_error[at(j)] = static_cast<double>(in + 3) * kUnitRoundoff * size + carried;
      }
      h = z;
      error = z_error;
      if (l == 2) {
        found.q = z[0];
        found.q_error = z_error[0];
        break;
      }
      for (double& x : h) x = std::fmax(x, 0.0);
      found.z[l] = z;
      found.z_error[l] = z_error;
    }
    std::vector<double> g{1.0}, g_error{0.0};
    for (std::int64_t l = 2; l >= 0; --l) {
      const std::int64_t in = shape.inputs_of(l), out = shape.outputs_of(l);
      const float* w = member + shape.begin_of(l);
      std::vector<double> below(at(in)), below_error(at(in));
      for (std::int64_t i = 0; i < in; ++i) {
        double sum = 0, size = 0, carried = 0;
        for (std::int64_t j = 0; j < out; ++j) {
          sum += g[at(j)] * w[i * out + j];
          size += std::fabs(g[at(j)] * w[i * out + j]);
          carried += g_error[at(j)] * std::fabs(w[i * out + j]);
        }
        double off = static_cast<double>(out + 2) * kUnitRoundoff * size + carried;
        if (l > 0) {
          const double z = found.z[l - 1][at(i)];
          if (std::fabs(z) <= found.z_error[l - 1][at(i)]) {
            off += std::fabs(sum);
          } else if (z < 0) {
            off = 0;
          }
          if (z <= 0) sum = 0;
        }
        below[at(i)] = sum;
        below_error[at(i)] = off;
      }
      g = below;
      g_error = below_error;
      if (l > 0) {
        found.g[l - 1] = g;
        found.g_error[l - 1] = g_error;
      }
    }
    found.slope.assign(g.begin() + 17, g.end());
    found.slope_error.assign(g_error.begin() + 17, g_error.end());
    return found;
  }

  Answer check_forward() const {
    double worst = 0;
    for (std::int64_t e = 0; e < 2; ++e) {
      for (std::int64_t r = 0; r < 16; ++r) {
        const Row wanted = row(e, r);
        worst = std::fmax(worst, std::fabs(wanted.q - outputs[at(e * rows + r)]) / wanted.q_error);
      }
    }
    return {worst, 1};
  }

  /// Where both members are as close as their errors, either may be the smaller one.
  Answer check_gradient() const {
    double worst = 0;
    for (std::int64_t r = 0; r < 16; ++r) {
      const Row first = row(0, r), second = row(1, r);
      if (std::fabs(first.q - second.q) <= first.q_error + second.q_error) continue;
      const Row& wanted = first.q < second.q ? first : second;
      worst = std::fmax(worst, std::fabs(wanted.q - outputs[at(r)]) / wanted.q_error);
      for (std::int64_t d = 0; d < 6; ++d) {
        const double off = std::fabs(wanted.slope[at(d)] - gradient[at(r * 6 + d)]);
        worst = std::fmax(worst, off / wanted.slope_error[at(d)]);
      }
    }
    return {worst, 1};
  }

  /// The first layer's biases and the last layer's weights of the second member: sums over rows.
  Answer check_backward() const {
    std::vector<double> sum(512), size(512), carried(512);
    for (std::int64_t r = 0; r < rows; ++r) {
      const Row found = row(1, r);
      const double weight = output_gradient[at(rows + r)];
      const auto add = [&](std::size_t i, double term, double error) {
        sum[i] += weight * term;
        size[i] += std::fabs(weight * term);
        carried[i] += std::fabs(weight) * error;
      };
      for (std::size_t j = 0; j < 256; ++j) {
        add(j, found.g[0][j], found.g_error[0][j]);
        add(256 + j, std::fmax(found.z[1][j], 0.0), found.z_error[1][j]);
      }
    }
    const float* second = parameter_gradient.data() + shape.parameters_of_member();
    double worst = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      const double found = i < 256 ? second[23 * 256 + i] : second[at(shape.begin_of(2)) + i - 256];
      const double allowed = (static_cast<double>(rows) + 4) * kUnitRoundoff * size[i] + carried[i];
      // A unit that is 0 in every row has the gradient 0 in both.
      if (found != sum[i]) worst = std::fmax(worst, std::fabs(found - sum[i]) / allowed);
    }
    return {worst, 1};
  }
};

}  // namespace

void bench_mlp(Cases& cases) {
  constexpr std::int64_t kRows = 256;
  const std::string shape = "/256x1x6/17/256x256/2";
  using Call = void (Problem::*)();
  using Check = Answer (Problem::*)() const;
  const auto add = [&](const char* routine, Call call, Check check, auto&& flops, auto&& floats) {
    cases.push_back({routine + shape, [=] {
                       const auto p = std::make_shared<Problem>(kRows);
                       const auto rows = static_cast<double>(kRows);
                       return Ready{{"row", rows, 4 * floats(*p), rows * flops(*p)},
                                    [=] { ((*p).*call)(); },
                                    [=] { return ((*p).*check)(); }};
                     }});
  };
  // Matrix products alone are counted, a multiply-add as two.
  const auto read = [](const Problem& p) {
    return static_cast<double>(p.parameters.size() + p.states.size() + p.particles.size());
  };
  add(
      "mlp_forward", &Problem::forward, &Problem::check_forward,
      [](const Problem& p) { return 2 * 2 * p.weights(); },
      [=](const Problem& p) { return read(p) + static_cast<double>(p.outputs.size()); });
  // Both members forward, the smaller one back to the action.
  add(
      "mlp_minimum_gradient", &Problem::value_and_gradient, &Problem::check_gradient,
      [](const Problem& p) {
        return 2 * (2 * p.weights() + p.hidden_weights() + p.particle_weights());
      },
      [=](const Problem& p) {
        return read(p) + static_cast<double>(kRows) + static_cast<double>(p.gradient.size());
      });
  // From a tape to the gradient of every weight: hidden layers twice, the first layer once. What
  // the tape holds is read once.
  add(
      "mlp_backward", &Problem::backward, &Problem::check_backward,
      [](const Problem& p) { return 2 * 2 * (p.weights() + p.hidden_weights()); },
      [=](const Problem& p) {
        return read(p) + static_cast<double>(p.parameters.size()) +
               static_cast<double>(2 * kRows * (1 + 512));
      });
}

}  // namespace wpg::bench
