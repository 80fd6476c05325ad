#include "wpg/networks/mlp.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "wpg/base/checks.hpp"
#include "wpg/base/parallel.hpp"
#include "wpg/base/philox.hpp"
#include "wpg/networks/adam.hpp"
#include "wpg/networks/mlp_cpu.hpp"

namespace wpg {
namespace {

// The copy of each loop that belongs to the instruction set in use.
void product(const float* x, std::int64_t rows, std::int64_t inner, std::int64_t ld_x,
             const float* w, std::int64_t columns, float* y, bool add) {
  WPG_CALL(mlp_product(x, rows, inner, ld_x, w, columns, y, add));
}
void product_back(const float* y, std::int64_t rows, std::int64_t columns, const float* w,
                  std::int64_t inner, float* x, std::int64_t ld_x, bool add) {
  WPG_CALL(mlp_product_back(y, rows, columns, w, inner, x, ld_x, add));
}
void product_weights(const float* x, std::int64_t rows, std::int64_t inner, const float* y,
                     std::int64_t columns, std::int64_t ld_y, float* w, std::int64_t ld_w) {
  WPG_CALL(mlp_product_weights(x, rows, inner, y, columns, ld_y, w, ld_w));
}
void column_sums(const float* y, const float* times, std::int64_t rows, std::int64_t columns,
                 std::int64_t ld, float* out) {
  WPG_CALL(mlp_column_sums(y, times, rows, columns, ld, out));
}
void activate(const HiddenLayer& layer, std::int64_t rows, float* z, float* kept,
              float* inverse_deviation) {
  WPG_CALL(mlp_activate(layer, rows, z, kept, inverse_deviation));
}
void activate_back(const HiddenLayer& layer, std::int64_t n, const std::int32_t* at, const float* h,
                   const float* kept, const float* inverse_deviation, float* delta,
                   float* at_norm) {
  WPG_CALL(mlp_activate_back(layer, n, at, h, kept, inverse_deviation, delta, at_norm));
}

/// Rows that pass through all layers together: their activations stay in the second-level cache,
/// and matrix products of this height run at nine tenths of the multiply-add rate.
constexpr std::int64_t kTile = 128;
constexpr std::int64_t kColumns = 128;  // of a weight gradient, made by one task

std::int64_t tiles_of(std::int64_t rows) { return (rows + kTile - 1) / kTile; }

/// One layer of one member, as pointers into its parameters.
struct Layer {
  std::int64_t inputs, outputs;
  const float *weight, *bias, *gain, *offset;
};

Layer layer_of(const MlpShape& shape, const float* member, std::int64_t l) {
  Layer layer{shape.inputs_of(l),
              shape.outputs_of(l),
              member + shape.begin_of(l),
              nullptr,
              nullptr,
              nullptr};
  layer.bias = layer.weight + layer.inputs * layer.outputs;
  if (shape.normalised(l)) {
    layer.gain = layer.bias + layer.outputs;
    layer.offset = layer.gain + layer.outputs;
  }
  return layer;
}

HiddenLayer hidden_of(const MlpShape& shape, const Layer& layer) {
  return {layer.outputs, layer.bias, layer.gain, layer.offset,
          shape.activation == Activation::silu};
}

/// Where the numbers of the hidden layers of one member stand, for so many rows: h and, where the
/// gradient wants it, kept (rows, width), and 1/deviation (rows), layer after layer.
struct Activations {
  const MlpShape& shape;
  std::int64_t rows;
  float* base;

