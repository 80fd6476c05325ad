"""The Fokker-Planck equation of a fixed Q on a grid, positive and with its Gibbs law kept exactly.

    dp/dt = -div(p grad Q) + temperature lap p

Between neighbouring cells i, j a distance dx apart mass jumps at the rates

    rate(i -> j) = (temperature / dx^2) B( (Q_i - Q_j) / temperature ),   B(x) = x / (exp(x) - 1)

so that exp(Q / temperature) is in detailed balance, all rates are positive and mass is kept.
Source: Scharfetter and Gummel 1969; Chang and Cooper 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from wpg.exact.grid import Grid

__all__ = [
    "JumpRates",
    "advance",
    "bernoulli",
    "edge_weights",
    "flow_rate",
    "generator_matrix",
    "relative_fisher",
    "scharfetter_gummel",
]

Float64 = NDArray[np.float64]

# Grid points up to which a transition matrix is cheaper than many small jumps.
MOST_DENSE = 256


def bernoulli(x: Float64) -> Float64:
    """x / (exp(x) - 1), 1 at 0."""
    safe = np.where(np.abs(x) < 1e-12, 1.0, x)
    with np.errstate(over="ignore"):
        return np.where(np.abs(x) < 1e-12, 1.0 - x / 2.0, safe / np.expm1(safe))


@dataclass(frozen=True)
class JumpRates:
    """For each axis d, rates (D, S, *shape) [1/time] between cell k and its next one along d.

    ahead: from k to the next; back: from the next to k. At the last cell of a box both are 0.
    """

    ahead: Float64
    back: Float64


def _next(cube: Float64, d: int) -> Float64:
    """The neighbour's value along grid axis d of (S, *shape)."""
    return np.roll(cube, -1, axis=d + 1)


def _previous(cube: Float64, d: int) -> Float64:
    return np.roll(cube, 1, axis=d + 1)


def edge_weights(grid: Grid) -> Float64:
    """(D, 1, *shape): 1/dx_d^2 on edges, 0 beyond the wall of a box."""
    D = grid.dimension
    weights = np.ones((D, 1, *grid.shape)) / (grid.spacing**2).reshape((D,) + (1,) * (D + 1))
    if not grid.periodic:
        for d in range(D):
            np.moveaxis(weights[d], d + 1, 0)[-1] = 0.0
    return weights


def scharfetter_gummel(q: Float64, grid: Grid, temperature: float) -> JumpRates:
    """The jump rates of Q (S, G)."""
    cube = q.reshape(len(q), *grid.shape)
    weights = temperature * edge_weights(grid)
    ahead, back = [], []
    for d in range(grid.dimension):
        climb = (_next(cube, d) - cube) / temperature
        ahead.append(weights[d] * bernoulli(-climb))
        back.append(weights[d] * bernoulli(climb))
    return JumpRates(np.stack(ahead), np.stack(back))


def _fluxes(cube: Float64, rates: JumpRates) -> list[Float64]:
    """Net flow along each axis from a cell to its next, density per time."""
    return [rates.ahead[d] * cube - rates.back[d] * _next(cube, d) for d in range(len(rates.ahead))]


def flow_rate(density: Float64, rates: JumpRates, grid: Grid) -> Float64:
    """dp/dt (S, G) [density/time]."""
    cube = density.reshape(len(density), *grid.shape)
    total = np.zeros_like(cube)
    for d, flux in enumerate(_fluxes(cube, rates)):
        total += _previous(flux, d) - flux
    return total.reshape(density.shape)


