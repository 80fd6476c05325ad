"""The Metropolis-adjusted Langevin step, one particle at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.reference.density import mixture_log_density, on_the_line
from wpg.reference.transport import SQUASHED, Support, langevin, to_line

__all__ = ["log_ratio", "mala"]

Float64 = NDArray[np.float64]


def log_law(
    b: Float64, a: Float64, drift: Float64, step_size: float, temperature: float, support: Support
) -> float:
    """log k(b | a), the density of a Langevin step from a, in actions."""
    std = math.sqrt(2.0 * step_size * temperature)
    point = b[None, None]
    if support is not None and support[0] in SQUASHED:
        y, along = to_line(a, drift, temperature, support, np.float64)
        z, log_slope = on_the_line(point, support)
        means = (y + step_size * along)[None, None]
        return float(mixture_log_density(z, means, std)[0, 0] - log_slope[0, 0])
    means = (a + step_size * drift)[None, None]
    return float(mixture_log_density(point, means, std, support)[0, 0])


def log_ratio(
    a: Float64,
    b: Float64,
    values: tuple[float, float],
    drifts: tuple[Float64, Float64],
    step_size: float,
    temperature: float,
    support: Support,
) -> float:
    """(Q(b) - Q(a)) / temperature + log k(a | b) - log k(b | a), points a, b (D,)."""
    back = log_law(a, b, drifts[1], step_size, temperature, support)
    ahead = log_law(b, a, drifts[0], step_size, temperature, support)
    return (values[1] - values[0]) / temperature + back - ahead


def mala(
    particles: NDArray[Any],
    critic: Callable[[Float64], tuple[Float64, Float64]],
    noise: Callable[[int], Float64],
    exponentials: Callable[[int], Float64],
    *,
    steps: int,
    step_size: ArrayLike,
    temperature: ArrayLike,
    support: Support = None,
) -> tuple[Float64, Float64]:
    """`steps` Metropolis-adjusted Langevin steps, in float64.

        a' = langevin(a, grad Q(a));  a <- a' where -log u >= -log ratio

    Parameters
    ----------
    particles : (S, N, D) [action]
    critic : (S, N, D) -> values (S, N) [reward], gradients (S, N, D)
    noise : move -> (S, N, D), the normal draws of that step
    exponentials : move -> (S, N), -log u
    steps : int >= 1
    step_size, temperature, support : as in `wpg.reference.transport.langevin`, both positive

    Returns
    -------
    (S, N, D) particles, (S,) fraction of accepted proposals.

    Source: Roberts and Tweedie 1996.
    """
    S, N, _ = particles.shape
    eta = np.broadcast_to(np.asarray(step_size, dtype=np.float64), (S,))
    tau = np.broadcast_to(np.asarray(temperature, dtype=np.float64), (S,))
    cloud = particles.astype(np.float64)
    accepted = np.zeros(S)
    for move in range(steps):
        values, drift = critic(cloud)
        proposals = langevin(
            cloud, drift, noise(move), step_size=eta, temperature=tau, support=support
        )
        new_values, new_drift = critic(proposals)
        draws = exponentials(move)
        for s in range(S):
            for n in range(N):
                ratio = log_ratio(
                    cloud[s, n],
                    proposals[s, n],
                    (float(values[s, n]), float(new_values[s, n])),
                    (drift[s, n], new_drift[s, n]),
                    float(eta[s]),
                    float(tau[s]),
                    support,
                )
                if draws[s, n] + ratio >= 0:
                    cloud[s, n] = proposals[s, n]
                    accepted[s] += 1
    return cloud, accepted / (steps * N)
