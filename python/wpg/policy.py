"""Particle policies: from a cloud that flows along a critic to actions, weights and soft values.

After a Langevin step from `a` a particle lies at a draw of N(a + step_size grad Q(a), 2 step_size
temperature), folded at the walls. The mixture of these Gaussians over the cloud is the exact
density of "pick a particle, take a step". So the moved particles are a proposal with a known
density q, and

    weights       w_i ~ exp(Q(a_i)/temperature) / q(a_i)             draws from the Gibbs policy
    soft value    V = temperature log (1/N) sum_i exp(Q(a_i)/temperature) / q(a_i)

are consistent as N grows, with the modes in their right proportion however badly the chain mixes
between them. Source: importance sampling with a mixture proposal, Owen and Zhou 2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.density import mixture_log_density
from wpg.noise import generator
from wpg.supports import Box
from wpg.transport import flow, langevin

__all__ = [
    "REFINE",
    "ParticlePolicy",
    "choose",
    "gibbs_weights",
    "medoids",
    "soft_value",
    "spread_particles",
]

Floats = NDArray[Any]

REFINE = 5  # steps uphill that find the best action


def spread_particles(support: Box, states: int, particles: int, dimension: int) -> Floats:
    """Particles (S, N, D) float32 that fill a box evenly, the same for every state.

    The additive recurrence x_n = frac(1/2 + n g), with g_d = phi^-(d+1) and phi the root of
    phi^(D+1) = phi + 1: a sequence of low discrepancy in any dimension (Roberts 2018).
    """
    phi = 2.0
    for _ in range(60):
        phi = (1.0 + phi) ** (1.0 / (dimension + 1))
    steps = phi ** -np.arange(1.0, dimension + 1)
    unit = (0.5 + np.arange(particles)[:, None] * steps) % 1.0
    _, low, high = support.arrays(dimension, np.float64)
    cloud = (low + (high - low) * unit).astype(np.float32)
    return np.tile(cloud, (states, 1, 1))


def soft_value(values: Floats, log_density: Floats, temperature: float) -> Floats:
    """Soft value (S,) [reward] from particles drawn from a known density.

        V = temperature log (1/N) sum_i exp(Q_i / temperature) / q_i

    values, log_density : (S, N). Consistent; its bias is O(1/N) and negative (Jensen).
    """
    exponent = values / temperature - log_density
    top = exponent.max(axis=1, keepdims=True)
    return temperature * (np.log(np.exp(exponent - top).mean(axis=1)) + top[:, 0])


def gibbs_weights(values: Floats, log_density: Floats, temperature: float) -> Floats:
    """Weights (S, N) for the Gibbs policy of particles of a known density; a state's largest is 1.

    w_i ~ exp(Q_i / temperature) / q_i
    """
    exponent = values / temperature - log_density
    return np.exp(exponent - exponent.max(axis=1, keepdims=True))


def choose(weights: Floats, uniform: Floats) -> NDArray[np.intp]:
    """One index per state from weights (S, N) that need no normalisation, by inversion of uniform
    draws (S,)."""
    cumulative = np.cumsum(weights, axis=1)
    return np.minimum(
        (cumulative < uniform[:, None] * cumulative[:, -1:]).sum(axis=1), weights.shape[1] - 1
    )


def medoids(cloud: Floats) -> Floats:
    """The particle (S, D) of each cloud (S, N, D) whose distances to all others have the least
    sum. O(S N^2 D), memory too."""
    gaps = np.sqrt(((cloud[:, :, None] - cloud[:, None]) ** 2).sum(axis=3)).sum(axis=2)
    return cloud[np.arange(len(cloud)), gaps.argmin(axis=1)]


class ParticlePolicy:
    """A cloud of particles per state that follows a critic.

    Parameters
    ----------
    support : the box of actions, with boundary "reflect"
    dimension : D
    particles : N
    steps : Langevin steps per call
    noise_fraction : the noise of one step, in half-widths of the box; with the temperature it sets
        the largest step size, noise_fraction^2 half_width^2 / (2 temperature)
    drift_fraction : the largest move by drift in one step, in half-widths; where the critic is
        steep the step size of that state is cut to keep to it
    seed : names the noise
    """

    def __init__(
        self,
        support: Box,
        dimension: int,
        *,
        particles: int,
        steps: int,
        noise_fraction: float = 0.1,
        drift_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        if support.boundary != "reflect":
            raise ValueError(
                f"support has boundary {support.boundary!r}; an agent's particles move and are "
                "weighted in action units, use boundary 'reflect'"
            )
        self.support = support
        self.dimension = dimension
        self.particles = particles
        self.steps = steps
        self.noise_fraction = noise_fraction
        self.drift_fraction = drift_fraction
        self.seed = seed
        _, low, high = support.arrays(dimension, np.float64)
        self.half_width = float((high - low).min() / 2)

    def start(self, states: int) -> Floats:
        """Particles (S, N, D) for states that have none yet."""
        return spread_particles(self.support, states, self.particles, self.dimension)

    @property
    def reach(self) -> float:
        """The first step uphill of `best` [action]: about how far apart `start` is."""
        return self.half_width * 2.0 / self.particles ** (1.0 / self.dimension)

    def largest_step(self, temperature: float) -> float:
        """The step size whose noise is `noise_fraction`."""
        return (self.noise_fraction * self.half_width) ** 2 / (2 * temperature)

    def step_size(self, drift: Floats, temperature: float) -> Floats:
        """Step size (S,) for a drift (S, N, D)."""
        steepest = np.abs(drift).max(axis=(1, 2))
        largest = self.largest_step(temperature)
        with np.errstate(divide="ignore"):
            bounded = self.drift_fraction * self.half_width / steepest
        return np.minimum(largest, bounded).astype(drift.dtype)

    def move(
        self,
        critic: Any,
        states: Floats,
        cloud: Floats,
        *,
        temperature: float,
        step: int,
        also: Floats | None = None,
    ) -> tuple[Floats, Floats, Floats]:
        """Let the cloud flow, and say what it then is.

        All steps but the last run fused; the last one is taken apart, because its Gaussians are the
        density of the moved particles.

        Returns
        -------
        particles (S, N, D), values Q (S, N), log_density (S, N) of the last-step mixture; with
        `also` (S, K, D) the density is (S, N + K), at the particles and then at these points
        """
        eta = self.step_size(critic.action_gradient(states, cloud), temperature)
        cloud = flow(
            cloud,
            critic,
            states,
            steps=self.steps - 1,
            step_size=eta,
            temperature=temperature,
            seed=self.seed,
            step=step * self.steps,
            support=self.support,
        )
        drift = critic.action_gradient(states, cloud)
        means = cloud + eta[:, None, None] * drift
        cloud = langevin(
            cloud,
            drift,
            step_size=eta,
            temperature=temperature,
            seed=self.seed,
            step=step * self.steps + self.steps - 1,
            support=self.support,
        )
        std = np.sqrt(2 * eta * np.float32(temperature))
        points = cloud if also is None else np.concatenate([cloud, also], axis=1)
        density = mixture_log_density(points, means, std, self.support)
        return cloud, critic.value(states, cloud), density

    def best(self, critic: Any, states: Floats, *, refine: int = REFINE) -> tuple[Floats, Floats]:
        """The best action (S, D) for each state and its value (S,): a function of the states alone.

        Evenly spread particles, the best few of them moved uphill (temperature 0) with a step that
        is halved each time.
        """
        cloud = self.start(len(states))
        values = critic.value(states, cloud)
        few = min(4, self.particles)
        rows = np.arange(len(states))[:, None]
        top = np.ascontiguousarray(cloud[rows, np.argsort(-values, axis=1, kind="stable")[:, :few]])
        _, low, high = self.support.arrays(self.dimension, top.dtype)
        reach = self.reach
        best, value = top[:, 0], values.max(axis=1)
        for _ in range(refine):
            slope = critic.action_gradient(states, top)
            length = np.sqrt((slope**2).sum(axis=2, keepdims=True)) + np.float32(1e-30)
            top = np.clip(top + np.float32(reach) * slope / length, low, high)
            moved = critic.value(states, top)
            winner = moved.argmax(axis=1)
            better = moved[rows[:, 0], winner] > value
            best = np.where(better[:, None], top[rows[:, 0], winner], best)
            value = np.where(better, moved[rows[:, 0], winner], value)
            reach /= 2
        return best, value

    def sample(
        self,
        cloud: Floats,
        values: Floats,
        log_density: Floats,
        *,
        temperature: float,
        stream: str,
        step: int,
    ) -> Floats:
        """One action (S, D) for each state, drawn from its Gibbs policy by importance."""
        weights = gibbs_weights(values, log_density, temperature)
        uniform = generator(self.seed, stream, step).random(len(cloud))
        return cloud[np.arange(len(cloud)), choose(weights, uniform)]
