#include <cmath>
#include <utility>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/gaussian_pairs.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

/// Exponent of a particle that fills up a tile: 2^-94 and less beside any other.
template <class T>
inline constexpr T kAbsent = T(94);

/// Where it is when differences are taken; clouds that reach half as far are scattered.
template <class T>
inline constexpr T kOutside = sizeof(T) == 4 ? T(0x1p60) : T(0x1p500);

/// Columns of sums that stay in registers, for two vectors of particles.
constexpr int kColumns = 6;
constexpr int kColumnsOfDifferences = 3;

/// One number in every lane; x - 0 is x for every x, so the compiler keeps only the broadcast.
template <class V>
WPG_FORMULA V everywhere(number_of<V> x) {
  return x - V{};
}

constexpr std::int64_t rounded_up(std::int64_t count, std::int64_t to) {
  return (count + to - 1) / to * to;
}

/// tile[j, i] = k of row j and column i, for two vectors of columns and four rows at a time.
/// Adds the sums over rows, and those of k log2 k times `log_weight`.
///
/// D is a number of the run on purpose: unrolled over small D, accumulators wander between
/// registers and a pair takes up to 1.6 times as long (GCC 12, Zen 3).
template <class T, bool kExpanded, bool kLogs>
__attribute__((noinline)) void fill_tile(T* tile, T* sums, T* logs, const T* xi, const T* xj,
                                         const T* halves_i, const T* halves_j, std::int64_t D,
                                         T steepness, T log_weight, std::int64_t vectors,
                                         std::int64_t rows) {
  using V = vector_of<T>;
  constexpr std::int64_t kTile = kPairTile<T>;
  const V minus_steepness = everywhere<V>(-steepness);
  for (std::int64_t v = 0; v < vectors; v += 2) {
    const std::int64_t i = v * kLanes<T>;
    V sum[2] = {V{}, V{}}, log_sum[2] = {V{}, V{}};
    const V half[2] = {load<V>(halves_i + i), load<V>(halves_i + i + kLanes<T>)};
    for (std::int64_t j = 0; j < rows; j += 4) {
      V e[2][4];
#pragma GCC unroll 4
      for (int b = 0; b < 4; ++b) {
        const V other = everywhere<V>(halves_j[j + b]);
        e[0][b] = kExpanded ? V(half[0] + other) : V{};
        e[1][b] = kExpanded ? V(half[1] + other) : V{};
      }
#pragma GCC unroll 2
      for (std::int64_t d = 0; d < D; ++d) {
        const V at[2] = {load<V>(xi + d * kTile + i), load<V>(xi + d * kTile + i + kLanes<T>)};
#pragma GCC unroll 4
        for (int b = 0; b < 4; ++b) {
          const V other = everywhere<V>(xj[d * kTile + j + b]);
#pragma GCC unroll 2
          for (int a = 0; a < 2; ++a) {
            if constexpr (kExpanded) {
              e[a][b] = e[a][b] + at[a] * other;
            } else {
              const V away = at[a] - other;
              e[a][b] = e[a][b] + away * away;
            }
          }
        }
      }
#pragma GCC unroll 4
      for (int b = 0; b < 4; ++b) {
#pragma GCC unroll 2
        for (int a = 0; a < 2; ++a) {
          const V x = kExpanded ? e[a][b] : V(e[a][b] * minus_steepness);
          const V k = kExpanded ? power_of_two_within<V>(x) : power_of_two_or_zero<V>(x);
          store(tile + (j + b) * kTile + i + a * kLanes<T>, k);
          sum[a] = sum[a] + k;
          if constexpr (kLogs) log_sum[a] = log_sum[a] + k * x;
        }
      }
    }
    for (int a = 0; a < 2; ++a) {
      const std::int64_t at = i + a * kLanes<T>;
      store(sums + at, V(load<V>(sums + at) + sum[a]));
      if constexpr (kLogs) store(logs + at, V(load<V>(logs + at) + log_weight * log_sum[a]));
    }
  }
}

