"""How far the actions that an agent samples are from the Gibbs policy of its critic, and its critic
from the soft Bellman equation: by importance, from particles whose density is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.policy import soft_value

__all__ = ["VALUE_PARTICLES", "bellman_residual", "kl_to_gibbs", "log_partition"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Particles of the importance sum for soft values; the agent's own cloud is smaller.
VALUE_PARTICLES = 256


def _particles(agent: Any, observations: Float32, particles: int) -> tuple[Float64, Float64]:
    """q / temperature and log density (S, N) of particles as the agent makes them."""
    cloud, log_density = agent.acting_particles(observations, particles, step=2**21)
    values = agent.state_action_values(observations, cloud)
    return values / agent.temperature, log_density.astype(np.float64)


def log_partition(agent: Any, observations: Float32, particles: int = VALUE_PARTICLES) -> Float64:
    """log Z (S,), Z = int exp(q(s, a)/temperature) da: by importance from so many particles.

    Its standard error is sqrt(chi^2/N) with chi^2 that of the Gibbs policy from the acting law.
    """
    scaled, log_density = _particles(agent, observations, particles)
    return soft_value(scaled, log_density, 1.0)


def bellman_residual(
    agent: Any,
    observations: Float32,
    actions: Float32,
    rewards: Float64,
    log_z: Float64,
    terminated: NDArray[np.bool_],
) -> Float64:
    """Residual (n,) [reward] of transitions, at any actions.

        q(s, a) - (r + discount V(s')),   V(s') = temperature (log Z(s') - log volume)

    log_z (n,) : `log_partition` of the next states; V is 0 where the episode was terminated. The
    volume is that which the agent's entropy is relative to.
    """
    q = agent.state_action_values(observations, actions[:, None])[:, 0]
    values = agent.temperature * (log_z - agent.log_base_volume)
    residual: Float64 = q - (rewards + agent.discount * np.where(terminated, 0.0, values))
    return residual


def kl_to_gibbs(agent: Any, observations: Float32, log_z: Float64) -> tuple[Float64, Float64]:
    """KL (S,) [nats] of sampled actions to the Gibbs policy, and the effective fraction (S,).

    Of an agent whose sampled action is one particle of the mixture m:

        KL = mean_i (log m_i - q_i/temperature) + log Z

    Of one that draws it among the N particles of a cloud by their Gibbs weights (`resamples`), the
    upper bound whose mean over clouds this is:

        KL <= E[log Z - log Z_N],   Z_N = mean_i exp(q_i/temperature) / m_i

    over as many particles as the agent acts with; log_z (S,) is `log_partition`, whose own mean is
    too low by about chi^2/(2 K) with K particles. The fraction is what share of the particles the
    importance weights leave.

    Source: the bound, Cremer, Morris, Duvenaud 2017; Domke, Sheldon 2018.
    """
    scaled, log_density = _particles(agent, observations, agent.config.particles)
    if agent.resamples:
        kl = log_z - soft_value(scaled, log_density, 1.0)
    else:
        kl = (log_density - scaled).mean(axis=1) + log_z
    weight = np.exp(scaled - log_density - (scaled - log_density).max(axis=1, keepdims=True))
    kept = weight.sum(axis=1) ** 2 / (weight**2).sum(axis=1) / weight.shape[1]
    return kl, kept
