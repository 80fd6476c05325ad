#include "wpg/density/bandwidth_cpu.hpp"

#include <cmath>
#include <limits>

#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/density/bandwidth_math.hpp"
#include "wpg/density/median_bandwidth.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

// Inlined, so that a visitor's state stays in registers.
#define WPG_LOOP __attribute__((always_inline))

// A source holds numbers that are not negative, among NaN, and shows them to a visitor in vectors:
// visit.vector(x), and visit.end_of_block() now and then. NaN is never counted.

/// Numbers that are not negative order like the integers of the same bits; -1 is below all of them.
template <class T>
using Key = signed_of<T>;

/// Keys above `low` and not above `high`.
template <class T>
struct Interval {
  Key<T> low, high;
};

template <class T>
constexpr Key<T> kInfinityKey =
    static_cast<Key<T>>(sizeof(T) == 4 ? 0x7F800000 : 0x7FF0000000000000);

template <class T>
Key<T> key_of(T value) {
  return same_bits<Key<T>>(value);
}

template <class T>
T value_of(Key<T> key) {
  return key < 0 ? T(-1) : same_bits<T>(key);
}

template <class T>
std::int64_t sum_of_flags(signed_of<vector_of<T>> flags) {  // a flag is -1
  Key<T> lane[kLanes<T>];
  store(lane, flags);
  std::int64_t sum = 0;
  for (int i = 0; i < kLanes<T>; ++i) sum -= lane[i];
  return sum;
}

/// The size of a good sample. Source: Floyd, Rivest 1975.
double two_thirds(std::int64_t count) {
  const double root = std::cbrt(static_cast<double>(count));
  return root * root;
}

/// Up to here an order statistic is found by counting alone.
constexpr std::int64_t kFew = 1024;

// Visitors

/// Writes down what it sees.
template <class T>
struct Keep {
  T* next;

  void vector(vector_of<T> x) { next += store_chosen<T>(next, x, x == x); }
  void end_of_block() {}
};

/// Counts what is above `low`, and keeps what is not above `high` either; of more than `capacity`
/// numbers only some. There must be room for the capacity and a block.
template <class T>
struct Collect {
  using V = vector_of<T>;
  using I = signed_of<V>;

  V low, high;
  T* to;
  std::int64_t capacity;
  T* next = to;
  std::int64_t above = 0, overwritten = 0;

  void vector(V x) {
    const I is_above = x > low;
    above += count_of_flags(is_above);
    next += store_chosen<T>(next, x, is_above & (x <= high));
  }

  void end_of_block() {
    if (next - to > capacity) {
      overwritten += next - to;
      next = to;
    }
  }

  std::int64_t inside() const { return overwritten + (next - to); }
};

/// Counts what is not above either of two limits.
template <class T>
struct CountUpTo {
  vector_of<T> lower, upper;
  signed_of<vector_of<T>> up_to_lower = {}, up_to_upper = {};

  void vector(vector_of<T> x) {
    up_to_lower += x <= lower;
    up_to_upper += x <= upper;
  }
  void end_of_block() {}
};

/// Counts what is not above a limit, and finds the least number that is.
template <class T>
struct NextAbove {
  vector_of<T> limit, least;
  std::int64_t up_to_limit = 0;

  void vector(vector_of<T> x) {
    up_to_limit += count_of_flags(x <= limit);
    least = smaller(select(x > limit, x, least), least);
  }
  void end_of_block() {}
};

template <class T>
struct Extremes {
  vector_of<T> least, most;

  void vector(vector_of<T> x) {  // the other operand where x is NaN
    least = smaller(x, least);
    most = larger(x, most);
  }
  void end_of_block() {}
};

// Sources

/// Numbers in memory.
template <class T>
class Stored {
  using V = vector_of<T>;

 public:
  /// Behind the numbers there must be room for a vector.
  Stored(T* data, std::int64_t count) : data_(data), count_(count) {
    store(data + count, all_lanes<V>(std::numeric_limits<T>::quiet_NaN()));
  }

