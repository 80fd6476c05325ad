// log [ k(a | a') J(a') / (k(a' | a) J(a)) ] of one coordinate, in double: what the laws of the two
// steps a -> a' and a' -> a add to the logarithm of the acceptance ratio. g, h are the drifts at a
// and a', eta the step size, tau the temperature, variance = 2 eta tau.
//
// On a line the difference of the two squares is factored,
//
//   [ (a' - a - eta g)^2 - (a - a' - eta h)^2 ] / (4 eta tau)
//     = -(g + h) (2 (a' - a) + eta (h - g)) / (4 tau)
//
// so that nothing is divided by eta and nothing large cancels. In a box and on a torus images are
// added to that (see density/mixture_math.hpp for the same sums as densities):
//
//   mirrors      exp(-2 (x - lo + kL) (m - lo + kL) / variance)
//                exp(-2 (hi - x + kL) (hi - m + kL) / variance)
//   shifts       exp(-2 kH (kH -+ z) / variance)      z = x - m, H = L or half the period
//
// relative to exp(-z^2 / (2 variance)), or, where H <= 2 sqrt(variance), the cosine series of the
// whole sum. Source: Roberts, Tweedie 1996; images: Feller 1971, X.5.
#pragma once

#include <cmath>
#include <cstdint>

#include "wpg/base/exponential_math.hpp"
#include "wpg/base/fold_math.hpp"
#include "wpg/base/lanes.hpp"
#include "wpg/base/logarithm_math.hpp"
#include "wpg/base/squash_math.hpp"
#include "wpg/base/support_math.hpp"
#include "wpg/transport/langevin_math.hpp"

