// The line behind a squashed box: accuracy of its functions against long double, far tails
// included, the way there and back, walls, refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hash.hpp"
#include "wpg/base/squash.hpp"
#include "wpg/base/squash_math.hpp"

namespace {

using wpg::SupportKind;

/// Phi(-x) in long double: erfc is good to a few units there.
long double tail(long double x) { return std::erfc(x / std::sqrt(2.0L)) / 2; }

/// x with Phi(-x) = p: Newton's method on log Phi(-x), from the answer that is tested.
long double quantile(long double p, long double x) {
  const long double density_of_0 = 0.398942280401432677939946059934381868L;
  for (int i = 0; i < 6; ++i) {
    const long double t = tail(x);
    x += (std::log(t) - std::log(p)) * t / (density_of_0 * std::exp(-x * x / 2));
  }
  return x;
}

template <class T>
struct Worst {
  long double u = std::numeric_limits<T>::epsilon() / 2;
  long double logarithm = 0, tail = 0, density = 0, quantile = 0, tanh_y = 0, probit_y = 0,
              tanh_distance = 0, probit_distance = 0;
  static void take(long double& worst, long double x) { worst = std::max(worst, std::fabs(x)); }
};

/// Errors in units of what the header promises, u times ...
template <class T>
Worst<T> measure() {
  Worst<T> w;
  const long double u = w.u;
  const T farthest = sizeof(T) == 4 ? T(13) : T(37);
  for (const T unit : numbers<T>(40000, 1)) {
    const T x = std::fabs(unit) * farthest;
    const auto found = wpg::normal_tail<T>(x);
    const long double density =
        0.398942280401432677939946059934381868L * std::exp(-static_cast<long double>(x) * x / 2);
    w.take(w.tail, (found.tail / tail(x) - 1) / (u * (16 + 3.0L * x * x)));
    w.take(w.density, (found.density / density - 1) / (u * (8 + 2.0L * x * x)));
    w.take(w.probit_distance,
           (wpg::probit_wall_distance<T>(unit * farthest, T(3)) / (3 * tail(x)) - 1) /
               (u * (16 + 3.0L * x * x)));
    const T far = sizeof(T) == 4 ? T(34.6) : T(346.5);
    const T y = unit * far;
    const long double q = std::exp(-2 * std::fabs(static_cast<long double>(y)));
    w.take(w.tanh_distance, (wpg::tanh_wall_distance<T>(y, T(3)) / (3 * q / (1 + q)) - 1) /
                                (u * (7 + 4 * std::fabs(static_cast<long double>(y)))));
    // Probabilities: uniform, and spread over all powers of two.
    const T power = std::exp2(-std::fabs(unit) * (sizeof(T) == 4 ? T(100) : T(1000)));
    for (const T p : {T(std::fabs(unit) / 2), power}) {
      if (!(p > 0 && p <= T(0.5))) continue;
      const T z = wpg::normal_quantile<T>(p);
      w.take(w.quantile, (z - quantile(p, z)) / (u * (1 + std::fabs(z))));
      w.take(w.logarithm, (wpg::minus_two_log<0>(p) / (-2 * std::log((long double)p)) - 1) / u);
      const auto at_tanh = wpg::tanh_point<T>(p, T(1) - p, T(1));
      const long double exact = std::log(static_cast<long double>(p) / (T(1) - p)) / 2;
      w.take(w.tanh_y, (at_tanh.y - exact) / (u * (1 + std::fabs(exact))));
      const auto at_probit = wpg::probit_point<T>(p, T(1) - p, T(1), T(1));
      w.take(w.probit_y, (at_probit.y + quantile(p, z)) / (u * (1 + std::fabs(z))));
      CHECK(at_probit.y <= 0 && at_tanh.y <= 0);
      const auto mirrored = wpg::tanh_point<T>(T(1) - p, p, T(1));
      CHECK_AT_MOST(std::fabs(mirrored.y + at_tanh.y), 10 * u * (1 + std::fabs(exact)));
    }
  }
  return w;
}

template <class T>
void check_accuracy(const char* name) {
  const Worst<T> w = measure<T>();
  std::printf(
      "%s, in u: log %.2Lf, y tanh %.2Lf probit %.2Lf, quantile %.2Lf; "
      "in promises: tail %.2Lf density %.2Lf distance tanh %.2Lf probit %.2Lf\n",
      name, w.logarithm, w.tanh_y, w.probit_y, w.quantile, w.tail, w.density, w.tanh_distance,
      w.probit_distance);
  CHECK_AT_MOST(w.logarithm, 6.0L);
  CHECK_AT_MOST(w.tanh_y, 5.0L);
  CHECK_AT_MOST(w.quantile, 10.0L);
  CHECK_AT_MOST(w.probit_y, 10.0L);
  for (const long double x : {w.tail, w.density, w.tanh_distance, w.probit_distance}) {
    CHECK_AT_MOST(x, 1.0L);
  }
}

/// There and back: an action returns to within the spacing of numbers and what the error of y does
/// to it, da = (da/dy) dy.
template <class T>
void check_there_and_back() {
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  const T walls[][2] = {{T(-1), T(1)},    {T(0), T(1)},         {T(-0.3), T(7.5)},
                        {T(100), T(101)}, {T(-2e-3), T(-1e-3)}, {T(-3e4), T(2e5)}};
  for (const auto kind : {SupportKind::box_tanh, SupportKind::box_probit}) {
    for (const auto& [low, high] : walls) {
      const auto box = wpg::Support<T>::box(&low, &high, 1, kind);
      std::vector<T> a = numbers<T>(3000, 7);
      for (T& x : a) x = low + (x + 1) / 2 * (high - low);
      a.insert(a.end(), {low, high, box.least[0], box.most[0], (low + high) / 2});
      for (int k = 1; k < 30; ++k) a.push_back(low + (high - low) * std::exp2(T(-k)));
      const auto n = static_cast<std::int64_t>(a.size());
      std::vector<T> y(a.size()), back(a.size());
      wpg::unbounded_of_actions(y.data(), a.data(), n, box, "actions");
      wpg::actions_of_unbounded(back.data(), y.data(), n, box);
      for (std::size_t i = 0; i < a.size(); ++i) {
        const long double inside = wpg::clamp(a[i], box.least[0], box.most[0]);
        const long double nearer = std::min(inside - low, high - inside), size = std::fabs(y[i]);
        const long double slack =
            2 * u * (std::fabs((long double)low) + std::fabs((long double)high));
        const long double distance =
            kind == SupportKind::box_tanh
                ? nearer * u * (7 + 4 * size + 2 * 5 * (1 + size))
                : nearer * u * (16 + 3 * size * size + 10 * (1 + size) * (size + 1));
        CHECK(std::isfinite(y[i]));
        CHECK_AT_MOST(std::fabs(back[i] - inside), slack + distance);
        CHECK(box.least[0] <= back[i] && back[i] <= box.most[0]);
      }
    }
  }
}

/// The largest |y| of the header and of the documentation.
template <class T>
void check_reach() {
  const T unit[2] = {T(-1), T(1)}, half[2] = {T(0), T(1)};
  const auto reach = [](const T* walls, SupportKind kind) {
    const auto box = wpg::Support<T>::box(&walls[0], &walls[1], 1, kind);
    T y[2] = {walls[0], walls[1]};
    wpg::unbounded_of_actions(y, y, 2, box, "actions");
    return std::max(-y[0], y[1]);
  };
  const bool single = sizeof(T) == 4;
  CHECK_AT_MOST(std::fabs(reach(unit, SupportKind::box_tanh) - (single ? 8.664 : 18.715)), 1e-3);
  CHECK_AT_MOST(std::fabs(reach(unit, SupportKind::box_probit) - (single ? 5.420 : 8.293)), 1e-3);
  CHECK_AT_MOST(std::fabs(reach(half, SupportKind::box_tanh) - (single ? 34.657 : 346.574)), 1e-3);
  CHECK_AT_MOST(std::fabs(reach(half, SupportKind::box_probit) - (single ? 11.4845 : 37.111)),
                1e-3);
}

template <class T>
void check_slopes() {
  const T low = T(-0.5), high = T(1.5);
  const long double u = std::numeric_limits<T>::epsilon() / 2;
  for (const auto kind : {SupportKind::box_tanh, SupportKind::box_probit}) {
    const auto box = wpg::Support<T>::box(&low, &high, 1, kind);
    for (const T unit : numbers<T>(500, 3)) {
      T a = T(0.5) + T(0.999) * unit, y, slope, gradient;
      wpg::unbounded_of_actions(&y, &a, 1, box, "actions");
      wpg::log_slope(&slope, &a, 1, box, "actions");
      wpg::log_slope_gradient(&gradient, &a, 1, box, "actions");
      const long double s = static_cast<long double>(a) - 0.5L, Y = y;
      const long double jacobian = kind == SupportKind::box_tanh
                                       ? 1 - s * s
                                       : 2 * 0.398942280401432678L * std::exp(-Y * Y / 2);
      const long double curvature = kind == SupportKind::box_tanh ? -2 * s : -Y;
      CHECK_AT_MOST(std::fabs(slope - std::log(jacobian)), 40 * u * (1 + Y * Y));
      CHECK_AT_MOST(std::fabs(gradient - curvature / jacobian),
                    40 * u * (1 + Y * Y) * (1 + std::fabs(Y)) / jacobian);
    }
  }
}

template <class T>
void check_refusals() {
  const T walls[2] = {T(0), T(1)};
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto box = wpg::Support<T>::box(&walls[0], &walls[1], 1, SupportKind::box_tanh);
  const auto folded = wpg::Support<T>::box(&walls[0], &walls[1], 1, SupportKind::box_reflect);
  T out[2] = {9, 9};
  const T outside[2] = {T(0.5), T(1.5)}, fine[2] = {T(0.5), nan};
  CHECK_REFUSED(wpg::unbounded_of_actions(out, outside, 2, box, "points"), "points has");
  CHECK_REFUSED(wpg::unbounded_of_actions(out, fine, 2, folded, "points"), "support");
  CHECK_REFUSED(wpg::actions_of_unbounded(out, fine, 2, folded), "support");
  CHECK(out[0] == 9 && out[1] == 9);
  wpg::unbounded_of_actions(out, fine, 2, box, "points");
  CHECK(out[0] == 0 && std::isnan(out[1]));
  const T ys[2] = {std::numeric_limits<T>::infinity(), nan};
  wpg::actions_of_unbounded(out, ys, 2, box);
  CHECK(std::isnan(out[0]) && std::isnan(out[1]));
  const T narrow[2] = {T(1), std::nextafter(T(1), T(2))};
  CHECK_REFUSED(wpg::Support<T>::box(&narrow[0], &narrow[1], 1, SupportKind::box_probit),
                "no two numbers");
}

}  // namespace

int main() {
  check_accuracy<float>("float");
  check_accuracy<double>("double");
  check_there_and_back<float>();
  check_there_and_back<double>();
  check_reach<float>();
  check_reach<double>();
  check_slopes<float>();
  check_slopes<double>();
  check_refusals<float>();
  check_refusals<double>();
  return result();
}
