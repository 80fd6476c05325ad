"""What a step size costs: the discretisation bias of Langevin steps, predicted and exact.

For fixed smooth Q on a torus the invariant density of the unadjusted step is

    pi_eta = G (1 + eta (u - E_G u)) + O(eta^2),   u = |grad Q|^2 / (4 temperature) + lap Q / 2

so that the bias of E f is eta Cov_G(u, f), KL(pi_eta || G) = (eta^2/2) Var_G(u) + O(eta^3), and at
the fixed point coupled through Q, since V's error is second order in the policy's,

    V* - V^(pi_eta) = (temperature eta^2 / 2) (I - discount P^pi*)^-1 Var_pi*(u) + O(eta^3).

In a reflecting box a layer at each wall adds, with b the outward drift and p the density there,
KL ~ sum_walls C p b^2 eta^(3/2) / (2 sqrt(2 temperature)), C = 0.33582.

These are formal expansions, with no proof of the remainder; `fixed_point` computes what they
approximate.
Source: Talay and Tubaro 1990 for the method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpg.exact.arguments import array, count, per_state, positive
from wpg.exact.finite_mdp import FiniteMDP, SoftSolution
from wpg.exact.grid import Grid
from wpg.exact.langevin_operators import stationary_density

__all__ = [
    "SCHEMES",
    "bias_function",
    "fixed_point",
    "gap_floor",
    "kl_floor",
    "richardson_statistic",
    "richardson_value",
    "statistic_bias",
    "step_size_for_gap",
    "wall_layer",
]

Float64 = NDArray[np.float64]
SCHEMES = ("langevin", "leimkuhler-matthews", "mala")

# (2/pi) int_0^inf [2/k^2 - 1/(exp(k^2/2) - 1)]^2 dk
WALL_CONSTANT = 0.33582


def bias_function(
    mdp: FiniteMDP, value: Float64, actions: Float64, gradient: Float64 | None = None
) -> Float64:
    """u (S, N) [1/time] = |grad Q|^2/(4 temperature) + lap Q/2 at actions (S, N, D).

    gradient : grad Q (S, N, D) there, if it is known already
    """
    slope = mdp.q_gradient(value, actions) if gradient is None else gradient
    square = (slope**2).sum(axis=2)
    return square / (4.0 * mdp.temperature) + mdp.laplacian(value, actions) / 2.0


def _moments(mdp: FiniteMDP, solution: SoftSolution, grid: Grid) -> tuple[Float64, Float64]:
    """u - E u (S, G) and Var u (S,) under the solution's density."""
    u = bias_function(mdp, solution.value, mdp.everywhere(grid))
    u = u - grid.integrate(solution.density * u)[:, None]
    return u, grid.integrate(solution.density * u**2)


def wall_layer(mdp: FiniteMDP, solution: SoftSolution, grid: Grid) -> Float64:
    """The factor (S,) of eta^(3/2) in KL(pi_eta || G) from the walls of a box; 0 on a torus."""
    total = np.zeros(mdp.n_states)
    if grid.periodic:
        return total
    log_partition = mdp.soft_backup(solution.value, grid)[:, None]
    for d in range(grid.dimension):
        for wall in (grid.low[d], grid.high[d]):
            face = grid.points[np.isclose(grid.points[:, d], grid.points[0, d])].copy()
            face[:, d] = wall
            cloud = np.ascontiguousarray(np.broadcast_to(face, (mdp.n_states, *face.shape)))
            q = mdp.q(solution.value, cloud)
            density = np.exp((q - log_partition) / mdp.temperature)
            drift = mdp.q_gradient(solution.value, cloud)[..., d]
            area = grid.weights[0] / grid.spacing[d]
            total += area * (density * drift**2).sum(axis=1)
    return WALL_CONSTANT * total / (2.0 * np.sqrt(2.0 * mdp.temperature))


def kl_floor(
    mdp: FiniteMDP, solution: SoftSolution, grid: Grid, step_size: float | Float64
) -> Float64:
    """Predicted KL(pi_eta || pi*) (S,) of the unadjusted step; step_size number or (S,)."""
    eta = per_state(step_size, "step_size", mdp.n_states)
    _, variance = _moments(mdp, solution, grid)
    return variance * eta**2 / 2.0 + wall_layer(mdp, solution, grid) * eta**1.5


