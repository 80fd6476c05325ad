"""How far particles are from a Gibbs law, from its drift alone."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg import _core
from wpg.arrays import numpy_cloud
from wpg.bandwidths import particle_bandwidth

__all__ = ["kernel_stein_discrepancy"]


def kernel_stein_discrepancy(
    particles: NDArray[Any],
    drift: NDArray[Any],
    *,
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Kernel Stein discrepancy of every state's particles against exp(Q / temperature).

        KSD^2 = (1/N^2) sum_ij [ s_i.s_j k_ij + s_i.grad_j k_ij + s_j.grad_i k_ij
                                 + tr grad_i grad_j k_ij ]

    with the score s = drift / temperature of the law and k_ij = exp(-|a_i - a_j|^2 /
    (2 bandwidth^2)). All pairs count (V-statistic), so that KSD >= 0. The normalising constant of
    the law is not needed. In these units the soft value V of the particles' law grows at the rate

        dV/dt = temperature^2 KSD^2

    where nothing is discounted, when they follow `wpg.transport.svgd_velocity`; the average of
    drift . velocity and the entropy production add up to it.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous, N >= 1
    drift : (S, N, D) [reward / action], the same dtype; grad_a Q
    temperature : number or (S,) [reward], positive
    bandwidth : number or (S,) [action], positive; None for the median rule of every state
        (`wpg.density.median_bandwidth`)

    Returns
    -------
    (S,) discrepancies [1 / action]; 0 where rounding makes KSD^2 negative. Infinity where the
    median rule gives 0, its limit; in particular for N = 1 without a bandwidth.

    Cost: S N^2 / 2 exponentials and S N^2 (3 D / 2 + 2) multiply-adds; where S < 16 and N > 512
    S N^2 and S N^2 (2 D + 2). Memory 3 N (D + 1) numbers a thread.
    Accuracy: with x = min(88, max_ij |a_i - a_j|^2 / (2 bandwidth^2)) (700 in float64),
    r = min(max_ij |a_i - a_j|, 14 bandwidth) and u the unit roundoff, KSD^2 is off by at most
        u (2 N + 4 (D + 4) x + 32) (1/N^2) sum_ij k_ij sum_d [
            |s_id| (|s_jd| + 2 (|a_id - a_jd| + r) / bandwidth^2)
            + (1 + |a_id - a_jd|^2 / bandwidth^2) / bandwidth^2 ].
    Under the law itself KSD^2 is not 0 but of the order of its diagonal, mean_i (|s_i|^2 +
    D / bandwidth^2) / N. No bit depends on the number of threads.
    Errors: ValueError or TypeError that names the argument, for N = 0 too. NaN or infinity in a
    particle or a drift gives NaN in its state.

    Source: Liu, Lee and Jordan 2016; Chwialkowski, Strathmann and Gretton 2016.
    """
    cloud = numpy_cloud(particles, "particles")
    if cloud.shape[1] < 1:
        raise ValueError(f"particles has shape {cloud.shape}; it must be (S, N, D) with N >= 1")
    return _core.kernel_stein_discrepancy(
        particles=cloud,
        drift=drift,
        temperature=temperature,
        bandwidth=particle_bandwidth(bandwidth, cloud),
    )
