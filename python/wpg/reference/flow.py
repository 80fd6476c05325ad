"""Several Langevin steps in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.reference.transport import Support, langevin

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
) -> NDArray[np.float64]:
    """`steps` Langevin steps, with a new drift before each.

        for move in 0 .. steps-1:   a <- langevin(a, drift(a), noise(move))

    Parameters
    ----------
    particles : (S, N, D) [action]
    drift : (S, N, D) -> (S, N, D) [reward / action], grad_a Q at the particles
    noise : move -> (S, N, D), the draws of that step
    steps : int >= 0
    step_size, temperature, support : as in `wpg.reference.transport.langevin`

    Returns
    -------
    (S, N, D) moved particles.

    Source: arXiv 2605.26078: several particle steps for one Q.
    """
    cloud = particles.astype(np.float64)
    for move in range(steps):
        cloud = langevin(
            cloud,
            drift(cloud),
            noise(move),
            step_size=step_size,
            temperature=temperature,
            support=support,
        )
    return cloud
