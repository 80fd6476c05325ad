// How the threads share out the work.
//
// A block takes up to four states and, of each, a few warps' worth of particles. It walks over the
// centres in tiles:
//
//   1. every thread takes centres of its own, loads their coordinates once and finds the exponents
//      log2 (|weight| k_s) at all states of the block; the actions of the tile go to shared memory;
//   2. one warp a state finds the highest exponent so far and lists the centres that matter;
//   3. every warp walks over the list of its state, a lane a centre, with kP particles and their
//      sums in registers.
//
// So the table is read once for four states and all their particles (4096 centres of 17 + 6
// coordinates for 16384 states: 1.7 GB out of the second cache), a pair costs its 2 D
// multiply-adds, one power of two, a sign and a sum, and 16 bytes from shared memory serve kP
// pairs. When a tile raises the highest exponent, to which all terms are relative, the sums so far
// are multiplied by a power of two; a centre that was kept by the lower mark before stays in the
// sum.
//
// A lane adds its centres in their order, lanes are added in a fixed shape: which states and
// particles share a block changes no bit. Blocks are made smaller where there are too few of them
// to fill a GPU.
//
// More coordinates than registers hold: evaluate_wide below.
#include <type_traits>

#include "wpg/base/cuda_kernel.hpp"
#include "wpg/base/exponential_math.hpp"
#include "wpg/critics/kernel_q.hpp"
#include "wpg/critics/kernel_q_checks.hpp"
#include "wpg/critics/kernel_q_cuda.hpp"
#include "wpg/critics/kernel_q_math.hpp"
#include "wpg/critics/profiles/profiles_math.hpp"

namespace wpg {
namespace cuda {
namespace {

// ---------------------------------------------------------------- the table

/// Coordinates of the widest kernel that keeps particles in registers.
template <class T>
constexpr int kWidest = sizeof(T) == 4 ? 32 : 8;

/// Centres are filled up to whole tiles, the largest of which this is.
constexpr std::int64_t kTableTile = 512;

/// Where the parts of a table stand: units, then rows of `stride` numbers, a centre in a column.
template <class T>
struct Table {
  std::int64_t stride;
  T *state_unit, *action_unit, *gradient_unit, *middle;
  T* states;       // O rows
  T* log_weights;  // log2; -infinity where there is none, which no list ever takes
  T* actions;      // D rows, relative to the middle
  T* signs;        // +0 or -0
  T* squares;      // of the actions
  T* by_center;    // (M, D), the actions once more; null where D <= kWidest

  Table(T* table, std::int64_t M, std::int64_t O, std::int64_t D)
      : stride((M + kTableTile - 1) / kTableTile * kTableTile),
        state_unit(table + kCounts),
        action_unit(state_unit + O),
        gradient_unit(action_unit + D),
        middle(gradient_unit + D),
        states(table + (kCounts + O + 3 * D + 31) / 32 * 32),
        log_weights(states + O * stride),
        actions(log_weights + stride),
        signs(actions + D * stride),
        squares(signs + stride),
        by_center(D > kWidest<T> ? squares + stride : nullptr) {}

  static std::int64_t size(std::int64_t M, std::int64_t O, std::int64_t D) {
    const std::int64_t stride = (M + kTableTile - 1) / kTableTile * kTableTile;
    return (kCounts + O + 3 * D + 31) / 32 * 32 + (O + D + 3) * stride +
           (D > kWidest<T> ? M * D : 0);
  }

