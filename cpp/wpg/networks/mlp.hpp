// Ensembles of multilayer perceptrons over states and the particles of each state:
//
//   h_0 = (s, a),   z_l = W_l' h_{l-1} + b_l,   h_l = f(norm(z_l)),   y = W' h_L + b
//   norm(z) = gain (z - mean z) / sqrt(var z + 1e-5) + offset, or z without layer_norm
//   f(u) = max(u, 0) (relu) or u / (1 + exp(-u)) (silu)
//
// A row is a pair of a state and one of its particles; the first layer's state part is computed
// once per state. A critic (one output), a Gaussian policy (no particles, mean and log deviation)
// and a particle generator (latent particles in, actions out) are all this one thing.
//
// Sources: layer norm: Ba, Kiros, Hinton 2016; silu: Elfwing, Uchibe, Doya 2018.
#pragma once

#include <cstdint>
#include <vector>

#include "wpg/base/uninitialised.hpp"

namespace wpg {

enum class Activation { relu, silu };

/// What a network is, without its numbers.
struct MlpShape {
  std::int64_t members = 1;        // E, networks side by side with the same inputs
  std::int64_t state_size = 0;     // O
  std::int64_t particle_size = 0;  // D; 0: a row is a state
  std::vector<std::int64_t> hidden;
  std::int64_t outputs = 1;  // K
  Activation activation = Activation::relu;
  bool layer_norm = false;

  std::int64_t inputs() const { return state_size + particle_size; }
  std::int64_t layers() const { return static_cast<std::int64_t>(hidden.size()) + 1; }
  std::int64_t inputs_of(std::int64_t layer) const {
    return layer == 0 ? inputs() : hidden[static_cast<std::size_t>(layer - 1)];
  }
  std::int64_t outputs_of(std::int64_t layer) const {
    return layer + 1 == layers() ? outputs : hidden[static_cast<std::size_t>(layer)];
  }
  /// Only hidden layers are normalised.
  bool normalised(std::int64_t layer) const { return layer_norm && layer + 1 < layers(); }
  /// Where a layer's numbers begin in those of its member: W (inputs, outputs), b (outputs), and
  /// gain and offset (outputs each) where it is normalised.
  std::int64_t begin_of(std::int64_t layer) const;
  /// Numbers of one member, and of all: members follow each other.
  std::int64_t parameters_of_member() const { return begin_of(layers()); }
  std::int64_t parameters() const { return members * parameters_of_member(); }

  /// Throws std::invalid_argument unless every size is positive (state_size or particle_size may
  /// be 0, not both), widths are at most 65536, and the whole has at most kMostNumbers.
  void require() const;
};

/// Numbers of a network, 4 GiB: beyond that its sizes are a mistake, and their product may be none.
inline constexpr std::int64_t kMostNumbers = std::int64_t{1} << 30;
inline constexpr std::int64_t kMostHiddenLayers = 1024;

bool operator==(const MlpShape& a, const MlpShape& b);
inline bool operator!=(const MlpShape& a, const MlpShape& b) { return !(a == b); }

/// So many states with so many particles each: S N rows.
struct MlpRows {
  const float* states = nullptr;     // (S, O)
  const float* particles = nullptr;  // (S, N, D); null if D is 0
  std::int64_t count = 0;            // S
  std::int64_t each = 1;             // N

  std::int64_t rows() const { return count * each; }
};

/// What a forward pass leaves for the gradients: its inputs and the numbers of every hidden layer.
class MlpTape {
 public:
  MlpTape() { shape_.members = 0; }
  const float* outputs() const { return outputs_.data(); }  // (E, S, N, K)
  const MlpRows& rows() const { return rows_; }

 private:
  friend void mlp_forward(MlpTape&, const MlpShape&, const float*, const MlpRows&);
  friend void mlp_backward(float*, float*, const MlpTape&, const MlpShape&, const float*,
                           const float*);
  MlpShape shape_;  // no members: nothing has passed
  MlpRows rows_;
  Uninitialised<float> states_, particles_, outputs_, activations_;
};

/// Weights and biases uniform within +-1/sqrt(inputs) of the layer, gains 1, offsets 0: a pure
/// function of seed, member and place. parameters (E, P).
void mlp_initialise(float* parameters, const MlpShape& shape, std::uint64_t seed);

/// outputs (E, S, N, K) of every member.
///
/// Cost: 2 E rows P operations as matrix products. The sums are those of the matrix library for
/// the instruction set in use: relative error about (inputs + 1) u of sum |terms| for each layer.
/// No bit depends on the number of threads. NaN or infinity in a row stays in that row's outputs.
void mlp_forward(float* outputs, const MlpShape& shape, const float* parameters,
                 const MlpRows& rows);

/// The same, keeping what mlp_backward needs; inputs are copied.
void mlp_forward(MlpTape& tape, const MlpShape& shape, const float* parameters,
                 const MlpRows& rows);

/// Gradients of sum output_gradient * outputs, output_gradient (E, S, N, K):
/// particle_gradient (S, N, D), summed over members, and parameter_gradient (E, P). Either may be
/// null. Cost: up to twice that of the forward pass. Throws std::invalid_argument unless the tape
/// is one of a network of this shape; that the parameters are those of then is the caller's affair.
void mlp_backward(float* parameter_gradient, float* particle_gradient, const MlpTape& tape,
                  const MlpShape& shape, const float* parameters, const float* output_gradient);

enum class Aggregate { minimum, mean };

/// One output a member: values (S, N), the minimum or mean over members, and its gradient (S, N,
/// D), in one pass; either may be null. Where members tie in the minimum, the first one counts.
///
/// The minimum's gradient walks back through one member for each row, the others' rows are left
/// out: E forward passes and one backward pass. NaN or infinity in a state or a particle makes its
/// value NaN, also where a relu would hide it; where a value is not finite, the gradient is NaN.
void mlp_value_and_particle_gradient(float* values, float* gradient, const MlpShape& shape,
                                     const float* parameters, const MlpRows& rows,
                                     Aggregate aggregate);

}  // namespace wpg
