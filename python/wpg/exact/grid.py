"""Midpoint grids on boxes and tori, in float64."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wpg.exact.arguments import count, finite
from wpg.supports import Box, Torus

__all__ = ["Grid", "log_density", "midpoint_grid"]

Float64 = NDArray[np.float64]

# A grid of more points holds no table of rewards that a machine has memory for.
MOST_POINTS = 4_000_000


@dataclass(frozen=True, eq=False)
class Grid:
    """Cell centres of a box or torus, n a dimension, and the volume of a cell.

    points (G, D) [action], weights (G,) [action^D], G = n^D, the last coordinate fastest.
    Densities on a grid are arrays (S, G) [1/action^D].
    """

    points: Float64
    weights: Float64
    n: int = field(repr=False)
    low: Float64 = field(repr=False)
    high: Float64 = field(repr=False)
    periodic: bool

    @property
    def dimension(self) -> int:
        """D."""
        return self.points.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,) * D: what (..., G) reshapes to."""
        return (self.n,) * self.dimension

    @property
    def spacing(self) -> Float64:
        """Cell edges (D,) [action]."""
        return (self.high - self.low) / self.n

    def __len__(self) -> int:
        return len(self.points)

    def integrate(self, values: Float64) -> Float64:
        """Midpoint rule over the last axis: (..., G) -> (...)."""
        return values @ self.weights

    def kl(self, density: Float64, log_other: Float64) -> Float64:
        """KL (S,) [nats] of densities (S, G) to those whose logarithms are given: (S, G)."""
        return self.integrate(density * (log_density(density) - log_other))

    def normalise(self, density: Float64) -> Float64:
        """The density (..., G) divided by its integral, which must be positive."""
        mass = np.asarray(self.integrate(density))
        if not (np.isfinite(mass) & (mass > 0.0)).all():
            raise ValueError(
                f"density integrates to {mass.min():.3g} at a state; it must be positive and finite"
            )
        return density / mass[..., None]

    def uniform(self, n_states: int) -> Float64:
        """The uniform density (S, G)."""
        n_states = count(n_states, "n_states")
        return np.full((n_states, len(self)), 1.0 / self.weights.sum())

    def tilted(self, n_states: int, strength: float = 2.0) -> Float64:
        """A smooth positive density (S, G) on one side: log p = strength sum_d sin(2 pi u_d) + c.

        u in [0, 1]^D runs over the support. Unlike the uniform density it has no symmetry that a
        slow mode of a flow could hide behind.
        """
        n_states, strength = count(n_states, "n_states"), finite(strength, "strength")
        unit = (self.points - self.low) / (self.high - self.low)
        log_density = strength * np.sin(2.0 * np.pi * unit).sum(axis=1)
        density = np.exp(log_density - log_density.max())
        return np.tile(self.normalise(density), (n_states, 1))

    def gradient(self, values: Float64) -> Float64:
        """Spectral derivative of a periodic function: (..., G) -> (..., G, D), torus only.

        Exact to rounding for functions that the grid resolves; the Nyquist mode has none.
        """
        if not self.periodic:
            raise ValueError("gradient is spectral and wants a torus; this grid is a box")
        D, n = self.dimension, self.n
        lead = values.shape[:-1]
        cube = values.reshape(*lead, *self.shape)
        parts = []
        for d in range(D):
            axis = len(lead) + d
            wave = 2j * np.pi * np.fft.fftfreq(n, 1.0 / n) / (self.high[d] - self.low[d])
            if n % 2 == 0:
                wave[n // 2] = 0.0
            shape = [1] * cube.ndim
            shape[axis] = n
            spectrum = np.fft.fft(cube, axis=axis) * wave.reshape(shape)
            parts.append(np.fft.ifft(spectrum, axis=axis).real.reshape(values.shape))
        return np.stack(parts, axis=-1)


def log_density(density: Float64) -> Float64:
    """log of a density, with 0 log 0 = 0 in mind: 0 where the density is 0."""
    return np.log(np.where(density > 0.0, density, 1.0))


def midpoint_grid(support: Box | Torus, n: int, dimension: int) -> Grid:
    """The midpoint rule with n points a dimension on a support."""
    n = count(n, "n", 2)
    if n**dimension > MOST_POINTS:
        raise ValueError(
            f"n is {n}; a grid of {dimension} dimension{'s' if dimension > 1 else ''} may have at "
            f"most n = {int(MOST_POINTS ** (1.0 / dimension))}"
        )
    _, low, high = support.arrays(dimension, np.float64)
    spacing = (high - low) / n
    axes = [low[d] + spacing[d] * (np.arange(n) + 0.5) for d in range(dimension)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimension)
    weights = np.full(len(points), float(np.prod(spacing)))
    for array in (points, weights):
        array.flags.writeable = False
    return Grid(points, weights, int(n), low, high, isinstance(support, Torus))
