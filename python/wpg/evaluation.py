"""How well a policy acts, on episodes that every policy meets alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.envs import ContinuousEnv
from wpg.errors import EpisodeError

__all__ = ["Evaluation", "evaluate"]

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
    seed : episode e starts with `reset(seed=10000 * seed + e)`, so that anybody can repeat it; the
        reset seeds of training are derived otherwise

    seen : told of every transition (s, a, r, s', terminated)

    Returns
    -------
    Evaluation with undiscounted returns [reward].

    Errors: `EpisodeError` if an environment raises one.
    """
    observations = [env.reset(10_000 * seed + e) for e, env in enumerate(envs)]
    totals, lengths = [0.0] * len(envs), [0] * len(envs)
    running = list(range(len(envs)))
    step = 0
    while running:
        actions = act(np.stack([observations[e] for e in running]), step)
        still = []
        for e, action in zip(running, actions, strict=True):
            try:
                following, reward, terminated, truncated = envs[e].step(action)
            except Exception as error:
                said = " ".join(str(error).split())
                raise EpisodeError(
                    f"{envs[e].name} raised {type(error).__name__} in step {step} of evaluation "
                    f"episode {e}: {said}"
                ) from error
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
