#include "wpg/density/mixture_cpu.hpp"

#include <cmath>
#include <limits>

#include "wpg/base/scratch.hpp"
#include "wpg/base/simd.hpp"
#include "wpg/base/support_math.hpp"
#include "wpg/density/mixture_math.hpp"

namespace wpg {
namespace WPG_ISA {
namespace {

constexpr double kLog2 = 0.69314718055994530942;
constexpr double kPi = 3.14159265358979323846;

/// The means of one state, ready for its points, and the terms of one point. A term of mean j is
/// factor[j] 2^exponent[j]: the product of the D Gaussians, and that of their images.
template <class T>
class Mixture {
  using V = vector_of<T>;

 public:
  Mixture(const MixtureShape& shape, const Support<T>& support, bool any_series)
      : support_(support),
        kind_(support.kind),
        D_(shape.dimension),
        N_(shape.means),
        padded_((shape.means + kLanes<T> - 1) / kLanes<T> * kLanes<T>),
        axes_(shape.dimension),
        mean_(D_ * padded_),
        lower_(kind_ == SupportKind::box_reflect ? D_ * padded_ : 0),
        upper_(kind_ == SupportKind::box_reflect ? D_ * padded_ : 0),
        cosines_(any_series ? D_ * kMostWaves<T> * padded_ : 0),
        sines_(any_series ? D_ * kMostWaves<T> * padded_ : 0),
        exponent_(padded_),
        factor_(padded_),
        away_(padded_),
        images_(padded_) {}

  void take_state(const T* means, T deviation) {
    deviation_ = deviation;
    inverse_ = 1 / deviation;
    finite_ = true;
    log_scale_ = 0;
    for (std::int64_t d = 0; d < D_; ++d) take_axis(means, d);
  }

  /// log sum over all means, and over all but mean `own`; either output may be null.
  void take_point(const T* point, std::int64_t own, T* all, T* others) {
    bool finite = finite_;
    for (std::int64_t d = 0; d < D_; ++d) finite = finite && std::isfinite(point[d]);
    if (!finite) {
      if (all != nullptr) *all = std::numeric_limits<T>::quiet_NaN();
      if (others != nullptr) *others = std::numeric_limits<T>::quiet_NaN();
      return;
    }
    constexpr T kNothing = -std::numeric_limits<T>::infinity();
    for (std::int64_t j = 0; j < padded_; ++j) exponent_[j] = j < N_ ? T(0) : kNothing;
    for (std::int64_t j = 0; j < padded_; ++j) factor_[j] = T(1);
    for (std::int64_t d = 0; d < D_; ++d) {
      multiply_axis(point[d], d);
      if (d % 8 == 7) balance();
    }
    const auto count = static_cast<double>(N_);
    if (others == nullptr) {
      const Sum sum = add_up();
      *all = static_cast<T>(sum.log() + log_scale_ - std::log(count));
      return;
    }
    const double own_exponent = exponent_[own], own_factor = factor_[own];
    exponent_[own] = kNothing;
    factor_[own] = T(0);
    const Sum rest = add_up();
    *others = static_cast<T>(rest.log() + log_scale_ - std::log(count - 1));
    if (all == nullptr) return;
    Sum sum = rest;
    const double ahead = own_exponent - rest.exponent;  // NaN if both are -infinity
    if (ahead < 900) {
      sum.total += own_factor * power_of_two<double>(ahead);
    } else if (ahead >= 900) {
      sum = {own_exponent, own_factor};
    }
    *all = static_cast<T>(sum.log() + log_scale_ - std::log(count));
  }

 private:
  /// total 2^exponent
  struct Sum {
    double exponent, total;

    double log() const {
      return std::isfinite(exponent) ? exponent * kLog2 + std::log(total) : exponent;
    }
  };

  /// One coordinate in one state; lengths in standard deviations.
  struct Axis {
    T half;                      // H
    T least_lower, least_upper;  // the least (m - lo) and (hi - m) of all means
    bool series;                 // images, or the cosine series?
    T angle;                     // pi / H per unit of action
    int waves;
    T weights[kMostWaves<T>];  // c_k
  };

