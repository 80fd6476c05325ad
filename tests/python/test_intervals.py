"""Aggregates of scores and the intervals around them, by hand, by simulation and beside rliable."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from statistical_claims import assert_mean, mean_half_width
from wpg.intervals import interquartile_mean, probability_of_improvement, stratified_bootstrap

# Aggregates are sums of at most 100 numbers below 10, in some order: 100 * 2^-53 * 10 and a margin.
ROUNDING = 1e-12


@pytest.mark.closed_form
@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),  # nothing to cut
        ([9.0, 2.0, 1.0, 4.0], 3.0),  # one at each end
        ([0.0, 1.0, 2.0, 3.0, 100.0], 2.0),
        ([-1000.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1000.0], 3.5),  # two at each end: 2, 3, 4, 5
    ],
)
def test_interquartile_mean_by_hand(scores: list[float], expected: float) -> None:
    assert interquartile_mean(np.array(scores)) == expected
    assert interquartile_mean(np.array(scores)[:, None]) == expected
    assert interquartile_mean([scores[:1], scores[1:]] if scores[1:] else [scores]) == expected


@pytest.mark.closed_form
def test_probability_of_improvement_by_hand() -> None:
    assert probability_of_improvement([[2.0, 3.0]], [[1.0]]) == 1.0
    assert probability_of_improvement([[1.0]], [[2.0, 3.0]]) == 0.0
    assert probability_of_improvement([[1.0, 2.0]], [[1.0, 2.0]]) == 0.5
    # Pairs (1,1) tie, (1,2) lost, (1,3) lost, (4,.) won: 3.5 of 6; in the second task 0 of 1.
    assert probability_of_improvement([[1.0, 4.0], [0.0]], [[1.0, 2.0, 3.0], [5.0]]) == 3.5 / 12
    # As an array (runs, tasks): tasks {1, 3} against {2, 2}, half; {5, 5} against {5, 4}: 3 of 4.
    a, b = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2, 5], [2, 4]])
    assert probability_of_improvement(a, b) == (0.5 + 0.75) / 2


@pytest.mark.twin
def test_aggregates_by_brute_force() -> None:
    """Every score by its rank, every pair by itself, in fractions, which do not round."""
    rng = np.random.default_rng(7)
    for _ in range(200):
        a, b = (
            [rng.integers(-4, 5, size=rng.integers(1, 8)).tolist() for _ in range(3)]
            for _ in range(2)
        )
        pooled = [score for task in a for score in task]
        left = list(pooled)
        for _ in range(len(pooled) // 4):
            left.remove(max(left))
            left.remove(min(left))
        middle = Fraction(sum(left), len(left))
        assert interquartile_mean(a) == pytest.approx(float(middle), abs=ROUNDING)
        better = sum(
            Fraction(sum(2 * (x > y) + (x == y) for x in mine for y in theirs), 2)
            / (len(mine) * len(theirs))
            for mine, theirs in zip(a, b, strict=True)
        )
        assert probability_of_improvement(a, b) == pytest.approx(float(better / 3), abs=ROUNDING)


@pytest.mark.property
def test_improvement_ignores_units_and_is_fair() -> None:
    rng = np.random.default_rng(0)
    a = [rng.integers(0, 5, size=n).astype(float) for n in (3, 7, 1)]
    b = [rng.integers(0, 5, size=n).astype(float) for n in (4, 2, 5)]
    one = probability_of_improvement(a, b)
    assert one + probability_of_improvement(b, a) == pytest.approx(1.0, abs=ROUNDING)
    scaled = [np.exp(x) for x in a], [np.exp(x) for x in b]
    assert probability_of_improvement(*scaled) == one


@pytest.mark.closed_form
@pytest.mark.parametrize("scores", [np.array([[3.0, 5.0]]), [[3.0], [5.0]]])
def test_one_run_gives_a_point(scores: Any) -> None:
    assert stratified_bootstrap(scores, interquartile_mean, resamples=7) == (4.0, 4.0, 4.0)


@pytest.mark.closed_form
def test_interval_of_two_runs_in_each_of_two_tasks() -> None:
    """Means of {0, 1} and {0, 10} have 0 and 11/2 at the ends, each with probability 1/16: beyond
    the 2.5 % quantiles. With 2000 resamples the share of an end is below 2.5 % with probability
    exp(-2000 KL(0.025, 1/16)) < 1e-12 (Chernoff), so the interval is [0, 11/2]."""
    scores = [[0.0, 1.0], [0.0, 10.0]]

    def mean(parts: list[Any]) -> float:
        return float(np.mean([np.mean(part) for part in parts]))

    p, q = 0.025, 1 / 16
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert math.exp(-2000 * divergence) < 1e-12
    assert stratified_bootstrap(scores, mean) == (2.75, 0.0, 5.5)
    table = np.array(scores).T
    assert stratified_bootstrap(table, np.mean) == (2.75, 0.0, 5.5)


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("scores", "statistic"),
    [
        ([[0.0, 1.0, 7.0], [2.0, 4.5, 4.5]], interquartile_mean),
        ([[0.0, 1.0, 5.0, 9.0], [-3.0, 4.0]], interquartile_mean),
        # Two agents of unequal numbers of runs, two tasks each
        (
            [[1.0, 4.0, 4.0], [0.0, 2.0, 3.0], [1.0, 3.0], [2.0, 1.0]],
            lambda s: probability_of_improvement(s[:2], s[2:]),
        ),
    ],
)
def test_the_exact_law_of_the_bootstrap(scores: Any, statistic: Any) -> None:
    """All resamples, each as likely as any other: n_t^{n_t} of every task.

    Dvoretzky, Kiefer, Wolfowitz with Massart's constant: the distribution function of R resamples
    is within r = sqrt(log(2/q) / (2 R)) of the exact one everywhere but with probability q = 1e-9.
    Drawing from all tasks together, or without replacement, is noticed.

    At the interval's ends Bernstein says more. Where the exact distribution function is p within
    0.05 of 0 or 1, the share of resamples below has variance p (1 - p) <= 0.05 and is within 0.011
    of p, but with probability 1e-9. So the ends lie between the exact quantiles at levels that
    differ by that and, as they are interpolated, 1/R. An interval of 0.9 is noticed, because the
    exact quantile at 0.05 or 0.95 is another one.
    """
    drawn: list[float] = []

    def watched(parts: Any) -> float:
        drawn.append(statistic(parts))
        return drawn[-1]

    resamples = 20_000
    _, low, high = stratified_bootstrap(scores, watched, resamples=resamples, seed=5)
    found = np.sort(drawn[1:])
    exact = np.sort(
        [
            statistic([np.array(task) for task in sample])
            for sample in itertools.product(
                *(list(itertools.product(task, repeat=len(task))) for task in scores)
            )
        ]
    )
    # Values that are equal but for rounding are one value.
    found, exact = np.round(found, 9), np.round(exact, 9)
    r = math.sqrt(math.log(2 / 1e-9) / (2 * resamples))
    points = np.unique(np.concatenate([found, exact]))
    shares = [np.searchsorted(x, points, side="right") / x.size for x in (found, exact)]
    assert np.abs(shares[0] - shares[1]).max() <= r

    def exact_quantile(level: float) -> float:
        return float(exact[min(exact.size - 1, max(0, math.ceil(level * exact.size) - 1))])

    slack = mean_half_width(resamples, 1e-9, variance=0.05, bound=1.0) + 1 / resamples
    assert slack < 0.012
    lowest, low_most, high_least, highest = (
        exact_quantile(level + sign * slack) for level in (0.025, 0.975) for sign in (-1, 1)
    )
    assert lowest - 1e-9 <= low <= low_most + 1e-9
    assert high_least - 1e-9 <= high <= highest + 1e-9
    assert low_most < exact_quantile(0.05) or exact_quantile(0.95) < high_least


@pytest.mark.property
def test_forms_and_seeds() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(6, 3))
    whole = stratified_bootstrap(table, interquartile_mean, seed=3)
    assert whole == stratified_bootstrap(list(table.T), interquartile_mean, seed=3)
    assert whole == stratified_bootstrap(table, interquartile_mean, seed=3)
    assert whole != stratified_bootstrap(table, interquartile_mean, seed=4)
    assert whole[1] < whole[0] < whole[2]
    narrow = stratified_bootstrap(table, interquartile_mean, seed=3, confidence=0.5)
    assert whole[1] < narrow[1] <= narrow[2] < whole[2]


@pytest.mark.statistics
def test_runs_are_drawn_within_their_task_and_apart() -> None:
    """Every run of a task has the same chance at every place, whatever the other task draws.

    x* is uniform on {0, 1, 2} in task 0 and on {0, 1} in task 1, so products of centred draws have
    mean 0 if they are independent; their variance is at most 2/3 and 2/3 * 1/4.
    """
    seen: list[Any] = []

    def watch(parts: list[Any]) -> float:
        seen.append([part.copy() for part in parts])
        return 0.0

    stratified_bootstrap([[0.0, 1.0, 2.0], [10.0, 11.0]], watch, resamples=20_000)
    first = np.array([parts[0] for parts in seen[1:]])
    second = np.array([parts[1] for parts in seen[1:]]) - 10.0
    assert first.shape == (20_000, 3)
    assert second.shape == (20_000, 2)
    for place in range(3):
        for run in range(3):
            assert_mean(first[:, place] == run, 1 / 3, variance=2 / 9, bound=2 / 3, detects=0.05)
    assert_mean(second[:, 0] == 1.0, 0.5, variance=0.25, bound=0.5, detects=0.05)
    within = (first[:, 0] - 1) * (first[:, 1] - 1)
    assert_mean(within, 0.0, variance=4 / 9, bound=1.0, detects=0.06)
    across = (first[:, 0] - 1) * (second[:, 0] - 0.5)
    assert_mean(across, 0.0, variance=1 / 6, bound=0.5, detects=0.04)


@pytest.mark.statistics
def test_coverage() -> None:
    """20 runs of each of 5 tasks, normal scores of unequal spread: an interval of 0.95 covers.

    To first order it covers P(|Z| < z) with z = 1.96 sqrt(19/20), because the bootstrap's variance
    within a task is (n-1)/n of the unbiased one: 0.944. Next orders (the quantiles of 200
    resamples, the spread of the variance) take about another 0.01. Expected is 0.935, allowed are
    0.05 around it: an interval with a tenth less coverage is noticed, and one that always covers.
    """
    rng = np.random.default_rng(2)
    spread = np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    covers = []
    for sample in range(1500):
        scores = 4.0 + spread * rng.standard_normal((20, 5))
        _, low, high = stratified_bootstrap(scores, lambda x: x.mean(), resamples=200, seed=sample)
        covers.append(low <= 4.0 <= high)
    assert_mean(np.array(covers), 0.935, variance=0.06, bound=1.0, detects=0.1)


@pytest.mark.twin
def test_aggregates_of_rliable() -> None:
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(5)
    for runs, tasks in ((1, 1), (3, 2), (5, 4), (10, 7)):
        a = rng.integers(0, 6, size=(runs, tasks)).astype(float)
        b = rng.integers(0, 6, size=(runs + 2, tasks)).astype(float)
        assert interquartile_mean(a) == pytest.approx(metrics.aggregate_iqm(a), abs=ROUNDING)
        assert probability_of_improvement(a, b) == pytest.approx(
            metrics.probability_of_improvement(a, b), abs=ROUNDING
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interquartile_mean([]), "scores is empty"),
        (lambda: interquartile_mean(np.array([])), "scores is empty"),
        (lambda: interquartile_mean(np.array([1.0, math.nan])), r"scores is nan at index \(1,\)"),
        (lambda: interquartile_mean(np.array(["a"])), "scores has dtype <U1"),
        (lambda: probability_of_improvement([[1.0]], [[1.0], [2.0]]), "a has 1 tasks and b has 2"),
        (lambda: probability_of_improvement(np.ones(3), [[1.0]]), r"a has shape \(3,\)"),
        (lambda: probability_of_improvement([[1.0]], [[]]), "b.0. has"),
        (lambda: stratified_bootstrap([], np.mean), "scores_by_task is empty"),
        (lambda: stratified_bootstrap([[[1.0, 2.0]]], np.mean), r"scores_by_task.0. has shape"),
        (lambda: stratified_bootstrap([[1.0], [math.inf]], np.mean), r"scores_by_task.1. is inf"),
        (lambda: stratified_bootstrap([[1.0]], np.mean, confidence=1.0), "confidence is 1.0"),
        (lambda: stratified_bootstrap([[1.0]], np.mean, resamples=0), "resamples is 0"),
        (lambda: stratified_bootstrap([[1.0]], np.mean, resamples=1.5), "resamples is 1.5"),
        (lambda: stratified_bootstrap([[1.0]], np.mean, seed=-1), "seed is -1"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
