// Sums over all pairs of one state's particles with the Gaussian kernel, on a GPU:
//
//   k_ij = exp(-|a_i - a_j|^2 / (2 l^2)),   S_i = sum_j k_ij
//
// Internal to .cu files: svgd_cuda.cu, blob_cuda.cu and kde_cuda.cu launch what is here.
//
// A thread owns kRows particles i, whose coordinates and sums stay in registers, and walks over
// particles j, which lie in shared memory: one load of 16 bytes, the same for all threads that have
// other rows, serves kRows pairs. With x = (a - middle) sqrt(log2 e) / l, h = -|x|^2 / 2 and
// c = slope / (l sqrt(log2 e)) a pair costs, in a cloud near enough to its middle (kNear),
//
//   k' = 2^(h_j + x_i x_j)                 D multiply-adds and a power of two
//   sum_j k', sum_j k' (drift_j - c x_j)   1 + D multiply-adds
//
// and what belongs to i alone is done once: k = 2^h_i k', and c x_i sum_j k. Any other cloud takes
// differences of the particles themselves, then divides them by l, which loses no digit however far
// apart they are, and costs two and a half times as much. Each state has its own form.
//
// Threads: kPairThreads a block. N > kFewParticles: `lanes` threads take lanes * kRows rows of one
// state, and the other threads take the same rows with other particles j (slice s those with
// j = s modulo slices); the slices' sums are added in their order at the end. A state is cut into
// blocks of fewer rows, down to 4 lanes, until there are enough blocks to fill a GPU; every block
// then reads the whole state. N <= kFewParticles: a block takes several states, one slice each.
// More coordinates than registers hold: wide_pairs below.
//
// The cut depends on the shape alone and sums have a fixed order: no bit depends on the device.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "wpg/base/checks.hpp"
#include "wpg/base/cuda_kernel.hpp"
#include "wpg/base/exponential_math.hpp"
#include "wpg/base/gaussian_pairs_math.hpp"
#include "wpg/base/support_math.hpp"

