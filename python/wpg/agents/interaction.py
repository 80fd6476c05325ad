"""What every agent asks of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.envs import ContinuousEnv
from wpg.errors import CheckpointError, UsageError
from wpg.progress_line import ProgressLine

__all__ = [
    "Callback",
    "Callbacks",
    "EvaluationEnvs",
    "far_apart",
    "observation_row",
    "observation_rows",
    "passed",
    "require_mode",
    "require_same_kind",
    "require_seed",
    "require_total_timesteps",
    "told",
]


class Callback(Protocol):
    """Whom `learn` tells of what happens. Every record has "env_steps"; besides,

    "fit"         nothing more: the kernel critic has been fitted
    "evaluation"  "mean_return", "std_return", and the certificate: "bellman_residual",
                  "bellman_bias", "kl_to_gibbs"
    "episode"     "episode", "return", "length" of a training episode that has ended, and the
                  agent's own columns of progress.csv
    "step"        "total_steps", where learning will end; comes last, when all of the step is done,
                  so that `agent.save` here keeps a state from which another process goes on exactly

    False, and not just something false, ends learning after the step.
    """

    def __call__(self, agent: Any, event: str, record: dict[str, Any], /) -> Any: ...


Callbacks = Callback | Sequence[Callback] | None


def told(callback: Callbacks, progress_bar: bool) -> Callable[[Any, str, dict[str, Any]], bool]:
    """One function that tells all callbacks, and a progress line if wanted; whether to go on."""
    callbacks: list[Callback] = [ProgressLine()] if progress_bar else []
    if callable(callback):
        callbacks.append(callback)
    elif isinstance(callback, Sequence) and all(map(callable, callback)):
        callbacks += callback
    elif callback is not None:
        raise UsageError(f"callback is {callback!r}; it must be a function, or a list of them")

    ended = False

    def tell(agent: Any, event: str, record: dict[str, Any]) -> bool:
        nonlocal ended
        for one in callbacks:
            ended |= one(agent, event, record) is False
        return not ended

    return tell


def require_seed(seed: Any) -> int:
    """The seed of a run as an int."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed!r}; it must be an int from 0 to 2^63 - 1")
    return int(seed)


def require_total_timesteps(total_timesteps: Any) -> int:
    """The number of steps to take as an int."""
    if isinstance(total_timesteps, bool) or not isinstance(total_timesteps, (int, np.integer)):
        raise UsageError(f"total_timesteps is {total_timesteps!r}; it must be an int")
    if total_timesteps < 0:
        raise UsageError(f"total_timesteps is {total_timesteps}; it must not be negative")
    return int(total_timesteps)


def require_mode(mode: Any, modes: Sequence[str]) -> None:
    """The mode of a prediction is one of these."""
    if mode not in modes:
        *most, last = map(repr, modes)
        raise UsageError(f"mode is {mode!r}; it must be {', '.join(most)} or {last}")


def passed(interval: int, before: int, after: int) -> bool:
    """Is there a multiple of `interval` behind one count of steps, up to another? 0: never."""
    return interval > 0 and after // interval > before // interval


def require_same_kind(path: Path, meta: dict[str, Any], agent: str, critic: str) -> None:
    """A file of another kind of agent is named as such; files of before there were several kinds
    hold the kernel agent."""
    found = meta.get("agent", "wpg"), meta.get("kind", "kernel")
    if found != (agent, critic):
        raise CheckpointError(
            f"{path} cannot be used: it holds agent {found[0]!r} with critic {found[1]!r}, and "
            f"this is {agent!r} with {critic!r}"
        )


def observation_rows(observation: Any, size: int) -> tuple[NDArray[np.float32], bool]:
    """Observations (S, O), and whether one alone, (O,), was given."""
    array = np.asarray(observation, dtype=np.float32)
    if array.shape == (size,):
        return array[None], True
    if array.ndim == 2 and array.shape[1] == size:
        return np.ascontiguousarray(array), False
    raise UsageError(f"observation has shape {array.shape}; it must be ({size},) or (S, {size})")


def observation_row(observation: Any, size: int) -> NDArray[np.float32]:
    """One observation as (1, O)."""
    rows, _ = observation_rows(observation, size)
    if len(rows) != 1:
        raise UsageError(f"observation has {len(rows)} rows; give one, ({size},) or (1, {size})")
    return rows


def far_apart(observations: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A few (count, O) of the last 2000 observations: one in the middle, then always the one that
    is farthest from those chosen."""
    rows = observations[-2000:]
    scaled = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-6)
    chosen = [int((scaled**2).sum(axis=1).argmin())]
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(min(count, len(rows)) - 1):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
    return rows[chosen].copy()


class EvaluationEnvs:
    """Environments of the same kind that training does not use; the same ones at every call."""

    def __init__(self, env: ContinuousEnv) -> None:
        self._env = env
        self._made: list[ContinuousEnv] = []

    def take(self, count: int) -> list[ContinuousEnv]:
        """So many of them; `UsageError` if the environment is not registered."""
        while len(self._made) < count:
            spec = self._env.env.spec
            if spec is None:
                raise UsageError(
                    f"{self._env.name} is not registered with Gymnasium, so no second one can be "
                    "made for evaluation; set evaluation_interval=0 or register it"
                )
            self._made.append(ContinuousEnv(gymnasium.make(spec)))
        return self._made[:count]

    def close(self) -> None:
        """Close all of them."""
        for env in self._made:
            env.close()
        self._made = []
