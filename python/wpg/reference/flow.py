"""Several steps in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.reference.density import median_bandwidth
from wpg.reference.transport import (
    Support,
    blob_velocity,
    langevin,
    leimkuhler_matthews,
    svgd_velocity,
)

__all__ = ["flow"]


def flow(
    particles: NDArray[Any],
    drift: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    noise: Callable[[int], NDArray[np.float64]],
    *,
    steps: int,
    step_size: ArrayLike,
    temperature: ArrayLike,
    support: Support = None,
    scheme: str = "langevin",
    bandwidth: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """`steps` steps, with a new drift before each.

        for move in 0 .. steps-1:   a <- langevin(a, drift(a), noise(move))

    or leimkuhler_matthews(a, drift(a), noise(move), noise(move + 1)), or without noise along
    svgd_velocity(a, drift(a)) or blob_velocity(a, drift(a)).

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) -> (S, N, D) [reward / action], grad_a Q at the particles
    noise : move -> (S, N, D), the draws of that step
    steps : int >= 0
    step_size, temperature, support : as in `wpg.reference.transport.langevin`
    scheme : "langevin", "leimkuhler-matthews", or "svgd" and "blob", which take no noise; for
        "mala" see `wpg.reference.mala`
    bandwidth : of "svgd" and "blob", number or (S,) [action]; None: the median rule of each cloud

    Returns
    -------
    (S, N, D) moved particles.

    Source: arXiv 2605.26078: several particle steps for one Q.
    """
    cloud = particles.astype(np.float64)
    for move in range(steps):
        rule: dict[str, Any] = {
            "step_size": step_size,
            "temperature": temperature,
            "support": support,
        }
        if scheme == "langevin":
            cloud = langevin(cloud, drift(cloud), noise(move), **rule)
        elif scheme == "leimkuhler-matthews":
            cloud = leimkuhler_matthews(cloud, drift(cloud), noise(move), noise(move + 1), **rule)
        elif scheme in ("svgd", "blob"):
            velocity = {"svgd": svgd_velocity, "blob": blob_velocity}[scheme](
                cloud,
                drift(cloud),
                temperature=temperature,
                bandwidth=median_bandwidth(cloud) if bandwidth is None else bandwidth,
            )
            rule["temperature"] = 0.0  # the velocity carries the entropy
            cloud = langevin(cloud, velocity, np.zeros_like(cloud), **rule)
        else:
            raise ValueError(f"scheme is {scheme!r}")
    return cloud