  std::int64_t count() const { return count_; }

  template <class Visit>
  void each(Visit& visit) const {
    Visit local = visit;  // its state in registers
    for (std::int64_t i = 0; i < count_; i += kLanes<T>) local.vector(load<V>(data_ + i));
    local.end_of_block();
    visit = local;
  }

  /// Some of the numbers, from everywhere; returns how many.
  std::int64_t sample(T* to) const {
    const std::int64_t vectors = count_ / kLanes<T>;
    const std::int64_t wanted = static_cast<std::int64_t>(two_thirds(count_)) / kLanes<T> + 1;
    const std::int64_t taken = wanted < vectors ? wanted : vectors;
    for (std::int64_t k = 0; k < taken; ++k) {
      store(to + k * kLanes<T>, load<V>(data_ + k * vectors / taken * kLanes<T>));
    }
    return taken * kLanes<T>;
  }

 private:
  T* data_;
  std::int64_t count_;
};

/// The squared distances of one state's N(N-1)/2 pairs, computed whenever they are wanted: of
/// particle i and i + 1, ..., i + N/2, around in a circle. So every loop has the same length.
template <class T>
class Pairs {
  using V = vector_of<T>;

 public:
  Pairs(std::int64_t particles, std::int64_t dimension)
      : N_(particles),
        D_(dimension),
        width_(particles + particles / 2 + 2 * kLanes<T>),
        place_memory_(particles),
        place_(place_memory_.get()),
        memory_(dimension * width_),
        coordinates_(memory_.get()),
        own_memory_(dimension * kLanes<T>),
        own_(own_memory_.get()) {
    // Particles stand in a shuffled order, the same one in every state. Then the pairs i, i + k for
    // a few k are a random sample of all pairs, in whatever order the particles were given, and one
    // in which every particle occurs equally often.
    for (std::int64_t i = 0; i < N_; ++i) place_[i] = i;
    std::uint64_t random = 0x9E3779B97F4A7C15u;
    for (std::int64_t i = N_ - 1; i > 0; --i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const auto j = static_cast<std::int64_t>((random >> 33) % static_cast<std::uint64_t>(i + 1));
      const std::int64_t kept = place_[i];
      place_[i] = place_[j];
      place_[j] = kept;
    }
    sample_shifts_ = 1 + static_cast<std::int64_t>(1.25 * two_thirds(count())) / N_;
    if (sample_shifts_ > (N_ - 1) / 2) sample_shifts_ = (N_ - 1) / 2;
  }

  /// Particles times `scale`. False if a coordinate is NaN or infinite.
  bool take_state(const T* particles, T scale) {
    for (std::int64_t i = 0; i < N_; ++i) {
      const T* const from = particles + place_[i] * D_;
      for (std::int64_t d = 0; d < D_; ++d) coordinates_[d * width_ + i] = from[d] * scale;
    }
    V rest = V{};
    for (std::int64_t d = 0; d < D_; ++d) {
      T* const row = coordinates_ + d * width_;
      for (std::int64_t i = N_; i < width_; ++i) row[i] = row[i - N_];
      for (std::int64_t i = 0; i < N_; i += kLanes<T>) {
        const V x = load<V>(row + i);
        rest += x - x;  // NaN for what is not finite
      }
    }
    return sum_of_lanes<T>(rest) == T(0);
  }

  /// From now on differences are multiplied by this before they are squared.
  void magnify(T scale) { scale_ = scale; }

  std::int64_t particles() const { return N_; }
  std::int64_t count() const { return N_ * (N_ - 1) / 2; }
  std::int64_t most_in_block() const { return (N_ / 2 + 1) * kLanes<T>; }
  std::int64_t most_in_sample() const { return sample_shifts_ * N_; }

