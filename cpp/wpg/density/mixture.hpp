// Log-density of a mixture of equal Gaussians for every state, on R^D, folded in a box, or wrapped
// on a torus:
//
//   q(x) = (1/N) sum_j prod_d sum_images N(image(x_d); means_jd, std^2)
//
// or in a squashed box, where the Gaussians are those of y and q(x) = q_Y(y(x)) / |dx/dy|.
//
// Images of x in a box [lo, hi], L = hi - lo: x + 2kL and 2 lo - x + 2kL; on a torus x + k period.
// It is the exact law of "pick a particle j, take one Langevin step". Source: theory of transition
// densities of reflected and wrapped Brownian motion, Feller 1971, X.5.
#pragma once

#include <cstdint>

#include "wpg/base/support.hpp"
#include "wpg/base/view.hpp"

namespace wpg {

/// points (S, K, D), means (S, N, D).
struct MixtureShape {
  std::int64_t states = 0;
  std::int64_t points = 0;
  std::int64_t means = 0;
  std::int64_t dimension = 0;
};

/// Log-densities (S, K) of the mixtures at `points` (S, K, D) [log 1/action^D].
///
/// `log_density` counts every mean. `leave_one_out` needs K = N >= 2: row i leaves mean i out and
/// divides by N - 1. Either may be null; both together cost one pass. Means outside the support are
/// folded or wrapped first, points on a torus too; a point outside a box, a deviation that is not
/// positive, and a box with boundary clip, whose law has atoms, throw std::invalid_argument before
/// anything is written.
///
/// In a squashed box (squash_math.hpp) points and means are actions inside it, std is that of y,
/// and the answer is the log-density of the actions: that of y minus log |da/dy|. A wall counts as
/// the number beside it; means outside throw as well.
///
/// Where std < H / 2, H the width of the box or half the period, images are added until the rest is
/// below u / 4 of the point's own term, u the unit roundoff; otherwise the cosine series of the
/// same sum is used, whatever std is. Cost: S K N (D + 1 + images) powers of two, two to four
/// images per coordinate where std is below H / 10, none where no mean is near a wall.
///
/// Error: let X = log N + min_j |r_j|^2 / (2 std^2), r_j the shortest way from mean j, R the
/// largest magnitude among points, means and walls, then a log-density l is off by at most
///     u (N + 10 (D + 1) + (D + 14) X + 4 sqrt(2 D X) R / std + 4 |l| + 4 D (1 + |log std|)).
/// Sums never under- or overflow; where (r / std)^2 overflows for all means the answer is
/// -infinity. NaN or infinity in a point gives NaN there, in a mean gives NaN in its state and
/// nowhere else. No bit depends on the number of threads.
/// Errors call the points `points_name`.
template <class T>
void mixture_log_density(T* log_density, T* leave_one_out, const T* points, const T* means,
                         const MixtureShape& shape, const PerState<T>& deviation,
                         const Support<T>& support, const char* points_name = "points");

}  // namespace wpg