  bool keeps() const { return shape.layer_norm || shape.activation == Activation::silu; }
  static std::int64_t size(const MlpShape& shape, std::int64_t rows) {
    const bool keeps = shape.layer_norm || shape.activation == Activation::silu;
    std::int64_t size = 0;
    for (const std::int64_t width : shape.hidden) {
      size += rows * (width * (keeps ? 2 : 1) + (shape.layer_norm ? 1 : 0));
    }
    return size;
  }
  float* begin(std::int64_t l) const {
    float* at = base;
    for (std::int64_t i = 0; i < l; ++i) {
      at += rows * (shape.outputs_of(i) * (keeps() ? 2 : 1) + (shape.layer_norm ? 1 : 0));
    }
    return at;
  }
  float* h(std::int64_t l) const { return begin(l); }
  float* kept(std::int64_t l) const {
    return keeps() ? begin(l) + rows * shape.outputs_of(l) : nullptr;
  }
  float* inverse_deviation(std::int64_t l) const {
    return shape.layer_norm ? begin(l) + 2 * rows * shape.outputs_of(l) : nullptr;
  }
};

/// Rows first..first+n pass through one member; `at` is where their numbers begin in `kept`.
void forward_tile(const MlpShape& shape, const float* member, const MlpRows& rows,
                  std::int64_t first, std::int64_t n, const Activations& kept, std::int64_t at,
                  float* outputs, Uninitialised<float>& state_part) {
  const std::int64_t hidden = shape.layers() - 1;
  const std::int64_t O = shape.state_size, D = shape.particle_size;
  for (std::int64_t l = 0; l <= hidden; ++l) {
    const Layer layer = layer_of(shape, member, l);
    float* y = l < hidden ? kept.h(l) + at * layer.outputs : outputs;
    if (l > 0) {
      product(kept.h(l - 1) + at * layer.inputs, n, layer.inputs, layer.inputs, layer.weight,
              layer.outputs, y, false);
    } else {
      const float* of_particles = layer.weight + O * layer.outputs;
      if (O > 0 && rows.each == 1) {
        product(rows.states + first * O, n, O, O, layer.weight, layer.outputs, y, false);
      } else if (O > 0) {
        const std::int64_t s0 = first / rows.each, s1 = (first + n - 1) / rows.each + 1;
        state_part.resize((s1 - s0) * layer.outputs);
        product(rows.states + s0 * O, s1 - s0, O, O, layer.weight, layer.outputs, state_part.data(),
                false);
        for (std::int64_t r = 0; r < n; ++r) {
          std::memcpy(y + r * layer.outputs,
                      state_part.data() + ((first + r) / rows.each - s0) * layer.outputs,
                      static_cast<std::size_t>(layer.outputs) * sizeof(float));
        }
      }
      if (D > 0) {
        product(rows.particles + first * D, n, D, D, of_particles, layer.outputs, y, O > 0);
      }
    }
    if (l < hidden) {
      float* keep = kept.kept(l);
      float* inverse = kept.inverse_deviation(l);
      activate(hidden_of(shape, layer), n, y, keep == nullptr ? nullptr : keep + at * layer.outputs,
               inverse == nullptr ? nullptr : inverse + at);
    } else {
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t k = 0; k < layer.outputs; ++k) y[r * layer.outputs + k] += layer.bias[k];
      }
    }
  }
}

/// From the gradient at the outputs (n, K) of chosen rows back to the first hidden layer's z.
/// delta[l] and at_norm[l] (n, width) are written for every hidden layer; at_norm may be null.
void backward_tile(const MlpShape& shape, const float* member, std::int64_t n,
                   const std::int32_t* chosen, const Activations& kept, std::int64_t at,
                   const float* output_gradient, float* const* delta, float* const* at_norm) {
  const float* above = output_gradient;
  for (std::int64_t l = shape.layers() - 2; l >= 0; --l) {
    const Layer next = layer_of(shape, member, l + 1);
    const Layer layer = layer_of(shape, member, l);
    product_back(above, n, next.outputs, next.weight, next.inputs, delta[l], next.inputs, false);
    const float* keep = kept.kept(l);
    const float* inverse = kept.inverse_deviation(l);
    activate_back(hidden_of(shape, layer), n, chosen, kept.h(l) + at * layer.outputs,
                  keep == nullptr ? nullptr : keep + at * layer.outputs,
                  inverse == nullptr ? nullptr : inverse + at, delta[l],
                  at_norm == nullptr ? nullptr : at_norm[l]);
    above = delta[l];
  }
}

