"""Where actions live: a box, a torus, or (None) all of R^D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Box", "Support", "Torus", "support_arrays"]


_Arrays = dict[tuple[int, DTypeLike], tuple[str, NDArray[Any], NDArray[Any]]]


def _vector(value: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        given = np.asarray(value)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "fiu" or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is {value!r}; it must be a number or a vector of them")
    array = np.array(given, dtype=np.float64)
    if array.ndim > 1:
        raise ValueError(f"{name} has shape {array.shape}; it must be a number or a vector (D,)")
    if array.shape == (0,):
        raise ValueError(f"{name} has no coordinates; it must be a number or a vector (D,)")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is {value!r}; it must be finite")
    return _constant(array)


def _constant(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _broadcast(array: NDArray[np.float64], dimension: int, name: str) -> NDArray[np.float64]:
    if array.ndim == 1 and array.shape != (dimension,):
        raise ValueError(
            f"support.{name} has {array.shape[0]} coordinates; the particles have {dimension}"
        )
    return np.broadcast_to(array, (dimension,))


def _rounded(
    array: NDArray[np.float64], dimension: int, name: str, dtype: DTypeLike
) -> NDArray[Any]:
    """The vector in the particles' dtype; the compiled core refuses infinity and empty boxes."""
    with np.errstate(over="ignore", under="ignore"):
        return _constant(_broadcast(array, dimension, name).astype(dtype))


class Box:
    """The box low <= a <= high, and what happens at its walls.

    boundary = "reflect" (default) folds a point that has left back at the wall, as often as needed:
    fold(x) = low + min(y, 2L - y), y = (x - low) mod 2L, L = high - low. The flow keeps its Gibbs
    law and its log-Sobolev inequality; linear statistics have an error of the order of the step.

    boundary = "tanh" and "probit" step in an unbounded variable y, a = middle + half s(y):

        tanh      s(y) = tanh y              da/dy = half (1 - s^2)       d/dy log(da/dy) = -2 s
        probit    s(y) = 2 Phi(y) - 1        da/dy = 2 half phi(y)        d/dy log(da/dy) = -y

        y' = y + step_size [(da/dy) drift + temperature d/dy log(da/dy)] + noise

    Particles and drifts stay in action units, the change of variable and its Jacobian term happen
    inside the step, and the Gibbs law of the box is kept with an error in KL of the order of
    step_size^2. With probit the law of y keeps a log-Sobolev inequality, alpha >=
    exp(-osc Q / temperature); with tanh it has a spectral gap alone. Actions are kept strictly
    inside, at least one number and 2^-100 (float32), 2^-1000 (float64) of the width off the walls,
    so y is finite: on [-1, 1] |y| <= 8.7, 18.8 (tanh) and 5.5, 8.3 (probit) in float32 and float64;
    on any box |y| <= 35, 347 and 12, 38. A particle given on a wall counts as the number beside it.
    `wpg.squash` holds the maps. Rounding, u the unit roundoff: a step's y' is off by at most
    16 u (1 + |y|)^2 (1 + step_size (|(da/dy) drift| + temperature) + |noise|) and the error of the
    noise, the action by half the width times that, and 11 u (|low| + |high|).

    boundary = "clip" projects onto the box. Its law has atoms on the walls and no entropy, so it is
    refused at any positive temperature.

    Parameters
    ----------
    low, high : scalar or (D,), action units, low < high
    boundary : "reflect", "tanh", "probit" or "clip"

    Source: symmetrised Euler scheme, Bossy, Gobet, Talay 2004; log-Sobolev inequality of the normal
    law and of its bounded perturbations: Gross 1975, Holley and Stroock 1987.
    """

    BOUNDARIES = ("reflect", "tanh", "probit", "clip")

    def __init__(self, low: ArrayLike, high: ArrayLike, boundary: str = "reflect") -> None:
        self._low = _vector(low, "low")
        self._high = _vector(high, "high")
        if self.low.ndim == self.high.ndim == 1 and self.low.shape != self.high.shape:
            raise ValueError(f"low has shape {self.low.shape}, high has {self.high.shape}")
        if not np.all(self.low < self.high):
            raise ValueError(f"low is {low!r} and high is {high!r}; low must be below high")
        if boundary not in self.BOUNDARIES:
            raise ValueError(
                f"boundary is {boundary!r}; it must be one of "
                f"{', '.join(map(repr, self.BOUNDARIES))}"
            )
        self._boundary = boundary
        self._arrays: _Arrays = {}

    @classmethod
    def from_space(cls, space: Any, boundary: str = "reflect") -> Box:
        """The box of a `gymnasium.spaces.Box`, flattened; its bounds must be finite."""
        low, high = getattr(space, "low", None), getattr(space, "high", None)
        if low is None or high is None:
            raise TypeError(f"{space!r} is not a Box space")
        low, high = np.asarray(low, np.float64).ravel(), np.asarray(high, np.float64).ravel()
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(
                f"{space!r} is unbounded; wrap the environment with finite action bounds, for "
                "instance gymnasium.wrappers.RescaleAction"
            )
        return cls(low, high, boundary)

    @property
    def low(self) -> NDArray[np.float64]:
        """Lower walls, scalar or (D,), not to be changed."""
        return self._low

    @property
    def high(self) -> NDArray[np.float64]:
        """Upper walls, scalar or (D,), not to be changed."""
        return self._high

    @property
    def boundary(self) -> str:
        """What happens at the walls, one of `BOUNDARIES`."""
        return self._boundary

    @property
    def dimension(self) -> int | None:
        """D, or None if both bounds are scalars."""
        shape = np.broadcast_shapes(self.low.shape, self.high.shape)
        return shape[0] if shape else None

    @property
    def squashed(self) -> bool:
        """Are steps taken in an unbounded variable?"""
        return self.boundary in ("tanh", "probit")

    def arrays(self, dimension: int, dtype: DTypeLike) -> tuple[str, NDArray[Any], NDArray[Any]]:
        """(kind, low, high) for the compiled core; made once for each dimension and dtype."""
        known = self._arrays.get((dimension, dtype))
        if known is None:
            low = _rounded(self.low, dimension, "low", dtype)
            high = _rounded(self.high, dimension, "high", dtype)
            known = self._arrays[dimension, dtype] = (self.boundary, low, high)
        return known

    def contains(self, actions: NDArray[Any]) -> bool:
        """Are all actions (..., D) inside, walls included?"""
        _, low, high = self.arrays(actions.shape[-1], actions.dtype)
        return bool(np.all((actions >= low) & (actions <= high)))

    def __repr__(self) -> str:
        return f"Box({self.low.tolist()}, {self.high.tolist()}, boundary={self.boundary!r})"


