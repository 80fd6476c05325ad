"""What an agent has seen, in the order it came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Replay"]

FIELDS = ("observations", "actions", "rewards", "next_observations", "terminated")


class Replay:
    """Transitions (s, a, r, s', terminated), observations raw and in float32.

    A truncated episode is no terminated one: its last state still has a value. Rows are only ever
    appended, so a view of the first n rows stays valid and a checkpoint is a prefix.

    Parameters
    ----------
    observation_size : O
    action_size : D
    """

    def __init__(self, observation_size: int, action_size: int) -> None:
        self._size = 0
        self._rows: dict[str, NDArray[Any]] = {
            "observations": np.empty((0, observation_size), np.float32),
            "actions": np.empty((0, action_size), np.float32),
            "rewards": np.empty(0, np.float64),
            "next_observations": np.empty((0, observation_size), np.float32),
            "terminated": np.empty(0, np.bool_),
        }

    def __len__(self) -> int:
        return self._size

    def add(
        self,
        observation: NDArray[np.float32],
        action: NDArray[np.float32],
        reward: float,
        next_observation: NDArray[np.float32],
        terminated: bool,
    ) -> None:
        """Append one transition; amortised constant cost."""
        if self._size == len(self._rows["rewards"]):
            room = max(1024, 2 * self._size)
            for name, rows in self._rows.items():
                grown = np.empty((room, *rows.shape[1:]), rows.dtype)
                grown[: self._size] = rows
                self._rows[name] = grown
        row = (observation, action, reward, next_observation, terminated)
        for name, value in zip(FIELDS, row, strict=True):
            self._rows[name][self._size] = value
        self._size += 1

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in FIELDS:
            return self._rows[name][: self._size]
        raise AttributeError(name)

    def arrays(self, size: int | None = None) -> dict[str, NDArray[Any]]:
        """The first `size` rows (default all) of every field, as views."""
        return {
            name: rows[: self._size if size is None else size] for name, rows in self._rows.items()
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Replay:
        """A replay that holds these rows."""
        O, D = arrays["observations"].shape[1], arrays["actions"].shape[1]
        replay = cls(O, D)
        replay._size = len(arrays["rewards"])
        replay._rows = {
            name: np.array(arrays[name], dtype=replay._rows[name].dtype) for name in FIELDS
        }
        return replay
