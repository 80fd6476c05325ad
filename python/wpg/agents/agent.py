"""What agents have in common besides how they learn and act: evaluation, and their file."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.agents.episodes import Episodes
from wpg.agents.gibbs import bellman_residual, kl_to_gibbs, log_partition
from wpg.agents.interaction import (
    EvaluationEnvs,
    far_apart,
    require_count,
    require_mode,
    require_seed,
)
from wpg.checkpoint import read_checkpoint, write_checkpoint
from wpg.envs import ContinuousEnv, make_side_by_side
from wpg.errors import UsageError
from wpg.evaluation import Evaluation, evaluate
from wpg.export import write_policy
from wpg.replay import Replay

__all__ = ["Agent"]


CERTIFICATE = ("bellman_residual", "bellman_bias", "kl_to_gibbs")  # columns of progress.csv
CERTIFIED_TRANSITIONS = 32
# Names of an evaluation's draws: few enough to stay below 2^40, which is the limit, when they are
# multiplied by the steps of a move, which are at most 10^4
STEP_NAMES = 2**26
CERTIFIED_PARTICLES = 128  # of the importance sums: a part of what `certify_run` takes


class Agent(ABC):
    """An agent of one environment, with a replay of what it has seen there."""

    settings: Any  # what was asked for, and
    config: Any  # what it comes to: frozen dataclasses, set before this class's __init__
    replay: Replay
    progress: tuple[str, ...]  # columns of progress.csv: attributes
    numbers: tuple[str, ...] = CERTIFICATE  # attributes that a checkpoint keeps, perhaps NaN
    modes: tuple[str, ...] = ("best", "sample", "medoid", "all")  # of `predict`
    resamples = False  # is a sampled action drawn among the particles of a cloud by Gibbs weights?

    def __init__(self, env_or_id: Any, *, seed: int, num_envs: int, async_envs: bool) -> None:
        self.env, envs = make_side_by_side(env_or_id, num_envs, asynchronous=async_envs)
        # What a vector environment that was given says, so that a file says it too.
        self.settings = dataclasses.replace(self.settings, num_envs=envs.num_envs)
        self.config = dataclasses.replace(self.config, num_envs=envs.num_envs)
        self.episodes = Episodes(self.env, envs, seed)
        self._evaluation_envs = EvaluationEnvs(self.env)
        # The last evaluation's certificate
        self.bellman_residual = self.bellman_bias = self.kl_to_gibbs = math.nan
        self._calls = 0  # of predict, to tell its draws apart

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Is there a critic yet?"""

    @property
    def env_steps(self) -> int:
        """Transitions so far, in all environments."""
        return self.episodes.steps

    def close(self) -> None:
        """Close all environments."""
        self.episodes.envs.close()
        self.env.close()
        self._evaluation_envs.close()

    # Acting

    def predict(
        self,
        observation: Any,
        deterministic: bool = True,
        state: Any = None,
        episode_start: Any = None,
        mode: str | None = None,
        step: int | None = None,
    ) -> tuple[NDArray[np.float32], None]:
        """Actions (D,) or (S, D) for observations (O,) or (S, O), and None.

        Observations are what the environment gives, a Dict or Tuple too, one alone or a batch of S
        as vector environments give them; actions have the shape of the action space where that is
        not (D,), behind S where observations have it.
        `state` and `episode_start` are accepted for callers that hold recurrent policies.

        mode = "best" (what deterministic=True means): the action of highest Q, a function of the
        observation alone. "sample" (deterministic=False): a draw from the policy. "medoid": the
        particle closest to all others. "all": the particles (N, D) or (S, N, D). "gibbs" (neural
        critic): one of the particles, drawn with the weights exp(Q / temperature) / pi that make
        them a sample of the Gibbs policy, as training acts. `step` names the draws of all but
        "best"; without it each call is another draw.

        Errors: `UsageError` that names the part and the entry of an observation that does not fit
        or is not finite.
        """
        if step is None:
            step, self._calls = self._calls, self._calls + 1
        rows, single = self.env.rows_of(observation)
        mode = mode if mode is not None else ("best" if deterministic else "sample")
        actions = self.act(rows, mode, step=step)
        if len(self.env.action_shape) != 1:
            actions = actions.reshape(*actions.shape[:-1], *self.env.action_shape)
        return (actions[0] if single else actions), None

    def act(
        self, observations: NDArray[np.float32], mode: str = "best", *, step: int = 0
    ) -> NDArray[np.float32]:
        """Actions (S, D), flat whatever the space, of flat observations (S, O), as training and
        evaluation see them; (S, N, D) where `mode` is "all". Modes and `step` as in `predict`."""
        require_mode(mode, self.modes)
        return self._actions(observations, mode, step)

    @abstractmethod
    def _actions(
        self, observations: NDArray[np.float32], mode: str, step: int
    ) -> NDArray[np.float32]:
        """Actions (S, D) of the environment, or (S, N, D) where `mode` is "all"."""

    def particles(self, observation: Any, n: int) -> NDArray[np.float32]:
        """n particles (n, D) of the policy at one observation."""
        row = self.env.rows_of.one(observation)
        return self._particles(row, require_count("n", n))

    @abstractmethod
    def _particles(self, observations: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """n particles (n, D) of the policy at the one row of `observations`."""

    def q_values(self, observation: Any, actions: NDArray[Any]) -> NDArray[np.float64]:
        """Soft Q (K,) [reward] of actions (K, D) at one observation."""
        row = self.env.rows_of.one(observation)
        given = np.asarray(actions)
        if (
            given.ndim != 2
            or given.shape[1] != self.env.action_size
            or given.dtype.kind not in "fiu"
        ):
            raise UsageError(
                f"actions has dtype {given.dtype} and shape {given.shape}; it must be numbers (K, "
                f"{self.env.action_size})"
            )
        with np.errstate(over="ignore"):
            cloud = np.ascontiguousarray(given, dtype=np.float32)
        for k in np.flatnonzero(~np.isfinite(cloud).all(axis=1)):
            raise UsageError(f"actions[{k}] is {given[k].tolist()}; it must be finite in float32")
        return self.state_action_values(row, cloud[None])[0]

    @abstractmethod
    def state_action_values(
        self, observations: NDArray[np.float32], actions: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Soft Q (S, N) [reward] at actions (S, N, D) of observations (S, O)."""

    # Evaluation, and the agent's files

    def certified_evaluation(self, episodes: int) -> dict[str, Any]:
        """The record of an "evaluation", and the certificate columns of the log.

        The episodes' transitions are held out: nothing is learnt from them. Of a few of them,
        evenly spaced, `bellman_residual` and `bellman_bias` are the root mean square and the mean
        of the soft Bellman residual [reward], and `kl_to_gibbs` the mean KL [nats] of
        sampled actions to the Gibbs policy of the critic where they led, of the kernel agent an
        upper bound; see `wpg.agents.gibbs`. All are
        functions of the agent alone: no draw of training is used up.
        """
        transitions: list[Any] = []
        outcome = evaluate(
            lambda observations, step: self.act(observations),
            self.evaluation_envs(episodes),
            seen=transitions.append,
        )
        if self.ready:
            count = min(CERTIFIED_TRANSITIONS, len(transitions))
            chosen = np.linspace(0, len(transitions) - 1, count).astype(int)
            columns = zip(*(transitions[i] for i in chosen), strict=True)
            s, a, r, after, terminated = (np.stack(column) for column in columns)
            log_z = log_partition(self, after, CERTIFIED_PARTICLES)
            residual = bellman_residual(self, s, a, r, log_z, terminated)
            self.bellman_residual = float(np.sqrt(np.mean(residual**2)))
            self.bellman_bias = float(residual.mean())
            self.kl_to_gibbs = float(kl_to_gibbs(self, after, log_z)[0].mean())
        return {
            "env_steps": self.env_steps,
            "mean_return": outcome.mean,
            "std_return": outcome.std,
            **self._certificate(),
        }

    def _certificate(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in CERTIFICATE}

    def _numbers(self) -> NDArray[np.float64]:
        """What `numbers` names, for a checkpoint."""
        return np.array([getattr(self, name) for name in self.numbers], np.float64)

    def _take_numbers(self, numbers: NDArray[np.float64]) -> None:
        for name, value in zip(self.numbers, numbers.tolist(), strict=True):
            setattr(self, name, value)

    @abstractmethod
    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that is needed to go on, in the middle of episodes too: JSON values and arrays."""

    @abstractmethod
    def take(
        self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Take over what `snapshot` gave; `CheckpointError` and nothing changed if it does not
        fit."""

    def evaluate(self, episodes: int = 10, seed: int = 0, mode: str = "best") -> Evaluation:
        """Returns of whole episodes, from starts that all runs share.

        mode : how actions are chosen, as in `predict`; one of `evaluation_modes`. Draws of step t
            are named by 10,000 seed + t, so the same call gives the same returns, and `predict`
            goes on as if there had been none.
        """
        require_mode(mode, self.evaluation_modes())
        episodes, seed = require_count("episodes", episodes), require_seed(seed)
        return evaluate(
            lambda observations, step: self.act(
                observations, mode, step=(10_000 * seed + step) % STEP_NAMES
            ),
            self.evaluation_envs(episodes),
            seed=seed,
        )

    @classmethod
    def evaluation_modes(cls) -> tuple[str, ...]:
        """The modes of `predict` that give one action."""
        return tuple(mode for mode in cls.modes if mode != "all")

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

    def export_numpy(self, path: str | Path) -> tuple[Path, Path]:
        """Write the policy so that it runs with NumPy alone; returns the two files that it takes.

            from numpy_policy import load           numpy_policy.py stands beside the path
            policy = load("policy.npz")
            action = policy(observation)            mode "best" of `predict`, one observation
            action = policy.sample(observation, rng)    a draw of mode "sample"

        Parameters
        ----------
        path : of the file with the arrays, which ends in .npz and holds no pickle

        Cost of an action: that of mode "best" in NumPy, 3 to 15 times as long. Accuracy: see
        `wpg.export`.
        Errors: `UsageError` before there is anything learned, for a critic of one's own that the
        best action needs, and for a file of the module's name that is something else.
        """
        if not self.ready:
            raise UsageError(
                f"after {self.env_steps} steps nothing has been learned that could be exported; "
                "learn further first"
            )
        about, arrays = self._numpy_policy()
        low, high = self.env.support.arrays(self.env.action_size, np.float32)[1:]
        return write_policy(
            Path(path),
            {
                "env": self.env.name,
                "wrappers": self.env.signature["wrappers"],
                "env_steps": self.env_steps,
                "observation": self.env.rows_of.layout,
                "observation_size": self.env.observation_size,
                "action_shape": list(self.env.action_shape),
                **about,
            },
            {"low": low, "high": high, **arrays},
        )

    @abstractmethod
    def _numpy_policy(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What `wpg.numpy_policy` reads of this kind of agent: JSON values and arrays."""