/// What follows the first layer's z, or the outputs themselves where there is no hidden layer.
void particles_back(const MlpShape& shape, const float* member, std::int64_t n, const float* z,
                    float* gradient, bool add) {
  const Layer first = layer_of(shape, member, 0);
  product_back(z, n, first.outputs, first.weight + shape.state_size * first.outputs,
               shape.particle_size, gradient, shape.particle_size, add);
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool all_finite(const float* numbers, std::int64_t count) {
  bool finite = true;
  for (std::int64_t i = 0; i < count; ++i) finite &= std::isfinite(numbers[i]);
  return finite;
}

std::int64_t work_of_row(const MlpShape& shape) { return shape.parameters_of_member() / 8 + 1; }

void require_rows(const MlpShape& shape, const MlpRows& rows) {
  shape.require();
  WPG_REQUIRE(rows.count >= 0 && rows.each >= 0, "rows must not be negative");
  WPG_REQUIRE(shape.particle_size > 0 || rows.each == 1,
              "a network without particles has one row a state");
}

}  // namespace

std::int64_t MlpShape::begin_of(std::int64_t layer) const {
  std::int64_t begin = 0;
  for (std::int64_t l = 0; l < layer; ++l) {
    begin += (inputs_of(l) + (normalised(l) ? 3 : 1)) * outputs_of(l);
  }
  return begin;
}

void MlpShape::require() const {
  WPG_REQUIRE(members >= 1, "members is " + std::to_string(members) + "; it must be at least 1");
  WPG_REQUIRE(state_size >= 0 && particle_size >= 0 && (state_size > 0 || particle_size > 0),
              "a network needs inputs: state_size is " + std::to_string(state_size) +
                  ", particle_size " + std::to_string(particle_size));
  WPG_REQUIRE(outputs >= 1, "outputs is " + std::to_string(outputs) + "; it must be at least 1");
  WPG_REQUIRE(static_cast<std::int64_t>(hidden.size()) <= kMostHiddenLayers,
              "hidden has " + std::to_string(hidden.size()) + " widths; it may have at most " +
                  std::to_string(kMostHiddenLayers));
  for (const std::int64_t width : hidden) {
    WPG_REQUIRE(width >= 1 && width <= 65536,
                "hidden holds " + std::to_string(width) + "; a width must be from 1 to 65536");
  }
  // By division, since a product of what was asked for may not fit into 64 bits.
  bool fits = members <= kMostNumbers && state_size <= kMostNumbers &&
              particle_size <= kMostNumbers && outputs <= kMostNumbers;
  std::int64_t room = fits ? kMostNumbers / members : 0;
  for (std::int64_t l = 0; fits && l < layers(); ++l) {
    const std::int64_t each = inputs_of(l) + (normalised(l) ? 3 : 1);
    fits = each <= room / outputs_of(l);
    if (fits) room -= each * outputs_of(l);
  }
  WPG_REQUIRE(fits, "a network of " + std::to_string(members) + " members with " +
                        std::to_string(state_size) + " + " + std::to_string(particle_size) +
                        " inputs, " + std::to_string(hidden.size()) + " hidden layers and " +
                        std::to_string(outputs) +
                        " outputs has more than 2^30 weights; give smaller sizes");
}

bool operator==(const MlpShape& a, const MlpShape& b) {
  return a.members == b.members && a.state_size == b.state_size &&
         a.particle_size == b.particle_size && a.hidden == b.hidden && a.outputs == b.outputs &&
         a.activation == b.activation && a.layer_norm == b.layer_norm;
}

