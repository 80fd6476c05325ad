"""The ids under which Gymnasium makes the environments of this package."""

from __future__ import annotations

import gymnasium

__all__ = ["register"]

# id: entry point, steps after which an episode is cut
ENVIRONMENTS = {
    "wpg/LQR-v0": ("wpg.envs.lqr:LQREnv", 100),
    "wpg/Trig-v0": ("wpg.envs.finite:trig_env", 100),
    "wpg/MultiGoal-v0": ("wpg.envs.finite:multi_goal_env", 50),
    "wpg/DoubleWell-v0": ("wpg.envs.finite:double_well_env", 1),
    "wpg/MultiGoalPoint-v0": ("wpg.envs.multi_goal_point:MultiGoalPointEnv", 30),
    "wpg/GaussianMixtureBandit-v0": (
        "wpg.envs.gaussian_mixture_bandit:gaussian_mixture_bandit_env",
        1,
    ),
    "wpg/GMM40-v0": ("wpg.envs.gaussian_mixture_bandit:gmm40_env", 1),
}


def register() -> None:
    """Register those ids that are not registered yet; modules are imported when one is made."""
    for name, (entry_point, steps) in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=entry_point, max_episode_steps=steps)
