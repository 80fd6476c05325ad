"""The Leimkuhler-Matthews step: bits, twin, shared draws, the laws that it keeps, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from bits import bits, same_on_all_isas_and_threads
from statistical_claims import assert_mean, assert_variance
from step_supports import SUPPORTS
from wpg.exact.grid import midpoint_grid
from wpg.exact.langevin_operators import (
    langevin_operator,
    leimkuhler_matthews_operator,
    stationary_density,
)
from wpg.noise import standard_normal
from wpg.reference import transport as reference
from wpg.supports import Box, Torus
from wpg.transport import langevin, leimkuhler_matthews

DTYPES = [np.float32, np.float64]
SHAPES = [(5, 7, 1), (2, 9, 3), (1, 1001, 6), (300, 3, 2), (2, 6, 300), (0, 3, 2), (3, 0, 2)]
NOISE = {np.float32: 1e-6, np.float64: 4e-15}  # the docstring of wpg.noise.standard_normal


def problem(shape, dtype, seed=0):
    random = np.random.default_rng(seed)
    S = shape[0]
    particles = random.uniform(-0.8, 0.6, shape).astype(dtype)
    drift = random.normal(0, 2, shape).astype(dtype)
    step_size = random.uniform(0.05, 0.2, S).astype(dtype)
    temperature = random.uniform(0.1, 1.0, S).astype(dtype)
    return particles, drift, step_size, temperature


def draws(shape, seed, step, dtype):
    return standard_normal(shape, seed=seed, step=step, stream="leimkuhler_matthews", dtype=dtype)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_depend_on_no_thread_and_no_instruction_set(shape, name, dtype):
    particles, drift, step_size, temperature = problem(shape, dtype)
    if name == "clip":
        temperature[:] = 0
    rule = {
        "step_size": step_size,
        "temperature": temperature,
        "seed": 2**64 - 9,
        "step": 2**40 - 2,
        "support": SUPPORTS[name],
    }
    want = same_on_all_isas_and_threads(lambda: leimkuhler_matthews(particles, drift, **rule))
    in_place = particles.copy()
    assert leimkuhler_matthews(in_place, drift, **rule, out=in_place) is in_place
    assert bits(in_place) == want


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_equals_its_naive_twin_on_a_thousand_cases(place, dtype):
    """Squashed boxes, whose bound is another one, are in test_squash.py."""
    random, u = np.random.default_rng(1), float(np.finfo(dtype).eps) / 2
    supports = [None, Box(-0.9, 0.7), Torus(0.8), Box([-0.9, -2], [0.7, 5])]
    for case in range(1000):
        support = supports[case % 4]
        shape = (2, 2, 2)
        a, drift, step_size, temperature = problem(shape, dtype, seed=case)
        drift *= dtype(10.0 ** random.uniform(-2, 1))
        rule = {"step_size": step_size, "temperature": temperature}
        xi = [draws(shape, case, k, dtype) for k in (7, 8)]
        found = place(leimkuhler_matthews)(a, drift, seed=case, step=7, support=support, **rule)
        arrays = None if support is None else support.arrays(2, dtype)
        want = reference.leimkuhler_matthews(a, drift, *xi, support=arrays, **rule)
        # |a| <= 0.8, step_size |drift| <= 0.2 |drift|, noise 0.64 * 6: ten roundings of their sum,
        # those of the fold included, and the error of two halves of a draw.
        size = 0.8 + 0.2 * np.abs(drift) + 0.64 * 6 + 5
        apart = np.abs(found - want)
        if isinstance(support, Torus):
            apart = np.minimum(apart, 0.8 - apart)
        assert np.all(apart <= 10 * u * size + 0.64 * NOISE[dtype])


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbouring_steps_share_a_draw(dtype):
    zero = np.zeros((4, 9, 3), dtype)
    moves = [
        leimkuhler_matthews(zero, zero, step_size=0.5, temperature=1.0, seed=4, step=k)
        for k in (5, 6)
    ]
    xi = [draws(zero.shape, 4, k, dtype) for k in (5, 6, 7)]
    # sqrt(2 * 0.5 * 1) = 1; halving is exact.
    assert np.array_equal(moves[0], (xi[0] + xi[1]) / 2)
    assert np.array_equal(moves[1], (xi[1] + xi[2]) / 2)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_zero_is_gradient_ascent(dtype):
    particles, drift, step_size, _ = problem((5, 9, 3), dtype)
    rule = {"step_size": step_size, "temperature": 0.0, "support": Box(-0.9, 0.7)}
    moved = leimkuhler_matthews(particles, drift, seed=1, **rule)
    assert bits(moved) == bits(langevin(particles, drift, seed=2, step=9, **rule))


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_quadratic_has_its_gibbs_variance(dtype):
    """Q = -m a^2/2: variance temperature/m after k steps from 0, but for (1 - step_size m)^(2 k)
    (17 steps: 1e-11): no bias at a step for which Langevin's is 26 %."""
    m, eta, tau = 1.3, 0.4, 0.5
    a = np.zeros((20_000, 5, 1), dtype)
    for step in range(17):
        leimkuhler_matthews(
            a, dtype(-m) * a, step_size=eta, temperature=tau, seed=4, step=step, out=a
        )
    assert_variance(a, tau / m, mean=0.0, detects=0.05)
    with pytest.raises(AssertionError, match="variance"):
        assert_variance(a, tau / (m * (1 - eta * m / 2)), mean=0.0, detects=0.05)