  // First in the table: how many centres are lost, and how many too far from the middle.
  static constexpr std::int64_t kCounts = 32;
  __device__ int* counts() const { return reinterpret_cast<int*>(state_unit - kCounts); }
  __device__ bool lost() const { return counts()[0] > 0; }
  __device__ bool near() const { return counts()[1] == 0; }
};

template <class T>
__device__ __forceinline__ bool is_finite_number(T x) {
  return x - x == T(0);
}

/// Numbers of the host that travel as a kernel's argument.
template <class T>
struct Numbers {
  static constexpr std::int64_t kCount = 128;
  T number[kCount];
};

template <class T>
__global__ void __launch_bounds__(128)
    write_numbers(T* to, int count, const __grid_constant__ Numbers<T> from) {
  if (static_cast<int>(threadIdx.x) < count) to[threadIdx.x] = from.number[threadIdx.x];
}

/// to[i] = factor / lengthscale[i], or 1 / (factor lengthscale[i]).
template <class T>
void write_units(T* to, const T* lengthscale, std::int64_t count, double factor, bool inverse,
                 CudaStream on) {
  for (std::int64_t first = 0; first < count; first += Numbers<T>::kCount) {
    Numbers<T> numbers{};
    const std::int64_t left = count - first;
    const int here = static_cast<int>(left < Numbers<T>::kCount ? left : Numbers<T>::kCount);
    for (int i = 0; i < here; ++i) {
      const auto length = static_cast<double>(lengthscale[first + i]);
      numbers.number[i] = static_cast<T>(inverse ? 1 / (factor * length) : factor / length);
    }
    launch("pack_kernel_q", on, {1, 128}, write_numbers<T>, to + first, here, numbers);
  }
}

template <class T>
struct Packing {
  Table<T> to;
  const T* center_states;
  const T* center_actions;
  const T* weights;
  std::int64_t centers, observation_size, action_size;
  bool expandable;  // may squares be expanded at all?
};

/// The middle of the centres that have a weight, a block a coordinate. No order of them matters.
template <class T>
__global__ void __launch_bounds__(kThreads)
    find_middle(const __grid_constant__ Packing<T> packing) {
  T* const lows = shared_memory<T>();
  T* const highs = lows + kThreads;
  const std::int64_t d = blockIdx.x, D = packing.action_size;
  const int t = static_cast<int>(threadIdx.x);
  if (d == 0 && t < 2) packing.to.counts()[t] = 0;
  T low = kInfinity<T>, high = -kInfinity<T>;
  for (std::int64_t m = t; m < packing.centers; m += kThreads) {
    if (packing.weights[m] == T(0)) continue;
    const T x = packing.center_actions[m * D + d] * packing.to.action_unit[d];
    low = smaller(x, low);
    high = larger(x, high);
  }
  lows[t] = low;
  highs[t] = high;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) {
      lows[t] = smaller(lows[t + half], lows[t]);
      highs[t] = larger(highs[t + half], highs[t]);
    }
  }
  if (t == 0) packing.to.middle[d] = lows[0] <= highs[0] ? lows[0] / 2 + highs[0] / 2 : T(0);
}

/// A thread a column.
template <class T>
__global__ void __launch_bounds__(kThreads) fill_table(const __grid_constant__ Packing<T> packing) {
  const std::int64_t m = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const Table<T>& to = packing.to;
  const std::int64_t O = packing.observation_size, D = packing.action_size;
  if (m >= to.stride) return;
  const bool given = m < packing.centers;
  const T weight = given ? packing.weights[m] : T(0);
  const bool counts = weight != T(0);  // NaN too
  bool finite = is_finite_number(weight);
  for (std::int64_t o = 0; o < O; ++o) {
    const T s = given ? packing.center_states[m * O + o] : T(0);
    const T x = counts ? s * to.state_unit[o] : T(0);
    finite = finite && is_finite_number(s) && is_finite_number(x);
    to.states[o * to.stride + m] = x;
  }
  T square = 0;
  for (std::int64_t d = 0; d < D; ++d) {
    const T a = given ? packing.center_actions[m * D + d] : T(0);
    const T x = a * to.action_unit[d];
    finite = finite && is_finite_number(a) && (is_finite_number(x) || !counts);
    const T relative = counts ? x - to.middle[d] : T(0);
    square += relative * relative;
    to.actions[d * to.stride + m] = relative;
    if (to.by_center != nullptr && given) to.by_center[m * D + d] = relative;
  }
  to.log_weights[m] = counts ? std::log2(absolute(weight)) : -kInfinity<T>;
  to.signs[m] = weight < T(0) ? T(-0.0) : T(0);
  to.squares[m] = square;
  if (!finite) atomicAdd(to.counts(), 1);
  if (!packing.expandable || !(square <= wpg::KernelQ<T>::kNear)) atomicAdd(to.counts() + 1, 1);
}

// ---------------------------------------------------------------- exponents and lists of a tile

/// The thread's number, asked anew wherever it is wanted: registers are for sums.
__device__ __forceinline__ int own_thread() {
#if defined(__CUDA_ARCH__)
  int number;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(number));
  return number;
#else
  return static_cast<int>(threadIdx.x);
#endif
}
__device__ __forceinline__ int own_lane() { return own_thread() & 31; }
__device__ __forceinline__ int own_warp() { return own_thread() >> 5; }

/// Most states of a block: their coordinates lie side by side in shared memory.
constexpr int kStates = 4;

/// Coordinates of states that are there at a time.
template <class T>
constexpr int kSlice = 8192 / (kStates * static_cast<int>(sizeof(T)));

template <class T>
struct Evaluation {
  T* values;
  T* gradient;
  Table<T> q;
  const T* states;
  const T* particles;
  int centers;
  std::int64_t observation_size;
  CloudShape shape;
  T range;  // exponents further below the highest are skipped
  // A block takes the particles of `teams` warps in each of `side` states.
  int teams, side;
  Divider<std::uint32_t> by_parts;  // blocks that share the particles of a state
};

/// What a block knows of one of its states: sums are relative to 2^power.
template <class T>
struct StateScale {
  T highest, power;
  T factor;   // what the sums so far are multiplied by
  int count;  // centres in the list
  int lost;   // is a coordinate not finite?
};

/// The states of a block. In shared memory: the registers are wanted for sums.
template <class T>
struct BlockStates {
  std::int64_t first;
  int count;
  StateScale<T> scale[kStates];
};

/// Numbers side by side, as they are loaded.
template <class T, int kCount>
struct alignas(kCount * sizeof(T) < 16 ? kCount * sizeof(T) : 16) SideBySide {
  T x[kCount];
};

template <class T>
__device__ __forceinline__ void begin_states(std::int64_t first, int count, BlockStates<T>& block) {
  if (threadIdx.x == 0) {
    block.first = first;
    block.count = count;
  }
  if (threadIdx.x < kStates) {
    block.scale[threadIdx.x] = {kLowestExponent<T>, kLowestExponent<T>, T(1), 0, 0};
  }
}

/// Coordinates first..last of the block's states in units, [coordinate][kS].
template <class T, int kS>
__device__ __forceinline__ void stage_states(const Evaluation<T>& of, std::int64_t first,
                                             std::int64_t last, T* states, BlockStates<T>& block) {
  const int count = static_cast<int>(last - first) * kS;
  for (int i = own_thread(); i < count; i += static_cast<int>(blockDim.x)) {
    const int g = i % kS;
    const std::int64_t o = first + i / kS;
    T x = 0;
    if (g < block.count) {
      x = of.states[(block.first + g) * of.observation_size + o];
      if (!is_finite_number(x)) block.scale[g].lost = 1;
    }
    states[i] = x * of.q.state_unit[o];
  }
}