namespace wpg {
namespace cuda {

/// What is summed, and written.
///   kernel   1 / S_i, or log(S_i / N)                         (S, N)
///   score    sum_j k_ij (a_j - a_i) / (l^2 S_i)               (S, N, D)
///   blob     drift_i + temperature sum_j k_ij (1/S_i + 1/S_j) (a_i - a_j) / l^2
///   svgd     (1/N) sum_j k_ij (drift_j + temperature (a_i - a_j) / l^2)
enum class PairSum { kernel, score, blob, svgd };

template <class T>
struct PairTask {
  T* out = nullptr;
  const T* particles = nullptr;
  const T* drift = nullptr;         // svgd and blob
  const T* inverse_sums = nullptr;  // blob: 1 / S (S, N)
  CloudShape shape;
  PerState<T> temperature, bandwidth;
  bool logarithms = false;  // kernel: which of the two
};

/// How the rows of the states are shared out.
struct PairCut {
  int lanes = 1, slices = 1, states = 1;  // of a block
  int rows = 1;                           // of a block in each of its states
  std::int64_t blocks = 1;                // of a state; 1 where a block takes several
  Divider<std::uint32_t> by_blocks, by_lanes;
};

constexpr int kPairThreads = 128;

/// Up to here a block takes several states.
constexpr std::int64_t kFewParticles = 32;
constexpr int kFewRows = 2;

/// Enough blocks to fill a GPU.
constexpr std::int64_t kEnoughBlocks = 256;

/// Coordinates of the kernel that takes D of them, 0 for wide_pairs.
template <class T>
constexpr int padded_dimension(std::int64_t D) {
  if (sizeof(T) == 8) return D <= 2 ? 2 : D <= 4 ? 4 : D <= 8 ? 8 : 0;
  if (D <= 4) return static_cast<int>(D);
  return D <= 6 ? 6 : D <= 8 ? 8 : D <= 12 ? 12 : D <= 16 ? 16 : 0;
}

/// Rows of a thread: as many as its registers hold.
template <class T>
constexpr int pair_rows(int dimension) {
  if (sizeof(T) == 8) return dimension <= 4 ? 4 : 2;
  return dimension <= 8 ? 8 : 4;
}

/// Blocks that a multiprocessor's 65536 registers are for, so that no thread runs out of them: rows
/// and their sums take so many words, all else some sixty, in double more.
template <class T>
constexpr int pair_residents(int dimension, int rows) {
  const int words = rows * (2 * dimension + 1) * static_cast<int>(sizeof(T) / 4);
  if (words > (sizeof(T) == 8 ? 60 : 108)) return 2;
  return sizeof(T) == 8 ? (words > 20 ? 3 : 4) : (dimension > 8 || words > 72 ? 3 : 4);
}

// A wide block: rows, particles j and coordinates of a step, columns of the result.
constexpr int kWideRows = 32, kWideStep = 16, kWideStride = 36;
template <class T>
constexpr int kWideColumns = sizeof(T) == 4 ? 64 : 32;

template <class T>
PairCut pair_cut(const CloudShape& shape) {
  PairCut cut;
  const std::int64_t S = shape.states, N = shape.particles;
  const int dimension = padded_dimension<T>(shape.dimension);
  const auto over = [](std::int64_t count, std::int64_t by) { return (count + by - 1) / by; };
  if (dimension == 0) {
    cut.rows = kWideRows;
  } else if (N <= kFewParticles) {
    cut.lanes = static_cast<int>(over(N, kFewRows));
    cut.rows = static_cast<int>(N);
    // 128 particles fit into every kernel's shared memory.
    const std::int64_t most = kPairThreads / N, wanted = over(S, kEnoughBlocks);
    cut.states = static_cast<int>(wanted < most ? wanted : most);
  } else {
    const int each = pair_rows<T>(dimension);
    std::int64_t lanes = over(N, each) < 32 ? over(N, each) : 32;
    while (lanes > 4 && S * over(N, lanes * each) < kEnoughBlocks) lanes = (lanes + 1) / 2;
    cut.lanes = static_cast<int>(lanes);
    cut.slices = static_cast<int>(kPairThreads / lanes);
    cut.rows = cut.lanes * each;
  }
  cut.blocks = over(N, cut.rows);
  cut.by_blocks = Divider<std::uint32_t>(static_cast<std::uint32_t>(cut.blocks));
  cut.by_lanes = Divider<std::uint32_t>(static_cast<std::uint32_t>(cut.lanes));
  return cut;
}

/// Do several blocks read a state? Then it must not be overwritten in place.
template <class T>
bool pairs_are_split(const CloudShape& shape) {
  if (shape.size() == 0) return false;
  return pair_cut<T>(shape).blocks > 1 ||
         (padded_dimension<T>(shape.dimension) == 0 && shape.dimension > kWideColumns<T>);
}

enum class PairForm { lost, near, far };

/// sqrt(log2 e).
template <class T>
inline constexpr T kRootLog2E = T(1.2011224087864498);

/// What a state's form and bandwidth make of coordinates.
template <class T>
struct PairUnits {
  PairForm form;
  T inverse;          // lengths of 1 afterwards: sqrt(log2 e) / l
  T minus_steepness;  // far: exponent = minus_steepness |difference|^2
  T slope;            // of differences in these units
};

/// The limit of bandwidth 0: differences become so large that only equal particles meet.
template <class T>
inline constexpr T kBeyond = sizeof(T) == 4 ? T(0x1p127) : T(0x1p1000);

template <class T>
__device__ __forceinline__ PairUnits<T> pair_units(PairForm form, T bandwidth, T slope) {
  if (bandwidth < kLeastBandwidth<T>) return {form, kBeyond<T>, -kBeyond<T>, T(0)};
  return {form, kRootLog2E<T> / bandwidth, T(-0.5), slope * (1 / (kRootLog2E<T> * bandwidth))};
}

template <class T>
__device__ __forceinline__ bool is_finite_number(T x) {
  return x - x == T(0);
}

/// Does a coordinate, or the bandwidth, rule out that squares are expanded? NaN does.
template <class T>
__device__ __forceinline__ bool is_far(T half_square) {
  return !(half_square <= kNear<T>);
}

/// The form of a state of which `lost` numbers are not finite and `away` particles are far.
template <class T>
__device__ __forceinline__ PairForm pair_form(T bandwidth, int lost, int away) {
  if (lost > 0 || !is_finite_number(bandwidth)) return PairForm::lost;
  return away > 0 || bandwidth < kLeastBandwidth<T> ? PairForm::far : PairForm::near;
}

template <PairSum kSum, class T>
__device__ __forceinline__ T pair_slope(const PairTask<T>& task, std::int64_t state) {
  return kSum == PairSum::score ? T(-1) : of_state(task.temperature, state);
}

/// A result from its sums.
template <PairSum kSum, class T>
__device__ __forceinline__ T pair_result(T sum, T kernel_sum, T drift, T particles,
                                         bool logarithms) {
  if constexpr (kSum == PairSum::kernel) {
    return logarithms ? std::log(kernel_sum / particles) : 1 / kernel_sum;
  } else if constexpr (kSum == PairSum::score) {
    return sum / kernel_sum;
  } else if constexpr (kSum == PairSum::blob) {
    return finite_or_nan<T>(drift + sum);
  } else {
    return finite_or_nan<T>(sum * (1 / particles));
  }
}

/// What a kernel's block keeps in shared memory of a particle j: x, h and, for svgd, drift - c x,
/// for blob 1 / S_j; a plane of 16 bytes each, so that neither staging nor reading has conflicts.
template <PairSum kSum, class T, int kD>
struct PairRecord {
  static constexpr int kHalf = kD, kExtra = kD + 1;
  static constexpr int kWords = kSum == PairSum::svgd   ? 2 * kD + 1
                                : kSum == PairSum::blob ? kD + 2
                                                        : kD + 1;
  static constexpr int kQuads = (kWords + Quad<T>::kCount - 1) / Quad<T>::kCount;
  static constexpr int kSlots = kQuads > 5 ? 128 : 256;
  static constexpr bool kVectors = kSum != PairSum::kernel;
  static constexpr bool kKernel = kSum == PairSum::kernel || kSum == PairSum::score;
  /// Sums of a row that are written.
  static constexpr int kValues = (kVectors ? kD : 0) + (kKernel ? 1 : 0);

