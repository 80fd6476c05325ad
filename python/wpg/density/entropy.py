"""Differential entropy of the law that the particles of a state are drawn from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wpg.arrays import plain_cloud
from wpg.density.mixture import Floats, mixture_log_density, particle_log_densities
from wpg.supports import Box, Support, Torus, support_arrays

__all__ = ["entropy", "entropy_terms", "entropy_with_error"]

METHODS = ("auto", "mixture", "knn", "gaussian")
ESTIMATORS = ("average", "self", "leave-one-out")

_TILE = 1 << 21  # distances that are held at once: 16 MB


def entropy(
    particles: Floats,
    method: str = "auto",
    *,
    means: Floats | None = None,
    std: float | Floats | None = None,
    estimator: str = "average",
    neighbours: int = 4,
    support: Support = None,
) -> Floats:
    """Differential entropy of every state's particles, H = -E log p [nats, of action^D].

    method = "mixture", for particles that are one draw a_i from each component of the mixture
    q = (1/N) sum_j N(means_j, std^2), folded or wrapped (`mixture_log_density`), whose means are
    i.i.d. draws of the law before the step; H is the entropy of the law after it:

        self             H_self = -mean_i log q(a_i)
        leave-one-out    H_loo  = -mean_i log q_{-i}(a_i),  q_{-i} = sum_{j != i} N_j / (N - 1)
        average          (H_self + H_loo) / 2

    E H_self <= H <= E H_loo (Jensen). Each is off by about X/(2N), X + 1 = E_j int N_j^2 / q, about
    the support's volume over (2 sqrt(pi) std)^D; the average cancels that. Exponential in D: use
    it only while X << N.

    method = "knn" (Kozachenko and Leonenko), e_k the distance to the k-th neighbour, k =
    `neighbours`, c_D the volume of the unit ball:

        H = psi(N) - psi(k) + log c_D + (D/N) sum_i log e_k(i)

    Bias O((k/N)^(2/D)), deviation O(N^(-1/2)). Distances wrap on a torus, where e_k must stay below
    half the period; in a box they are plain, and balls that stick out bias H upwards near walls.

    method = "gaussian", from the covariance C (divided by N - 1), without bias for Gaussian draws:

        H = (D/2) log(2 pi e) + (1/2) log det C
            - (1/2) sum_{i=1..D} [psi((N - i)/2) - log((N - 1)/2)]

    Too high for every other law, much too high for several modes; in a box it ignores the walls.

    method = "auto": D <= 2 "mixture" if means and std are given, otherwise "knn"; 3 <= D <= 8
    "knn"; above "gaussian".

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    method : "auto", "mixture", "knn" or "gaussian"
    means, std : (S, N, D) [action] and number or (S,) [action]; used by "mixture" alone
    estimator : "average", "self" or "leave-one-out"; used by "mixture" alone
    neighbours : k, 1 <= k < N; used by "knn" alone
    support : `wpg.supports.Box`, `Torus`, or None for R^D; with boundary "tanh" or "probit" the std
        of "mixture" is that of the unbounded variable, the entropy that of the actions

    Returns
    -------
    (S,) entropies [nats] in the dtype of the particles; NaN where a particle is not finite.

    Cost: mixture and knn S N^2 D, gaussian S N D^2. knn and gaussian work in float64.
    Accuracy: statistical, see `entropy_with_error`; rounding adds that of `mixture_log_density`.
    Errors: ValueError or TypeError that names the argument; ValueError for more than k equal
    particles (knn), for N <= D + 1, a singular covariance or a torus (gaussian).

    Source: mixture bracket: Jensen; Kozachenko and Leonenko 1987, Delattre and Fournier 2017;
    unbiased log determinant: Anderson 2003, theorem 7.5.3.
    """
    terms, _ = _terms(particles, method, means, std, estimator, neighbours, support)
    return terms.mean(axis=1, dtype=np.float64).astype(particles.dtype)


def entropy_terms(
    particles: Floats,
    method: str = "auto",
    *,
    means: Floats | None = None,
    std: float | Floats | None = None,
    estimator: str = "average",
    neighbours: int = 4,
    support: Support = None,
) -> tuple[Floats, str]:
    """What each particle adds to `entropy`: numbers whose mean over a state's particles it is.

        mixture     -log q(a_i), for "average" the mean of both
        knn         psi(N) - psi(k) + log c_D + D log e_k(i)
        gaussian    H + (N/(N-1) (a_i - m)' C^-1 (a_i - m) - D) / 2

    With mean and covariance m, C of the state. They stand for -log pi(a_i): estimates of
    E[Q - temperature log pi] and of its spread are those of Q_i + temperature * terms_i.

    Parameters, cost and errors as in `entropy`.

    Returns
    -------
    terms (S, N) [nats] in the dtype of the particles, method "mixture", "knn" or "gaussian"
    """
    terms, used = _terms(particles, method, means, std, estimator, neighbours, support)
    return terms.astype(particles.dtype), used


def entropy_with_error(
    particles: Floats,
    method: str = "auto",
    *,
    means: Floats | None = None,
    std: float | Floats | None = None,
    estimator: str = "average",
    neighbours: int = 4,
    support: Support = None,
) -> tuple[Floats, Floats, str]:
    """`entropy`, its standard error, and the method that was used.

        mixture     sd_i( -log q(a_i) ) / sqrt(N), of the terms that the estimator averages
        knn         sd_i( D log e_k(i) ) / sqrt(N)
        gaussian    sqrt( D / (2N) )

    The error holds the spread of the draws and nothing else: not the bias of the estimator (see
    `entropy`), and not that the terms of one cloud depend on each other. For "mixture" the means
    are taken as given; for "gaussian" the draws as Gaussian.

    Parameters and errors as in `entropy`; N >= 2.

    Returns
    -------
    values (S,) [nats], standard_error (S,) [nats], method "mixture", "knn" or "gaussian"
    """
    terms, used = _terms(particles, method, means, std, estimator, neighbours, support)
    _, N, D = particles.shape
    if N < 2:
        raise ValueError(f"particles has N = {N}; a standard error needs at least 2")
    values = terms.mean(axis=1, dtype=np.float64)
    if used == "gaussian":
        error = np.where(np.isfinite(values), math.sqrt(D / (2 * N)), np.nan)
    else:
        error = terms.std(axis=1, ddof=1, dtype=np.float64) / math.sqrt(N)
    return values.astype(particles.dtype), error.astype(particles.dtype), used


def _terms(
    particles: Floats,
    method: str,
    means: Floats | None,
    std: float | Floats | None,
    estimator: str,
    neighbours: int,
    support: Support,
) -> tuple[Floats, str]:
    """The terms (S, N) of `entropy_terms`, float64 except for "mixture", and the method."""
    if plain_cloud(particles, "particles").shape[1] < 1:
        raise ValueError(f"particles has shape {particles.shape}; it must be (S, N, D) with N >= 1")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(map(repr, METHODS))}")
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator is {estimator!r}; it must be one of {', '.join(map(repr, ESTIMATORS))}"
        )
    D = particles.shape[2]
    support_arrays(support, particles)
    if isinstance(support, Box) and support.boundary == "clip":
        raise ValueError("support has boundary 'clip', whose atoms on the walls have no entropy")
    if method == "auto":
        known = means is not None and std is not None
        method = "gaussian" if D > 8 else "mixture" if D <= 2 and known else "knn"
    if method == "mixture":
        if means is None or std is None:
            raise ValueError("method 'mixture' needs means and std; without them use 'knn'")
        return _mixture_terms(particles, means, std, estimator, support), method
    cloud = particles.astype(np.float64)
    finite = np.isfinite(cloud).all(axis=(1, 2))
    terms = np.full(cloud.shape[:2], np.nan)
    names = np.flatnonzero(finite)
    if method == "gaussian":
        terms[finite] = _gaussian_terms(cloud[finite], support, names)
    else:
        terms[finite] = _knn_terms(cloud[finite], neighbours, support, names)
    return terms, method


def _mixture_terms(
    particles: Floats, means: Floats, std: float | Floats, estimator: str, support: Support
) -> Floats:
    """-log q(a_i), (S, N)."""
    if not isinstance(means, np.ndarray) or means.shape != particles.shape:
        raise ValueError(
            f"means must be an array of shape {particles.shape}, one mean for each particle; got "
            f"{getattr(means, 'shape', type(means))}"
        )
    if estimator == "average":
        included, left_out = particle_log_densities(particles, means, std, support)
        return -0.5 * (included + left_out)
    leave_out = estimator == "leave-one-out"
    return -mixture_log_density(particles, means, std, support, exclude_self=leave_out)


def _knn_terms(
    cloud: NDArray[np.float64], k: int, support: Support, names: NDArray[np.intp]
) -> NDArray[np.float64]:
    """psi(N) - psi(k) + log c_D + D log e_k(i), by comparing all pairs; `names` are the states'
    numbers."""
    S, N, D = cloud.shape
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise TypeError(f"neighbours is {k!r}; it must be an int")
    if not 1 <= k < N:
        raise ValueError(f"neighbours is {k}; with N = {N} particles it must be from 1 to {N - 1}")
    period = None
    if isinstance(support, Torus):
        _, _, period = support.arrays(D, np.float64)
        cloud = cloud % period
    cloud, power = _ordinary(cloud)
    terms = np.empty((S, N))
    rows = max(1, min(N, _TILE // N))
    states = max(1, _TILE // (rows * N))
    for first in range(0, S, states):
        block = cloud[first : first + states]
        for row in range(0, N, rows):
            square = np.zeros((len(block), len(block[0, row : row + rows]), N))
            for d in range(D):
                away = np.abs(block[:, row : row + rows, None, d] - block[:, None, :, d])
                if period is not None:
                    around = np.ldexp(period[d], -power[first : first + states, None, None])
                    away = np.minimum(away, around - away)
                square += away**2
            # The nearest of all is the particle itself.
            nearest = np.partition(square, k, axis=2)[:, :, k]
            if not nearest.all():
                s, i = np.argwhere(nearest == 0)[0]
                raise ValueError(
                    f"particles[{names[first + s]}, {row + i}] has {k} or more equals in its "
                    "state, so the distance to its neighbour is 0 and the entropy of a density "
                    "does not exist; remove duplicates or raise neighbours"
                )
            terms[first : first + states, row : row + rows] = 0.5 * D * np.log(nearest)
    # psi(N) - psi(k) = 1/k + ... + 1/(N-1)
    constant = math.fsum(1.0 / i for i in range(k, N))
    constant += 0.5 * D * math.log(math.pi) - math.lgamma(0.5 * D + 1.0)
    return terms + (constant + D * math.log(2.0) * power[:, None])


def _ordinary(cloud: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Each state divided by 2^power, 0 unless its squares or sums might over- or underflow."""
    _, power = np.frexp(np.abs(cloud).max(axis=(1, 2)))
    power = np.where(np.abs(power) > 400, power, 0).astype(np.intp)
    return np.ldexp(cloud, -power[:, None, None]), power


def _gaussian_terms(
    cloud: NDArray[np.float64], support: Support, names: NDArray[np.intp]
) -> NDArray[np.float64]:
    """-log of the Gaussian of the same mean and covariance, shifted so that the mean over a state's
    particles has no bias for Gaussian draws; (S, N)."""
    _, N, D = cloud.shape
    if isinstance(support, Torus):
        raise ValueError("method 'gaussian' on a torus: there is no covariance; use 'knn'")
    if N <= D + 1:
        raise ValueError(
            f"particles has N = {N}, D = {D}; method 'gaussian' needs N > D + 1 particles"
        )
    cloud, power = _ordinary(cloud)
    centred = cloud - cloud.mean(axis=1, keepdims=True)
    scale = np.abs(centred).max(axis=1)
    if not scale.all():
        s, d = np.argwhere(scale == 0)[0]
        raise ValueError(
            f"particles[{names[s]}] are all equal in coordinate {d}; a Gaussian of no width has "
            "no entropy"
        )
    centred /= scale[:, None]
    covariance = np.swapaxes(centred, 1, 2) @ centred / (N - 1)
    variances = np.linalg.eigvalsh(covariance)
    # Sums of N products know a variance to N u of the largest one.
    lost = variances[:, 0] <= N * np.finfo(np.float64).eps * variances[:, -1]
    if lost.any():
        raise ValueError(
            f"particles[{names[int(np.argmax(lost))]}] lie in a plane of lower dimension: their "
            "covariance is singular, and a density does not exist"
        )
    log_det = np.log(variances).sum(axis=1) + 2 * np.log(scale).sum(axis=1)
    log_det += 2 * D * math.log(2.0) * power
    expected = sum(_digamma_of_half(N - i) - math.log((N - 1) / 2) for i in range(1, D + 1))
    values = 0.5 * (D * math.log(2 * math.pi * math.e) + log_det - expected)
    # Their mean is (N - 1) D / N whatever the particles are.
    squares = np.einsum(
        "snd,sdn->sn", centred, np.linalg.solve(covariance, np.swapaxes(centred, 1, 2))
    )
    return values[:, None] + 0.5 * (squares * (N / (N - 1)) - D)


def _digamma_of_half(n: int) -> float:
    """psi(n/2), n >= 1: psi(1) = -gamma, psi(1/2) = -gamma - 2 log 2, psi(x + 1) = psi(x) + 1/x."""
    start = -float(np.euler_gamma) - (2 * math.log(2) if n % 2 else 0.0)
    return start + math.fsum(2.0 / i for i in range(1 if n % 2 else 2, n, 2))