  template <class Visit>
  void each(Visit& visit) const {
    shifts(1, (N_ - 1) / 2, N_, visit);
    if (N_ % 2 == 0) shifts(N_ / 2, N_ / 2, N_ / 2, visit);
  }

  /// Some of the squared distances; returns how many.
  std::int64_t sample(T* to) const {
    Keep<T> keep{to};
    shifts(1, sample_shifts_, N_, keep);
    return keep.next - to;
  }

 private:
  /// The first `particles` with those that stand `first` to `last` further on.
  template <class Visit>
  void shifts(std::int64_t first, std::int64_t last, std::int64_t particles, Visit& visit) const {
    if (scale_ != T(1)) return blocks<0, true>(first, last, particles, visit);
    switch (D_) {
      case 1:
        return blocks<1, false>(first, last, particles, visit);
      case 2:
        return blocks<2, false>(first, last, particles, visit);
      case 3:
        return blocks<3, false>(first, last, particles, visit);
      case 4:
        return blocks<4, false>(first, last, particles, visit);
      case 5:
        return blocks<5, false>(first, last, particles, visit);
      case 6:
        return blocks<6, false>(first, last, particles, visit);
      case 7:
        return blocks<7, false>(first, last, particles, visit);
      case 8:
        return blocks<8, false>(first, last, particles, visit);
      default:
        return blocks<0, false>(first, last, particles, visit);
    }
  }

  /// kDimension: D if it is known while compiling, or 0.
  template <int kDimension, bool kScaled, class Visit>
  void blocks(std::int64_t first, std::int64_t last, std::int64_t particles, Visit& visit) const {
    Visit local = visit;  // its state in registers
    for (std::int64_t i = 0; i < particles; i += kLanes<T>) {
      const T* own = coordinates_ + i;
      std::int64_t stride = width_;
      if (i + kLanes<T> > particles) {
        own = partial_block(i, particles - i);
        stride = kLanes<T>;
      }
      if constexpr (kDimension > 0) {
        few_coordinates<kDimension>(own, stride, i + first, i + last, local);
      } else {
        std::int64_t j = i + first;
        for (; j + 3 <= i + last; j += 4) any_coordinates<4, kScaled>(own, stride, j, local);
        for (; j <= i + last; ++j) any_coordinates<1, kScaled>(own, stride, j, local);
      }
      local.end_of_block();
    }
    visit = local;
  }

  /// `count` particles from i on, a vector for each coordinate; NaN in the other lanes.
  WPG_LOOP const T* partial_block(std::int64_t i, std::int64_t count) const {
    for (std::int64_t d = 0; d < D_; ++d) {
      T* const own = own_ + d * kLanes<T>;
      store(own, load<V>(coordinates_ + d * width_ + i));
      for (std::int64_t lane = count; lane < kLanes<T>; ++lane) {
        own[lane] = std::numeric_limits<T>::quiet_NaN();
      }
    }
    return own_;
  }

  template <int kDimension, class Visit>
  WPG_LOOP void few_coordinates(const T* own, std::int64_t stride, std::int64_t first,
                                std::int64_t last, Visit& visit) const {
    const T* const coordinates = coordinates_;
    const std::int64_t width = width_;
    V kept[kDimension];
    for (int d = 0; d < kDimension; ++d) kept[d] = load<V>(own + d * stride);
    for (std::int64_t j = first; j <= last; ++j) {
      V sum = V{};
      for (int d = 0; d < kDimension; ++d) {
        sum = add_square<V>(sum, load<V>(coordinates + d * width + j) - kept[d]);
      }
      visit.vector(sum);
    }
  }

  template <int kMany, bool kScaled, class Visit>
  WPG_LOOP void any_coordinates(const T* own, std::int64_t stride, std::int64_t j,
                                Visit& visit) const {
    V sum[kMany] = {};
    for (std::int64_t d = 0; d < D_; ++d) {
      const V x = load<V>(own + d * stride);
      for (int m = 0; m < kMany; ++m) {
        V away = load<V>(coordinates_ + d * width_ + j + m) - x;
        if constexpr (kScaled) away *= scale_;
        sum[m] = add_square<V>(sum[m], away);
      }
    }
    for (int m = 0; m < kMany; ++m) visit.vector(sum[m]);
  }

