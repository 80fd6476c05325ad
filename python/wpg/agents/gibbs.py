"""How far an agent's acting particles are from the Gibbs policy of its critic, and its critic from
the soft Bellman equation: by importance, from particles whose density is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.policy import soft_value

__all__ = ["VALUE_PARTICLES", "bellman_residual", "kl_to_gibbs"]

Float64 = NDArray[np.float64]

# Particles of the importance sum for soft values; the agent's own cloud is smaller.
VALUE_PARTICLES = 256


def _particles(agent: Any, observations: NDArray[np.float32], particles: int) -> tuple[Any, Any]:
    """q / temperature and log density (S, N), float64, of particles as the agent makes them."""
    cloud, log_density = agent.acting_particles(observations, particles, step=2**21)
    values = agent.state_action_values(observations, cloud)
    return values / agent.temperature, log_density.astype(np.float64)


def bellman_residual(
    agent: Any,
    observations: NDArray[np.float32],
    actions: NDArray[np.float32],
    rewards: Float64,
    next_observations: NDArray[np.float32],
    terminated: NDArray[np.bool_],
) -> Float64:
    """Residual (n,) [reward] of transitions, at any actions.

        q(s, a) - (r + discount V(s')),   V(s) = temperature log int exp(q(s, .)/temperature) dnu

    nu is the base measure of the agent's entropy; V is a sum by importance over
    `VALUE_PARTICLES` particles, 0 where the episode was terminated.
    """
    q = agent.state_action_values(observations, actions[:, None])[:, 0]
    scaled, log_density = _particles(agent, next_observations, VALUE_PARTICLES)
    tau = agent.temperature
    values = soft_value(scaled * tau, log_density, tau) - tau * agent.log_base_volume
    residual: Float64 = q - (rewards + agent.discount * np.where(terminated, 0.0, values))
    return residual


def kl_to_gibbs(agent: Any, observations: NDArray[np.float32]) -> tuple[Float64, Float64]:
    """KL (S,) [nats] of the acting mixture m to the Gibbs policy, and the effective fraction (S,).

        KL = mean_i (log m_i - q_i/temperature) + log Z,   Z = int exp(q/temperature)

    over as many particles as the agent acts with, Z by importance from `VALUE_PARTICLES`. The
    fraction is what share of the particles the importance weights leave.
    """
    scaled, log_density = _particles(agent, observations, agent.config.particles)
    many, many_density = _particles(agent, observations, VALUE_PARTICLES)
    log_partition = soft_value(many, many_density, 1.0)
    kl = (log_density - scaled).mean(axis=1) + log_partition
    weight = np.exp(scaled - log_density - (scaled - log_density).max(axis=1, keepdims=True))
    kept = weight.sum(axis=1) ** 2 / (weight**2).sum(axis=1) / weight.shape[1]
    return kl, kept