  T word[kQuads * Quad<T>::kCount];

  __device__ __forceinline__ void load(const Quad<T>* tile, int slot) {
    for (int q = 0; q < kQuads; ++q) {
      const Quad<T> quad = tile[q * kSlots + slot];
      for (int k = 0; k < Quad<T>::kCount; ++k) word[q * Quad<T>::kCount + k] = quad.x[k];
    }
  }
  __device__ __forceinline__ void store(Quad<T>* tile, int slot) const {
    for (int q = 0; q < kQuads; ++q) {
      Quad<T> quad;
      for (int k = 0; k < Quad<T>::kCount; ++k) quad.x[k] = word[q * Quad<T>::kCount + k];
      tile[q * kSlots + slot] = quad;
    }
  }
};

/// A thread's rows.
template <class T, int kD, int kRows>
struct PairRows {
  T x[kRows][kD], sum[kRows][kD], kernel[kRows], own[kRows];
};

/// Adds what particles first, first + step, ... of the tile are to the rows.
template <PairSum kSum, class T, int kD, int kRows>
__device__ __forceinline__ void add_near(PairRows<T, kD, kRows>& rows, const Quad<T>* tile,
                                         int first, int last, int step) {
  using Record = PairRecord<kSum, T, kD>;
  for (int slot = first; slot < last; slot += step) {
    Record other;
    other.load(tile, slot);
    WPG_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      T e = other.word[Record::kHalf];
      WPG_UNROLL(16)
      for (int d = 0; d < kD; ++d) e += rows.x[r][d] * other.word[d];
      T k = power_of_two_of_device<T>(e);
      if constexpr (kSum == PairSum::blob) k *= rows.own[r] + other.word[Record::kExtra];
      rows.kernel[r] += k;
      if constexpr (Record::kVectors) {
        constexpr int kFrom = kSum == PairSum::svgd ? Record::kExtra : 0;
        WPG_UNROLL(16)
        for (int d = 0; d < kD; ++d) rows.sum[r][d] += k * other.word[kFrom + d];
      }
    }
  }
}

template <PairSum kSum, class T, int kD, int kRows>
__device__ __forceinline__ void add_far(PairRows<T, kD, kRows>& rows, const Quad<T>* tile,
                                        int first, int last, int step, const PairUnits<T>& units) {
  using Record = PairRecord<kSum, T, kD>;
  for (int slot = first; slot < last; slot += step) {
    Record other;
    other.load(tile, slot);
    WPG_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      T away[kD], square = 0;
      WPG_UNROLL(16)
      for (int d = 0; d < kD; ++d) {
        away[d] = (rows.x[r][d] - other.word[d]) * units.inverse;
        square += away[d] * away[d];
      }
      T k = power_of_two_of_device<T>(square * units.minus_steepness);
      if (!(k > T(0))) continue;  // the difference may be infinite; and most particles are away
      if constexpr (kSum == PairSum::blob) k *= rows.own[r] + other.word[Record::kExtra];
      rows.kernel[r] += k;
      if constexpr (Record::kVectors) {
        WPG_UNROLL(16)
        for (int d = 0; d < kD; ++d) {
          T term = away[d];
          if constexpr (kSum == PairSum::svgd) {
            term = other.word[Record::kExtra + d] + units.slope * term;
          }
          rows.sum[r][d] += k * term;
        }
      }
    }
  }
}

/// From sums over j to the parts of them that depend on i.
template <PairSum kSum, class T, int kD, int kRows>
__device__ __forceinline__ void finish_rows(PairRows<T, kD, kRows>& rows,
                                            const PairUnits<T>& units) {
  for (int r = 0; r < kRows; ++r) {
    T factor = 1;
    if (units.form == PairForm::near) {
      T half = 0;
      for (int d = 0; d < kD; ++d) half += rows.x[r][d] * rows.x[r][d];
      factor = power_of_two_of_device<T>(T(-0.5) * half);
      for (int d = 0; d < kD; ++d) {
        const T pull = rows.x[r][d] * rows.kernel[r];
        if constexpr (kSum == PairSum::svgd) {
          rows.sum[r][d] = (rows.sum[r][d] + units.slope * pull) * factor;
        } else {
          rows.sum[r][d] = units.slope * (pull - rows.sum[r][d]) * factor;
        }
      }
    } else if (kSum != PairSum::svgd) {
      for (int d = 0; d < kD; ++d) rows.sum[r][d] *= units.slope;
    }
    rows.kernel[r] *= factor;
  }
}