/// Exponents of the tile's centres at kS states, two neighbours of a thread at a time. Of
/// coordinates first..last; what came before is in `exponents` as a square.
template <class T, class P, int kS, int kChunk>
__device__ __forceinline__ void find_exponents(const Evaluation<T>& of, int first_center,
                                               std::int64_t first, std::int64_t last,
                                               const T* states, T* exponents) {
  using Two = SideBySide<T, 2>;
  for (int i = 2 * own_thread(); i < kChunk; i += 2 * static_cast<int>(blockDim.x)) {
    const auto found = [&](int g) { return reinterpret_cast<Two*>(exponents + g * kChunk + i); };
    Two square[kS] = {};
    for (int g = 0; g < kS && first > 0; ++g) square[g] = *found(g);
    const T* row = of.q.states + first * of.q.stride + first_center + i;
    const int count = static_cast<int>(last - first);
    WPG_UNROLL_BY(4)
    for (int o = 0; o < count; ++o, row += of.q.stride) {
      const Two center = *reinterpret_cast<const Two*>(row);
      const SideBySide<T, kS> at = reinterpret_cast<const SideBySide<T, kS>*>(states)[o];
      for (int g = 0; g < kS; ++g) {
        for (int j = 0; j < 2; ++j) {
          const T away = center.x[j] - at.x[g];
          square[g].x[j] += away * away;
        }
      }
    }
    if (last == of.observation_size) {
      const Two weight = *reinterpret_cast<const Two*>(of.q.log_weights + first_center + i);
      for (int g = 0; g < kS; ++g) {
        for (int j = 0; j < 2; ++j) {
          square[g].x[j] = weight.x[j] + P::template log2_profile<T>(square[g].x[j]);
        }
      }
    }
    for (int g = 0; g < kS; ++g) *found(g) = square[g];
  }
}

/// The same from all coordinates, which are staged slice by slice where there are many.
template <class T, class P, int kS, int kChunk>
__device__ __forceinline__ void find_all_exponents(const Evaluation<T>& of, int first_center,
                                                   T* states, T* exponents, BlockStates<T>& block) {
  const std::int64_t O = of.observation_size;
  const bool several = O > kSlice<T>;
  for (std::int64_t first = 0; first < O; first += kSlice<T>) {
    const std::int64_t last = first + kSlice<T> < O ? first + kSlice<T> : O;
    if (several || first_center == 0) {
      __syncthreads();
      stage_states<T, kS>(of, first, last, states, block);
      __syncthreads();
    }
    find_exponents<T, P, kS, kChunk>(of, first_center, first, last, states, exponents);
  }
}

/// By one warp: puts the centres of a tile that matter side by side, their exponents relative to
/// the state's new power and where in the tile they are.
template <class T, int kChunk>
__device__ __forceinline__ void list_centers(T* exponents, std::uint16_t* positions, T range,
                                             StateScale<T>& scale) {
  constexpr int kSide = 4;
  static_assert(kChunk % (32 * kSide) == 0, "whole rounds");
  const int lane = own_lane();
  const T before = scale.power;
  T top = scale.highest;
  for (int i = lane; i < kChunk; i += 32) top = std::fmax(top, exponents[i]);
  for (int away = 16; away > 0; away /= 2) {
    top = std::fmax(top, __shfl_xor_sync(0xFFFFFFFFu, top, away));
  }
  const T power = std::ceil(top), cut = top - range;
  int count = 0;
  for (int i = lane; i < kChunk; i += 32 * kSide) {
    T exponent[kSide];
    for (int j = 0; j < kSide; ++j) exponent[j] = exponents[i + 32 * j];
    __syncwarp();  // what is read here is written over by what was kept, never what comes after
    for (int j = 0; j < kSide; ++j) {
      const bool kept = exponent[j] >= cut;
      const unsigned lanes = __ballot_sync(0xFFFFFFFFu, kept);
      if (kept) {
        const int at = count + __popc(lanes & ((1u << lane) - 1));
        exponents[at] = exponent[j] - power;
        positions[at] = static_cast<std::uint16_t>(i + 32 * j);
      }
      count += __popc(lanes);
    }
  }
  __syncwarp();
  if (lane == 0) {
    scale.highest = top;
    scale.power = power;
    scale.factor = std::ldexp(T(1), static_cast<int>(before - power));
    scale.count = count;
  }
}

/// What a particle's sums are multiplied by, in two factors, so that neither overflows where the
/// product does not.
template <class T>
struct PowerOfState {
  T low, high;

  __device__ explicit PowerOfState(T power) {
    const int whole = static_cast<int>(power);
    low = std::ldexp(T(1), whole / 2);
    high = std::ldexp(T(1), whole - whole / 2);
  }
  __device__ __forceinline__ T operator()(T sum) const { return sum * low * high; }
};

// ---------------------------------------------------------------- particles in registers

/// What a warp knows of its particles. In shared memory: the registers are wanted for their sums.
struct Team {
  std::int64_t row;     // of the first one
  int state;            // of the block's
  int count;            // how many it has
  unsigned lost, away;  // a bit for each that is not finite; so far that every kernel is 0
  bool near;            // are squares expanded?
};

/// Shapes of the kernel for D <= kD.
template <class T, int kD>
struct Narrow {
  // Of the kernel for many particles: their coordinates and sums fill the registers.
  static constexpr int kParticles = sizeof(T) == 8 || kD > 16 ? 2 : kD > 6 ? 4 : 8;
  static constexpr int kWarps = kD > 8 || sizeof(T) == 8 ? 4 : 8;
  // That share a multiprocessor, at least.
  static constexpr int kBlocks = 2;
  static constexpr int kWords = kD + 2;  // of a centre: actions, sign, square
  static constexpr int kQuads = (kWords + Quad<T>::kCount - 1) / Quad<T>::kCount;
  static constexpr int kChunk = sizeof(T) == 8 || kD == 16 ? 256 : kD > 16 ? 128 : 512;
  // Squares are expanded up to 12 coordinates.
  static constexpr bool kExpandable = kD <= 16;