void mlp_initialise(float* parameters, const MlpShape& shape, std::uint64_t seed) {
  shape.require();
  PhiloxKeys<std::uint64_t> keys;
  philox_keys(seed, keys);
  for (std::int64_t e = 0; e < shape.members; ++e) {
    float* member = parameters + e * shape.parameters_of_member();
    for (std::int64_t l = 0; l < shape.layers(); ++l) {
      const std::int64_t inputs = shape.inputs_of(l), outputs = shape.outputs_of(l);
      float* numbers = member + shape.begin_of(l);
      const float bound = 1.0f / std::sqrt(static_cast<float>(inputs));
      const std::int64_t drawn = (inputs + 1) * outputs;
      for (std::int64_t i = 0; i < drawn; i += 4) {
        const auto words = philox4x32<std::uint64_t>(
            static_cast<std::uint64_t>(i / 4), static_cast<std::uint64_t>(l),
            static_cast<std::uint64_t>(e), stream_word(Stream::network, 0), keys);
        const std::uint64_t word[4] = {words.x0, words.x1, words.x2, words.x3};
        for (std::int64_t k = 0; k < std::min<std::int64_t>(4, drawn - i); ++k) {
          // 24 bits and a half: symmetric about 0, and never on the bound.
          const auto bits = static_cast<float>((word[k] & 0xFFFFFFFFu) >> 8);
          numbers[i + k] = bound * ((bits + 0.5f) * 0x1p-23f - 1.0f);
        }
      }
      if (shape.normalised(l)) {
        std::fill(numbers + drawn, numbers + drawn + outputs, 1.0f);
        std::fill(numbers + drawn + outputs, numbers + drawn + 2 * outputs, 0.0f);
      }
    }
  }
}

void mlp_forward(float* outputs, const MlpShape& shape, const float* parameters,
                 const MlpRows& rows) {
  require_rows(shape, rows);
  const std::int64_t total = rows.rows(), tiles = tiles_of(total);
  parallel_for(shape.members * tiles, work_of_row(shape) * kTile,
               [&](std::int64_t begin, std::int64_t end) {
                 Uninitialised<float> memory(Activations::size(shape, kTile)), state_part;
                 const Activations kept{shape, kTile, memory.data()};
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t e = task / tiles, first = task % tiles * kTile;
                   forward_tile(shape, parameters + e * shape.parameters_of_member(), rows, first,
                                std::min(kTile, total - first), kept, 0,
                                outputs + (e * total + first) * shape.outputs, state_part);
                 }
               });
}

void mlp_forward(MlpTape& tape, const MlpShape& shape, const float* parameters,
                 const MlpRows& rows) {
  require_rows(shape, rows);
  const std::int64_t total = rows.rows(), tiles = tiles_of(total);
  tape.shape_.members = 0;  // until all is there
  tape.states_.resize(rows.count * shape.state_size);
  std::copy_n(rows.states, tape.states_.size(), tape.states_.data());
  tape.particles_.resize(total * shape.particle_size);
  std::copy_n(rows.particles, tape.particles_.size(), tape.particles_.data());
  tape.rows_ = {tape.states_.data(), tape.particles_.data(), rows.count, rows.each};
  tape.outputs_.resize(shape.members * total * shape.outputs);
  const std::int64_t per_member = Activations::size(shape, total);
  tape.activations_.resize(shape.members * per_member);
  parallel_for(
      shape.members * tiles, work_of_row(shape) * kTile, [&](std::int64_t begin, std::int64_t end) {
        Uninitialised<float> state_part;
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t e = task / tiles, first = task % tiles * kTile;
          const Activations kept{shape, total, tape.activations_.data() + e * per_member};
          forward_tile(shape, parameters + e * shape.parameters_of_member(), tape.rows_, first,
                       std::min(kTile, total - first), kept, first,
                       tape.outputs_.data() + (e * total + first) * shape.outputs, state_part);
        }
      });
  tape.shape_ = shape;
}

