"""What a sample has of a mixture's modes: hand-made samples, closed forms, and exact draws."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats

from statistical_claims import assert_mean, mean_half_width
from wpg.exact import GaussianMixture, gmm40
from wpg.mode_coverage import (
    entropy_of_counts,
    kl_of_mode_weights,
    log_density_threshold,
    mode_coverage,
    mode_shares,
    share_outside,
    sliced_wasserstein,
)

CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
FOUR = GaussianMixture(CORNERS, 1.0)


# Shares and coverage


@pytest.mark.closed_form
def test_shares_of_a_sample_made_by_hand() -> None:
    """The 99 % region of a mode in the plane has the radius sqrt(-2 log 0.01) = 3.035."""
    points = np.array([[0.0, 0.0], [3.03, 0.0], [3.04, 0.0], [10.0, 0.5], [9.0, 9.0]])
    assert mode_shares(points, FOUR).tolist() == [0.6, 0.2, 0.0, 0.2]
    assert mode_shares(points, FOUR, within=0.99).tolist() == [0.4, 0.2, 0.0, 0.2]
    assert mode_shares(points.astype(np.float32), FOUR).tolist() == [0.6, 0.2, 0.0, 0.2]


@pytest.mark.statistics
@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_share_within_a_mode_is_what_was_asked_for(dimension: int) -> None:
    """20000 draws of one Gaussian; wrong at most once in 1e9, a share off by 0.03 is noticed."""
    one = GaussianMixture(np.ones((1, dimension)), 0.3)
    draws = one.draw(20_000, seed=1)
    mode, distance = one.nearest_mode(draws)
    assert not mode.any()
    share = mode_shares(draws, one, within=0.9)[0]
    radius = math.sqrt(scipy.stats.chi2.ppf(0.9, dimension))
    assert share == np.mean(distance < radius)
    assert_mean(distance < radius, 0.9, variance=0.09, bound=1.0, detects=0.03)


@pytest.mark.closed_form
def test_coverage_counts_modes_with_a_part_of_their_weight() -> None:
    """Of 100 points and weights of 1/4 a mode needs 6.25 of them: 7 are enough, 6 are not."""
    points = np.repeat(CORNERS, [80, 7, 7, 6], axis=0)
    assert mode_coverage(points, FOUR) == 0.75
    assert mode_coverage(points, FOUR, least=0.24) == 1.0
    assert mode_coverage(points, FOUR, least=1.0) == 0.25
    uneven = GaussianMixture(CORNERS, 1.0, [0.5, 0.3, 0.2, 0.0])
    assert mode_coverage(points[:80], uneven) == pytest.approx(1 / 3)  # nobody misses the last


@pytest.mark.statistics
def test_exact_draws_cover_all_forty_modes() -> None:
    """32768 draws, 819 a mode, less where another mode overlaps: of a mode whose mean is 0.18
    deviations from another's about half are its own. Fewer than 205 has a chance below 1e-20 (the
    multiplicative Chernoff bound with 400 expected: exp(-400 (1 - 205/400)^2 / 2) = 2e-21)."""
    for seed in range(4):
        mixture = gmm40(seed).mixture
        assert mixture is not None
        draws = mixture.draw(32_768, seed=7)
        assert mode_coverage(draws, mixture) == 1.0
        half = draws[mixture.nearest_mode(draws)[0] < 20]
        assert mode_coverage(half, mixture) == 0.5


# Weights


@pytest.mark.closed_form
def test_kl_of_weights() -> None:
    assert kl_of_mode_weights([0.5, 0.5], [0.5, 0.5]) == 0.0
    found = kl_of_mode_weights([0.75, 0.25], [0.25, 0.75])
    assert found == pytest.approx(0.5 * math.log(3.0), rel=1e-14)
    assert kl_of_mode_weights([1.0, 0.0], [0.5, 0.0]) == pytest.approx(math.log(2.0), rel=1e-14)
    assert kl_of_mode_weights([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl_of_mode_weights([1.0, 0.0], [1.0, 0.0]) == 0.0


@pytest.mark.closed_form
def test_entropy_of_counts() -> None:
    assert entropy_of_counts([50, 50, 50, 50]) == pytest.approx(math.log(4.0), rel=1e-15)
    assert entropy_of_counts([200, 0, 0, 0]) == 0.0
    assert entropy_of_counts([0, 0, 0, 0]) == 0.0
    assert entropy_of_counts(np.array([3, 1])) == pytest.approx(
        math.log(4.0) - 0.75 * math.log(3.0), rel=1e-14
    )


@pytest.mark.statistics
def test_the_entropy_of_draws_is_low_by_what_is_stated() -> None:
    """5000 times 200 draws from four: 2 N (log 4 - H) is about chi-squared with 3 degrees, so H is
    low by 0.0075 with a deviation of 0.0061. Higher terms are 0.0075 / 200 * 2 at most. The mean
    of 5000 is known to 0.0006, seven standard errors."""
    counts = np.random.default_rng(0).multinomial(200, [0.25] * 4, size=5000)
    low = math.log(4.0) - np.mean([entropy_of_counts(row) for row in counts])
    assert low == pytest.approx(3 / 400, abs=7e-4)


# Regions of highest density


@pytest.mark.closed_form
@pytest.mark.statistics
@pytest.mark.parametrize("mass", [0.95, 0.99])
def test_the_threshold_of_one_gaussian(mass: float) -> None:
    """In the plane p > t has the mass 1 - t / p(0), so the region of a threshold is known exactly.
    That of the quantile of a million draws is off by e only if the share of draws below a fixed
    threshold is off by e: Bernstein, wrong at most once in 1e9."""
    one = GaussianMixture([[3.0, -1.0]], 0.7)
    found = log_density_threshold(one, mass)
    top = one.log_density([3.0, -1.0])
    tail = 1.0 - mass
    allowed = mean_half_width(10**6, 1e-9, 1.2 * tail, 1.0)
    assert math.exp(found - top) == pytest.approx(tail, abs=allowed)
    assert found == log_density_threshold(one, mass, draws=10**6, seed=0)


@pytest.mark.statistics
def test_exact_draws_outside_the_regions() -> None:
    """40000 draws of forty modes, the threshold from 200000 others. By Bernstein the mass outside
    of it is within 0.0037 of 0.05 and 0.0017 of 0.01, and the draws' share within 0.0082 and 0.0040
    of that mass: four claims, each wrong at most once in 1e9. Twice the share is noticed."""
    mixture = gmm40(1).mixture
    assert mixture is not None
    draws = mixture.draw(40_000, seed=11)
    for mass in (0.95, 0.99):
        tail = 1.0 - mass
        threshold = log_density_threshold(mixture, mass, draws=200_000, seed=12)
        room = sum(mean_half_width(n, 1e-9, 1.2 * tail, 1.0) for n in (200_000, 40_000))
        assert room < tail
        assert share_outside(draws, mixture, threshold) == pytest.approx(tail, abs=room)


@pytest.mark.closed_form
def test_what_lies_outside() -> None:
    """Middles between modes are outside, means are inside."""
    threshold = log_density_threshold(FOUR, 0.99, draws=10_000)
    assert share_outside(CORNERS, FOUR, threshold) == 0.0
    assert share_outside([[5.0, 5.0], [0.0, 0.0]], FOUR, threshold) == 0.5
    assert share_outside([[5.0, 0.0]], FOUR, -math.inf) == 0.0


# Sliced distance


@pytest.mark.closed_form
def test_a_shifted_sample() -> None:
    """W2 along theta is |theta . v|; in the plane the mean of its square over equally spaced angles
    is |v|^2 / 2 exactly, on the line it is |v|^2. A hundred roundings."""
    rng = np.random.default_rng(3)
    for dimension, share in ((1, 1.0), (2, 0.5)):
        points = rng.normal(size=(300, dimension))
        shift = rng.normal(size=dimension)
        found = sliced_wasserstein(points, rng.permutation(points + shift))
        assert found == pytest.approx(math.sqrt(share) * np.linalg.norm(shift), rel=1e-13)
    assert sliced_wasserstein(points, rng.permutation(points)) <= 1e-14


@pytest.mark.closed_form
def test_samples_of_different_size() -> None:
    """On the line, by hand: 0, 1 against 0, 1, 2 has quantiles 0|0, 0|1, 1|1, 1|2 for lengths of
    1/3, 1/6, 1/6, 1/3. A sample and itself three times over are the same law."""
    found = sliced_wasserstein([[0.0], [1.0]], [[2.0], [0.0], [1.0]])
    assert found == pytest.approx(math.sqrt(1 / 6 + 1 / 3), rel=1e-14)
    points = np.random.default_rng(4).normal(size=(50, 3))
    assert sliced_wasserstein(points, np.tile(points, (3, 1))) <= 1e-14
    other = np.random.default_rng(5).normal(size=(70, 3))
    there, back = sliced_wasserstein(points, other), sliced_wasserstein(other, points)
    assert there == pytest.approx(back, rel=1e-13)
    assert there == sliced_wasserstein(points, other)
    assert there != sliced_wasserstein(points, other, seed=1)


@pytest.mark.property
def test_one_dimension_is_scipys_quantiles() -> None:
    """W2 on the line by a fine midpoint rule over levels that are cell edges of both samples."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=8), rng.normal(size=12)
    level = (np.arange(24) + 0.5) / 24
    apart = np.sort(x)[(level * 8).astype(int)] - np.sort(y)[(level * 12).astype(int)]
    found = sliced_wasserstein(x[:, None], y[:, None])
    assert found == pytest.approx(math.sqrt(np.mean(apart**2)), rel=1e-13)


