"""A step size for each state from how fast the drift changes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wpg import _core
from wpg.arrays import numpy_cloud
from wpg.bandwidths import real_number

__all__ = ["adaptive_step_size"]


def adaptive_step_size(
    particles: NDArray[Any],
    drift: NDArray[Any],
    new_particles: NDArray[Any],
    new_drift: NDArray[Any],
    *,
    fraction: float = 0.25,
    maximum: float | NDArray[Any],
) -> NDArray[Any]:
    """Step size of each state from the largest slope of the drift that its last move has met.

        step_size_s = min(maximum, fraction / L_s),
        L_s = max_i |drift(a'_i) - drift(a_i)| / |a'_i - a_i|

    L is at most the Lipschitz constant of the drift, and for Q = -m |a|^2/2 it is m: a Langevin
    step is stable while step_size L < 2 and the relative bias of a variance is about
    step_size L / 2, so that `fraction` is twice the bias one accepts.

    One number for all particles of a state, and not one for each: a step that depends on the action
    has another invariant law, the Gibbs law divided by the step size. Over many moves the estimate
    of one move is too small, where it met the drift where it is flat: keep the least of several.
    Moves that were folded at a wall are shorter than the drift's way, which makes L larger and the
    step smaller, never the other way round; on a torus give `new_particles` as they were before
    they were wrapped.

    Parameters
    ----------
    particles, drift : (S, N, D) [action], [reward / action], float32 or float64, C-contiguous
    new_particles, new_drift : (S, N, D), the same after the move
    fraction : number above 0 and below 2; 0.1 to 0.5 is usual
    maximum : number or (S,) [action^2 / reward], > 0: the step where nothing is steep

    Returns
    -------
    (S,) step sizes [action^2 / reward]. Particles that have not moved are skipped; if none has, or
    no drift has changed, `maximum`.

    Cost: one pass over four arrays.
    Accuracy: relative u + (D + 8) 2^-53, u the unit roundoff; (D + 8) u in float64. The same bits
    on every instruction set and thread count.
    Errors: ValueError or TypeError that names the argument. NaN or infinity in one of the arrays
    gives NaN for its state.

    Source: local Lipschitz estimates, Malitsky and Mishchenko 2020; the invariant law of a step
    that depends on the position: Roberts and Stramer 2002.
    """
    return _core.adaptive_step_size(
        particles=numpy_cloud(particles, "particles"),
        drift=drift,
        new_particles=new_particles,
        new_drift=new_drift,
        fraction=real_number(fraction, "fraction", "a number above 0 and below 2"),
        maximum=maximum,
    )
