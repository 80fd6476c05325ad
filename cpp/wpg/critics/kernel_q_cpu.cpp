#include "wpg/critics/kernel_q_cpu.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/critics/kernel_q_math.hpp"
#include "wpg/critics/profiles/profiles_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

// Particles that share a pass over the centres, and centres whose terms stay in the first cache.
constexpr std::int64_t kGroup = 16;
template <class T>
constexpr std::int64_t kChunk = 2048 / static_cast<std::int64_t>(sizeof(T));
// Below this a relative exponent is not kept exactly; sums of it with what an action adds stay
// above -120, where powers of two want no check. For exponents that a slice keeps it is far away.
template <class T>
constexpr T kLeastExponent = sizeof(T) == 4 ? T(-100) : T(-950);

// ---------------------------------------------------------------- the centres of a state

/// What is known of a state while its centres are looked for.
template <class T>
struct Search {
  const KernelQ<T>& q;
  const T* state;          // in units
  T* exponents;            // of the leaves that were looked at, kLeaf each, in their order
  std::int32_t* leaves;    // which these are
  std::int64_t count = 0;  // how many
  T highest;               // largest exponent so far
  T range;                 // exponents further below the highest are left out
};

/// Exponents of the centres of a leaf, and the largest, by lanes. kO: the observation size where it
/// is small; 0: any.
template <class T, class P, int kO>
WPG_FORMULA vector_of<T> exponents_of(const Search<T>& search, std::int64_t leaf, T* out) {
  using V = vector_of<T>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  constexpr std::int64_t kLeaf = CenterIndex<T>::kLeaf;
  // Vectors side by side: as many as share the loads of the state without filling the registers.
  constexpr int kSide = kLeaf / kLanes<T> < 4 ? kLeaf / kLanes<T> : 4;
  const std::int64_t O = kO == 0 ? search.q.observation_size() : kO, first = leaf * kLeaf;
  const T* const block = search.q.state_block(first / kBlock) + first % kBlock;
  V top = all_lanes<V>(-std::numeric_limits<T>::infinity());
  for (std::int64_t m = 0; m < kLeaf; m += kSide * kLanes<T>) {
    V square[kSide] = {};
    const auto add = [&](std::int64_t o) __attribute__((always_inline)) {
      const V at = all_lanes<V>(search.state[o]);
#pragma GCC unroll 4
      for (int j = 0; j < kSide; ++j) {
        const V away = load<V>(block + o * kRow + m + j * kLanes<T>) - at;
        square[j] = square[j] + away * away;
      }
    };
    if constexpr (kO == 0) {
      for (std::int64_t o = 0; o < O; ++o) add(o);
    } else {
#pragma GCC unroll 8
      for (int o = 0; o < kO; ++o) add(o);
    }
#pragma GCC unroll 4
    for (int j = 0; j < kSide; ++j) {
      const std::int64_t i = m + j * kLanes<T>;
      const V exponent = load<V>(block + O * kRow + i) + P::template log2_profile<V>(square[j]);
      store(out + i, exponent);
      top = larger(exponent, top);
    }
  }
  return top;
}

/// For each node of a group, what no exponent below it exceeds.
template <class T, class P, int kO>
WPG_FORMULA void bound_nodes(const Search<T>& search, std::int64_t level, std::int64_t i,
                             T* bounds) {
  using V = vector_of<T>;
  constexpr std::int64_t kFan = CenterIndex<T>::kFan;
  const T* const group = search.q.index().group(level, i);
  const std::int64_t O = kO == 0 ? search.q.observation_size() : kO;
  for (std::int64_t node = 0; node < kFan; node += kLanes<T>) {
    V square = V{};
    for (std::int64_t o = 0; o < O; ++o) {
      const V at = all_lanes<V>(search.state[o]);
      const V below = load<V>(group + o * kFan + node) - at;
      const V above = at - load<V>(group + (O + o) * kFan + node);
      const V away = larger(V(larger(below, above)), V{});
      square = square + away * away;
    }
    store(bounds + node,
          V(load<V>(group + 2 * O * kFan + node) + P::template log2_profile<V>(square)));
  }
}

