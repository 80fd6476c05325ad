"""Soft actor-critic: the particle agent with one squashed Gaussian per state."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from wpg.agents import settings
from wpg.agents.neural import NeuralConfig, NeuralWPG
from wpg.agents.settings import setting

__all__ = ["SAC", "SACConfig"]


@dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic: as in `NeuralConfig`, with its defaults, without those of
    particles. The form in common use has no layer norm, raw observations, a policy_delay of 1 and
    backup_steps of 1."""

    temperature: float | str = setting("auto", 1e-12, 1e12, kinds=(float, str), choices=("auto",))
    target_entropy: float | str = setting("auto", -1e6, 1e6, kinds=(float, str), choices=("auto",))
    initial_temperature: float = setting(1.0, 1e-12, 1e12)
    discount: float | str = setting("auto", 0.0, 0.99999, kinds=(float, str), choices=("auto",))
    warmup_steps: int | str = setting("auto", 1, 10**9, kinds=(int, str), choices=("auto",))
    replay_size: int = setting(1_000_000, 1, 10**12)
    evaluation_interval: int = setting(5000, 0, 10**12)
    evaluation_episodes: int = setting(10, 1, 10**6)
    batch_size: int = setting(256, 1, 10**7)
    updates: int = setting(1, 1, 10**4)
    learning_rate: float = setting(3e-4, 0.0, 1.0)
    averaging_rate: float = setting(0.005, 0.0, 1.0)
    backup_steps: int | str = setting("auto", 1, 1000, kinds=(int, str), choices=("auto",))
    normalise_observations: bool = setting(True)
    width: int = setting(256, 1, 65536)
    depth: int = setting(2, 0, 16)
    ensemble: int = setting(2, 1, 100)
    layer_norm: bool = setting(True)
    activation: str = setting("relu", choices=("relu", "silu"))
    policy_delay: int = setting(2, 1, 10**4)
    behaviour_noise: str = setting("mixed", choices=("mixed", "pink", "white"))

    def as_dict(self) -> dict[str, Any]:
        return settings.as_dict(self)


class SAC(NeuralWPG):
    """Soft actor-critic on the same critic, replay and loop as `NeuralWPG`.

    One squashed Gaussian per state, its gradient at one draw, no transport beyond it: the policy
    class is the only difference. The gradient's length is set before Adam sees it, as there; the
    usual form leaves it as it is. Deterministic actions are tanh of the Gaussian's mean.

    Source: Haarnoja et al. 2018, with the tuned temperature of its second version.
    """

    agent = "sac"
    config_type = SACConfig

    def _full_config(self) -> NeuralConfig:
        given = {field.name: getattr(self.settings, field.name) for field in fields(SACConfig)}
        return NeuralConfig(
            **given,
            target_particles=1,
            latent_size=0,
            particles=1,
            policy_states=self.settings.batch_size,
            transport_steps=1,
            evaluation_candidates=1,
        )