/// The middle of a state's box, and how many of its numbers are not finite and of its particles
/// far; by the whole block. `room` is for 2 kPairThreads numbers.
template <class T, int kD>
__device__ __forceinline__ void measure_state(const T* cloud, int N, int D, T inverse, T* middle,
                                              int* lost, int* away, T* room) {
  const int t = static_cast<int>(threadIdx.x);
  // Neighbouring threads take neighbouring numbers, and each stays with one coordinate.
  const int d = t % D, k = t / D;
  int each = kPairThreads / D;
  T low = cloud[d], high = low;
  bool finite = true;
  if (k < each) {
    for (int n = k; n < N; n += each) {
      const T x = cloud[std::int64_t{n} * D + d];
      finite = finite && is_finite_number(x);
      low = smaller(x, low);
      high = larger(x, high);
    }
  }
  room[t] = low;
  room[kPairThreads + t] = high;
  if (!finite) atomicAdd(lost, 1);
  __syncthreads();
  while (each > 1) {
    const int half = (each + 1) / 2;
    if (k + half < each) {
      const int other = t + half * D;
      room[t] = smaller(room[other], room[t]);
      room[kPairThreads + t] = larger(room[kPairThreads + other], room[kPairThreads + t]);
    }
    each = half;
    __syncthreads();
  }
  if (t < kD) middle[t] = t < D ? (room[kPairThreads + t] + room[t]) / 2 : T(0);
  __syncthreads();
  bool far = false;
  for (int n = t; n < N; n += kPairThreads) {
    const T* const particle = cloud + std::int64_t{n} * D;
    T half = 0;
    for (int c = 0; c < kD; ++c) {
      const T a = particle[c < D ? c : 0], z = c < D ? (a - middle[c]) * inverse : T(0);
      half += T(0.5) * z * z;
    }
    far = far || is_far(half);
  }
  if (far) atomicAdd(away, 1);
  __syncthreads();
}

/// The same for several states, each thread on its own.
template <class T, int kD>
__device__ __forceinline__ void measure_states(const T* clouds, int states, int N, int D,
                                               const PerState<T>& bandwidth,
                                               std::int64_t first_state, T* middle, int* lost,
                                               int* away) {
  const int t = static_cast<int>(threadIdx.x);
  for (int p = t; p < states * kD; p += kPairThreads) {
    const int local = p / kD, d = p % kD;
    middle[p] = T(0);
    if (d >= D) continue;
    const T* const from = clouds + std::int64_t{local} * N * D + d;
    T low = from[0], high = low;
    bool finite = true;
    for (int n = 0; n < N; ++n) {
      const T x = from[n * D];
      finite = finite && is_finite_number(x);
      low = smaller(x, low);
      high = larger(x, high);
    }
    middle[p] = (high + low) / 2;
    if (!finite) atomicAdd(lost + local, 1);
  }
  __syncthreads();
  for (int slot = t; slot < states * N; slot += kPairThreads) {
    const int local = slot / N;
    const T inverse = kRootLog2E<T> / of_state(bandwidth, first_state + local);
    T half = 0;
    for (int c = 0; c < kD; ++c) {
      const T a = clouds[std::int64_t{slot} * D + (c < D ? c : 0)];
      const T z = c < D ? (a - middle[local * kD + c]) * inverse : T(0);
      half += T(0.5) * z * z;
    }
    if (is_far(half)) atomicAdd(away + local, 1);
  }
  __syncthreads();
}

/// Bytes before the middles: of a tile, of the sums of all slices, of a box's ends.
template <PairSum kSum, class T, int kD, int kRows>
struct PairRoom {
  using Record = PairRecord<kSum, T, kD>;
  static constexpr int kTile = 16 * Record::kQuads * Record::kSlots;
  static constexpr int kNumber = kPairThreads * static_cast<int>(sizeof(T));
  static constexpr int kSums = kRows * Record::kValues * kNumber, kEnds = 2 * kNumber;
  static constexpr int kMost = kTile > kSums ? kTile : kSums;
  static constexpr int kBytes = kMost > kEnds ? kMost : kEnds;
};

