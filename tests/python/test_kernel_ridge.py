"""Ridge regression on the product kernel: dense solution, interpolation, greedy centres, bits."""

from __future__ import annotations

import numpy as np
import pytest

from bits import same_on_all_threads, simd
from wpg.critics import KernelQ, KernelRidge
from wpg.threads import available_simd_isas

STATE_LENGTHSCALE, ACTION_LENGTHSCALE = np.array([0.5, 0.7]), np.array([0.6])
UNITS = {"state_lengthscale": STATE_LENGTHSCALE, "action_lengthscale": ACTION_LENGTHSCALE}


def data(n=700, seed=0):
    random = np.random.default_rng(seed)
    states, actions = random.uniform(-1, 1, (n, 2)), random.uniform(-1, 1, (n, 1))
    targets = np.sin(3 * states[:, 0]) * np.cos(2 * actions[:, 0]) + 0.1 * random.normal(size=n)
    return states, actions, targets


def kernel(states, actions, rows=slice(None), columns=slice(None)):
    points = np.hstack([states / STATE_LENGTHSCALE, actions / ACTION_LENGTHSCALE])
    away = points[rows][:, None] - points[columns][None]
    return np.exp(-0.5 * (away**2).sum(axis=2))


@pytest.mark.twin
def test_it_solves_the_normal_equations():
    states, actions, targets = data()
    rows = np.arange(60) * 11 + 3
    ridge = 0.5
    knm, kmm = kernel(states, actions, columns=rows), kernel(states, actions, rows, rows)
    want = np.linalg.solve(knm.T @ knm + ridge * kmm, knm.T @ targets)
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_centers(rows)
    routine.factor(ridge)
    weights = routine.solve(targets)
    # Functions are compared: weights have the condition of K_mm, here about 1e6, and the routine
    # adds 1e-10 to its diagonal. 1e-6 * |targets| is that product with room for rounding.
    assert np.linalg.cond(kmm) < 1e7
    assert np.abs(knm @ weights - knm @ want).max() < 1e-6
    assert np.abs(routine.fitted(weights) - knm @ weights).max() < 1e-8
    assert np.array_equal(routine.center_rows, rows)

    def objective(w):
        return ((knm @ w - targets) ** 2).sum() + ridge * w @ kmm @ w

    # At a minimum a perturbation costs: a claim that needs no condition number.
    lowest = objective(weights)
    random = np.random.default_rng(1)
    for _ in range(20):
        assert objective(weights + 1e-3 * random.normal(size=60)) > lowest


@pytest.mark.twin
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_with_rows_is_the_same_regression(dtype):
    states, actions, targets = (x.astype(dtype) for x in data())
    rows = np.arange(0, 700, 20)
    critic = KernelQ.fit(states, actions, targets, centers=rows, ridge=1e-3, **UNITS)
    assert critic.dtype == dtype
    assert np.array_equal(critic.center_states, states[rows])
    wide = states.astype(float), actions.astype(float)
    knm, kmm = kernel(*wide, columns=rows), kernel(*wide, rows, rows)
    want = knm @ np.linalg.solve(knm.T @ knm + 1e-3 * 700 * kmm, knm.T @ targets.astype(float))
    found = critic.value(states, np.ascontiguousarray(actions[:, None]))[:, 0]
    # float32: weights of size w are rounded, 35 of them, and summed with errors of the same order.
    rounding = 4 * np.finfo(dtype).eps * np.abs(critic.weights).sum()
    assert np.abs(found - want).max() < 1e-6 + rounding


@pytest.mark.closed_form
def test_it_interpolates_when_the_ridge_vanishes_and_all_data_are_centres():
    states, actions, targets = data(n=80)
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_centers(np.arange(80))
    for ridge, allowed in ((1e-3, 1.0), (1e-6, 1e-2), (1e-9, 1e-4)):
        routine.factor(ridge)
        weights = routine.solve(targets)
        # y - K w = (ridge + jitter) w up to rounding, jitter = 1e-10.
        missing = np.abs(targets - kernel(states, actions) @ weights).max()
        assert missing <= 1.5 * (ridge + 1e-10) * np.abs(weights).max() + 1e-6
        assert missing <= allowed
    assert routine.residual_variance.max() < 1e-8


