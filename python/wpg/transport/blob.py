"""The velocity of the blob method."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of
from wpg.bandwidths import particle_bandwidth

__all__ = ["blob_velocity"]


def blob_velocity(
    particles: NDArray[Any],
    drift: NDArray[Any],
    *,
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Drift minus temperature times the blob score of every particle.

        v_i = drift_i - temperature [ sum_j grad_i k_ij / S_i + sum_j grad_i k_ij / S_j ]

    with k_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2)), S_i = sum_l k_il, i itself included. The
    bracket is N times the gradient in a_i of the regularised entropy int log(k * mu) dmu of the
    particles: both factors of the integral move with a_i. Particles that follow v need no noise.

    For Q = -m |a|^2 / 2, with v = temperature / m, the Gaussian of least energy has variance

        y - bandwidth^2,   y = (v / 2) (1 + sqrt(1 + 4 bandwidth^2 / v))

    which is v to fourth order in the bandwidth. The first sum alone is the score of a kernel
    density estimate (`wpg.density.kde_score`); it would give v - bandwidth^2.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    drift : (S, N, D) [reward / action], the same dtype; grad_a Q
    temperature : number or (S,) [reward], >= 0
    bandwidth : number or (S,) [action], positive; None for the median rule of every state
        (`wpg.density.median_bandwidth`)
    out : (S, N, D), None to allocate; `out=drift` and `out=particles` are allowed

    Returns
    -------
    (S, N, D) velocities [reward / action], `out` if it was given.

    Limits: N = 1 and temperature 0 give the drift, and so does a median rule of 0. Drift 0 gives
    velocities that sum to 0.
    Cost: S N^2 / 2 exponentials (twice that where the kernel of a state is larger than 256 KB) and
    S N^2 (3 D / 2 + 3) multiply-adds; where S < 16 and N > 512 twice to four times that. Memory
    3 N (D + 1) numbers and at most 288 KB a thread.
    Accuracy: with x = min(88, max_ij |a_i - a_j|^2 / (2 bandwidth^2)) (700 in float64),
    r = min(max_ij |a_i - a_j|, 14 bandwidth) and u the unit roundoff, a coordinate d is off by at
    most
        u (2 N + 4 (D + 4) x + 24) ( |drift_id| + temperature
            sum_j k_ij (1/S_i + 1/S_j) (|a_id - a_jd| + r) / bandwidth^2 ).
    No bit depends on the number of threads.
    Errors: ValueError or TypeError that names the argument; nothing is written then. NaN or
    infinity in a particle gives NaN in its state, in a drift NaN in its place.

    Source: Carrillo, Craig and Patacchini 2019, the blob method for the heat equation.
    """
    cloud = cloud_array(particles, "particles")
    return core_of(cloud).blob_velocity(
        particles=cloud,
        drift=drift,
        temperature=temperature,
        bandwidth=particle_bandwidth(bandwidth, cloud),
        out=out,
    )