template <PairSum kSum, class T, int kD, int kRows, bool kSeveral>
__global__ void __launch_bounds__(kPairThreads, (pair_residents<T>(kD, kRows)))
    sum_pairs(const __grid_constant__ PairTask<T> task, const __grid_constant__ PairCut cut) {
  using Record = PairRecord<kSum, T, kD>;
  const int N = static_cast<int>(task.shape.particles);
  const int D = static_cast<int>(task.shape.dimension), t = static_cast<int>(threadIdx.x);
  const auto place = divide(std::uint32_t{blockIdx.x}, cut.by_blocks);
  const std::int64_t first_state = std::int64_t{place.whole} * (kSeveral ? cut.states : 1);
  const int first_row = kSeveral ? 0 : static_cast<int>(place.rest) * cut.rows;
  const std::int64_t left = task.shape.states - first_state;
  const int states = !kSeveral ? 1 : left < cut.states ? static_cast<int>(left) : cut.states;
  const auto group = divide(static_cast<std::uint32_t>(t), cut.by_lanes);
  const int lane = static_cast<int>(group.rest);
  const int local = kSeveral ? static_cast<int>(group.whole) : 0;
  const int slice = kSeveral ? 0 : static_cast<int>(group.whole);
  const bool works = kSeveral ? local < states : slice < cut.slices;
  const std::int64_t state = first_state + (works ? local : 0);

  Quad<T>* const tile = shared_memory<Quad<T>>();
  T* const middles = shared_memory<T>(PairRoom<kSum, T, kD, kRows>::kBytes);
  int* const lost = reinterpret_cast<int*>(middles + cut.states * kD);
  int* const away = lost + cut.states;
  int* const broken = away + cut.states;  // svgd: drifts of a coordinate that are not finite
  const T* const clouds = task.particles + first_state * N * D;
  for (int p = t; p < cut.states * (2 + kD); p += kPairThreads) lost[p] = 0;
  __syncthreads();
  if constexpr (kSeveral) {
    measure_states<T, kD>(clouds, states, N, D, task.bandwidth, first_state, middles, lost, away);
  } else {
    measure_state<T, kD>(clouds, N, D, kRootLog2E<T> / of_state(task.bandwidth, first_state),
                         middles, lost, away, shared_memory<T>());
  }

  const auto units_of = [&](int which) {
    const std::int64_t s = first_state + which;
    const T bandwidth = of_state(task.bandwidth, s);
    const T slope = kSum == PairSum::kernel ? T(0) : pair_slope<kSum>(task, s);
    return pair_units(pair_form(bandwidth, lost[which], away[which]), bandwidth, slope);
  };
  // A particle's coordinate in its state's units; without branches, so that loads are not waited
  // for one by one.
  const auto coordinate = [&](const PairUnits<T>& its, int which, const T* particle, int d) {
    const T a = particle[d < D ? d : 0], middle = middles[which * kD + d];
    const T x = its.form == PairForm::near ? (a - middle) * its.inverse : a;
    return d < D ? x : T(0);
  };

  const PairUnits<T> units = units_of(works ? local : 0);
  PairRows<T, kD, kRows> rows;
  WPG_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    const int row = first_row + lane + r * cut.lanes;
    const std::int64_t at = state * N + (row < N ? row : N - 1);
    rows.kernel[r] = T(0);
    rows.own[r] = kSum == PairSum::blob ? task.inverse_sums[at] : T(0);
    WPG_UNROLL(16)
    for (int d = 0; d < kD; ++d) {
      rows.x[r][d] = coordinate(units, works ? local : 0, task.particles + at * D, d);
      rows.sum[r][d] = T(0);
    }
  }

  const int count = kSeveral ? states * N : N;
  for (int first = 0; first < count; first += Record::kSlots) {
    const int here = count - first < Record::kSlots ? count - first : Record::kSlots;
    __syncthreads();
    for (int slot = t; slot < here; slot += kPairThreads) {
      const int which = kSeveral ? slot / N : 0;
      const std::int64_t at = first_state * N + first + slot;
      const PairUnits<T> its = kSeveral ? units_of(which) : units;
      Record record{};
      T half = 0;
      for (int d = 0; d < kD; ++d) {
        const T x = coordinate(its, which, task.particles + at * D, d);
        half += T(0.5) * x * x;
        record.word[d] = x;
        if constexpr (kSum == PairSum::svgd) {
          const T along = task.drift[at * D + (d < D ? d : 0)];
          record.word[Record::kExtra + d] =
              its.form == PairForm::near ? along - its.slope * x : along;
          // A far particle's is seen by nobody, but lost to all.
          if (!is_finite_number(along)) atomicAdd(broken + which * kD + (d < D ? d : 0), 1);
        }
      }
      record.word[Record::kHalf] = -half;
      if constexpr (kSum == PairSum::blob) {
        record.word[Record::kExtra] = task.inverse_sums[at];
      }
      record.store(tile, slot);
    }
    __syncthreads();
    if (!works || units.form == PairForm::lost) continue;
    const int from = kSeveral ? local * N : slice;
    const int until = kSeveral ? from + N : here;
    const int step = kSeveral ? 1 : cut.slices;
    if (units.form == PairForm::near) {
      add_near<kSum>(rows, tile, from, until, step);
    } else {
      add_far<kSum>(rows, tile, from, until, step, units);
    }
  }
  if (works) finish_rows<kSum>(rows, units);

  const T particles = static_cast<T>(N);
  T* const out = task.out + first_state * N * (Record::kVectors ? D : 1);
  const T* const drift = task.drift + (kSum == PairSum::blob ? first_state * N * D : 0);
  if constexpr (kSeveral) {
    if (!works) return;
    for (int r = 0; r < kRows; ++r) {
      const int row = lane + r * cut.lanes;
      if (row >= N) continue;
      const std::int64_t at = std::int64_t{local * N + row} * (Record::kVectors ? D : 1);
      for (int d = 0; d < (Record::kVectors ? kD : 1); ++d) {
        if (Record::kVectors && d >= D) continue;
        const T along = kSum == PairSum::blob ? drift[at + d] : T(0);
        const T result = pair_result<kSum>(Record::kVectors ? rows.sum[r][d] : T(0), rows.kernel[r],
                                           along, particles, task.logarithms);
        const bool is_lost = kSum == PairSum::svgd && broken[local * kD + d] > 0;
        out[at + d] = units.form == PairForm::lost || is_lost ? kNotANumber<T> : result;
      }
    }
  } else {
    // Value v of thread t is at v * kPairThreads + t; the sum over slices takes the first's place.
    T* const sums = shared_memory<T>();
    constexpr int kValues = Record::kValues;
    __syncthreads();
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kValues; ++v) {
        const bool is_kernel = !Record::kVectors || v == kD;
        sums[(r * kValues + v) * kPairThreads + t] =
            is_kernel ? rows.kernel[r] : rows.sum[r][is_kernel ? 0 : v];
      }
    }
    __syncthreads();
    for (int item = t; item < kRows * kValues * cut.lanes; item += kPairThreads) {
      const auto at = divide(static_cast<std::uint32_t>(item), cut.by_lanes);
      T* const value = sums + at.whole * kPairThreads + at.rest;
      T total = value[0];
      for (int s = 1; s < cut.slices; ++s) total += value[s * cut.lanes];
      value[0] = total;
    }
    __syncthreads();
    const int here = N - first_row < cut.rows ? N - first_row : cut.rows;
    const int columns = Record::kVectors ? D : 1;
    for (int o = t; o < here * columns; o += kPairThreads) {
      const int row = o / columns, d = o - row * columns;
      const auto at = divide(static_cast<std::uint32_t>(row), cut.by_lanes);
      const T* const value = sums + at.whole * kValues * kPairThreads + at.rest;
      const std::int64_t to = std::int64_t{first_row} * columns + o;
      const T along = kSum == PairSum::blob ? drift[to] : T(0);
      const T kernel_sum = Record::kKernel ? value[(kValues - 1) * kPairThreads] : T(0);
      const T result =
          pair_result<kSum>(value[d * kPairThreads], kernel_sum, along, particles, task.logarithms);
      const bool is_lost = kSum == PairSum::svgd && broken[d] > 0;
      out[to] = units.form == PairForm::lost || is_lost ? kNotANumber<T> : result;
    }
  }
}

