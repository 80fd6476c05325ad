"""Langevin steps as matrices on a grid: what one step does to a density, without samples.

    (K p)(a') = int K(a'|a) p(a) da,  columns of the matrices sum to one.

A midpoint rule in a Gaussian density of standard deviation sd is exact to exp(-2 pi^2 (sd/dx)^2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wpg.exact.arguments import array, positive
from wpg.exact.grid import Grid

__all__ = [
    "images_density",
    "langevin_operator",
    "leimkuhler_matthews_operator",
    "mala_operator",
    "stationary_density",
]

Float64 = NDArray[np.float64]

# At 1.5 cells a standard deviation the quadrature error is exp(-2 pi^2 1.5^2) = 5e-20.
CELLS_PER_DEVIATION = 1.5


def _check_resolved(grid: Grid, step_size: float, temperature: float, fraction: float) -> float:
    """The standard deviation of the noise, if the grid resolves `fraction` of it."""
    deviation = float(np.sqrt(2.0 * positive(step_size, "step_size") * temperature))
    coarse = float(grid.spacing.max())
    if fraction * deviation < CELLS_PER_DEVIATION * coarse:
        needed = int(np.ceil(grid.n * CELLS_PER_DEVIATION * coarse / (fraction * deviation)))
        raise ValueError(
            f"grid has n = {grid.n}, too coarse for step_size {step_size:g}: the noise has "
            f"standard deviation {fraction * deviation:.3g} and wants cells of at most "
            f"{fraction * deviation / CELLS_PER_DEVIATION:.3g}; use n >= {needed}"
        )
    return deviation


def images_density(
    points: Float64, means: Float64, deviation: float, grid: Grid, d: int
) -> Float64:
    """Density along coordinate d at points (n,) of a normal around means (...,), wrapped on a torus
    and folded in a box: (n, ...)."""
    low, width = float(grid.low[d]), float(grid.high[d] - grid.low[d])
    period = width if grid.periodic else 2.0 * width
    if deviation > CELLS_PER_DEVIATION * period:
        # By the same formula the sum over images is flat to 5e-20.
        return np.full(points.shape + np.shape(means), 1.0 / width)
    centre = low + np.mod(means - low, period)
    reach = int(np.ceil(8.7 * deviation / period)) + 1
    x = points.reshape(points.shape + (1,) * np.ndim(means))
    total = np.zeros(points.shape + np.shape(means))
    for k in range(-reach, reach + 1):
        total += np.exp(-0.5 * ((x - centre - k * period) / deviation) ** 2)
        if not grid.periodic:
            total += np.exp(-0.5 * ((2.0 * low - x - centre - k * period) / deviation) ** 2)
    return total / (deviation * np.sqrt(2.0 * np.pi))


def _gaussian_matrix(means: Float64, deviation: float, grid: Grid) -> Float64:
    """Mass in cell i from a normal around means (S, G, D): (S, G, G)."""
    S, G, D = means.shape
    axes = [
        grid.points.reshape(*grid.shape, D)[(0,) * d + (slice(None),) + (0,) * (D - 1 - d) + (d,)]
        for d in range(D)
    ]
    matrix = np.empty((S, G, G))
    for s in range(S):
        product = images_density(axes[0], means[s, :, 0], deviation, grid, 0)
        for d in range(1, D):
            along = images_density(axes[d], means[s, :, d], deviation, grid, d)
            product = (product[:, None, :] * along[None, :, :]).reshape(-1, G)
        matrix[s] = product * grid.weights[0]
    return matrix


def langevin_operator(
    gradient: Float64, grid: Grid, step_size: float, temperature: float
) -> Float64:
    """One unadjusted Langevin step, gradient (S, G, D) = grad Q at the grid points: (S, G, G)."""
    deviation = _check_resolved(grid, step_size, temperature, 1.0)
    return _gaussian_matrix(grid.points + step_size * gradient, deviation, grid)


def mala_operator(
    q: Float64, gradient: Float64, grid: Grid, step_size: float, temperature: float
) -> Float64:
    """One Metropolis-adjusted Langevin step: (S, G, G).

    accept a -> a' with probability min(1, exp((Q(a') - Q(a))/temperature) k(a|a') / k(a'|a)),
    k the wrapped or folded proposal. Source: Roberts and Tweedie 1996.
    """
    matrix = langevin_operator(gradient, grid, step_size, temperature)
    for s in range(len(matrix)):
        proposal = matrix[s]
        energy = q[s] / temperature
        both = (proposal > 0.0) & (proposal.T > 0.0)
        logs = np.log(np.where(both, proposal, 1.0))
        log_ratio = energy[:, None] - energy[None, :] + logs.T - logs
        accepted = np.where(both, proposal * np.exp(np.minimum(log_ratio, 0.0)), 0.0)
        np.fill_diagonal(accepted, 0.0)
        np.fill_diagonal(accepted, np.maximum(1.0 - accepted.sum(axis=0), 0.0))
        matrix[s] = accepted
    return matrix


def leimkuhler_matthews_operator(
    q_gradient: Callable[[Float64], Float64],
    n_states: int,
    grid: Grid,
    step_size: float,
    temperature: float,
) -> tuple[Float64, Float64]:
    """The chain x' = 2a - x + step_size grad Q(a), a = x + c xi, c^2 = step_size temperature / 2.

    The density of x' given x follows from the change of variable a -> x' = f(a) - x with
    f(a) = 2a + step_size grad Q(a), inverted by Newton's method at every sum x + x':

        K(x'|x) = N(a; x, c^2 I) / |det f'(a)|,  f(a) = x + x'

    Returns the matrix for x (S, G, G) and the convolution with N(0, c^2) that makes the law of the
    particle a (G, G). Source: Leimkuhler and Matthews 2013; the chain in x: Vilmart 2015.
    """
    if not grid.periodic:
        raise ValueError(
            "grid is a box; the Leimkuhler-Matthews step is a chain in one variable on a torus only"
        )
    deviation = _check_resolved(grid, step_size, temperature, 0.5)
    c = deviation / 2.0
    n, D, G = grid.n, grid.dimension, len(grid)
    period = grid.high - grid.low
    # Sums of two grid points: low-based, spacing dx, 2n a dimension before a repeats (shifted).
    ticks = [2.0 * grid.low[d] + grid.spacing[d] * (np.arange(2 * n) + 1.0) for d in range(D)]
    sums = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(1, -1, D)
    sums = np.ascontiguousarray(np.broadcast_to(sums, (n_states, *sums.shape[1:])))
    root, jacobian = _invert_double_step(q_gradient, sums, step_size)
    root = root.reshape(n_states, *(2 * n,) * D, D)
    jacobian = jacobian.reshape(n_states, *(2 * n,) * D)
    cell = np.stack(np.unravel_index(np.arange(G), grid.shape), axis=-1)
    both = cell[:, None, :] + cell[None, :, :]  # (target, source, D): index of the sum
    matrix = np.zeros((n_states, G, G))
    norm = grid.weights[0] / (c * np.sqrt(2.0 * np.pi)) ** D
    # x' is one of x', x' + L, ...: f(a) = x + x' + k L. a moves by L when the sum moves by 2 L.
    shifts = np.stack(np.meshgrid(*(np.arange(-2, 3),) * D, indexing="ij"), -1).reshape(-1, D)
    for shift in shifts:
        index = both + n * shift
        wrap, index = np.divmod(index, 2 * n)
        a = root[(slice(None), *np.moveaxis(index, -1, 0))] + wrap * period
        distance = ((a - grid.points[None, None]) ** 2).sum(axis=-1)
        slope = jacobian[(slice(None), *np.moveaxis(index, -1, 0))]
        matrix += norm * np.exp(-0.5 * distance / c**2) / slope
    smoothing = _gaussian_matrix(grid.points[None], c, grid)[0]
    return matrix, smoothing


def _invert_double_step(
    q_gradient: Callable[[Float64], Float64], sums: Float64, step_size: float
) -> tuple[Float64, Float64]:
    """a with 2a + step_size grad Q(a) = sums (S, M, D), and det of the derivative there (S, M)."""
    D = sums.shape[-1]
    a = sums / 2.0
    h = 1e-5
    for _ in range(50):
        columns = []
        for d in range(D):
            ahead, behind = a.copy(), a.copy()
            ahead[..., d] += h
            behind[..., d] -= h
            columns.append((q_gradient(ahead) - q_gradient(behind)) / (2.0 * h))
        derivative = 2.0 * np.eye(D) + step_size * np.stack(columns, axis=-1)
        error = 2.0 * a + step_size * q_gradient(a) - sums
        move = np.linalg.solve(derivative, error[..., None])[..., 0]
        a = a - move
        if np.abs(move).max() < 1e-13:
            break
    determinant = np.linalg.det(derivative)
    if not (np.abs(move).max() < 1e-10 and (determinant > 0).all()):
        raise ValueError(
            f"step_size {step_size:g} is too large for the Leimkuhler-Matthews matrix: "
            "2 a + step_size grad Q(a) cannot be inverted; it wants step_size |hess Q| < 2"
        )
    return a, determinant


def stationary_density(matrix: Float64, grid: Grid) -> Float64:
    """The fixed density (S, G) of a column-stochastic matrix (S, G, G), by one linear solve."""
    matrix = array(matrix, "matrix", ("S", len(grid), len(grid)))
    S, G, _ = matrix.shape
    density = np.empty((S, G))
    for s in range(S):
        system = np.eye(G) - matrix[s]
        # The rows are dependent; adding the mass condition to each makes the system regular.
        system += grid.weights[None, :]
        density[s] = np.linalg.solve(system, np.ones(G))
    return grid.normalise(np.maximum(density, 0.0))
