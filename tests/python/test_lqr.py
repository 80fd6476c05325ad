"""The linear-quadratic problem: optimum, evaluation and the WPG recursion against one another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wpg.exact.lqr import LQR, LQRSolution

Float64 = NDArray[np.float64]

TEXTBOOK: dict[str, Any] = {
    "A": [[1.0, 0.2], [-0.1, 0.95]],
    "B": [[0.5, 0.1], [0.2, 1.0]],
    "M": np.diag([1.0, 0.5]),
    "R": np.diag([0.6, 1.0]),
    "W": 0.05 * np.eye(2),
    "discount": 0.95,
    "temperature": 0.3,
}


def textbook() -> LQR:
    return LQR(**TEXTBOOK)


def positive(rng: np.random.Generator, size: int) -> Float64:
    """Symmetric, eigenvalues between about 0.3 and 3."""
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return (basis * rng.uniform(0.3, 3.0, size)) @ basis.T


def draw(seed: int) -> LQR:
    """A problem with 1 to 6 observations and actions; half of them are unstable by themselves.

    A has spectral radius 0.5 to 1.3 and B full rank with D columns. Where B reaches less than all
    of R^O the pair is controllable with probability one, and the unstable draws are checked by the
    constructor.
    """
    rng = np.random.default_rng([28, seed])
    O, D = 1 + seed % 6, 1 + (seed // 6) % 6
    A = rng.standard_normal((O, O))
    A *= rng.uniform(0.5, 1.3) / np.abs(np.linalg.eigvals(A)).max()

    def symmetric(size: int) -> Float64:
        matrix = positive(rng, size)
        return (matrix + matrix.T) / 2

    return LQR(
        A,
        rng.standard_normal((O, D)),
        symmetric(O),
        symmetric(D),
        0.1 * symmetric(O),
        discount=float(rng.choice([0.0, 0.5, 0.9, 0.99])),
        temperature=float(rng.uniform(0.05, 2.0)),
    )


PROBLEMS = [pytest.param(textbook(), id="textbook")] + [
    pytest.param(draw(seed), id=f"O{1 + seed % 6}D{1 + (seed // 6) % 6}")
    for seed in [*range(36), 75]
]


def starting_gain(problem: LQR, seed: int) -> Float64:
    """A stabilising gain away from the optimum: as far as half of the way to the limit."""
    best = problem.optimal().F
    direction = np.random.default_rng([29, seed]).standard_normal(best.shape)
    length = 1.0
    while True:
        try:
            problem.evaluate(best + 2 * length * direction, np.eye(problem.action_size))
        except ValueError:
            length /= 2
        else:
            return best + length * direction


def far(problem: LQR) -> float:
    return float(np.abs(problem.optimal().K).max())


# The optimum


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_riccati_and_lyapunov_agree_at_the_optimum(problem: LQR) -> None:
    """Two equations for one value. Over 200 draws they differ by 1e-14 of the largest number, and
    would by 5e-13 if the Riccati solution were not refined."""
    best = problem.optimal()
    K, c = problem.evaluate(best.F, best.covariance)
    np.testing.assert_allclose(K, best.K, rtol=0, atol=5e-14 * far(problem))
    # c is a difference of the entropy's, the action's and the noise's terms: their sizes count.
    D, tau, g = problem.action_size, problem.temperature, problem.discount
    size = (np.trace(best.K @ problem.W) + tau * D * 10) / (1 - g)
    assert c == pytest.approx(best.c, rel=0, abs=1e-12 * size)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_riccati_equation_holds(problem: LQR) -> None:
    K, g, A, B = problem.optimal().K, problem.discount, problem.A, problem.B
    H = problem.R + g * B.T @ K @ B
    E = g * B.T @ K @ A
    right = problem.M + g * A.T @ K @ A - E.T @ np.linalg.solve(H, E)
    largest = max(far(problem), float(np.abs(g * A.T @ K @ A).max()))
    np.testing.assert_allclose(right, K, rtol=0, atol=1e-12 * largest)
    assert np.linalg.eigvalsh(K)[0] >= -1e-12 * far(problem)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_policy_nearby_is_better(problem: LQR) -> None:
    """V^pi <= V* at every state for perturbed gains and covariances, with the gap of second
    order: twice the perturbation gives four times the gap (up to third order)."""
    best, D = problem.optimal(), problem.action_size
    rng = np.random.default_rng(30)
    turn = 1e-3 * rng.standard_normal(best.F.shape)
    wide = 1e-3 * np.mean(np.diag(best.covariance)) * np.eye(D)
    size = abs(best.c) + problem.temperature / (1 - problem.discount)

    def gap(times: float) -> tuple[Float64, float]:
        K, c = problem.evaluate(best.F + times * turn, best.covariance + times * wide)
        return K - best.K, best.c - c

    (K1, c1), (K2, c2) = gap(1.0), gap(2.0)
    assert np.linalg.eigvalsh(K1)[0] >= -1e-12 * far(problem)
    assert c1 >= -1e-12 * size
    np.testing.assert_allclose(K2, 4 * K1, atol=0.05 * np.abs(K1).max() + 1e-11 * far(problem))
    assert c2 == pytest.approx(4 * c1, rel=0.05, abs=1e-11 * size)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_value_is_expected_q_plus_entropy(problem: LQR) -> None:
    """V^pi(s) = E_pi Q^pi(s, a) + temperature H(pi). Q is a quadratic of a, so its expectation is
    the mean over the 2 D points mean +- sqrt(D) (columns of a root of the covariance): exact."""
    D = problem.action_size
    rng = np.random.default_rng(31)
    covariance = positive(rng, D)
    covariance = (covariance + covariance.T) / 2
    F = starting_gain(problem, 31)
    K, c = problem.evaluate(F, covariance)
    states = rng.standard_normal((7, problem.observation_size))
    root = np.linalg.cholesky(covariance) * math.sqrt(D)
    points = -(states @ F.T)[:, None] + np.concatenate([root.T, -root.T])[None]
    expected_q = problem.q(K, c, states, points).mean(axis=1)
    entropy = 0.5 * (D * math.log(2 * math.pi * math.e) + np.linalg.slogdet(covariance)[1])
    value = LQRSolution(K, F, covariance, c).value(states)
    size = np.abs(problem.q(K, c, states, points)).max() + abs(c)
    np.testing.assert_allclose(
        value, expected_q + problem.temperature * entropy, rtol=0, atol=1e-12 * size
    )


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_q_gradient_is_the_slope_of_q(problem: LQR) -> None:
    """Central differences are exact for a quadratic, up to rounding: u |Q| / step."""
    rng = np.random.default_rng(32)
    K, c = problem.optimal().K, 0.0
    states = rng.standard_normal((4, problem.observation_size))
    actions = rng.standard_normal((4, 3, problem.action_size))
    slopes = problem.q_gradient(K, states, actions)
    for d in range(problem.action_size):
        step = 0.5 * np.eye(problem.action_size)[d]
        ahead = problem.q(K, c, states, actions + step)
        behind = problem.q(K, c, states, actions - step)
        size = max(np.abs(ahead).max(), np.abs(behind).max())
        np.testing.assert_allclose(slopes[:, :, d], ahead - behind, rtol=0, atol=1e-14 * 8 * size)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_gibbs_policy_of_q_is_the_optimal_policy(problem: LQR) -> None:
    """grad Q* vanishes at the mean action and its slope is -temperature covariance^-1."""
    best = problem.optimal()
    states = np.random.default_rng(33).standard_normal((5, problem.observation_size))
    mean = best.mean_action(states)[:, None]
    H = problem.hessian(best.K)
    size = np.abs(H).max() * np.abs(mean).max() + 1e-300
    assert np.abs(problem.q_gradient(best.K, states, mean)).max() <= 1e-12 * size
    np.testing.assert_allclose(
        best.covariance @ H,
        problem.temperature * np.eye(problem.action_size),
        rtol=0,
        atol=1e-12 * problem.temperature,
    )


@pytest.mark.closed_form
def test_the_scalar_problem() -> None:
    """O = D = 1, A = B = 1, M = R = 1: discount K^2 = K (2 discount - 1) + 1 in closed form."""
    g, tau, w = 0.9, 0.5, 0.2
    problem = LQR([[1.0]], [[1.0]], [[1.0]], [[1.0]], [[w]], discount=g, temperature=tau)
    K = ((2 * g - 1) + math.sqrt((2 * g - 1) ** 2 + 4 * g)) / (2 * g)
    h = 1 + g * K
    best = problem.optimal()
    assert best.K[0, 0] == pytest.approx(K, rel=1e-14)
    assert best.F[0, 0] == pytest.approx(g * K / h, rel=1e-14)
    assert best.covariance[0, 0] == pytest.approx(tau / h, rel=1e-14)
    c = (-g / 2 * K * w + tau / 2 * math.log(2 * math.pi * tau / h)) / (1 - g)
    assert best.c == pytest.approx(c, rel=1e-13)
    assert problem.lsi() == pytest.approx(h / tau, rel=1e-14)
    assert problem.largest_step_size() == pytest.approx(2 / h, rel=1e-14)
    assert problem.stationary_covariance(0.3)[0, 0] == pytest.approx(
        tau / (h * (1 - 0.3 * h / 2)), rel=1e-14
    )


@pytest.mark.closed_form
def test_without_a_future_the_problem_is_a_bandit() -> None:
    problem = LQR(**{**TEXTBOOK, "discount": 0.0})
    best = problem.optimal()
    np.testing.assert_array_equal(best.K, problem.M)
    np.testing.assert_array_equal(best.F, np.zeros((2, 2)))
    # V = (temperature/2) sum log(2 pi temperature / m), here with m = 0.6 and 1.
    value = 0.15 * sum(math.log(2 * math.pi * 0.3 / m) for m in (0.6, 1.0))
    assert best.c == pytest.approx(value, rel=1e-14)


@pytest.mark.closed_form
def test_the_value_is_the_mean_return_of_the_noiseless_system() -> None:
    """With W = 0, -s'K_F s/2 sums the discounted rewards of the mean actions: 400 steps of a loop
    that contracts by less than 0.9 a step leave less than 1e-18 of it."""
    problem = LQR(**{**TEXTBOOK, "W": np.zeros((2, 2))})
    F = problem.optimal().F
    K, _ = problem.evaluate(F, np.eye(2))
    state, total = np.array([[1.0, -2.0]]), 0.0
    start = state
    for t in range(400):
        action = -state @ F.T
        total += problem.discount**t * float(problem.reward(state, action[:, None])[0, 0])
        state = state @ problem.A.T + action @ problem.B.T
    assert total == pytest.approx(float(-0.5 * (start @ K @ start.T)[0, 0]), rel=1e-13)


# The recursion


@pytest.mark.property
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_value_rises_at_every_state_and_step(problem: LQR) -> None:
    """For step_size <= 2/h_max(H_0) K_F is nonincreasing in Loewner order; so is H. At the limit
    itself nothing need be gained, and rounding may take H above H_0 and the step out of its range:
    so 0.98 of it, and half of it."""
    for share in (0.98, 0.5):
        F = starting_gain(problem, 34)
        covariance = np.eye(problem.action_size)
        K, _ = problem.evaluate(F, covariance)
        size = np.abs(K).max()
        eta = share * 2 / np.linalg.eigvalsh(problem.hessian(K))[-1]
        for _ in range(40):
            F, covariance = problem.wpg_step(F, covariance, eta)
            K_next, _ = problem.evaluate(F, covariance)
            assert np.linalg.eigvalsh(K - K_next)[0] >= -1e-12 * size
            K = K_next


@pytest.mark.property
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_rise_is_the_stated_sum(problem: LQR) -> None:
    """K_F - K_F+ = sum_t discount^t L'^t D'(2 eta - eta^2 H) D L^t, D = H F - E, L = A - B F+."""
    F = starting_gain(problem, 35)
    covariance = np.eye(problem.action_size)
    K, _ = problem.evaluate(F, covariance)
    H = problem.hessian(K)
    eta = 1 / np.linalg.eigvalsh(H)[-1]
    D = H @ F - problem.cross_term(K)
    F_next, _ = problem.wpg_step(F, covariance, eta)
    K_next, _ = problem.evaluate(F_next, covariance)
    loop = math.sqrt(problem.discount) * (problem.A - problem.B @ F_next)
    term = D.T @ (2 * eta * np.eye(len(H)) - eta**2 * H) @ D
    total = np.zeros_like(K)
    # Doubling: after 40 rounds 2^40 terms are in, far beyond where they vanish.
    for _ in range(40):
        total = term = term + loop.T @ term @ loop
        loop = loop @ loop
    np.testing.assert_allclose(K - K_next, total, rtol=0, atol=1e-11 * np.abs(K).max())


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_gain_contracts_by_one_minus_step_times_hessian(problem: LQR) -> None:
    """The derivative of F+ in F at F* is left multiplication by I - eta H*: dK/dF = 0 there.

    Central differences with steps of d = 1e-5 have an error of d^2 times a third derivative and of
    rounding over d, about 1e-10 each for numbers near 1; allowed is 1e-6 of the largest of both.
    """
    best = problem.optimal()
    H = problem.hessian(best.K)
    eta = 0.5 * problem.largest_step_size()
    d = 1e-5
    rng = np.random.default_rng(36)
    direction = rng.standard_normal(best.F.shape)
    direction /= np.linalg.norm(direction)
    ahead, _ = problem.wpg_step(best.F + d * direction, best.covariance, eta)
    behind, _ = problem.wpg_step(best.F - d * direction, best.covariance, eta)
    np.testing.assert_allclose(
        (ahead - behind) / (2 * d),
        (np.eye(len(H)) - eta * H) @ direction,
        rtol=0,
        atol=1e-6 * max(1.0, far(problem)),
    )


@pytest.mark.closed_form
def test_late_steps_contract_at_the_slowest_rate() -> None:
    """On the textbook problem at step 0.2: factor max |1 - eta h| = 0.791020 of the gain, its
    square of the gap."""
    problem = textbook()
    best = problem.optimal()
    h = np.linalg.eigvalsh(problem.hessian(best.K))
    np.testing.assert_allclose(h, [1.0449, 2.0204], atol=5e-5)
    F, covariance = np.zeros((2, 2)) + best.F + 0.1, np.eye(2)
    errors, gaps = [], []
    for _ in range(51):
        F, covariance = problem.wpg_step(F, covariance, 0.2)
        errors.append(np.linalg.norm(F - best.F))
        gaps.append(np.trace(problem.evaluate(F, covariance)[0] - best.K))
    slowest = 1 - 0.2 * h[0]
    assert slowest == pytest.approx(0.791020, abs=1e-6)
    # Late: the second mode and the second order have died out as (0.596/0.791)^40 and 0.791^40.
    assert errors[50] / errors[49] == pytest.approx(slowest, rel=1e-4)
    assert gaps[25] / gaps[24] == pytest.approx(slowest**2, rel=2e-2)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_newton_preconditioner_contracts_by_one_minus_the_step(problem: LQR) -> None:
    """P = H*^-1: factor 1 - eta in every direction, and covariance Sig*/(1 - eta/2)."""
    best = problem.optimal()
    P = np.linalg.inv(problem.hessian(best.K))
    P = (P + P.T) / 2
    d, eta = 1e-5, 0.3
    direction = np.random.default_rng(37).standard_normal(best.F.shape)
    direction /= np.linalg.norm(direction)
    ahead, _ = problem.wpg_step(best.F + d * direction, best.covariance, eta, P)
    behind, _ = problem.wpg_step(best.F - d * direction, best.covariance, eta, P)
    np.testing.assert_allclose(
        (ahead - behind) / (2 * d), (1 - eta) * direction, atol=1e-6 * max(1.0, far(problem))
    )
    F, covariance = best.F, best.covariance
    for _ in range(60):  # (1 - eta)^(2 * 60) = 2.6e-19
        F, covariance = problem.wpg_step(F, covariance, eta, P)
    size = np.abs(best.covariance).max()
    np.testing.assert_allclose(covariance, best.covariance / (1 - eta / 2), atol=1e-11 * size)


@pytest.mark.closed_form
def test_the_newton_step_of_size_one_is_policy_iteration() -> None:
    problem = textbook()
    F = np.zeros((2, 2)) + problem.optimal().F + 0.1
    K, _ = problem.evaluate(F, np.eye(2))
    H = problem.hessian(K)
    P = np.linalg.inv(H)
    moved, _ = problem.wpg_step(F, np.eye(2), 1.0, (P + P.T) / 2)
    np.testing.assert_allclose(moved, np.linalg.solve(H, problem.cross_term(K)), atol=1e-14)


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_stationary_law_is_where_the_recursion_ends(problem: LQR) -> None:
    """Covariance and floor of the iterated step, from the optimum's gain: the slowest factor is
    (1 - eta h_min)^2 a step, iterated until it is below 1e-13."""
    best = problem.optimal()
    h = np.linalg.eigvalsh(problem.hessian(best.K))
    eta = 0.6 * problem.largest_step_size()
    F, covariance = best.F, np.zeros((problem.action_size,) * 2)
    steps = math.ceil(math.log(1e-13) / math.log(np.abs(1 - eta * h).max() ** 2))
    for _ in range(steps):
        F, covariance = problem.wpg_step(F, covariance, eta)
    expected = problem.stationary_covariance(eta)
    np.testing.assert_allclose(covariance, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(F, best.F, rtol=0, atol=1e-10 * np.abs(best.F).max())
    K, c = problem.evaluate(F, covariance)
    floor = problem.gap_floor(eta)
    assert best.c - c == pytest.approx(floor, rel=1e-10, abs=1e-11 * abs(best.c))
    np.testing.assert_allclose(K, best.K, rtol=0, atol=1e-10 * far(problem))


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_floor_is_of_second_order_with_the_stated_constant(problem: LQR) -> None:
    """floor / leading = 1 + O(eta h): x^2/2 (1 + 4x/3 + ...), so within 2x at x = eta h_max/2."""
    for share in (1e-1, 1e-2, 1e-3):
        eta = share * problem.largest_step_size()
        ratio = problem.gap_floor(eta) / problem.gap_floor_leading(eta)
        assert 1 <= ratio <= 1 + 2 * share


@pytest.mark.closed_form
def test_the_floor_is_not_seen_by_the_gain() -> None:
    """The gain recursion knows neither covariance nor temperature."""
    hot = LQR(**{**TEXTBOOK, "temperature": 7.0})
    F = textbook().optimal().F + 0.1
    ours, _ = textbook().wpg_step(F, np.eye(2), 0.2)
    theirs, _ = hot.wpg_step(F, 3 * np.eye(2), 0.2)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(hot.optimal().F, textbook().optimal().F)


# What is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"A": np.eye(3)[:2]}, "A has shape"),
        ({"A": [1.0, 2.0]}, "A has shape"),
        ({"A": np.full((2, 2), np.nan)}, "A holds"),
        ({"B": np.eye(3)}, "B has shape"),
        ({"B": np.zeros((2, 0))}, "B has shape"),
        ({"M": np.eye(3)}, "M has shape"),
        ({"M": [[1.0, 0.2], [0.0, 1.0]]}, "M is not symmetric"),
        ({"M": np.diag([1.0, -0.1])}, "M has the eigenvalue -0.1"),
        ({"R": np.diag([1.0, 0.0])}, "R has the eigenvalue 0"),
        ({"R": np.eye(1)}, "R has shape"),
        ({"W": -np.eye(2)}, "W has the eigenvalue -1"),
        ({"W": [[np.inf, 0.0], [0.0, 1.0]]}, "W holds"),
        ({"discount": 1.0}, "discount is 1.0"),
        ({"discount": -0.1}, "discount is -0.1"),
        ({"discount": math.nan}, "discount is nan"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"A": 1.1 * np.eye(2), "B": np.array([[1.0], [0.0]]), "R": np.eye(1)}, "A and B are not"),
        ({"A": 1.1 * np.eye(2), "B": np.zeros((2, 2))}, "A and B are not stabilisable"),
    ],
)
def test_bad_problems_are_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        LQR(**{**TEXTBOOK, **change})
    assert "\n" not in str(caught.value)


def test_what_is_no_number_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="discount is 'much'"):
        LQR(**{**TEXTBOOK, "discount": "much"})
    with pytest.raises(TypeError, match="A has dtype"):
        LQR(**{**TEXTBOOK, "A": [["x", "y"], [0, 1]]})


def test_what_is_unreachable_but_decays_is_taken() -> None:
    """A mode that B does not reach only has to decay at the discount: 1.02 sqrt(0.95) = 0.994."""
    problem = LQR(
        **{**TEXTBOOK, "A": np.diag([1.3, 1.02]), "B": [[1.0, 0.0], [0.0, 0.0]], "R": np.eye(2)}
    )
    assert problem.optimal().F[1].tolist() == [0.0, 0.0]


def test_a_gain_that_does_not_stabilise_is_refused_with_its_radius() -> None:
    problem = textbook()
    with pytest.raises(ValueError, match=r"spectral radius of A - B F is 4\.\d+"):
        problem.evaluate([[-5.0, 0.0], [0.0, -3.0]], np.eye(2))
    with pytest.raises(ValueError, match="F does not stabilise"):
        problem.wpg_step([[-5.0, 0.0], [0.0, -3.0]], np.eye(2), 0.1)
    with pytest.raises(ValueError, match="F has shape"):
        problem.evaluate(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="covariance has the eigenvalue"):
        problem.evaluate(np.eye(2), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="preconditioner has the eigenvalue"):
        problem.wpg_step(np.eye(2), np.eye(2), 0.1, -np.eye(2))


@pytest.mark.parametrize("what", ["stationary_covariance", "gap_floor"])
def test_steps_without_a_stationary_law_are_refused(what: str) -> None:
    problem = textbook()
    largest = problem.largest_step_size()
    for step in (largest, 10.0):
        with pytest.raises(ValueError, match=rf"step_size is .*{largest:.6g}"):
            getattr(problem, what)(step)
    for step in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="step_size is"):
            getattr(problem, what)(step)


def test_points_of_the_wrong_shape_are_refused() -> None:
    problem = textbook()
    states, actions = np.zeros((3, 2)), np.zeros((3, 4, 2))
    assert problem.reward(states, actions).shape == (3, 4)
    with pytest.raises(ValueError, match=r"states has shape \(3,\)"):
        problem.reward(np.zeros(3), actions)
    with pytest.raises(ValueError, match=r"actions has shape \(3, 2\)"):
        problem.q(np.eye(2), 0.0, states, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"actions has shape \(2, 4, 2\)"):
        problem.q_gradient(np.eye(2), states, actions[:2])
    with pytest.raises(ValueError, match="K has shape"):
        problem.expected_value(np.eye(3), 0.0, states, actions)


def test_a_problem_does_not_change_with_the_arrays_it_was_made_from() -> None:
    A = np.array(TEXTBOOK["A"])
    problem = LQR(**{**TEXTBOOK, "A": A})
    A[:] = 0.0
    np.testing.assert_array_equal(problem.A, TEXTBOOK["A"])
    with pytest.raises(ValueError, match="read-only"):
        problem.A[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        problem.optimal().K[0, 0] = 2.0
