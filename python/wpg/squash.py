"""The unbounded variable behind a box with boundary "tanh" or "probit".

    a = middle + half s(y),   s(y) = tanh y or 2 Phi(y) - 1,   half = (high - low) / 2

in every coordinate. Particles and drifts stay in action units; steps and densities are those of y.
A wall counts as the number beside it, so every y is finite.

Source: change of variables; normal quantile: Wichura 1988, AS 241.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.supports import Box, Support

__all__ = ["actions", "log_slope", "log_slope_gradient", "unbounded"]

Floats = NDArray[Any]


def _arrays(array: Floats, name: str, support: Support) -> tuple[str, Floats, Floats]:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is {type(array)}; it must be a NumPy array of float32 or float64")
    if array.ndim < 1 or array.shape[-1] < 1:
        raise ValueError(f"{name} has shape {array.shape}; it must be (..., D) with D >= 1")
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64")
    if not isinstance(support, Box) or not support.squashed:
        raise ValueError(
            f"support is {support!r}; only a wpg.supports.Box with boundary 'tanh' or 'probit' has "
            "an unbounded variable"
        )
    return support.arrays(array.shape[-1], array.dtype)


def unbounded(actions: Floats, support: Box, *, out: Floats | None = None) -> Floats:
    """y of actions in a squashed box.

        tanh    y = log((a - low) / (high - a)) / 2        probit    y = Phi^-1((a - low) / width)

    Parameters
    ----------
    actions : (..., D) [action], float32 or float64, C-contiguous, inside the box
    support : `wpg.supports.Box` with boundary "tanh" or "probit"
    out : (..., D), None to allocate; `out=actions` works in place

    Returns
    -------
    (..., D) coordinates, without unit; NaN where an action is NaN.

    Cost: a logarithm for each number. Accuracy, u the unit roundoff: 5 u (1 + |y|) for tanh,
    10 u (1 + |y|) for probit, of the action as it is given. The same bits on every instruction set
    and thread count.
    Errors: ValueError or TypeError that names the argument, for actions outside the box too.

    Source: change of variables; AS 241 of Wichura 1988.
    """
    arrays = _arrays(actions, "actions", support)
    return _core.unbounded_of_actions(actions=actions, support=arrays, out=out)


def actions(coordinates: Floats, support: Box, *, out: Floats | None = None) -> Floats:
    """Actions of y in a squashed box: middle + half s(y), kept off the walls.

    How far off: see `wpg.supports.Box`.

    Parameters
    ----------
    coordinates : (..., D), float32 or float64, C-contiguous
    support, out : as in `unbounded`

    Returns
    -------
    (..., D) [action], strictly inside the box; NaN where y is not finite.

    Cost: a power of two for each number. Accuracy, u the unit roundoff: 2 u (|low| + |high|), and
    the distance from the nearer wall to a relative (7 + 4 |y|) u for tanh, (16 + 3 y^2) u for
    probit. The same bits on every instruction set and thread count.
    Errors: ValueError or TypeError that names the argument.

    Source: change of variables.
    """
    arrays = _arrays(coordinates, "coordinates", support)
    return _core.actions_of_unbounded(coordinates=coordinates, support=arrays, out=out)


def log_slope(actions: Floats, support: Box, *, out: Floats | None = None) -> Floats:
    """sum_d log(da_d / dy_d) at actions in a squashed box: log p_Y(y) - log p_A(a) of any law.

        tanh    log(2 (a - low) (high - a) / width)      probit    log(width phi(y))

    Parameters
    ----------
    actions, support : as in `unbounded`
    out : (...), None to allocate

    Returns
    -------
    (...) [log action^D].

    Cost: as `unbounded`. Accuracy: 40 u (1 + y^2) for each coordinate. Errors: as there.

    Source: change of variables.
    """
    arrays = _arrays(actions, "actions", support)
    return _core.log_slope(actions=actions, support=arrays, out=out)


def log_slope_gradient(actions: Floats, support: Box, *, out: Floats | None = None) -> Floats:
    """d/da log(da/dy) at actions in a squashed box.

    A Langevin step of drift grad Q in y is, but for its noise, one at temperature 0 of the drift
    grad Q + temperature * log_slope_gradient: with

        means = langevin(a, drift + temperature * log_slope_gradient(a, box), temperature=0.0, ...)

    and std^2 = 2 step_size temperature, `mixture_log_density` is the law of the step.

    Parameters
    ----------
    actions, support, out : as in `unbounded`

    Returns
    -------
    (..., D) [1/action]; grows like exp(2|y|) (tanh), |y| exp(y^2/2) (probit) towards the walls.

    Cost: as `unbounded`. Accuracy: 40 u (1 + y^2)(1 + |y|) times 1/slope. Errors: as there.

    Source: change of variables.
    """
    arrays = _arrays(actions, "actions", support)
    return _core.log_slope_gradient(actions=actions, support=arrays, out=out)
