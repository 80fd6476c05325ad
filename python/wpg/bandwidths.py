"""The bandwidth of the kernel between particles: given, or by the median rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core

__all__ = ["particle_bandwidth"]


def particle_bandwidth(
    bandwidth: float | NDArray[Any] | None, particles: NDArray[Any]
) -> float | NDArray[Any]:
    """The bandwidth, if it is positive and finite; for None that of the median rule.

    Only the median rule gives 0, for a state whose particles are mostly equal, and NaN, for one
    that holds a particle that is not finite or whose median distance overflows: the compiled
    routines know both.

    Parameters
    ----------
    bandwidth : number or (S,) [action], or None
    particles : (S, N, D) [action], checked already

    Returns
    -------
    number or (S,) [action]. What is not a number is left to the compiled routines to refuse.
    """
    if bandwidth is None:
        medians = _core.median_bandwidth(particles=particles)
        medians[np.isinf(medians)] = np.nan
        return medians
    values = np.asarray(bandwidth)
    if values.dtype.kind not in "fiu":
        return bandwidth
    # As the compiled routine sees it: 1e-60 is 0 in float32.
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(particles.dtype)
    wrong = ~(np.isfinite(rounded) & (rounded > 0))
    if wrong.any():
        where = "" if values.ndim == 0 else f"{[int(i) for i in np.argwhere(wrong)[0]]}"
        raise ValueError(
            f"bandwidth{where} is {values[wrong].flat[0]}; it must be finite and positive in "
            f"{particles.dtype}, or None for the median rule"
        )
    return bandwidth
