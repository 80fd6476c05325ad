"""The agent by the kind of its critic, and what has been saved of any agent."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any

import gymnasium

from wpg.agents import settings
from wpg.agents.interaction import require_same_wrappers
from wpg.agents.kernel import KernelConfig, KernelWPG
from wpg.agents.neural import NeuralConfig, NeuralWPG, require_trainable
from wpg.agents.sac import SAC, SACConfig
from wpg.checkpoint import CHECKPOINT, read_checkpoint
from wpg.errors import CheckpointError, UsageError

__all__ = ["WPG", "agent_type", "config_type", "load", "make_agent", "parse_settings"]

# (agent, critic): how it is made, and its settings
KINDS: dict[tuple[str, str], tuple[type[Any], type[Any]]] = {
    ("wpg", "kernel"): (KernelWPG, KernelConfig),
    ("wpg", "neural"): (NeuralWPG, NeuralConfig),
    ("sac", "neural"): (SAC, SACConfig),
}


def _kind(agent: Any, critic: Any) -> tuple[type[Any], type[Any]]:
    if not (isinstance(agent, str) and isinstance(critic, str)) or (agent, critic) not in KINDS:
        known = ", ".join(f"{a!r} with {c!r}" for a, c in KINDS)
        raise UsageError(f"agent is {agent!r} with critic {critic!r}; known are {known}")
    return KINDS[agent, critic]


def agent_type(agent: str, critic: str) -> type[Any]:
    """The class of an agent with a kind of critic."""
    return _kind(agent, critic)[0]


def config_type(agent: str, critic: str) -> type[Any]:
    """The settings that an agent with a kind of critic has."""
    return _kind(agent, critic)[1]


def parse_settings(texts: dict[str, str], agent: str = "wpg", critic: str = "kernel") -> Any:
    """Settings from KEY=VALUE texts; UsageError if a key or a value is wrong."""
    return settings.from_texts(_kind(agent, critic)[1], texts)


def make_agent(
    env: gymnasium.Env[Any, Any] | str, *, agent: str, critic: str, seed: int, **config: Any
) -> Any:
    """An agent by its name and that of its critic."""
    return _kind(agent, critic)[0](env, seed=seed, **config)


class WPG(metaclass=ABCMeta):  # noqa: B024 (abstract, so that agents can register with it)
    """An agent that holds its policy as particles.

    Parameters
    ----------
    env_or_id : id of a Gymnasium environment, or an environment
    critic : "kernel" for few dimensions and few steps (`KernelWPG`), "neural" (`NeuralWPG`), or a
        critic of your own that can be trained (`wpg.agents.TrainableCritic`)
    seed : names every random draw of the run, 0 <= seed < 2^63
    **config : settings, see `KernelConfig` and `NeuralConfig`

    Returns a `KernelWPG` or `NeuralWPG`; both count as instances of this class, and so does `SAC`,
    which is a `NeuralWPG`.
    Errors: `UsageError` (a ValueError) with one line that says what to do.

    Source: arXiv 2605.26078.
    """

    def __new__(
        cls,
        env_or_id: gymnasium.Env[Any, Any] | str,
        critic: Any = "kernel",
        seed: int = 0,
        **config: Any,
    ) -> Any:
        if isinstance(critic, str):
            return make_agent(env_or_id, agent="wpg", critic=critic, seed=seed, **config)
        require_trainable(critic)
        return NeuralWPG(env_or_id, seed=seed, critic=critic, **config)

    @classmethod
    def load(cls, path: str | Path, env: gymnasium.Env[Any, Any] | str | None = None) -> Any:
        """The agent of any kind that `save` wrote, a `SAC` too, or that of a run folder; see
        `wpg.agents.load`."""
        return load(path, env)


WPG.register(KernelWPG)
WPG.register(NeuralWPG)


def load(path: str | Path, env: gymnasium.Env[Any, Any] | str | None = None) -> Any:
    """The agent that `save` wrote, or that of a run folder. Nothing in the file is executed.

    env : None to make the environment that the file names; a name with a module part, which would
        be imported, is refused and wants `env`
    """
    path = Path(path)
    if path.is_dir():
        path /= CHECKPOINT
    meta, arrays = read_checkpoint(path)
    name, config = meta.get("env"), meta.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise CheckpointError(f"{path} cannot be used: it names no environment and settings")
    if env is None and ":" in name:
        raise CheckpointError(f"{path} wants to import {name.split(':')[0]!r}; give env yourself")
    if meta.get("kind") == "own":
        raise CheckpointError(
            f"{path} was saved with a critic of its owner's; make the agent with that critic and "
            "call restore"
        )
    try:
        agent = make_agent(
            name if env is None else env,
            agent=meta.get("agent", "wpg"),
            critic=meta.get("kind", "kernel"),
            seed=meta.get("seed", 0),
            **config,
        )
    except TypeError as error:
        raise CheckpointError(f"{path} cannot be used: {error}") from None
    if env is None:
        require_same_wrappers(path, meta, agent.env)
    agent.take(path, meta, arrays)
    return agent
