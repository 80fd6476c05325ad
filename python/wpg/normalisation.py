"""Running means and deviations, by which raw observations are normalised when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningMoments"]


class RunningMoments:
    """Mean and variance (O,) of all rows seen so far.

        count <- count + 1,   d = x - mean,   mean <- mean + d / count,   M2 <- M2 + d (x - mean)

    Parameters
    ----------
    size : O
    limit : normalised numbers are kept within +-limit standard deviations

    float64, so a million rows lose nothing. Source: Welford 1962.
    """

    def __init__(self, size: int, limit: float = 10.0) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.square = np.zeros(size)  # M2, the sum of squared distances to the mean
        self.limit = limit

    def add(self, row: NDArray[Any]) -> None:
        """One more row (O,)."""
        self.count += 1
        away = row - self.mean
        self.mean += away / self.count
        self.square += away * (row - self.mean)

    def normalise(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows - mean) / deviation of rows (..., O), float32; a constant coordinate becomes 0.

        Deviations below 1e-4 count as 1e-4. Before there are two rows nothing is changed.
        """
        if self.count < 2:
            return rows
        scale = 1.0 / np.maximum(np.sqrt(self.square / self.count), 1e-4)
        normal = (rows - self.mean.astype(np.float32)) * scale.astype(np.float32)
        return np.clip(normal, -self.limit, self.limit, out=normal)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return {
            "count": np.array(self.count, np.int64),
            "mean": self.mean.copy(),
            "square": self.square.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; ValueError if it is of other observations."""
        for name in ("mean", "square"):
            if arrays[name].shape != self.mean.shape:
                raise ValueError(
                    f"{name} has shape {arrays[name].shape}; {self.mean.shape} is wanted"
                )
        self.count = int(arrays["count"])
        self.mean = arrays["mean"].astype(np.float64)
        self.square = arrays["square"].astype(np.float64)