/// sums[c, i] += factor * sum_j tile[j, i] (right[c, j] or left[c, i] - right[c, j])
template <class T, int kC, bool kDifferences>
void multiply_tile(T* sums, const T* tile, const T* left, const T* right, T factor,
                   std::int64_t vectors, std::int64_t rows) {
  using V = vector_of<T>;
  constexpr std::int64_t kTile = kPairTile<T>;
  // Few columns: several rows at once, or every addition would wait for the one before.
  constexpr int kRows = kDifferences ? (kC <= 2 ? 2 : 1) : kC == 1 ? 4 : kC <= 3 ? 2 : 1;
  for (std::int64_t v = 0; v < vectors; v += 2) {
    const std::int64_t i = v * kLanes<T>;
    V sum[kRows][2][kC] = {};
    for (std::int64_t j = 0; j < rows; j += kRows) {
#pragma GCC unroll 4
      for (int b = 0; b < kRows; ++b) {
        const T* const row = tile + (j + b) * kTile + i;
        const V k[2] = {load<V>(row), load<V>(row + kLanes<T>)};
#pragma GCC unroll 6
        for (int c = 0; c < kC; ++c) {
          const V other = everywhere<V>(right[c * kTile + j + b]);
#pragma GCC unroll 2
          for (int a = 0; a < 2; ++a) {
            if constexpr (kDifferences) {
              const V at = load<V>(left + c * kTile + i + a * kLanes<T>);
              sum[b][a][c] = sum[b][a][c] + k[a] * (at - other);
            } else {
              sum[b][a][c] = sum[b][a][c] + k[a] * other;
            }
          }
        }
      }
    }
#pragma GCC unroll 6
    for (int c = 0; c < kC; ++c) {
#pragma GCC unroll 2
      for (int a = 0; a < 2; ++a) {
        V total = sum[0][a][c];
#pragma GCC unroll 4
        for (int b = 1; b < kRows; ++b) total = total + sum[b][a][c];
        T* const to = sums + c * kTile + i + a * kLanes<T>;
        store(to, V(load<V>(to) + factor * total));
      }
    }
  }
}

template <class T, bool kDifferences>
void multiply_columns(T* sums, const T* tile, const T* left, const T* right, T factor,
                      std::int64_t D, std::int64_t vectors, std::int64_t rows) {
  constexpr std::int64_t kMost = kDifferences ? kColumnsOfDifferences : kColumns;
  const std::int64_t blocks = (D + kMost - 1) / kMost;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t first = D * block / blocks, columns = D * (block + 1) / blocks - first;
    const std::int64_t at = first * kPairTile<T>;
    const auto run = [&](auto count) {
      constexpr int kC = decltype(count)::value;
      if constexpr (kC <= kMost) {
        multiply_tile<T, kC, kDifferences>(sums + at, tile, left + at, right + at, factor, vectors,
                                           rows);
      }
    };
    using std::integral_constant;
    switch (columns) {
      case 1:
        run(integral_constant<int, 1>{});
        break;
      case 2:
        run(integral_constant<int, 2>{});
        break;
      case 3:
        run(integral_constant<int, 3>{});
        break;
      case 4:
        run(integral_constant<int, 4>{});
        break;
      case 5:
        run(integral_constant<int, 5>{});
        break;
      default:
        run(integral_constant<int, 6>{});
    }
  }
}

/// Vectors a and b whose blocks of `kWidth` lanes are exchanged crosswise: the odd blocks of a with
/// the even blocks of b.
template <class V, int kWidth, int... kI>
WPG_FORMULA void exchange_blocks(V& a, V& b, std::integer_sequence<int, kI...>) {
  constexpr int kCount = sizeof...(kI);
  const V low = __builtin_shufflevector(a, b, ((kI & kWidth) ? kCount + kI - kWidth : kI)...);
  const V high = __builtin_shufflevector(a, b, ((kI & kWidth) ? kCount + kI : kI + kWidth)...);
  a = low;
  b = high;
}

/// The transpose of a square of as many vectors as a vector has lanes.
template <class T, int kWidth = kLanes<T> / 2>
WPG_FORMULA void transpose(vector_of<T>* rows) {
  if constexpr (kWidth > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < kLanes<T>; ++r) {
      if ((r & kWidth) == 0) {
        exchange_blocks<vector_of<T>, kWidth>(rows[r], rows[r + kWidth],
                                              std::make_integer_sequence<int, kLanes<T>>{});
      }
    }
    transpose<T, kWidth / 2>(rows);
  }
}