  // In shared memory: what the offsets of its parts are.
  static constexpr std::int64_t kSize = sizeof(T);
  static constexpr std::int64_t kExponents = std::int64_t{kQuads} * kChunk * 16;
  static constexpr std::int64_t kPositions = kExponents + kStates * kChunk * kSize;
  static constexpr std::int64_t kPoints = kPositions + kStates * kChunk * 2;
  static constexpr int kPointsOfWarp = kParticles * kD;  // whole quads
  static constexpr std::int64_t kTeams = kPoints + kWarps * kPointsOfWarp * kSize;
  static constexpr std::int64_t kBlockStates =
      kTeams + kWarps * static_cast<std::int64_t>(sizeof(Team));
  static constexpr std::int64_t kCoordinates =
      (kBlockStates + static_cast<std::int64_t>(sizeof(BlockStates<T>)) + 15) / 16 * 16;
  static std::int64_t bytes(std::int64_t observation_size) {
    const std::int64_t O = observation_size < kSlice<T> ? observation_size : kSlice<T>;
    return kCoordinates + O * kStates * kSize;
  }
  static_assert(kCoordinates + 8192 <= kSharedBytes, "without asking for more");
  static_assert(kPointsOfWarp * kSize % 16 == 0, "whole quads");
  // Of a warp, in the memory of the exponents once they are done with.
  static constexpr int kSumsOfWarp = kParticles * (kD + 1);
  static_assert(kWarps * kSumsOfWarp <= kStates * kChunk, "room for them");
};

/// Actions, signs and squares of a tile: planes of 16 bytes a centre, so that neither storing nor
/// loading has conflicts.
template <class T, int kD>
__device__ __forceinline__ void stage_centers(const Table<T>& q, int D, int first, Quad<T>* tile) {
  using Shape = Narrow<T, kD>;
  for (int i = own_thread(); i < Shape::kChunk; i += static_cast<int>(blockDim.x)) {
    T word[Shape::kQuads * Quad<T>::kCount] = {};
    WPG_UNROLL(32)
    for (int d = 0; d < kD; ++d) {
      if (d < D) word[d] = q.actions[d * q.stride + first + i];
    }
    word[kD] = q.signs[first + i];
    word[kD + 1] = q.squares[first + i];
    WPG_UNROLL(16)
    for (int k = 0; k < Shape::kQuads; ++k) {
      Quad<T> quad;
      for (int c = 0; c < Quad<T>::kCount; ++c) quad.x[c] = word[k * Quad<T>::kCount + c];
      tile[k * Shape::kChunk + i] = quad;
    }
  }
}

/// A warp's particles, the same for all lanes: they lie in shared memory while exponents are found.
template <class T, int kD, int kP>
struct Points {
  static constexpr int kQuads = (kP * kD + Quad<T>::kCount - 1) / Quad<T>::kCount;
  T at[kQuads * Quad<T>::kCount];

  __device__ __forceinline__ explicit Points(const Quad<T>* from) {
    WPG_UNROLL(32)
    for (int k = 0; k < kQuads; ++k) {
      const Quad<T> quad = from[k];
      for (int c = 0; c < Quad<T>::kCount; ++c) at[k * Quad<T>::kCount + c] = quad.x[c];
    }
  }
};

/// What a lane has summed for each of them.
template <class T, int kD, int kP>
struct Sums {
  T slope[kP][kD], total[kP];

  __device__ __forceinline__ void multiply(T factor) {
    WPG_UNROLL(8)
    for (int p = 0; p < kP; ++p) {
      total[p] *= factor;
      WPG_UNROLL(32)
      for (int d = 0; d < kD; ++d) slope[p][d] *= factor;
    }
  }
};

/// Adds a lane's share of the centres of a list. Where squares are expanded, points are twice the
/// coordinates.
template <class T, class P, int kD, int kP, bool kExpanded>
__device__ __forceinline__ void add_centers(Sums<T, kD, kP>& sums, const Quad<T>* from,
                                            const Quad<T>* tile, const T* exponents,
                                            const std::uint16_t* positions, int count) {
  using Shape = Narrow<T, kD>;
  constexpr bool kGaussian = std::is_same_v<P, Gaussian>;
  const Points<T, kD, kP> points(from);
  for (int i = own_lane(); i < count; i += 32) {
    T exponent = exponents[i];
    const Quad<T>* const center = tile + positions[i];
    T word[Shape::kQuads * Quad<T>::kCount];
    WPG_UNROLL(16)
    for (int k = 0; k < Shape::kQuads; ++k) {
      const Quad<T> quad = center[k * Shape::kChunk];
      for (int c = 0; c < Quad<T>::kCount; ++c) word[k * Quad<T>::kCount + c] = quad.x[c];
    }
    const T sign = word[kD];
    if constexpr (kExpanded) exponent -= word[kD + 1];
    T factor = 1;
    if constexpr (!kGaussian) factor = with_sign(power_of_two_of_device<T>(exponent), sign);
    WPG_UNROLL(8)
    for (int p = 0; p < kP; ++p) {
      const T* const at = points.at + p * kD;
      if constexpr (kExpanded) {
        T x = exponent;
        WPG_UNROLL(32)
        for (int d = 0; d < kD; ++d) x += at[d] * word[d];
        const T term = with_sign(power_of_two_of_device<T>(x), sign);
        sums.total[p] += term;
        WPG_UNROLL(32)
        for (int d = 0; d < kD; ++d) sums.slope[p][d] += term * word[d];
      } else {
        T away[kD], square = 0;
        WPG_UNROLL(32)
        for (int d = 0; d < kD; ++d) {
          away[d] = word[d] - at[d];
          square += away[d] * away[d];
        }
        T term;
        if constexpr (kGaussian) {
          term = with_sign(power_of_two_of_device<T>(exponent - square), sign);
          sums.total[p] += term;
        } else {
          T slope;
          sums.total[p] += factor * P::template profile<T>(square, slope);
          term = factor * slope;
        }
        WPG_UNROLL(32)
        for (int d = 0; d < kD; ++d) sums.slope[p][d] += term * away[d];
      }
    }
  }
}