/// An exponent that some centre has: that of the leaf to which the best bound leads.
template <class T, class P, int kO>
T descend(const Search<T>& search) {
  T bounds[CenterIndex<T>::kFan], exponents[CenterIndex<T>::kLeaf];
  std::int64_t node = 0;
  for (std::int64_t level = search.q.index().levels() - 1; level >= 0; --level) {
    bound_nodes<T, P, kO>(search, level, node, bounds);
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < CenterIndex<T>::kFan; ++i) {
      if (bounds[i] > bounds[best]) best = i;
    }
    node = node * CenterIndex<T>::kFan + best;
  }
  return largest_lane<T>(exponents_of<T, P, kO>(search, node, exponents));
}

/// Looks into every leaf below a group whose bound comes within range of the highest exponent.
template <class T, class P, int kO>
void collect(Search<T>& search, std::int64_t level, std::int64_t group) {
  using V = vector_of<T>;
  constexpr std::int64_t kFan = CenterIndex<T>::kFan, kLeaf = CenterIndex<T>::kLeaf;
  T bounds[kFan];
  bound_nodes<T, P, kO>(search, level, group, bounds);
  V top = all_lanes<V>(search.highest);
  for (std::int64_t i = 0; i < kFan; ++i) {
    if (!(bounds[i] >= search.highest - search.range)) continue;
    const std::int64_t node = group * kFan + i;
    if (level > 0) {
      collect<T, P, kO>(search, level - 1, node);
      continue;
    }
    T* const out = search.exponents + search.count * kLeaf;
    top = larger(exponents_of<T, P, kO>(search, node, out), top);
    search.leaves[search.count++] = static_cast<std::int32_t>(node);
  }
  if (level == 0) search.highest = largest_lane<T>(top);
}

/// Fills in exponents and leaves; those of all leaves where there is no index.
template <class T, class P, int kO>
void search_centers(Search<T>& search) {
  using V = vector_of<T>;
  constexpr std::int64_t kLeaf = CenterIndex<T>::kLeaf;
  const KernelQ<T>& q = search.q;
  if (q.index().levels() > 0) {
    const T first = descend<T, P, kO>(search);
    search.highest = larger(search.highest, first);
    // A bound and an exponent are rounded alike but for their compilation.
    const T rounding =
        std::numeric_limits<T>::epsilon() * 8 * static_cast<T>(q.observation_size() + 8);
    search.range += rounding * (search.range + 160 + std::abs(search.highest));
    return collect<T, P, kO>(search, q.index().levels() - 1, 0);
  }
  V top = all_lanes<V>(search.highest);
  for (std::int64_t leaf = 0; leaf < q.padded() / kLeaf; ++leaf) {
    top = larger(exponents_of<T, P, kO>(search, leaf, search.exponents + leaf * kLeaf), top);
  }
  search.count = q.padded() / kLeaf;
  search.highest = largest_lane<T>(top);
}

template <class T, class P>
void search_centers_of_size(Search<T>& search) {
  switch (search.q.observation_size()) {
    case 1:
      return search_centers<T, P, 1>(search);
    case 2:
      return search_centers<T, P, 2>(search);
    case 3:
      return search_centers<T, P, 3>(search);
    case 4:
      return search_centers<T, P, 4>(search);
    case 6:
      return search_centers<T, P, 6>(search);
    default:
      return search_centers<T, P, 0>(search);
  }
}

/// Where in the scratch of a slice its parts stand.
template <class T>
struct SliceScratch {
  T *point, *exponents, *kept, *expanded, *blocks;
  std::int32_t* leaves;

  // Rows of a number for each centre, with room for a vector more; the kept blocks; the leaves.
  static constexpr std::int64_t kRow = KernelQ<T>::kRow;
  static std::int64_t row(const KernelQ<T>& q) { return (q.blocks() + 1) * kRow; }
  static std::int64_t point_size(const KernelQ<T>& q) {
    return (q.observation_size() + kRow - 1) / kRow * kRow;
  }
  static std::int64_t blocks_size(const KernelQ<T>& q) {
    return (q.blocks() + 1) * (q.action_size() + 1) * kRow;
  }
  static std::int64_t size(const KernelQ<T>& q) {
    return point_size(q) + 3 * row(q) + blocks_size(q) + q.padded() / CenterIndex<T>::kLeaf;
  }

