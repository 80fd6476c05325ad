"""How well a policy acts, on episodes that every policy meets alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.envs import ContinuousEnv
from wpg.errors import EpisodeError, NonFiniteError

__all__ = ["Evaluation", "evaluate", "first_observation", "start_seed", "taken_step"]

SeenTransition = tuple[NDArray[np.float32], NDArray[np.float32], float, NDArray[np.float32], bool]
Act = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


@dataclass(frozen=True)
class Evaluation:
    """Returns of whole episodes, in the order of their seeds."""

    returns: tuple[float, ...]
    lengths: tuple[int, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        return float(np.std(self.returns))


def start_seed(seed: int, episode: int) -> int:
    """The reset seed of an evaluation's episode; those of training are derived otherwise."""
    return 10_000 * seed + episode


def first_observation(env: ContinuousEnv, seed: int, where: str) -> NDArray[np.float32]:
    """Start an episode: the observation (O,).

    where : words for errors, such as "of evaluation episode 3"
    Errors: `EpisodeError` if the environment raises one, `NonFiniteError` if it gives NaN.
    """
    try:
        observation = env.reset(seed)
    except Exception as error:
        raise EpisodeError.of(env.name, error, f"at the start {where}") from error
    if not np.isfinite(observation).all():
        raise NonFiniteError(
            f"{env.name} gave observation {observation.tolist()} at the start {where}"
        )
    return observation


def taken_step(
    env: ContinuousEnv, action: NDArray[np.float32], step: int, where: str
) -> tuple[NDArray[np.float32], float, bool, bool]:
    """Act (D,): observation (O,), reward, terminated, truncated. Errors as `first_observation`."""
    try:
        following, reward, terminated, truncated = env.step(action)
    except Exception as error:
        raise EpisodeError.of(env.name, error, f"in step {step} {where}") from error
    if not (math.isfinite(reward) and np.isfinite(following).all()):
        raise NonFiniteError(
            f"{env.name} gave reward {reward} and observation {following.tolist()} in step {step} "
            f"{where}"
        )
    return following, reward, terminated, truncated


def evaluate(
    act: Act,
    envs: Sequence[ContinuousEnv],
    *,
    seed: int = 0,
    seen: Callable[[SeenTransition], Any] | None = None,
) -> Evaluation:
    """Run one episode in each environment, side by side, and return the sums of rewards.

    Parameters
    ----------
    act : (observations (S, O), step) -> actions (S, D); must treat states independently, so that an
        episode does not depend on those beside it
    envs : one environment per episode, all alike and used by nobody else
    seed : episode e starts with `reset(seed=10000 * seed + e)`, so that anybody can repeat it
    seen : told of every transition (s, a, r, s', terminated)

    Returns
    -------
    Evaluation with undiscounted returns [reward].

    Errors: `EpisodeError` if an environment raises one, `NonFiniteError` if it gives NaN.
    """
    names = [f"of evaluation episode {e}" for e in range(len(envs))]
    observations = [
        first_observation(env, start_seed(seed, e), names[e]) for e, env in enumerate(envs)
    ]
    totals, lengths = [0.0] * len(envs), [0] * len(envs)
    running = list(range(len(envs)))
    step = 0
    while running:
        actions = act(np.stack([observations[e] for e in running]), step)
        still = []
        for e, action in zip(running, actions, strict=True):
            following, reward, terminated, truncated = taken_step(envs[e], action, step, names[e])
            if seen is not None:
                seen((observations[e], action, reward, following, terminated))
            observations[e] = following
            totals[e] += reward
            lengths[e] += 1
            if not (terminated or truncated):
                still.append(e)
        running = still
        step += 1
    return Evaluation(tuple(totals), tuple(lengths))
