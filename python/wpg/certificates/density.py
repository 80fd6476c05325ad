"""The certificate of a policy whose density is known on a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpg.certificates.certificate import Certificate, Claim
from wpg.exact import FiniteMDP, Grid, SoftSolution
from wpg.exact.fokker_planck import relative_fisher
from wpg.exact.log_sobolev import provable_bound

__all__ = [
    "certified_rate",
    "certify",
    "change_with_twice",
    "finite_problem",
    "largest_return",
    "upper_bound_and_rate",
]

Float64 = NDArray[np.float64]

# T V may move by this fraction of the temperature with twice the points.
RESOLVED = 1e-2


def finite_problem(mdp: FiniteMDP) -> None:
    """TypeError for what is no FiniteMDP."""
    if not isinstance(mdp, FiniteMDP):
        raise TypeError(f"mdp is {mdp!r}; it must be a wpg.exact.FiniteMDP")


def largest_return(
    mdp: FiniteMDP, income: Float64, grid: Grid, *, tolerance: float = 1e-13
) -> tuple[Float64, Float64]:
    """u = income + discount max_a P u (S,), and max_a P u (S,), maxima over the grid's points.

    Any g with g <= income + (T V* - T V) and g = V* - V obeys g <= u, since T V* - T V is at most
    discount max_a P g: an upper bound on the gap, statewise, that does not need pi*. Value
    iteration from income / (1 - discount), so that it bounds u from above wherever it stops.
    """
    _, transition = mdp.on_grid(grid)
    u = np.full(mdp.n_states, float(income.max()) / (1.0 - mdp.discount))
    for _ in range(10_000):
        best = np.einsum("sgk,sk->sg", transition, mdp.successor_values(u)).max(axis=1)
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


def change_with_twice(mdp: FiniteMDP, value: Float64, grid: Grid, backup: Float64) -> float:
    """The most by which T V, `backup` (S,) on this grid, moves with twice the points per axis."""
    return float(np.abs(mdp.soft_backup(value, mdp.grid(2 * grid.n)) - backup).max())


def upper_bound_and_rate(
    mdp: FiniteMDP, q: Float64, income: Float64, grid: Grid
) -> tuple[Float64, Float64, Float64]:
    """(upper bound on the gap, provable alpha, certified rate), each (S,), from Q (S, G) and an
    upper bound `income` (S,) on T V - V."""
    upper, best_after = largest_return(mdp, income, grid)
    wander = mdp.discount * best_after
    alpha = provable_bound(q, grid, mdp.temperature) * np.exp(-wander / mdp.temperature)
    return upper, alpha, certified_rate(alpha, upper, mdp.discount, mdp.temperature)


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
    tau, size = mdp.temperature, 1.0 + float(np.abs(value).max())
    q = mdp.q_on_grid(value, grid)
    backup = mdp.soft_backup(value, grid)
    log_gibbs = (q - backup[:, None]) / tau
    # Two ways to the same number; the KL form keeps its digits where T V - V cancels.
    kl = np.maximum(grid.kl(pi, log_gibbs), 0.0)
    residual = tau * kl
    identity_error = float(np.abs(backup - value - residual).max())
    fisher = relative_fisher(pi, q, grid, tau)
    rounding = 1e-14 * size / tau  # a KL of rounding errors has no ratio
    lsi = np.where(kl > rounding, fisher / np.maximum(2.0 * kl, rounding), np.nan)
    twice = change_with_twice(mdp, value, grid, backup)
    gibbs = mdp.gibbs(value, grid)
    lower = mdp.resolvent(gibbs, grid, np.maximum(residual - 2.0 * twice, 0.0))
    upper, alpha, rate = upper_bound_and_rate(mdp, q, residual + 2.0 * twice, grid)
    value_rate = _rate_of_value(mdp, pi, grid, fisher)
    gap = None
    if solve:
        optimum = mdp.solve(grid) if optimum is None else optimum
        best_q = mdp.q_on_grid(optimum.value, grid)
        log_optimum = (best_q - optimum.value[:, None]) / tau
        distance = np.maximum(grid.kl(pi, log_optimum), 0.0)
        gap = tau * mdp.resolvent(pi, grid, distance)
    merged = _change_when_merged(mdp, pi, value, fisher, grid)
    on_grid = {
        "the density is not negative and integrates to 1": True,
        f"T V - V equals temperature KL (off by {identity_error:.1e})": identity_error
        <= 1e-9 * size,
    }
    resolved = {
        **on_grid,
        f"T V moves by {twice:.1e} from n = {grid.n} to {2 * grid.n}, less than 1 % of the "
        "temperature, and bounds allow for twice that (what is narrower than a cell is not seen)": (
            twice <= RESOLVED * tau + 1e-13 * size
        ),
    }
    smooth = {
        **resolved,
        f"Fisher information moves by {100 * merged:.2g} % when cells are merged in pairs, less "
        "than 10 %": merged <= 0.1,
    }
    flow = {**resolved, "actions live on a torus or in a reflecting box": True}
    claims: tuple[Claim, ...] = (
        Claim.resting_on("value", "V of this policy, on the grid", on_grid),
        Claim.resting_on("residual", "T V - V = temperature KL(pi || G[pi]), on the grid", on_grid),
        Claim.resting_on("kl", "KL(pi || G[pi]), on the grid", on_grid),
        Claim.resting_on("gap_lower", "V* - V is at least this at every state", resolved),
        Claim.resting_on("gap_upper", "V* - V is at most this at every state", resolved),
        Claim.resting_on("gap", "V* - V by the performance difference, on the grid", on_grid),
        Claim.resting_on("relative_fisher", "int pi |grad log(pi/G)|^2", smooth),
        Claim.resting_on("value_rate", "the flow raises V at this rate at this moment", smooth),
        Claim.diagnostic("lsi", "I/2KL of one policy is no constant for all"),
        Claim.resting_on(
            "lsi_provable", "every Gibbs policy of the flow from here on has this constant", flow
        ),
        Claim.resting_on(
            "rate_bound",
            f"from here on sup |V* - V| falls at least at the rate {rate.min():.4g} along the flow",
            flow,
        ),
    )
    if not solve:
        claims = tuple(claim for claim in claims if claim.quantity != "gap")
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


def _rate_of_value(mdp: FiniteMDP, pi: Float64, grid: Grid, fisher: Float64) -> Float64:
    """temperature^2 (I - discount P^pi)^-1 I (S,), infinite where an infinite I can be reached."""
    endless = ~np.isfinite(fisher)
    rate = mdp.temperature**2 * mdp.resolvent(pi, grid, np.where(endless, 0.0, fisher))
    if not endless.any():
        return rate
    reached = mdp.resolvent(pi, grid, endless.astype(np.float64))
    return np.where(reached > 1e-12, np.inf, rate)


def _change_when_merged(
    mdp: FiniteMDP, pi: Float64, value: Float64, fisher: Float64, grid: Grid
) -> float:
    """How far the Fisher information moves, relative to its largest, on half as many points."""
    if grid.n % 2 or grid.n < 4 or not np.isfinite(fisher).all():
        return np.inf
    coarse = mdp.grid(grid.n // 2)
    pairs = pi.reshape(len(pi), *(m for _ in range(grid.dimension) for m in (coarse.n, 2)))
    merged = pairs.mean(axis=tuple(range(2, 2 * grid.dimension + 1, 2))).reshape(len(pi), -1)
    found = relative_fisher(merged, mdp.q_on_grid(value, coarse), coarse, mdp.temperature)
    return float(np.abs(found - fisher).max() / max(float(fisher.max()), 1e-12))
