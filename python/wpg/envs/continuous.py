"""Any Gymnasium environment with vector observations and one bounded Box of actions."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.envs.maker import Maker, wrapper_names
from wpg.envs.observations import ObservationRows
from wpg.errors import EpisodeError, UsageError
from wpg.supports import Box

__all__ = ["ContinuousEnv", "ContinuousSpaces", "make", "refuse_wrapper"]

Float32 = NDArray[np.float32]

REFUSED = {
    "NormalizeObservation": "keeps moments of its own, which evaluation and a saved agent would "
    "lack; leave it out, the neural agents normalise observations themselves",
    "NormalizeReward": "keeps moments of its own, so that one reward is another number later and "
    "in evaluation; scale rewards by a constant, with TransformReward",
}


class ContinuousSpaces:
    """Flat float32 observations (O,) and actions (D,) in a `Box` support, of Gymnasium's spaces.

    Dict and Tuple observations made of boxes are flattened. Images, discrete observations and
    discrete actions are refused with a `UsageError` that says what to do.
    """

    def __init__(
        self, name: str, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any]
    ) -> None:
        self.name = name
        self._observations = observations
        self._flatten = _observation_space(observations, name)
        self.rows_of = ObservationRows(observations)
        self._shape = observations.shape
        if not isinstance(actions, gymnasium.spaces.Box):
            raise UsageError(
                f"{name} has actions {actions}; wpg moves particles in a Box of actions"
            )
        if actions.dtype.kind != "f":
            raise UsageError(
                f"{name} has actions of dtype {actions.dtype}; wpg moves particles between whole "
                "numbers too: it wants a Box of floats"
            )
        try:
            self.support = Box.from_space(actions)
        except ValueError as error:
            raise UsageError(f"{name}: {error}; inside ClipAction, leave it out") from None
        self._actions = actions
        self.action_shape = actions.shape
        self.action_size = int(np.prod(actions.shape))
        self.observation_size = int(gymnasium.spaces.flatdim(observations))

    def _observe(self, observation: Any) -> Float32:
        if self._flatten:
            flat = gymnasium.spaces.flatten(self._observations, observation)
            return np.ascontiguousarray(flat, dtype=np.float32)
        flat = np.asarray(observation)
        if flat.shape != self._shape or flat.dtype.kind not in "fiub":
            raise EpisodeError(
                f"{self.name} gave an observation of dtype {flat.dtype} and shape {flat.shape}; "
                f"its observation_space has {self._shape}"
            )
        return np.ascontiguousarray(flat, dtype=np.float32).ravel()


class ContinuousEnv(ContinuousSpaces):
    """An environment with flat float32 observations (O,) and actions (D,) in a `Box` support.

    `discount` is what the environment states in an attribute of that name, 0.99 if it states none.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        refuse_wrapper(env, name)
        super().__init__(name, env.observation_space, env.action_space)
        self.env = env
        stated = getattr(env.unwrapped, "discount", None)
        self.discount = stated if isinstance(stated, float) and 0.0 <= stated < 1.0 else 0.99
        spec = env.spec
        self.reward_threshold = spec.reward_threshold if spec is not None else None

    @property
    def maker(self) -> Maker:
        """Makes more environments like this one; `UsageError` if that cannot be done."""
        return Maker(self.env, self.name)

    @property
    def signature(self) -> dict[str, Any]:
        """What a saved agent asks of an environment of the same name, in words of JSON."""
        return {
            "wrappers": wrapper_names(self.env),
            "low": self.support.low.tolist(),
            "high": self.support.high.tolist(),
        }

    def reset(self, seed: int) -> Float32:
        """Start an episode: the observation (O,)."""
        observation, _ = self.env.reset(seed=seed)
        return self._observe(observation)

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool]:
        """Act (D,): observation (O,), reward, terminated, truncated."""
        observation, reward, terminated, truncated, _ = self.env.step(
            action.reshape(self._actions.shape).astype(self._actions.dtype)
        )
        if type(reward) is not float:
            reward = self._number(reward)
        if type(terminated) is not bool or type(truncated) is not bool:
            terminated, truncated = self._flag(terminated), self._flag(truncated)
        return self._observe(observation), reward, terminated, truncated

    def _number(self, reward: Any) -> float:
        value = np.asarray(reward)
        if value.shape or value.dtype.kind not in "fiub":
            raise EpisodeError(f"{self.name} gave reward {reward!r}; it must be a number")
        return float(value)

    def _flag(self, over: Any) -> bool:
        value = np.asarray(over)
        if value.shape or value.dtype.kind not in "iub":
            raise EpisodeError(f"{self.name} said {over!r} for an end; it must be True or False")
        return bool(value)

    def close(self) -> None:
        self.env.close()


def refuse_wrapper(env: Any, name: str) -> None:
    """UsageError for a wrapper, of an environment or of several, whose state would be missing where
    the agent is evaluated or loaded."""
    while isinstance(env, (gymnasium.Wrapper, gymnasium.vector.VectorWrapper)):
        for kind in type(env).__mro__:
            if kind.__name__ in REFUSED:
                raise UsageError(f"{kind.__name__} around {name} {REFUSED[kind.__name__]}")
        env = env.env


def _observation_space(space: gymnasium.Space[Any], name: str) -> bool:
    """Must observations of this space be flattened? UsageError if they are no vectors."""
    if isinstance(space, gymnasium.spaces.Box):
        if len(space.shape) > 2 or (space.dtype == np.uint8 and len(space.shape) > 1):
            raise UsageError(
                f"{name} has image observations {space.shape}; wpg takes vectors: wrap the "
                "environment with features of your own"
            )
        if space.dtype.kind not in "fiu":
            raise UsageError(f"{name} has observations of dtype {space.dtype}; wpg takes numbers")
        return False
    if isinstance(space, (gymnasium.spaces.Dict, gymnasium.spaces.Tuple)):
        parts = space.values() if isinstance(space, gymnasium.spaces.Dict) else space
        for part in parts:
            _observation_space(part, name)
        return True
    raise UsageError(
        f"{name} has observations {space}; wpg takes a Box, or a Dict or Tuple of Boxes"
    )


def make(env_or_id: gymnasium.Env[Any, Any] | str) -> ContinuousEnv:
    """The environment of a Gymnasium id, or around an environment that is there already."""
    if not isinstance(env_or_id, str):
        if not isinstance(env_or_id, gymnasium.Env):
            raise UsageError(f"env is {env_or_id!r}; give a Gymnasium environment or the id of one")
        return ContinuousEnv(env_or_id)
    try:
        return ContinuousEnv(gymnasium.make(env_or_id))
    except gymnasium.error.DependencyNotInstalled as error:
        extra = "mujoco" if "mujoco" in str(error).lower() else "box2d"
        raise UsageError(
            f"{env_or_id} needs more packages: pip install 'wpg[{extra}]' "
            f"({str(error).splitlines()[0]})"
        ) from None
    except (gymnasium.error.Error, ImportError) as error:
        said = " ".join(str(error).split())
        if isinstance(error, (gymnasium.error.NameNotFound, gymnasium.error.NamespaceNotFound)):
            said += " A module of yours that registers it: wpg --import MODULE ..."
        raise UsageError(f"no environment {env_or_id!r}: {said}") from None