/// Rows (N, D) to columns, tile by tile.
template <class T, int kD>
void place_rows(const T* rows, T* columns, std::int64_t count, std::int64_t dimension) {
  constexpr std::int64_t kTile = kPairTile<T>;
  const std::int64_t D = kD == 0 ? dimension : kD;
  for (std::int64_t first = 0; first < count; first += kTile) {
    const std::int64_t here = count - first < kTile ? count - first : kTile;
    const T* const from = rows + first * D;
    T* const to = columns + first * D;
    for (std::int64_t i = 0; i < here; ++i) {
#pragma GCC unroll 8
      for (std::int64_t d = 0; d < D; ++d) to[d * kTile + i] = from[i * D + d];
    }
  }
}

}  // namespace

template <class T>
GaussianPairs<T>::GaussianPairs(std::int64_t particles, std::int64_t dimension, bool keeps_kernel)
    : N_(particles),
      D_(dimension),
      tiles_((particles + kTile - 1) / kTile),
      keeps_kernel_(keeps_kernel),
      x_(tiles_ * kTile * D_),
      halves_(tiles_ * kTile),
      weights_(tiles_ * kTile * D_),
      velocity_(tiles_ * kTile * D_),
      sums_(tiles_ * kTile),
      logs_(tiles_ * kTile),
      tile_(kTile * kTile),
      flipped_(kTile * kTile),
      kept_(keeps_kernel ? tiles_ * tiles_ * kTile * kTile : 0),
      sums_data_(sums_.get()),
      logs_data_(logs_.get()),
      velocity_data_(velocity_.get()) {
  // Lanes beyond the last particle are read, and their sums forgotten.
  for (std::int64_t e = 0; e < kTile * kTile; ++e) tile_[e] = flipped_[e] = T(0);
  for (std::int64_t e = 0; keeps_kernel_ && e < tiles_ * tiles_ * kTile * kTile; ++e) {
    kept_[e] = T(0);
  }
}

template <class T>
TileRange GaussianPairs<T>::tiles_of(std::int64_t first, std::int64_t last) const {
  return {first / kTile, (last + kTile - 1) / kTile};
}

template <class T>
void GaussianPairs<T>::place(const T* rows, T* columns, bool repeats) const {
  switch (D_) {
    case 1:
      place_rows<T, 1>(rows, columns, N_, D_);
      break;
    case 2:
      place_rows<T, 2>(rows, columns, N_, D_);
      break;
    case 3:
      place_rows<T, 3>(rows, columns, N_, D_);
      break;
    case 4:
      place_rows<T, 4>(rows, columns, N_, D_);
      break;
    case 6:
      place_rows<T, 6>(rows, columns, N_, D_);
      break;
    default:
      place_rows<T, 0>(rows, columns, N_, D_);
  }
  const std::int64_t last = (tiles_ - 1) * kTile;
  for (std::int64_t d = 0; d < D_; ++d) {
    for (std::int64_t i = count_of(tiles_ - 1); i < kTile; ++i) {
      columns[last * D_ + d * kTile + i] = repeats ? rows[d] : T(0);
    }
  }
}

