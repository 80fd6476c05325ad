"""The Langevin step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of
from wpg.supports import Support, support_arrays

__all__ = ["langevin"]


def langevin(
    particles: NDArray[Any],
    drift: NDArray[Any],
    *,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int = 0,
    support: Support = None,
    preconditioner: NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """One unadjusted Langevin step of every particle.

        a' = fold( a + step_size * drift + sqrt(2 * step_size * temperature) * xi ),  xi ~ N(0, I)

    with drift = grad_a Q. The noise carries the entropy: as step_size -> 0 the particles of a state
    are distributed as exp(Q / temperature). Temperature 0 is gradient ascent.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    drift : (S, N, D) [reward / action], the same dtype
    step_size : number or (S,) [action^2 / reward], >= 0
    temperature : number or (S,) [reward], >= 0
    seed, step : name the noise, stream "langevin" (see `wpg.noise`)
    support : `wpg.supports.Box`, `Torus`, or None for R^D
    preconditioner : None, or a positive definite M that does not depend on the action: its diagonal
        (D,), or (D, D), or one for each state (S, D, D). Drift and noise become M drift and
        M^(1/2) xi; in a box with boundary "tanh" or "probit" both are those of y (see
        `wpg.supports.Box`).
    out : (S, N, D), None to allocate; `out=particles` moves in place

    Returns
    -------
    (S, N, D) moved particles, `out` if it was given.

    Cost: S N D normals, none where their size is 0, and one pass over three arrays; with a full
    preconditioner S N D^2.
    Accuracy: for fixed smooth Q on R^D or a torus linear statistics are off by
    step_size * Cov(u, phi), u = |grad Q|^2/(4 temperature) + lap Q/2; for Q = -m a^2/2 the
    variance is temperature/(m (1 - step_size m/2)). In a box with boundary "reflect" the walls add
    an error of the order of the step, with "tanh" and "probit" they do not. The same bits on every
    instruction set and thread count.
    Errors: ValueError or TypeError that names the argument; nothing is written then. NaN or
    infinity in the drift makes that coordinate NaN.

    Source: particle step of Wasserstein policy gradient, arXiv 2605.26078; bias expansion: Talay
    and Tubaro 1990; fixed preconditioner: Girolami and Calderhead 2011.
    """
    cloud = cloud_array(particles, "particles")
    return core_of(cloud).langevin(
        cloud,
        drift,
        step_size,
        temperature,
        seed,
        step,
        support_arrays(support, cloud),
        _preconditioner(preconditioner, cloud),
        out,
    )


def _preconditioner(
    matrix: NDArray[Any] | None, cloud: Any
) -> tuple[str, NDArray[Any], NDArray[Any] | None] | None:
    if matrix is None:
        return None
    if (
        not isinstance(matrix, np.ndarray)
        or isinstance(matrix, np.ma.MaskedArray)
        or matrix.dtype != cloud.dtype
    ):
        raise TypeError(f"preconditioner must be a NumPy array of {cloud.dtype}, as the particles")
    if not np.isfinite(matrix).all():
        raise ValueError("preconditioner holds NaN or infinity; it must be finite")
    S, _, D = cloud.shape
    if matrix.shape in ((D, D), (S, D, D)):
        if not np.array_equal(matrix, np.swapaxes(matrix, -1, -2)):
            raise ValueError("preconditioner is not symmetric")
        try:
            root = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise ValueError("preconditioner is not positive definite") from None
        return "full", matrix, np.ascontiguousarray(root)
    if matrix.shape == (D,):
        if not (matrix > 0).all():
            raise ValueError("preconditioner holds a number that is not positive")
        return "diagonal", matrix, None
    raise ValueError(
        f"preconditioner has shape {matrix.shape}; it must be ({D},), ({D}, {D}) or ({S}, {D}, {D})"
    )
