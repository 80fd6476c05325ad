"""Problems written as a user would write them: not the named ones, drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.exact import FiniteMDP, Grid
from wpg.supports import Box, Torus

Float64 = NDArray[np.float64]

SHAPES = [("torus", 1), ("torus", 2), ("box", 1), ("box", 2)]
POINTS = {1: 48, 2: 14}


def user_problem(
    seed: int,
    kind: str,
    dimension: int,
    *,
    n_states: int = 4,
    discount: float = 0.9,
    temperature: float = 0.4,
    sparse: bool = False,
) -> FiniteMDP:
    """Random Fourier rewards and softmax transitions on a lopsided torus or box, without gradients.

    With `sparse` every state has three successors, one of them named twice.
    """
    rng = np.random.default_rng(seed)
    S, D, waves = n_states, dimension, 3
    width = rng.uniform(1.5, 4.0, D)
    low = np.zeros(D) if kind == "torus" else rng.uniform(-2.0, 0.0, D)
    support: Any = Torus(width) if kind == "torus" else Box(low, low + width)
    frequency = 2.0 * np.pi * rng.integers(-2, 3, (waves, D)) / width
    K = 3 if sparse else S
    height = rng.normal(size=(S, waves))
    phase = rng.uniform(0, 6, (S, waves))
    logit_height = rng.normal(size=(S, K, waves))
    successors = None
    if sparse:
        successors = rng.integers(0, S, (S, K))
        successors[:, 2] = successors[:, 1]

    def angles(actions: Float64) -> Float64:
        return actions @ frequency.T  # (S, N, waves)

    def reward(actions: Float64) -> Float64:
        return (height[:, None] * np.cos(angles(actions) + phase[:, None])).sum(axis=2)

    def transition(actions: Float64) -> Float64:
        logits = np.einsum("skw,snw->snk", logit_height, np.sin(angles(actions)))
        rows = np.exp(logits)
        return rows / rows.sum(axis=2, keepdims=True)

    return FiniteMDP(
        S,
        D,
        reward,
        transition,
        support,
        discount=discount,
        temperature=temperature,
        successors=successors,
        name="user",
    )


def rough_density(mdp: FiniteMDP, grid: Grid, seed: int) -> Float64:
    """A positive density (S, G) without any smoothness."""
    rng = np.random.default_rng(seed)
    return grid.normalise(np.exp(rng.normal(size=(mdp.n_states, len(grid)))))


def smooth_density(mdp: FiniteMDP, grid: Grid, seed: int) -> Float64:
    """A positive density (S, G) of few Fourier modes, the same whatever the grid."""
    rng = np.random.default_rng(seed)
    unit = 2.0 * np.pi * (grid.points - grid.low) / (grid.high - grid.low)
    log_density = np.zeros((mdp.n_states, len(grid)))
    for _ in range(3):
        k = rng.integers(-2, 3, grid.dimension)
        log_density += rng.normal(0, 0.5, (mdp.n_states, 1)) * np.cos(unit @ k + rng.uniform(0, 6))
    return grid.normalise(np.exp(log_density))


def value_derivative(problem: Any, grid: Grid, pi: Float64, rate: Float64) -> Float64:
    """dV/dt (S,) for d pi/dt = rate, by Richardson-extrapolated central differences.

    The perturbation e is relative to pi / |rate|: V is smooth in e, so what is left is O(e^4), some
    1e-12, and the rounding 1e-16 cond / e, some 1e-12 of V.
    """
    step = 2e-3 / float((np.abs(rate) / pi).max())

    def difference(e: float) -> Float64:
        ahead = problem.evaluate(pi + e * rate, grid)
        return (ahead - problem.evaluate(pi - e * rate, grid)) / (2.0 * e)

    return (4.0 * difference(step / 2.0) - difference(step)) / 3.0