template <class T>
bool GaussianPairs<T>::take_state(const T* particles, T bandwidth) {
  particles_ = particles;
  if (!std::isfinite(bandwidth)) return false;
  place(particles, x_.get(), true);
  V largest = V{}, lost = V{};
  for (std::int64_t e = 0; e < tiles_ * kTile * D_; e += kLanes<T>) {
    const V x = load<V>(x_.get() + e);
    lost = lost + (x - x);  // NaN for NaN and infinity
    largest = larger(largest, absolute(x));
  }
  if (!std::isfinite(sum_of_lanes<T>(lost))) return false;
  if (bandwidth < kLeastBandwidth<T>) {
    form_ = Form::scattered;
    inverse_bandwidth_ = 0;
    unit_slope_ = 0;
    return true;
  }
  if (D_ > 2 && expand(bandwidth)) return true;
  // The bandwidth becomes a number from 1 to 2 by a power of two, which rounds nothing.
  int power = 0;
  const T mantissa = 2 * std::frexp(bandwidth, &power);
  const T unit = std::ldexp(T(1), 1 - power);
  if (!(largest_lane<T>(largest) * unit < kOutside<T> / 2)) {
    form_ = Form::scattered;
    inverse_bandwidth_ = 1 / bandwidth;
    unit_slope_ = inverse_bandwidth_ * inverse_bandwidth_;
    if (D_ > 2) place(particles, x_.get(), true);
    return true;
  }
  form_ = Form::differences;
  steepness_ = kHalfLog2E<T> / (mantissa * mantissa);
  unit_slope_ = 1 / mantissa / bandwidth;
  if (D_ > 2) {
    place(particles, x_.get(), true);
  }
  for (std::int64_t e = 0; e < tiles_ * kTile * D_; e += kLanes<T>) {
    store(x_.get() + e, V(load<V>(x_.get() + e) * unit));
  }
  const std::int64_t last = (tiles_ - 1) * kTile;
  for (std::int64_t d = 0; d < D_; ++d) {
    for (std::int64_t i = count_of(tiles_ - 1); i < kTile; ++i) {
      x_[last * D_ + d * kTile + i] = kOutside<T>;
    }
  }
  return true;
}

/// Centres and scales the cloud, and says whether it is near enough for its squares to be expanded;
/// if not, the coordinates are to be placed again.
template <class T>
bool GaussianPairs<T>::expand(T bandwidth) {
  const T scale = std::sqrt(2 * kHalfLog2E<T>) / bandwidth;
  const V minus_half = all_lanes<V>(T(-0.5));
  for (std::int64_t e = 0; e < tiles_ * kTile; ++e) halves_[e] = T(0);
  for (std::int64_t d = 0; d < D_; ++d) {
    V low = all_lanes<V>(particles_[d]), high = low;
    for (std::int64_t t = 0; t < tiles_; ++t) {
      const T* const x = x_.get() + (t * D_ + d) * kTile;
      for (std::int64_t i = 0; i < kTile; i += kLanes<T>) {
        low = smaller(low, load<V>(x + i));
        high = larger(high, load<V>(x + i));
      }
    }
    const T middle = (largest_lane<T>(high) - largest_lane<T>(-low)) / 2;
    for (std::int64_t t = 0; t < tiles_; ++t) {
      T* const x = x_.get() + (t * D_ + d) * kTile;
      T* const half = halves_.get() + t * kTile;
      for (std::int64_t i = 0; i < kTile; i += kLanes<T>) {
        const V z = (load<V>(x + i) - middle) * scale;
        store(x + i, z);
        store(half + i, V(load<V>(half + i) + (z * minus_half) * z));
      }
    }
  }
  V farthest = V{};
  for (std::int64_t e = 0; e < tiles_ * kTile; e += kLanes<T>) {
    farthest = larger(farthest, V(-load<V>(halves_.get() + e)));
  }
  const T radius = largest_lane<T>(farthest);
  if (!(radius <= kNear<T>) || !std::isfinite(radius)) return false;
  const std::int64_t last = (tiles_ - 1) * kTile;
  for (std::int64_t i = count_of(tiles_ - 1); i < kTile; ++i) {
    for (std::int64_t d = 0; d < D_; ++d) x_[last * D_ + d * kTile + i] = T(0);
    halves_[last + i] = -kAbsent<T>;
  }
  form_ = Form::expanded;
  steepness_ = T(0.5);
  unit_slope_ = 1 / (std::sqrt(2 * kHalfLog2E<T>) * bandwidth);
  return true;
}

template <class T>
void GaussianPairs<T>::sum_kernel(TileRange rows) {
  run(rows, {false, false, false, nullptr});
}

template <class T>
void GaussianPairs<T>::sum_velocities(TileRange rows, const T* weights, T slope, bool wants_logs) {
  slope_ = slope * unit_slope_;
  weighted_ = weights != nullptr;
  T* const to = weights_.get();
  if (weighted_) place(weights, to, false);
  if (form_ == Form::expanded) {
    for (std::int64_t e = 0; e < tiles_ * kTile * D_; e += kLanes<T>) {
      const V pull = load<V>(x_.get() + e) * slope_;
      store(to + e, weighted_ ? V(load<V>(to + e) - pull) : V(-pull));
    }
  }
  run(rows, {wants_logs, false, true, nullptr});
  finish(rows);
}

