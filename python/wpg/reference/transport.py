"""Supports and the moves of particles, one particle at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "Support",
    "action_of",
    "adaptive_step_size",
    "birth_death",
    "blob_velocity",
    "clip",
    "fold",
    "interior",
    "langevin",
    "leimkuhler_matthews",
    "line_point",
    "reflect",
    "svgd_velocity",
    "wrap",
]

Support = tuple[str, ArrayLike, ArrayLike] | None
"""("reflect" | "clip" | "torus" | "tanh" | "probit", low, high), which is what
`wpg.supports.Box.arrays` gives."""

SQUASHED = ("tanh", "probit")


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


def interior(a: float, low: float, high: float, dtype: DTypeLike) -> float:
    """The nearest number of a dtype that is strictly inside the box, and at least 2^-100 (float32),
    2^-1000 (float64) of its width off the walls."""
    single = np.dtype(dtype) == np.float32
    number = np.float32 if single else np.float64
    gap = number(number(high) - number(low)) * number(2.0 ** (-100 if single else -1000))
    least = max(np.nextafter(number(low), number(high)), number(low) + gap)
    most = min(np.nextafter(number(high), number(low)), number(high) - gap)
    return min(max(a, float(least)), float(most)) if a == a else a


def line_point(a: float, kind: str, low: float, high: float) -> tuple[float, float, float]:
    """y, da/dy and d/dy log(da/dy) of an action strictly inside a squashed box.

        tanh      a = middle + half tanh y            half (1 - s^2)     -2 s
        probit    a = middle + half (2 Phi(y) - 1)    2 half phi(y)      -y

    The normal quantile is found by bisection.

    Source: change of variables.
    """
    below, above, width = a - low, high - a, high - low
    if kind == "tanh":
        y = 0.5 * (math.log(below) - math.log(above))
        return y, 2.0 * below * above / width, -2.0 * (below - above) / width
    inner, outer = 0.0, 40.0
    for _ in range(100):
        x = 0.5 * (inner + outer)
        if 0.5 * math.erfc(x / math.sqrt(2.0)) > min(below, above) / width:
            inner = x
        else:
            outer = x
    y = -inner if below < above else inner
    return y, width * math.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi), -y


def action_of(y: float, kind: str, low: float, high: float) -> float:
    """middle + half s(y), from the nearer wall."""
    if kind == "tanh":
        q = math.exp(-2.0 * abs(y))
        distance = (high - low) * q / (1.0 + q)
    else:
        distance = (high - low) * 0.5 * math.erfc(abs(y) / math.sqrt(2.0))
    return low + distance if y < 0 else high - distance


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

    with M^(1/2) the lower Cholesky factor of M. In a squashed box the step is that of y, with the
    drift (da/dy) drift + temperature d/dy log(da/dy).

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) [reward / action]
    noise : (S, N, D), the draws xi
    step_size : number or (S,) [action^2 / reward]
    temperature : number or (S,) [reward]
    support : as in `fold`, or ("tanh" | "probit", low, high), where actions stay inside as numbers
        of the particles' dtype
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
            if support is not None and support[0] in SQUASHED:
                a, along = to_line(a, along, float(tau[s]), support, particles.dtype)
            if preconditioner is not None:
                along, around = matrices[s] @ along, root @ around
            a = a + eta[s] * along + np.sqrt(2.0 * eta[s] * tau[s]) * around
            if support is not None and support[0] in SQUASHED:
                moved[s, n] = from_line(a, support, particles.dtype)
            else:
                moved[s, n] = fold(a, support)
    return moved


def walls(support: Support, D: int) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    """The kind of a support, and low and high for every coordinate."""
    assert support is not None
    low = np.broadcast_to(np.asarray(support[1], dtype=np.float64), (D,))
    high = np.broadcast_to(np.asarray(support[2], dtype=np.float64), (D,))
    return support[0], low, high


def to_line(
    a: NDArray[np.float64],
    drift: NDArray[np.float64],
    temperature: float,
    support: Support,
    dtype: DTypeLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """y of an action (D,), and (da/dy) drift + temperature d/dy log(da/dy)."""
    kind, low, high = walls(support, len(a))
    y, along = np.empty_like(a), np.empty_like(a)
    for d in range(len(a)):
        inside = interior(float(a[d]), float(low[d]), float(high[d]), dtype)
        y[d], slope, gradient = line_point(inside, kind, float(low[d]), float(high[d]))
        along[d] = slope * drift[d] + temperature * gradient
    return y, along


def from_line(y: NDArray[np.float64], support: Support, dtype: DTypeLike) -> NDArray[np.float64]:
    """The action (D,) of y, off the walls."""
    kind, low, high = walls(support, len(y))
    a = np.empty_like(y)
    for d in range(len(y)):
        inside = action_of(float(y[d]), kind, float(low[d]), float(high[d]))
        a[d] = interior(inside, float(low[d]), float(high[d]), dtype)
    return a


def leimkuhler_matthews(
    particles: NDArray[Any],
    drift: NDArray[Any],
    noise: NDArray[Any],
    next_noise: NDArray[Any],
    *,
    step_size: ArrayLike,
    temperature: ArrayLike,
    support: Support = None,
) -> NDArray[np.float64]:
    """One Leimkuhler-Matthews step, in float64: `langevin` with the noise (xi_k + xi_{k+1}) / 2.

    Parameters
    ----------
    noise, next_noise : (S, N, D), the draws xi_k and xi_{k+1}
    particles, drift, step_size, temperature, support : as in `langevin`

    Source: Leimkuhler and Matthews 2013.
    """
    return langevin(
        particles,
        drift,
        0.5 * (noise.astype(np.float64) + next_noise.astype(np.float64)),
        step_size=step_size,
        temperature=temperature,
        support=support,
    )


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