/// A team's particles in units relative to the middle, twice where squares are expanded, in shared
/// memory; 0 instead of one that is lost or away. The warp's lanes take them side by side.
template <class T, int kD, int kP>
__device__ __forceinline__ void stage_points(const Table<T>& q, const T* cloud, int D,
                                             bool expandable, Team& team, T* points) {
  const int lane = own_lane();
  unsigned lost = 0;
  for (int i = lane; i < kP * kD; i += 32) {
    const int p = i / kD, d = i % kD;
    T x = 0;
    if (p < team.count && d < D) {
      const T a = cloud[p * D + d];
      if (!is_finite_number(a)) lost |= 1u << p;
      x = a * q.action_unit[d] - q.middle[d];
    }
    points[i] = x;
  }
  for (int away = 16; away > 0; away /= 2) lost |= __shfl_xor_sync(0xFFFFFFFFu, lost, away);
  __syncwarp();
  T square = 0;
  for (int d = 0; d < kD && lane < kP; ++d) {
    const T x = points[lane * kD + d];
    square += x * x;
  }
  const unsigned away = __ballot_sync(0xFFFFFFFFu, !is_finite_number(square)) & ~lost;
  const bool gone = lane < kP && ((lost | away) >> lane & 1) != 0;
  const bool far = !gone && !(square <= wpg::KernelQ<T>::kNear);
  const bool near = __ballot_sync(0xFFFFFFFFu, far) == 0 && expandable;
  const T times = near ? T(2) : T(1);
  for (int d = 0; d < kD && lane < kP; ++d) {
    points[lane * kD + d] = gone ? T(0) : points[lane * kD + d] * times;
  }
  if (lane == 0) {
    team.lost = lost;
    team.away = away;
    team.near = near;
  }
  __syncwarp();
}

/// Lane l's number[0] becomes the sum over all lanes of number[l], in a fixed shape.
template <int kHalf, class T>
__device__ __forceinline__ void sum_own(T (&number)[32]) {
  const bool upper = (own_thread() & kHalf) != 0;
  WPG_UNROLL(16)
  for (int k = 0; k < kHalf; ++k) {
    const T given = upper ? number[k] : number[k + kHalf];
    const T kept = upper ? number[k + kHalf] : number[k];
    number[k] = kept + __shfl_xor_sync(0xFFFFFFFFu, given, kHalf);
  }
  if constexpr (kHalf > 1) sum_own<kHalf / 2>(number);
}

/// Sums over the lanes, (kP, kD) and then (kP), in shared memory.
template <class T, int kD, int kP>
__device__ __forceinline__ void add_lanes(const Sums<T, kD, kP>& sums, T* out) {
  constexpr int kCount = kP * (kD + 1);
  WPG_UNROLL(4)
  for (int first = 0; first < kCount; first += 32) {
    T number[32];
    WPG_UNROLL(32)
    for (int k = 0; k < 32; ++k) {
      const int i = first + k;
      number[k] = i < kP * kD  ? sums.slope[i / kD][i % kD]
                  : i < kCount ? sums.total[i - kP * kD]
                               : T(0);
    }
    const int i = first + own_lane();
    sum_own<16>(number);
    if (i < kCount) out[i] = number[0];
  }
  __syncwarp();
}

template <class T, class P, int kD, int kP>
__global__ void __launch_bounds__(32 * Narrow<T, kD>::kWarps, Narrow<T, kD>::kBlocks)
    evaluate_narrow(const __grid_constant__ Evaluation<T> of) {
  using Shape = Narrow<T, kD>;
  constexpr int kChunk = Shape::kChunk;
  constexpr bool kExpandable = std::is_same_v<P, Gaussian> && Shape::kExpandable;
  auto* const tile = shared_memory<Quad<T>>();
  T* const exponents = shared_memory<T>(Shape::kExponents);
  auto* const positions = shared_memory<std::uint16_t>(Shape::kPositions);
  auto& block = *shared_memory<BlockStates<T>>(Shape::kBlockStates);
  T* const states = shared_memory<T>(Shape::kCoordinates);

  const int D = static_cast<int>(of.shape.dimension);
  const auto points_of_warp = [] {
    return shared_memory<T>(Shape::kPoints) + own_warp() * Shape::kPointsOfWarp;
  };
  const auto team_of_warp = [] { return shared_memory<Team>(Shape::kTeams) + own_warp(); };
  {
    const auto place = divide(std::uint32_t{blockIdx.x}, of.by_parts);
    const std::int64_t N = of.shape.particles;
    const std::int64_t first_state = std::int64_t{place.whole} * of.side;
    const std::int64_t states_left = of.shape.states - first_state;
    const int here = static_cast<int>(states_left < of.side ? states_left : of.side);
    begin_states(first_state, here, block);
    Team& team = *team_of_warp();
    if (own_lane() == 0) {
      const int warp = own_warp(), state = warp / of.teams;  // beyond `here` there is none
      const std::int64_t first =
          (std::int64_t{place.rest} * of.teams + (warp - state * of.teams)) * kP;
      const std::int64_t left = state < here ? N - first : 0;
      team.row = (first_state + state) * N + first;
      team.state = state;
      team.count = left > 0 ? static_cast<int>(left < kP ? left : kP) : 0;
    }
    __syncwarp();
    stage_points<T, kD, kP>(of.q, of.particles + team.row * D, D, kExpandable && of.q.near(), team,
                            points_of_warp());
  }
  Sums<T, kD, kP> sums{};

  for (int m = 0; m < of.centers; m += kChunk) {
    if (of.side == 1) {
      find_all_exponents<T, P, 1, kChunk>(of, m, states, exponents, block);
    } else if (of.side == 2) {
      find_all_exponents<T, P, 2, kChunk>(of, m, states, exponents, block);
    } else {
      find_all_exponents<T, P, kStates, kChunk>(of, m, states, exponents, block);
    }
    stage_centers<T, kD>(of.q, D, m, tile);
    __syncthreads();
    if (own_warp() < of.side) {
      const int state = own_warp();
      list_centers<T, kChunk>(exponents + state * kChunk, positions + state * kChunk, of.range,
                              block.scale[state]);
    }
    __syncthreads();
    if (team_of_warp()->count > 0) {
      const int state = team_of_warp()->state, count = block.scale[state].count;
      const T factor = block.scale[state].factor;
      if (factor != T(1)) sums.multiply(factor);
      const T* const list = exponents + state * kChunk;
      const std::uint16_t* const where = positions + state * kChunk;
      const auto* const points = reinterpret_cast<const Quad<T>*>(points_of_warp());
      if (team_of_warp()->near) {
        if constexpr (kExpandable) {
          add_centers<T, P, kD, kP, true>(sums, points, tile, list, where, count);
        }
      } else {
        add_centers<T, P, kD, kP, false>(sums, points, tile, list, where, count);
      }
    }
    __syncthreads();
  }

  const Team& team = *team_of_warp();
  if (team.count == 0) return;
  const T* const points = points_of_warp();
  T* const summed = exponents + own_warp() * Shape::kSumsOfWarp;
  add_lanes(sums, summed);
  const bool nowhere = block.scale[team.state].lost > 0 || of.q.lost();
  const PowerOfState<T> scaled(block.scale[team.state].power);
  for (int i = own_lane(); i < team.count * (D + 1); i += 32) {
    const int p = i / (D + 1), d = i - p * (D + 1);  // d = D: the value
    const T total = summed[kP * kD + p];
    T sum = d == D ? total : summed[p * kD + d];
    if (team.near) {
      T square = 0;
      for (int c = 0; c < D; ++c) square += points[p * kD + c] * points[p * kD + c];
      if (d < D) sum -= total * (T(0.5) * points[p * kD + d]);
      sum *= power_of_two_of_device<T>(square * T(-0.25));
    }
    sum = scaled(sum);
    if ((team.away >> p & 1) != 0) sum = 0;
    if (nowhere || (team.lost >> p & 1) != 0) sum = kNotANumber<T>;
    if (d == D && of.values != nullptr) of.values[team.row + p] = sum;
    if (d < D && of.gradient != nullptr) {
      of.gradient[(team.row + p) * D + d] = sum * of.q.gradient_unit[d];
    }
  }
}

