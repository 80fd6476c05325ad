"""Running means and scales, by which raw observations are normalised when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningMoments"]


class RunningMoments:
    """Mean and scale (O,) of all rows seen so far.

        count <- count + 1,   d = x - mean,   mean <- mean + d / count,   M2 <- M2 + d (x - mean)
        active <- active + [x != 0],   scale = sqrt(M2 / active)

    The scale of a coordinate that is never 0 is its standard deviation. One that is 0 most of the
    time, a contact force or a flag, is measured by what it is when it is not: its standard
    deviation is small because it is rare, and to divide by that would make it the loudest of all.

    Parameters
    ----------
    size : O
    limit : normalised numbers are kept within +-limit scales

    float64, so a million rows lose nothing. Source of the recursion: Welford 1962.
    """

    def __init__(self, size: int, limit: float = 10.0) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.square = np.zeros(size)  # M2, the sum of squared distances to the mean
        self.active = np.zeros(size, np.int64)  # rows in which the coordinate was not 0
        self.limit = limit

    def add(self, row: NDArray[Any]) -> None:
        """One more row (O,)."""
        self.count += 1
        away = row - self.mean
        self.mean += away / self.count
        self.square += away * (row - self.mean)
        self.active += row != 0

    def normalise(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows - mean) / scale of rows (..., O), float32; a constant coordinate becomes 0.

        Scales below 1e-4 count as 1e-4. Before there are two rows nothing is changed.
        """
        if self.count < 2:
            return rows
        mean, inverse = self.mean_and_inverse_scale()
        normal = (rows - mean) * inverse
        return np.clip(normal, -self.limit, self.limit, out=normal)

    def mean_and_inverse_scale(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `normalise` takes away from a row and multiplies it with, (O,) each."""
        scale = np.sqrt(self.square / np.maximum(self.active, 1))
        return self.mean.astype(np.float32), (1.0 / np.maximum(scale, 1e-4)).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return {
            "count": np.array(self.count, np.int64),
            "mean": self.mean.copy(),
            "square": self.square.copy(),
            "active": self.active.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; ValueError if it is of other observations."""
        for name in ("mean", "square", "active"):
            if arrays[name].shape != self.mean.shape:
                raise ValueError(
                    f"{name} has shape {arrays[name].shape}; {self.mean.shape} is wanted"
                )
        self.count = int(arrays["count"])
        self.mean = arrays["mean"].astype(np.float64)
        self.square = arrays["square"].astype(np.float64)
        self.active = arrays["active"].astype(np.int64)
