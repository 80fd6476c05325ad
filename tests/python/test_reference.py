"""The naive twins against what is known by other means, and the compiled noise against its twin.

The other twins are compared with their routines in test_langevin, test_kernel_q and test_flow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from statistical_claims import assert_cdf, assert_mean, assert_variance
from test_noise import KNOWN
from wpg.noise import STREAMS, standard_normal
from wpg.reference import critics, flow, mala, noise, transport

# The docstring of wpg.noise.standard_normal; in float64 the twin itself is up to 3e-15 off.
ACCURACY = {np.float32: 1e-6, np.float64: 4e-15 + 3e-15}


@pytest.mark.closed_form
@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    assert list(noise.philox4x32(tuple(counter), tuple(key))) == words


@pytest.mark.twin
@pytest.mark.parametrize("dtype", ACCURACY)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 1), (2, 9, 3), (1, 6, 17), (5, 2, 6), (1, 801, 2)]
)
def test_compiled_draws_equal_the_twin(shape, dtype):
    for stream, seed, step in (
        ("langevin", 0, 0),
        ("initial", 2**64 - 1, 2**40 - 1),
        ("birth_death", 0x0123456789ABCDEF, 0x89ABCDEF12),
    ):
        found = standard_normal(shape, seed=seed, step=step, stream=stream, dtype=dtype)
        want = noise.standard_normal(
            shape, seed=seed, step=step, stream=STREAMS[stream], dtype=dtype
        )
        assert np.abs(found - want).max() <= ACCURACY[dtype]


@pytest.mark.twin
@pytest.mark.parametrize("dtype", ACCURACY)
def test_compiled_draws_far_out_in_a_shape_equal_the_twin(dtype):
    found = standard_normal((1, 70_003, 2), seed=1, dtype=dtype)
    for n in (65_535, 65_536, 70_002):
        name = {"seed": 1, "stream": 0, "step": 0, "state": 0, "particle": n, "coordinate": 1}
        assert abs(found[0, n, 1] - noise.normal(**name, dtype=dtype)) <= ACCURACY[dtype]
    found = standard_normal((70_003, 1, 1), seed=1, dtype=dtype)
    name = {"seed": 1, "stream": 0, "step": 0, "state": 70_002, "particle": 0, "coordinate": 0}
    assert abs(found[-1, 0, 0] - noise.normal(**name, dtype=dtype)) <= ACCURACY[dtype]
    found = standard_normal((1, 1, 65_536), seed=1, dtype=dtype)
    name = {"seed": 1, "stream": 0, "step": 0, "state": 0, "particle": 0, "coordinate": 65_535}
    assert abs(found[0, 0, -1] - noise.normal(**name, dtype=dtype)) <= ACCURACY[dtype]


@pytest.mark.closed_form
def test_the_uniform_number_of_a_word():
    assert noise.uniform_of_word(0, 32) == 2.0**-32
    assert noise.uniform_of_word(2**32 - 1, 32) == 1.0  # rounded to float32
    assert noise.uniform_of_word(2**31, 32) == 0.5
    assert noise.uniform_of_word(0, 64) == 2.0**-53
    assert noise.uniform_of_word(2**64 - 1, 64) == 1.0 - 2.0**-53
    # The largest draws: 6.7 and 8.5.
    assert math.sqrt(-2 * math.log(2.0**-32)) == pytest.approx(6.66, abs=0.01)
    assert math.sqrt(-2 * math.log(2.0**-53)) == pytest.approx(8.57, abs=0.01)


@pytest.mark.closed_form
@pytest.mark.parametrize(
    ("x", "folded"),
    [(0.5, 0.5), (1.0, 1.0), (1.25, 0.75), (-0.25, 0.25), (2.0, 0.0), (3.5, 0.5), (-5.25, 0.75)],
)
def test_folds(x, folded):
    assert transport.reflect(x, 0.0, 1.0) == folded
    assert transport.wrap(x, 1.0) == x % 1.0
    assert transport.clip(x, 0.0, 1.0) == min(max(x, 0.0), 1.0)
    point = np.array([x, x, 0.5])
    assert transport.fold(point, ("reflect", 0.0, 1.0)).tolist() == [folded, folded, 0.5]
    assert transport.fold(point, ("torus", 0.0, [1.0, 2.0, 3.0])).tolist() == [x % 1, x % 2, 0.5]
    assert transport.fold(point, None) is point


@pytest.mark.closed_form
def test_folds_of_what_is_no_number():
    for bad in (math.nan, math.inf, -math.inf):
        assert math.isnan(transport.reflect(bad, 0.0, 1.0))
        assert math.isnan(transport.wrap(bad, 1.0))
    assert transport.wrap(-1e-30, 1.0) == 0.0


@pytest.mark.closed_form
def test_a_langevin_step_by_hand():
    one = np.ones((1, 1, 2))
    noise_of = np.array([[[1.0, -2.0]]])
    moved = transport.langevin(one, 3 * one, noise_of, step_size=0.5, temperature=4.0)
    assert moved.tolist() == [[[1 + 1.5 + 2, 1 + 1.5 - 4]]]
    matrix = np.array([[4.0, 2.0], [2.0, 2.0]])  # L = (2, 0; 1, 1)
    moved = transport.langevin(
        one, 3 * one, noise_of, step_size=0.5, temperature=4.0, preconditioner=matrix
    )
    assert np.allclose(moved, [[[1 + 9 + 4, 1 + 6 + 2 * (1 - 2)]]], rtol=1e-15)
    diagonal = transport.langevin(
        one, 3 * one, noise_of, step_size=0.5, temperature=4.0, preconditioner=np.array([4.0, 1.0])
    )
    assert np.allclose(diagonal, [[[1 + 6 + 4, 1 + 1.5 - 4]]], rtol=1e-15)


@pytest.mark.closed_form
def test_a_leimkuhler_matthews_step_by_hand():
    one = np.ones((1, 1, 2))
    now, then = np.array([[[1.0, -2.0]]]), np.array([[[3.0, 0.0]]])
    moved = transport.leimkuhler_matthews(one, 3 * one, now, then, step_size=0.5, temperature=4.0)
    assert moved.tolist() == [[[1 + 1.5 + 4, 1 + 1.5 - 2]]]


@pytest.mark.closed_form
def test_points_on_the_line_of_a_squashed_box():
    for kind, y, share in (("tanh", 0.5 * math.log(3.0), 0.75), ("probit", 1.0, 0.841344746068543)):
        a = -1 + 4 * share
        found, slope, gradient = transport.line_point(a, kind, -1.0, 3.0)
        assert found == pytest.approx(y, abs=1e-14)
        assert transport.action_of(y, kind, -1.0, 3.0) == pytest.approx(a, abs=1e-14)
        # da/dy and its logarithm's derivative, by differences.
        h = 1e-5
        ahead, behind = (transport.action_of(y + k, kind, -1.0, 3.0) for k in (h, -h))
        assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-8)
        slopes = [transport.line_point(x, kind, -1.0, 3.0)[1] for x in (ahead, behind)]
        assert gradient == pytest.approx(math.log(slopes[0] / slopes[1]) / (2 * h), rel=1e-7)
        mirrored = transport.line_point(2 - a, kind, -1.0, 3.0)
        assert mirrored == pytest.approx((-y, slope, -gradient), abs=1e-14)
    assert transport.interior(1.0, 0.0, 1.0, np.float32) == 1 - 2.0**-24
    assert transport.interior(0.0, 0.0, 1.0, np.float64) == 2.0**-1000
    assert math.isnan(transport.interior(math.nan, 0.0, 1.0, np.float32))
    drift = np.full((1, 1, 1), 2.0)
    moved = transport.langevin(
        np.zeros((1, 1, 1)),
        drift,
        np.full((1, 1, 1), 0.5),
        step_size=0.5,
        temperature=4.0,
        support=("tanh", -1.0, 1.0),
    )
    assert moved[0, 0, 0] == pytest.approx(math.tanh(0.5 * 2.0 + 2.0 * 0.5), abs=1e-15)


@pytest.mark.statistics
def test_exponential_draws():
    name = {"seed": 3, "stream": STREAMS["mala_acceptance"], "step": 2**33}
    for dtype in ACCURACY:
        x = [
            noise.exponential(**name, state=s, particle=n, dtype=dtype)
            for s in range(8)
            for n in range(500)
        ]
        assert_cdf(np.array(x), lambda e: -np.expm1(-e), detects=0.09)


@pytest.mark.closed_form
def test_mala_accepts_by_the_ratio():
    """Without drift the proposal is symmetric: the ratio is exp(Q' - Q); a hundredth of it at a
    fold changes nothing, since the folded law is symmetric too."""
    a, b, still = np.array([0.9]), np.array([-0.2]), np.array([0.0])
    for support in (None, ("reflect", -1.0, 1.0), ("torus", 0.0, 2.0)):
        ratio = mala.log_ratio(a, b, (1.0, 0.5), (still, still), 0.3, 2.0, support)
        assert ratio == pytest.approx(-0.25, abs=1e-14)
    # With drift 1 at a alone: ((b - a - eta)^2 - (a - b)^2) / (4 eta tau).
    ratio = mala.log_ratio(a, b, (0.0, 0.0), (still + 1, still), 0.3, 2.0, None)
    assert ratio == pytest.approx((1.4**2 - 1.1**2) / 2.4, abs=1e-14)
    # Squashed, no drift of the critic's: tau log|da/dy| is the target and its slope the drift.
    ratio = mala.log_ratio(a, b, (0.0, 0.0), (still, still), 0.3, 2.0, ("tanh", -1.0, 1.0))
    y, z = math.atanh(0.9), math.atanh(-0.2)
    ahead, back = z - y + 0.3 * 2 * 2 * 0.9, y - z - 0.3 * 2 * 2 * 0.2
    want = (ahead**2 - back**2) / 2.4 + math.log((1 - 0.04) / (1 - 0.81))
    assert ratio == pytest.approx(want, abs=1e-13)


@pytest.mark.closed_form
def test_kernel_q_by_hand_and_its_derivative():
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in ((5, 2), (5, 3), (5,), (2, 2), (2, 4, 3))]
    units = {"state_lengthscale": [1.0, 2.0], "action_lengthscale": 0.7}
    value, gradient = critics.kernel_q(*arrays, **units)
    # One particle by hand.
    center_states, center_actions, weights, states, particles = arrays
    by_hand = sum(
        weights[m]
        * math.exp(-(((states[1] - center_states[m]) / [1.0, 2.0]) ** 2).sum() / 2)
        * math.exp(-(((particles[1, 3] - center_actions[m]) / 0.7) ** 2).sum() / 2)
        for m in range(5)
    )
    assert value[1, 3] == pytest.approx(by_hand, rel=1e-13)
    h = 1e-6
    for d in range(3):
        up, down = particles.copy(), particles.copy()
        up[:, :, d] += h
        down[:, :, d] -= h
        slopes = [critics.kernel_q(*arrays[:4], p, **units)[0] for p in (up, down)]
        assert np.abs((slopes[0] - slopes[1]) / (2 * h) - gradient[:, :, d]).max() < 1e-8


@pytest.mark.closed_form
def test_flow_of_a_linear_drift_is_a_geometric_series():
    start = np.full((1, 1, 1), 8.0)
    end = flow.flow(
        start,
        lambda a: -a,
        lambda move: np.full((1, 1, 1), float(move)),
        steps=3,
        step_size=0.5,
        temperature=1.0,
    )
    # a <- a/2 + move: 8 -> 4 -> 3 -> 3.5
    assert end.tolist() == [[[3.5]]]


@pytest.mark.statistics
def test_claims_accept_what_is_true_notice_what_is_not_and_refuse_too_few_draws():
    x = np.random.default_rng(0).normal(size=20_000)
    phi = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2.0)))
    claims = {
        "mean": lambda y: assert_mean(y, 0.0, variance=1.0, bound=None, detects=0.1),
        "variance": lambda y: assert_variance(y, 1.0, mean=0.0, detects=0.13),
        "distribution": lambda y: assert_cdf(y, phi, detects=0.04),
    }
    for claim in claims.values():
        claim(x)
    for name, y in (("mean", x + 0.1), ("variance", 1.13 * x), ("distribution", x + 0.11)):
        with pytest.raises(AssertionError, match=name):
            claims[name](y)
    with pytest.raises(ValueError, match="draws cannot tell"):
        assert_mean(x, 0.0, variance=1.0, bound=None, detects=0.05)
    with pytest.raises(ValueError, match="draws cannot tell"):
        assert_mean(x, 0.0, variance=1.0, bound=50.0, detects=0.1)
    with pytest.raises(ValueError, match="draws cannot tell"):
        assert_variance(x, 1.0, mean=0.0, detects=0.05)
    with pytest.raises(ValueError, match="draws cannot tell"):
        assert_cdf(x, phi, detects=0.02)