// ---------------------------------------------------------------- any number of coordinates

// A block takes kWideParticles particles of a state and kWideColumns coordinates of the gradient of
// each of its threads. Exponents and the list are as above, of one state. Then a thread takes a
// centre of the list, with the particles' coordinates in shared memory, slice by slice; it leaves
// what the gradient's sums want in shared memory, and every thread adds up its coordinates.
constexpr int kWideParticles = 4, kWideSlice = 128;
template <class T>
constexpr int kWideColumns = sizeof(T) == 4 ? 4 : 2;
template <class T>
constexpr int kWideCoordinates = kThreads * kWideColumns<T>;

/// Offsets in shared memory.
template <class T>
struct Wide {
  static constexpr int kChunk = kThreads;
  static constexpr std::int64_t kSize = sizeof(T);
  static constexpr std::int64_t kPoints = kSize * kChunk;
  static constexpr std::int64_t kSlopes = kPoints + kSize * kWideSlice * kWideParticles;
  static constexpr std::int64_t kTotals = kSlopes + kSize * kChunk * kWideParticles;
  static constexpr std::int64_t kBlockStates = kTotals + kSize * kThreads / 32 * kWideParticles;
  static constexpr std::int64_t kBroken = kBlockStates + sizeof(BlockStates<T>);
  static constexpr std::int64_t kPositions = kBroken + kWideParticles * sizeof(int);
  static constexpr std::int64_t kCoordinates = kPositions + 2 * kChunk;
  static std::int64_t bytes(std::int64_t observation_size) {
    const std::int64_t O = observation_size < kSlice<T> ? observation_size : kSlice<T>;
    return kCoordinates + O * kSize;
  }
};