@pytest.mark.property
def test_several_targets_are_several_regressions():
    states, actions, targets = data()
    columns = np.stack([targets, targets**2, np.ones(700)], axis=1)
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_greedy_centers(100)
    routine.factor(0.3)
    together = routine.solve(columns)
    assert together.shape == (100, 3)
    for c in range(3):
        alone = routine.solve(np.ascontiguousarray(columns[:, c]))
        # Sums in another order: the functions agree to rounding, 700 terms of at most 1.5.
        fits = routine.fitted(alone), routine.fitted(np.ascontiguousarray(together[:, c]))
        assert np.abs(fits[0] - fits[1]).max() < 1e-8
    one_by_one = [routine.fitted(np.ascontiguousarray(column)) for column in together.T]
    assert np.abs(routine.fitted(together) - np.stack(one_by_one, axis=1)).max() < 1e-8
    critics = KernelQ.fit(states, actions, columns, centers=100, ridge=0.3 / 700, **UNITS)
    assert len(critics) == 3
    one = KernelQ.fit(states, actions, targets, centers=100, ridge=0.3 / 700, **UNITS)
    particles = np.ascontiguousarray(actions[:, None])
    assert np.abs(critics[0].value(states, particles) - one.value(states, particles)).max() < 1e-8


def pivoted_cholesky(matrix, most, candidates):
    """Greedy centres: eliminate the candidate with the largest residual, one at a time."""
    residual, chosen = matrix.copy(), []
    for _ in range(most):
        left = np.where(candidates, residual.diagonal(), -1.0)
        worst = int(np.argmax(left))
        chosen.append(worst)
        column = residual[:, worst].copy()
        residual -= np.outer(column, column) / column[worst]
    return chosen, residual.diagonal()


@pytest.mark.twin
@pytest.mark.parametrize("masked", [False, True])
def test_greedy_centres_are_a_pivoted_cholesky_factorisation(masked):
    states, actions, _ = data(n=400)
    candidates = np.arange(400) % 3 != 0 if masked else np.ones(400, bool)
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_greedy_centers(40, candidate=candidates if masked else None)
    chosen, residual = pivoted_cholesky(kernel(states, actions), 40, candidates)
    # Distinct random points: residuals differ by far more than the 1e-13 of either routine, but
    # all are 1 at the start, where both take the first.
    assert routine.center_rows.tolist() == chosen
    assert np.abs(routine.residual_variance - residual).max() < 1e-11


@pytest.mark.closed_form
def test_residual_variance_is_what_the_centres_leave_unexplained():
    states, actions, _ = data(n=300)
    rows = np.arange(0, 300, 12)
    routine = KernelRidge(states, actions, **UNITS)
    assert routine.residual_variance.tolist() == [1.0] * 300
    routine.add_centers(rows[:10])
    routine.add_centers(rows[10:])
    knm, kmm = kernel(states, actions, columns=rows), kernel(states, actions, rows, rows)
    want = 1 - np.einsum("im,mi->i", knm, np.linalg.solve(kmm, knm.T))
    # The diagonal of K_mm has 1e-10 more, times the square of |K_mm^-1 k|.
    size = np.abs(np.linalg.solve(kmm, knm.T)).sum(axis=0).max()
    assert np.abs(routine.residual_variance - want).max() < 1e-10 * size**2 + 1e-12
    assert np.all(routine.residual_variance[rows] < 1e-8)


@pytest.mark.property
def test_a_tolerance_ends_the_choice_of_centres():
    states, actions, targets = data()
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_greedy_centers(700, tolerance=0.1)
    assert 1 < len(routine.center_rows) < 200
    assert routine.residual_variance.max() <= 0.1
    few = KernelQ.fit(states, actions, targets, centers=700, ridge=1e-3, tolerance=0.1, **UNITS)
    assert len(few) == len(routine.center_rows)


@pytest.mark.property
@pytest.mark.parametrize("greedy", [False, True])
def test_bits_do_not_depend_on_threads(greedy):
    states, actions, targets = data(n=1500)

    def fit():
        routine = KernelRidge(states, actions, **UNITS)
        if greedy:
            routine.add_greedy_centers(90)
        else:
            routine.add_centers(np.arange(90) * 16)
        routine.factor(0.1)
        weights = routine.solve(targets)
        several = routine.solve(np.stack([targets, targets**2], axis=1))
        return (
            routine.center_rows,
            routine.residual_variance,
            weights,
            several,
            routine.fitted(weights),
        )

    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(fit)