  std::int64_t N_, D_, width_, sample_shifts_;
  Scratch<std::int64_t> place_memory_;
  std::int64_t* place_;
  Scratch<T> memory_;
  T* coordinates_;  // one row of particles for each coordinate, going on into the next circle
  Scratch<T> own_memory_;
  T* own_;
  T scale_ = 1;
};

// The search

/// An interval that is narrowed down around a rank, and how many numbers are not above its ends.
template <class T>
struct Search {
  Interval<T> where;
  std::int64_t up_to_low, up_to_high;

  /// Whether it is one number, perhaps many times.
  bool is_one() const { return where.high - where.low == 1; }

  Key<T> half() const { return where.low + (where.high - where.low) / 2; }

  /// Where the rank would be if the keys were evenly spread; inside.
  Key<T> guess(double rank) const {
    const double part =
        (rank - static_cast<double>(up_to_low)) / static_cast<double>(up_to_high - up_to_low);
    const auto width = static_cast<double>(where.high - where.low);
    if (!(part * width > 1)) return where.low + 1;
    if (!(part * width < width - 1)) return where.high - 1;
    return where.low + static_cast<Key<T>>(part * width);
  }

  /// Learns that `count` numbers are not above `limit`; the rank is to stay inside.
  void learn(Key<T> limit, std::int64_t count, double rank) {
    if (static_cast<double>(count) > rank) {
      if (limit < where.high) {
        where.high = limit;
        up_to_high = count;
      }
    } else if (limit > where.low) {
      where.low = limit;
      up_to_low = count;
    }
  }
};

/// How many numbers are not above each of two limits.
template <class T>
void count_up_to(const Stored<T>& source, const Key<T> (&limits)[2], std::int64_t (&counts)[2]) {
  using V = vector_of<T>;
  CountUpTo<T> count{all_lanes<V>(value_of<T>(limits[0])), all_lanes<V>(value_of<T>(limits[1]))};
  source.each(count);
  counts[0] = sum_of_flags<T>(count.up_to_lower);
  counts[1] = sum_of_flags<T>(count.up_to_upper);
}

/// The least number above `value`, infinity if there is none.
template <class T, class Source>
T next_above(const Source& source, T value, std::int64_t* up_to_value = nullptr) {
  using V = vector_of<T>;
  NextAbove<T> next{all_lanes<V>(value), all_lanes<V>(std::numeric_limits<T>::infinity())};
  source.each(next);
  if (up_to_value != nullptr) *up_to_value = next.up_to_limit;
  return -largest_lane<T>(-next.least);
}

template <class T>
Extremes<T> extremes(const Stored<T>& source) {
  using V = vector_of<T>;
  Extremes<T> found{all_lanes<V>(std::numeric_limits<T>::infinity()), V{}};
  source.each(found);
  return found;
}

/// An interval whose ends have about `from` and `to` numbers of a sample below them.
template <class T>
Interval<T> bracket(const Stored<T>& sample, double from, double to) {
  const Extremes<T> ends = extremes(sample);
  const Interval<T> all{key_of(T(-largest_lane<T>(-ends.least))) - 1,
                        key_of(largest_lane<T>(ends.most))};
  Search<T> low{all, 0, sample.count()}, high = low;
  const double slack = 0.2 * (to - from);
  constexpr int kMostSteps = 12;
  for (int step = 0; step < kMostSteps; ++step) {
    const bool found_low = static_cast<double>(low.up_to_low) >= from - slack || low.is_one();
    const bool found_high = static_cast<double>(high.up_to_high) <= to + slack || high.is_one();
    if (found_low && found_high) break;
    const bool bisect = step % 3 == 2;
    const Key<T> limits[2] = {bisect ? low.half() : low.guess(from - slack / 2),
                              bisect ? high.half() : high.guess(to + slack / 2)};
    std::int64_t counts[2];
    count_up_to(sample, limits, counts);
    for (int i = 0; i < 2; ++i) {
      low.learn(limits[i], counts[i], from);
      high.learn(limits[i], counts[i], to);
    }
  }
  return {from < 0 ? Key<T>(-1) : low.where.low,
          to >= static_cast<double>(sample.count()) ? kInfinityKey<T> : high.where.high};
}