template <class T, class P>
__global__ void __launch_bounds__(kThreads, 2)
    evaluate_wide(const __grid_constant__ Evaluation<T> of,
                  const __grid_constant__ Divider<std::uint32_t> by_columns) {
  constexpr bool kGaussian = std::is_same_v<P, Gaussian>;
  constexpr int kChunk = Wide<T>::kChunk, kP = kWideParticles;
  using Row = SideBySide<T, kP>;
  T* const exponents = shared_memory<T>();
  auto* const points = shared_memory<Row>(Wide<T>::kPoints);
  auto* const slopes = shared_memory<Row>(Wide<T>::kSlopes);
  auto* const totals = shared_memory<Row>(Wide<T>::kTotals);
  auto& block = *shared_memory<BlockStates<T>>(Wide<T>::kBlockStates);
  int* const broken = shared_memory<int>(Wide<T>::kBroken);
  auto* const positions = shared_memory<std::uint16_t>(Wide<T>::kPositions);
  T* const states = shared_memory<T>(Wide<T>::kCoordinates);

  const std::int64_t N = of.shape.particles, D = of.shape.dimension;
  const auto columns = divide(std::uint32_t{blockIdx.x}, by_columns);
  const auto place = divide(columns.whole, of.by_parts);
  const std::int64_t state = place.whole, first = std::int64_t{place.rest} * kP;
  const int t = static_cast<int>(threadIdx.x), warp = t / 32, lane = t % 32;
  const int here = static_cast<int>(N - first < kP ? N - first : kP);
  const T* const cloud = of.particles + (state * N + first) * D;
  const auto point = [&](int p, std::int64_t d) {
    return p < here && d < D ? cloud[p * D + d] * of.q.action_unit[d] - of.q.middle[d] : T(0);
  };

  begin_states(state, 1, block);
  if (warp < kP) {  // 1: NaN or infinity; 2: so far that every kernel is 0
    T square = 0, nothing = 0;
    for (std::int64_t d = lane; d < D; d += 32) {
      const T x = point(warp, d), a = warp < here ? cloud[warp * D + d] : T(0);
      square += x * x;
      nothing += a - a;
    }
    square = warp_sum(square);
    nothing = warp_sum(nothing);
    if (lane == 0) broken[warp] = nothing != T(0) ? 1 : is_finite_number(square) ? 0 : 2;
  }
  const std::int64_t first_column = std::int64_t{columns.rest} * kWideCoordinates<T> + t;
  T at[kP][kWideColumns<T>], slope[kP][kWideColumns<T>] = {}, total[kP] = {};
  for (int p = 0; p < kP; ++p) {
    for (int c = 0; c < kWideColumns<T>; ++c) at[p][c] = point(p, first_column + c * kThreads);
  }

  for (int m = 0; m < of.centers; m += kChunk) {
    find_all_exponents<T, P, 1, kChunk>(of, m, states, exponents, block);
    __syncthreads();
    if (warp == 0) list_centers<T, kChunk>(exponents, positions, of.range, block.scale[0]);
    __syncthreads();
    const int count = block.scale[0].count;
    const T factor = block.scale[0].factor;
    const std::int64_t column = m + (t < count ? positions[t] : 0);
    T square[kP] = {};
    for (std::int64_t from = 0; from < D; from += kWideSlice) {
      const int width = static_cast<int>(D - from < kWideSlice ? D - from : kWideSlice);
      for (int i = t; i < width * kP; i += kThreads)
        points[i / kP].x[i % kP] = point(i % kP, from + i / kP);
      __syncthreads();
      for (int d = 0; d < width && t < count; ++d) {
        const T action = of.q.actions[(from + d) * of.q.stride + column];
        const Row others = points[d];
        for (int p = 0; p < kP; ++p) {
          const T away = action - others.x[p];
          square[p] += away * away;
        }
      }
      __syncthreads();
    }
    Row terms{};
    for (int p = 0; p < kP; ++p) total[p] *= factor;
    if (t < count) {
      const T sign = of.q.signs[column];
      for (int p = 0; p < kP; ++p) {
        if constexpr (kGaussian) {
          terms.x[p] = with_sign(power_of_two_of_device<T>(exponents[t] - square[p]), sign);
          total[p] += terms.x[p];
        } else {
          const T weight = with_sign(power_of_two_of_device<T>(exponents[t]), sign);
          T steepness;
          total[p] += weight * P::template profile<T>(square[p], steepness);
          terms.x[p] = weight * steepness;
        }
      }
    }
    slopes[t] = terms;
    __syncthreads();
    for (int p = 0; p < kP; ++p) {
      for (int c = 0; c < kWideColumns<T>; ++c) slope[p][c] *= factor;
    }
    for (int i = 0; i < count && of.gradient != nullptr; ++i) {
      const T* const center = of.q.by_center + (m + positions[i]) * D;
      const Row term = slopes[i];
      for (int c = 0; c < kWideColumns<T>; ++c) {
        const std::int64_t d = first_column + c * kThreads;
        if (d >= D) break;
        const T action = center[d];
        for (int p = 0; p < kP; ++p) slope[p][c] += term.x[p] * (action - at[p][c]);
      }
    }
    __syncthreads();
  }

  Row sums;
  for (int p = 0; p < kP; ++p) sums.x[p] = warp_sum(total[p]);
  if (lane == 0) totals[warp] = sums;
  __syncthreads();
  const bool nowhere = block.scale[0].lost > 0 || of.q.lost();
  const PowerOfState<T> scaled(block.scale[0].power);
  for (int p = 0; p < here; ++p) {
    const bool is_lost = nowhere || broken[p] == 1, is_away = broken[p] == 2;
    const T instead = is_lost ? kNotANumber<T> : T(0);
    const std::int64_t row = state * N + first + p;
    if (of.values != nullptr && first_column == 0) {
      T sum = 0;
      for (int w = 0; w < kThreads / 32; ++w) sum += totals[w].x[p];
      of.values[row] = is_lost || is_away ? instead : scaled(sum);
    }
    for (int c = 0; c < kWideColumns<T> && of.gradient != nullptr; ++c) {
      const std::int64_t d = first_column + c * kThreads;
      if (d >= D) break;
      of.gradient[row * D + d] =
          is_lost || is_away ? instead : scaled(slope[p][c]) * of.q.gradient_unit[d];
    }
  }
}

// ---------------------------------------------------------------- launches

constexpr const char* kWhat = "KernelQ";

/// Enough blocks to fill a GPU.
constexpr std::int64_t kEnoughBlocks = 264;

