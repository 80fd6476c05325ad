"""Agents that learn."""

from wpg.agents.interaction import Callback
from wpg.agents.kernel import KernelConfig, KernelWPG
from wpg.agents.neural import NeuralConfig, NeuralWPG, TrainableCritic
from wpg.agents.sac import SAC, SACConfig
from wpg.agents.wpg import WPG, agent_type, config_type, load, make_agent, parse_settings

__all__ = [
    "SAC",
    "WPG",
    "Callback",
    "KernelConfig",
    "KernelWPG",
    "NeuralConfig",
    "NeuralWPG",
    "SACConfig",
    "TrainableCritic",
    "agent_type",
    "config_type",
    "load",
    "make_agent",
    "parse_settings",
]