void mlp_backward(float* parameter_gradient, float* particle_gradient, const MlpTape& tape,
                  const MlpShape& shape, const float* parameters, const float* output_gradient) {
  // A tape that was moved from has its shape but no outputs.
  WPG_REQUIRE(tape.shape_ == shape &&
                  tape.outputs_.size() == shape.members * tape.rows_.rows() * shape.outputs,
              "the tape is not one of this network");
  const MlpRows& rows = tape.rows_;
  require_rows(shape, rows);
  const std::int64_t total = rows.rows(), tiles = tiles_of(total);
  const std::int64_t hidden = shape.layers() - 1, E = shape.members;
  const std::int64_t P = shape.parameters_of_member();
  const std::int64_t per_member = Activations::size(shape, total);
  if (total == 0) {
    if (parameter_gradient != nullptr) std::fill_n(parameter_gradient, E * P, 0.0f);
    return;
  }
  const bool wants_norms = parameter_gradient != nullptr && shape.layer_norm;
  // delta and at_norm of every member and hidden layer, all rows.
  std::int64_t width_sum = 0;
  for (const std::int64_t width : shape.hidden) width_sum += width;
  Uninitialised<float> memory(E * total * width_sum * (wants_norms ? 2 : 1));
  const auto delta_of = [&](std::int64_t e, std::int64_t l, bool at_norm) {
    std::int64_t before = 0;
    for (std::int64_t i = 0; i < l; ++i) before += shape.outputs_of(i);
    return memory.data() + ((at_norm ? E : 0) + e) * total * width_sum + total * before;
  };

  parallel_for(E * tiles, work_of_row(shape) * kTile, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float*> delta(static_cast<std::size_t>(hidden)),
        at_norm(static_cast<std::size_t>(hidden));
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t e = task / tiles, first = task % tiles * kTile;
      for (std::int64_t l = 0; l < hidden; ++l) {
        const auto i = static_cast<std::size_t>(l);
        delta[i] = delta_of(e, l, false) + first * shape.outputs_of(l);
        at_norm[i] = wants_norms ? delta_of(e, l, true) + first * shape.outputs_of(l) : nullptr;
      }
      const Activations kept{shape, total,
                             const_cast<float*>(tape.activations_.data()) + e * per_member};
      backward_tile(shape, parameters + e * P, std::min(kTile, total - first), nullptr, kept, first,
                    output_gradient + (e * total + first) * shape.outputs, delta.data(),
                    at_norm.data());
    }
  });

  const auto at_z = [&](std::int64_t e, std::int64_t l) -> const float* {
    return l < hidden ? delta_of(e, l, false) : output_gradient + e * total * shape.outputs;
  };

  if (particle_gradient != nullptr) {
    parallel_for(tiles, shape.outputs_of(0) * shape.particle_size * kTile,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t tile = begin; tile < end; ++tile) {
                     const std::int64_t first = tile * kTile;
                     for (std::int64_t e = 0; e < E; ++e) {
                       particles_back(shape, parameters + e * P, std::min(kTile, total - first),
                                      at_z(e, 0) + first * shape.outputs_of(0),
                                      particle_gradient + first * shape.particle_size, e > 0);
                     }
                   }
                 });
  }
  if (parameter_gradient == nullptr) return;

  // A task makes the gradient of some columns of one layer from all rows, so that no sum is split.
  std::int64_t blocks = 0;
  for (std::int64_t l = 0; l <= hidden; ++l) {
    blocks += (shape.outputs_of(l) + kColumns - 1) / kColumns;
  }
  parallel_for(E * blocks, total * P / blocks / 8 + 1, [&](std::int64_t begin, std::int64_t end) {
    Uninitialised<float> of_states;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t e = task / blocks;
      std::int64_t l = 0, block = task % blocks;
      while (block >= (shape.outputs_of(l) + kColumns - 1) / kColumns) {
        block -= (shape.outputs_of(l) + kColumns - 1) / kColumns;
        ++l;
      }
      const std::int64_t inputs = shape.inputs_of(l), outputs = shape.outputs_of(l);
      const std::int64_t c = block * kColumns, columns = std::min(kColumns, outputs - c);
      const float* z = at_z(e, l) + c;
      float* weight = parameter_gradient + e * P + shape.begin_of(l);
      float* bias = weight + inputs * outputs;
      const Activations kept{shape, total,
                             const_cast<float*>(tape.activations_.data()) + e * per_member};
      if (l > 0) {
        product_weights(kept.h(l - 1), total, inputs, z, columns, outputs, weight + c, outputs);
      } else {
        const std::int64_t O = shape.state_size, D = shape.particle_size;
        if (D > 0) {
          product_weights(rows.particles, total, D, z, columns, outputs, weight + O * outputs + c,
                          outputs);
        }
        if (O > 0 && rows.each == 1) {
          product_weights(rows.states, total, O, z, columns, outputs, weight + c, outputs);
        } else if (O > 0) {
          of_states.resize(rows.count * columns);
          for (std::int64_t s = 0; s < rows.count; ++s) {
            column_sums(z + s * rows.each * outputs, nullptr, rows.each, columns, outputs,
                        of_states.data() + s * columns);
          }
          product_weights(rows.states, rows.count, O, of_states.data(), columns, columns,
                          weight + c, outputs);
        }
      }
      column_sums(z, nullptr, total, columns, outputs, bias + c);
      if (shape.normalised(l)) {
        const float* norm = delta_of(e, l, true) + c;
        column_sums(norm, kept.kept(l) + c, total, columns, outputs, bias + outputs + c);
        column_sums(norm, nullptr, total, columns, outputs, bias + 2 * outputs + c);
      }
    }
  });
}

