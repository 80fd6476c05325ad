"""The identities of entropy-regularised control, on problems that users wrote and on named ones.

Tolerances: an identity that holds in exact arithmetic is asked for to 1e-12 of 1 + sup |V|. A value
comes out of one S x S solve of condition (1 + discount)/(1 - discount) <= 20 and sums of at most
400 terms, so rounding is some 1e-14.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from user_problems import (
    POINTS,
    SHAPES,
    rough_density,
    smooth_density,
    user_problem,
    value_derivative,
)
from wpg.exact import (
    Bandit,
    FiniteMDP,
    Grid,
    Tsallis,
    bias,
    double_well,
    gaussian_mixture,
    log_sobolev,
    multi_goal,
    ring,
    stationary_density,
    trig,
    von_mises,
)
from wpg.exact.fokker_planck import relative_fisher
from wpg.exact.grid import log_density
from wpg.exact.langevin_operators import langevin_operator
from wpg.exact.squashed import squashed_chain
from wpg.supports import Box, Torus

Float64 = NDArray[np.float64]
RELATIVE = 1e-12


def slope(x: Float64, y: Float64) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def kl(grid: Grid, p: Float64, log_other: Float64) -> Float64:
    return grid.integrate(p * (log_density(p) - log_other))


def log_gibbs(mdp: FiniteMDP, value: Float64, grid: Grid) -> Float64:
    backup = mdp.soft_backup(value, grid)
    return (mdp.q_on_grid(value, grid) - backup[:, None]) / mdp.temperature


def problems() -> list[tuple[str, FiniteMDP]]:
    made = [
        (f"user-{kind}-{D}-{seed}", user_problem(seed, kind, D, sparse=seed == 1))
        for kind, D in SHAPES
        for seed in (0, 1, 2)
    ]
    named = [(f"trig-{kind}-{D}", trig(3, D, kind)) for kind, D in SHAPES]
    return [*made, *named, ("multi-goal", multi_goal(5)), ("ring", ring(40, 1, 6))]


@pytest.fixture(params=problems(), ids=lambda pair: pair[0])
def case(request: pytest.FixtureRequest) -> tuple[FiniteMDP, Grid]:
    mdp = request.param[1]
    return mdp, mdp.grid(POINTS[mdp.action_size])


@pytest.mark.closed_form
def test_residual_is_temperature_times_kl(case: tuple[FiniteMDP, Grid]) -> None:
    """T V - V = temperature KL(pi || G[pi]), and T U - T^pi U for any U."""
    mdp, grid = case
    pi = rough_density(mdp, grid, 3)
    value = mdp.evaluate(pi, grid)
    scale = 1.0 + np.abs(value).max()
    divergence = mdp.temperature * kl(grid, pi, log_gibbs(mdp, value, grid))
    found = mdp.soft_backup(value, grid) - value
    assert np.abs(found - divergence).max() <= RELATIVE * scale
    any_value = np.random.default_rng(1).normal(size=mdp.n_states)
    q = mdp.q_on_grid(any_value, grid)
    policy_backup = grid.integrate(pi * (q - mdp.temperature * log_density(pi)))
    divergence = mdp.temperature * kl(grid, pi, log_gibbs(mdp, any_value, grid))
    found = mdp.soft_backup(any_value, grid) - policy_backup
    assert np.abs(found - divergence).max() <= RELATIVE * scale


@pytest.mark.closed_form
def test_performance_difference_and_bounds(case: tuple[FiniteMDP, Grid]) -> None:
    """V* - V = temperature (I - discount P^pi)^-1 KL(pi||pi*), and both pairs of bounds on it."""
    mdp, grid = case
    pi = rough_density(mdp, grid, 4)
    value, best = mdp.evaluate(pi, grid), mdp.solve(grid)
    scale = 1.0 + np.abs(value).max()
    gap = best.value - value
    divergence = kl(grid, pi, log_gibbs(mdp, best.value, grid))
    predicted = mdp.temperature * mdp.resolvent(pi, grid, divergence)
    assert np.abs(gap - predicted).max() <= RELATIVE * scale
    residual = mdp.soft_backup(value, grid) - value
    rounding = RELATIVE * scale
    assert residual.max() <= gap.max() + rounding
    assert gap.max() <= residual.max() / (1.0 - mdp.discount) + rounding
    lower = mdp.resolvent(grid.normalise(mdp.gibbs(value, grid)), grid, residual)
    upper = mdp.resolvent(best.density, grid, residual)
    assert (lower <= gap + rounding).all()
    assert (gap <= upper + rounding).all()


@pytest.mark.closed_form
def test_discrete_resolvent_identity(case: tuple[FiniteMDP, Grid]) -> None:
    """V' - V = temperature (I - discount P^pi')^-1 [KL(pi||G[pi]) - KL(pi'||G[pi])]: any two."""
    mdp, grid = case
    before, after = rough_density(mdp, grid, 5), smooth_density(mdp, grid, 6)
    value, moved = mdp.evaluate(before, grid), mdp.evaluate(after, grid)
    logs = log_gibbs(mdp, value, grid)
    fall = kl(grid, before, logs) - kl(grid, after, logs)
    predicted = mdp.temperature * mdp.resolvent(after, grid, fall)
    scale = 1.0 + np.abs(value).max()
    assert np.abs(moved - value - predicted).max() <= RELATIVE * scale


@pytest.mark.closed_form
def test_value_iteration_and_policy_iteration_agree(case: tuple[FiniteMDP, Grid]) -> None:
    """The error of value iteration that ends at a residual e is at most e / (1 - discount)."""
    mdp, grid = case
    best = mdp.solve(grid)
    scale = 1.0 + np.abs(best.value).max()
    assert np.abs(best.residual).max() <= 1e-13 * scale
    other = mdp.soft_value_iteration(grid, tolerance=1e-12)
    assert np.abs(best.value - other.value).max() <= 2e-12 * scale / (1.0 - mdp.discount)
    assert np.abs(grid.integrate(best.density) - 1.0).max() <= 1e-11


@pytest.mark.closed_form
@pytest.mark.parametrize(("dimension", "n"), [(1, 96), (2, 48)])
def test_continuous_resolvent_identity(dimension: int, n: int) -> None:
    """dV/dt = temperature^2 (I - discount P)^-1 int pi |grad log(pi/G)|^2, torus, spectrally.

    Asked to 1e-8. The derivatives are spectral and the densities are resolved: with n points the
    Fourier modes beyond n/2 of pi and G are below 1e-12.
    """
    for mdp in (trig(3, dimension, "torus"), user_problem(7, "torus", dimension, temperature=1.0)):
        grid = mdp.grid(n)
        pi = smooth_density(mdp, grid, 8)
        logs = log_gibbs(mdp, mdp.evaluate(pi, grid), grid)
        score = grid.gradient(np.log(pi) - logs)
        velocity = -mdp.temperature * score
        divergence = sum(grid.gradient(pi * velocity[..., d])[..., d] for d in range(dimension))
        rate = -np.asarray(divergence)
        fisher = grid.integrate(pi * (score**2).sum(axis=2))
        predicted = mdp.temperature**2 * mdp.resolvent(pi, grid, fisher)
        found = value_derivative(mdp, grid, pi, rate)
        assert np.abs(found / predicted - 1.0).max() <= 1e-8


@pytest.mark.closed_form
def test_resolvent_identity_of_the_grid_flow(case: tuple[FiniteMDP, Grid]) -> None:
    """The same with the flow and the Fisher information of the grid, on boxes too, at 1e-8."""
    mdp, grid = case
    pi = smooth_density(mdp, grid, 9)
    q = mdp.q_on_grid(mdp.evaluate(pi, grid), grid)
    fisher = relative_fisher(pi, q, grid, mdp.temperature)
    predicted = mdp.temperature**2 * mdp.resolvent(pi, grid, fisher)
    found = value_derivative(mdp, grid, pi, mdp.fokker_planck_rate(pi, grid))
    assert np.abs(found / predicted - 1.0).max() <= 1e-8


def test_fisher_information_tends_to_the_integral() -> None:
    """O(dx^2): four times the points, a sixteenth of the distance."""
    mdp = trig()
    errors = []
    for n in (32, 128):
        grid = mdp.grid(n)
        pi = smooth_density(mdp, grid, 8)
        value = mdp.evaluate(pi, grid)
        score = grid.gradient(np.log(pi) - log_gibbs(mdp, value, grid))
        exact = grid.integrate(pi * (score**2).sum(axis=2))
        found = relative_fisher(pi, mdp.q_on_grid(value, grid), grid, mdp.temperature)
        errors.append(np.abs(found / exact - 1.0).max())
    assert errors[1] == pytest.approx(errors[0] / 16.0, rel=0.1)


@pytest.mark.property
def test_the_flow_is_positive_keeps_mass_and_raises_every_value(
    case: tuple[FiniteMDP, Grid],
) -> None:
    mdp, grid = case
    path = mdp.fokker_planck(rough_density(mdp, grid, 10), grid, time=2.0, steps=12)
    assert path.min() > 0.0
    assert np.abs(grid.integrate(path) - 1.0).max() <= 1e-14
    values = np.array([mdp.evaluate(pi, grid) for pi in path])
    # From a rough start the value rises by far more than its rounding at every step.
    assert np.diff(values, axis=0).min() > -RELATIVE * (1.0 + np.abs(values).max())


def test_many_small_jumps_equal_the_squared_matrix() -> None:
    """Both ways of `advance`: long times on small grids are squared, short ones summed."""
    mdp = double_well()
    grid = mdp.grid(48)
    start = grid.tilted(1)
    at_once = mdp.fokker_planck(start, grid, time=40.0, steps=1)[-1]
    in_parts = mdp.fokker_planck(start, grid, time=40.0, steps=80)[-1]
    assert np.abs(at_once - in_parts).max() <= 1e-11


@pytest.mark.closed_form
@pytest.mark.parametrize("discount", [0.5, 0.9, 0.97])
def test_rates_of_the_flow(discount: float) -> None:
    """Measured rates are at least 2 temperature alpha (1 - discount), alpha the least I/(2 KL) on
    the path; late, the slowest state's KL falls at 2 temperature lambda within 1 %."""
    mdp = trig(discount=discount)
    grid = mdp.grid(64)
    best = mdp.solve(grid)
    q_best = mdp.q_on_grid(best.value, grid)
    gaps = log_sobolev.spectral_gap(q_best, grid, mdp.temperature)
    slowest = int(gaps.argmin())
    late = 2.0 * mdp.temperature * gaps[slowest]
    steps, time = 160, 14.0 / late
    path = mdp.fokker_planck(grid.tilted(3), grid, time=time, steps=steps)
    values = np.array([mdp.evaluate(pi, grid) for pi in path])
    assert np.diff(values, axis=0).min() > 0.0
    sup = (best.value - values).max(axis=1)
    ratio, divergences = [], []
    for pi, value in zip(path, values, strict=True):
        q = mdp.q_on_grid(value, grid)
        divergences.append(kl(grid, pi, log_gibbs(mdp, value, grid)))
        ratio.append(relative_fisher(pi, q, grid, mdp.temperature) / (2.0 * divergences[-1]))
    alpha = float(np.min(ratio))
    clear = sup[1:] > 1e-10
    rates = np.log(sup[:-1] / sup[1:])[clear] * steps / time
    assert rates.min() >= 2.0 * mdp.temperature * alpha * (1.0 - discount)
    slow = np.array(divergences)[:, slowest]
    window = slice(steps - 20, steps + 1)
    assert slow[window].min() > 1e-11
    measured = -np.polyfit(np.arange(21) * time / steps, np.log(slow[window]), 1)[0]
    assert measured == pytest.approx(late, rel=0.01)


# Log-Sobolev constants


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["torus", "box"])
def test_provable_constants_are_below_everything_that_is_measured(kind: str, seed: int) -> None:
    mdp = user_problem(seed, kind, 1, temperature=0.6)
    grid = mdp.grid(64)
    best = mdp.solve(grid)
    q = mdp.q_on_grid(best.value, grid)
    gap = log_sobolev.spectral_gap(q, grid, mdp.temperature)
    estimate = np.minimum(gap, log_sobolev.log_sobolev_estimate(best.density, grid, starts=3))
    oscillation = q.max(axis=1) - q.min(axis=1)
    crude = log_sobolev.holley_stroock_bound(
        oscillation, grid.low, grid.high, mdp.temperature, periodic=kind == "torus"
    )
    tails = log_sobolev.barthe_roberto_bound(np.log(best.density), grid)
    # The constants of the grid and of the continuum differ by O(dx^2), here below 1 %.
    assert (crude <= 1.01 * estimate).all()
    assert (tails <= 1.01 * estimate).all()
    # The tail bound loses a bounded factor only.
    assert (tails >= estimate / 40.0).all()


def test_provable_constants_of_densities_that_underflow() -> None:
    """Barriers of e^-1000: a constant below the spectral gap, never infinite."""
    well = double_well(1.0, 0.25)
    for temperature in (0.012, 0.002):
        cold = well.replace(temperature=temperature)
        grid = cold.grid(256)
        q = cold.q_on_grid(np.zeros(1), grid)
        alpha = log_sobolev.provable_bound(q, grid, temperature)
        assert 0.0 <= alpha[0] <= 1e-20
    ring_of_fire = trig(temperature=0.002, discount=0.0)
    grid = ring_of_fire.grid(128)
    alpha = log_sobolev.provable_bound(ring_of_fire.q_on_grid(np.zeros(3), grid), grid, 0.002)
    assert (alpha >= 0.0).all()
    assert (alpha < 1e3).all()


@pytest.mark.closed_form
def test_spectral_gaps_that_are_known() -> None:
    """(2 pi/L)^2 on a circle and (pi/L)^2 in a box for a flat density, 1/variance for a Gaussian;
    the grid's own are O(dx^2) below."""
    flat = np.zeros((1, 200))
    circle, box = trig(1).grid(200), trig(1, support="box").grid(200)
    assert log_sobolev.spectral_gap(flat, circle, 0.5)[0] == pytest.approx(1.0, rel=1e-3)
    found = log_sobolev.spectral_gap(flat, box, 0.5)[0]
    assert found == pytest.approx((np.pi / 2.0) ** 2, rel=1e-3)
    well = gaussian_mixture([[0.0]], 0.3, temperature=1.0)
    grid = well.grid(400)
    q = well.q_on_grid(np.zeros(1), grid)
    assert log_sobolev.spectral_gap(q, grid, 1.0)[0] == pytest.approx(1.0 / 0.09, rel=2e-3)
    big = gaussian_mixture([[0.0, 0.0]], 0.3, temperature=1.0)
    plane = big.grid(48)
    q = big.q_on_grid(np.zeros(1), plane)
    # dx = 0.11 against a deviation of 0.3: the grid is coarse, its gap some per cent off.
    assert log_sobolev.spectral_gap(q, plane, 1.0)[0] == pytest.approx(1.0 / 0.09, rel=0.03)


# Closed forms


@pytest.mark.closed_form
def test_values_of_the_bandits() -> None:
    """Midpoint sums of smooth functions that vanish at the walls, or are periodic, are exact to
    rounding once resolved."""
    for problem, n in (
        (double_well(1.0, 0.25), 200),
        (double_well(2.0, 1.0), 200),
        (von_mises(1.0, 0.3, 0.5), 64),
        (von_mises(2.0, 4.0, 0.3), 96),
        (gaussian_mixture(((-1.5,), (1.0,)), (0.5, 0.3), (0.3, 0.7), 0.7), 200),
        (gaussian_mixture(), 100),
    ):
        grid = problem.grid(n)
        best = problem.solve(grid)
        assert problem.optimal_value is not None
        assert best.value[0] == pytest.approx(problem.optimal_value, abs=1e-13)
        if problem.entropy is not None:
            entropy = -grid.integrate(best.density * np.log(best.density))[0]
            assert entropy == pytest.approx(problem.entropy, abs=1e-13)


@pytest.mark.closed_form
def test_kramers_rate_of_the_double_well() -> None:
    """temperature lambda ~ (sqrt(32) k / pi) exp(-k/temperature), to O(temperature) at 1/8."""
    k, temperature = 1.0, 0.125
    problem = double_well(k, temperature)
    grid = problem.grid(256)
    q = problem.q_on_grid(np.zeros(1), grid)
    rate = temperature * log_sobolev.spectral_gap(q, grid, temperature)[0]
    assert rate == pytest.approx(np.sqrt(32.0) * k / np.pi * np.exp(-k / temperature), rel=0.1)


@pytest.mark.closed_form
@pytest.mark.parametrize("name", ["trig", "ring", "multi-goal", "gaussian-mixture", "user"])
def test_gradients_are_derivatives(name: str) -> None:
    """Analytic against central differences: 1e-8 of the function's scale."""
    problem: FiniteMDP = {
        "trig": trig(3, 2),
        "ring": ring(30, 2, 6),
        "multi-goal": multi_goal(4),
        "gaussian-mixture": gaussian_mixture(),
        "user": user_problem(3, "box", 2),
    }[name]
    rng = np.random.default_rng(0)
    inner = 0.05 + 0.9 * rng.random((problem.n_states, 5, problem.action_size))
    actions = problem.low + (problem.high - problem.low) * inner
    value = rng.normal(size=problem.n_states)
    gradient = problem.q_gradient(value, actions)
    for d in range(problem.action_size):
        h = 1e-5 * (problem.high - problem.low)[d]
        ahead, behind = actions.copy(), actions.copy()
        ahead[..., d] += h
        behind[..., d] -= h
        slope_found = (problem.q(value, ahead) - problem.q(value, behind)) / (2 * h)
        scale = 1.0 + np.abs(gradient).max()
        assert np.abs(slope_found - gradient[..., d]).max() <= 1e-8 * scale


# Operators and bias


@pytest.mark.closed_form
@pytest.mark.parametrize(("kind", "dimension"), SHAPES)
def test_operators_keep_mass_and_mala_keeps_gibbs(kind: str, dimension: int) -> None:
    mdp = trig(3, dimension, kind)
    grid = mdp.grid({1: 64, 2: 16}[dimension])
    value = mdp.solve(grid).value
    gibbs = mdp.gibbs(value, grid)
    # Two cells a standard deviation: the quadrature error exp(-2 pi^2 4) is nothing.
    eta = float((2.0 * grid.spacing.max()) ** 2 / (2.0 * mdp.temperature))
    plain = mdp.langevin_operator(value, grid, eta)
    assert plain.min() >= 0.0
    assert np.abs(plain.sum(axis=1) - 1.0).max() <= 1e-12
    mala = mdp.mala_operator(value, grid, eta)
    assert mala.min() >= 0.0
    assert np.abs(mala.sum(axis=1) - 1.0).max() <= 1e-12
    assert np.abs(np.einsum("sij,sj->si", mala, gibbs) - gibbs).max() <= RELATIVE * gibbs.max()


@pytest.mark.closed_form
def test_one_step_of_the_operator_is_one_step_of_particles() -> None:
    """A point mass moved by the operator has the mean and variance of the step, on a wide box."""
    well = gaussian_mixture([[0.0]], 1.0, temperature=0.5)
    grid = well.grid(400)
    eta, j = 0.1, 210
    start = np.zeros((1, 400))
    start[0, j] = 1.0 / grid.weights[0]
    after = np.einsum("sij,sj->si", well.langevin_operator(np.zeros(1), grid, eta), start)
    a = grid.points[:, 0]
    mean = float(grid.integrate(after * a)[0])
    assert mean == pytest.approx(a[j] - eta * 0.5 * a[j], abs=1e-12)
    variance = float(grid.integrate(after * (a - mean) ** 2)[0])
    assert variance == pytest.approx(2 * eta * 0.5, rel=1e-12)


@pytest.mark.closed_form
def test_linear_drift_has_the_known_stationary_variances() -> None:
    """Q = -m a^2/2: Langevin tau/(m (1 - eta m/2)), Leimkuhler-Matthews and MALA tau/m.

    On a circle so wide that the tails beyond are exp(-60), where Q is continued by a cosine; eta m
    is such that no particle feels it.
    """
    tau, eta = 0.05, 0.2
    period = 2.0 * np.pi
    mdp = FiniteMDP(
        1,
        1,
        lambda a: -0.5 * (a[..., 0] - np.pi) ** 2,
        lambda a: np.ones((*a.shape[:2], 1)),
        Torus(period),
        discount=0.0,
        temperature=tau,
        reward_gradient=lambda a: -(np.mod(a, period) - np.pi),
    )
    grid = mdp.grid(256)
    away = (grid.points[:, 0] - np.pi) ** 2
    plain = stationary_density(mdp.langevin_operator(np.zeros(1), grid, eta), grid)
    assert grid.integrate(plain * away)[0] == pytest.approx(tau / (1 - eta / 2), rel=1e-9)
    mala = stationary_density(mdp.mala_operator(np.zeros(1), grid, eta), grid)
    assert grid.integrate(mala * away)[0] == pytest.approx(tau, rel=1e-9)


@pytest.mark.closed_form
def test_bias_has_the_predicted_slopes_and_constants() -> None:
    """ULA: gap slope 2 with ratio 1 within 3 % at the smallest step, statistics slope 1, Richardson
    slope 3; Leimkuhler-Matthews KL slope 4; MALA exact."""
    mdp = trig()
    grid = mdp.grid(96)
    best = mdp.solve(grid)
    etas = np.array([0.01, 0.02, 0.04, 0.08])
    found = [bias.fixed_point(mdp, grid, eta) for eta in etas]
    gaps = np.array([best.value - f.value for f in found])
    assert slope(etas, gaps.max(axis=1)) == pytest.approx(2.0, abs=0.1)
    predicted = bias.gap_floor(mdp, best, grid, 0.01)
    assert np.abs(gaps[0] / predicted - 1.0).max() <= 0.03
    cosine = np.cos(grid.points[:, 0])
    means = np.array([grid.integrate((f.density - best.density) * cosine) for f in found])
    assert slope(etas, np.abs(means[:, 1])) == pytest.approx(1.0, abs=0.1)
    first = bias.statistic_bias(mdp, best, grid, cosine, 0.01)
    assert means[0, 1] == pytest.approx(first[1], rel=0.05)
    values = [bias.richardson_value(found[i + 1].value, found[i].value) for i in range(3)]
    errors = np.array([np.abs(value - best.value).max() for value in values])
    assert slope(etas[1:], errors) == pytest.approx(3.0, abs=0.2)
    statistics = [grid.integrate(f.density * cosine) for f in found]
    exact = grid.integrate(best.density * cosine)
    left = np.array(
        [
            np.abs(bias.richardson_statistic(statistics[i + 1], statistics[i]) - exact).max()
            for i in range(3)
        ]
    )
    assert slope(etas[1:], left) == pytest.approx(2.0, abs=0.2)

    large = np.array([0.05, 0.1, 0.2])
    divergences = []
    for eta in large:
        matrix, smoothing = mdp.leimkuhler_matthews_operator(best.value, grid, eta)
        assert np.abs(matrix.sum(axis=1) - 1.0).max() <= 1e-9
        law = grid.normalise(stationary_density(matrix, grid) @ smoothing.T)
        divergences.append(kl(grid, law, log_gibbs(mdp, best.value, grid)))
    for s in range(3):
        assert slope(large, np.array(divergences)[:, s]) == pytest.approx(4.0, abs=0.3)

    adjusted = bias.fixed_point(mdp, grid, 0.1, scheme="mala")
    assert np.abs(adjusted.value - best.value).max() <= 1e-12 * (1 + np.abs(best.value).max())


@pytest.mark.closed_form
def test_a_step_size_for_a_wished_gap_leaves_that_gap() -> None:
    """Steps per state: the exact fixed point's gap is the wish, to the 5 % of the next order."""
    mdp = trig()
    grid = mdp.grid(128)
    best = mdp.solve(grid)
    eta = bias.step_size_for_gap(mdp, best, grid, 1e-3)
    assert bias.gap_floor(mdp, best, grid, eta) == pytest.approx(1e-3, rel=1e-9)
    value = best.value
    for _ in range(20):
        gradient = mdp.q_gradient(value, np.tile(grid.points, (3, 1, 1)))
        density = np.concatenate(
            [
                stationary_density(
                    langevin_operator(gradient[s : s + 1], grid, eta[s], mdp.temperature), grid
                )
                for s in range(3)
            ]
        )
        value = mdp.evaluate(density, grid)
    assert best.value - value == pytest.approx(1e-3, rel=0.05)


@pytest.mark.closed_form
def test_reflection_has_a_wall_layer() -> None:
    """Q = 1.5 a in a box: KL/(C sum p b^2 eta^1.5 / (2 sqrt(2 tau))) -> 1."""
    ramp = Bandit(
        lambda a: 1.5 * a[..., 0],
        lambda a: np.full_like(a, 1.5),
        Box(-1.0, 1.0),
        1,
        temperature=0.5,
        optimal_value=None,
        entropy=None,
        name="ramp",
    )
    grid = ramp.grid(500)
    best = ramp.solve(grid)
    for eta, off in ((0.0025, 0.01), (0.01, 0.02)):
        found = bias.fixed_point(ramp, grid, eta)
        ratio = (best.value - found.value) / bias.gap_floor(ramp, best, grid, eta)
        assert ratio[0] == pytest.approx(1.0, abs=off)


@pytest.mark.closed_form
@pytest.mark.parametrize("squash", ["tanh", "probit"])
def test_squashed_steps_have_gibbs_in_the_limit_with_slope_two(squash: str) -> None:
    """KL of the fixed density falls as eta^2: the Jacobian term is in the drift."""
    temperature = 0.5

    def q(a: Float64) -> Float64:
        return np.atleast_2d(1.5 * a - a**2)

    def gradient(a: Float64) -> Float64:
        return np.atleast_2d(1.5 - 2.0 * a)

    etas, divergences = np.array([0.05, 0.1, 0.2]), []
    for eta in etas:
        chain = squashed_chain(
            q,
            gradient,
            -1.0,
            1.0,
            temperature=temperature,
            step_size=float(eta),
            squash=squash,
            n={"tanh": 500, "probit": 240}[squash],
        )
        law = stationary_density(chain.operator, chain.grid)
        divergences.append(chain.kl_floor(law)[0])
    assert slope(etas, np.array(divergences)) == pytest.approx(2.0, abs=0.15)
    # The Gibbs law in y is that of the actions: the same mean.
    fine = np.linspace(-1, 1, 200_001)[:-1] + 5e-6
    weight = np.exp(q(fine)[0] / temperature)
    mean = (weight * fine).sum() / weight.sum()
    assert chain.grid.integrate(chain.gibbs * chain.actions)[0] == pytest.approx(mean, abs=1e-7)


# Beyond Gibbs


@pytest.mark.closed_form
@pytest.mark.parametrize("power", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(("kind", "dimension"), SHAPES)
def test_tsallis_identities(kind: str, dimension: int, power: float) -> None:
    """Residual = Bregman divergence + slack, performance difference: 1e-12; dV/dt: 1e-8."""
    problem = Tsallis(trig(3, dimension, kind), power)
    mdp = problem.mdp
    grid = mdp.grid(POINTS[dimension])
    pi = smooth_density(mdp, grid, 11)
    value = problem.evaluate(pi, grid)
    best = problem.solve(grid)
    scale = 1.0 + np.abs(best.value).max()
    assert np.abs(best.residual).max() <= 1e-12 * scale
    bregman, slack = problem.residual_parts(value, pi, grid)
    assert bregman.min() >= 0.0
    assert slack.min() >= 0.0
    found = problem.soft_backup(value, grid) - value
    assert np.abs(found - bregman - slack).max() <= RELATIVE * scale
    bregman, slack = problem.residual_parts(best.value, pi, grid)
    gap = mdp.resolvent(pi, grid, bregman + slack)
    assert np.abs(best.value - value - gap).max() <= RELATIVE * scale
    rate, dissipation = problem.flow_rate(pi, grid)
    derivative = value_derivative(problem, grid, pi, rate)
    predicted = mdp.resolvent(pi, grid, dissipation)
    assert np.abs(derivative / predicted - 1.0).max() <= 1e-8


@pytest.mark.closed_form
def test_tsallis_resolvent_identity_in_the_continuum() -> None:
    """dV/dt = (I - discount P)^-1 int pi |v|^2 with spectral derivatives, at 1e-8."""
    problem = Tsallis(trig(), 2.0)
    mdp = problem.mdp
    grid = mdp.grid(96)
    pi = smooth_density(mdp, grid, 12)
    q = mdp.q_on_grid(problem.evaluate(pi, grid), grid)
    velocity = grid.gradient(q - problem.marginal(pi))[..., 0]
    rate = -grid.gradient(pi * velocity)[..., 0]
    derivative = value_derivative(problem, grid, pi, rate)
    predicted = mdp.resolvent(pi, grid, grid.integrate(pi * velocity**2))
    assert np.abs(derivative / predicted - 1.0).max() <= 1e-8


def test_tsallis_flow_rises_to_a_policy_of_compact_support() -> None:
    problem = Tsallis(trig(temperature=1.5), 2.0)
    grid = problem.mdp.grid(64)
    best = problem.solve(grid)
    assert (best.density == 0.0).any()
    path = problem.flow(grid.uniform(3), grid, time=12.0, steps=60)
    assert path.min() >= 0.0
    assert np.abs(grid.integrate(path) - 1.0).max() <= 1e-13
    values = np.array([problem.evaluate(pi, grid) for pi in path])
    assert np.diff(values, axis=0).min() > -1e-12
    assert (best.value - values[-1]).max() < 0.05 * (best.value - values[0]).max()


def test_tsallis_tends_to_the_entropy() -> None:
    """As q -> 1 the optimum's value tends to the soft value, linearly in q - 1."""
    mdp = trig()
    grid = mdp.grid(64)
    soft = mdp.solve(grid).value
    errors = [np.abs(Tsallis(mdp, 1.0 + e).solve(grid).value - soft).max() for e in (0.02, 0.01)]
    assert errors[1] == pytest.approx(errors[0] / 2.0, rel=0.05)


@pytest.mark.closed_form
def test_step_sizes_where_only_walls_or_nothing_costs() -> None:
    """A ramp has a wall layer and no spread of u; a flat Q has no bias at any step."""

    def straight(slope: float) -> Bandit:
        return Bandit(
            lambda a: slope * a[..., 0],
            lambda a: np.full_like(a, slope),
            Box(-1.0, 1.0),
            1,
            temperature=0.5,
            optimal_value=None,
            entropy=None,
            name="straight",
        )

    ramp = straight(1.5)
    grid = ramp.grid(100)
    best = ramp.solve(grid)
    eta = bias.step_size_for_gap(ramp, best, grid, 0.01)
    assert bias.gap_floor(ramp, best, grid, eta)[0] == pytest.approx(0.01, rel=1e-9)
    flat = straight(0.0)
    grid = flat.grid(50)
    assert np.isinf(bias.step_size_for_gap(flat, flat.solve(grid), grid, 0.01)).all()


def test_mala_at_low_temperature_is_a_matrix_of_chances() -> None:
    mdp = trig(temperature=0.001)
    grid = mdp.grid(200)
    eta = float((1.6 * grid.spacing[0]) ** 2 / (2.0 * mdp.temperature))
    matrix = mdp.mala_operator(mdp.solve(grid).value, grid, eta)
    assert matrix.min() >= 0.0
    assert np.abs(matrix.sum(axis=1) - 1.0).max() <= 1e-12