@pytest.mark.twin
def test_greedy_centres_may_follow_given_ones():
    random = np.random.default_rng(0)
    states, actions = random.uniform(-1, 1, (400, 1)), random.uniform(-1, 1, (400, 1))
    targets = random.normal(size=400)
    routine = KernelRidge(states, actions, state_lengthscale=1.0, action_lengthscale=1.0)
    routine.add_centers(np.arange(40))
    routine.add_greedy_centers(50)
    routine.factor(1e-3)
    weights = routine.solve(targets)
    points = np.hstack([states, actions])
    away = points[:, None] - points[routine.center_rows][None]
    direct = np.exp(-0.5 * (away**2).sum(axis=2)) @ weights
    # Without the second call the two agree to 1e-10.
    assert np.abs(routine.fitted(weights) - direct).max() < 1e-7


def test_kernel_q_is_the_function_of_the_weights():
    states, actions, targets = data(n=200)
    routine = KernelRidge(states, actions, **UNITS)
    routine.add_greedy_centers(30)
    routine.factor(0.1)
    weights = routine.solve(targets)
    critic = routine.kernel_q(weights)
    found = critic.value(states, np.ascontiguousarray(actions[:, None]))[:, 0]
    assert np.abs(found - routine.fitted(weights)).max() < 1e-9


@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (ValueError, "states holds NaN", {"states": np.full((9, 2), np.nan)}),
        (ValueError, "actions", {"actions": np.zeros((8, 1))}),
        (ValueError, "targets", {"targets": np.zeros(8)}),
        (ValueError, "targets", {"targets": np.zeros((8, 2))}),
        (ValueError, "ridge", {"ridge": 0.0}),
        (ValueError, "ridge", {"ridge": -1.0}),
        (ValueError, "ridge", {"ridge": np.nan}),
        (ValueError, "centers", {"centers": np.array([0, 9])}),
        (ValueError, "centers", {"centers": np.array([-1])}),
        (TypeError, "centers", {"centers": np.array([0.0])}),
        (TypeError, "centers", {"centers": np.array([[0]])}),
        (TypeError, "centers", {"centers": True}),
        (TypeError, "centers", {"centers": 2.5}),
        (ValueError, "centers", {"centers": 0}),
        (ValueError, "state_lengthscale", {"state_lengthscale": 0.0}),
        (ValueError, "action_lengthscale", {"action_lengthscale": [1.0, 1.0]}),
        (ValueError, "tolerance", {"tolerance": 0.0}),
    ],
)
def test_bad_fits_are_refused_by_name(error, word, change):
    random = np.random.default_rng(0)
    given = (
        {
            "states": random.normal(size=(9, 2)),
            "actions": random.normal(size=(9, 1)),
            "targets": random.normal(size=9),
            "centers": 4,
            "ridge": 0.1,
        }
        | UNITS
        | change
    )
    with pytest.raises(error, match=word):
        KernelQ.fit(given.pop("states"), given.pop("actions"), given.pop("targets"), **given)


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("^states", {"states": [[0.0, 0.0]] * 9}),
        ("^states", {"states": np.zeros((9, 2), int)}),
        ("targets", {"targets": np.full(9, np.nan)}),
    ],
)
def test_bad_fits_are_refused_by_name_of_the_argument(word, change):
    given = (
        {
            "states": np.zeros((9, 2)),
            "actions": np.zeros((9, 1)),
            "targets": np.zeros(9),
            "centers": np.arange(4),
            "ridge": 0.1,
        }
        | UNITS
        | change
    )
    with pytest.raises((TypeError, ValueError), match=word):
        KernelQ.fit(given.pop("states"), given.pop("actions"), given.pop("targets"), **given)


def test_the_steps_of_a_regression_have_an_order():
    states, actions, targets = data(n=50)
    routine = KernelRidge(states, actions, **UNITS)
    with pytest.raises(ValueError, match="no centres"):
        routine.factor(0.1)
    routine.add_centers(np.arange(5))
    with pytest.raises(ValueError, match="factor"):
        routine.solve(targets)
    routine.factor(0.1)
    routine.add_centers(np.arange(5, 8))
    with pytest.raises(ValueError, match="factor"):
        routine.solve(targets)
