"""Supports and the Langevin step, one particle at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Support",
    "blob_velocity",
    "clip",
    "fold",
    "langevin",
    "reflect",
    "svgd_velocity",
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


def svgd_velocity(
    particles: NDArray[Any], drift: NDArray[Any], *, temperature: ArrayLike, bandwidth: ArrayLike
) -> NDArray[np.float64]:
    """Stein variational velocity in energy units, in float64.

        w(a_i) = (1/N) sum_j [ k(a_j, a_i) drift_j + temperature grad_{a_j} k(a_j, a_i) ]

    with k(a, b) = exp(-|a - b|^2 / (2 bandwidth^2)), grad_{a_j} k = k (a_i - a_j) / bandwidth^2.

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) [reward / action]
    temperature : number or (S,) [reward]
    bandwidth : number or (S,) [action]

    Returns
    -------
    (S, N, D) [reward / action]. Cost: S N^2 D.

    Source: Liu and Wang 2016, algorithm 1, times the temperature.
    """
    S, N, _ = particles.shape
    tau = np.broadcast_to(np.asarray(temperature, dtype=np.float64), (S,))
    length = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (S,))
    velocity = np.zeros(particles.shape)
    for s in range(S):
        cloud, along = particles[s].astype(np.float64), drift[s].astype(np.float64)
        for i in range(N):
            for j in range(N):
                away = cloud[i] - cloud[j]
                kernel = np.exp(-0.5 * np.sum((away / length[s]) ** 2))
                velocity[s, i] += kernel * (along[j] + tau[s] * away / length[s] ** 2) / N
    return velocity


def blob_velocity(
    particles: NDArray[Any], drift: NDArray[Any], *, temperature: ArrayLike, bandwidth: ArrayLike
) -> NDArray[np.float64]:
    """Drift minus temperature times the blob score, in float64.

        v_i = drift_i - temperature [ sum_j grad_i k_ij / S_i + sum_j grad_i k_ij / S_j ]

    with k_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2)) and S_i = sum_l k_il.

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) [reward / action]
    temperature : number or (S,) [reward]
    bandwidth : number or (S,) [action]

    Returns
    -------
    (S, N, D) [reward / action]. Cost: S N^2 D.

    Source: Carrillo, Craig and Patacchini 2019.
    """
    S, N, _ = particles.shape
    tau = np.broadcast_to(np.asarray(temperature, dtype=np.float64), (S,))
    length = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (S,))
    velocity = np.zeros(particles.shape)
    for s in range(S):
        cloud = particles[s].astype(np.float64)
        kernel = np.empty((N, N))
        for i in range(N):
            for j in range(N):
                kernel[i, j] = np.exp(-0.5 * np.sum(((cloud[i] - cloud[j]) / length[s]) ** 2))
        total = kernel.sum(axis=1)
        for i in range(N):
            score = 0.0
            for j in range(N):
                slope = -kernel[i, j] * (cloud[i] - cloud[j]) / length[s] ** 2
                score = score + slope / total[i] + slope / total[j]
            velocity[s, i] = drift[s, i] - tau[s] * score
    return velocity