class Torus:
    """The torus [0, period)^D: a point that leaves on one side comes back on the other.

    Parameters
    ----------
    period : scalar or (D,), action units, positive
    """

    def __init__(self, period: ArrayLike) -> None:
        self._period = _vector(period, "period")
        if not np.all(self.period > 0):
            raise ValueError(f"period is {period!r}; it must be positive")
        self._arrays: _Arrays = {}

    @property
    def period(self) -> NDArray[np.float64]:
        """Scalar or (D,), not to be changed."""
        return self._period

    def arrays(self, dimension: int, dtype: DTypeLike) -> tuple[str, NDArray[Any], NDArray[Any]]:
        """(kind, low, high) for the compiled core; made once for each dimension and dtype."""
        known = self._arrays.get((dimension, dtype))
        if known is None:
            high = _rounded(self.period, dimension, "period", dtype)
            known = self._arrays[dimension, dtype] = ("torus", _constant(np.zeros_like(high)), high)
        return known

    def contains(self, actions: NDArray[Any]) -> bool:
        """Are all actions (..., D) in [0, period)?"""
        _, low, high = self.arrays(actions.shape[-1], actions.dtype)
        return bool(np.all((actions >= low) & (actions < high)))

    def __repr__(self) -> str:
        return f"Torus({self.period.tolist()})"


Support = Box | Torus | None


def support_arrays(support: Support, cloud: Any) -> tuple[str, NDArray[Any], NDArray[Any]] | None:
    """(kind, low, high) of a support in the dtype of the cloud, or None for R^D."""
    if support is None:
        return None
    if not hasattr(support, "arrays"):
        raise TypeError(f"support is {support!r}; it must be wpg.supports.Box, Torus or None")
    return support.arrays(cloud.shape[2], cloud.dtype)
