"""Supports and the moves of particles, one particle at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Support",
    "adaptive_step_size",
    "birth_death",
    "clip",
    "fold",
    "langevin",
    "reflect",
    "wrap",
]

Support = tuple[str, ArrayLike, ArrayLike] | None
"""("reflect" | "clip" | "torus", low, high), which is what `wpg.supports.Box.arrays` gives."""


def reflect(x: float, low: float, high: float) -> float:
    """Reflection at both walls of low <= x <= high, as often as needed.

        low + min(y, 2L - y),  y = (x - low) mod 2L,  L = high - low

    A point inside comes back unchanged; NaN and infinity become NaN.

    Source: Bossy, Gobet, Talay 2004 (reflection).
    """
    if low <= x <= high:
        return x
    period = 2.0 * (high - low)
    y = (x - low) % period
    return low + min(y, period - y)


def wrap(x: float, period: float) -> float:
    """x mod period, in [0, period); NaN and infinity become NaN."""
    y = x % period
    return 0.0 if y >= period else y


def clip(x: float, low: float, high: float) -> float:
    """The point of low <= x <= high that is nearest to x."""
    return min(max(x, low), high)


def fold(point: NDArray[np.float64], support: Support) -> NDArray[np.float64]:
    """A point (D,) back in its support.

    Parameters
    ----------
    point : (D,) [action]
    support : ("reflect" | "clip" | "torus", low, high) with low, high scalar or (D,), or None
    """
    if support is None:
        return point
    kind = support[0]
    low = np.broadcast_to(np.asarray(support[1], dtype=np.float64), point.shape)
    high = np.broadcast_to(np.asarray(support[2], dtype=np.float64), point.shape)
    inside = np.empty_like(point)
    for d in range(len(point)):
        x, lowest, highest = float(point[d]), float(low[d]), float(high[d])
        if kind == "reflect":
            inside[d] = reflect(x, lowest, highest)
        elif kind == "clip":
            inside[d] = clip(x, lowest, highest)
        else:
            inside[d] = wrap(x, highest)
    return inside


def langevin(
    particles: NDArray[Any],
    drift: NDArray[Any],
    noise: NDArray[Any],
    *,
    step_size: ArrayLike,
    temperature: ArrayLike,
    support: Support = None,
    preconditioner: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """One unadjusted Langevin step, in float64.

        a' = fold( a + step_size M drift + sqrt(2 step_size temperature) M^(1/2) xi )

    with M^(1/2) the lower Cholesky factor of M.

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) [reward / action]
    noise : (S, N, D), the draws xi
    step_size : number or (S,) [action^2 / reward]
    temperature : number or (S,) [reward]
    support : as in `fold`
    preconditioner : None, a diagonal (D,), or M as (D, D) or (S, D, D)

    Returns
    -------
    (S, N, D) moved particles. Cost: S N D, times D with a full preconditioner.

    Source: arXiv 2605.26078; preconditioner: Girolami and Calderhead 2011.
    """
    S, N, D = particles.shape
    eta = np.broadcast_to(np.asarray(step_size, dtype=np.float64), (S,))
    tau = np.broadcast_to(np.asarray(temperature, dtype=np.float64), (S,))
    if preconditioner is None:
        matrices = np.broadcast_to(np.eye(D), (S, D, D))
    elif preconditioner.ndim == 1:
        matrices = np.broadcast_to(np.diag(preconditioner.astype(np.float64)), (S, D, D))
    else:
        matrices = np.broadcast_to(preconditioner.astype(np.float64), (S, D, D))
    moved = np.empty((S, N, D), dtype=np.float64)
    for s in range(S):
        root = np.linalg.cholesky(matrices[s])
        for n in range(N):
            a = particles[s, n].astype(np.float64)
            along, around = drift[s, n].astype(np.float64), noise[s, n].astype(np.float64)
            if preconditioner is not None:
                along, around = matrices[s] @ along, root @ around
            a = a + eta[s] * along + np.sqrt(2.0 * eta[s] * tau[s]) * around
            moved[s, n] = fold(a, support)
    return moved


def birth_death(
    q_values: NDArray[Any],
    log_density: NDArray[Any],
    words: Callable[[int, int], tuple[int, int]],
    *,
    temperature: ArrayLike,
    rate: ArrayLike,
    step_size: ArrayLike,
) -> NDArray[np.int32]:
    """Who stands where after one step of birth and death, in float64.

        B_i = log pi_hat(a_i) - Q(a_i)/temperature - mean
        with probability 1 - exp(-rate temperature |B_i| step_size):
            B_i > 0: a uniformly chosen other in the place of i
            B_i < 0: i in the place of a uniformly chosen other

    Parameters
    ----------
    q_values, log_density : (S, N) [reward], [log 1/action^D]
    words : gives the two random 64-bit words of (state, particle)
    temperature, rate, step_size : number or (S,)

    Returns
    -------
    ancestors (S, N), -1 in a state where nothing is known.

    Source: Lu, Lu, Nolen 2019, algorithm 1.
    """
    S, N = q_values.shape
    tau, kappa, eta = (
        np.broadcast_to(np.asarray(x, np.float64), (S,)) for x in (temperature, rate, step_size)
    )
    ancestors = np.empty((S, N), np.int32)
    for s in range(S):
        q, log_pi = q_values[s].astype(np.float64), log_density[s].astype(np.float64)
        if np.isnan(q).any() or (q == math.inf).any() or not np.isfinite(log_pi).all():
            ancestors[s] = -1
            continue
        here = list(range(N))
        allowed = [i for i in range(N) if q[i] > -math.inf]
        if N > 1 and allowed:
            for i in range(N):
                if i not in allowed:
                    here[i] = allowed[words(s, i)[1] * len(allowed) >> 64]
            excess = {i: log_pi[i] - q[i] / tau[s] for i in allowed}
            mean = sum(excess.values()) / len(allowed)
            for i in allowed:
                event, choice = words(s, i)
                b = excess[i] - mean
                chance = -math.expm1(-kappa[s] * tau[s] * eta[s] * abs(b))
                if here[i] != i or (event >> 11) * 2.0**-53 >= chance:
                    continue
                other = choice * (N - 1) >> 64
                if other >= i:
                    other += 1
                if b > 0:
                    here[i] = here[other]
                else:
                    here[other] = here[i]
        ancestors[s] = here
    return ancestors


def adaptive_step_size(
    particles: NDArray[Any],
    drift: NDArray[Any],
    new_particles: NDArray[Any],
    new_drift: NDArray[Any],
    *,
    fraction: float,
    maximum: ArrayLike,
) -> NDArray[np.float64]:
    """min(maximum, fraction / max_i |drift'_i - drift_i| / |a'_i - a_i|) for each state (S,).

    Parameters
    ----------
    particles, drift, new_particles, new_drift : (S, N, D)

    Source: Malitsky and Mishchenko 2020.
    """
    S, N, _ = particles.shape
    most = np.broadcast_to(np.asarray(maximum, np.float64), (S,))
    result = np.empty(S)
    for s in range(S):
        steepest = 0.0
        for i in range(N):
            move = new_particles[s, i].astype(np.float64) - particles[s, i]
            change = new_drift[s, i].astype(np.float64) - drift[s, i]
            if math.hypot(*move) > 0:
                steepest = max(steepest, math.hypot(*change) / math.hypot(*move))
        result[s] = most[s] if steepest == 0 else min(most[s], fraction / steepest)
    return result