  void take_axis(const T* means, std::int64_t d) {
    const auto i = static_cast<std::size_t>(d);
    T* const mean = mean_.get() + d * padded_;
    for (std::int64_t j = 0; j < padded_; ++j) {
      T m = means[(j < N_ ? j : 0) * D_ + d];
      finite_ = finite_ && std::isfinite(m);
      if (kind_ == SupportKind::box_reflect) {
        m = reflect<T>(m, support_.low[i], support_.high[i], support_.period[i],
                       support_.inverse_period[i]);
      } else if (kind_ == SupportKind::torus) {
        m = wrap<T>(m, support_.period[i], support_.inverse_period[i]);
      }
      mean[j] = m;
    }
    Axis& axis = axes_[d];
    axis.series = false;

    if (kind_ != SupportKind::unbounded) {
      const T half = support_.period[i] / 2;
      axis.half = half * inverse_;
      axis.series = half <= kWidestSeries<T> * deviation_;
      if (axis.series) {
        take_series(axis, d, half);
        const bool box = kind_ == SupportKind::box_reflect;
        log_scale_ -= std::log(static_cast<double>(half) * (box ? 1 : 2));
        return;
      }
    }
    log_scale_ -= std::log(static_cast<double>(deviation_)) + 0.5 * std::log(2 * kPi);
    if (kind_ != SupportKind::box_reflect) return;
    T* const lower = lower_.get() + d * padded_;
    T* const upper = upper_.get() + d * padded_;
    axis.least_lower = axis.least_upper = std::numeric_limits<T>::infinity();
    for (std::int64_t j = 0; j < padded_; ++j) {
      lower[j] = (mean[j] - support_.low[i]) * inverse_;
      upper[j] = (support_.high[i] - mean[j]) * inverse_;
      axis.least_lower = smaller(lower[j], axis.least_lower);
      axis.least_upper = smaller(upper[j], axis.least_upper);
    }
  }

  void take_series(Axis& axis, std::int64_t d, T half) {
    const double step = kPi * static_cast<double>(deviation_) / static_cast<double>(half);
    constexpr double kLeast = 0.1 * static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    axis.angle = static_cast<T>(kPi / static_cast<double>(half));
    axis.waves = 0;
    for (int k = 1; k <= kMostWaves<T>; ++k) {
      const double weight = 2 * std::exp(-0.5 * (k * step) * (k * step));
      if (weight < kLeast) break;
      axis.weights[axis.waves++] = static_cast<T>(weight);
    }
    const T low = support_.low[static_cast<std::size_t>(d)];
    const T* const mean = mean_.get() + d * padded_;
    T* const cosines = cosines_.get() + d * kMostWaves<T> * padded_;
    T* const sines = sines_.get() + d * kMostWaves<T> * padded_;
    for (std::int64_t j = 0; j < padded_; ++j) {
      Wave wave(axis.angle * (mean[j] - low));
      for (int k = 0; k < axis.waves; ++k, wave.next()) {
        cosines[k * padded_ + j] = wave.cosine;
        sines[k * padded_ + j] = wave.sine;
      }
    }
  }

  /// cos and sin of t, 2t, 3t, ...
  struct Wave {
    T first_cosine, first_sine, cosine, sine;

    explicit Wave(T t)
        : first_cosine(std::cos(t)),
          first_sine(std::sin(t)),
          cosine(first_cosine),
          sine(first_sine) {}

    void next() {
      const T turned = cosine * first_cosine - sine * first_sine;
      sine = sine * first_cosine + cosine * first_sine;
      cosine = turned;
    }
  };

