"""Several environments that take their steps side by side, as the agents see them."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import (
    AsyncVectorEnv,
    AutoresetMode,
    SyncVectorEnv,
    VectorActionWrapper,
    VectorEnv,
    VectorObservationWrapper,
    VectorRewardWrapper,
    VectorWrapper,
)
from numpy.typing import NDArray

from wpg.envs.continuous import ContinuousEnv, ContinuousSpaces, make, refuse_wrapper
from wpg.envs.maker import Maker
from wpg.errors import UsageError

__all__ = ["ContinuousVectorEnv", "SideBySide", "SingleEnv", "VectorStep", "make_side_by_side"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class VectorStep:
    """What one step of n environments gave.

    next_observations (n, O) are those that the actions led to, also where an episode ended there.
    taken (n,) : False where the environment began an episode and did not look at the action
    begun : environments that began an episode by themselves, and its first observation (O,)
    """

    next_observations: Float32
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    taken: NDArray[np.bool_]
    begun: dict[int, Float32]


class SideBySide(Protocol):
    """Environments whose steps are taken together.

    seeded : every episode begins by `begin`, with the seed that it is given. Otherwise the first
        ones do, and the environments begin all others by themselves.
    """

    num_envs: int
    seeded: bool

    def begin(self, seeds: dict[int, int]) -> dict[int, Float32]:
        """First observations (O,) of new episodes in these environments."""
        ...

    def step(self, actions: Float32) -> VectorStep:
        """Act (n, D) in all of them; those whose episode has ended have begun a new one before, if
        `seeded`."""
        ...

    def close(self) -> None: ...


class SingleEnv:
    """One environment alone; it belongs to somebody else."""

    num_envs = 1
    seeded = True

    def __init__(self, env: ContinuousEnv) -> None:
        self._env = env
        self._taken = np.ones(1, np.bool_)

    def begin(self, seeds: dict[int, int]) -> dict[int, Float32]:
        return {row: self._env.reset(seed) for row, seed in seeds.items()}

    def step(self, actions: Float32) -> VectorStep:
        observation, reward, terminated, truncated = self._env.step(actions[0])
        return VectorStep(
            observation[None],
            np.array([reward]),
            np.array([terminated]),
            np.array([truncated]),
            self._taken,
            {},
        )

    def close(self) -> None:
        pass


class ContinuousVectorEnv(ContinuousSpaces):
    """A vector environment of Gymnasium, in any of its three autoreset modes.

    AutoresetMode.DISABLED is `seeded`. SAME_STEP begins the next episode in the step that ended
    one, and hands the last observation over in `info["final_obs"]`; NEXT_STEP begins it in the step
    after, which looks at no action and gives reward 0: that step is not `taken`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], name: str) -> None:
        refuse_wrapper(env, name)
        super().__init__(name, env.single_observation_space, env.single_action_space)
        self.env = env
        self.num_envs = env.num_envs
        mode = env.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise UsageError(
                f"{name} does not say when it begins new episodes: its metadata say "
                f"autoreset_mode {mode!r}; it must be one of gymnasium.vector.AutoresetMode"
            )
        self.mode = mode
        self.seeded = mode == AutoresetMode.DISABLED
        self._ended = np.ones(self.num_envs, np.bool_)
        self._broken = False  # in the middle of a step, which will not end

    def _rows(self, observations: Any) -> Float32:
        if not self._flatten:
            flat = np.asarray(observations).reshape(self.num_envs, -1)
            return np.ascontiguousarray(flat, dtype=np.float32)
        each = gymnasium.vector.utils.iterate(self.env.observation_space, observations)
        return np.stack([self._observe(observation) for observation in each])

    def begin(self, seeds: dict[int, int]) -> dict[int, Float32]:
        rows = list(seeds)
        given: Any = [seeds.get(row) for row in range(self.num_envs)]
        if len(rows) == self.num_envs:
            observations, _ = self.env.reset(seed=given)
        elif self.seeded:
            mask = np.isin(np.arange(self.num_envs), rows)
            observations, _ = self.env.reset(
                seed=given,
                options={"reset_mask": mask},
            )
        else:
            raise ValueError("environments that begin episodes by themselves begin together")
        self._ended[rows] = False
        first = self._rows(observations)
        return {row: first[row] for row in rows}

    def step(self, actions: Float32) -> VectorStep:
        ended_before = self._ended
        shaped = actions.reshape(self.num_envs, *self._actions.shape).astype(self._actions.dtype)
        self._broken = True
        observations, rewards, terminated, truncated, info = self.env.step(shaped)
        self._broken = False
        rows = self._rows(observations)
        self._ended = np.logical_or(terminated, truncated)
        begun: dict[int, Float32] = {}
        taken = np.ones(self.num_envs, np.bool_)
        if self.mode == AutoresetMode.NEXT_STEP:
            taken = ~ended_before
            begun = {int(row): rows[row] for row in np.flatnonzero(ended_before)}
        elif self.mode == AutoresetMode.SAME_STEP:
            over = np.flatnonzero(self._ended)
            begun = {int(row): rows[row].copy() for row in over}
            for row in over:
                rows[row] = self._observe(info["final_obs"][row])
            self._ended = np.zeros(self.num_envs, np.bool_)
        return VectorStep(
            rows,
            np.asarray(rewards, dtype=np.float64),
            np.asarray(terminated, dtype=np.bool_),
            np.asarray(truncated, dtype=np.bool_),
            taken,
            begun,
        )

    def close(self) -> None:
        workers = self.env.unwrapped
        if not (self._broken and isinstance(workers, AsyncVectorEnv)):
            self.env.close()
            return
        # Gymnasium would wait for the answer of a worker that may have died. The others may look
        # after SIGTERM themselves.
        for process, pipe in zip(workers.processes, workers.parent_pipes, strict=True):
            process.kill()
            process.join()
            if pipe is not None:
                pipe.close()
        workers.closed = True


