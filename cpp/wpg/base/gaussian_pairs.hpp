// Sums over all pairs of one state's particles with the Gaussian kernel
//
//   k_ij = exp(-|a_i - a_j|^2 / (2 l^2))
//
// for velocities, scores and discrepancies. Internal to the files that are compiled once per
// instruction set; the loops are in gaussian_pairs_cpu.cpp.
//
// Particles are cut into tiles; their coordinates x lie tile by tile, coordinate by coordinate, in
// units in which k = 2^(-steepness |x_i - x_j|^2). The kernel of two tiles is computed once and
// used for both sides. A cloud within kNear bandwidths of its middle is centred and its squares are
// expanded, so that a pair costs one multiply-add per coordinate for the exponent and one for each
// sum; any other cloud, and one of D <= 2, takes differences first, which loses no digit however
// far apart the particles are.
#pragma once

#include <cstdint>

#include "wpg/base/gaussian_pairs_math.hpp"
#include "wpg/base/pair_plan.hpp"
#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"

namespace wpg {

/// Particles of a tile: with two tiles of the kernel it stays in the first-level cache.
template <class T>
inline constexpr std::int64_t kPairTile = 128 / sizeof(T);

namespace WPG_ISA {

/// How many tiles of rows, and which.
struct TileRange {
  std::int64_t first, last;
};

template <class T>
class GaussianPairs {
 public:
  /// `keeps_kernel`: room for the kernel of all pairs, so that a second pass need not compute it
  /// again.
  GaussianPairs(std::int64_t particles, std::int64_t dimension, bool keeps_kernel);

  /// Particles (N, D) of a state, copied. False if one of them or the bandwidth is not finite.
  ///
  /// Bandwidth 0 is the limit: k = 1 for equal particles, otherwise 0, and (a_i - a_j)/l^2 = 0.
  bool take_state(const T* particles, T bandwidth);

  /// Tiles of all particles.
  TileRange all() const { return {0, tiles_}; }

  /// Tiles of particles first .. last - 1; `first` is a multiple of PairPlan::kRows.
  TileRange tiles_of(std::int64_t first, std::int64_t last) const;

  /// After one of the calls below, for particles of its rows.
  ///   kernel_sum(i)                S_i = sum_j k_ij
  ///   kernel_log_sum(i)            sum_j k_ij log2 k_ij; right when summed over a state
  ///   velocity(i)[d * kStride]     sum_j m_ij (weight_jd + slope (a_id - a_jd) / l^2)
  static constexpr std::int64_t kStride = kPairTile<T>;
  T kernel_sum(std::int64_t i) const { return sums_data_[i]; }
  T kernel_log_sum(std::int64_t i) const { return logs_data_[i]; }
  const T* velocity(std::int64_t i) const {
    return velocity_data_ + i / kTile * D_ * kTile + i % kTile;
  }

  /// S of the rows.
  void sum_kernel(TileRange rows);

  /// S and velocities of the rows, m = k; `weights` (N, D), or null for none; with the sums of
  /// k log2 k if `wants_logs`.
  void sum_velocities(TileRange rows, const T* weights, T slope, bool wants_logs);

  /// Velocities of the rows without weights, m_ij = k_ij (scale_i + scale_j). S is lost. If all
  /// rows are wanted and sum_kernel came before, a kept kernel is used.
  void sum_scaled_velocities(TileRange rows, const T* scale, T slope);

 private:
  static constexpr std::int64_t kTile = kPairTile<T>;
  using V = vector_of<T>;

  enum class Form { expanded, differences, scattered };

  /// What a pass over tiles does.
  struct Pass {
    bool logs, reads_kept, multiplies;
    const T* scale;
  };

  /// Rows (N, D) to tiles of columns; what fills up the last tile is the first row, or 0.
  void place(const T* rows, T* columns, bool repeats) const;
  bool expand(T bandwidth);
  void run(TileRange rows, const Pass& pass);
  void visit(std::int64_t I, std::int64_t J, bool both, const Pass& pass);
  void fill(std::int64_t I, std::int64_t J, bool both, bool logs, T* tile, T* sums);
  void fill_scattered(std::int64_t I, std::int64_t J, bool both, bool logs, T* tile, T* sums);
  void rescale(std::int64_t I, std::int64_t J, const T* scale, T* tile);
  void flip(const T* tile, std::int64_t I, std::int64_t J);
  void multiply(std::int64_t I, std::int64_t J, const T* tile);
  void finish(TileRange rows);

  std::int64_t count_of(std::int64_t tile) const {
    const std::int64_t left = N_ - tile * kTile;
    return left < kTile ? left : kTile;
  }
  /// Vectors of a tile, rounded up to an even number.
  std::int64_t vectors_of(std::int64_t tile) const {
    return (count_of(tile) + 2 * kLanes<T> - 1) / (2 * kLanes<T>)*2;
  }
  T* kept(std::int64_t I, std::int64_t J) { return kept_.get() + (I * tiles_ + J) * kTile * kTile; }

  std::int64_t N_, D_, tiles_;
  bool keeps_kernel_;
  const T* particles_ = nullptr;
  Form form_ = Form::differences;
  T steepness_ = 0;          // expanded: 1/2
  T inverse_bandwidth_ = 0;  // scattered: 1/l, or 0 for the limit
  T unit_slope_ = 0;         // (a_i - a_j) / l^2 = unit_slope (x_i - x_j)
  T slope_ = 0;              // of the pass
  bool weighted_ = false;
  // Tiles of coordinates: x, -steepness |x|^2, weights, sums.
  Scratch<T> x_, halves_, weights_, velocity_, sums_, logs_, tile_, flipped_, kept_;
  T* sums_data_;
  T* logs_data_;
  T* velocity_data_;
};

}  // namespace WPG_ISA
}  // namespace wpg