# What is refused

POINTS = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mode_shares(np.zeros((3, 3)), FOUR), r"points has shape \(3, 3\)"),
        (lambda: mode_shares(np.zeros((0, 2)), FOUR), "one point at least"),
        (lambda: mode_shares([[0.0, np.nan]], FOUR), "points holds"),
        (lambda: mode_shares(POINTS, CORNERS), r"it must be a wpg\.exact\.GaussianMixture"),
        (lambda: mode_shares(POINTS, FOUR, within=1.0), "within is 1.0"),
        (lambda: mode_shares(POINTS, FOUR, within=0.0), "within is 0.0"),
        (lambda: mode_coverage(POINTS, FOUR, least=0.0), "least is 0.0"),
        (lambda: kl_of_mode_weights([1.0], [0.5, 0.5]), r"shares has shape \(2,\)"),
        (lambda: kl_of_mode_weights([0.5, 0.4], [0.5, 0.5]), "masses is .* with sum 1"),
        (lambda: kl_of_mode_weights([0.5, 0.5], [0.5, 0.6]), "shares is .* with sum 1 at most"),
        (lambda: kl_of_mode_weights([1.5, -0.5], [0.5, 0.5]), "masses is .* not be negative"),
        (lambda: log_density_threshold(FOUR, 1.0), "mass is 1.0"),
        (lambda: log_density_threshold(FOUR, 0.9, draws=0), "draws is 0"),
        (lambda: sliced_wasserstein(POINTS, np.zeros((3, 1))), r"points has shape \(3, 2\) and"),
        (lambda: sliced_wasserstein(POINTS, np.zeros((0, 2))), "others 0; one at least"),
        (lambda: sliced_wasserstein(POINTS, POINTS, directions=0), "directions is 0"),
        (lambda: sliced_wasserstein(POINTS, POINTS, seed=-1), "seed is -1"),
        (lambda: entropy_of_counts([1.0, 0.5]), "counts is .* ints"),
        (lambda: entropy_of_counts([-1, 2]), "counts is .* not negative"),
        (lambda: entropy_of_counts([[1, 2]]), r"counts has shape \(1, 2\)"),
    ],
)
def test_what_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call()
