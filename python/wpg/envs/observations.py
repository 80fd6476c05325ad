"""What callers hand over as an observation, as the rows that agents compute with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.errors import UsageError

__all__ = ["ObservationRows"]

Float32 = NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class _Part:
    """One Box of the space, and its place (begin, begin + size) in a row."""

    keys: tuple[Any, ...]  # the way to it
    shape: tuple[int, ...]
    begin: int
    size: int

    @property
    def name(self) -> str:
        return "observation" + "".join(f"[{key!r}]" for key in self.keys)


class ObservationRows:
    """Observations of a space as float32 rows (S, O): one alone, or a batch of S.

    The space's shape decides what is one: for a Box of shape X an array of shape X is one
    observation and (S, *X) a batch, though X = (k, O) looks like k rows. Dict and Tuple hold such
    arrays, all of one S, as Gymnasium and Stable-Baselines3 batch them. Flattened ones, (O,) and
    (S, O), are taken too where they cannot mean anything else.

    Parameters
    ----------
    space : Box, or a Dict or Tuple of Boxes

    Errors: `UsageError` that names the part and, for NaN and infinity, the entry.
    """

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self._space = space
        self._parts = list(_parts(space, (), 0))
        self.size = sum(part.size for part in self._parts)
        self._shape = space.shape if isinstance(space, gymnasium.spaces.Box) else (self.size,)

    @property
    def layout(self) -> Any:
        """How a row is made, in words of JSON: a Dict is an object, a Tuple a list, a Box its
        size."""
        return _layout(self._space)

    def __call__(self, observation: Any) -> tuple[Float32, bool]:
        """Rows (S, O), and whether it was one observation alone."""
        plain = type(observation) is np.ndarray
        if plain and observation.shape == self._shape and _is_row(observation):
            rows, single = observation.reshape(1, -1), True  # most calls
        elif plain or not self._is_held_by_parts(observation):
            rows, single = self._of_array(observation)
        else:
            rows, single = self._of_parts(observation)
        if not _finite(rows):
            raise self._not_finite(rows, single)
        return rows, single

    def one(self, observation: Any) -> Float32:
        """One observation as (1, O)."""
        rows, _ = self(observation)
        if len(rows) != 1:
            raise UsageError(f"observation has {len(rows)} rows; give one")
        return rows

    def _is_held_by_parts(self, observation: Any) -> bool:
        if isinstance(self._space, gymnasium.spaces.Tuple):
            return isinstance(observation, tuple)
        if isinstance(observation, Mapping) and not isinstance(self._space, gymnasium.spaces.Dict):
            raise UsageError(f"observation is a {type(observation).__name__}; {self._wanted()}")
        return isinstance(observation, Mapping)

    def _of_array(self, observation: Any) -> tuple[Float32, bool]:
        array = _numbers(observation, "observation")
        shape, own, O = array.shape, self._shape, self.size
        single = shape == own
        if not (single or _is_batch(shape, own)):
            flat_batch = len(shape) == 2 and shape[1] == O and own != (1, O)
            single = shape == (O,)
            if not (single or flat_batch):
                raise UsageError(f"observation has shape {shape}; {self._wanted()}")
        return array.reshape(-1, O), single

    def _wanted(self) -> str:
        if isinstance(self._space, (gymnasium.spaces.Dict, gymnasium.spaces.Tuple)):
            kind = type(self._space).__name__
            return f"it must be of the environment's {kind}, or ({self.size},) or (S, {self.size})"
        batch = ", ".join(map(str, ("S", *self._shape)))
        return f"it must be {self._shape} or ({batch})"

    def _of_parts(self, observation: Any) -> tuple[Float32, bool]:
        found: list[Float32] = []
        several: dict[str, int | None] = {}  # how many each part holds; None: one alone
        for part, given in zip(self._parts, _given(self._space, observation, ()), strict=True):
            array = _numbers(given, part.name)
            if array.shape != part.shape and (array.ndim == 0 or array.shape[1:] != part.shape):
                batch = ", ".join(map(str, ("S", *part.shape)))
                raise UsageError(
                    f"{part.name} has shape {array.shape}; it must be {part.shape} or ({batch})"
                )
            several[part.name] = None if array.shape == part.shape else len(array)
            found.append(array.reshape(-1, part.size))
        if len(set(several.values())) != 1:
            counts = ", ".join(
                f"{name} is {'one' if n is None else f'a batch of {n}'}"
                for name, n in several.items()
            )
            raise UsageError(f"the parts of the observation do not fit together: {counts}")
        return np.concatenate(found, axis=1), None in several.values()

    def _not_finite(self, rows: Float32, single: bool) -> UsageError:
        row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
        part = next(p for p in self._parts if column < p.begin + p.size)
        place = [int(i) for i in np.unravel_index(column - part.begin, part.shape)]
        entry = ", ".join(map(str, place if single else [row, *place]))
        return UsageError(
            f"{part.name}{f'[{entry}]' if entry else ''} is {rows[row, column]}; an observation "
            "must hold finite numbers"
        )


def _is_row(array: NDArray[Any]) -> bool:
    return array.dtype == FLOAT32 and array.flags.c_contiguous


def _is_batch(shape: tuple[int, ...], one: tuple[int, ...]) -> bool:
    return len(shape) == len(one) + 1 and shape[1:] == one


def _finite(rows: Float32) -> bool:
    """What isfinite().all() costs one short row would be noticed."""
    if rows.size <= 64:
        return all(map(math.isfinite, rows.ravel().tolist()))
    return bool(np.isfinite(rows).all())


def _parts(space: Any, keys: tuple[Any, ...], begin: int) -> Iterator[_Part]:
    """The Boxes of a space in the order of `gymnasium.spaces.flatten`."""
    if isinstance(space, gymnasium.spaces.Box):
        yield _Part(keys, space.shape, begin, int(np.prod(space.shape)))
        return
    for key, inner in _inner(space):
        for part in _parts(inner, (*keys, key), begin):
            begin = part.begin + part.size
            yield part


def _inner(space: Any) -> Any:
    if isinstance(space, gymnasium.spaces.Dict):
        return space.spaces.items()
    return enumerate(space.spaces)


def _layout(space: Any) -> Any:
    if isinstance(space, gymnasium.spaces.Dict):
        return {key: _layout(inner) for key, inner in space.spaces.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return [_layout(inner) for inner in space.spaces]
    return int(np.prod(space.shape))


def _given(space: Any, observation: Any, keys: tuple[Any, ...]) -> Iterator[Any]:
    """The arrays of an observation, one for each Box; UsageError if it has other keys."""
    if isinstance(space, gymnasium.spaces.Box):
        yield observation
        return
    name = "observation" + "".join(f"[{key!r}]" for key in keys)
    wanted = [key for key, _ in _inner(space)]
    if isinstance(space, gymnasium.spaces.Dict):
        if not isinstance(observation, Mapping):
            raise UsageError(f"{name} is {type(observation)}; it must be a dict")
        if set(observation) != set(wanted):
            raise UsageError(
                f"{name} has the keys {sorted(map(str, observation))}; it must have {wanted}"
            )
    elif not isinstance(observation, tuple) or len(observation) != len(wanted):
        raise UsageError(f"{name} must be a tuple of {len(wanted)}")
    for key, inner in _inner(space):
        yield from _given(inner, observation[key], (*keys, key))


def _numbers(given: Any, name: str) -> Float32:
    """The array in float32, if it holds numbers."""
    if type(given) is np.ndarray:
        array = given
    else:
        if isinstance(given, np.ma.MaskedArray):
            raise UsageError(f"{name} is a masked array, whose mask would be lost")
        try:
            array = np.asarray(given)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{name} is no array of numbers: {error}") from None
    if array.dtype.kind not in "fiu":
        raise UsageError(f"{name} has dtype {array.dtype}; it must be an array of numbers")
    if array.dtype != FLOAT32:
        with np.errstate(over="ignore"):  # infinity is told of by its place
            array = array.astype(np.float32)
    return np.ascontiguousarray(array).reshape(array.shape)  # which makes (1,) of ()