class _Several:
    """Environments of one kind, made when the first episodes begin: an agent that is loaded to act
    has no use for them."""

    seeded = True

    def __init__(self, env: ContinuousEnv, num_envs: int, asynchronous: bool) -> None:
        self.num_envs = num_envs
        self._env, self._asynchronous = env, asynchronous
        self._made: ContinuousVectorEnv | None = None

    def begin(self, seeds: dict[int, int]) -> dict[int, Float32]:
        if self._made is None:
            maker = _InProcess(self._env.maker) if self._asynchronous else self._env.maker
            kind = AsyncVectorEnv if self._asynchronous else SyncVectorEnv
            vector = kind([maker] * self.num_envs, autoreset_mode=AutoresetMode.DISABLED)
            self._made = ContinuousVectorEnv(vector, self._env.name)
        return self._made.begin(seeds)

    def step(self, actions: Float32) -> VectorStep:
        assert self._made is not None  # no step comes before the first episodes
        return self._made.step(actions)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None


class _InProcess:
    """Makes one environment in a process of its own."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker

    def __call__(self) -> gymnasium.Env[Any, Any]:
        if multiprocessing.parent_process() is not None:
            # Ctrl-C reaches the whole group of processes; the one that trains decides what to do.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return self._maker()


def make_side_by_side(
    env_or_id: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any] | str,
    num_envs: int = 1,
    *,
    asynchronous: bool = False,
) -> tuple[ContinuousEnv, SideBySide]:
    """One environment that says what kind it is, and `num_envs` of the kind to train in.

    asynchronous : each in a process of its own, for environments whose steps take longer than
        handing over an observation does
    A vector environment that is given is trained in as it is; `num_envs` must be its own, or 1.
    """
    if isinstance(env_or_id, VectorEnv):
        return _given(env_or_id, num_envs)
    env = make(env_or_id)
    if num_envs == 1 and not asynchronous:
        return env, SingleEnv(env)
    return env, _Several(env, num_envs, asynchronous)


def _given(
    vector: VectorEnv[Any, Any, Any], num_envs: int
) -> tuple[ContinuousEnv, ContinuousVectorEnv]:
    if num_envs not in (1, vector.num_envs):
        raise UsageError(
            f"num_envs is {num_envs}, and the vector environment that was given has "
            f"{vector.num_envs}; leave num_envs out"
        )
    makers = getattr(vector.unwrapped, "env_fns", None)
    if not makers:
        raise UsageError(
            f"{vector} has no env_fns to make a single environment with; give a "
            "gymnasium.vector.SyncVectorEnv or AsyncVectorEnv"
        )
    env = make(makers[0]())
    around = ContinuousVectorEnv(vector, env.name)
    same = (vector.single_observation_space, vector.single_action_space) == (
        env.env.observation_space,
        env.env.action_space,
    )
    if not same or _changes_something(vector):
        raise UsageError(
            f"the wrappers around the vector environment change the observations, actions or "
            f"rewards of {env.name}, and are missing where the agent is evaluated; wrap the single "
            "environments instead"
        )
    return env, around


def _changes_something(vector: Any) -> bool:
    while isinstance(vector, VectorWrapper):
        if isinstance(vector, (VectorActionWrapper, VectorObservationWrapper, VectorRewardWrapper)):
            return True
        vector = vector.env
    return False