  SliceScratch(const KernelQ<T>& q, T* memory)
      : point(memory),
        exponents(point + point_size(q)),
        kept(exponents + row(q)),
        expanded(kept + row(q)),
        blocks(expanded + row(q)),
        leaves(reinterpret_cast<std::int32_t*>(blocks + blocks_size(q))) {}
};

/// Copies the centres that matter side by side: their number.
template <class T>
std::int64_t keep(const KernelQ<T>& q, const T* exponents, const std::int32_t* leaves,
                  std::int64_t count, T power, T cut, const SliceScratch<T>& to) {
  using V = vector_of<T>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  constexpr std::int64_t kLeaf = CenterIndex<T>::kLeaf;
  const std::int64_t D = q.action_size(), block_size = (D + 1) * kRow;
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < count; i += kLanes<T>) {
    const V exponent = load<V>(exponents + i) - power;
    const unsigned mask = mask_of_lanes(signed_of<V>(exponent >= cut));
    if (mask == 0) continue;
    const std::int64_t first = leaves == nullptr ? i : leaves[i / kLeaf] * kLeaf + i % kLeaf;
    const T* const from =
        q.action_blocks() + first / kBlock * q.action_block_size() + first % kBlock;
    const Packing how = packing_of<T>(mask);
    store(to.kept + at, pack(exponent, how));
    store(to.expanded + at, pack(V(exponent - load<V>(from + (D + 1) * kRow)), how));
    const std::int64_t lane = at % kBlock;
    T* const block = to.blocks + at / kBlock * block_size;
    for (std::int64_t row = 0; row <= D; ++row) {
      store(block + row * kRow + lane, pack(load<V>(from + row * kRow), how));
    }
    const int more = __builtin_popcount(mask);
    if (lane + more > kBlock) {  // what went over the rows' ends begins the next block
      for (std::int64_t row = 0; row <= D; ++row) {
        store(block + block_size + row * kRow, load<V>(block + row * kRow + kBlock));
      }
    }
    at += more;
  }
  // Fill the last vector with centres that count for nothing.
  const std::int64_t rest = (kLanes<T> - at % kLanes<T>) % kLanes<T>;
  for (std::int64_t i = 0; i < rest; ++i, ++at) {
    to.kept[at] = to.expanded[at] = kLeastExponent<T>;
    for (std::int64_t row = 0; row <= D; ++row) {
      to.blocks[at / kBlock * block_size + row * kRow + at % kBlock] = 0;
    }
  }
  return at;
}

template <class T, class P>
StateSlice<T> slice_of_profile(const KernelQ<T>& q, const T* state, T* memory) {
  using V = vector_of<T>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  constexpr std::int64_t kLeaf = CenterIndex<T>::kLeaf;
  constexpr bool kGaussian = std::is_same_v<P, Gaussian>;
  const SliceScratch<T> scratch(q, memory);
  const std::int64_t padded = q.padded(), O = q.observation_size();
  bool finite = true;
  for (std::int64_t o = 0; o < O; ++o) {
    finite = finite && std::isfinite(state[o]);
    scratch.point[o] = state[o] * q.state_unit()[o];
  }
  StateSlice<T> slice = {scratch.kept, nullptr, scratch.blocks, 0, 0, 0, finite};
  if (!finite || padded == 0) return slice;

  const T below = skipping_range<T>(q.centers());
  Search<T> search{q,    scratch.point, scratch.exponents, scratch.leaves, 0, kLowestExponent<T>,
                   below};
  search_centers_of_size<T, P>(search);
  // Relative to the largest, no power of two overflows, whatever the weights.
  T power = std::ceil(search.highest);
  const T cut = search.highest - below - power;
  slice.power = static_cast<int>(power);
  const bool all = search.count * kLeaf == padded;
  if (all) {                    // perhaps nearly all matter: then they stay where they are
    signed_of<V> skipped = {};  // a comparison that holds is -1
    for (std::int64_t m = 0; m < padded; m += kBlock) {
      const T* const squares =
          q.action_blocks() + m / kBlock * q.action_block_size() + (q.action_size() + 1) * kRow;
      for (std::int64_t i = 0; i < kBlock && m + i < padded; i += kLanes<T>) {
        const V exponent = larger(V(load<V>(scratch.exponents + m + i) - power),
                                  V(all_lanes<V>(kLeastExponent<T>)));
        skipped = skipped - (signed_of<V>)(exponent < cut);
        store(scratch.exponents + m + i, exponent);
        if constexpr (kGaussian) {
          store(scratch.expanded + m + i, V(exponent - load<V>(squares + i)));
        }
      }
    }
    power = 0;
    slice.count = padded;
    for (int lane = 0; lane < kLanes<T>; ++lane) slice.count -= skipped[lane];
  }
  T* exponents = scratch.kept;
  if (slice.count * 4 > padded * 3) {
    exponents = scratch.exponents;
    slice.blocks = q.action_blocks();
    slice.block_size = q.action_block_size();
    slice.count = padded;
  } else {
    slice.block_size = (q.action_size() + 1) * kRow;
    slice.count = keep<T>(q, scratch.exponents, all ? nullptr : scratch.leaves,
                          search.count * kLeaf, power, cut, scratch);
  }
  slice.exponents = exponents;
  if constexpr (kGaussian) {
    if (q.centers_near()) slice.expanded_exponents = scratch.expanded;
  } else {
    for (std::int64_t m = 0; m < slice.count; m += kLanes<T>) {
      const T* const signs =
          slice.blocks + m / kBlock * slice.block_size + q.action_size() * kRow + m % kBlock;
      store(exponents + m, with_sign(power_of_two<V>(load<V>(exponents + m)), load<V>(signs)));
    }
  }
  return slice;
}

