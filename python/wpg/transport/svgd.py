"""The velocity of Stein variational gradient descent."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of
from wpg.bandwidths import particle_bandwidth

__all__ = ["svgd_velocity"]


def svgd_velocity(
    particles: NDArray[Any],
    drift: NDArray[Any],
    *,
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Stein variational velocity of every particle, in energy units.

        w(a_i) = (1/N) sum_j [ k(a_j, a_i) drift_j + temperature grad_{a_j} k(a_j, a_i) ]

    with k(a, b) = exp(-|a - b|^2 / (2 bandwidth^2)), for every state alone. The second term,
    temperature k (a_i - a_j) / bandwidth^2, pushes neighbours apart: it carries the entropy, and no
    noise is to be added. Many particles that follow w settle at exp(Q / temperature).

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

    Limits: N = 1 gives the drift. Temperature 0 gives the kernel average of the drift. Drift 0
    gives velocities that sum to 0. Where the median rule gives 0, its limit: k = 1 for equal
    particles, otherwise 0, and no repulsion.
    Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 1) multiply-adds: the kernel of a pair is
    computed once and used twice, except where S < 16 and N > 512. Memory 3 N (D + 1) numbers a
    thread.
    Accuracy: with x = min(88, max_ij |a_i - a_j|^2 / (2 bandwidth^2)) (700 in float64),
    r = min(max_ij |a_i - a_j|, 14 bandwidth) and u the unit roundoff, a coordinate d is off by at
    most
        u (N + 2 (D + 4) x + 16)
          mean_j k_ij (|drift_jd| + temperature (|a_id - a_jd| + r) / bandwidth^2).
    No bit depends on the number of threads.
    Errors: ValueError or TypeError that names the argument; nothing is written then. NaN or
    infinity in a particle gives NaN in its state, in a drift NaN in its state and coordinate.

    Source: Liu and Wang 2016, algorithm 1, times the temperature.
    """
    cloud = cloud_array(particles, "particles")
    return core_of(cloud).svgd_velocity(
        particles=cloud,
        drift=drift,
        temperature=temperature,
        bandwidth=particle_bandwidth(bandwidth, cloud),
        out=out,
    )