  /// Every mean's term times its Gaussian of this coordinate.
  void multiply_axis(T x, std::int64_t d) {
    const Axis& axis = axes_[d];
    const T* const mean = mean_.get() + d * padded_;
    const auto i = static_cast<std::size_t>(d);
    if (kind_ == SupportKind::unbounded) {
      multiply_own(x, mean, [](V point, V m) { return V(point - m); });
      return;
    }
    if (kind_ == SupportKind::torus) {
      const T period = support_.period[i];
      x = wrap<T>(x, period, support_.inverse_period[i]);
      if (axis.series) return multiply_series(axis, x, d);
      const V around = all_lanes<V>(period);
      const T farthest = multiply_own(
          x, mean, [around](V point, V m) { return distance_on_torus<V>(point, m, around); });
      return multiply_images<false>(axis, T(0), T(0), farthest, d);
    }
    if (axis.series) return multiply_series(axis, x, d);
    const T farthest = multiply_own(x, mean, [](V point, V m) { return absolute(V(point - m)); });
    multiply_images<true>(axis, (x - support_.low[i]) * inverse_, (support_.high[i] - x) * inverse_,
                          farthest, d);
  }

  /// The point's own term; leaves |x - m| in `away_`, in standard deviations, and returns the
  /// largest of them.
  template <class Distance>
  T multiply_own(T x, const T* mean, Distance distance) {
    T* const exponent = exponent_.get();
    T* const away = away_.get();
    const V point = all_lanes<V>(x), scale = all_lanes<V>(inverse_);
    V farthest = V{};
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      const V z = distance(point, load<V>(mean + j)) * scale;
      store(exponent + j, V(load<V>(exponent + j) + gaussian_exponent<V>(z)));
      store(away + j, z);
      farthest = larger(farthest, z);
    }
    return largest_lane<T>(farthest);
  }

  /// Times one plus the images; `below` and `above` are the distances of the point from the walls.
  template <bool kMirrors>
  void multiply_images(const Axis& axis, T below, T above, T farthest, std::int64_t d) {
    bool any = false;
    for (int k = 0;; ++k) {
      const T shift = static_cast<T>(k) * axis.half, next = static_cast<T>(k + 1) * axis.half;
      bool found = false;
      if constexpr (kMirrors) {
        const T low = image_slope<T>(below + shift), high = image_slope<T>(above + shift);
        const bool lower = low * (axis.least_lower + shift) > kLeastImage<T>;
        const bool upper = high * (axis.least_upper + shift) > kLeastImage<T>;
        if (lower) add_image(low, shift, lower_.get() + d * padded_, T(1), any);
        any = any || lower;
        if (upper) add_image(high, shift, upper_.get() + d * padded_, T(1), any);
        any = any || upper;
        found = lower || upper;
      }
      const T slope = image_slope<T>(next);
      if (slope * (next - farthest) > kLeastImage<T>) {
        add_image(slope, next, away_.get(), T(-1), any);
        found = any = true;
        if (slope * next > kLeastImage<T>) add_image(slope, next, away_.get(), T(1), any);
      }
      if (!found) break;
    }
    if (!any) return;
    T* const factor = factor_.get();
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      store(factor + j, V(load<V>(factor + j) * load<V>(images_.get() + j)));
    }
  }

  /// images += 2^(slope (shift + sign b)), beginning at 1 unless there are `any`.
  void add_image(T slope, T shift, const T* b, T sign, bool any) {
    T* const images = images_.get();
    const V a = all_lanes<V>(slope * sign), start = all_lanes<V>(slope * shift);
    const V one = all_lanes<V>(T(1));
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      const V more = power_of_two<V>(a * load<V>(b + j) + start);
      store(images + j, V((any ? load<V>(images + j) : one) + more));
    }
  }