void mlp_value_and_particle_gradient(float* values, float* gradient, const MlpShape& shape,
                                     const float* parameters, const MlpRows& rows,
                                     Aggregate aggregate) {
  require_rows(shape, rows);
  WPG_REQUIRE(shape.outputs == 1,
              "outputs is " + std::to_string(shape.outputs) + "; a value has one output a member");
  WPG_REQUIRE(gradient == nullptr || shape.particle_size > 0, "a gradient needs particles");
  const std::int64_t total = rows.rows(), tiles = tiles_of(total);
  const std::int64_t hidden = shape.layers() - 1, E = shape.members, D = shape.particle_size;
  const std::int64_t P = shape.parameters_of_member();
  const std::int64_t per_member = Activations::size(shape, kTile);
  std::int64_t width_sum = 0;
  for (const std::int64_t width : shape.hidden) width_sum += width;
  parallel_for(
      tiles, 2 * E * work_of_row(shape) * kTile, [&](std::int64_t begin, std::int64_t end) {
        const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
        Uninitialised<float> memory(E * (per_member + kTile) + kTile * (width_sum + D + 1)),
            state_part;
        std::vector<std::int32_t> chosen(size(E * kTile));
        std::vector<std::int64_t> count(size(E));
        std::vector<float*> delta(size(hidden));
        float* q = memory.data() + E * per_member;  // (E, kTile)
        float* ones = q + E * kTile;
        float* part = ones + kTile;  // (kTile, D), the gradient of one member's rows
        float* at = part + kTile * D;
        for (std::int64_t l = 0; l < hidden; ++l) {
          delta[size(l)] = at;
          at += kTile * shape.outputs_of(l);
        }
        for (std::int64_t tile = begin; tile < end; ++tile) {
          const std::int64_t first = tile * kTile, n = std::min(kTile, total - first);
          for (std::int64_t e = 0; e < E; ++e) {
            forward_tile(shape, parameters + e * P, rows, first, n,
                         {shape, kTile, memory.data() + e * per_member}, 0, q + e * kTile,
                         state_part);
          }
          std::fill(count.begin(), count.end(), 0);
          bool finite = false;
          for (std::int64_t r = 0; r < n; ++r) {
            if (r == 0 || (first + r) % rows.each == 0) {
              const std::int64_t s = (first + r) / rows.each;
              finite = all_finite(rows.states + s * shape.state_size, shape.state_size);
            }
            if (!finite || !all_finite(rows.particles + (first + r) * D, D)) {
              for (std::int64_t e = 0; e < E; ++e) q[e * kTile + r] = kNaN;
            }
            std::int64_t least = 0;
            float value = q[r];
            for (std::int64_t e = 1; e < E; ++e) {
              const float other = q[e * kTile + r];
              if (aggregate == Aggregate::mean) {
                value += other;
              } else if (other < value || other != other) {
                value = other;
                least = e;
              }
            }
            if (aggregate == Aggregate::mean) value /= static_cast<float>(E);
            if (values != nullptr) values[first + r] = value;
            for (std::int64_t e = 0; e < E; ++e) {
              if (aggregate == Aggregate::mean || e == least) {
                chosen[size(e * kTile + count[size(e)]++)] = static_cast<std::int32_t>(r);
              }
            }
          }
          if (gradient == nullptr) continue;
          std::fill(ones, ones + n,
                    aggregate == Aggregate::mean ? 1.0f / static_cast<float>(E) : 1.0f);
          for (std::int64_t e = 0; e < E; ++e) {
            const std::int64_t m = count[size(e)];
            if (m == 0) continue;
            const std::int32_t* rows_of = chosen.data() + e * kTile;
            backward_tile(shape, parameters + e * P, m, rows_of,
                          {shape, kTile, memory.data() + e * per_member}, 0, ones, delta.data(),
                          nullptr);
            particles_back(shape, parameters + e * P, m, hidden > 0 ? delta[0] : ones, part, false);
            for (std::int64_t i = 0; i < m; ++i) {
              float* g = gradient + (first + rows_of[i]) * D;
              const bool good = std::isfinite(q[e * kTile + rows_of[i]]);
              for (std::int64_t d = 0; d < D; ++d) {
                const float before = aggregate == Aggregate::mean && e > 0 ? g[d] : 0.0f;
                g[d] = good ? before + part[i * D + d] : kNaN;
              }
            }
          }
        }
      });
}

