"""The learners of a comparison behind one function: ours and other people's, step by step.

`train` tells after every environment step how many there were and hands out the policy of that
moment. Whoever is told may evaluate, stop a clock or wait there: the learner notices none of it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

__all__ = ["LEARNERS", "OWN", "Predict", "load", "peak_memory", "settings_for", "train", "versions"]

Predict = Callable[[NDArray[np.float32]], NDArray[Any]]  # observations (S, O) -> actions (S, D)
OnStep = Callable[[int, Predict], None]

OWN = ("wpg", "wpg-sac", "wpg-sac-plain", "wpg-kernel")
# Soft actor-critic in the form in common use, which is that of the others here: our own defaults
# share learning rate, layer norm, normalised observations, backup steps, policy delay and averaging
# with the particle agent.
PLAIN: dict[str, Any] = {
    "learning_rate": 3e-4,
    "layer_norm": False,
    "normalise_observations": False,
    "backup_steps": 1,
    "policy_delay": 1,
    "policy_averaging_rate": 1.0,
    "behaviour_noise": "white",
}
LEARNERS = (*OWN, "sb3-sac", "sbx-sac")
PACKAGES = {
    "sb3-sac": ("stable-baselines3", "torch"),
    "sbx-sac": ("sbx-rl", "stable-baselines3", "jax"),
}
MODULES = {
    "sb3-sac": ("torch", "stable_baselines3"),
    "sbx-sac": ("jax", "stable_baselines3", "sbx"),
}

# rl-baselines3-zoo, hyperparams/sac.yml, commit 22e3ff24 of 2026-04-23. What is not named there is
# the default of stable_baselines3.SAC: 2 x 256 ReLU, batch 256, an update a step, learning rate
# 3e-4, tuned temperature. The zoo has the MuJoCo tasks as v4, HalfCheetah as `&mujoco-defaults`
# (n_timesteps 1e6, MlpPolicy, learning_starts 10000) and the others as `<<: *mujoco-defaults`; they
# are taken for v5. Numbers of steps are the comparison's own.
MUJOCO: dict[str, Any] = {"learning_starts": 10_000}
ZOO: dict[str, dict[str, Any]] = {
    "HalfCheetah-v5": MUJOCO,
    "Ant-v5": MUJOCO,
    "Hopper-v5": MUJOCO,
    "Walker2d-v5": MUJOCO,
    "Humanoid-v5": MUJOCO,
    "Swimmer-v5": {**MUJOCO, "gamma": 0.999},
    "Pendulum-v1": {"learning_rate": 1e-3},
    "MountainCarContinuous-v0": {
        "learning_rate": 3e-4,
        "buffer_size": 50_000,
        "batch_size": 512,
        "ent_coef": 0.1,
        "train_freq": 32,
        "gradient_steps": 32,
        "gamma": 0.9999,
        "tau": 0.01,
        "learning_starts": 0,
        "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.67, "net_arch": [64, 64]},
    },
    "LunarLanderContinuous-v3": {
        "batch_size": 256,
        "learning_rate": "lin_7.3e-4",
        "buffer_size": 1_000_000,
        "ent_coef": "auto",
        "gamma": 0.99,
        "tau": 0.01,
        "train_freq": 1,
        "gradient_steps": 1,
        "learning_starts": 10_000,
        "policy_kwargs": {"net_arch": [400, 300]},
    },
}


def settings_for(learner: str, env_id: str) -> dict[str, Any]:
    """What is set otherwise than by the learner's defaults: the zoo's, or nothing for our own."""
    return {} if learner in OWN else dict(ZOO.get(env_id, {}))


def versions(learner: str) -> dict[str, str]:
    """Versions of what a learner's figures depend on; packages that are not there are left out."""
    found = {}
    for package in ("gymnasium", "mujoco", *PACKAGES.get(learner, ())):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def load(learner: str) -> None:
    """Import what the learner needs, so that a clock that starts afterwards does not see it."""
    for module in MODULES.get(learner, ("wpg.agents",)):
        importlib.import_module(module)


def peak_memory() -> float:
    """The most memory this process has held so far [MiB].

    Not `ru_maxrss`, which a new process inherits from the one that started it.
    """
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def train(
    learner: str,
    env_id: str,
    *,
    seed: int,
    total_steps: int,
    on_step: OnStep,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Train once from the start; on_step(env_steps, predict) after every environment step.

    Returns the settings of the run, all of them for our own learners. In the learners of others
    step k is told before the update that belongs to it, in ours after it.
    """
    if learner in OWN:
        return _train_own(learner, env_id, seed, total_steps, on_step, settings)
    return _train_other(learner, env_id, seed, total_steps, on_step, settings)


def make_own(learner: str, env_id: str, seed: int, settings: dict[str, Any]) -> Any:
    """Our agent of that name, which leaves evaluation to us."""
    import wpg

    wpg.set_num_threads(1)
    if learner in ("wpg-sac", "wpg-sac-plain"):
        form = PLAIN if learner == "wpg-sac-plain" else {}
        return wpg.SAC(env_id, seed=seed, evaluation_interval=0, **form, **settings)
    critic = {"wpg": "neural", "wpg-kernel": "kernel"}[learner]
    return wpg.WPG(env_id, critic=critic, seed=seed, evaluation_interval=0, **settings)


def _train_own(
    learner: str,
    env_id: str,
    seed: int,
    total_steps: int,
    on_step: OnStep,
    settings: dict[str, Any],
) -> dict[str, Any]:
    agent = make_own(learner, env_id, seed, settings)

    def predict(observations: NDArray[np.float32]) -> NDArray[Any]:
        return agent.predict(observations, deterministic=True)[0]

    def tell(_: Any, event: str, record: dict[str, Any]) -> None:
        if event == "step":
            on_step(record["env_steps"], predict)

    agent.learn(total_steps, callback=tell)
    return agent.config.as_dict()


def _train_other(
    learner: str,
    env_id: str,
    seed: int,
    total_steps: int,
    on_step: OnStep,
    settings: dict[str, Any],
) -> dict[str, Any]:
    from stable_baselines3.common.callbacks import BaseCallback

    if learner == "sb3-sac":
        import torch
        from stable_baselines3 import SAC

        torch.set_num_threads(1)
    else:
        from sbx import SAC

    given = dict(settings)
    rate = given.get("learning_rate")
    if isinstance(rate, str):  # the zoo's word for a rate that falls to zero at the end
        first = float(rate.removeprefix("lin_"))
        given["learning_rate"] = lambda remaining: remaining * first
    model = SAC("MlpPolicy", gymnasium.make(env_id), seed=seed, device="cpu", **given)

    def predict(observations: NDArray[np.float32]) -> NDArray[Any]:
        return model.predict(observations, deterministic=True)[0]

    class EachStep(BaseCallback):
        def _on_step(self) -> bool:
            on_step(self.num_timesteps, predict)
            return True

    model.learn(total_steps, callback=EachStep())
    return settings
