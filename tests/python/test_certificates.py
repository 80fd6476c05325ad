"""A certificate is held against the truth that it speaks of."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

import wpg
from user_problems import POINTS, SHAPES, rough_density, smooth_density, user_problem
from wpg import UsageError
from wpg.certificates import (
    certify,
    certify_agent,
    certify_gaussian,
    certify_particles,
    certify_run,
    linear_gain,
)
from wpg.density import mixture_log_density
from wpg.exact import LQR, double_well, ring, trig
from wpg.reports import two_inputs
from wpg.runs import train

Float64 = NDArray[np.float64]
ROUNDING = 1e-12


@pytest.mark.closed_form
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("kind", "dimension"), SHAPES)
def test_bounds_hold_and_the_gap_is_the_gap(kind: str, dimension: int, sparse: bool) -> None:
    """gap_lower <= V* - V <= gap_upper at every state, and gap is V* - V, for good and bad ones."""
    mdp = user_problem(20, kind, dimension, sparse=sparse)
    grid = mdp.grid(POINTS[dimension])
    best = mdp.solve(grid)
    bad = rough_density(mdp, grid, 21)
    for share in (1.0, 0.1, 1e-3):
        pi = share * bad + (1.0 - share) * grid.normalise(best.density)
        c = certify(mdp, pi, grid)
        rounding = ROUNDING * (1.0 + np.abs(c.value).max())
        truth = best.value - mdp.evaluate(pi, grid)
        assert c.gap == pytest.approx(truth, abs=rounding)
        assert (c.gap_lower <= truth + rounding).all()
        assert (truth <= c.gap_upper + rounding).all()
        assert (
            c.gap_upper.max()
            <= (c.residual.max() + 2 * c.quadrature_error) / (1.0 - mdp.discount) + rounding
        )
        assert c.residual == pytest.approx(mdp.soft_backup(c.value, grid) - c.value, abs=rounding)


@pytest.mark.closed_form
def test_certified_rates_hold_along_the_whole_flow() -> None:
    """From each certificate on, sup |V* - V| stays below its bound times exp(-rate t), and V rises
    at its value_rate: the difference over a short step, to its length."""
    mdp = trig()
    grid = mdp.grid(64)
    best = mdp.solve(grid)
    path = mdp.fokker_planck(grid.uniform(3), grid, time=16.0, steps=64)
    values = np.array([mdp.evaluate(pi, grid) for pi in path])
    sup = (best.value - values).max(axis=1)
    last = 0.0
    for k in range(0, 64, 8):
        c = certify(mdp, path[k], grid, optimum=best)
        rate = float(c.rate_bound.min())
        later = 0.25 * np.arange(len(path) - k)
        assert (sup[k:] <= c.gap_upper.max() * np.exp(-rate * later) + 1e-12).all()
        assert rate > last  # what Q can still change shrinks
        last = rate
        short = mdp.fokker_planck(path[k], grid, time=1e-4, steps=1)[-1]
        rise = (mdp.evaluate(short, grid) - values[k]) / 1e-4
        assert rise == pytest.approx(c.value_rate, rel=2e-2)
        assert c.claim("rate_bound") is not None
    assert last > 0.01  # no astronomically small number at the end


def test_a_certificate_claims_nothing_that_was_not_checked() -> None:
    """A grid that does not resolve Q: bounds on the continuum are not claimed."""
    mdp = double_well(1.0, 0.02)
    coarse = certify(mdp, mdp.grid(6).uniform(1), mdp.grid(6))
    assert coarse.claim("gap_upper") is None
    assert coarse.claim("rate_bound") is None
    assert coarse.claim("residual") is not None  # an identity of the grid itself
    assert "nothing is claimed" in str(coarse)
    fine = certify(mdp, mdp.grid(400).uniform(1), mdp.grid(400))
    assert fine.claim("gap_upper") is not None
    assert fine.claim("lsi") is None


def test_a_density_with_holes_has_no_finite_fisher_information() -> None:
    mdp = trig()
    grid = mdp.grid(32)
    pi = grid.uniform(3)
    pi[1, :5] = 0.0
    c = certify(mdp, grid.normalise(pi), grid)
    assert np.isinf(c.relative_fisher[1])
    assert np.isfinite(c.relative_fisher[[0, 2]]).all()
    assert np.isinf(c.value_rate).all()
    assert np.isfinite(c.gap_upper).all()
    assert json.dumps(c.as_dict(), allow_nan=False)


def test_it_reads_as_a_table() -> None:
    mdp = trig(14)
    grid = mdp.grid(48)
    c = certify(mdp, grid.uniform(14), grid)
    text = str(c)
    assert "14 states" in text
    assert max(len(line) for line in c.table().splitlines()) <= 130
    claims = json.loads(json.dumps(c.as_dict()))["claims"]
    assert {claim["quantity"] for claim in claims} >= {"value", "residual", "gap", "rate_bound"}


@pytest.mark.closed_form
@pytest.mark.parametrize(("kind", "dimension"), SHAPES)
def test_particles_with_a_step_are_a_mixture_that_is_certified_exactly(
    kind: str, dimension: int
) -> None:
    """The value is that of the mixture density, evaluated on a finer grid; mass is kept."""
    mdp = trig(3, dimension, kind)
    rng = np.random.default_rng(5)
    cloud = mdp.low + (mdp.high - mdp.low) * rng.random((3, 40, dimension))
    width = float((mdp.high - mdp.low)[0])
    eta = (0.08 * width) ** 2 / (2.0 * mdp.temperature)
    c = certify_particles(mdp, cloud, step_size=eta)
    assert c.claim("gap_upper") is not None
    assert "mixture of 40" in c.estimator
    truth = mdp.solve(mdp.grid({1: 256, 2: 64}[dimension])).value - c.value
    # Boxes: midpoint sums of two grids differ by O(dx^2).
    slack = {"torus": 1e-9, "box": 2e-3}[kind]
    assert (c.gap_lower <= truth + slack).all()
    assert (truth <= c.gap_upper + slack).all()
    again = certify_particles(mdp, cloud, step_size=eta, grid=mdp.grid({1: 200, 2: 60}[dimension]))
    assert again.value == pytest.approx(c.value, abs=slack)


def test_nothing_is_claimed_of_a_mixture_that_the_grid_misses() -> None:
    mdp = trig()
    cloud = np.full((3, 4, 1), 1.0)
    c = certify_particles(mdp, cloud, step_size=1e-4, grid=mdp.grid(16))
    assert c.claim("gap_upper") is None


@pytest.mark.statistics
def test_bare_particles_name_their_estimator_and_stay_near_the_truth() -> None:
    """2000 draws of the optimum: the value is within 5 standard errors and the bias k/N of kNN.

    A wrong alarm: the sum of i.i.d. terms is beyond 5 deviations less than once in 10^5 for each of
    three states, which move together.
    """
    mdp = trig()
    grid = mdp.grid(512)
    best = mdp.solve(grid)
    rng = np.random.default_rng(11)
    cumulative = np.cumsum(best.density * grid.weights, axis=1)
    rows = [np.searchsorted(c, rng.random(2000) * c[-1]) for c in cumulative]
    cell = grid.spacing[0]
    cloud = np.stack([grid.points[r] + cell * (rng.random((2000, 1)) - 0.5) for r in rows])
    c = certify_particles(mdp, np.clip(cloud, 0.0, 2 * np.pi - 1e-9))
    assert "knn" in c.estimator
    assert c.standard_error is not None
    assert (np.abs(c.value - best.value) <= 5.0 * c.standard_error).all()
    assert np.isnan(c.relative_fisher).all()
    assert all(c.claim(name) is None for name in ("residual", "gap_upper", "value_rate"))
    assert (c.gap_upper >= best.value - c.value - 5.0 * c.standard_error).all()


def scalar_lqr() -> LQR:
    return LQR([[0.9]], [[0.5]], [[1.0]], [[0.3]], [[0.1]], discount=0.8, temperature=0.2)


@pytest.mark.closed_form
def test_gaussian_certificates_are_exact() -> None:
    """Residual, bounds and rates against sums over Gauss-Hermite points and a short flow."""
    for lqr in (two_inputs(), scalar_lqr()):
        O, D = lqr.observation_size, lqr.action_size
        rng = np.random.default_rng(3)
        states = rng.normal(size=(5, O))
        best = lqr.optimal()
        F = best.F + 0.1 * rng.normal(size=(D, O))
        root = 0.3 * rng.normal(size=(D, D)) + 0.4 * np.eye(D)
        covariance = root @ root.T
        c = certify_gaussian(lqr, F, covariance, states)
        K, constant = lqr.evaluate(F, covariance)
        H, E = lqr.hessian(K), lqr.cross_term(K)
        gap = best.value(states) - c.value
        assert c.gap == pytest.approx(gap, rel=1e-12)
        assert (c.gap_lower <= gap * (1 + 1e-12)).all()
        assert (gap <= c.gap_upper * (1 + 1e-12)).all()
        # T V by the closed form of a Gaussian integral.
        mean = -np.linalg.solve(H, E @ states.T).T
        top = lqr.q(K, constant, states, mean[:, None])[:, 0]
        _, log_det = np.linalg.slogdet(2 * np.pi * lqr.temperature * np.linalg.inv(H))
        backup = top + lqr.temperature / 2 * log_det
        assert c.residual == pytest.approx(backup - c.value, rel=1e-9)
        # V after a short time of the flow, second order in the step.
        tau, h = lqr.temperature, 1e-6

        def moved(
            t: float,
            F: Float64 = F,
            covariance: Float64 = covariance,
            H: Float64 = H,
            E: Float64 = E,
            lqr: LQR = lqr,
            states: Float64 = states,
            tau: float = tau,
        ) -> Float64:
            F_t = F - t * (H @ F - E)
            S_t = covariance + t * (2 * tau * np.eye(len(H)) - H @ covariance - covariance @ H)
            K_t, c_t = lqr.evaluate(F_t, S_t)
            return -0.5 * np.einsum("si,ij,sj->s", states, K_t, states) + c_t

        assert (moved(h) - moved(-h)) / (2 * h) == pytest.approx(c.value_rate, rel=1e-6)
        assert c.claim("rate_bound") is None
        at_best = certify_gaussian(lqr, best.F, best.covariance, states)
        assert np.abs(at_best.residual).max() <= 1e-12 * (1 + np.abs(at_best.value).max())


def test_the_mixture_of_the_certificate_is_that_of_the_step() -> None:
    """What is certified is the density of "draw a particle, take one Langevin step" along its own
    Q: with the certified value put back in, the same value comes out."""
    mdp = trig(3, 1, "box")
    cloud = np.linspace(-0.9, 0.9, 12).reshape(1, 12, 1).repeat(3, axis=0)
    eta, grid = 0.02, mdp.grid(256)
    c = certify_particles(mdp, cloud, step_size=eta, grid=grid)
    means = cloud + eta * mdp.q_gradient(c.value, cloud)
    points = np.ascontiguousarray(np.broadcast_to(grid.points, (3, 256, 1)))
    std = float(np.sqrt(2 * eta * mdp.temperature))
    density = np.exp(mixture_log_density(points, means, std, mdp.support))
    direct = certify(mdp, grid.normalise(density), grid)
    assert c.value == pytest.approx(direct.value, abs=1e-10)


QUICK = {
    "evaluation_interval": 0,
    "warmup_steps": 100,
    "centers": 60,
    "planned_states": 120,
    "dynamics_centers": 60,
}


@pytest.mark.end_to_end
def test_learned_agents_are_held_against_exact_answers(tmp_path: object) -> None:
    agent = wpg.WPG("wpg/LQR-v0", seed=3, **QUICK)
    with pytest.raises(UsageError, match="no critic yet"):
        certify_agent(agent)
    with pytest.raises(TypeError, match="agent is None"):
        certify_agent(None)  # type: ignore[arg-type]
    agent.learn(500)
    assert agent.discount == 0.9  # the environment's own
    found = certify_agent(agent, transitions=200, probe_states=20)
    again = certify_agent(agent, transitions=200, probe_states=20)
    assert found.as_dict() == again.as_dict()
    assert len(found.bellman_residual) == 200
    # KL of a mixture to a law whose normaliser is estimated from more particles: not below the
    # error of that estimate.
    assert found.kl.min() > -0.1
    assert (found.effective_fraction > 0).all()
    assert (found.effective_fraction <= 1).all()
    assert found.exact["relative error of the gain"] < 0.5
    states = agent.typical_observations(50)
    assert linear_gain(agent, states).shape == (1, 2)
    assert "Bellman residual" in str(found)
    with pytest.raises(UsageError, match="transitions"):
        certify_agent(agent, transitions=1)

    well = wpg.WPG("wpg/DoubleWell-v0", seed=3, **QUICK).learn(400)
    exact = certify_agent(well, transitions=100, probe_states=10).exact
    (certificate,) = exact.values()
    assert certificate.gap is not None
    assert certificate.gap_lower[0] <= certificate.gap[0] <= certificate.gap_upper[0] + 1e-9


@pytest.mark.end_to_end
def test_a_run_folder_is_certified(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "run"
    train(
        "wpg/Trig-v0",
        seed=1,
        total_steps=300,
        folder=folder,
        settings={**QUICK, "evaluation_episodes": 1},
        quiet=True,
    )
    found = certify_run(folder, transitions=100, probe_states=10)
    assert found.env == "wpg/Trig-v0"
    assert found.env_steps == 300
    (certificate,) = found.exact.values()
    assert len(certificate.value) == 3
    assert json.dumps(found.as_dict(), allow_nan=False)


def test_the_ring_is_certified_sparsely() -> None:
    mdp = ring(60, 1, 6)
    grid = mdp.grid(32)
    c = certify(mdp, smooth_density(mdp, grid, 1), grid)
    assert c.gap is not None
    assert (c.gap_lower <= c.gap + 1e-9).all()
    assert (c.gap <= c.gap_upper + 1e-9).all()


def test_a_hole_that_cannot_be_reached_leaves_the_other_rates_finite() -> None:
    """States 0 and 1 stay where they are; only state 2 has a cell without mass."""
    mdp = trig().replace(discount=0.9)
    apart = type(mdp)(
        3,
        1,
        mdp.reward,
        lambda actions: np.ones((*actions.shape[:2], 1)),
        mdp.support,
        discount=0.9,
        temperature=0.5,
        successors=np.array([[0], [1], [1]]),
    )
    grid = apart.grid(32)
    pi = grid.uniform(3)
    pi[2, 4] = 0.0
    c = certify(apart, grid.normalise(pi), grid)
    assert np.isfinite(c.value_rate[:2]).all()
    assert np.isinf(c.value_rate[2])
    assert c.claim("value_rate") is None


def test_a_density_that_the_grid_misses_has_no_claimed_rate() -> None:
    """cos(25 a) on 64 points: Q is resolved, the density is not."""
    mdp = trig()
    grid = mdp.grid(64)
    pi = grid.normalise(1.0 + 0.9 * np.cos(25.0 * grid.points[:, 0]) * np.ones((3, 1)))
    c = certify(mdp, pi, grid)
    assert c.claim("gap_upper") is not None
    assert c.claim("value_rate") is None
    assert certify(mdp, grid.uniform(3), grid).claim("value_rate") is not None


def test_an_offset_of_the_reward_does_not_resolve_a_grid() -> None:
    """What is resolved is Q over temperature, whatever constant a reward has."""
    well = double_well(1.0, 0.02)
    shifted = type(trig())(
        1,
        1,
        lambda a: well.reward(a) + 1e4,
        lambda a: np.ones((*a.shape[:2], 1)),
        well.support,
        discount=0.0,
        temperature=0.02,
    )
    c = certify(shifted, shifted.grid(6).uniform(1), shifted.grid(6))
    assert c.claim("gap_upper") is None
    assert c.claim("rate_bound") is None