// ---------------------------------------------------------------- the particles of a state

// Three passes over a chunk of centres for one or two particles: what goes into the kernel, the
// kernel, the sums of the gradient. One pass that does all of it has chains of operations so long
// that the processor cannot hold enough of them at once.

/// For the centres first..last what the kernel is asked of, for kP particles that share the loads
/// of the actions: of a Gaussian the term's exponent, of other profiles the squared distance. A
/// particle's `out` begins kChunk after the other's.
///
/// kExpanded: |a - c|^2 = |a|^2 - 2 a.c + |c|^2, whose first factor is left to the caller and whose
/// last one is in the exponents already; otherwise differences first. kD: the action dimension
/// where it is small, so that the particles stay in registers; 0: any.
template <class T, class P, int kP, int kD, bool kExpanded>
void arguments_of(const StateSlice<T>& slice, std::int64_t first, std::int64_t last,
                  const T* const* points, std::int64_t dimension, T* out) {
  using V = vector_of<T>;
  constexpr bool kGaussian = std::is_same_v<P, Gaussian>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  const std::int64_t D = kD == 0 ? dimension : kD;
  V at[kP][kD == 0 ? 1 : kD];
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 8
    for (int d = 0; d < kD; ++d) {
      at[p][d] = all_lanes<V>(kExpanded ? 2 * points[p][d] : points[p][d]);
    }
  }
  for (std::int64_t m = first; m < last; m += kBlock) {
    const T* const block = slice.blocks + m / kBlock * slice.block_size;
    const T* const exponents = (kExpanded ? slice.expanded_exponents : slice.exponents) + m;
    T* const to = out + (m - first);
    const std::int64_t count = last - m < kBlock ? last - m : kBlock;
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
      V x[kP];
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) x[p] = kGaussian ? load<V>(exponents + i) : V{};
      const auto add = [&](V& to_x, V action, V here) __attribute__((always_inline)) {
        if constexpr (kExpanded) {
          to_x = to_x + here * action;
        } else {
          const V away = action - here;
          to_x = kGaussian ? V(to_x - away * away) : V(to_x + away * away);
        }
      };
      if constexpr (kD == 0) {
        for (std::int64_t d = 0; d < D; ++d) {
          const V action = in_register(load<V>(block + d * kRow + i));
#pragma GCC unroll 2
          for (int p = 0; p < kP; ++p) {
            add(x[p], action, all_lanes<V>(kExpanded ? 2 * points[p][d] : points[p][d]));
          }
        }
      } else {
#pragma GCC unroll 8
        for (int d = 0; d < kD; ++d) {
          const V action = in_register(load<V>(block + d * kRow + i));
#pragma GCC unroll 2
          for (int p = 0; p < kP; ++p) add(x[p], action, at[p][d]);
        }
      }
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) store(to + p * kChunk<T> + i, x[p]);
    }
  }
}