void adam_step(float* parameters, float* first_moment, float* second_moment, const float* gradient,
               std::int64_t count, std::uint64_t steps, const AdamSettings& settings) {
  WPG_REQUIRE(steps >= 1, "steps is 0; the first step is 1");
  WPG_REQUIRE(std::isfinite(settings.learning_rate) && settings.learning_rate >= 0,
              "learning_rate is " + number_text(settings.learning_rate) +
                  "; it must be finite and not negative");
  WPG_REQUIRE(
      settings.beta1 >= 0 && settings.beta1 < 1 && settings.beta2 >= 0 && settings.beta2 < 1,
      "beta1 and beta2 must be at least 0 and below 1");
  // A smaller one is 0 in float, and 0/0 would be the step of a weight without a gradient.
  constexpr double kLeast = std::numeric_limits<float>::min();
  WPG_REQUIRE(std::isfinite(settings.epsilon) && settings.epsilon >= kLeast,
              "epsilon is " + number_text(settings.epsilon) +
                  "; it must be finite and at least 1.2e-38, the smallest normal float32");
  const auto t = static_cast<double>(steps);
  const auto rate = static_cast<float>(settings.learning_rate / (1 - std::pow(settings.beta1, t)));
  WPG_REQUIRE(std::isfinite(rate) && (rate > 0 || settings.learning_rate == 0),
              "learning_rate is " + number_text(settings.learning_rate) +
                  ", which is 0 or infinite in float32, the type of the weights");
  const auto correction = static_cast<float>(1 / std::sqrt(1 - std::pow(settings.beta2, t)));
  constexpr std::int64_t kPiece = 16384;
  parallel_for((count + kPiece - 1) / kPiece, kPiece, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t at = piece * kPiece, n = std::min(kPiece, count - at);
      const auto call = [&] {
        WPG_CALL(adam_piece(parameters + at, first_moment + at, second_moment + at, gradient + at,
                            n, settings, rate, correction));
      };
      call();
    }
  });
}

void polyak_average(float* average, const float* parameters, std::int64_t count, double rate) {
  WPG_REQUIRE(rate >= 0 && rate <= 1, "rate is " + number_text(rate) + "; it must be from 0 to 1");
  if (rate == 1) {  // a difference would be rounded, and NaN would stay
    std::copy_n(parameters, count, average);
    return;
  }
  constexpr std::int64_t kPiece = 16384;
  parallel_for((count + kPiece - 1) / kPiece, kPiece, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t at = piece * kPiece, n = std::min(kPiece, count - at);
      const auto call = [&] {
        WPG_CALL(polyak_piece(average + at, parameters + at, n, static_cast<float>(rate)));
      };
      call();
    }
  });
}

}  // namespace wpg
