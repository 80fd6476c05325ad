"""What agents have in common besides how they learn and act: evaluation, and their file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.agents.interaction import EvaluationEnvs, far_apart
from wpg.checkpoint import read_checkpoint, write_checkpoint
from wpg.envs import ContinuousEnv
from wpg.evaluation import Evaluation, evaluate
from wpg.replay import Replay

__all__ = ["Agent"]


class Agent(ABC):
    """An agent of one environment, with a replay of what it has seen there."""

    replay: Replay

    def __init__(self, env: ContinuousEnv) -> None:
        self.env = env
        self._evaluation_envs = EvaluationEnvs(env)

    @abstractmethod
    def predict(
        self,
        observation: Any,
        deterministic: bool = True,
        state: Any = None,
        episode_start: Any = None,
        mode: str | None = None,
        step: int | None = None,
    ) -> tuple[NDArray[np.float32], None]:
        """Actions (D,) or (S, D) for observations (O,) or (S, O), and None."""

    @abstractmethod
    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that is needed to go on with a new episode: JSON values and arrays."""

    @abstractmethod
    def take(
        self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Take over what `snapshot` gave; `CheckpointError` and nothing changed if it does not
        fit."""

    def evaluate(self, episodes: int = 10, seed: int = 0) -> Evaluation:
        """Returns of whole episodes with the best action, from starts that all runs share."""
        return evaluate(
            lambda observations, step: self.predict(observations)[0],
            self.evaluation_envs(episodes),
            seed=seed,
        )

    def evaluation_envs(self, count: int) -> list[ContinuousEnv]:
        """Environments of the same kind that training does not use; the same ones at every call."""
        return self._evaluation_envs.take(count)

    def typical_observations(self, count: int) -> NDArray[np.float32]:
        """A few observations (count, O) of the replay that lie far apart."""
        return far_apart(self.replay.observations, count)

    def save(self, path: str | Path) -> None:
        """Write the agent to one npz file, whole or not at all."""
        write_checkpoint(Path(path), *self.snapshot())

    def restore(self, path: str | Path) -> dict[str, Any]:
        """Take over a saved agent's state; returns what else the file says."""
        return self.take(Path(path), *read_checkpoint(Path(path)))
