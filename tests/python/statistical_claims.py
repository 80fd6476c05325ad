"""Claims about the law of i.i.d. draws, with the rates at which a test may be wrong.

Each function fails a correct routine with probability at most `false_fail`, and passes a routine
that is off by `detects` or more with probability at most `false_pass`. Both are theorems for i.i.d.
draws of the stated kind, not asymptotics. With too few draws to promise both, the claim is refused
with ValueError. The draws must be independent: one from each of many states or particles, not a
chain.

In every function an interval of half-width r(rate) holds the statistic with probability at least
1 - rate. The claim passes if the statistic is within r(false_fail) of what is expected. If the
truth is off by `detects`, the statistic is within r(false_pass) of that truth with probability at
least 1 - false_pass, so it is rejected if r(false_fail) + r(false_pass) <= detects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["assert_cdf", "assert_mean", "assert_variance"]


def mean_half_width(n: int, rate: float, variance: float, bound: float | None) -> float:
    """r with P(|mean of n draws - expectation| > r) <= rate.

    Bernstein: draws with |x - E x| <= b and variance at most v have
        P(|mean - E| >= r) <= 2 exp(-n r^2 / (2 (v + b r / 3))),
    with t = log(2/rate) the right-hand side is at most `rate` for
        r = sqrt(2 v t/n) + 2 b t/(3 n).
    Normal draws (bound None): the mean is normal, and P(|Z| > z) <= 2 exp(-z^2/2) gives b = 0.
    """
    t = math.log(2.0 / rate)
    return math.sqrt(2.0 * variance * t / n) + (0.0 if bound is None else 2.0 * bound * t / (3 * n))


def assert_mean(
    draws: NDArray[Any],
    expected: float,
    *,
    variance: float,
    bound: float | None,
    detects: float,
    false_fail: float = 1e-9,
    false_pass: float = 1e-3,
) -> None:
    """The expectation of the draws is `expected`.

    variance   at least the variance of a draw
    bound      at least |x - E x|, or None: the draws are normal
    detects    an expectation that is off by this much is noticed
    """
    x = np.asarray(draws, dtype=np.float64).ravel()
    allowed = mean_half_width(x.size, false_fail, variance, bound)
    needed = allowed + mean_half_width(x.size, false_pass, variance, bound)
    if needed > detects:
        raise ValueError(
            f"{x.size} draws cannot tell a mean that is off by {detects:.3g}, only by {needed:.3g}"
        )
    found = float(x.mean())
    assert abs(found - expected) <= allowed, (
        f"mean of {x.size} draws is {found:.8g}, expected {expected:.8g} +- {allowed:.2g} "
        f"(wrong alarm at most once in {1 / false_fail:.0e})"
    )


def assert_variance(
    draws: NDArray[Any],
    expected: float,
    *,
    mean: float,
    detects: float,
    false_fail: float = 1e-9,
    false_pass: float = 1e-3,
) -> None:
    """The variance of these normal draws, whose mean is known, is `expected`.

    detects    a variance that is off by this fraction is noticed

    V = mean of (x - mean)^2 is variance * chi2_n / n. Laurent and Massart 2000, lemma 1: for t > 0
        P(chi2_n / n >= 1 + 2 sqrt(t/n) + 2 t/n) <= e^-t
        P(chi2_n / n <= 1 - 2 sqrt(t/n)) <= e^-t.
    """
    x = np.asarray(draws, dtype=np.float64).ravel()

    def ends(rate: float) -> tuple[float, float]:
        t = math.log(2.0 / rate)
        root = 2.0 * math.sqrt(t / x.size)
        return 1.0 - root, 1.0 + root + 2.0 * t / x.size

    low, high = ends(false_fail)
    low_seen, high_seen = ends(false_pass)
    # Truth (1 +- detects) * expected gives V within [low_seen, high_seen] times that.
    if (1.0 + detects) * low_seen <= high or (1.0 - detects) * high_seen >= low:
        raise ValueError(
            f"{x.size} draws cannot tell a variance that is off by the fraction {detects:.3g}"
        )
    found = float(np.mean((x - mean) ** 2)) / expected
    assert low <= found <= high, (
        f"variance of {x.size} draws is {found:.8g} of the expected {expected:.8g}, allowed is "
        f"[{low:.6g}, {high:.6g}] (wrong alarm at most once in {1 / false_fail:.0e})"
    )


def assert_cdf(
    draws: NDArray[Any],
    cdf: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    detects: float,
    false_fail: float = 1e-9,
    false_pass: float = 1e-3,
) -> None:
    """The distribution function of the draws is `cdf`, which must be continuous.

    detects    a law whose distribution function is this far away somewhere is noticed

    Dvoretzky, Kiefer, Wolfowitz with Massart's constant: P(sup |F_n - F| > r) <= 2 exp(-2 n r^2).
    If sup |G - F| >= detects, then sup |F_n - F| >= detects - sup |F_n - G|.
    """
    x = np.sort(np.asarray(draws, dtype=np.float64).ravel())
    n = x.size
    allowed = math.sqrt(math.log(2.0 / false_fail) / (2.0 * n))
    needed = allowed + math.sqrt(math.log(2.0 / false_pass) / (2.0 * n))
    if needed > detects:
        raise ValueError(
            f"{n} draws cannot tell a distribution function that is off by {detects:.3g}, only by "
            f"{needed:.3g}"
        )
    expected = cdf(x)
    steps = np.arange(n + 1) / n
    found = float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))
    assert found <= allowed, (
        f"distribution function of {n} draws is off by {found:.3g}, allowed is {allowed:.3g} "
        f"(wrong alarm at most once in {1 / false_fail:.0e})"
    )