def gap_floor(
    mdp: FiniteMDP, solution: SoftSolution, grid: Grid, step_size: float | Float64
) -> Float64:
    """Predicted V* - V^(pi_eta) (S,) [reward] of the unadjusted step at `solution`, the optimum."""
    floor = mdp.temperature * kl_floor(mdp, solution, grid, step_size)
    return mdp.resolvent(solution.density, grid, floor)


def statistic_bias(
    mdp: FiniteMDP, solution: SoftSolution, grid: Grid, statistic: Float64, step_size: float
) -> Float64:
    """Predicted bias (S,) of E f for f (G,) on the grid: step_size Cov(u, f)."""
    eta, f = positive(step_size, "step_size"), array(statistic, "statistic", (len(grid),))
    u, _ = _moments(mdp, solution, grid)
    return eta * grid.integrate(solution.density * u * f)


def step_size_for_gap(mdp: FiniteMDP, solution: SoftSolution, grid: Grid, gap: float) -> Float64:
    """A step size for each state (S,) at which the predicted gap is `gap` at every state.

    Every state is given the same KL, (1 - discount) gap / temperature; on a box the root is found
    of the sum of both powers of the step. Infinite where nothing depends on the step.
    """
    wanted = (1.0 - mdp.discount) * positive(gap, "gap") / mdp.temperature
    _, variance = _moments(mdp, solution, grid)
    layer = wall_layer(mdp, solution, grid)
    with np.errstate(divide="ignore"):
        # From above the root of a convex increasing function, Newton's method cannot overshoot.
        eta = np.minimum(np.sqrt(2.0 * wanted / variance), (wanted / layer) ** (2.0 / 3.0))
    for _ in range(50):
        if not layer.any():
            break
        seen = np.isfinite(eta)
        e = np.where(seen, eta, 1.0)
        excess = variance * e**2 / 2.0 + layer * e**1.5 - wanted
        slope = variance * e + 1.5 * layer * np.sqrt(e)
        eta = np.where(seen, e - excess / np.where(seen, slope, 1.0), np.inf)
    return eta


def fixed_point(
    mdp: FiniteMDP,
    grid: Grid,
    step_size: float,
    *,
    scheme: str = "langevin",
    most: int = 100,
) -> SoftSolution:
    """The policy at which the steps of a scheme rest, with its own Q: value and density.

    The invariant density of the scheme's exact operator for Q^pi, repeated until V moves by less
    than 1e-14 of its size. `residual` of the result is T V - V.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; it must be one of {', '.join(map(repr, SCHEMES))}")
    most, step_size = count(most, "most"), positive(step_size, "step_size")
    value, iteration = mdp.solve(grid).value, 0
    while iteration < most:
        iteration += 1
        if scheme == "langevin":
            density = stationary_density(mdp.langevin_operator(value, grid, step_size), grid)
        elif scheme == "mala":
            density = stationary_density(mdp.mala_operator(value, grid, step_size), grid)
        else:
            matrix, smoothing = mdp.leimkuhler_matthews_operator(value, grid, step_size)
            density = grid.normalise(stationary_density(matrix, grid) @ smoothing.T)
        after = mdp.evaluate(density, grid)
        moved = np.abs(after - value).max()
        value = after
        if moved <= 1e-14 * (1.0 + np.abs(value).max()):
            break
    return SoftSolution(value, density, mdp.soft_backup(value, grid) - value, iteration)


def richardson_value(value: Float64, value_of_half_step: Float64) -> Float64:
    """(4 V_(eta/2) - V_eta) / 3: removes the eta^2 that V's bias starts with, leaving O(eta^3)."""
    return (4.0 * value_of_half_step - value) / 3.0


def richardson_statistic(statistic: Float64, statistic_of_half_step: Float64) -> Float64:
    """2 E_(eta/2) - E_eta: removes the eta that a statistic's bias starts with, leaving O(eta^2).

    Source: Talay and Tubaro 1990.
    """
    return 2.0 * statistic_of_half_step - statistic
