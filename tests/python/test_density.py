"""Log-densities and entropies: twins, closed forms, brackets, invariances, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import same_on_all_threads, simd
from wpg import density, noise
from wpg.density import (
    entropy,
    entropy_terms,
    entropy_with_error,
    mixture_log_density,
    particle_log_densities,
)
from wpg.reference import density as twin
from wpg.supports import Box, Torus
from wpg.threads import available_simd_isas

DTYPES = [np.float32, np.float64]
SUPPORTS = {
    "R^D": None,
    "box": Box([-0.5, 0.5, -0.5], [0.5, 2.5, 2.5]),
    "torus": Torus([1.0, 2.0, 3.0]),
}


def walls(support, D, dtype=np.float64):
    """(low, high) of a support of test sizes; 0 and 1 for R^D."""
    if support is None:
        return np.zeros(D, dtype), np.ones(D, dtype)
    return support.arrays(D, dtype)[1:]


def problem(support, *, S=2, K=4, N=9, D=3, dtype=np.float64, seed=0):
    """Points inside, means up to a quarter of the width outside."""
    random = np.random.default_rng(seed)
    low, high = walls(support, D)
    unit = random.uniform(size=(S, K, D)), random.uniform(-0.25, 1.25, size=(S, N, D))
    points, means = (np.ascontiguousarray((low + (high - low) * x).astype(dtype)) for x in unit)
    return np.clip(points, *walls(support, D, dtype)), means


def stated_error(log_density, points, means, std, support):
    """The bound of the docstring of `mixture_log_density`."""
    S, _, D = points.shape
    N = means.shape[1]
    low, high = walls(support, D)
    away = np.abs(points[:, :, None].astype(float) - means[:, None].astype(float))
    largest = max(np.abs(points).max(), np.abs(means).max())
    if support is not None:
        largest = max(largest, np.abs(low).max(), np.abs(high).max())
        period = (high - low) * (1 if isinstance(support, Torus) else 2)
        away = away % period
        away = np.minimum(away, period - away)
        if isinstance(support, Box):  # the mirror image may be nearer
            mirrored = (points[:, :, None] + means[:, None] - 2 * low) % period
            away = np.minimum(away, np.minimum(mirrored, period - mirrored))
    scale = np.broadcast_to(np.asarray(std, float), (S,))[:, None]
    X = math.log(N) + ((away**2).sum(axis=3)).min(axis=2) / (2 * scale**2)
    return (
        float(np.finfo(points.dtype).eps)
        / 2
        * (
            N
            + 10 * (D + 1)
            + (D + 14) * X
            + 4 * np.sqrt(2 * D * X) * largest / scale
            + 4 * np.abs(log_density)
            + 4 * D * (1 + np.abs(np.log(scale)))
        )
    )


def assert_equals_twin(found, points, means, std, support, *, exclude_self=False):
    """Within the stated error; the twin works in float64 and may be off as much as that."""
    arrays = None if support is None else support.arrays(points.shape[2], points.dtype)
    std = np.asarray(std, points.dtype)
    want = twin.mixture_log_density(points, means, std, arrays, exclude_self=exclude_self)
    if exclude_self:  # the nearest mean may be the one that is left out: bound with the others
        allowed = np.empty_like(want)
        for i in range(points.shape[1]):
            rest = np.delete(means, i, axis=1)
            allowed[:, i : i + 1] = stated_error(
                want[:, i : i + 1], points[:, i : i + 1], rest, std, support
            )
    else:
        allowed = stated_error(want, points, means, std, support)
    assert found.dtype == points.dtype
    assert np.all(np.abs(found - want) <= 2 * allowed)


# Log-densities


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("std", [0.01, 0.1, 0.3, 0.45, 0.6, 1.4, 8.0])
def test_log_density_equals_the_naive_twin(name, dtype, std):
    support = SUPPORTS[name]
    points, means = problem(support, dtype=dtype)
    particles, centers = problem(support, K=6, N=6, dtype=dtype, seed=1)
    each = np.array([std, 1.5 * std], dtype)
    for isa in available_simd_isas():
        with simd(isa):
            assert_equals_twin(
                mixture_log_density(points, means, std, support), points, means, std, support
            )
            both = particle_log_densities(particles, centers, each, support)
            for found, leave_out in zip(both, (False, True), strict=True):
                assert_equals_twin(found, particles, centers, each, support, exclude_self=leave_out)


@pytest.mark.property
@pytest.mark.parametrize("name", SUPPORTS)
def test_one_pass_and_two_give_the_same(name):
    support = SUPPORTS[name]
    particles, means = problem(support, K=40, N=40)
    included, left_out = particle_log_densities(particles, means, 0.1, support)
    np.testing.assert_array_equal(
        left_out, mixture_log_density(particles, means, 0.1, support, exclude_self=True)
    )
    np.testing.assert_allclose(
        included, mixture_log_density(particles, means, 0.1, support), rtol=1e-13, atol=1e-13
    )


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("std", [0.01, 0.1, 0.6, 0.9, 50.0])
@pytest.mark.parametrize("support", [Box(-1.0, 0.8), Torus(1.8)], ids=["box", "torus"])
def test_the_density_integrates_to_one(support, std, dtype):
    """The midpoint rule is exact up to exp(-2 (pi std/h)^2) for a law that is periodic, or even
    about both walls, and smooth on the scale of a cell h: below 1e-80 here. What is left is
    rounding: an error of e in the logarithm is one of e in the integral."""
    low, high = (float(w[0]) for w in walls(support, 1))
    n = 2000
    grid = low + (np.arange(n) + 0.5) * (high - low) / n
    points = grid[None, :, None].astype(dtype)
    means = np.array([[[low + 0.01], [0.2], [high + 0.3]]], dtype)
    found = mixture_log_density(points, means, std, support)
    allowed = float(stated_error(found, points, means, std, support).max())
    # A float32 point is not at its place in the grid: h u (n/2) of slope 1/std at most.
    allowed += float(np.finfo(dtype).eps) * 2 / std
    total = np.exp(found.astype(float)).sum() * (high - low) / n
    assert abs(total - 1) <= allowed
    assert allowed < (1e-2 if dtype == np.float32 else 1e-10)


@pytest.mark.closed_form
@pytest.mark.parametrize("std", [0.07, 3.0])
@pytest.mark.parametrize("support", [Box([0, -1], [1, 1]), Torus([1, 2])], ids=["box", "torus"])
def test_the_density_integrates_to_one_in_the_plane(support, std):
    low, high = walls(support, 2)
    n = 100
    line = (np.arange(n) + 0.5) / n
    grid = low + (high - low) * np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    means = low + (high - low) * np.random.default_rng(0).uniform(size=(1, 12, 2))
    found = mixture_log_density(grid[None], means, std, support)
    # exp(-2 (pi std/h)^2), h = 0.02 at most: below 1e-100.
    assert abs(np.exp(found).mean() * np.prod(high - low) - 1) < 1e-12


@pytest.mark.closed_form
def test_many_dimensions_and_points_far_away_keep_their_logarithm():
    D = 300
    far = np.full((1, 1, D), 40.0)
    found = mixture_log_density(far, np.zeros((1, 1, D)), 1.0)
    want = -0.5 * D * (1600.0 + math.log(2 * math.pi))
    assert found[0, 0] == pytest.approx(want, rel=1e-14)
    # The uniform law, wide noise: a product of 300 brackets that are 1 each; and a law of one mean
    # at a corner, whose density there is a product of 300 times about 10.
    torus = Torus(1.0)
    assert abs(mixture_log_density(far, np.zeros((1, 1, D)), 9.0, torus)[0, 0]) < 1e-12
    box, corner = Box(0.0, 1.0), np.zeros((1, 1, D))
    height = 2 / (0.08 * math.sqrt(2 * math.pi))
    at_corner = mixture_log_density(corner, corner, 0.08, box)[0, 0]
    assert at_corner == pytest.approx(D * math.log(height), rel=1e-13)
    assert mixture_log_density(corner.astype(np.float32), corner.astype(np.float32), 0.08, box)[
        0, 0
    ] == pytest.approx(D * math.log(height), rel=1e-5)


@pytest.mark.property
@pytest.mark.parametrize("std", [0.05, 0.7])
def test_translation_on_the_torus_changes_nothing(std):
    torus = SUPPORTS["torus"]
    points, means = problem(torus, K=30, N=20)
    before = mixture_log_density(points, means, std, torus)
    allowed = stated_error(before, points, means, std, torus)
    for shift in (0.25, 0.9, 7.3, -4.0):
        after = mixture_log_density(points + shift, means + shift, std, torus)
        # R grows by the shift, and so does what is lost when it is added.
        grown = stated_error(after, points + shift, means + shift, std, torus)
        assert np.all(np.abs(after - before) <= allowed + 2 * grown)


@pytest.mark.property
@pytest.mark.parametrize("std", [0.05, 0.7])
def test_mirroring_a_box_changes_nothing(std):
    box = Box(-1.0, 3.0)
    points, means = problem(box, K=30, N=20, D=2)
    mirrored = [
        np.clip(2.0 - x, -1.0 - 9.0 * i, 3.0 + 9.0 * i) for i, x in enumerate((points, means))
    ]
    before = mixture_log_density(points, means, std, box)
    after = mixture_log_density(*mirrored, std, box)
    assert np.all(np.abs(after - before) <= 4 * stated_error(before, points, means, std, box))


@pytest.mark.property
@pytest.mark.parametrize("name", SUPPORTS)
def test_the_order_of_the_means_does_not_matter_and_states_are_alone(name):
    support = SUPPORTS[name]
    points, means = problem(support, S=5, K=30, N=21)
    std = np.linspace(0.05, 0.8, 5)
    found = mixture_log_density(points, means, std, support)
    order = np.random.default_rng(3).permutation(21)
    mixed = mixture_log_density(points, np.ascontiguousarray(means[:, order]), std, support)
    assert np.all(np.abs(mixed - found) <= 2 * stated_error(found, points, means, std, support))
    for s in range(5):
        alone = mixture_log_density(points[s : s + 1], means[s : s + 1], std[s : s + 1], support)
        np.testing.assert_array_equal(alone[0], found[s])


@pytest.mark.property
def test_means_outside_count_where_they_are_folded_or_wrapped():
    box, torus = Box(0.0, 1.0), Torus(1.0)
    points = np.linspace(0, 0.99, 30).reshape(1, 30, 1)
    for support, outside, inside in [
        (box, 1.25, 0.75),
        (box, -0.25, 0.25),
        (box, 2.25, 0.25),
        (torus, 1.25, 0.25),
        (torus, -3.75, 0.25),
    ]:
        a, b = (
            mixture_log_density(points, np.full((1, 1, 1), m), 0.125, support)
            for m in (outside, inside)
        )
        np.testing.assert_array_equal(a, b)  # all of these numbers are exact in binary


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
def test_threads_change_no_bit(name, dtype):
    support = SUPPORTS[name]
    particles, means = problem(support, S=23, K=33, N=33, dtype=dtype)
    for isa in available_simd_isas():
        with simd(isa):
            for std in (0.1, 0.8):
                same_on_all_threads(
                    lambda std=std: particle_log_densities(particles, means, std, support)
                )
                same_on_all_threads(
                    lambda std=std: mixture_log_density(particles, means, std, support)
                )


def test_out_is_filled_and_returned():
    points, means = problem(None)
    want = mixture_log_density(points, means, 0.3)
    out = np.empty_like(want)
    assert mixture_log_density(points, means, 0.3, out=out) is out
    np.testing.assert_array_equal(out, want)
    assert mixture_log_density(points[:0], means[:0], 0.3).shape == (0, 4)
    assert mixture_log_density(points[:, :0], means, 0.3).shape == (2, 0)


def test_not_a_number_stays_where_it_is():
    points, means = problem(SUPPORTS["box"], S=3)
    clean = mixture_log_density(points, means, 0.2, SUPPORTS["box"])
    points[0, 1, 2], means[2, 0, 0] = np.nan, np.inf
    found = mixture_log_density(points, means, 0.2, SUPPORTS["box"])
    lost = np.zeros((3, 4), bool)
    lost[0, 1] = lost[2] = True
    np.testing.assert_array_equal(np.isnan(found), lost)
    np.testing.assert_array_equal(found[~lost], clean[~lost])


GOOD = problem(Box(0.0, 1.0), K=5, N=5, D=2)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"points": [[1.0]]}, TypeError, "points"),
        ({"points": GOOD[0].astype(int)}, TypeError, "points"),
        ({"points": GOOD[0][0]}, ValueError, "points"),
        ({"points": GOOD[0][:, :, ::-1]}, ValueError, "points"),
        ({"points": GOOD[0][:1]}, ValueError, "means"),
        ({"points": GOOD[0] + 2.0}, ValueError, r"points\[0, 0, 0\]"),
        ({"points": GOOD[0][:, :, :0]}, ValueError, "points"),
        ({"means": None}, TypeError, "means"),
        ({"means": GOOD[1].astype(np.float32)}, TypeError, "means"),
        ({"means": GOOD[1][:, :, :1].copy()}, ValueError, "means"),
        ({"means": GOOD[1][:, :0]}, ValueError, "N = 0"),
        ({"means": np.asfortranarray(GOOD[1])}, ValueError, "means"),
        ({"std": -0.1}, ValueError, "std"),
        ({"std": 0.0}, ValueError, "std"),
        ({"std": math.nan}, ValueError, "std"),
        ({"std": math.inf}, ValueError, "std"),
        ({"std": 1e-200}, ValueError, "std"),
        ({"std": "wide"}, TypeError, "std"),
        ({"std": np.array([0.1, -1.0])}, ValueError, r"std\[1\]"),
        ({"std": np.array([0.1, 0.1, 0.1])}, ValueError, "std"),
        ({"std": np.array([0.1, 0.1], np.float32)}, TypeError, "std"),
        ({"support": "box"}, TypeError, "support"),
        ({"support": Box([0.0] * 3, [1.0] * 3)}, ValueError, "low"),
        ({"support": Box(0.0, 1.0, boundary="clip")}, ValueError, "clip"),
        ({"out": np.zeros((2, 4))}, ValueError, "out"),
        ({"out": np.zeros((2, 5), np.float32)}, TypeError, "out"),
        ({"out": GOOD[0].reshape(-1)[:10].reshape(2, 5)}, ValueError, "out"),
        ({"exclude_self": True, "points": GOOD[0][:, :3].copy()}, ValueError, "as many points"),
    ],
)
def test_bad_arguments_are_named(change, error, word):
    points, means = (x.copy() for x in GOOD)
    arguments = {"points": points, "means": means, "std": 0.1, "support": Box(0.0, 1.0)}
    if "out" in change and change["out"].base is not None:
        arguments["points"] = GOOD[0]
    with pytest.raises(error, match=word):
        mixture_log_density(**{**arguments, **change})


def test_one_mean_cannot_be_left_out():
    with pytest.raises(ValueError, match="N = 1"):
        mixture_log_density(np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), 1.0, exclude_self=True)
    with pytest.raises(ValueError, match="N = 1"):
        entropy(np.zeros((2, 1, 1)), "mixture", means=np.zeros((2, 1, 1)), std=1.0)


# Entropies


def normals(S, N, D, step=0, dtype=np.float64):
    return noise.standard_normal((S, N, D), seed=11, step=step, dtype=dtype)


def uniforms(S, N, D, seed=0):
    return np.random.default_rng(seed).uniform(size=(S, N, D))


def assert_mean_of_states(values, expected, *, bias=0.0, detects):
    """The expectation of i.i.d. values is `expected` up to `bias`.

    Their mean over thousands of states is normal to good accuracy; more than 6 standard errors
    happen in 2e-9 of cases. An expectation that is off by `detects` is noticed: it is more than 10
    standard errors plus the bias, so it passes in fewer than 4e-5 of cases.
    """
    error = values.std(ddof=1) / math.sqrt(values.size)
    assert detects > 10 * error + bias, f"{detects} cannot be detected, only {10 * error + bias}"
    assert abs(values.mean() - expected) <= 6 * error + bias


@pytest.mark.twin
@pytest.mark.parametrize("name", SUPPORTS)
def test_mixture_entropy_equals_the_naive_twin(name):
    support = SUPPORTS[name]
    particles, means = problem(support, K=8, N=8)
    arrays = None if support is None else support.arrays(3, np.float64)
    included, left_out = twin.mixture_entropy(particles, means, 0.2, arrays)
    given = {"means": means, "std": 0.2, "support": support}
    for estimator, want in [
        ("self", included),
        ("leave-one-out", left_out),
        ("average", (included + left_out) / 2),
    ]:
        found = entropy(particles, "mixture", estimator=estimator, **given)
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-12)


@pytest.mark.twin
@pytest.mark.parametrize("D", [1, 2, 5])
@pytest.mark.parametrize("k", [1, 4, 10])
def test_knn_and_gaussian_entropy_equal_their_naive_twins(D, k):
    """A distance is known to a few u, its logarithm to that absolutely, D of them times 11 terms:
    below 1e-13; determinants of well conditioned matrices lose a few digits more."""
    cloud = normals(3, 11, D)
    found = entropy(cloud, "knn", neighbours=k)
    np.testing.assert_allclose(found, twin.knn_entropy(cloud, k), rtol=1e-12, atol=1e-12)
    around = uniforms(3, 11, D)
    wrapped = entropy(around + 7.0, "knn", neighbours=k, support=Torus(1.0))
    want = twin.knn_entropy(around, k, 1.0)
    np.testing.assert_allclose(wrapped, want, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(
        entropy(cloud, "gaussian"), twin.gaussian_entropy(cloud), rtol=1e-11, atol=1e-11
    )


@pytest.mark.property
def test_a_tile_of_distances_more_or_less_changes_no_bit(monkeypatch):
    cloud = normals(5, 30, 2)
    want = entropy(cloud, "knn")
    for tile in (1, 70, 31 * 30, 2000):
        monkeypatch.setitem(entropy.__globals__, "_TILE", tile)
        np.testing.assert_array_equal(entropy(cloud, "knn"), want)


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_mixture_bracket_and_bias_on_the_circle(dtype):
    """Uniform means on a circle of length 1, std 1/20: the law stays uniform, H = log 1 = 0,
    X = int K^2 - 1 = 1/(2 sqrt(pi) std) - 1 = 4.64 (other images: exp(-100)). The two estimates are
    off by -X/(2N) and +X/(2N) = 0.0091 up to (X/N)^2 = 3.3e-4, their mean by that alone."""
    S, N, std = 2000, 256, 0.05
    torus = Torus(1.0)
    means = uniforms(S, N, 1).astype(dtype)
    particles = (means + dtype(std) * normals(S, N, 1, dtype=dtype)) % dtype(1.0)
    X = 1 / (2 * math.sqrt(math.pi) * std) - 1
    given = {"means": means, "std": std, "support": torus}
    for estimator, bias in [("self", -1), ("leave-one-out", 1), ("average", 0)]:
        found = entropy(particles, "mixture", estimator=estimator, **given)
        assert found.dtype == dtype
        assert_mean_of_states(
            found.astype(float), bias * X / (2 * N), bias=(X / N) ** 2, detects=0.003
        )


@pytest.mark.statistics
@pytest.mark.parametrize("support", [None, Box([0.0, 0.0], [1.0, 1.0])], ids=["R^2", "box"])
def test_mixture_entropies_enclose_the_entropy(support):
    """E H_self <= H <= E H_loo: Gaussian means, H = log(2 pi e (1 + std^2)); uniform means in a
    box, which reflection keeps uniform, H = 0. By six standard errors, and more than that apart."""
    S, N, std = 2000, 64, 0.3 if support is None else 0.1
    if support is None:
        means = normals(S, N, 2, step=1)
        particles = means + std * normals(S, N, 2)
        exact = math.log(2 * math.pi * math.e * (1 + std**2))
    else:
        means = uniforms(S, N, 2)
        away = np.abs(means + std * normals(S, N, 2)) % 2.0
        particles = np.minimum(away, 2.0 - away)
        exact = 0.0
    given = {"means": means, "std": std, "support": support}
    low = entropy(particles, "mixture", estimator="self", **given)
    high = entropy(particles, "mixture", estimator="leave-one-out", **given)
    both = entropy(particles, "mixture", **given)
    se = [6 * x.std() / math.sqrt(S) for x in (low, high)]
    assert low.mean() + se[0] < exact < high.mean() - se[1]
    assert abs(both.mean() - exact) < 0.25 * (high.mean() - low.mean())
    np.testing.assert_allclose(both, (low + high) / 2, rtol=1e-12, atol=1e-12)


@pytest.mark.closed_form
def test_one_component_has_the_entropy_of_a_gaussian():
    """With all means equal the mixture is one Gaussian, and -log q(a_i) has expectation
    D/2 log(2 pi e std^2) and variance D/2 exactly."""
    S, N, D, std = 3000, 8, 2, 0.7
    particles = std * normals(S, N, D)
    found, error, _ = entropy_with_error(
        particles, "mixture", means=np.zeros((S, N, D)), std=std, estimator="self"
    )
    exact = D / 2 * math.log(2 * math.pi * math.e * std**2)
    assert_mean_of_states(found, exact, detects=0.08)
    # E error^2 = (D/2)/N; the squares of 3000 states have a standard error of about 3 %.
    assert np.mean(error**2) == pytest.approx(D / 2 / N, rel=0.2)


@pytest.mark.statistics
@pytest.mark.parametrize(("D", "k"), [(1, 1), (1, 4), (2, 4), (3, 4)])
def test_knn_entropy_of_uniform_draws_on_a_torus_has_no_bias(D, k):
    """The ball to the k-th neighbour holds the mass U_(k) of N - 1 uniform numbers, and
    E log U_(k) = psi(k) - psi(N): exact where no ball goes around the torus."""
    cloud = 3.0 * uniforms(1500, 128, D, seed=D)
    found = entropy(cloud, "knn", neighbours=k, support=Torus(3.0))
    assert_mean_of_states(found, D * math.log(3.0), detects=0.04)


@pytest.mark.statistics
@pytest.mark.parametrize(("D", "N"), [(1, 4), (3, 8), (9, 30)])
def test_gaussian_entropy_of_gaussian_draws_has_no_bias(D, N):
    """log det C is a sum of log chi^2 variables, whose expectation is subtracted exactly."""
    random = np.random.default_rng(D)
    stretch = random.normal(size=(D, D))
    cloud = normals(4000, N, D) @ stretch.T + 5.0
    exact = D / 2 * math.log(2 * math.pi * math.e) + math.log(abs(np.linalg.det(stretch)))
    found, error, method = entropy_with_error(cloud, "gaussian")
    assert_mean_of_states(found, exact, detects=0.1)
    assert method == "gaussian"
    np.testing.assert_allclose(error, math.sqrt(D / (2 * N)))


@pytest.mark.statistics
@pytest.mark.parametrize("method", ["mixture", "knn", "gaussian"])
def test_the_standard_error_is_that_of_the_draws(method):
    """N = 256 Gaussian draws in 2-D: the estimates of 1000 states scatter as the standard error
    says. The terms of one cloud are not independent, so up to a factor 1.5; a forgotten square
    root of N would be one of 16. The scatter itself is known to 1/sqrt(2000) = 2.2 %."""
    S, N, std = 1000, 256, 0.3
    means = normals(S, N, 2, step=2)
    cloud = means + std * normals(S, N, 2, step=3)
    found, error, used = entropy_with_error(cloud, method, means=means, std=std)
    assert used == method
    assert found.shape == error.shape == (S,)
    assert 1 / 1.5 < found.std() / error.mean() < 1.5


@pytest.mark.property
@pytest.mark.parametrize("method", ["knn", "gaussian"])
def test_scaling_and_moving_shift_the_entropy(method):
    """H(c a + b) = H(a) + D log c."""
    cloud = normals(4, 40, 3)
    before, after = entropy(cloud, method), entropy(cloud * 1e-9 + 2.0**-20, method)
    np.testing.assert_allclose(after, before + 3 * math.log(1e-9), rtol=0, atol=1e-6)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(entropy(cloud[:, order].copy(), method), before, atol=1e-12)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["mixture", "knn", "gaussian"])
def test_the_entropy_is_the_mean_of_its_terms(method, dtype):
    cloud, means = normals(3, 40, 2, dtype=dtype), normals(3, 40, 2, step=1, dtype=dtype)
    terms, used = entropy_terms(cloud, method, means=means, std=0.5)
    assert used == method
    assert terms.shape == (3, 40)
    assert terms.dtype == dtype
    want = entropy(cloud, method, means=means, std=0.5)
    # Terms are below 16 and rounded once to the dtype, their mean again.
    allowed = 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(terms.mean(axis=1, dtype=float), want, rtol=0, atol=allowed)


@pytest.mark.closed_form
def test_the_terms_of_a_gaussian_are_its_negative_log_density():
    """With 200,000 draws of N(0, 4) the fit is known to 1 %: at 3 standard deviations its terms
    are off by 9/2 of 1 % at most, six standard errors of sqrt(2/N) = 0.3 % doubled."""
    cloud = 2.0 * normals(1, 200_000, 1)
    terms, _ = entropy_terms(cloud, "gaussian")
    want = 0.5 * math.log(2 * math.pi * 4.0) + cloud[:, :, 0] ** 2 / 8.0
    near = np.abs(cloud[:, :, 0]) < 6.0
    assert np.abs(terms - want)[near].max() < 0.15


def test_auto_chooses_by_dimension_and_by_what_is_known():
    def chosen(D, **given):
        return entropy_with_error(normals(2, 32, D), **given)[2]

    assert chosen(1) == chosen(3) == chosen(8) == "knn"
    assert chosen(9) == "gaussian"
    assert chosen(2, means=normals(2, 32, 2, step=1), std=0.5) == "mixture"
    assert chosen(3, means=normals(2, 32, 3, step=1), std=0.5) == "knn"
    assert density.entropy is entropy


def test_a_state_that_is_not_finite_has_no_entropy():
    cloud = normals(3, 16, 2, dtype=np.float32)
    cloud[1, 3, 0] = np.nan
    for method in ("mixture", "knn", "gaussian"):
        given = {"means": np.zeros_like(cloud), "std": 1.0} if method == "mixture" else {}
        found, error, _ = entropy_with_error(cloud, method, **given)
        assert found.dtype == error.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])
        np.testing.assert_array_equal(np.isnan(error), [False, True, False])
        assert entropy(
            cloud[:0], method, **{k: v[:0] if k == "means" else v for k, v in given.items()}
        ).shape == (0,)


EQUAL = np.zeros((2, 9, 2))
PLANE = normals(2, 30, 4) @ np.random.default_rng(0).normal(size=(4, 5))  # 4-D in 5-D
FLAT = np.tile(np.arange(9.0)[None, :, None], (2, 1, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ({"particles": [1.0]}, TypeError, "particles"),
        ({"particles": np.zeros((2, 9))}, ValueError, "particles"),
        ({"particles": np.zeros((2, 0, 1))}, ValueError, "particles"),
        ({"particles": np.zeros((2, 9, 1), int)}, TypeError, "particles"),
        ({"method": "guess"}, ValueError, "method"),
        ({"method": "mixture"}, ValueError, "means"),
        ({"method": "mixture", "means": EQUAL[:, :5], "std": 1.0}, ValueError, "means"),
        ({"method": "mixture", "means": EQUAL, "std": -1.0}, ValueError, "std"),
        ({"estimator": "both"}, ValueError, "estimator"),
        ({"method": "knn", "neighbours": 0}, ValueError, "neighbours"),
        ({"method": "knn", "neighbours": 9}, ValueError, "neighbours"),
        ({"method": "knn", "neighbours": 2.0}, TypeError, "neighbours"),
        ({"method": "knn", "support": 3}, TypeError, "support"),
        ({"method": "knn", "particles": EQUAL}, ValueError, "duplicates"),
        ({"method": "gaussian", "particles": EQUAL}, ValueError, "equal"),
        ({"method": "gaussian", "particles": FLAT}, ValueError, "singular"),
        ({"method": "gaussian", "particles": PLANE}, ValueError, "singular"),
        ({"method": "gaussian", "particles": normals(2, 3, 2)}, ValueError, r"N > D \+ 1"),
        ({"method": "gaussian", "support": Torus(1.0)}, ValueError, "torus"),
    ],
)
def test_bad_arguments_of_entropy_are_named(arguments, error, word):
    with pytest.raises(error, match=word):
        entropy(**{"particles": normals(2, 9, 2), **arguments})


def test_a_standard_error_wants_two_particles():
    with pytest.raises(ValueError, match="N = 1"):
        entropy_with_error(
            np.zeros((1, 1, 1)), "mixture", means=np.zeros((1, 1, 1)), std=1.0, estimator="self"
        )