@pytest.mark.statistics
def test_on_a_torus_it_keeps_the_law_of_the_exact_operator():
    """Q = cos a: E cos a is that of the operator's law, which is nearer to the Gibbs law than
    Langevin's by the square of the step."""
    eta, tau, n = 0.4, 0.5, 400_000
    grid = midpoint_grid(Torus(2 * np.pi), 96, 1)
    matrix, smoothing = leimkuhler_matthews_operator(lambda a: -np.sin(a), 1, grid, eta, tau)
    law = (smoothing @ stationary_density(matrix, grid)[0]) * grid.weights
    a = grid.points[:, 0]
    gibbs = np.exp(np.cos(a) / tau)
    gibbs /= gibbs.sum()
    ula = stationary_density(langevin_operator(-np.sin(a)[None, :, None], grid, eta, tau), grid)[0]
    means = [float(p @ np.cos(a)) for p in (law, gibbs, ula * grid.weights)]
    assert abs(means[0] - means[1]) < 0.1 * abs(means[2] - means[1])
    cloud = np.full((n, 1, 1), np.pi / 2)
    for step in range(25):  # the rate is above 0.5: exp(-10) of the start is left
        leimkuhler_matthews(
            cloud,
            -np.sin(cloud),
            step_size=eta,
            temperature=tau,
            seed=5,
            step=step,
            support=Torus(2 * np.pi),
            out=cloud,
        )
    claim = {"variance": 0.25, "bound": 2.0, "detects": 0.009}
    assert_mean(np.cos(cloud), means[0], **claim)
    with pytest.raises(AssertionError, match="mean"):
        assert_mean(np.cos(cloud), means[2], **claim)


def good():
    return {
        "particles": np.full((2, 3, 4), 0.5, np.float32),
        "drift": np.ones((2, 3, 4), np.float32),
        "step_size": 0.1,
        "temperature": 1.0,
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (TypeError, "particles", {"particles": None}),
        (TypeError, "drift", {"drift": np.zeros((2, 3, 4))}),
        (ValueError, "drift", {"drift": np.zeros((2, 3), np.float32)}),
        (ValueError, "step_size", {"step_size": -0.1}),
        (ValueError, "temperature", {"temperature": np.nan}),
        (TypeError, "temperature", {"temperature": "1"}),
        (ValueError, "seed", {"seed": -1}),
        (TypeError, "seed", {"seed": 0.5}),
        (ValueError, "one step ahead", {"step": 2**40 - 1}),
        (ValueError, "step", {"step": 2**40}),
        (TypeError, "support", {"support": "box"}),
        (ValueError, "clip.*temperature", {"support": Box(-1, 1, "clip")}),
        (TypeError, "out", {"out": np.zeros((2, 3, 4))}),
        (ValueError, "out", {"out": np.broadcast_to(np.float32(9), (2, 3, 4))}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, word, change):
    out = np.full((2, 3, 4), 9, np.float32)
    given = good() | {"out": out} | change
    with pytest.raises(error, match=word):
        leimkuhler_matthews(given.pop("particles"), given.pop("drift"), **given)
    assert np.all(out == 9)