/// Of the numbers in order, counted from 0: the two that are wanted, which are neighbours or one.
struct Ranks {
  std::int64_t first, second;
};

template <class T>
struct Middle {
  T first, second;
};

/// The numbers of these ranks, by counting; all numbers are in the interval.
template <class T>
Middle<T> middle_by_counting(const Stored<T>& source, Ranks ranks, Interval<T> all) {
  Search<T> search{all, 0, source.count()};
  const auto rank = static_cast<double>(ranks.first);
  for (int step = 1; search.up_to_low < ranks.first && !search.is_one(); ++step) {
    const auto inside = static_cast<double>(search.up_to_high - search.up_to_low);
    const double reach = 0.3 * std::sqrt(inside);
    const bool bisect = step % 4 == 0;  // so that the number of steps is bounded
    const Key<T> limits[2] = {bisect ? search.half() : search.guess(rank - reach),
                              bisect ? search.half() : search.guess(rank + reach)};
    std::int64_t counts[2];
    count_up_to(source, limits, counts);
    search.learn(limits[0], counts[0], rank);
    search.learn(limits[1], counts[1], rank);
  }
  const T first = search.is_one() ? value_of<T>(search.where.high)
                                  : next_above(source, value_of<T>(search.where.low));
  if (ranks.second == ranks.first) return {first, first};
  std::int64_t up_to_first;
  const T next = next_above(source, first, &up_to_first);
  return {first, up_to_first > ranks.second ? first : next};
}

/// Memory for one level of the search.
template <class T>
struct Room {
  T* data;
  std::int64_t capacity;
};

/// The numbers of these ranks; all numbers are in the interval.
template <class T, class Source>
Middle<T> middle(const Source& source, Ranks ranks, Interval<T> where, Room<T> room,
                 Room<T> next_room, T* sample_memory) {
  using V = vector_of<T>;
  const std::int64_t count = source.count();
  Search<T> search{where, 0, count};  // what is certain
  Interval<T> tried = where;
  if (count > kFew) {
    const Stored<T> sample(sample_memory, source.sample(sample_memory));
    const auto taken = static_cast<double>(sample.count());
    const double expected =
        taken * static_cast<double>(ranks.first + 1) / static_cast<double>(count);
    const double reach = 1.2 * std::sqrt(taken);  // a rank's standard deviation is sqrt(taken) / 2
    const Interval<T> likely = bracket(sample, expected - reach, expected + reach);
    if (likely.low > tried.low) tried.low = likely.low;
    if (likely.high < tried.high) tried.high = likely.high;
  }
  while (true) {
    Collect<T> collect{all_lanes<V>(value_of<T>(tried.low)), all_lanes<V>(value_of<T>(tried.high)),
                       room.data, room.capacity};
    source.each(collect);
    const std::int64_t inside = collect.inside();
    const std::int64_t up_to_low = count - collect.above, until = up_to_low + inside;
    const bool holds = ranks.first >= up_to_low && ranks.first < until;
    if (holds && inside <= room.capacity) {
      const Stored<T> kept(room.data, inside);
      if (ranks.second >= until) {
        const T first = largest_lane<T>(extremes(kept).most);
        return {first, next_above(source, first)};
      }
      const Ranks left{ranks.first - up_to_low, ranks.second - up_to_low};
      if (inside <= kFew || inside > count / 2) return middle_by_counting(kept, left, tried);
      return middle(kept, left, tried, next_room, room, sample_memory);
    }
    // It misses them, or holds too many: from now on what is certain is narrowed down.
    const auto rank = static_cast<double>(ranks.first);
    search.learn(tried.low, up_to_low, rank);
    search.learn(tried.high, until, rank);
    if (search.is_one()) {
      const T first = value_of<T>(search.where.high);
      return {first, ranks.second < search.up_to_high ? first : next_above(source, first)};
    }
    tried = {search.where.low, search.half()};
    if (holds) {  // perhaps many equal ones: try one of them alone
      const Key<T> one = key_of(room.data[0]);
      tried = {one - 1, one};
    }
  }
}

}  // namespace