/// Those arguments, in place, into signed terms; and their sum, by lanes, added to `total`. Of a
/// profile that is not its own slope, `terms` become those of the gradient.
template <class T, class P, bool kExpanded>
void terms_of(const StateSlice<T>& slice, std::int64_t first, std::int64_t last, std::int64_t D,
              T* terms, T* total) {
  using V = vector_of<T>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  V sum = load<V>(total);
  for (std::int64_t m = first; m < last; m += kBlock) {
    const T* const factors = slice.exponents + m;
    const T* const signs = slice.blocks + m / kBlock * slice.block_size + D * kRow;
    T* const out = terms + (m - first);
    const std::int64_t count = last - m < kBlock ? last - m : kBlock;
#pragma GCC unroll 2
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
      const V x = load<V>(out + i);
      if constexpr (std::is_same_v<P, Gaussian>) {
        const V term = ScaledPowerOfTwo<V>::template of<!kExpanded>(x, load<V>(signs + i));
        sum = sum + term;
        store(out + i, term);
      } else {
        const V factor = load<V>(factors + i);
        V slope;
        sum = sum + factor * P::template profile<V>(x, slope);
        store(out + i, V(factor * slope));
      }
    }
  }
  store(total, sum);
}

template <class T>
using ArgumentsOf = void (*)(const StateSlice<T>&, std::int64_t, std::int64_t, const T* const*,
                             std::int64_t, T*);

template <class T, class P, int kP, bool kExpanded>
ArgumentsOf<T> arguments_of_dimension(std::int64_t D) {
  switch (D) {
    case 1:
      return &arguments_of<T, P, kP, 1, kExpanded>;
    case 2:
      return &arguments_of<T, P, kP, 2, kExpanded>;
    case 3:
      return &arguments_of<T, P, kP, 3, kExpanded>;
    case 4:
      return &arguments_of<T, P, kP, 4, kExpanded>;
    case 6:
      return &arguments_of<T, P, kP, 6, kExpanded>;
    default:
      return &arguments_of<T, P, kP, 0, kExpanded>;
  }
}

/// Adds to `sums` (kP, D), by lanes, the sums over the centres first..last of terms times actions
/// (kExpanded) or times actions minus the particle's, for kC coordinates from `first_coordinate` on
/// and kP particles, which share the loads of the actions.
template <class T, int kP, int kC, bool kExpanded>
void add_slopes(const StateSlice<T>& slice, std::int64_t first, std::int64_t last, const T* terms,
                const T* const* points, std::int64_t first_coordinate, T* const* sums) {
  using V = vector_of<T>;
  constexpr std::int64_t kBlock = KernelQ<T>::kBlock, kRow = KernelQ<T>::kRow;
  V sum[kP][kC];
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) sum[p][c] = load<V>(sums[p] + (first_coordinate + c) * kLanes<T>);
  }
  for (std::int64_t m = first; m < last; m += kBlock) {
    const T* const block = slice.blocks + m / kBlock * slice.block_size + first_coordinate * kRow;
    const T* const in = terms + (m - first);
    const std::int64_t count = last - m < kBlock ? last - m : kBlock;
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
      V term[kP];
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) term[p] = load<V>(in + p * kChunk<T> + i);
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) {
        const V action = in_register(load<V>(block + c * kRow + i));
#pragma GCC unroll 2
        for (int p = 0; p < kP; ++p) {
          const V away =
              kExpanded ? action : V(action - all_lanes<V>(points[p][first_coordinate + c]));
          sum[p][c] = sum[p][c] + term[p] * away;
        }
      }
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) store(sums[p] + (first_coordinate + c) * kLanes<T>, sum[p][c]);
  }
}