namespace wpg {

/// The two drifts of a pair of points, and the step.
struct MalaStep {
  double eta, tau, variance;
};

/// Both laws Gaussian; `move` = a' - a.
WPG_FORMULA double log_ratio_on_line(double move, double g, double h, const MalaStep& step) {
  return -(g + h) * (2 * move + step.eta * (h - g)) / (4 * step.tau);
}

/// exp(-2 area / variance), area >= 0; below 1e-19 it counts as 0.
WPG_FORMULA double image_term(double area, double variance) {
  if (area > 22 * variance) return 0;
  return power_of_two<double>(-4 * kHalfLog2E<double> * area / variance);
}

/// log x for x > 0, of our own: the same bits everywhere.
WPG_FORMULA double log_of(double x) { return -0.5 * minus_two_log<0>(x); }

/// sum_{k>=1} of both shifts by 2kH.
WPG_FORMULA double sum_of_shifts(double z, double half, double variance) {
  double sum = 0;
  for (int k = 1;; ++k) {
    const double away = k * half;
    const double more =
        image_term(away * (away - z), variance) + image_term(away * (away + z), variance);
    sum += more;
    if (!(more > 1e-18 * (1 + sum))) return sum;
  }
}

/// sum_{k>=0} of both mirrors.
WPG_FORMULA double sum_of_mirrors(double x, double m, double low, double high, double variance) {
  double sum = 0;
  for (int k = 0;; ++k) {
    const double shift = k * (high - low);
    const double more = image_term((x - low + shift) * (m - low + shift), variance) +
                        image_term((high - x + shift) * (high - m + shift), variance);
    sum += more;
    if (!(more > 1e-18 * (1 + sum))) return sum;
  }
}

/// log(1 + back) - log(1 + ahead), two sums of images.
WPG_FORMULA double log_of_images(double back, double ahead) {
  if (back == 0 && ahead == 0) return 0;
  return log_of(1 + back) - log_of(1 + ahead);
}

/// log of 1 + sum_k 2 exp(-k^2 pi^2 variance / (2 H^2)) term(k pi / H).
template <class Term>
WPG_FORMULA double log_of_series(double half, double variance, Term term) {
  const double turn = 3.14159265358979323846 / half;
  double sum = 1;
  for (int k = 1;; ++k) {
    const double exponent = -kHalfLog2E<double> * k * k * turn * turn * variance;
    const double weight = 2 * power_of_two<double>(exponent);
    if (!(weight > 1e-18)) return log_of(sum);
    sum += weight * term(k * turn);
  }
}

WPG_FORMULA bool is_wide(double half, double variance) { return half * half <= 4 * variance; }

/// a reflecting box.
WPG_FORMULA double log_ratio_in_box(double a, double b, double g, double h, double low, double high,
                                    const MalaStep& step) {
  const double width = high - low, period = 2 * width;
  const double ahead = a + step.eta * g, back = b + step.eta * h;
  const double m = reflect<double>(ahead, low, high, period, 1 / period);
  const double n = reflect<double>(back, low, high, period, 1 / period);
  if (is_wide(width, step.variance)) {
    const auto density = [low, width, &step](double x, double mean) {
      return log_of_series(width, step.variance, [=](double w) {
        return std::cos(w * (x - low)) * std::cos(w * (mean - low));
      });
    };
    return density(a, n) - density(b, m);
  }
  const double own = m == ahead && n == back
                         ? log_ratio_on_line(b - a, g, h, step)
                         : ((b - m) * (b - m) - (a - n) * (a - n)) / (2 * step.variance);
  if (!(step.variance > 0)) return own;
  const double images_ahead =
      sum_of_mirrors(b, m, low, high, step.variance) + sum_of_shifts(b - m, width, step.variance);
  const double images_back =
      sum_of_mirrors(a, n, low, high, step.variance) + sum_of_shifts(a - n, width, step.variance);
  return own + log_of_images(images_back, images_ahead);
}

/// The representative of x that is nearest to 0.
WPG_FORMULA double nearest_turn(double x, double period) {
  const double y = wrap<double>(x, period, 1 / period);
  return y > period / 2 ? y - period : y;
}

WPG_FORMULA double log_ratio_on_torus(double a, double b, double g, double h, double period,
                                      const MalaStep& step) {
  const double half = period / 2, move = nearest_turn(b - a, period);
  double ahead = move - step.eta * g, back = -move - step.eta * h;
  const bool near = std::fabs(ahead) <= half && std::fabs(back) <= half;
  if (is_wide(half, step.variance)) {
    const auto density = [half, &step](double z) {
      return log_of_series(half, step.variance, [=](double w) { return std::cos(w * z); });
    };
    return density(back) - density(ahead);
  }
  if (!near) {
    ahead = nearest_turn(ahead, period);
    back = nearest_turn(back, period);
  }
  const double own = near ? log_ratio_on_line(move, g, h, step)
                          : (ahead * ahead - back * back) / (2 * step.variance);
  if (!(step.variance > 0)) return own;
  return own + log_of_images(sum_of_shifts(back, half, step.variance),
                             sum_of_shifts(ahead, half, step.variance));
}

/// A squashed box: Gaussian laws in y, and the density of y, exp(Q / tau) da/dy, in the ratio.
WPG_FORMULA double log_ratio_squashed(double a, double b, double g, double h, double low,
                                      double high, bool tanh, const MalaStep& step) {
  const double width = high - low, inverse = 1 / width;
  const auto point = [&](double x) {
    return tanh ? tanh_point<double>(x - low, high - x, inverse)
                : probit_point<double>(x - low, high - x, width, inverse);
  };
  const LinePoint<double> here = point(a), there = point(b);
  // log of da/dy there over that here.
  const double volume = tanh ? log_of((b - low) / (a - low) * ((high - b) / (high - a)))
                             : (here.y - there.y) * (here.y + there.y) / 2;
  return volume + log_ratio_on_line(there.y - here.y, line_drift<double>(g, here, step.tau),
                                    line_drift<double>(h, there, step.tau), step);
}

/// A particle and its proposal with what the critic says there: (D), a number, (D).
template <class T>
struct MalaPair {
  const T* particle;
  T value;
  const T* drift;
  const T* proposal;
  T proposed_value;
  const T* proposed_drift;
  std::int64_t dimension;
};

enum class MalaVerdict { keep, accept, lose };

template <class T>
WPG_FORMULA bool all_finite(const T* x, std::int64_t count) {
  for (std::int64_t d = 0; d < count; ++d) {
    if (!(x[d] - x[d] == T(0))) return false;
  }
  return true;
}

/// What a coordinate adds to the logarithm of the ratio, on a support of this kind.
template <class T>
WPG_FORMULA double log_ratio_of_coordinate(const MalaPair<T>& pair, std::int64_t d,
                                           SupportKind kind, const Walls<T>& walls,
                                           const MalaStep& step) {
  const auto a = static_cast<double>(pair.particle[d]), b = static_cast<double>(pair.proposal[d]);
  const auto g = static_cast<double>(pair.drift[d]);
  const auto h = static_cast<double>(pair.proposed_drift[d]);
  if (kind == SupportKind::unbounded) return log_ratio_on_line(b - a, g, h, step);
  const auto low = static_cast<double>(walls.low), high = static_cast<double>(walls.high);
  if (kind == SupportKind::box_reflect) return log_ratio_in_box(a, b, g, h, low, high, step);
  if (kind == SupportKind::torus) return log_ratio_on_torus(a, b, g, h, high, step);
  const auto least = static_cast<double>(walls.least), most = static_cast<double>(walls.most);
  return log_ratio_squashed(clamp<double>(a, least, most), clamp<double>(b, least, most), g, h, low,
                            high, kind == SupportKind::box_tanh, step);
}

/// Is the proposal accepted, by a standard exponential draw -log u? `walls` tells the support of a
/// coordinate. NaN, or infinity other than a value of -infinity, loses the particle.
template <class T, class WallsOf>
WPG_FORMULA MalaVerdict mala_verdict(const MalaPair<T>& pair, SupportKind kind,
                                     const WallsOf& walls, T exponential, const MalaStep& step) {
  const std::int64_t D = pair.dimension;
  if (!(pair.value < kInfinity<T>) || !all_finite(pair.particle, D) || !all_finite(pair.drift, D) ||
      !all_finite(pair.proposal, D)) {
    return MalaVerdict::lose;
  }
  if (pair.proposed_value == -kInfinity<T>) return MalaVerdict::keep;
  if (!(pair.proposed_value < kInfinity<T>) || !all_finite(pair.proposed_drift, D)) {
    return MalaVerdict::lose;
  }
  bool moved = false;
  for (std::int64_t d = 0; d < D; ++d) moved = moved || pair.particle[d] != pair.proposal[d];
  if (!moved) return MalaVerdict::accept;
  double log_ratio =
      (static_cast<double>(pair.proposed_value) - static_cast<double>(pair.value)) / step.tau;
  for (std::int64_t d = 0; d < D; ++d) {
    log_ratio += log_ratio_of_coordinate(pair, d, kind, walls(d), step);
  }
  if (!(log_ratio == log_ratio)) return MalaVerdict::lose;
  // u <= ratio, with -log u the exponential.
  return static_cast<double>(exponential) + log_ratio >= 0 ? MalaVerdict::accept
                                                           : MalaVerdict::keep;
}

}  // namespace wpg
