"""Environments as the agents see them, and environments whose exact answer is known.

Importing this package registers `wpg/LQR-v0`, `wpg/Trig-v0`, `wpg/MultiGoal-v0`,
`wpg/DoubleWell-v0`, `wpg/MultiGoalPoint-v0`, `wpg/GaussianMixtureBandit-v0` and `wpg/GMM40-v0`
with Gymnasium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wpg.envs.continuous import ContinuousEnv, make
from wpg.envs.registration import register
from wpg.envs.vector import SideBySide, VectorStep, make_side_by_side

if TYPE_CHECKING:
    from wpg.envs.finite import FiniteMDPEnv
    from wpg.envs.lqr import LQREnv
    from wpg.envs.multi_goal_point import MultiGoalPointEnv

__all__ = [
    "ContinuousEnv",
    "FiniteMDPEnv",
    "LQREnv",
    "MultiGoalPointEnv",
    "SideBySide",
    "VectorStep",
    "make",
    "make_side_by_side",
    "register",
]

register()


def __getattr__(name: str) -> Any:
    # The exact problems need SciPy, which an agent in another environment does not wait for.
    if name == "LQREnv":
        from wpg.envs.lqr import LQREnv

        return LQREnv
    if name == "FiniteMDPEnv":
        from wpg.envs.finite import FiniteMDPEnv

        return FiniteMDPEnv
    if name == "MultiGoalPointEnv":
        from wpg.envs.multi_goal_point import MultiGoalPointEnv

        return MultiGoalPointEnv
    raise AttributeError(f"module 'wpg.envs' has no attribute {name!r}")
