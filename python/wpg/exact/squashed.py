"""Langevin steps in an unbounded variable y for actions in a box: a = middle + half_width s(y).

    tanh      s(y) = tanh y                probit     s(y) = 2 Phi(y) - 1

A density of a becomes one of y with Q_y(y) = Q(a(y)) + temperature log |da/dy|, and the step is the
plain one for Q_y: its drift grad_y Q_y holds the Jacobian term, without which the law would be
wrong. KL does not see the change of variable. With tanh the law of y has tails exp(-2|y|): a
spectral gap but no log-Sobolev inequality. With probit alpha_y >= exp(-osc Q / temperature), since
the uniform law of a is N(0, 1) in y.

One action dimension, on a midpoint grid of y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from wpg.exact.arguments import array, finite, positive
from wpg.exact.grid import Grid, midpoint_grid
from wpg.exact.langevin_operators import langevin_operator
from wpg.supports import Box

__all__ = ["SQUASHES", "SquashedChain", "squashed_chain"]

Float64 = NDArray[np.float64]

# y where the density of the uniform law has fallen to exp(-40): 2 exp(-2y) and exp(-y^2/2).
REACH = {"tanh": 21.0, "probit": 9.0}
SQUASHES = tuple(REACH)


@dataclass(frozen=True)
class SquashedChain:
    """What one squashed step does: `operator` (S, G, G) on densities of y, the Gibbs law (S, G)
    in y, the grid of y, and the actions (G,) at its points."""

    grid: Grid
    actions: Float64
    gibbs: Float64
    operator: Float64

    def kl_floor(self, density: Float64) -> Float64:
        """KL(density || Gibbs) (S,); density (S, G) in y."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(density > 0.0, np.log(density / self.gibbs), 0.0)
        return self.grid.integrate(density * ratio)


def squashed_chain(
    q: Callable[[Float64], Float64],
    q_gradient: Callable[[Float64], Float64],
    low: float,
    high: float,
    *,
    temperature: float,
    step_size: float,
    squash: str,
    n: int,
) -> SquashedChain:
    """The exact operator of one squashed Langevin step, with n points in y.

    q, q_gradient : actions (G,) -> (S, G) [reward], [reward/action]

    Errors: ValueError if the grid is too coarse for the step, naming the n that is needed.
    """
    if squash not in SQUASHES:
        raise ValueError(
            f"squash is {squash!r}; it must be one of {', '.join(map(repr, SQUASHES))}"
        )
    low, high = finite(low, "low"), finite(high, "high")
    if not low < high:
        raise ValueError(f"low is {low:g} and high is {high:g}; low must be below high")
    temperature = positive(temperature, "temperature")
    grid = midpoint_grid(Box(-REACH[squash], REACH[squash]), n, 1)
    y = grid.points[:, 0]
    half = (high - low) / 2.0
    if squash == "tanh":
        unit, slope = np.tanh(y), half / np.cosh(y) ** 2
        log_slope_gradient = -2.0 * np.tanh(y)
        log_slope = np.log(half) - 2.0 * (
            np.abs(y) + np.log1p(np.exp(-2.0 * np.abs(y))) - np.log(2)
        )
    else:
        unit = scipy.special.erf(y / np.sqrt(2.0))
        log_slope = np.log(half) + np.log(2.0) - y**2 / 2.0 - 0.5 * np.log(2.0 * np.pi)
        slope = np.exp(log_slope)
        log_slope_gradient = -y
    actions = (low + high) / 2.0 + half * unit
    reward = array(q(actions), "q", ("S", len(actions)))
    drift = array(q_gradient(actions), "q_gradient", reward.shape)
    energy = reward + temperature * log_slope
    gradient = slope * drift + temperature * log_slope_gradient
    gibbs = grid.normalise(np.exp((energy - energy.max(axis=1, keepdims=True)) / temperature))
    operator = langevin_operator(gradient[..., None], grid, step_size, temperature)
    return SquashedChain(grid, actions, gibbs, operator)
