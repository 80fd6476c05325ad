"""What every agent asks of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

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
    "passed",
    "require_count",
    "require_mode",
    "require_same_kind",
    "require_same_wrappers",
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
            answer = one(agent, event, record)
            ended |= isinstance(answer, (bool, np.bool_)) and not answer
        return not ended

    return tell


def require_seed(seed: Any) -> int:
    """The seed of a run as an int."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed!r}; it must be an int from 0 to 2^63 - 1")
    return int(seed)


def require_count(name: str, count: Any) -> int:
    """A number of things, at least one, as an int."""
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise UsageError(f"{name} is {count!r}; it must be an int of at least 1")
    return int(count)


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


def require_same_kind(
    path: Path, meta: dict[str, Any], agent: str, critic: str, env: ContinuousEnv
) -> None:
    """A file of another kind of agent is named as such, and one of other actions; files of before
    there were several kinds hold the kernel agent."""
    found = meta.get("agent", "wpg"), meta.get("kind", "kernel")
    if found != (agent, critic):
        raise CheckpointError(
            f"{path} cannot be used: it holds agent {found[0]!r} with critic {found[1]!r}, and "
            f"this is {agent!r} with {critic!r}"
        )
    here = env.signature
    there = meta.get("signature", here)
    bounds = [there.get(name) if isinstance(there, dict) else None for name in ("low", "high")]
    sized = all(isinstance(b, list) and len(b) == env.action_size for b in bounds)
    if sized and bounds != [here["low"], here["high"]]:  # other sizes are told of by the arrays
        raise CheckpointError(
            f"{path} cannot be used: its actions are not those of {env.name} as it is here, from "
            f"{here['low']} to {here['high']}; {_give_wrapped(there)}"
        )


def require_same_wrappers(path: Path, meta: dict[str, Any], env: ContinuousEnv) -> None:
    """An environment that was made from its name alone lacks the wrappers of training."""
    here = env.signature
    there = meta.get("signature", here)
    if not isinstance(there, dict) or there.get("wrappers") != here["wrappers"]:
        raise CheckpointError(
            f"{path} cannot be used with {env.name} alone: {_give_wrapped(there)}"
        )


def _give_wrapped(there: Any) -> str:
    names = there.get("wrappers") if isinstance(there, dict) else None
    around = ", ".join(map(str, names)) if isinstance(names, list) and names else "no wrapper"
    return f"the agent was trained inside {around}; give such an env"


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
        """So many of them; `UsageError` if no second one can be made."""
        while len(self._made) < count:
            self._made.append(ContinuousEnv(self._env.maker()))
        return self._made[:count]

    def close(self) -> None:
        """Close all of them."""
        for env in self._made:
            env.close()
        self._made = []
