// Squared distances are not negative, so they are ordered as the whole numbers of the same bits,
// their keys; the middle ones are found digit by digit from the top.
//
// A warp takes a state of N <= kFewParticles: the keys of its pairs, N (N - 1) / 2 <= 496, lie in
// shared memory, and the digits are bits: the warp counts the keys below a trial.
//
// A block takes a state of more: digits of 11 bits, and a histogram in shared memory of the keys
// that begin with the digits found so far. As soon as few keys do, the next pass over the pairs
// writes them down and notes the least key beyond, and no other pass is needed: one pass up to 64
// particles, two up to some 290 in float. In a pass a thread takes a particle i and four others at
// a time, i + k to i + k + 3 around in a circle, k <= N / 2, so that five loads serve four pairs.
// The first digit in float is the exponent and three more bits, of which a cloud has some 20, so
// that the threads of a warp seldom count the same one.
#include <limits>
#include <type_traits>

#include "wpg/base/checks.hpp"
#include "wpg/base/cuda_kernel.hpp"
#include "wpg/density/bandwidth_cuda.hpp"
#include "wpg/density/bandwidth_math.hpp"

namespace wpg {
namespace cuda {
namespace {

constexpr int kFewParticles = 32, kFewPairs = 496, kWarpsOfBlock = 4;
constexpr int kDigitBits = 11, kDigits = 1 << kDigitBits;
constexpr int kListed = 2048;  // keys that are written down

template <class T>
using Key = unsigned_of<T>;

template <class T>
inline constexpr T kInfinite = std::numeric_limits<T>::infinity();
template <class T>
inline constexpr Key<T> kLastKey = ~Key<T>{0};

template <class T>
struct Task {
  T* bandwidth;
  const T* particles;
  std::int64_t states;
  int count;      // N
  int dimension;  // D
  bool wide;      // are there more pairs than 32 bits count?
  Divider<std::uint32_t> by_particles;
};

/// What is measured instead of the distances: particles times `shrink`, differences times
/// `magnify`.
template <class T>
struct Scale {
  T shrink, magnify;
};

/// The middle two squared distances, which may be one.
template <class T>
struct Middle {
  T first, second;
};

template <class T>
__device__ __forceinline__ double root_of(T square) {
  return std::sqrt(static_cast<double>(square));
}

/// The smallest of the warp's keys, in every lane.
template <class K>
__device__ __forceinline__ K warp_min(K key) {
  for (int away = 16; away > 0; away /= 2) {
    const K other = __shfl_xor_sync(0xFFFFFFFFu, key, away);
    key = other < key ? other : key;
  }
  return key;
}

/// The bandwidth, from what `select(scaled, scale)` says of the middle: where squares over- or
/// underflow they are asked for again in another scale.
template <class T, class Select>
__device__ __forceinline__ T bandwidth_of(int particles, Select select) {
  const Middle<T> plain = select(std::false_type{}, Scale<T>{T(1), T(1)});
  double scale = 1, first = root_of(plain.first), second = root_of(plain.second);
  const bool huge = plain.second == kInfinite<T>, tiny = !huge && plain.first < kLeastSquare<T>;
  if (huge || tiny) {
    const Middle<T> other =
        select(std::true_type{}, huge ? Scale<T>{kShrink<T>, T(1)} : Scale<T>{T(1), kMagnify<T>});
    first = root_of(other.first);
    if (huge || plain.second < kLeastSquare<T>) {
      scale = static_cast<double>(huge ? kShrink<T> : kMagnify<T>);
      second = root_of(other.second);
    } else {
      first /= static_cast<double>(kMagnify<T>);
    }
  }
  const double median = 0.5 * first + 0.5 * second;
  return static_cast<T>(bandwidth_of_median(median, static_cast<double>(particles)) / scale);
}

template <class T>
__global__ void __launch_bounds__(32 * kWarpsOfBlock) few(const __grid_constant__ Task<T> task) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t state = std::int64_t{blockIdx.x} * kWarpsOfBlock + warp;
  if (state >= task.states) return;  // whole warps; there is no barrier of the block
  const int N = task.count, D = task.dimension, pairs = N * (N - 1) / 2;
  const T* const cloud = task.particles + state * N * D;
  Key<T>* const keys = shared_memory<Key<T>>() + warp * kFewPairs;
  int lost = 0;
  for (int e = lane; e < N * D; e += 32) lost += cloud[e] - cloud[e] == T(0) ? 0 : 1;
  lost = warp_sum(lost);
  const int ranks[2] = {(pairs - 1) / 2, pairs / 2};
  const auto select_middle = [&](auto, Scale<T> scale) {
    __syncwarp();
    // Row i has the pairs (i, j), j < i.
    for (int i = 1; i < N; ++i) {
      if (lane >= i) continue;
      T sum = 0;
      for (int d = 0; d < D; ++d) {
        const T away = cloud[i * D + d] * scale.shrink - cloud[lane * D + d] * scale.shrink;
        sum = add_square<T>(sum, away * scale.magnify);
      }
      keys[i * (i - 1) / 2 + lane] = same_bits<Key<T>>(sum);
    }
    __syncwarp();
    // The largest key that at most `rank` keys are below is the one of that rank.
    Key<T> key = 0;
    for (int bit = static_cast<int>(8 * sizeof(T)) - 2; bit >= 0; --bit) {
      const Key<T> trial = key | (Key<T>{1} << bit);
      int below = 0;
      for (int p = lane; p < pairs; p += 32) below += keys[p] < trial ? 1 : 0;
      if (warp_sum(below) <= ranks[0]) key = trial;
    }
    int up_to = 0;
    for (int p = lane; p < pairs; p += 32) up_to += keys[p] <= key ? 1 : 0;
    up_to = warp_sum(up_to);
    Key<T> next = kLastKey<T>;
    for (int p = lane; p < pairs; p += 32) next = keys[p] > key && keys[p] < next ? keys[p] : next;
    next = warp_min(next);
    return Middle<T>{same_bits<T>(key), same_bits<T>(up_to > ranks[1] ? key : next)};
  };
  T found;
  if (lost > 0) {
    found = kNotANumber<T>;
  } else if (N == 1) {
    found = T(0);
  } else {
    found = bandwidth_of<T>(N, select_middle);
  }
  if (lane == 0) task.bandwidth[state] = found;
}

/// What a block of `many` keeps in shared memory.
template <class T>
struct Room {
  static constexpr int kResults = 0;  // what one thread tells all, 64 bits each
  static constexpr int kSums = kResults + 4 * 8;
  static constexpr int kBins = kSums + kThreads * 8;  // of 32 bits
  static constexpr int kKeys = kBins + kDigits * 4;
  static constexpr int kCloud = kKeys + kListed * static_cast<int>(sizeof(T));
};

/// A block's pairs.
template <class T, bool kStaged>
struct Pairs {
  const T* cloud;  // where it is not staged
  int count, dimension;

