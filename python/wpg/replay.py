"""What an agent has seen, in the order it came."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.errors import UsageError

__all__ = ["Replay"]

FIELDS = ("observations", "actions", "rewards", "next_observations", "terminated", "following")


class Replay:
    """Transitions (s, a, r, s', terminated) in the order they came, and which one follows which.

    Observations are raw and in float32. `following` is the row of the same episode's next
    transition, -1 where there is none: the episode has ended, or nothing more of it is stored. A
    truncated episode has ended but not terminated: its last state still has a value. Rows are
    appended; with a capacity, the oldest row is overwritten once it is reached. Memory grows with
    what is stored: a row has 8 O + 4 D + 17 bytes.

    Parameters
    ----------
    observation_size : O
    action_size : D
    capacity : most rows that are kept; None for all. Refused with a `UsageError` that names both
        numbers if so many rows would not fit into the memory that is free now.
    streams : how many environments the rows come from; an episode's rows are of one stream
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        capacity: int | None = None,
        streams: int = 1,
    ) -> None:
        self._size = 0
        self._next = 0  # where the next row goes
        self._shared = False  # has somebody views of the rows?
        self._newest = np.full(streams, -1, np.int64)  # a stream's last row, if its episode goes on
        self.capacity = capacity
        self._rows: dict[str, NDArray[Any]] = {
            "observations": np.empty((0, observation_size), np.float32),
            "actions": np.empty((0, action_size), np.float32),
            "rewards": np.empty(0, np.float64),
            "next_observations": np.empty((0, observation_size), np.float32),
            "terminated": np.empty(0, np.bool_),
            "following": np.empty(0, np.int64),
        }
        if capacity is not None:
            if capacity < 1:
                raise UsageError(f"capacity is {capacity}; it must be at least 1")
            needed = capacity * self.row_bytes
            free = _free_memory()
            if free is not None and needed > free:
                raise UsageError(
                    f"a replay of {capacity} transitions needs {needed / 2**30:.1f} GiB, and "
                    f"{free / 2**30:.1f} GiB of memory are free; choose a smaller replay_size"
                )

    @property
    def row_bytes(self) -> int:
        """Memory of one transition [byte]."""
        return sum(
            rows.dtype.itemsize * int(np.prod(rows.shape[1:])) for rows in self._rows.values()
        )

    @property
    def overwrites(self) -> bool:
        """Is the capacity reached?"""
        return self._size == self.capacity

    def __len__(self) -> int:
        return self._size

    def add(
        self,
        observation: NDArray[np.float32],
        action: NDArray[np.float32],
        reward: float,
        next_observation: NDArray[np.float32],
        terminated: bool,
        ended: bool | None = None,
        stream: int = 0,
    ) -> None:
        """Append one transition; amortised constant cost.

        ended : the episode is over, terminated or truncated; None for what `terminated` says
        """
        if self._size == len(self._rows["rewards"]) and self._size != self.capacity:
            self._grow(max(1024, self._size + self._size // 2))
        elif self.overwrites:
            if self._shared:
                self._rows = {name: rows.copy() for name, rows in self._rows.items()}
                self._shared = False
            # The row that it followed is older, and was overwritten before it.
            self._newest[self._newest == self._next] = -1
        row = (observation, action, reward, next_observation, terminated, -1)
        for name, value in zip(FIELDS, row, strict=True):
            self._rows[name][self._next] = value
        if self._newest[stream] >= 0:
            self._rows["following"][self._newest[stream]] = self._next
        over = terminated if ended is None else ended
        self._newest[stream] = -1 if over else self._next
        self._size = max(self._size, self._next + 1)
        self._next += 1
        if self._next == self.capacity:
            self._next = 0

    def end_episode(self, stream: int = 0) -> None:
        """The stream's next row does not follow from its newest one, though no episode ended there:
        who added rows has left off in the middle of one."""
        self._newest[stream] = -1

    def _grow(self, room: int) -> None:
        if self.capacity is not None:
            room = min(room, self.capacity)
        for name, rows in self._rows.items():
            grown = np.empty((room, *rows.shape[1:]), rows.dtype)
            grown[: self._size] = rows[: self._size]
            self._rows[name] = grown  # one field after the other, so that only one is there twice

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in FIELDS:
            return self._rows[name][: self._size]
        raise AttributeError(name)

    def sample(
        self, count: int, rng: np.random.Generator, *, steps: int = 1, discount: float = 1.0
    ) -> dict[str, NDArray[Any]]:
        """`count` transitions, drawn uniformly with replacement, each of up to `steps` steps.

            rewards = sum_{i < k} discount^i r_i,   next_observations = s_k,   k <= steps

        where k is smaller if the episode, or what is stored, ends before. Besides the fields there
        are "discounts" (count,) = discount^k, which the value of s_k is multiplied by.
        """
        at = rng.integers(self._size, size=count)
        batch = {name: self._rows[name][at] for name in ("observations", "actions", "rewards")}
        factor = np.full(count, discount)
        for _ in range(steps - 1):
            following = self._rows["following"][at]
            going = following >= 0
            at = np.where(going, following, at)
            batch["rewards"] = batch["rewards"] + going * factor * self._rows["rewards"][at]
            factor = np.where(going, factor * discount, factor)
        for name in ("next_observations", "terminated"):
            batch[name] = self._rows[name][at]
        batch["discounts"] = factor
        return batch

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on: the rows of every field as they lie, where the next one
        goes, and each stream's newest row.

        What is given stays as it is. Rows are views: before the first of them is overwritten, the
        replay moves to memory of its own.
        """
        self._shared = True
        views = {name: rows[: self._size] for name, rows in self._rows.items()}
        return {
            **views,
            "following": views["following"].copy(),
            "next": np.array(self._next, np.int64),
            "newest": self._newest.copy(),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], capacity: int | None = None) -> Replay:
        """A replay that holds these rows; ValueError if they contradict each other."""
        O, D = arrays["observations"].shape[1], arrays["actions"].shape[1]
        newest = arrays["newest"]
        replay = cls(O, D, capacity, len(newest))
        size = len(arrays["rewards"])
        following = int(arrays["next"])
        for name in FIELDS:
            wanted = (size, *replay._rows[name].shape[1:])
            if arrays[name].shape != wanted:
                raise ValueError(f"its {name} have shape {arrays[name].shape}; {wanted} is wanted")
        full = size == capacity
        if (capacity is not None and size > capacity) or not (
            0 <= following < size if full else following == size
        ):
            raise ValueError(
                f"{size} rows, the next one at {following}, do not fit a capacity of {capacity}"
            )
        for name, rows in (("following", arrays["following"]), ("newest", newest)):
            if rows.dtype != np.int64 or rows.ndim != 1 or not ((rows >= -1) & (rows < size)).all():
                raise ValueError(f"its {name} names rows that are not there")
        replay._size, replay._next, replay._newest = size, following, newest.copy()
        replay._rows = {
            name: np.array(arrays[name], dtype=replay._rows[name].dtype) for name in FIELDS
        }
        return replay


def _free_memory() -> int | None:
    """Memory that could be had now [byte]; None where the system does not tell."""
    free = [part for part in (_free_in_machine(), _free_in_group()) if part is not None]
    return min(free) if free else None


def _free_in_machine() -> int | None:
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return None


def _free_in_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container's limit leaves, by its files at the root inside it: cgroup v2, or v1."""
    for folder, limit, used in (
        (root, "memory.max", "memory.current"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            most, held = (int((folder / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            cache = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
        except (OSError, ValueError):  # not there, or "max": no limit
            continue
        return max(0, most - held + cache)  # the system gives files it has read back when asked
    return None
