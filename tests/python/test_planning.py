"""Planning with particles against exact answers.

A value is estimated from N particles a state; `Plan.standard_error` is the deviation of that. The
statistical tests allow for 6 of them, which a normal error exceeds with probability 2e-9 a state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import wpg
from bits import bits, same_on_all_threads
from wpg import planning
from wpg.exact import (
    LQR,
    FiniteMDP,
    bias,
    double_well,
    gaussian_mixture,
    multi_goal,
    ring,
    trig,
)
from wpg.exact.finite_mdp import solve_linear
from wpg.reports import two_inputs

Float64 = NDArray[np.float64]
ERRORS = 6.0

QUICK: dict[str, Any] = {"n_particles": 64, "iterations": 4, "step_size": 0.05, "seed": 11}


@pytest.mark.property
@pytest.mark.parametrize(
    "mdp", [trig(), trig(support="box"), trig(2, 2), double_well(), multi_goal(3)], ids=repr
)
def test_particles_stay_inside(mdp: FiniteMDP) -> None:
    """Large steps too: their noise is as wide as the support."""
    for step_size in (0.05, float((mdp.high - mdp.low).max() ** 2 / mdp.temperature)):
        plan = wpg.plan(mdp, **{**QUICK, "step_size": step_size}, entropy="auto")
        assert plan.particles.shape == (mdp.n_states, 64, mdp.action_size)
        assert mdp.support.contains(plan.particles)
        assert np.isfinite(plan.value).all()


@pytest.mark.property
def test_the_seed_names_every_draw() -> None:
    for problem in (trig(), two_inputs()):

        def make(problem: Any = problem) -> tuple[Float64, ...]:
            plan = wpg.plan(problem, **QUICK)
            return plan.particles, plan.value, plan.standard_error, *plan.history.values()

        first = same_on_all_threads(make)
        assert bits(*make()) == first
        other = wpg.plan(problem, **{**QUICK, "seed": 12})
        assert bits(other.particles) != bits(make()[0])


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("support", "step_size", "seed"),
    [("torus", 0.1, 101), ("torus", 0.1, 102), ("box", 0.02, 103), ("box", 0.02, 104)],
)
def test_the_value_is_exact_but_for_the_floor_on_trig(
    support: str, step_size: float, seed: int
) -> None:
    """|V* - floor - V| <= 6 standard errors at each of 3 states: a false alarm once in 1e8. The
    error is some 0.02 of values of 15, so that an entropy or a floor that is off by 0.12 shows."""
    mdp = trig(support=support)
    exact = mdp.solve(mdp.grid(128)).value
    plan = wpg.plan(mdp, n_particles=512, iterations=150, step_size=step_size, seed=seed)
    assert plan.standard_error.max() < 0.05
    assert (np.abs(exact - plan.floor - plan.value) <= ERRORS * plan.standard_error).all()
    assert plan.backup == "grid"


@pytest.mark.statistics
@pytest.mark.parametrize("seed", [105, 106])
def test_the_value_is_exact_but_for_the_floor_on_the_linear_problem(seed: int) -> None:
    """As above, at 6 states; the floor is exact there."""
    lqr = two_inputs()
    plan = wpg.plan(lqr, n_particles=512, iterations=150, step_size=0.05, seed=seed)
    assert plan.states is not None
    exact = lqr.optimal().value(plan.states)
    assert plan.floor == pytest.approx(lqr.gap_floor(0.05))
    assert plan.standard_error.max() < 0.06
    assert (np.abs(exact - plan.floor - plan.value) <= ERRORS * plan.standard_error).all()


@pytest.mark.statistics
def test_own_components_lower_the_value_by_the_predicted_amount() -> None:
    """H_self is low and H_loo high, each by X/(2N): the values of two plans with the same draws
    differ by temperature (I - discount P)^-1 X/N, X + 1 = E_j int N_j^2 / q.

    Both see the same noise, so that the difference is nearly free of it; what is left is O(1/N^2)
    of the expansion, 20 % at N = 256 and half of it at 512, and the noise of X, of which 120
    iterations are averaged.
    """
    mdp, step_size, N = trig(), 0.1, 512
    grid = mdp.grid(96)
    rest = bias.fixed_point(mdp, grid, step_size)
    operator = mdp.langevin_operator(rest.value, grid, step_size) / grid.weights[0]
    after = rest.density[:, :, None]
    overlap = np.einsum("sxj,sj->sx", operator**2 / after, rest.density * grid.weights)
    X = grid.integrate(overlap) - 1.0
    predicted = mdp.temperature * mdp.resolvent(rest.density, grid, X / N)
    found = {
        estimator: wpg.plan(
            mdp,
            n_particles=N,
            iterations=160,
            step_size=step_size,
            seed=107,
            estimator=estimator,
        ).history["value"][40:]
        for estimator in ("self", "average", "leave-one-out")
    }
    between = (found["leave-one-out"] - found["self"]).mean(axis=0)
    assert between == pytest.approx(predicted, rel=0.2)
    low, middle, high = (found[e].mean() for e in ("self", "average", "leave-one-out"))
    assert low < middle < high
    assert (high - middle) == pytest.approx(middle - low, rel=0.3)


@pytest.mark.statistics
def test_a_wished_gap_is_what_is_predicted() -> None:
    """The floor of the chosen steps on the grid is the wish, to the error of a variance of u from
    1024 particles (some 6 % a state, less through the resolvent) and O(step size): 25 %."""
    mdp = trig()
    plan = wpg.plan(mdp, n_particles=1024, iterations=30, target_gap=0.02, seed=108)
    assert plan.floor == pytest.approx(0.02, rel=0.25)
    assert len(np.unique(plan.step_size)) == 3
    grid = mdp.grid(128)
    exact = bias.step_size_for_gap(mdp, mdp.solve(grid), grid, 0.02)
    assert plan.step_size == pytest.approx(exact, rel=0.25)


def dense_ring(n_states: int) -> tuple[FiniteMDP, FiniteMDP]:
    """`ring` in one dimension, and the same with all its zeros written out."""
    sparse = ring(n_states, 1, 6)
    assert sparse.successors is not None
    states = np.arange(n_states)[:, None]

    def transition(actions: Float64) -> Float64:
        rows = np.zeros((*actions.shape[:2], n_states))
        np.moveaxis(rows, 1, 0)[:, states, sparse.successors] = np.moveaxis(
            sparse.transition(actions), 1, 0
        )
        return rows

    dense = FiniteMDP(
        n_states,
        1,
        sparse.reward,
        transition,
        sparse.support,
        discount=sparse.discount,
        temperature=sparse.temperature,
        reward_gradient=sparse.reward_gradient,
    )
    return sparse, dense


@pytest.mark.twin
def test_sparse_and_dense_transitions_agree() -> None:
    """Values of one density to rounding; plans to the 1e-9 of the dense one's difference quotients,
    which three iterations hardly enlarge."""
    sparse, dense = dense_ring(300)
    grid = sparse.grid(12)
    density = grid.tilted(300)
    value = sparse.evaluate(density, grid)
    np.testing.assert_allclose(value, dense.evaluate(density, grid), rtol=1e-12)
    settings: dict[str, Any] = {**QUICK, "n_particles": 16, "iterations": 3, "step_size": 0.1}
    ours, theirs = wpg.plan(sparse, **settings), wpg.plan(dense, **settings)
    np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-7)
    np.testing.assert_allclose(ours.standard_error, theirs.standard_error, rtol=1e-6)


@pytest.mark.twin
def test_large_sparse_systems_are_solved_by_iteration() -> None:
    """2500 states: error at most the residual 1e-13 |right| over 1 - discount."""
    mdp = ring(2500, 1, 6)
    rng = np.random.default_rng(0)
    rows = mdp.transition(rng.random((2500, 3, 1)) * 2 * np.pi).mean(axis=1)
    matrix = mdp.transition_matrix(rows)
    right = rng.normal(size=2500)
    found = solve_linear(matrix, 0.99, right)
    exact = np.linalg.solve(np.eye(2500) - 0.99 * matrix.toarray(), right)
    assert np.abs(found - exact).max() <= 2 * 1e-13 * np.abs(right).max() / 0.01
    again = solve_linear(matrix, 0.99, right, exact)
    assert np.abs(again - exact).max() <= 2 * 1e-13 * np.abs(right).max() / 0.01


@pytest.mark.statistics
def test_six_action_dimensions() -> None:
    """V* = 0 for a mixture of Gaussians. The nearest-neighbour entropy has a bias of
    O((k/N)^(2/D)) nats, some 0.1 at N = 512, times the temperature 0.5; noise is 0.016."""
    problem = gaussian_mixture([[0.5] * 6, [-0.5] * 6], 1.0, temperature=0.5)
    plan = wpg.plan(
        problem, n_particles=512, iterations=40, step_size=0.2, seed=109, entropy="auto"
    )
    assert plan.entropy_method == "knn"
    assert plan.backup == "importance"
    assert np.abs(plan.value).max() <= 0.15
    assert 0.0 < plan.floor[0] < 0.01


def test_history_and_callback() -> None:
    seen = []
    mdp = trig(4)
    plan = wpg.plan(mdp, **QUICK, callback=lambda i, record: seen.append((i, record["value"])))
    assert {name: rows.shape for name, rows in plan.history.items()} == {
        "value": (4, 4),
        "residual": (4, 4),
        "gap_lower": (4,),
        "gap_upper": (4,),
        "step_size": (4, 4),
    }
    assert [i for i, _ in seen] == [0, 1, 2, 3]
    np.testing.assert_array_equal([value for _, value in seen], plan.history["value"])
    np.testing.assert_array_equal(plan.history["value"][-1], plan.value)
    np.testing.assert_array_equal(plan.history["step_size"], np.full((4, 4), 0.05))
    assert (plan.history["gap_lower"] <= plan.history["gap_upper"]).all()
    each = wpg.plan(mdp, **{**QUICK, "step_size": [0.05] * 4})
    np.testing.assert_array_equal(each.value, plan.value)


@pytest.mark.property
def test_inner_steps_use_new_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Q is fixed, 3 evaluations after 2 steps each end where 6 after one step do."""
    problem = double_well()
    twice = wpg.plan(problem, **{**QUICK, "iterations": 3}, inner_steps=2)
    once = wpg.plan(problem, **{**QUICK, "iterations": 6})
    np.testing.assert_array_equal(twice.particles, once.particles)
    np.testing.assert_array_equal(twice.history["value"], once.history["value"][1::2])

    steps = []
    langevin = planning.langevin

    def spy(*arguments: Any, step: int, **named: Any) -> Any:
        steps.append(step)
        return langevin(*arguments, step=step, **named)

    monkeypatch.setattr(planning, "langevin", spy)
    wpg.plan(trig(), **QUICK, inner_steps=3)
    assert steps == list(range(12))