  void multiply_series(const Axis& axis, T x, std::int64_t d) {
    const T low = support_.low[static_cast<std::size_t>(d)];
    const bool around = kind_ == SupportKind::torus;
    V cosine[kMostWaves<T>], sine[kMostWaves<T>];
    Wave wave(axis.angle * (x - low));
    for (int k = 0; k < axis.waves; ++k, wave.next()) {
      cosine[k] = all_lanes<V>(axis.weights[k] * wave.cosine);
      sine[k] = all_lanes<V>(axis.weights[k] * wave.sine);
    }
    const T* const cosines = cosines_.get() + d * kMostWaves<T> * padded_;
    const T* const sines = sines_.get() + d * kMostWaves<T> * padded_;
    T* const factor = factor_.get();
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      V sum = V{};
      for (int k = axis.waves - 1; k >= 0; --k) {
        sum = sum + cosine[k] * load<V>(cosines + k * padded_ + j);
        if (around) sum = sum + sine[k] * load<V>(sines + k * padded_ + j);
      }
      store(factor + j, V(load<V>(factor + j) * (sum + T(1))));
    }
  }

  /// Powers of two move from the factors to the exponents, before a product of many over- or
  /// underflows.
  void balance() {
    T* const exponent = exponent_.get();
    T* const factor = factor_.get();
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      V mantissa, power;
      split_power<V>(load<V>(factor + j), mantissa, power);
      store(factor + j, mantissa);
      store(exponent + j, V(load<V>(exponent + j) + power));
    }
  }

  Sum add_up() {
    const T* const exponent = exponent_.get();
    const T* const factor = factor_.get();
    V most = all_lanes<V>(-std::numeric_limits<T>::infinity());
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>)
      most = larger(most, load<V>(exponent + j));
    const T top = largest_lane<T>(most);
    if (!std::isfinite(top)) return {static_cast<double>(top), 0.0};
    const V largest = all_lanes<V>(top);
    V total = V{};
    for (std::int64_t j = 0; j < padded_; j += kLanes<T>) {
      total = total + load<V>(factor + j) * power_of_two<V>(load<V>(exponent + j) - largest);
    }
    return {static_cast<double>(top), static_cast<double>(sum_of_lanes<T>(total))};
  }

  const Support<T>& support_;
  SupportKind kind_;
  std::int64_t D_, N_, padded_;
  T deviation_ = 1, inverse_ = 1;
  bool finite_ = true;
  double log_scale_ = 0;  // log of what every term is multiplied by
  Scratch<Axis> axes_;
  // Coordinate by coordinate, rows `padded_` apart: the means, and their distances from the walls.
  Scratch<T> mean_, lower_, upper_, cosines_, sines_;
  Scratch<T> exponent_, factor_, away_, images_;
};

}  // namespace

template <class T>
void mixture_blocks(T* log_density, T* leave_one_out, const T* points, const T* means,
                    const MixtureShape& shape, const PerState<T>& deviation,
                    const Support<T>& support, bool any_series, std::int64_t first_block,
                    std::int64_t last) {
  Mixture<T> mixture(shape, support, any_series);
  const std::int64_t blocks = (shape.points + kPointsPerBlock - 1) / kPointsPerBlock;
  std::int64_t prepared = -1;
  for (std::int64_t block = first_block; block < last; ++block) {
    const std::int64_t s = block / blocks;
    if (s != prepared) mixture.take_state(means + s * shape.means * shape.dimension, deviation[s]);
    prepared = s;
    const std::int64_t begin = block % blocks * kPointsPerBlock;
    const std::int64_t left = shape.points - begin;
    const std::int64_t end = begin + (left < kPointsPerBlock ? left : kPointsPerBlock);
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t i = s * shape.points + k;
      mixture.take_point(points + i * shape.dimension, k,
                         log_density == nullptr ? nullptr : log_density + i,
                         leave_one_out == nullptr ? nullptr : leave_one_out + i);
    }
  }
}

template void mixture_blocks<float>(float*, float*, const float*, const float*, const MixtureShape&,
                                    const PerState<float>&, const Support<float>&, bool,
                                    std::int64_t, std::int64_t);
template void mixture_blocks<double>(double*, double*, const double*, const double*,
                                     const MixtureShape&, const PerState<double>&,
                                     const Support<double>&, bool, std::int64_t, std::int64_t);

}  // namespace WPG_ISA
}  // namespace wpg
