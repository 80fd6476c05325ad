"""The certificate of a policy that is held as particles."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from wpg.certificates.certificate import Certificate, Claim
from wpg.certificates.density import (
    certify,
    change_with_twice,
    finite_problem,
    upper_bound_and_rate,
)
from wpg.density import entropy_terms, mixture_log_density
from wpg.exact import FiniteMDP, Grid
from wpg.exact.arguments import per_state
from wpg.exact.grid import MOST_POINTS
from wpg.planning import FiniteModel, standard_error_of_mean

__all__ = ["certify_particles", "points_for_mixture"]

Float64 = NDArray[np.float64]

# Half-width of the interval that a claim from an estimate allows for, in standard errors.
ERRORS_ALLOWED = 3.0
FEWEST_POINTS = {1: 128, 2: 48}
LEAST_PARTICLES = 2
MOST_ROUNDS = 50


def certify_particles(
    mdp: FiniteMDP,
    particles: Float64,
    *,
    step_size: float | Float64 | None = None,
    grid: Grid | None = None,
    entropy: str = "auto",
) -> Certificate:
    """Certificate of a policy given as particles (S, N, D) [action].

    Bare particles have no density, so log pi has to come from somewhere:

    - with `step_size` (number or (S,)) the policy is "draw a particle, take one Langevin step": a
      mixture of Gaussians, wrapped or folded, whose density is known. The step follows grad Q of
      the mixture's own value. On a grid `certify` is exact for it, to the quadrature error.
    - without it the entropy is estimated (`wpg.density.entropy`), V follows from it with a standard
      error, and T V - V is a quadrature given V (one and two dimensions). There is no Fisher
      information without a density: those fields are NaN and nothing is claimed of them. Lower and
      upper bound allow for 3 standard errors, not for the bias of the entropy, and say so.

    Parameters
    ----------
    mdp : `wpg.exact.FiniteMDP`
    particles : (S, N, D) float64, inside the support
    step_size : number or (S,) [action^2/reward], or None
    grid : for the quadratures; by default 128 points in one dimension, 48 x 48 in two. A mixture
        wants cells of at most 1/1.5 of its standard deviation
    entropy : as in `wpg.density.entropy`; used without `step_size`

    Errors: ValueError that names the argument; more than two action dimensions are refused.

    Source: as `certify`; entropy of particles: see `wpg.density.entropy`.
    """
    finite_problem(mdp)
    cloud = mdp.checked_actions(particles, "particles")
    if cloud.shape[1] < LEAST_PARTICLES:
        raise ValueError(
            f"particles has N = {cloud.shape[1]}; it must be at least {LEAST_PARTICLES}"
        )
    if not mdp.support.contains(cloud):
        raise ValueError(f"particles must be inside {mdp.support!r}")
    if mdp.action_size > 2:
        raise ValueError(
            f"action_size is {mdp.action_size}; certificates need quadratures, which are for one "
            "and two dimensions"
        )
    if step_size is not None:
        if entropy != "auto":
            raise ValueError("entropy is not estimated where step_size is given; leave one out")
        return _of_mixture(mdp, cloud, per_state(step_size, "step_size", mdp.n_states), grid)
    grid = mdp.grid(FEWEST_POINTS[mdp.action_size]) if grid is None else grid
    return _of_estimate(mdp, cloud, grid, entropy)


def points_for_mixture(mdp: FiniteMDP, step_size: Float64) -> int:
    """n of a grid (D <= 2) that resolves the mixture of one Langevin step of sizes (S,)."""
    std = np.sqrt(2.0 * step_size * mdp.temperature)
    wanted = 1.5 * float((mdp.high - mdp.low).max()) / float(std.min())
    return max(math.ceil(wanted), FEWEST_POINTS[mdp.action_size])


def _of_mixture(mdp: FiniteMDP, cloud: Float64, eta: Float64, grid: Grid | None) -> Certificate:
    """Exact for "draw a particle, take one step"."""
    if grid is None:
        n = points_for_mixture(mdp, eta)
        if n**mdp.action_size > MOST_POINTS:
            raise ValueError(
                f"step_size is {eta.min():.4g} at a state, too small: its mixture wants a grid of "
                f"n = {n:.4g} a dimension; give a larger step, or none"
            )
        grid = mdp.grid(n)
    std = np.sqrt(2.0 * eta * mdp.temperature)
    points = mdp.everywhere(grid)
    # The step follows grad Q of the mixture's own value: a fixed point, which a small step reaches
    # in a few rounds from the value of the particles with noise and no drift.
    means, value, moved = cloud, None, np.inf
    for _ in range(MOST_ROUNDS):
        density = np.exp(mixture_log_density(points, means, std, mdp.support))
        mass = grid.integrate(density)
        if not (mass > 0.0).all():
            raise ValueError(
                f"grid has n = {grid.n}, so coarse that no point sees the mixture at state "
                f"{int(mass.argmin())}; use n >= {points_for_mixture(mdp, eta)}"
            )
        before, value = value, mdp.evaluate(density / mass[:, None], grid)
        if before is not None:
            moved = float(np.abs(value - before).max()) / (1.0 + float(np.abs(value).max()))
        if moved <= 1e-12:
            break
        means = cloud + eta[:, None, None] * mdp.q_gradient(value, cloud)
    off = float(np.abs(mass - 1.0).max())
    certificate = certify(mdp, grid.normalise(density), grid)
    text = (
        f"mixture of {cloud.shape[1]} Gaussians, one Langevin step of {eta.max():.3g} from each "
        f"particle; exact on a grid of n = {grid.n} (mass off by {off:.1e})"
    )
    further = {
        f"the mixture's mass on the grid is off by {off:.1e}, less than 1e-3": off < 1e-3,
        f"the step follows Q of the mixture's own value (off by {moved:.1e})": moved <= 1e-9,
    }
    claims = tuple(claim.resting_also_on(further) for claim in certificate.claims)
    return dataclasses.replace(certificate, estimator=text, claims=claims)


def _of_estimate(mdp: FiniteMDP, cloud: Float64, grid: Grid, entropy: str) -> Certificate:
    """From the particles' estimated entropy."""
    model = FiniteModel(mdp)
    near = min(4, cloud.shape[1] - 1)
    terms, method = entropy_terms(cloud, entropy, neighbours=near, support=mdp.support)
    evaluation = model.evaluate(cloud, terms, None)
    value = evaluation.value
    error = model.standard_error(evaluation)
    local = standard_error_of_mean(evaluation, mdp.temperature)
    backup = mdp.soft_backup(value, grid)
    twice = change_with_twice(mdp, value, grid, backup)
    # V solves its own linear system exactly, so T V - V is temperature KL plus the error of the
    # entropy at that state alone: it may come out negative.
    residual = backup - value
    gibbs = mdp.gibbs(value, grid)
    allowed = ERRORS_ALLOWED * local
    lower = mdp.resolvent(gibbs, grid, np.maximum(residual - allowed - 2.0 * twice, 0.0))
    upper, alpha, rate = upper_bound_and_rate(
        mdp, mdp.q_on_grid(value, grid), np.maximum(residual, 0.0) + allowed + 2.0 * twice, grid
    )
    nothing = np.full(mdp.n_states, np.nan)
    biased = f"the bias of the {method} estimate of the entropy is not known"
    no_density = "bare particles have no density; give step_size"
    claims = tuple(
        Claim.diagnostic(quantity, why)
        for quantity, why in (
            ("value", biased),
            ("residual", biased),
            ("kl", biased),
            ("gap_lower", biased),
            ("gap_upper", biased),
            ("relative_fisher", no_density),
            ("lsi", no_density),
            ("value_rate", no_density),
            ("lsi_provable", biased),
            ("rate_bound", biased),
        )
    )
    return Certificate(
        problem=repr(mdp),
        estimator=(
            f"{cloud.shape[1]} particles a state, {method} entropy; bounds allow for "
            f"{ERRORS_ALLOWED:g} standard errors of each state's mean and for no bias"
        ),
        value=value,
        residual=residual,
        kl=residual / mdp.temperature,
        relative_fisher=nothing,
        lsi=nothing,
        lsi_provable=alpha,
        gap_lower=lower,
        gap_upper=upper,
        rate_bound=rate,
        value_rate=nothing,
        standard_error=error,
        quadrature_error=twice,
        claims=claims,
    )
