"""The kernel density estimate of the law of a state's particles, and its score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.arrays import cloud_array, core_of, plain_cloud
from wpg.bandwidths import particle_bandwidth

__all__ = ["kde_log_density", "kde_score"]


def kde_log_density(
    particles: NDArray[Any],
    points: NDArray[Any] | None = None,
    *,
    bandwidth: float | NDArray[Any] | None,
) -> NDArray[Any]:
    """Log-density of the Gaussian kernel estimate on R^D, at the particles or at other points.

        log (1/N) sum_j N(x; a_j, bandwidth^2 I)

    At a particle its own kernel counts.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous, N >= 1
    points : (S, K, D) [action], the same dtype; None for the particles
    bandwidth : number or (S,) [action], positive; None for the median rule of every state
        (`wpg.density.median_bandwidth`), which must not be 0

    Returns
    -------
    (S, K) log-densities [log 1/action^D].

    Cost: S K N (D + 1) exponentials' worth of work.
    Accuracy: that of `mixture_log_density` with the particles as means and the bandwidth as std. A
    point far from all particles gets its finite log-density; nothing under- or overflows before
    (|x - a_j| / bandwidth)^2 does.
    Errors: ValueError or TypeError that names the argument. NaN or infinity in a particle gives NaN
    in its state, in a point NaN there.

    Source: Silverman 1986, section 4.2.
    """
    cloud = plain_cloud(particles, "particles")
    at = cloud if points is None else plain_cloud(points, "points")
    if at.dtype != cloud.dtype:
        raise TypeError(f"points has dtype {at.dtype}; the particles have {cloud.dtype}")
    if (at.shape[0], at.shape[2]) != (cloud.shape[0], cloud.shape[2]):
        raise ValueError(
            f"points has shape {at.shape}; it must be ({cloud.shape[0]}, K, {cloud.shape[2]})"
        )
    if cloud.shape[1] < 1:
        raise ValueError(f"particles has shape {cloud.shape}; it must be (S, N, D) with N >= 1")
    length = particle_bandwidth(bandwidth, cloud)
    if bandwidth is None:
        # A state that is lost gives NaN whatever its bandwidth.
        length = np.where(np.isnan(length), np.ones_like(length), length)
        if not np.all(length > 0):
            raise ValueError(
                f"bandwidth of the median rule is 0 in state {int(np.argmin(length))}, where most "
                "particles are equal, and a density of width 0 does not exist; give a bandwidth"
            )
    with np.errstate(over="ignore"):
        rounded = np.atleast_1d(np.asarray(length, dtype=cloud.dtype))
        wrong = ~np.isfinite(rounded) | ~np.isfinite(1 / rounded)
    if wrong.any():
        raise ValueError(
            f"bandwidth is {np.atleast_1d(length)[wrong][0]}; it and its inverse must be finite in "
            f"{cloud.dtype}"
        )
    return _core.mixture_log_density(
        points=at,
        means=cloud,
        std=length,
        support=None,
        wants_all=True,
        wants_others=False,
        out=None,
    )


def kde_score(particles: NDArray[Any], *, bandwidth: float | NDArray[Any] | None) -> NDArray[Any]:
    """Score of the Gaussian kernel estimate at its own particles.

        grad_i log (1/N) sum_j N(a_i; a_j, bandwidth^2 I) = sum_j grad_i k_ij / S_i

    with k_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2)), S_i = sum_j k_ij, i itself included. The
    gradient is that of the density at a fixed set of particles; the blob score
    (`wpg.transport.blob_velocity`) adds what the particle's own kernel does to the others.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    bandwidth : number or (S,) [action], positive; None for the median rule of every state
        (`wpg.density.median_bandwidth`)

    Returns
    -------
    (S, N, D) scores [1 / action]; 0 for N = 1, and where the median rule gives 0.

    Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 1) multiply-adds; where S < 16 and N > 512
    S N^2 and S N^2 (2 D + 1). Memory 3 N (D + 1) numbers a thread.
    Accuracy: with x = min(88, max_ij |a_i - a_j|^2 / (2 bandwidth^2)) (700 in float64),
    r = min(max_ij |a_i - a_j|, 14 bandwidth) and u the unit roundoff, a coordinate d is off by at
    most
        u (2 N + 4 (D + 4) x + 24) sum_j k_ij (|a_id - a_jd| + r) / (bandwidth^2 S_i).
    No bit depends on the number of threads.
    Errors: ValueError or TypeError that names the argument. NaN or infinity in a particle gives NaN
    in its state.

    Source: mean shift, Fukunaga and Hostetler 1975.
    """
    cloud = cloud_array(particles, "particles")
    return core_of(cloud).kde_score(
        particles=cloud, bandwidth=particle_bandwidth(bandwidth, cloud), out=None
    )
