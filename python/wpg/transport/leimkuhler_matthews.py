"""The Leimkuhler-Matthews step."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of
from wpg.supports import Support, support_arrays

__all__ = ["leimkuhler_matthews"]


def leimkuhler_matthews(
    particles: NDArray[Any],
    drift: NDArray[Any],
    *,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int = 0,
    support: Support = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """One Leimkuhler-Matthews step of every particle: Langevin with averaged noise.

        a' = fold( a + step_size * drift + sqrt(2 * step_size * temperature) * (xi_k + xi_{k+1})/2 )

    with drift = grad_a Q and xi_k the draw of stream "leimkuhler_matthews" at `step` k. Nothing is
    kept between calls: those of one chain must use consecutive values of `step`, since each shares
    one draw with the next. With steps that are not consecutive the noise is too small by half.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    drift : (S, N, D) [reward / action], the same dtype
    step_size, temperature, seed, support, out : as in `langevin`
    step : int from 0 to 2^40 - 2

    Returns
    -------
    (S, N, D) moved particles, `out` if it was given.

    Cost: 2 S N D normals (S N D in `flow`, which carries the second draw on) and one pass over
    three arrays.
    Accuracy: for fixed smooth Q on R^D, on a torus, or in the y of a box with boundary "tanh" or
    "probit", linear statistics of a long chain are off by O(step_size^2), its KL to the Gibbs law
    is O(step_size^4), and for quadratic Q on R^D the variance is temperature/m exactly. On a
    reflecting box the walls leave O(step_size). The same bits on every instruction set and thread
    count.
    Errors: ValueError or TypeError that names the argument; nothing is written then. NaN or
    infinity in the drift makes that coordinate NaN.

    Source: Leimkuhler and Matthews 2013.
    """
    cloud = cloud_array(particles, "particles")
    return core_of(cloud).leimkuhler_matthews(
        particles=cloud,
        drift=drift,
        step_size=step_size,
        temperature=temperature,
        seed=seed,
        step=step,
        support=support_arrays(support, cloud),
        out=out,
    )