template <class T>
void GaussianPairs<T>::sum_scaled_velocities(TileRange rows, const T* scale, T slope) {
  slope_ = slope * unit_slope_;
  weighted_ = false;
  if (form_ == Form::expanded) {
    for (std::int64_t e = 0; e < tiles_ * kTile * D_; e += kLanes<T>) {
      store(weights_.get() + e, V(load<V>(x_.get() + e) * -slope_));
    }
  }
  const bool whole = rows.first == 0 && rows.last == tiles_;
  run(rows, {false, keeps_kernel_ && whole, true, scale});
  finish(rows);
}

/// All tiles of the rows. If those are all tiles, a tile serves both sides.
template <class T>
void GaussianPairs<T>::run(TileRange rows, const Pass& pass) {
  for (std::int64_t e = rows.first * kTile; e < rows.last * kTile; ++e) sums_[e] = logs_[e] = T(0);
  if (pass.multiplies) {
    for (std::int64_t e = rows.first * kTile * D_; e < rows.last * kTile * D_; ++e) {
      velocity_[e] = T(0);
    }
  }
  const bool whole = rows.first == 0 && rows.last == tiles_;
  for (std::int64_t I = rows.first; I < rows.last; ++I) {
    for (std::int64_t J = whole ? I : 0; J < tiles_; ++J) visit(I, J, whole && I != J, pass);
  }
}

template <class T>
void GaussianPairs<T>::visit(std::int64_t I, std::int64_t J, bool both, const Pass& pass) {
  const bool whole_state = keeps_kernel_ && J >= I;
  T* const tile = whole_state ? kept(I, J) : tile_.get();
  if (!pass.reads_kept) {
    // A pass that rescales wants the sums of what comes out of that.
    T* const sums = (pass.scale == nullptr ? sums_ : logs_).get() + I * kTile;
    if (form_ == Form::scattered) {
      fill_scattered(I, J, both, pass.logs, tile, sums);
    } else {
      fill(I, J, both, pass.logs, tile, sums);
    }
  }
  if (pass.scale != nullptr) rescale(I, J, pass.scale, tile);
  if (pass.multiplies) multiply(I, J, tile);
  if (!both) return;
  flip(tile, I, J);
  if (pass.multiplies) multiply(J, I, flipped_.get());
}

template <class T>
void GaussianPairs<T>::fill(std::int64_t I, std::int64_t J, bool both, bool logs, T* tile,
                            T* sums) {
  const T* const x = x_.get();
  const T* const halves = halves_.get();
  const auto run = [&](auto expanded, auto with_logs) {
    fill_tile<T, decltype(expanded)::value, decltype(with_logs)::value>(
        tile, sums, logs_.get() + I * kTile, x + I * D_ * kTile, x + J * D_ * kTile,
        halves + I * kTile, halves + J * kTile, D_, steepness_, both ? T(2) : T(1), vectors_of(I),
        rounded_up(count_of(J), 4));
  };
  using std::false_type;
  using std::true_type;
  if (form_ == Form::expanded) {
    logs ? run(true_type{}, true_type{}) : run(true_type{}, false_type{});
  } else {
    logs ? run(false_type{}, true_type{}) : run(false_type{}, false_type{});
  }
}

/// One pair at a time, from the particles themselves: no length is too large or too small.
template <class T>
void GaussianPairs<T>::fill_scattered(std::int64_t I, std::int64_t J, bool both, bool logs, T* tile,
                                      T* sums) {
  const std::int64_t columns = count_of(I), rows = count_of(J);
  for (std::int64_t j = 0; j < kTile; ++j) {
    const T* const b = particles_ + (J * kTile + j) * D_;
    for (std::int64_t i = 0; i < kTile; ++i) {
      T& k = tile[j * kTile + i];
      k = T(0);
      if (i >= columns || j >= rows) continue;
      const T* const a = particles_ + (I * kTile + i) * D_;
      T square = 0;
      bool equal = true;
      for (std::int64_t d = 0; d < D_; ++d) {
        const T away = (a[d] - b[d]) * inverse_bandwidth_;
        square += away * away;
        equal = equal && a[d] == b[d];
      }
      if (!equal && inverse_bandwidth_ == 0) continue;
      const T exponent = square * -kHalfLog2E<T>;
      k = power_of_two_or_zero<T>(exponent);
      sums[i] += k;
      if (logs && k > 0) logs_[I * kTile + i] += (both ? 2 : 1) * k * exponent;
    }
  }
}

