"""Log-Sobolev constants and spectral gaps of densities on a grid.

LSI(alpha): KL(p||G) <= I(p||G) / (2 alpha) for every density p.  alpha [1/action^2].
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from wpg.exact.arguments import array, positive
from wpg.exact.fokker_planck import edge_weights, generator_matrix, scharfetter_gummel
from wpg.exact.grid import Grid

__all__ = [
    "barthe_roberto_bound",
    "holley_stroock_bound",
    "log_sobolev_estimate",
    "provable_bound",
    "spectral_gap",
]

Float64 = NDArray[np.float64]


def spectral_gap(q: Float64, grid: Grid, temperature: float) -> Float64:
    """Spectral gap (S,) [1/action^2] of lap + grad(Q/temperature).grad, as the grid sees it.

    At least alpha. The flow's late rate is 2 temperature times the least of them.
    """
    q, temperature = array(q, "q", ("S", len(grid))), positive(temperature, "temperature")
    rates = scharfetter_gummel(q, grid, temperature)
    root = np.exp(np.maximum((q - q.max(axis=1, keepdims=True)) / (2.0 * temperature), -1e4))
    if root.min() < np.finfo(np.float64).tiny:
        raise ValueError(
            f"temperature is {temperature:g}, too low: exp(Q/temperature) spans more than "
            "the range of float64"
        )
    gaps = np.empty(len(q))
    for s in range(len(q)):
        # G^(-1/2) L G^(1/2) is symmetric: detailed balance.
        scale = scipy.sparse.diags(root[s])
        inverse = scipy.sparse.diags(1.0 / root[s])
        symmetric = inverse @ generator_matrix(rates, s, grid) @ scale / temperature
        symmetric = (symmetric + symmetric.T) / 2.0
        if len(grid) <= 512:
            gaps[s] = -np.sort(np.linalg.eigvalsh(symmetric.toarray()))[-2]
        else:
            largest = scipy.sparse.linalg.eigsh(
                symmetric.tocsc(),
                k=2,
                sigma=1e-3
                * float(edge_weights(grid).min(initial=1.0, where=edge_weights(grid) > 0)),
                which="LM",
                return_eigenvectors=False,
            )
            gaps[s] = -np.sort(largest)[0]
    return gaps


def holley_stroock_bound(
    oscillation: Float64, low: Float64, high: Float64, temperature: float, *, periodic: bool
) -> Float64:
    """Provable alpha of exp(Q/temperature) from osc_a Q (S,) alone.

    (2 pi / L)^2 on a torus, (pi / L)^2 in a box, L the longest side, times exp(-osc/temperature).
    Source: Holley and Stroock 1987; constants of the circle and the interval: Emery and Yukich
    1987; products: the least of the factors.
    """
    longest = float((high - low).max())
    flat = ((2.0 if periodic else 1.0) * np.pi / longest) ** 2
    return flat * np.exp(-oscillation / temperature)


def barthe_roberto_bound(log_density: Float64, grid: Grid) -> Float64:
    """Provable alpha (S,) of densities exp(log_density) on a line or circle, from their tails.

    0 in more dimensions.

        alpha >= 1 / (2 max(B+, B-)),  B+ = sup_{x > m} M log(1 + e^2/M) int_m^x 1/p

    with M the mass beyond x, and B- likewise on the other side; m is a median. On a circle it is
    cut open, which only adds functions to the inequality, and the best of 16 cuts is taken. The
    sums are upper ones of the piecewise constant density, so the number is that of the grid's
    density, not of its limit. Sums of logarithms: tails may be as thin as they like.

    log_density : (S, G) finite, integrating to 1 within 1e-6

    Source: Barthe and Roberto 2003, theorem 3: the constant C of Ent(f^2) <= C int f'^2 is at most
    4 max(B+, B-), and alpha = 2/C. Earlier, with other constants: Bobkov and Goetze 1999.
    """
    logs = array(log_density, "log_density", ("S", len(grid)))
    mass = grid.integrate(np.exp(logs))
    if np.abs(mass - 1.0).max() > 1e-6:
        raise ValueError(f"log_density integrates to {mass.tolist()}; it must be 1 at every state")
    best = np.zeros(len(logs))
    if grid.dimension > 1:
        return best
    log_dx = float(np.log(grid.spacing[0]))
    cuts = range(0, grid.n, max(1, grid.n // 16)) if grid.periodic else (0,)
    for cut in cuts:
        best = np.maximum(best, _tail_bound(np.roll(logs, -cut, axis=1), log_dx))
    return best


def _tail_bound(logs: Float64, log_dx: float) -> Float64:
    """1 / (2 max(B+, B-)) of densities exp(logs) (S, n) on intervals."""
    S, n = logs.shape
    median = np.argmax(np.cumsum(np.exp(logs + log_dx), axis=1) >= 0.5, axis=1)
    bound = np.empty(S)
    for s in range(S):
        m, worst = int(median[s]), -np.inf
        for side in (slice(m, n), slice(m, None, -1)):
            p = logs[s][side]
            # The cell's own mass is included on both sides: an upper bound.
            tail = np.logaddexp.accumulate((p + log_dx)[::-1])[::-1]
            path = np.logaddexp.accumulate(log_dx - p)
            worst = max(worst, float(np.max(tail + np.log(np.logaddexp(0.0, 2.0 - tail)) + path)))
        bound[s] = 0.5 * np.exp(-worst)
    return bound


def provable_bound(q: Float64, grid: Grid, temperature: float) -> Float64:
    """The larger of the two provable bounds (S,) for exp(Q/temperature), Q (S, G)."""
    q, temperature = array(q, "q", ("S", len(grid))), positive(temperature, "temperature")
    oscillation = q.max(axis=1) - q.min(axis=1)
    logs = (q - q.max(axis=1, keepdims=True)) / temperature
    logs -= np.log(grid.integrate(np.exp(logs)))[:, None]
    return np.maximum(
        holley_stroock_bound(oscillation, grid.low, grid.high, temperature, periodic=grid.periodic),
        barthe_roberto_bound(logs, grid),
    )


def log_sobolev_estimate(density: Float64, grid: Grid, *, starts: int = 6) -> Float64:
    """An estimate of the best alpha (S,), from above: the least I/(2 KL) that a search finds.

    Near the Gibbs law I/(2 KL) tends to the spectral gap, which is therefore never below it.

        minimise  2 int |grad f|^2 G / Ent_G(f^2)   over functions f on the grid

    by L-BFGS from the slowest eigenfunctions and from masses gathered at the grid's quarters. It is
    not a proof: a better minimiser would make it smaller.
    """
    density = array(density, "density", ("S", len(grid)))
    S, G = density.shape
    weights = edge_weights(grid)[:, 0]
    result = np.empty(S)
    for s in range(S):
        mass = density[s] * grid.weights
        cube = mass.reshape(grid.shape)
        # Mean mass of an edge: the logarithmic mean is what Scharfetter and Gummel's rates use.
        edges = []
        for d in range(grid.dimension):
            after = np.roll(cube, -1, axis=d)
            edges.append(weights[d] * _logarithmic_mean(cube, after))

        def ratio(
            f: Float64, mass: Float64 = mass, edges: list[Float64] = edges
        ) -> tuple[float, Float64]:
            cloud = f.reshape(grid.shape)
            energy, slope = 0.0, np.zeros_like(cloud)
            for d, weight in enumerate(edges):
                step = np.roll(cloud, -1, axis=d) - cloud
                energy += float((weight * step**2).sum())
                pull = 2.0 * weight * step
                slope += np.roll(pull, 1, axis=d) - pull
            square = f**2
            total = float(mass @ square)
            logs = np.log(np.maximum(square, 1e-300) / total)
            entropy = float(mass @ (square * logs))
            if entropy < 1e-12 * total:
                return 1e300, np.zeros(G)
            entropy_slope = 2.0 * mass * f * logs
            value = 2.0 * energy / entropy
            return value, (2.0 * slope.ravel() - value * entropy_slope) / entropy

        best = np.inf
        for f in _starts(grid, starts):
            found = scipy.optimize.minimize(
                ratio, f, jac=True, method="L-BFGS-B", options={"maxiter": 500}
            )
            best = min(best, float(found.fun))
        result[s] = best
    return result


def _logarithmic_mean(a: Float64, b: Float64) -> Float64:
    """(b - a) / (log b - log a), a where they are equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log(b) - np.log(a)
        mean = np.where(np.abs(x) < 1e-6, (a + b) / 2.0, (b - a) / np.where(x == 0.0, 1.0, x))
    return np.where((a > 0) & (b > 0), mean, 0.0)


def _starts(grid: Grid, starts: int) -> list[Float64]:
    unit = (grid.points - grid.low) / (grid.high - grid.low)
    waves = 2.0 * np.pi if grid.periodic else np.pi
    made: list[Float64] = []
    for k in range(starts):
        d, phase = k % grid.dimension, k / starts
        made.append(1.0 + 0.5 * np.cos(waves * (unit[:, d] - (phase if grid.periodic else 0.0))))
        away = np.abs(unit - (k + 0.5) / starts)
        if grid.periodic:
            away = np.minimum(away, 1.0 - away)
        made.append(0.2 + np.exp(-((away / 0.15) ** 2).sum(axis=1)))
    return made
