"""Soft actor-critic: the particle agent with one squashed Gaussian per state."""

from __future__ import annotations

from dataclasses import dataclass

from wpg.agents.neural import ActorCriticConfig, NeuralConfig, NeuralWPG

__all__ = ["SAC", "SACConfig"]


@dataclass(frozen=True)
class SACConfig(ActorCriticConfig):
    """Settings of soft actor-critic. The form in common use has no layer norm, raw observations, a
    policy_delay of 1 and backup_steps of 1."""


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
        return NeuralConfig(
            **self.settings.as_dict(),
            target_particles=1,
            latent_size=0,
            particles=1,
            policy_states=self.settings.batch_size,
            transport_steps=1,
            evaluation_candidates=1,
        )
