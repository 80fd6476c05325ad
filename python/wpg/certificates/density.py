"""The certificate of a policy whose density is known on a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpg.certificates.certificate import Certificate, Claim
from wpg.exact import FiniteMDP, Grid, SoftSolution
from wpg.exact.finite_mdp import log_density
from wpg.exact.fokker_planck import relative_fisher
from wpg.exact.log_sobolev import provable_bound

__all__ = ["certified_rate", "certify", "finite_problem", "largest_return"]

Float64 = NDArray[np.float64]

# T V may move by this fraction of 1 + sup|V| with twice the points; bounds allow for twice that.
RESOLVED = 1e-3
KL_ROUNDING = 1e-13


def finite_problem(mdp: FiniteMDP) -> None:
    """TypeError for what is no FiniteMDP."""
    if not isinstance(mdp, FiniteMDP):
        raise TypeError(f"mdp is {mdp!r}; it must be a wpg.exact.FiniteMDP")


def largest_return(
    mdp: FiniteMDP, income: Float64, grid: Grid, *, tolerance: float = 1e-13
) -> tuple[Float64, Float64]:
    """u = income + discount max_a P u (S,), and max_a P u (S,), maxima over the grid's points.

    Any g with g <= income + (T V* - T V) and g = V* - V obeys g <= u, since T V* - T V is at most
    discount max_a P g: an upper bound on the gap, statewise, that needs no optimal policy. Value
    iteration from income / (1 - discount), so that it bounds u from above wherever it stops.
    """
    _, transition = mdp.on_grid(grid)
    u = np.full(mdp.n_states, float(income.max()) / (1.0 - mdp.discount))
    for _ in range(10_000):
        after = np.broadcast_to(mdp.successor_values(u), (mdp.n_states, mdp.n_successors))
        best = np.einsum("sgk,sk->sg", transition, after).max(axis=1)
        moved = income + mdp.discount * best
        done = np.abs(moved - u).max() <= tolerance * (1.0 + np.abs(u).max())
        u = moved
        if done:
            break
    return u, best


def certified_rate(
    alpha: Float64, gap_upper: Float64, discount: float, temperature: float
) -> Float64:
    """2 temperature alpha max(1 - discount, 1 - discount delta/(1 - discount)) (S,) [1/time].

    delta = sqrt(sup gap / (2 temperature)) bounds the total variation between P^pi and P^pi*
    (Pinsker), so that the factor 1 - discount goes away as the policy becomes optimal.
    """
    delta = min(1.0, float(np.sqrt(gap_upper.max() / (2.0 * temperature))))
    factor = max(1.0 - discount, 1.0 - discount * delta / (1.0 - discount))
    return 2.0 * temperature * alpha * factor


def certify(
    mdp: FiniteMDP,
    density: Float64,
    grid: Grid,
    *,
    solve: bool = True,
    optimum: SoftSolution | None = None,
) -> Certificate:
    """Exact certificate of a policy with a known density.

        residual = T V - V = temperature KL(pi || G[pi])
        (I - discount P^G[pi])^-1 residual <= V* - V <= u,  u = residual + discount max_a P u
        dV/dt = temperature^2 (I - discount P^pi)^-1 I(pi || G[pi])
        d/dt sup|V* - V| <= -2 temperature alpha (1 - discount) sup|V* - V|

    Parameters
    ----------
    mdp : `wpg.exact.FiniteMDP`
    density : (S, G) [1/action^D], >= 0, integrating to 1 at each state
    grid : from `mdp.grid(n)`
    solve : also solve for the optimum, which gives the gap itself,
        V* - V = temperature (I - discount P^pi)^-1 KL(pi || pi*)
    optimum : from `mdp.solve(grid)`, if it is known already

    Returns
    -------
    Certificate with fields (S,). `lsi_provable` holds for the Gibbs policies of all later times of
    the flow: the better of Holley-Stroock and Barthe-Roberto (one dimension) for G[pi], times
    exp(-w / temperature), w = discount max_a P u being the most by which Q can still change.

    Cost: S G K for each backup, one S x S solve for each resolvent. Accuracy: identities hold to
    rounding on the grid; `quadrature_error` compares T V with that of twice as many points, and the
    upper bound allows for twice that. Errors: ValueError that names the argument.

    Source: arXiv 2605.26078; Bakry, Gentil, Ledoux 2014, section 5 (log-Sobolev inequalities).
    """
    finite_problem(mdp)
    if optimum is not None and not isinstance(optimum, SoftSolution):
        raise TypeError(f"optimum is {optimum!r}; it must come from mdp.solve(grid)")
    value = mdp.evaluate(density, grid)
    pi = np.asarray(density, dtype=np.float64)
    q = mdp.q_on_grid(value, grid)
    backup = mdp.soft_backup(value, grid)
    log_gibbs = (q - backup[:, None]) / mdp.temperature
    # Two ways to the same number; the KL form keeps its digits where T V - V cancels.
    kl = np.maximum(grid.integrate(pi * (log_density(pi) - log_gibbs)), 0.0)
    residual = mdp.temperature * kl
    identity_error = float(np.abs(backup - value - residual).max())
    fisher = relative_fisher(pi, q, grid, mdp.temperature)
    # A KL of rounding errors has no ratio.
    lsi = np.where(kl > KL_ROUNDING, fisher / np.maximum(2.0 * kl, KL_ROUNDING), np.nan)
    gibbs = np.exp(log_gibbs)
    twice = float(np.abs(mdp.soft_backup(value, mdp.grid(2 * grid.n)) - backup).max())
    resolved = twice <= RESOLVED * (1.0 + float(np.abs(value).max()))
    lower = mdp.resolvent(grid.normalise(gibbs), grid, residual)
    upper, best_after = largest_return(mdp, residual + 2.0 * twice, grid)
    wander = mdp.discount * best_after
    alpha = provable_bound(gibbs, q, grid, mdp.temperature) * np.exp(-wander / mdp.temperature)
    rate = certified_rate(alpha, upper, mdp.discount, mdp.temperature)
    value_rate = np.full(mdp.n_states, np.inf)
    if np.isfinite(fisher).all():
        value_rate = mdp.temperature**2 * mdp.resolvent(pi, grid, fisher)
    gap = None
    if solve:
        optimum = mdp.solve(grid) if optimum is None else optimum
        log_optimum = (
            mdp.q_on_grid(optimum.value, grid) - optimum.value[:, None]
        ) / mdp.temperature
        distance = np.maximum(grid.integrate(pi * (log_density(pi) - log_optimum)), 0.0)
        gap = mdp.temperature * mdp.resolvent(pi, grid, distance)
    on_grid = {
        "the density is not negative and integrates to 1": True,
        f"T V - V equals temperature KL (off by {identity_error:.1e})": identity_error
        <= 1e-9 * (1.0 + float(np.abs(value).max())),
    }
    resolves = {f"the grid resolves Q (T V moves by {twice:.1e} with twice the points)": resolved}
    flow = {**on_grid, **resolves, "actions live on a torus or in a reflecting box": True}
    claims = (
        Claim.resting_on("residual", "T V - V = temperature KL(pi || G[pi])", on_grid),
        Claim.resting_on("gap_lower", "V* - V is at least this at every state", on_grid),
        Claim.resting_on(
            "gap_upper",
            f"V* - V is at most this at every state; sup <= sup residual / (1 - discount) = "
            f"{residual.max() / (1.0 - mdp.discount):.4g}",
            {**on_grid, **resolves},
        ),
        Claim.resting_on(
            "value_rate", "the flow raises V at this rate at this moment", {**on_grid, **resolves}
        ),
        Claim.resting_on(
            "rate_bound",
            f"from here on sup |V* - V| falls at least at the rate {rate.min():.4g} along the flow",
            flow,
        ),
        Claim.resting_on(
            "lsi",
            "",
            {"I/2KL of one policy is a measurement, no constant for all": False},
        ),
    )
    return Certificate(
        problem=repr(mdp),
        estimator=f"exact on a grid of n = {grid.n} a dimension",
        value=value,
        residual=residual,
        kl=kl,
        relative_fisher=fisher,
        lsi=lsi,
        lsi_provable=alpha,
        gap_lower=lower,
        gap_upper=upper,
        rate_bound=rate,
        value_rate=value_rate,
        gap=gap,
        quadrature_error=twice,
        claims=claims,
    )