/// Any number of coordinates: a block takes kWideRows rows and kWideColumns coordinates of the
/// result (blockIdx.y), against tiles of kWideRows particles j. The kernel of a tile comes from all
/// coordinates, kWideStep at a time, 2 x 4 pairs a thread, and is left in shared memory; then it is
/// multiplied by the tile's vectors, 2 rows and a quarter of a warp's columns a thread. A cloud is
/// near when it is so around its first particle, which stands for the middle.
template <PairSum kSum, class T>
__global__ void __launch_bounds__(kPairThreads, 3)
    sum_wide_pairs(const __grid_constant__ PairTask<T> task, const __grid_constant__ PairCut cut) {
  constexpr int kColumns = kWideColumns<T>;
  constexpr bool kVectors = kSum != PairSum::kernel;
  const std::int64_t N = task.shape.particles, D = task.shape.dimension;
  const int t = static_cast<int>(threadIdx.x);
  const auto place = divide(std::uint32_t{blockIdx.x}, cut.by_blocks);
  const std::int64_t state = place.whole, first_row = std::int64_t{place.rest} * kWideRows;
  const std::int64_t first_column = std::int64_t{blockIdx.y} * kColumns;
  const int columns =
      static_cast<int>(D - first_column < kColumns ? D - first_column : std::int64_t{kColumns});
  T* const own = shared_memory<T>();                    // [coordinate][row]
  T* const others = own + kWideStep * kWideStride;      // [coordinate][j]
  T* const kernel = others + kWideStep * kWideStride;   // [j][row]
  T* const vectors = kernel + kWideRows * kWideStride;  // [j][column]: drift - c x, drift
  T* const positions = vectors + kWideRows * kColumns;  // far: [j][column]
  int* const counts = reinterpret_cast<int*>(positions + kWideRows * kColumns);
  const T* const cloud = task.particles + state * N * D;
  const T bandwidth = of_state(task.bandwidth, state);
  if (t < 2) counts[t] = 0;
  __syncthreads();
  {
    const T inverse = kRootLog2E<T> / bandwidth;
    const int lane = t % 32;
    bool finite = true, far = false;
    for (std::int64_t n = t / 32; n < N; n += kPairThreads / 32) {
      T half = 0;
      for (std::int64_t d = lane; d < D; d += 32) {
        const T a = cloud[n * D + d], z = (a - cloud[d]) * inverse;
        finite = finite && is_finite_number(a);
        half += T(0.5) * z * z;
      }
      far = far || is_far(warp_sum(half));
    }
    if (!finite) atomicAdd(counts, 1);
    if (far) atomicAdd(counts + 1, 1);
  }
  __syncthreads();
  const T slope = kVectors ? pair_slope<kSum>(task, state) : T(0);
  const PairUnits<T> units =
      pair_units(pair_form(bandwidth, counts[0], counts[1]), bandwidth, slope);
  const bool near = units.form == PairForm::near;
  const auto coordinate = [&](std::int64_t n, std::int64_t d) {
    if (n >= N || d >= D) return T(0);
    const T a = cloud[n * D + d];
    return near ? (a - cloud[d]) * units.inverse : a;
  };
  const T apart = near ? T(1) : units.inverse;
  const T minus_steepness = near ? T(-0.5) : units.minus_steepness;

  const int pair = t / 8, quarter = t % 8;  // rows 2 pair, 2 pair + 1; 4 particles or columns
  T sum[2][kColumns / 8] = {}, total[2] = {}, at[2][kColumns / 8] = {};
  if constexpr (kVectors) {
    for (int a = 0; a < 2; ++a) {
      for (int c = 0; c < kColumns / 8; ++c) {
        const int column = c / 4 * 32 + quarter * 4 + c % 4;
        if (column < columns) {
          at[a][c] = coordinate(first_row + 2 * pair + a, first_column + column);
        }
      }
    }
  }
  const std::int64_t until = units.form == PairForm::lost ? 0 : N;
  for (std::int64_t first = 0; first < until; first += kWideRows) {
    const int here = static_cast<int>(N - first < kWideRows ? N - first : std::int64_t{kWideRows});
    T square[2][4] = {};
    for (std::int64_t from = 0; from < D; from += kWideStep) {
      __syncthreads();
      for (int e = t; e < kWideRows * kWideStep; e += kPairThreads) {
        const int n = e / kWideStep, d = e % kWideStep;
        own[d * kWideStride + n] = coordinate(first_row + n, from + d);
        others[d * kWideStride + n] = coordinate(first + n, from + d);
      }
      __syncthreads();
      for (int d = 0; d < kWideStep; ++d) {
        const T* const mine = own + d * kWideStride + 2 * pair;
        const T* const theirs = others + d * kWideStride + 4 * quarter;
        for (int a = 0; a < 2; ++a) {
          for (int b = 0; b < 4; ++b) {
            const T away = (mine[a] - theirs[b]) * apart;
            square[a][b] += away * away;
          }
        }
      }
    }
    for (int b = 0; b < 4; ++b) {
      const int j = 4 * quarter + b;
      for (int a = 0; a < 2; ++a) {
        const std::int64_t row = first_row + 2 * pair + a;
        T k = power_of_two_of_device<T>(square[a][b] * minus_steepness);
        if constexpr (kSum == PairSum::blob) {
          const T* const inverse_sums = task.inverse_sums + state * N;
          k *= (row < N ? inverse_sums[row] : T(0)) + (j < here ? inverse_sums[first + j] : T(0));
        }
        kernel[j * kWideStride + 2 * pair + a] = k;
      }
    }
    if constexpr (kVectors) {
      for (int e = t; e < kWideRows * kColumns; e += kPairThreads) {
        const int j = e / kColumns, c = e % kColumns;
        if (j >= here || c >= columns) continue;
        const T x = coordinate(first + j, first_column + c);
        const T along = kSum == PairSum::svgd
                            ? task.drift[(state * N + first + j) * D + first_column + c]
                            : T(0);
        vectors[e] = near ? along - units.slope * x : along;
        positions[e] = x;
      }
    }
    __syncthreads();
    for (int j = 0; j < here; ++j) {
      const T* const k = kernel + j * kWideStride + 2 * pair;
      for (int a = 0; a < 2; ++a) total[a] += k[a];
      if constexpr (kVectors) {
        for (int c = 0; c < kColumns / 8; ++c) {
          const int column = c / 4 * 32 + quarter * 4 + c % 4;
          if (c % 4 == 0 && c / 4 * 32 >= columns) break;
          const T vector = vectors[j * kColumns + column];
          for (int a = 0; a < 2; ++a) {
            T term = vector;
            if (!near && k[a] > T(0)) {
              term += units.slope * ((at[a][c] - positions[j * kColumns + column]) * apart);
            }
            sum[a][c] += k[a] * term;
          }
        }
      }
    }
  }
  const bool lost = units.form == PairForm::lost;
  const T particles = static_cast<T>(N);
  for (int a = 0; a < 2; ++a) {
    const std::int64_t row = first_row + 2 * pair + a;
    if (row >= N) continue;
    if constexpr (kVectors) {
      for (int c = 0; c < kColumns / 8; ++c) {
        const int column = c / 4 * 32 + quarter * 4 + c % 4;
        if (column >= columns) continue;
        const std::int64_t to = (state * N + row) * D + first_column + column;
        const T along = kSum == PairSum::blob ? task.drift[to] : T(0);
        const T pull = near ? units.slope * (at[a][c] * total[a]) : T(0);
        const T result = pair_result<kSum>(sum[a][c] + pull, total[a], along, particles, false);
        task.out[to] = lost ? kNotANumber<T> : result;
      }
    } else if (quarter == 0) {
      task.out[state * N + row] =
          lost ? kNotANumber<T>
               : pair_result<kSum>(T(0), total[a], T(0), particles, task.logarithms);
    }
  }
}

