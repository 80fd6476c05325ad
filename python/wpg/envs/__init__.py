"""Environments as the agents see them."""

from wpg.envs.continuous import ContinuousEnv, make

__all__ = ["ContinuousEnv", "make"]