std::int64_t over(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

template <class T, class P, int kD, int kP>
void run_narrow(Evaluation<T> of, CudaStream on) {
  using Shape = Narrow<T, kD>;
  const std::int64_t groups = over(of.shape.particles, kP);
  const std::int64_t parts = over(groups, Shape::kWarps);
  of.teams = static_cast<int>(over(groups, parts));
  of.side = Shape::kWarps / of.teams >= 4 ? 4 : Shape::kWarps / of.teams >= 2 ? 2 : 1;
  while (of.side > 1 && over(of.shape.states, of.side) * parts < kEnoughBlocks) of.side /= 2;
  of.by_parts = Divider<std::uint32_t>(static_cast<std::uint32_t>(parts));
  const std::int64_t blocks = over(of.shape.states, of.side) * parts;
  // Few blocks: warps that have no particles help with the exponents.
  const int warps = blocks < kEnoughBlocks ? Shape::kWarps : of.teams * of.side;
  launch(kWhat, on, {blocks, 32 * warps, Shape::bytes(of.observation_size)},
         evaluate_narrow<T, P, kD, kP>, of);
}

template <class T, class P>
void run_wide(Evaluation<T> of, CudaStream on) {
  const std::int64_t parts = over(of.shape.particles, kWideParticles);
  const std::int64_t columns =
      of.gradient == nullptr ? 1 : over(of.shape.dimension, kWideCoordinates<T>);
  of.by_parts = Divider<std::uint32_t>(static_cast<std::uint32_t>(parts));
  launch(kWhat, on,
         {of.shape.states * parts * columns, kThreads, Wide<T>::bytes(of.observation_size)},
         evaluate_wide<T, P>, of, Divider<std::uint32_t>(static_cast<std::uint32_t>(columns)));
}

template <class T, class P, int kD>
void run(const Evaluation<T>& of, CudaStream on) {
  constexpr int kMany = Narrow<T, kD>::kParticles;
  if constexpr (kMany > 4) {
    if (of.shape.particles <= 4) return run_narrow<T, P, kD, 2>(of, on);
  }
  run_narrow<T, P, kD, kMany>(of, on);
}

/// Coordinates are padded; more finely where most of the time goes, in a Gaussian of floats.
template <class T, class P>
void run_dimension(const Evaluation<T>& of, CudaStream on) {
  const std::int64_t D = of.shape.dimension;
  if (D > kWidest<T>) return run_wide<T, P>(of, on);
  if constexpr (sizeof(T) == 4) {
    if constexpr (std::is_same_v<P, Gaussian>) {
      if (D == 1) return run<T, P, 1>(of, on);
      if (D == 2) return run<T, P, 2>(of, on);
      if (D == 3) return run<T, P, 3>(of, on);
      if (D == 5 || D == 6) return run<T, P, 6>(of, on);
    }
    if (D > 16) return run<T, P, 32>(of, on);
    if (D > 8) return run<T, P, 16>(of, on);
  }
  if (D > 4) return run<T, P, 8>(of, on);
  run<T, P, 4>(of, on);
}

double unit_of_profile(Profile profile) {
#define WPG_CASE(name, type) \
  case Profile::name:        \
    return type::kUnit;
  switch (profile) { WPG_FOR_EACH_PROFILE(WPG_CASE) }
#undef WPG_CASE
  return 1;
}

}  // namespace

template <class T>
std::int64_t kernel_q_table_size(std::int64_t centers, std::int64_t observation_size,
                                 std::int64_t action_size) {
  require_kernel_q_sizes(centers, observation_size, action_size);
  return Table<T>::size(centers, observation_size, action_size);
}

template <class T>
KernelQ<T> pack_kernel_q(T* table, const T* center_states, const T* center_actions,
                         const T* weights, std::int64_t centers, std::int64_t observation_size,
                         std::int64_t action_size, const T* state_lengthscale,
                         const T* action_lengthscale, Profile profile, CudaStream on) {
  require_kernel_q_sizes(centers, observation_size, action_size);
  WPG_REQUIRE(centers < (std::int64_t{1} << 30) && action_size <= 65536,
              "KernelQ on a GPU takes M below 2^30 and D up to 65536; got M = " +
                  std::to_string(centers) + ", D = " + std::to_string(action_size));
  WPG_REQUIRE(is_aligned(table), "table must begin at a multiple of 16 bytes");
  require_lengthscales(state_lengthscale, observation_size, "state_lengthscale");
  require_lengthscales(action_lengthscale, action_size, "action_lengthscale");
  const CurrentDevice device(device_of(table));
  const double unit = unit_of_profile(profile);
  const Table<T> to(table, centers, observation_size, action_size);
  write_units(to.state_unit, state_lengthscale, observation_size, unit, false, on);
  write_units(to.action_unit, action_lengthscale, action_size, unit, false, on);
  write_units(to.gradient_unit, action_lengthscale, action_size, unit, true, on);
  const Packing<T> packing{
      to,      center_states,    center_actions, weights,
      centers, observation_size, action_size,    profile == Profile::gaussian && action_size <= 12};
  launch("pack_kernel_q", on,
         {action_size, kThreads, 2 * kThreads * static_cast<std::int64_t>(sizeof(T))},
         find_middle<T>, packing);
  launch("pack_kernel_q", on, {over(to.stride, kThreads)}, fill_table<T>, packing);
  return {table, centers, observation_size, action_size, profile};
}

template <class T>
void evaluate(T* values, T* gradient, const KernelQ<T>& q, const T* states, const T* particles,
              const CloudShape& shape, CudaStream on) {
  require_kernel_q_shape(shape, q.action_size);
  if (shape.size() == 0 || (values == nullptr && gradient == nullptr)) return;
  const CurrentDevice device(device_of(values != nullptr ? values : gradient));
  // The table is only read from here on.
  const Table<T> table(const_cast<T*>(q.table), q.centers, q.observation_size, q.action_size);
  const Evaluation<T> of{values,
                         gradient,
                         table,
                         states,
                         particles,
                         static_cast<int>(q.centers),
                         q.observation_size,
                         shape,
                         skipping_range<T>(q.centers),
                         1,
                         1,
                         {}};
#define WPG_CASE(name, type) \
  case Profile::name:        \
    return run_dimension<T, type>(of, on);
  switch (q.profile) { WPG_FOR_EACH_PROFILE(WPG_CASE) }
#undef WPG_CASE
}

#define WPG_INSTANTIATE(T)                                                                      \
  template std::int64_t kernel_q_table_size<T>(std::int64_t, std::int64_t, std::int64_t);       \
  template KernelQ<T> pack_kernel_q<T>(T*, const T*, const T*, const T*, std::int64_t,          \
                                       std::int64_t, std::int64_t, const T*, const T*, Profile, \
                                       CudaStream);                                             \
  template void evaluate<T>(T*, T*, const KernelQ<T>&, const T*, const T*, const CloudShape&,   \
                            CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