/// The same for all D coordinates, at most six at a time.
template <class T, int kP, bool kExpanded>
void add_all_slopes(const StateSlice<T>& slice, std::int64_t first, std::int64_t last,
                    const T* terms, const T* const* points, std::int64_t D, T* const* sums) {
  const auto add = [&](auto width, std::int64_t c) {
    add_slopes<T, kP, decltype(width)::value, kExpanded>(slice, first, last, terms, points, c,
                                                         sums);
  };
  for (std::int64_t c = 0; c < D;) {
    const std::int64_t left = D - c;
    switch (left == 7 || left == 8 ? 4 : left) {
      case 1:
        add(std::integral_constant<int, 1>{}, c);
        c += 1;
        break;
      case 2:
        add(std::integral_constant<int, 2>{}, c);
        c += 2;
        break;
      case 3:
        add(std::integral_constant<int, 3>{}, c);
        c += 3;
        break;
      case 4:
        add(std::integral_constant<int, 4>{}, c);
        c += 4;
        break;
      case 5:
        add(std::integral_constant<int, 5>{}, c);
        c += 5;
        break;
      default:
        add(std::integral_constant<int, 6>{}, c);
        c += 6;
        break;
    }
  }
}

/// Up to kGroup particles and what is summed for each of them.
template <class T>
struct Group {
  T* points;  // (kGroup, D) in units, relative to the middle
  T* totals;  // (kGroup, lanes)
  T* slopes;  // (kGroup, D, lanes)
  T* terms;   // (2, kChunk)
};

/// Sums of the particles `which` over all centres of the slice, two particles at a time. A
/// particle's sums are those that it has alone.
template <class T, class P, bool kExpanded>
void sum_centers(const StateSlice<T>& slice, std::int64_t D, const Group<T>& group,
                 const int* which, int count, bool wants_gradient) {
  const ArgumentsOf<T> of_one = arguments_of_dimension<T, P, 1, kExpanded>(D);
  const ArgumentsOf<T> of_two = arguments_of_dimension<T, P, 2, kExpanded>(D);
  for (std::int64_t first = 0; first < slice.count; first += kChunk<T>) {
    const std::int64_t last = slice.count - first < kChunk<T> ? slice.count : first + kChunk<T>;
    for (int i = 0; i < count; i += 2) {
      const bool two = i + 1 < count;
      const T* points[2];
      T* sums[2];
      for (int p = 0; p < (two ? 2 : 1); ++p) {
        points[p] = group.points + which[i + p] * D;
        sums[p] = group.slopes + which[i + p] * D * kLanes<T>;
      }
      (two ? of_two : of_one)(slice, first, last, points, D, group.terms);
      for (int p = 0; p < (two ? 2 : 1); ++p) {
        terms_of<T, P, kExpanded>(slice, first, last, D, group.terms + p * kChunk<T>,
                                  group.totals + which[i + p] * kLanes<T>);
      }
      if (!wants_gradient) continue;
      if (two) {
        add_all_slopes<T, 2, kExpanded>(slice, first, last, group.terms, points, D, sums);
      } else {
        add_all_slopes<T, 1, kExpanded>(slice, first, last, group.terms, points, D, sums);
      }
    }
  }
}

