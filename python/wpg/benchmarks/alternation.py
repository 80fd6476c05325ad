"""Two ways of doing the same, timed in turn, and how sure one may be of their ratio.

A machine that slows down slows both, so ratios of neighbouring timings hold where the timings
themselves do not.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["LEAST_ROUNDS", "Ratio", "Timings", "alternate", "ratio_of"]

LEAST_ROUNDS = 6
"""Fewer have no 95 % interval: both extremes of five bracket the median with 94 %."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Timings:
    """Seconds of one call, round by round, of the first and the second."""

    first: list[float]
    second: list[float]


@dataclass(frozen=True)
class Ratio:
    """Median of a ratio's rounds, and an interval that holds the true median in 95 of 100 runs."""

    median: float
    low: float
    high: float

    def differs(self) -> bool:
        return not self.low <= 1 <= self.high

    def as_dict(self) -> dict[str, Any]:
        verdict = "differs" if self.differs() else "no difference seen"
        return {"median": self.median, "low": self.low, "high": self.high, "verdict": verdict}


def calls_for(seconds: float, call: Call, clock: Callable[[], float]) -> int:
    """How many calls in a row take about so long."""
    calls = 1
    while True:
        begin = clock()
        for _ in range(calls):
            call()
        took = clock() - begin
        if took >= seconds or calls >= 2**20:
            return calls
        calls = max(calls + 1, min(10 * calls, math.ceil(1.1 * calls * seconds / max(took, 1e-9))))


def alternate(
    first: Call,
    second: Call,
    *,
    rounds: int = 21,
    min_time: float = 0.01,
    clock: Callable[[], float] = time.process_time,
) -> Timings:
    """Time both in every round, each with as many calls as fill `min_time` seconds.

    Which one begins changes from round to round. The calls that find out how many are needed are
    the warm-up.
    """
    if rounds < LEAST_ROUNDS:
        raise ValueError(f"repetitions is {rounds}; a 95 % interval wants at least {LEAST_ROUNDS}")
    calls = [calls_for(min_time, call, clock) for call in (first, second)]
    seconds: tuple[list[float], list[float]] = ([], [])
    for index in range(rounds):
        for which in (0, 1) if index % 2 == 0 else (1, 0):
            call, count = (first, second)[which], calls[which]
            begin = clock()
            for _ in range(count):
                call()
            seconds[which].append((clock() - begin) / count)
    return Timings(*seconds)


def ratio_of(numerator: list[float], denominator: list[float]) -> Ratio:
    """Median of the ratios of neighbours, and the order statistics around it.

    Of n independent rounds the k-th least and the k-th largest hold the median between them but for
    a chance of 2 P(Binomial(n, 1/2) < k), whatever their law; k is the largest for which this is at
    most 0.05. Source: order statistics, David and Nagaraja 2003, section 7.1.
    """
    each = sorted(a / b for a, b in zip(numerator, denominator, strict=True))
    n = len(each)
    if n < LEAST_ROUNDS:
        raise ValueError(f"{n} rounds; a 95 % interval wants at least {LEAST_ROUNDS}")
    k, outside = 0, 0.0
    while True:
        outside += 2 * math.comb(n, k) / 2**n
        if outside > 0.05:
            break
        k += 1
    return Ratio(statistics.median(each), each[k - 1], each[n - k])