template <class T>
class MedianBandwidth<T>::Rule {
 public:
  Rule(std::int64_t particles, std::int64_t dimension)
      : pairs_(particles, dimension),
        capacity_(kFew + static_cast<std::int64_t>(6 * two_thirds(pairs_.count()))),
        first_(capacity_ + pairs_.most_in_block() + kLanes<T>),
        second_(capacity_ + kLanes<T>),
        sample_(capacity_ + pairs_.most_in_sample() + kLanes<T>) {}

  T of(const T* particles) {
    const std::int64_t N = pairs_.particles();
    if (!pairs_.take_state(particles, T(1))) return std::numeric_limits<T>::quiet_NaN();
    if (N == 1) return T(0);
    const Middle<T> plain = squares();
    double scale = 1, first = root(plain.first), second = root(plain.second);
    if (plain.second == std::numeric_limits<T>::infinity()) {
      pairs_.take_state(particles, kShrink<T>);
      const Middle<T> small = squares();
      scale = static_cast<double>(kShrink<T>);
      first = root(small.first);
      second = root(small.second);
    } else if (plain.first < kLeastSquare<T>) {
      pairs_.magnify(kMagnify<T>);
      const Middle<T> large = squares();
      pairs_.magnify(T(1));
      first = root(large.first);
      if (plain.second < kLeastSquare<T>) {
        scale = static_cast<double>(kMagnify<T>);
        second = root(large.second);
      } else {
        first /= static_cast<double>(kMagnify<T>);
      }
    }
    const double median = 0.5 * first + 0.5 * second;
    return static_cast<T>(bandwidth_of_median(median, static_cast<double>(N)) / scale);
  }

 private:
  static double root(T square) { return std::sqrt(static_cast<double>(square)); }

  Middle<T> squares() {
    const std::int64_t count = pairs_.count();
    return middle(pairs_, Ranks{(count - 1) / 2, count / 2}, Interval<T>{-1, kInfinityKey<T>},
                  Room<T>{first_.get(), capacity_}, Room<T>{second_.get(), capacity_},
                  sample_.get());
  }

  Pairs<T> pairs_;
  std::int64_t capacity_;
  Scratch<T> first_, second_, sample_;
};

template <class T>
MedianBandwidth<T>::MedianBandwidth(std::int64_t particles, std::int64_t dimension)
    : rule_(new Rule(particles, dimension)) {}

template <class T>
MedianBandwidth<T>::~MedianBandwidth() {
  delete rule_;
}

template <class T>
T MedianBandwidth<T>::of(const T* particles) {
  return rule_->of(particles);
}

template <class T>
void median_bandwidth_states(T* bandwidth, const T* particles, const CloudShape& shape,
                             std::int64_t first_state, std::int64_t last) {
  MedianBandwidth<T> median(shape.particles, shape.dimension);
  for (std::int64_t s = first_state; s < last; ++s) {
    bandwidth[s] = median.of(particles + s * shape.per_state());
  }
}

template class MedianBandwidth<float>;
template class MedianBandwidth<double>;
template void median_bandwidth_states<float>(float*, const float*, const CloudShape&, std::int64_t,
                                             std::int64_t);
template void median_bandwidth_states<double>(double*, const double*, const CloudShape&,
                                              std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
