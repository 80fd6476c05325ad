"""Agents that learn."""

from wpg.agents.kernel import WPG, KernelConfig, parse_settings

__all__ = ["WPG", "KernelConfig", "parse_settings"]