/// tile *= scale_i + scale_j; the sums over rows become those of the product.
template <class T>
void GaussianPairs<T>::rescale(std::int64_t I, std::int64_t J, const T* scale, T* tile) {
  T left[kTile];
  for (std::int64_t i = 0; i < kTile; ++i) left[i] = i < count_of(I) ? scale[I * kTile + i] : T(0);
  for (std::int64_t i = 0; i < vectors_of(I) * kLanes<T>; i += kLanes<T>) {
    const V own = load<V>(left + i);
    V sum = V{};
    for (std::int64_t j = 0; j < count_of(J); ++j) {
      const V k = load<V>(tile + j * kTile + i) * (own + everywhere<V>(scale[J * kTile + j]));
      store(tile + j * kTile + i, k);
      sum = sum + k;
    }
    T* const to = sums_.get() + I * kTile + i;
    store(to, V(load<V>(to) + sum));
  }
}

/// The tile with rows and columns exchanged, and its sums over what were columns.
template <class T>
void GaussianPairs<T>::flip(const T* tile, std::int64_t I, std::int64_t J) {
  const std::int64_t columns = rounded_up(rounded_up(count_of(I), kLanes<T>), 4);
  for (std::int64_t j = 0; j < count_of(J); j += kLanes<T>) {
    V sum = V{};
    for (std::int64_t i = 0; i < columns; i += kLanes<T>) {
      V rows[kLanes<T>];
#pragma GCC unroll 16
      for (int r = 0; r < kLanes<T>; ++r) rows[r] = load<V>(tile + (j + r) * kTile + i);
      transpose<T>(rows);
#pragma GCC unroll 16
      for (int r = 0; r < kLanes<T>; ++r) {
        store(flipped_.get() + (i + r) * kTile + j, rows[r]);
        sum = sum + rows[r];
      }
    }
    T* const to = sums_.get() + J * kTile + j;
    store(to, V(load<V>(to) + sum));
  }
}

template <class T>
void GaussianPairs<T>::multiply(std::int64_t I, std::int64_t J, const T* tile) {
  const std::int64_t vectors = vectors_of(I), rows = rounded_up(count_of(J), 4);
  T* const sums = velocity_.get() + I * D_ * kTile;
  const T* const left = x_.get() + I * D_ * kTile;
  const T* const weights = weights_.get() + J * D_ * kTile;
  if (form_ == Form::expanded || weighted_) {
    multiply_columns<T, false>(sums, tile, left, weights, T(1), D_, vectors, rows);
  }
  if (form_ != Form::expanded && slope_ != 0) {
    multiply_columns<T, true>(sums, tile, left, x_.get() + J * D_ * kTile, slope_, D_, vectors,
                              rows);
  }
}

/// Expanded: the part of slope (x_i - x_j) that does not depend on j.
template <class T>
void GaussianPairs<T>::finish(TileRange rows) {
  if (form_ != Form::expanded) return;
  for (std::int64_t t = rows.first; t < rows.last; ++t) {
    for (std::int64_t d = 0; d < D_; ++d) {
      const std::int64_t at = (t * D_ + d) * kTile;
      for (std::int64_t i = 0; i < kTile; i += kLanes<T>) {
        const V own = load<V>(x_.get() + at + i) * slope_;
        const V sum = load<V>(sums_.get() + t * kTile + i);
        store(velocity_.get() + at + i, V(load<V>(velocity_.get() + at + i) + own * sum));
      }
    }
  }
}

template class GaussianPairs<float>;
template class GaussianPairs<double>;

}  // namespace WPG_ISA
}  // namespace wpg
