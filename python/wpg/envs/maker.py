"""Environments like one that is there already, inside the same wrappers."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from wpg.errors import UsageError

__all__ = ["Maker", "wrapper_names"]


def _wrappers(env: gymnasium.Env[Any, Any]) -> list[Any]:
    """The wrappers around an environment, the innermost first."""
    found: list[Any] = []
    while isinstance(env, gymnasium.Wrapper):
        found.insert(0, env)
        env = env.env
    return found


def wrapper_names(env: gymnasium.Env[Any, Any]) -> list[str]:
    """The wrappers that make a difference to what is seen and done, the innermost first."""
    return [
        f"TimeLimit({wrapper._max_episode_steps})"
        if isinstance(wrapper, gymnasium.wrappers.TimeLimit)
        else type(wrapper).__name__
        for wrapper in _wrappers(env)
        if not isinstance(
            wrapper,
            (
                gymnasium.wrappers.PassiveEnvChecker,
                gymnasium.wrappers.OrderEnforcing,
                gymnasium.wrappers.RecordEpisodeStatistics,
            ),
        )
    ]


class Maker:
    """Makes environments like one that is there.

    `gymnasium.make(env.spec)` keeps a time limit as a number and puts it beneath all other
    wrappers, and of two it keeps the outer one; here every wrapper comes back in its place, made
    of the class and the arguments that it has recorded.

    Errors: `UsageError` if the environment is not registered, or if a wrapper has not recorded its
    arguments.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], name: str) -> None:
        spec = env.unwrapped.spec
        if spec is None:
            raise UsageError(
                f"{name} is not registered with Gymnasium, so no second one can be made: register "
                "it, or use evaluation_interval=0 and, for several at once, a vector environment"
            )
        self._name = name
        self._spec = spec
        self._wrappers = [
            (type(w), w._saved_kwargs if isinstance(w, RecordConstructorArgs) else None)
            for w in _wrappers(env)
        ]

    def __call__(self) -> gymnasium.Env[Any, Any]:
        env = gymnasium.make(self._spec)
        for kind, arguments in self._wrappers[len(_wrappers(env)) :]:
            if arguments is None:
                env.close()
                raise UsageError(
                    f"no second {self._name} can be made, because {kind.__name__} around it does "
                    "not record its arguments (gymnasium.utils.RecordConstructorArgs): leave it "
                    "out, or use evaluation_interval=0 and num_envs=1"
                )
            env = kind(**{**arguments, "env": env})
        return env