template <class T, class P>
void evaluate_profile(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                      const T* particles, std::int64_t count) {
  using V = vector_of<T>;
  constexpr bool kGaussian = std::is_same_v<P, Gaussian>;
  constexpr T kScale = kGaussian ? ScaledPowerOfTwo<V>::kScale : T(1);
  const std::int64_t D = q.action_size();
  Scratch<T> memory(kGroup * (D + (D + 1) * kLanes<T>)+2 * kChunk<T>);
  Group<T> group;
  group.terms = memory.get();
  group.totals = group.terms + 2 * kChunk<T>;
  group.slopes = group.totals + kGroup * kLanes<T>;
  group.points = group.slopes + kGroup * D * kLanes<T>;
  for (std::int64_t begin = 0; begin < count; begin += kGroup) {
    const int size = static_cast<int>(count - begin < kGroup ? count - begin : kGroup);
    int near[kGroup], apart[kGroup], nears = 0, aparts = 0;
    T squares[kGroup];
    for (int n = 0; n < size; ++n) {
      const T* const particle = particles + (begin + n) * D;
      T* const point = group.points + n * D;
      T square = 0;
      bool finite = slice.finite;
      for (std::int64_t d = 0; d < D; ++d) {
        finite = finite && std::isfinite(particle[d]);
        point[d] = particle[d] * q.action_unit()[d] - q.middle()[d];
        square += point[d] * point[d];
      }
      squares[n] = square;
      // The loops want finite numbers: NaN leaves here, and so does a point so far out that its
      // square overflows, where every kernel is 0.
      if (!finite || !std::isfinite(square)) {
        const T answer = finite ? T(0) : std::numeric_limits<T>::quiet_NaN();
        if (values != nullptr) values[begin + n] = answer;
        for (std::int64_t d = 0; gradient != nullptr && d < D; ++d) {
          gradient[(begin + n) * D + d] = answer;
        }
        continue;
      }
      const bool expanded = slice.expanded_exponents != nullptr && square <= KernelQ<T>::kNear;
      (expanded ? near[nears++] : apart[aparts++]) = n;
      for (std::int64_t e = 0; e < kLanes<T>; ++e) group.totals[n * kLanes<T> + e] = 0;
      for (std::int64_t e = 0; e < D * kLanes<T>; ++e) group.slopes[n * D * kLanes<T> + e] = 0;
    }
    const bool slopes = gradient != nullptr;
    if constexpr (kGaussian) sum_centers<T, P, true>(slice, D, group, near, nears, slopes);
    sum_centers<T, P, false>(slice, D, group, apart, aparts, slopes);
    // 2^power in two factors, so that neither overflows where the product does not.
    const int half = slice.power / 2;
    const T low = std::ldexp(T(1), half), high = std::ldexp(T(1), slice.power - half);
    const auto finish = [&](int n, bool expanded) {
      const T scale = expanded ? kScale * power_of_two<T>(-squares[n]) : kScale;
      const T total = sum_of_lanes<T>(load<V>(group.totals + n * kLanes<T>));
      if (values != nullptr) values[begin + n] = total * scale * low * high;
      for (std::int64_t d = 0; slopes && d < D; ++d) {
        T slope = sum_of_lanes<T>(load<V>(group.slopes + (n * D + d) * kLanes<T>));
        if (expanded) slope -= total * group.points[n * D + d];
        gradient[(begin + n) * D + d] = slope * scale * low * high * q.gradient_unit()[d];
      }
    };
    for (int i = 0; i < nears; ++i) finish(near[i], true);
    for (int i = 0; i < aparts; ++i) finish(apart[i], false);
  }
}

}  // namespace

template <class T>
std::int64_t slice_scratch(const KernelQ<T>& q) {
  return SliceScratch<T>::size(q);
}

template <class T>
StateSlice<T> slice_state(const KernelQ<T>& q, const T* state, T* scratch) {
  return with_profile(q.profile(), [&](auto profile) __attribute__((always_inline)) {
    return slice_of_profile<T, decltype(profile)>(q, state, scratch);
  });
}

template <class T>
void evaluate_particles(const KernelQ<T>& q, const StateSlice<T>& slice, T* values, T* gradient,
                        const T* particles, std::int64_t count) {
  with_profile(q.profile(), [&](auto profile) __attribute__((always_inline)) {
    evaluate_profile<T, decltype(profile)>(q, slice, values, gradient, particles, count);
  });
}

template <class T>
void evaluate_states(const KernelQ<T>& q, T* values, T* gradient, const T* states,
                     const T* particles, const CloudShape& shape, std::int64_t first_state,
                     std::int64_t last_state) {
  Scratch<T> scratch(slice_scratch(q));
  for (std::int64_t s = first_state; s < last_state; ++s) {
    const StateSlice<T> slice = slice_state(q, states + s * q.observation_size(), scratch.get());
    evaluate_particles(q, slice, values == nullptr ? nullptr : values + s * shape.particles,
                       gradient == nullptr ? nullptr : gradient + s * shape.per_state(),
                       particles + s * shape.per_state(), shape.particles);
  }
}

#define WPG_INSTANTIATE(T)                                                                       \
  template std::int64_t slice_scratch<T>(const KernelQ<T>&);                                     \
  template StateSlice<T> slice_state<T>(const KernelQ<T>&, const T*, T*);                        \
  template void evaluate_particles<T>(const KernelQ<T>&, const StateSlice<T>&, T*, T*, const T*, \
                                      std::int64_t);                                             \
  template void evaluate_states<T>(const KernelQ<T>&, T*, T*, const T*, const T*,                \
                                   const CloudShape&, std::int64_t, std::int64_t);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace WPG_ISA
}  // namespace wpg
