"""The episodes that an agent is in: how they begin, what their steps give, how they go on."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wpg.envs import ContinuousEnv, SideBySide, VectorStep
from wpg.errors import EpisodeError, NonFiniteError, UsageError
from wpg.noise import derive_seed

__all__ = ["Episodes", "Transition"]

Float32 = NDArray[np.float32]


class Transition(NamedTuple):
    """One step of one environment, in the order in which `Replay.add` takes it."""

    observation: Float32
    action: Float32
    reward: float
    next_observation: Float32
    terminated: bool
    ended: bool
    stream: int  # which environment


class Episodes:
    """Episodes side by side, one in each of n environments.

    Episode number k of a run begins with `reset(seed=derive_seed(seed, "reset", k))`; numbers are
    given in the order in which episodes begin. A file that `arrays` went into names the episodes
    that were open, and all actions in them: `begin` then resets with the same seed and takes the
    same actions, so that a run which was stopped anywhere goes on as if it had not been. An
    environment that does not give the same observations again is told of by a warning, and begins
    a new episode. Environments that begin episodes by themselves (not `envs.seeded`) do so too.

    Attributes
    ----------
    steps : transitions so far, in all environments
    ticks : how often they took a step together
    begun : episodes begun so far
    observations (n, O), numbers (n,) : of the open episodes
    failed : an environment raised an error or gave NaN; nothing of that step has been counted, so
        that the agent is what it was after the step before
    """

    def __init__(self, env: ContinuousEnv, envs: SideBySide, seed: int) -> None:
        self.envs = envs
        self.steps = self.ticks = self.begun = 0
        n = envs.num_envs
        self.observations = np.zeros((n, env.observation_size), np.float32)
        self.numbers = np.full(n, -1, np.int64)
        self.failed = False
        self.finished: list[dict[str, Any]] = []  # in the last step
        self._name = env.name
        self._seed = seed
        self._box = env.support.arrays(env.action_size, np.float32)[1:]
        self._open = np.zeros(n, np.bool_)
        self._returns, self._lengths = [0.0] * n, [0] * n
        # Of the open episodes; the first `_lengths` rows count.
        self._actions = [np.zeros((64, env.action_size), np.float32) for _ in range(n)]
        self._begun_by_themselves: dict[int, Float32] = {}
        self._left: dict[str, NDArray[Any]] | None = None

    def begin(self) -> list[int]:
        """Make ready for steps; the environments whose last transition has no next one."""
        self.close()
        if self._left is not None and self.envs.seeded:
            self._reopen(self._left)
        self._left = None
        if not self.envs.seeded:
            seeds = {row: self._reset_seed(self.begun + row) for row in range(self.envs.num_envs)}
            self._begun_by_themselves = self._first_observations(seeds)
        return [int(row) for row in np.flatnonzero(~self._open)]

    def close(self) -> None:
        """No episode goes on after this."""
        self._open[:] = False

    def renew(self) -> list[int]:
        """Begin an episode wherever none is open, or take note of it; the environments that did."""
        missing = [int(row) for row in np.flatnonzero(~self._open)]
        if not missing:
            return []
        if self.envs.seeded:
            seeds = {row: self._reset_seed(self.begun + k) for k, row in enumerate(missing)}
            first = self._first_observations(seeds)
        else:
            first, self._begun_by_themselves = self._begun_by_themselves, {}
        for row in sorted(first):
            if not np.isfinite(first[row]).all():
                raise self._not_finite(f"started an episode with observation {first[row].tolist()}")
        for row in sorted(first):
            self._start(row, self.begun, first[row])
            self.begun += 1
        return sorted(first)

    def step(self, actions: Float32) -> list[Transition]:
        """Act (n, D) in every environment: its transitions, one of each that looked at its action.

        `NonFiniteError` if one gives NaN or infinity; nothing has been counted then.
        """
        found = self._stepped(actions)
        rows = [int(row) for row in np.flatnonzero(found.taken & self._open)]
        transitions = [
            Transition(
                self.observations[row].copy(),
                actions[row],
                float(found.rewards[row]),
                found.next_observations[row],
                bool(found.terminated[row]),
                bool(found.terminated[row] or found.truncated[row]),
                row,
            )
            for row in rows
        ]
        for t in transitions:
            if not (math.isfinite(t.reward) and np.isfinite(t.next_observation).all()):
                raise self._not_finite(
                    f"gave reward {t.reward} and observation {t.next_observation.tolist()}"
                )
        self.ticks += 1
        self.steps += len(transitions)
        self.finished = []
        for t in transitions:
            row = t.stream
            self.observations[row] = t.next_observation
            self._count(row, t.action, t.reward)
            if t.ended:
                self._open[row] = False
                self.finished.append(
                    {
                        "env_steps": self.steps,
                        "episode": int(self.numbers[row]) + 1,
                        "return": self._returns[row],
                        "length": self._lengths[row],
                    }
                )
        self._begun_by_themselves = found.begun
        return transitions

    def _start(self, row: int, number: int, observation: Float32) -> None:
        self._open[row] = True
        self.numbers[row] = number
        self.observations[row] = observation
        self._returns[row], self._lengths[row] = 0.0, 0

    def _count(self, row: int, action: Float32, reward: float) -> None:
        """One step of an open episode."""
        length, kept = self._lengths[row], self._actions[row]
        if length == len(kept):
            kept = self._actions[row] = np.concatenate([kept, np.zeros_like(kept)])
        kept[length] = action
        self._returns[row] += reward
        self._lengths[row] = length + 1

    def _reset_seed(self, number: int) -> int:
        return derive_seed(self._seed, "reset", number)

    def _first_observations(self, seeds: dict[int, int]) -> dict[int, Float32]:
        try:
            return self.envs.begin(seeds)
        except UsageError:  # environments that cannot be made, which is no failure of theirs
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _stepped(self, actions: Float32) -> VectorStep:
        try:
            return self.envs.step(actions)
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> EpisodeError:
        self.failed = True
        return EpisodeError.of(self._name, error, f"at step {self.steps}")

    def _not_finite(self, what: str) -> NonFiniteError:
        self.failed = True
        return NonFiniteError(f"{self._name} {what} at step {self.steps}")

    # Going on

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Counters, and the open episodes: their numbers (-1: none is open), observations and
        actions, one episode after the other."""
        if self._left is not None:
            return {name: array.copy() for name, array in self._left.items()}
        goes_on = self._open & self.envs.seeded
        lengths = np.where(goes_on, self._lengths, 0).astype(np.int64)
        return {
            "counters": np.array([self.steps, self.ticks, self.begun], np.int64),
            "numbers": np.where(goes_on, self.numbers, -1),
            "lengths": lengths,
            "observations": self.observations.copy(),
            "actions": np.concatenate(
                [kept[:length] for kept, length in zip(self._actions, lengths, strict=True)]
            ),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; ValueError if it does not fit."""
        counters, numbers, lengths = (arrays[k] for k in ("counters", "numbers", "lengths"))
        n = self.envs.num_envs
        wanted = {
            "counters": ((3,), np.int64),
            "numbers": ((n,), np.int64),
            "lengths": ((n,), np.int64),
            "observations": (self.observations.shape, np.float32),
            "actions": ((int(np.sum(lengths)), len(self._box[0])), np.float32),
        }
        for name, (shape, dtype) in wanted.items():
            if arrays[name].shape != shape or arrays[name].dtype != dtype:
                raise ValueError(f"the {name} of its episodes have shape {arrays[name].shape}")
        known = (counters >= 0).all() and (lengths >= 0).all() and (numbers < counters[2]).all()
        if not known or lengths.sum() > counters[0]:
            raise ValueError("the counters of its episodes contradict each other")
        self.steps, self.ticks, self.begun = (int(x) for x in counters)
        self._left = {name: arrays[name].copy() for name in wanted}
        self.close()

    def _reopen(self, left: dict[str, NDArray[Any]]) -> None:
        """Begin the episodes that were open, and take their actions again.

        The steps of a vector environment are taken together, so shorter episodes begin later, and
        until then their environment is anywhere.
        """
        lengths, n = left["lengths"], self.envs.num_envs
        parts = np.split(left["actions"], np.cumsum(lengths)[:-1])
        rows = [int(row) for row in np.flatnonzero(left["numbers"] >= 0)]
        longest = int(max((lengths[row] for row in rows), default=0))
        low, high = self._box
        alive = np.zeros(n, np.bool_)
        for tick in range(longest + 1):
            starting = {row for row in rows if longest - lengths[row] == tick}
            idle = set(np.flatnonzero(~alive).tolist()) if tick < longest or tick == 0 else set()
            seeds = {
                row: self._reset_seed(max(int(left["numbers"][row]), 0))
                for row in sorted(starting | idle)
            }
            first = self._first_observations(seeds) if seeds else {}
            for row in starting:
                self._start(row, int(left["numbers"][row]), first[row])
            if tick == longest:
                break
            actions = np.tile((low + high) / 2, (n, 1))
            for row in np.flatnonzero(self._open).tolist():
                actions[row] = parts[row][self._lengths[row]]
            found = self._stepped(actions)
            over = found.terminated | found.truncated
            alive = ~over
            for row in np.flatnonzero(self._open).tolist():
                self.observations[row] = found.next_observations[row]
                self._count(row, actions[row], float(found.rewards[row]))
                self._open[row] = not over[row]
        for row in rows:
            same = np.array_equal(self.observations[row], left["observations"][row])
            if not (same and self._open[row]):
                self._open[row] = False
                warnings.warn(
                    f"{self._name} gives other observations when the same actions are taken from "
                    "the same seed: an episode that was open begins anew, and the run is not the "
                    "one that it would have been",
                    stacklevel=4,
                )