def test_auto_takes_the_mixture_only_where_it_covers_the_actions() -> None:
    """X = volume/(2 sqrt(pi) std)^D particles cover; below that the mixture's entropy would grow
    without bound as the step falls, and "mixture" by name is refused."""
    mdp = trig()
    large = wpg.plan(mdp, **{**QUICK, "step_size": 0.05}, entropy="auto")
    small = wpg.plan(mdp, **{**QUICK, "step_size": 1e-6}, entropy="auto")
    assert (large.entropy_method, small.entropy_method) == ("mixture", "knn")
    assert np.abs(small.value - large.value).max() < 5.0
    with pytest.raises(ValueError, match="n_particles is 64, too few for entropy 'mixture'"):
        wpg.plan(mdp, **{**QUICK, "step_size": 1e-6}, entropy="mixture")


@pytest.mark.statistics
@pytest.mark.parametrize(("a", "noise", "discount"), [(1.3, 0.1, 0.9), (0.99, 5.0, 0.95)])
def test_bounds_of_the_linear_problem_hold_at_every_iteration(
    a: float, noise: float, discount: float
) -> None:
    """Also from an unstable A, where no control has no value. The bounds are exact for the value as
    it stands, which is |V* - V| itself, but for rounding."""
    lqr = LQR([[a]], [[0.5]], [[1.0]], [[0.3]], [[noise]], discount=discount, temperature=0.2)
    plan = wpg.plan(lqr, n_particles=500, iterations=30, step_size=0.03, seed=1)
    assert plan.states is not None
    off = np.abs(lqr.optimal().value(plan.states) - plan.history["value"]).max(axis=1)
    rounding = 1e-9 * (1.0 + off)
    assert (off <= plan.history["gap_upper"] + rounding).all()
    assert (plan.history["gap_lower"] <= off + rounding).all()
    assert off[-1] < 0.5 * off[0]


def test_a_problem_without_a_simple_start_is_refused() -> None:
    """B reaches one of two unstable modes at a time: neither 0 nor B^+ A has a value."""
    lqr = LQR(
        [[1.3, 1.0], [0.0, 1.3]],
        [[0.0], [1.0]],
        np.eye(2),
        [[1.0]],
        0.1 * np.eye(2),
        discount=0.99,
        temperature=0.2,
    )
    with pytest.raises(ValueError, match="A and B: neither"):
        wpg.plan(lqr, n_particles=50, iterations=2, step_size=0.01, seed=1)