  /// Coordinate 0 of a particle, and the way to the next one: in shared memory the particles'
  /// coordinates lie side by side.
  __device__ __forceinline__ const T* particle(int j) const {
    if constexpr (kStaged) return shared_memory<T>(Room<T>::kCloud) + j;
    return cloud + std::int64_t{j} * dimension;
  }
  __device__ __forceinline__ int stride() const { return kStaged ? count : 1; }

  /// Shows the keys of all pairs to `visit`, each to one thread.
  template <bool kScaled, class Visit>
  __device__ __forceinline__ void each(Scale<T> scale, const Divider<std::uint32_t>& by_particles,
                                       Visit visit) const {
    const int most = count / 2, groups = (most + 3) / 4;
    const std::int64_t items = std::int64_t{groups} * count;
    for (std::int64_t item = threadIdx.x; item < items; item += kThreads) {
      int group, i;
      if (kStaged || items <= 0x7FFFFFFF) {
        const auto at = divide(static_cast<std::uint32_t>(item), by_particles);
        group = static_cast<int>(at.whole);
        i = static_cast<int>(at.rest);
      } else {
        group = static_cast<int>(item / count);
        i = static_cast<int>(item % count);
      }
      const int k = 4 * group + 1;
      const T* other[4];
      T sum[4] = {};
      for (int m = 0; m < 4; ++m) {
        const int j = i + (k + m <= most ? k + m : 0);
        other[m] = particle(j < count ? j : j - count);
      }
      const T* own = particle(i);
      for (int d = 0; d < dimension; ++d) {
        const T x = *own;
        own += stride();
        for (int m = 0; m < 4; ++m) {
          const T y = *other[m];
          other[m] += stride();
          T away = y - x;
          if constexpr (kScaled) away = (y * scale.shrink - x * scale.shrink) * scale.magnify;
          sum[m] = add_square<T>(sum[m], away);
        }
      }
      for (int m = 0; m < 4; ++m) {
        // Half the circle away there are only half as many pairs.
        const bool there = k + m < most || (k + m == most && (count % 2 == 1 || i < most));
        if (there) visit(same_bits<Key<T>>(sum[m]));
      }
    }
  }
};

template <class T, bool kStaged>
__global__ void __launch_bounds__(kThreads, 2) many(const __grid_constant__ Task<T> task) {
  using Count = unsigned long long;
  const int t = static_cast<int>(threadIdx.x), N = task.count, D = task.dimension;
  const std::int64_t state = blockIdx.x;
  const T* const cloud = task.particles + state * N * D;
  Count* const results = shared_memory<Count>(Room<T>::kResults);
  Count* const sums = shared_memory<Count>(Room<T>::kSums);
  unsigned* const bins = shared_memory<unsigned>(Room<T>::kBins);
  Key<T>* const keys = shared_memory<Key<T>>(Room<T>::kKeys);
  // Where the cloud is not staged, what counts above 32 bits takes its place.
  unsigned* const carries = shared_memory<unsigned>(Room<T>::kCloud);
  unsigned* const listed = reinterpret_cast<unsigned*>(results + 3);
  if (t == 0) *listed = 0;
  __syncthreads();
  bool finite = true;
  for (std::int64_t e = t; e < std::int64_t{N} * D; e += kThreads) {
    const T x = cloud[e];
    finite = finite && x - x == T(0);
    if constexpr (kStaged) {
      const int n = static_cast<int>(e) / D, d = static_cast<int>(e) - n * D;
      shared_memory<T>(Room<T>::kCloud)[d * N + n] = x;
    }
  }
  if (!finite) atomicAdd(listed, 1u);
  __syncthreads();
  if (*listed > 0) {
    if (t == 0) task.bandwidth[state] = kNotANumber<T>;
    return;
  }
  __syncthreads();
  const Pairs<T, kStaged> pairs{cloud, N, D};
  const auto count = static_cast<Count>(N) * static_cast<Count>(N - 1) / 2;
  const bool wide = !kStaged && task.wide;
  const auto bin = [&](int b) {
    return bins[b] + (wide ? static_cast<Count>(carries[b]) << 32 : Count{0});
  };

  const auto select_middle = [&](auto scaled, Scale<T> scale) {
    constexpr bool kScaled = decltype(scaled)::value;
    constexpr int kBits = static_cast<int>(8 * sizeof(T)) - 1;
    // Keys with `found` where `known` has ones: `left` of them, the first of the middle two is
    // number `rank` among them. Once they are listed, `beyond` is the least of the larger ones that
    // the thread has seen.
    Key<T> found = 0, known = 0, beyond = kLastKey<T>;
    Count rank = (count - 1) / 2, left = count;
    bool are_listed = false;
    const auto each = [&](auto visit) {
      if (!are_listed) return pairs.template each<kScaled>(scale, task.by_particles, visit);
      for (unsigned k = static_cast<unsigned>(t); k < *listed; k += kThreads) visit(keys[k]);
    };
    for (int above = kBits; above > 0;) {
      if (!are_listed && left <= kListed) {
        if (t == 0) *listed = 0;
        __syncthreads();
        pairs.template each<kScaled>(scale, task.by_particles, [&](Key<T> key) {
          if ((key & known) == found) {
            keys[atomicAdd(listed, 1u)] = key;
          } else if (key > found && key < beyond) {
            beyond = key;
          }
        });
        are_listed = true;
      }
      const int shift = above > kDigitBits ? above - kDigitBits : 0;
      for (int b = t; b < kDigits; b += kThreads) {
        bins[b] = 0;
        if (wide) carries[b] = 0;
      }
      __syncthreads();
      each([&](Key<T> key) {
        if ((key & known) != found) return;
        const auto b = static_cast<unsigned>(key >> shift) & (kDigits - 1);
        if (!wide) {
          atomicAdd(bins + b, 1u);
        } else if (atomicAdd(bins + b, 1u) == 0xFFFFFFFFu) {
          atomicAdd(carries + b, 1u);
        }
      });
      __syncthreads();
      constexpr int kEach = kDigits / kThreads;
      Count sum = 0;
      for (int b = 0; b < kEach; ++b) sum += bin(t * kEach + b);
      sums[t] = sum;
      __syncthreads();
      if (t < 32) {  // what stands before each thread's digits, 32 threads at a time
        Count before = 0;
        for (int first = 0; first < kThreads; first += 32) {
          const Count own = sums[first + t];
          Count until = own;
          for (int away = 1; away < 32; away *= 2) {
            const Count other = __shfl_up_sync(0xFFFFFFFFu, until, static_cast<unsigned>(away));
            if (t >= away) until += other;
          }
          sums[first + t] = before + until - own;
          before += __shfl_sync(0xFFFFFFFFu, until, 31);
        }
      }
      __syncthreads();
      if (sums[t] <= rank && rank < sums[t] + sum) {  // one thread
        Count before = sums[t];
        int b = t * kEach;
        while (before + bin(b) <= rank) before += bin(b++);
        results[0] = static_cast<Count>(b);
        results[1] = before;
        results[2] = bin(b);
      }
      __syncthreads();
      // The last digit shares bits with the one before, which are the same.
      found |= static_cast<Key<T>>(results[0]) << shift;
      known |= Key<T>{kDigits - 1} << shift;
      rank -= results[1];
      left = results[2];
      above = shift;
      __syncthreads();
    }
    if (count % 2 == 1 || rank + 1 < left)
      return Middle<T>{same_bits<T>(found), same_bits<T>(found)};
    Key<T> next = beyond;
    each([&](Key<T> key) { next = key > found && key < next ? key : next; });
    next = warp_min(next);
    if (t % 32 == 0) sums[t / 32] = static_cast<Count>(next);
    __syncthreads();
    for (int w = 0; w < kThreads / 32; ++w) {
      const auto other = static_cast<Key<T>>(sums[w]);
      next = other < next ? other : next;
    }
    __syncthreads();
    return Middle<T>{same_bits<T>(found), same_bits<T>(next)};
  };
  const T bandwidth = bandwidth_of<T>(N, select_middle);
  if (t == 0) task.bandwidth[state] = bandwidth;
}

}  // namespace

template <class T>
void median_bandwidth(T* bandwidth, const T* particles, const CloudShape& shape, CudaStream on) {
  constexpr const char* kWhat = "median_bandwidth";
  require_shape(shape);
  WPG_REQUIRE(shape.particles >= 1, "particles: a bandwidth needs at least one particle; got N = " +
                                        std::to_string(shape.particles));
  WPG_REQUIRE(shape.particles < (std::int64_t{1} << 30),
              "particles: N = " + std::to_string(shape.particles) +
                  "; on a GPU there may be less than 2^30 in a state");
  if (shape.states == 0) return;
  const CurrentDevice device(device_of(bandwidth));
  const auto bytes = [](std::int64_t count, std::size_t each) {
    return count * static_cast<std::int64_t>(each);
  };
  const std::int64_t cloud = bytes(shape.per_state(), sizeof(T));
  const bool wide = shape.particles > 92682;  // N (N - 1) / 2 >= 2^32
  const Task<T> task{bandwidth,
                     particles,
                     shape.states,
                     static_cast<int>(shape.particles),
                     static_cast<int>(shape.dimension),
                     wide,
                     Divider<std::uint32_t>(static_cast<std::uint32_t>(shape.particles))};
  if (shape.particles <= kFewParticles) {
    launch(kWhat, on,
           {(shape.states + kWarpsOfBlock - 1) / kWarpsOfBlock, 32 * kWarpsOfBlock,
            bytes(kWarpsOfBlock * kFewPairs, sizeof(T))},
           few<T>, task);
  } else {
    const bool staged = Room<T>::kCloud + cloud <= kSharedBytes;
    const std::int64_t last = staged ? cloud : wide ? std::int64_t{4 * kDigits} : 0;
    launch(kWhat, on, {shape.states, kThreads, Room<T>::kCloud + last},
           staged ? many<T, true> : many<T, false>, task);
  }
}

template void median_bandwidth<float>(float*, const float*, const CloudShape&, CudaStream);
template void median_bandwidth<double>(double*, const double*, const CloudShape&, CudaStream);

}  // namespace cuda
}  // namespace wpg
