"""The Stein variational velocity: twin, limits, invariances, the law it keeps, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import same_on_all_threads, simd
from pair_cases import Case, cases, pair_terms, unit_roundoff
from statistical_claims import assert_mean
from wpg import _core
from wpg.reference import transport as twin
from wpg.threads import available_simd_isas
from wpg.transport import svgd_velocity

DTYPES = [np.float32, np.float64]


def stated_error(case: Case):
    """The bound of the docstring of `svgd_velocity`, (N, D)."""
    kernel, away, _, x, r = pair_terms(case)
    N, D = case.particles.shape[1:]
    drift = np.abs(case.drift[0].astype(np.float64))
    reach = case.temperature * (away + r) / case.bandwidth**2
    terms = kernel[:, :, None] * (drift[None] + reach)
    return unit_roundoff(case.particles.dtype) * (N + 2 * (D + 4) * x + 16) * terms.mean(axis=1)


def velocity(case: Case, routine=svgd_velocity):
    return routine(
        case.particles, case.drift, temperature=case.temperature, bandwidth=case.bandwidth
    )


def cloud(*, S=3, N=40, D=3, dtype=np.float64, seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal((S, N, D)).astype(dtype) for _ in range(2))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_velocity_is_within_its_stated_error_of_the_twin(place, dtype):
    isas = available_simd_isas()
    for n, case in enumerate(cases(500, dtype, seed=1)):
        want = twin.svgd_velocity(
            case.particles, case.drift, temperature=case.temperature, bandwidth=case.bandwidth
        )
        with simd(isas[n % len(isas)]):
            found = velocity(case, place(svgd_velocity))
        assert found.dtype == dtype
        # The twin, in float64, is off by as much as the routine in float64.
        allowed = stated_error(case) * (2 if dtype == np.float64 else 1)
        assert np.all(np.abs(found[0] - want[0]) <= allowed + np.finfo(dtype).tiny), n


@pytest.mark.closed_form
@pytest.mark.parametrize("D", [1, 2, 3, 6, 17])
def test_one_particle_follows_its_drift_and_no_temperature_averages(D):
    particles, drift = cloud(N=1, D=D)
    found = svgd_velocity(particles, drift, temperature=0.7, bandwidth=0.3)
    np.testing.assert_array_equal(found, drift)
    particles, drift = cloud(N=9, D=D)
    # A bandwidth of 1e8 makes k = 1 to rounding: everyone gets the mean.
    found = svgd_velocity(particles, drift, temperature=0.0, bandwidth=1e8)
    mean = drift.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.broadcast_to(mean, found.shape), rtol=0, atol=1e-14)


@pytest.mark.closed_form
def test_two_particles_on_a_line():
    """w(a_1) = (g_1 + k g_2 + tau k (a_1 - a_2)/l^2)/2, k = exp(-(a_1 - a_2)^2/(2 l^2))."""
    particles, drift = np.array([[[0.0], [1.0]]]), np.array([[[2.0], [-1.0]]])
    found = svgd_velocity(particles, drift, temperature=0.5, bandwidth=2.0)
    k = math.exp(-1 / 8)
    want = [(2.0 - k - 0.5 * k / 4) / 2, (-1.0 + 2 * k + 0.5 * k / 4) / 2]
    np.testing.assert_allclose(found.ravel(), want, rtol=1e-15)


@pytest.mark.property
@pytest.mark.parametrize("D", [1, 3, 7])
def test_order_place_and_scale(D):
    particles, drift = cloud(N=37, D=D)
    size = {"temperature": 0.6, "bandwidth": 0.8}
    found = svgd_velocity(particles, drift, **size)
    # 37 terms of order 1, and exponents of order (D + 4) 10: 1e-13 is 1,000 u.
    order = np.random.default_rng(3).permutation(37)
    mixed = svgd_velocity(
        np.ascontiguousarray(particles[:, order]), np.ascontiguousarray(drift[:, order]), **size
    )
    np.testing.assert_allclose(mixed, found[:, order], rtol=0, atol=1e-13)
    # Moving by 1024 rounds the particles: 1e-13 each.
    moved = svgd_velocity(particles + 1024.0, drift, **size)
    np.testing.assert_allclose(moved, found, rtol=0, atol=1e-11)
    for c in (0.25, 3.0, 1e-5):
        scaled = svgd_velocity(particles * c, drift / c, temperature=0.6, bandwidth=0.8 * c)
        np.testing.assert_allclose(scaled * c, found, rtol=0, atol=1e-13)


@pytest.mark.property
@pytest.mark.parametrize("N", [5, 64, 600])
def test_repulsion_sums_to_zero(N):
    particles, drift = cloud(S=2, N=N)
    found = svgd_velocity(particles, np.zeros_like(drift), temperature=1.3, bandwidth=0.4)
    assert np.abs(found).max() > 0.01
    # N^2 terms of at most 1.3 exp(-1/2)/(0.4 N), each off by 1,000 u at most.
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=N * 2e-13)


@pytest.mark.statistics
def test_the_gibbs_law_stays_where_it_is():
    """Stein's identity: where all others are draws of N(0, tau/m), what they do to a particle at x
    has expectation 0.

    A term k drift_j + tau k (x - a_j)/l^2 with drift_j = -m a_j is at most m (|x| + l e^(-1/2)) +
    tau e^(-1/2)/l in a coordinate, 2.3 here; so is its deviation, and that of the mean of 63 terms
    is 2.3/sqrt(63)."""
    m, tau, N, length = 2.0, 0.5, 64, 0.5
    particles = math.sqrt(tau / m) * np.random.default_rng(5).standard_normal((4000, N, 2))
    particles[:, 0] = [0.3, -0.5]
    drift = -m * particles
    found = svgd_velocity(particles, drift, temperature=tau, bandwidth=length)[:, 0]
    others = (found - drift[:, 0] / N) * N / (N - 1)  # its own term: k = 1 and no repulsion
    for d in range(2):
        assert_mean(others[:, d], 0.0, variance=2.3**2 / 63, bound=2.3, detects=0.06)


@pytest.mark.end_to_end
def test_particles_settle_at_the_gibbs_law():
    """200 particles on a line: at rest their variance is that of the law to a few per cent, an
    error of the finite cloud that is measured here (1.3 per cent), not derived."""
    m, tau = 2.0, 0.5
    particles = np.random.default_rng(2).uniform(-3, 3, (1, 200, 1))
    for _ in range(2000):
        particles += 0.2 * svgd_velocity(particles, -m * particles, temperature=tau, bandwidth=0.3)
    assert abs(particles.mean()) < 1e-3
    assert particles.var() == pytest.approx(tau / m, rel=0.03)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("S", "N", "D"), [(23, 45, 3), (2, 601, 2), (40, 16, 1), (3, 70, 17)])
def test_threads_change_no_bit(S, N, D, dtype):
    particles, drift = cloud(S=S, N=N, D=D, dtype=dtype)
    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(
                lambda: svgd_velocity(particles, drift, temperature=0.5, bandwidth=0.7)
            )


@pytest.mark.property
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_stays_where_it_is(bad):
    particles, drift = cloud(S=4)
    size = {"temperature": 0.5, "bandwidth": 0.7}
    clean = svgd_velocity(particles, drift, **size)
    particles[1, 3, 2], drift[2, 7, 1] = bad, bad
    found = svgd_velocity(particles, drift, **size)
    lost = np.zeros(found.shape, bool)
    lost[1], lost[2, :, 1] = True, True
    np.testing.assert_array_equal(np.isnan(found), lost)
    np.testing.assert_array_equal(found[~lost], clean[~lost])


def test_out_and_empty_clouds():
    particles, drift = cloud()
    size = {"temperature": np.array([0.1, 0.0, 2.0]), "bandwidth": np.array([0.3, 1.0, 2.0])}
    want = svgd_velocity(particles, drift, **size)
    for s in range(3):
        alone = svgd_velocity(
            particles[s : s + 1],
            drift[s : s + 1],
            temperature=size["temperature"][s],
            bandwidth=size["bandwidth"][s],
        )
        np.testing.assert_array_equal(alone[0], want[s])
    out = np.empty_like(want)
    assert svgd_velocity(particles, drift, out=out, **size) is out
    np.testing.assert_array_equal(out, want)
    for place in (drift.copy(), particles.copy()):
        along = place if np.array_equal(place, drift) else drift
        at = place if np.array_equal(place, particles) else particles
        assert svgd_velocity(at, along, out=place, **size) is place
        np.testing.assert_array_equal(place, want)
    assert svgd_velocity(
        particles[:, :0].copy(), drift[:, :0].copy(), temperature=1.0, bandwidth=1.0
    ).shape == (3, 0, 3)
    assert svgd_velocity(particles[:0], drift[:0], temperature=1.0, bandwidth=1.0).shape == (
        0,
        40,
        3,
    )


def test_no_bandwidth_is_the_median_rule(monkeypatch):
    """0 and NaN are what the median rule gives for equal particles and for a lost state."""
    particles, drift = cloud(N=4)
    rule = np.array([0.5, 0.0, np.nan])
    asked = []

    def median_bandwidth(particles):
        asked.append(particles)
        return rule

    monkeypatch.setattr(_core, "median_bandwidth", median_bandwidth, raising=False)
    particles[1, 2] = particles[1, 0]
    found = svgd_velocity(particles, drift, temperature=0.5)
    assert asked[0] is particles
    want = svgd_velocity(particles[:1], drift[:1], temperature=0.5, bandwidth=0.5)
    np.testing.assert_array_equal(found[0], want[0])
    pair = (drift[1, 0] + drift[1, 2]) / 4
    limit = np.stack([pair, drift[1, 1] / 4, pair, drift[1, 3] / 4])
    np.testing.assert_allclose(found[1], limit, rtol=1e-15, atol=1e-16)
    assert np.isnan(found[2]).all()


GOOD = tuple(cloud(S=2, N=5, D=2))


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"particles": [[1.0]]}, TypeError, "particles"),
        ({"particles": GOOD[0].astype(int)}, TypeError, "particles"),
        ({"particles": GOOD[0][0]}, ValueError, "particles"),
        ({"particles": GOOD[0][:, :, ::-1]}, ValueError, "particles"),
        ({"particles": GOOD[0][:, :, :0]}, ValueError, "particles"),
        ({"drift": GOOD[1].astype(np.float32)}, TypeError, "drift"),
        ({"drift": GOOD[1][:1]}, ValueError, "drift"),
        ({"drift": None}, TypeError, "drift"),
        ({"temperature": -0.1}, ValueError, "temperature"),
        ({"temperature": math.nan}, ValueError, "temperature"),
        ({"temperature": np.array([0.1, -1.0])}, ValueError, r"temperature\[1\]"),
        ({"temperature": "hot"}, TypeError, "temperature"),
        ({"bandwidth": 0.0}, ValueError, "bandwidth"),
        ({"bandwidth": -1.0}, ValueError, "bandwidth"),
        ({"bandwidth": math.nan}, ValueError, "bandwidth"),
        ({"bandwidth": math.inf}, ValueError, "bandwidth"),
        ({"bandwidth": "wide"}, TypeError, "bandwidth"),
        ({"bandwidth": np.array([0.1, -1.0])}, ValueError, r"bandwidth\[1\]"),
        ({"bandwidth": np.array([0.1, 1.0, 1.0])}, ValueError, "bandwidth"),
        ({"bandwidth": np.array([0.1, 1.0], np.float32)}, TypeError, "bandwidth"),
        ({"out": np.zeros((2, 5, 3))}, ValueError, "out"),
        ({"out": np.zeros((2, 5, 2), np.float32)}, TypeError, "out"),
    ],
)
def test_bad_arguments_are_named(change, error, word):
    particles, drift = GOOD
    arguments = {"particles": particles, "drift": drift, "temperature": 0.5, "bandwidth": 0.5}
    with pytest.raises(error, match=word):
        svgd_velocity(**{**arguments, **change})


def test_out_may_not_overlap_in_part():
    memory = np.zeros(2 * 5 * 2 + 2)
    drift, out = memory[:20].reshape(2, 5, 2), memory[2:].reshape(2, 5, 2)
    with pytest.raises(ValueError, match="drift"):
        svgd_velocity(GOOD[0], drift, temperature=0.5, bandwidth=0.5, out=out)
    assert not memory.any()
