"""The density of "pick a particle, take one Langevin step"."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg import _core
from wpg.arrays import cloud_array, plain_cloud
from wpg.supports import Support, support_arrays

__all__ = ["mixture_log_density", "particle_log_densities"]

Floats = NDArray[Any]


def mixture_log_density(
    points: Floats,
    means: Floats,
    std: float | Floats,
    support: Support = None,
    *,
    exclude_self: bool = False,
    out: Floats | None = None,
) -> Floats:
    """Log-density of a mixture of equal Gaussians, at several points of every state.

        q(x) = (1/N) sum_j prod_d sum_images N(image(x_d); means_jd, std^2)

    Images are the point alone on R^D; x + 2kL and 2 low - x + 2kL for all whole k in a box of width
    L; x + k period on a torus. With means = a_j + step_size grad_a Q(a_j) and
    std^2 = 2 step_size temperature it is the exact density of "pick a particle, take one Langevin
    step".

    In a box with boundary "tanh" or "probit" the Gaussians are those of the unbounded variable y:
    points and means are given as actions, std is that of y, and the answer is the log-density of
    the actions, log q_Y(y(x)) - log |dx/dy|. The means of a step there hold its Jacobian term:
    `wpg.squash.log_slope_gradient` says how.

    Parameters
    ----------
    points : (S, K, D) [action], float32 or float64, C-contiguous; in a box, inside it; on a torus
        any representative
    means : (S, N, D) [action], the same dtype; means outside the support are folded or wrapped,
        but in a squashed box refused
    std : number or (S,) [action; no unit in a squashed box], positive; any size relative to the
        support
    support : `wpg.supports.Box`, `Torus`, or None for R^D
    exclude_self : leave mean i out at point i and divide by N - 1; needs K = N >= 2
    out : (S, K), None to allocate

    Returns
    -------
    (S, K) log-densities [log 1/action^D], `out` if it was given.

    Cost: S K N (D + 1 + images) exponentials, with no image where no mean is near a wall and two to
    four images per coordinate where std is below a tenth of the support; from std = L/2 (period/4)
    on, a short cosine series takes their place. 10,000 states, K = N = 64, D = 2, float64, one core
    with AVX2: 0.14 s on R^D, 0.2 to 0.35 s in a box and on a torus at std below L/10, at most 0.65.
    Accuracy: with X = log N + min_j |r_j|^2 / (2 std^2), r_j the shortest way from mean j, R the
    largest magnitude among points, means and walls, and u the unit roundoff, a log-density l is off
    by at most
        u (N + 10 (D + 1) + (D + 14) X + 4 sqrt(2 D X) R / std + 4 |l| + 4 D (1 + |log std|)).
    In a squashed box r_j and R are those of y, whose errors of 10 u (1 + |y|) add
    20 u (1 + R) sqrt(2 D X) / std + 40 u D (1 + R^2).
    A point far from all means gets its finite log-density too; where |r_j / std|^2 overflows for
    all j, -inf. No bit depends on the number of threads.
    Errors: ValueError or TypeError that names the argument, for a box with boundary "clip" too,
    whose law has atoms; nothing is written then. NaN or infinity in a point gives NaN there, in a
    mean NaN in its state.

    Source: last-step mixture, images of reflected and wrapped Brownian motion (Feller 1971, X.5).
    """
    return _core.mixture_log_density(
        points=points,
        means=means,
        std=std,
        support=support_arrays(support, cloud_array(points, "points")),
        wants_all=not exclude_self,
        wants_others=bool(exclude_self),
        out=out,
    )


def particle_log_densities(
    particles: Floats, means: Floats, std: float | Floats, support: Support = None
) -> tuple[Floats, Floats]:
    """Log-density of the mixture at its own draws, with and without each draw's own component.

    The pair of `mixture_log_density(..., exclude_self=False)` and `(..., exclude_self=True)`, to
    rounding, for the cost of one.

    Parameters
    ----------
    particles : (S, N, D) [action], particle i a draw from component i
    means : (S, N, D) [action]; std : number or (S,) [action]; support : as there

    Returns
    -------
    log_density (S, N), leave_one_out (S, N) [log 1/action^D]

    Cost, accuracy, errors: as there; N >= 2.
    """
    return _core.mixture_log_density(
        points=particles,
        means=means,
        std=std,
        support=support_arrays(support, plain_cloud(particles, "particles")),
        wants_all=True,
        wants_others=True,
        out=None,
        points_name="particles",
    )
