"""The kernel density estimate and its score: twins, closed forms, invariances, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import same_on_all_threads, simd
from pair_cases import Case, cases, pair_terms, unit_roundoff
from wpg import _core
from wpg.density import kde_log_density, kde_score, mixture_log_density
from wpg.reference import density as twin
from wpg.threads import available_simd_isas

DTYPES = [np.float32, np.float64]


def stated_error(case: Case):
    """The bound of the docstring of `kde_score`, (N, D)."""
    kernel, away, total, x, r = pair_terms(case)
    N, D = case.particles.shape[1:]
    reach = (kernel[:, :, None] * (away + r)).sum(axis=1) / case.bandwidth**2 / total[:, None]
    return unit_roundoff(case.particles.dtype) * (2 * N + 4 * (D + 4) * x + 24) * reach


def cloud(*, S=3, N=40, D=3, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal((S, N, D)).astype(dtype)


# The score


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_score_is_within_its_stated_error_of_the_twin(place, dtype):
    isas = available_simd_isas()
    for n, case in enumerate(cases(500, dtype, seed=3)):
        want = twin.kde_score(case.particles, bandwidth=case.bandwidth)
        with simd(isas[n % len(isas)]):
            found = place(kde_score)(case.particles, bandwidth=case.bandwidth)
        assert found.dtype == dtype
        # The twin, in float64, is off by as much as the routine in float64.
        allowed = stated_error(case) * (2 if dtype == np.float64 else 1)
        assert np.all(np.abs(found[0] - want[0]) <= allowed + np.finfo(dtype).tiny), n


@pytest.mark.closed_form
@pytest.mark.parametrize("D", [1, 2, 3, 7])
def test_score_is_the_gradient_of_the_log_density(D):
    """By central differences at fixed particles: off by h^2/6 of third derivatives, below 1e-8 for
    h = 1e-5 and lengths of 1, and by the rounding of the log-density over h, 1e-10."""
    particles, h = cloud(S=1, N=7, D=D), 1e-5
    found = kde_score(particles, bandwidth=0.9)[0]
    for d in range(D):
        step = np.zeros(D)
        step[d] = h
        up, down = (
            kde_log_density(particles, particles + sign * step, bandwidth=0.9) for sign in (1, -1)
        )
        np.testing.assert_allclose(found[:, d], ((up - down) / (2 * h))[0], rtol=0, atol=1e-8)


@pytest.mark.property
@pytest.mark.parametrize("D", [1, 3, 7])
def test_order_place_and_scale(D):
    particles = cloud(N=37, D=D)
    found = kde_score(particles, bandwidth=0.8)
    order = np.random.default_rng(3).permutation(37)
    mixed = kde_score(np.ascontiguousarray(particles[:, order]), bandwidth=0.8)
    # Exponents of order (D + 4) 10: 1e-13 is 1,000 u. Moving by 1024 rounds the particles.
    np.testing.assert_allclose(mixed, found[:, order], rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        kde_score(particles + 1024.0, bandwidth=0.8), found, rtol=0, atol=1e-11
    )
    for c in (0.25, 3.0, 1e-5):
        scaled = kde_score(particles * c, bandwidth=0.8 * c)
        np.testing.assert_allclose(scaled * c, found, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(kde_score(particles[:, :1].copy(), bandwidth=0.8), 0)
    assert kde_score(particles[:, :0].copy(), bandwidth=0.8).shape == (3, 0, D)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("S", "N", "D"), [(23, 45, 3), (2, 601, 2), (40, 16, 1), (3, 70, 17)])
def test_threads_change_no_bit(S, N, D, dtype):
    particles = cloud(S=S, N=N, D=D, dtype=dtype)
    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(lambda: kde_score(particles, bandwidth=0.7))
            same_on_all_threads(lambda: kde_log_density(particles[:, :45].copy(), bandwidth=0.7))


@pytest.mark.property
def test_median_rule_and_not_a_number(monkeypatch):
    particles = cloud(N=4)
    particles[2, 1, 0] = np.nan
    rule = np.array([0.5, 0.0, np.nan])
    monkeypatch.setattr(_core, "median_bandwidth", lambda particles: rule, raising=False)
    found = kde_score(particles, bandwidth=None)
    np.testing.assert_array_equal(found[0], kde_score(particles[:1], bandwidth=0.5)[0])
    np.testing.assert_array_equal(found[1], 0)
    assert np.isnan(found[2]).all()
    with pytest.raises(ValueError, match="state 1"):
        kde_log_density(particles, bandwidth=None)
    rule[1] = 0.25
    density = kde_log_density(particles, bandwidth=None)
    np.testing.assert_array_equal(np.isnan(density), [[False] * 4, [False] * 4, [True] * 4])
    np.testing.assert_array_equal(
        density[:2], kde_log_density(particles[:2], bandwidth=rule[:2].copy())
    )


# The log-density


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_log_density_is_the_mixture_of_its_particles(dtype):
    """To the bit the routine whose error test_density.py enforces; here the twin once."""
    particles, points = cloud(N=9, dtype=dtype), cloud(N=5, dtype=dtype, seed=1)
    found = kde_log_density(particles, points, bandwidth=0.6)
    np.testing.assert_array_equal(found, mixture_log_density(points, particles, 0.6))
    want = twin.kde_log_density(particles, points, bandwidth=dtype(0.6))
    np.testing.assert_allclose(found, want, rtol=0, atol=1e3 * unit_roundoff(dtype))
    np.testing.assert_array_equal(
        kde_log_density(particles, bandwidth=0.6),
        kde_log_density(particles, particles.copy(), bandwidth=0.6),
    )


@pytest.mark.closed_form
def test_log_density_integrates_to_one_and_stays_finite_far_away():
    """The midpoint rule on a smooth function that vanishes at both ends: exact to exp(-2 (pi
    l/h)^2), below 1e-100 here."""
    particles = cloud(S=1, N=6, D=1)
    grid = np.linspace(-8, 8, 4001)[:-1] + 0.002
    found = kde_log_density(particles, grid.reshape(1, -1, 1).copy(), bandwidth=0.3)
    assert np.exp(found).sum() * 0.004 == pytest.approx(1, abs=1e-12)
    far = kde_log_density(np.zeros((1, 2, 1)), np.full((1, 1, 1), 1e6), bandwidth=0.01)
    want = -0.5e16 - math.log(0.01 * math.sqrt(2 * math.pi))
    assert far[0, 0] == pytest.approx(want, rel=1e-14)


GOOD = cloud(S=2, N=5, D=2)


@pytest.mark.parametrize("routine", [kde_log_density, kde_score])
@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"particles": [[1.0]]}, TypeError, "particles"),
        ({"particles": GOOD[0]}, ValueError, "particles"),
        ({"particles": GOOD.astype(int)}, TypeError, "particles"),
        ({"bandwidth": 0.0}, ValueError, "bandwidth"),
        ({"bandwidth": -1.0}, ValueError, "bandwidth"),
        ({"bandwidth": math.inf}, ValueError, "bandwidth"),
        ({"bandwidth": np.array([0.1, math.nan])}, ValueError, r"bandwidth\[1\]"),
    ],
)
def test_bad_arguments_are_named(routine, change, error, word):
    with pytest.raises(error, match=word):
        routine(**{"particles": GOOD, "bandwidth": 0.5, **change})


def test_bad_points_are_named():
    with pytest.raises(TypeError, match="points"):
        kde_log_density(GOOD, [[1.0]], bandwidth=0.5)
    with pytest.raises(ValueError, match="particles"):
        kde_log_density(GOOD[:, :0].copy(), bandwidth=0.5)
    with pytest.raises(ValueError, match="N >= 1"):
        kde_log_density(GOOD[:, :0].copy(), GOOD, bandwidth=0.5)