def advance(density: Float64, rates: JumpRates, grid: Grid, time: float) -> Float64:
    """exp(time * generator) p for constant rates, by uniformisation: (S, G) -> (S, G).

        exp(tL) p = sum_k exp(-ct) (ct)^k / k!  (I + L/c)^k p,   c the largest exit rate

    Every term is non-negative, so positivity is exact; mass is kept to rounding. On small grids
    and for long times the matrix itself is summed for a short time and squared, which keeps both.
    """
    exits = rates.ahead.sum(axis=0)
    for d in range(grid.dimension):
        exits = exits + _previous(rates.back[d], d)
    fastest = float(exits.max())
    if len(grid) <= MOST_DENSE and fastest * time > 2.0 * MOST_DENSE:
        return _advance_dense(density, rates, grid, time, fastest)
    # Poisson weights of a mean above 32 would start too close to underflow to be summed simply.
    parts = max(1, int(np.ceil(fastest * time / 32.0)))
    mean = fastest * time / parts
    weights = [np.exp(-mean)]
    while len(weights) <= mean or weights[-1] > 1e-18:
        weights.append(weights[-1] * mean / len(weights))
    total = sum(weights)
    for _ in range(parts):
        term = density
        moved = (weights[0] / total) * term
        for weight in weights[1:]:
            # I + L/c has entries >= 0; where rounding leaves a negative one, it was a zero.
            term = np.maximum(term + flow_rate(term, rates, grid) / fastest, 0.0)
            moved = moved + (weight / total) * term
        density = moved
    return density


def _advance_dense(
    density: Float64, rates: JumpRates, grid: Grid, time: float, fastest: float
) -> Float64:
    """exp(tL) = (exp(tL/2^m))^(2^m), one state after the other."""
    squarings = max(0, int(np.ceil(np.log2(fastest * time))))
    mean = fastest * time / 2.0**squarings
    moved = np.empty_like(density)
    for s in range(len(density)):
        jump = np.eye(len(grid)) + generator_matrix(rates, s, grid).toarray() / fastest
        jump = np.maximum(jump, 0.0)
        term, total = np.eye(len(grid)), np.zeros((len(grid),) * 2)
        for k in range(1, 40):
            total += term
            term = jump @ term * (mean / k)
        for _ in range(squarings):
            total /= total.sum(axis=0)
            total = total @ total
        moved[s] = total / total.sum(axis=0) @ density[s]
    return moved


def relative_fisher(density: Float64, q: Float64, grid: Grid, temperature: float) -> Float64:
    """Relative Fisher information (S,) [1/action^2] of the grid's flow.

        I_h(p||G) = (1/temperature) sum_edges flux (log(p/G)_i - log(p/G)_j) cell volume

    Times the temperature it is -d KL(p||G)/dt of the discrete flow, exactly. It tends to
    int p |grad log(p/G)|^2 as O(dx^2). Infinite where mass borders on a cell of density 0.
    """
    cube = density.reshape(len(density), *grid.shape)
    energy = q.reshape(cube.shape) / temperature
    with np.errstate(divide="ignore"):
        log_ratio = np.log(cube) - energy
    total = np.zeros(len(density))
    for d, flux in enumerate(_fluxes(cube, scharfetter_gummel(q, grid, temperature))):
        with np.errstate(invalid="ignore"):
            edge = flux * (log_ratio - _next(log_ratio, d))
        total += np.where(flux == 0.0, 0.0, edge).reshape(len(density), -1).sum(axis=1)
    return total * grid.weights[0] / temperature


def generator_matrix(rates: JumpRates, state: int, grid: Grid) -> scipy.sparse.csc_matrix:
    """The generator of one state as a sparse matrix (G, G): dp/dt = matrix @ p."""
    G = len(grid)
    index = np.arange(G).reshape(grid.shape)
    rows, columns, entries = [], [], []
    for d in range(grid.dimension):
        after = np.roll(index, -1, axis=d).ravel()
        here = index.ravel()
        ahead, back = rates.ahead[d, state].ravel(), rates.back[d, state].ravel()
        rows += [after, here, here, after]
        columns += [here, here, after, after]
        entries += [ahead, -ahead, back, -back]
    return scipy.sparse.csc_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape=(G, G)
    )