template <PairSum kSum, class T, int kD, int kRows, bool kSeveral>
void launch_pairs(const char* what, const PairTask<T>& task, const PairCut& cut, CudaStream on) {
  const std::int64_t blocks =
      kSeveral ? (task.shape.states + cut.states - 1) / cut.states : task.shape.states * cut.blocks;
  const std::int64_t shared =
      PairRoom<kSum, T, kD, kRows>::kBytes +
      cut.states *
          (kD * static_cast<std::int64_t>(sizeof(T) + sizeof(int)) + 2 * std::int64_t{sizeof(int)});
  launch(what, on, {blocks, kPairThreads, shared}, sum_pairs<kSum, T, kD, kRows, kSeveral>, task,
         cut);
}

/// Launches the sums of all states.
template <PairSum kSum, class T>
void sum_all_pairs(const char* what, const PairTask<T>& task, CudaStream on) {
  const PairCut cut = pair_cut<T>(task.shape);
  const auto run = [&](auto dimension) {
    constexpr int kD = decltype(dimension)::value;
    if (task.shape.particles <= kFewParticles) {
      launch_pairs<kSum, T, kD, kFewRows, true>(what, task, cut, on);
    } else {
      launch_pairs<kSum, T, kD, pair_rows<T>(kD), false>(what, task, cut, on);
    }
  };
  using std::integral_constant;
  switch (padded_dimension<T>(task.shape.dimension)) {
    case 2:
      return run(integral_constant<int, 2>{});
    case 4:
      return run(integral_constant<int, 4>{});
    case 8:
      return run(integral_constant<int, 8>{});
    case 0:
      break;
    default:
      if constexpr (sizeof(T) == 4) {
        switch (padded_dimension<T>(task.shape.dimension)) {
          case 1:
            return run(integral_constant<int, 1>{});
          case 3:
            return run(integral_constant<int, 3>{});
          case 6:
            return run(integral_constant<int, 6>{});
          case 12:
            return run(integral_constant<int, 12>{});
          default:
            return run(integral_constant<int, 16>{});
        }
      }
  }
  const std::int64_t numbers =
      2 * kWideStep * kWideStride + kWideRows * (kWideStride + 2 * kWideColumns<T>);
  const std::int64_t columns = kSum == PairSum::kernel ? 1 : task.shape.dimension;
  launch(what, on,
         {task.shape.states * cut.blocks, kPairThreads,
          numbers * static_cast<std::int64_t>(sizeof(T)) + 2 * std::int64_t{sizeof(int)},
          static_cast<int>((columns + kWideColumns<T> - 1) / kWideColumns<T>)},
         sum_wide_pairs<kSum, T>, task, cut);
}

/// `from` where `out` is not the same memory, or nothing splits its states; else a copy in
/// `scratch`, (S, N, D).
template <class T>
const T* kept_for_pairs(const T* from, const T* out, T* scratch, const CloudShape& shape,
                        CudaStream on, const char* what) {
  if (from != out || !pairs_are_split<T>(shape)) return from;
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_success(cudaMemcpyAsync(scratch, from, bytes, cudaMemcpyDeviceToDevice, on), what);
  return scratch;
}

/// Above there would be no end to the pairs, and 32 bits suffice for a particle.
inline void require_countable_pairs(const CloudShape& shape) {
  WPG_REQUIRE(shape.particles < (std::int64_t{1} << 30),
              "particles: N = " + std::to_string(shape.particles) +
                  "; on a GPU there may be less than 2^30 in a state");
}

inline void require_scratch(bool given, std::int64_t numbers, const char* sizes) {
  WPG_REQUIRE(given || numbers == 0, "scratch is null; it must hold the " +
                                         std::to_string(numbers) + " numbers that " + sizes +
                                         " says");
}

}  // namespace cuda
}  // namespace wpg
