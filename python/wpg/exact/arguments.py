"""Numbers and arrays that a caller gave, checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["array", "count", "finite", "fraction", "per_state", "positive"]


def finite(value: Any, name: str) -> float:
    """A finite real number, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is {value!r}; it must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}; it must be finite")
    return number


def positive(value: Any, name: str) -> float:
    """A finite number above 0."""
    number = finite(value, name)
    if number <= 0.0:
        raise ValueError(f"{name} is {value!r}; it must be positive")
    return number


def fraction(value: Any, name: str) -> float:
    """A number that is at least 0 and below 1."""
    number = finite(value, name)
    if not 0.0 <= number < 1.0:
        raise ValueError(f"{name} is {value!r}; it must be at least 0 and below 1")
    return number


def count(value: Any, name: str, least: int = 1) -> int:
    """An int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be an int of at least {least}")
    return int(value)


def array(value: Any, name: str, shape: tuple[int | str, ...]) -> NDArray[np.float64]:
    """Finite real numbers as float64; a letter in `shape` stands for any length."""
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    try:
        given = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} has rows of different lengths; it must be {wanted}") from None
    if given.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {given.dtype}; it must be real numbers {wanted}")
    lengths = zip(given.shape, shape, strict=False)
    if given.ndim != len(shape) or any(n != k for n, k in lengths if not isinstance(k, str)):
        raise ValueError(f"{name} has shape {given.shape}; it must be {wanted}")
    if not np.isfinite(given).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return given.astype(np.float64, copy=False)


def per_state(value: Any, name: str, n_states: int) -> NDArray[np.float64]:
    """A positive number, or one for each state: (S,)."""
    if not isinstance(value, (np.ndarray, list, tuple)):
        return np.full(n_states, positive(value, name))
    numbers = array(value, name, (n_states,))
    if not (numbers > 0.0).all():
        raise ValueError(f"{name} is {value!r}; every number of it must be positive")
    return numbers.copy()
