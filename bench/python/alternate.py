"""Times two or more functions in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def alternate(functions: dict[str, Callable[[], Any]], *, rounds: int = 21) -> dict[str, Any]:
    """Wall and CPU seconds of each function in `rounds` alternating rounds after a warm-up."""
    for function in functions.values():
        function()
    wall: dict[str, list[float]] = {name: [] for name in functions}
    cpu: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            before, before_cpu = time.perf_counter(), time.process_time()
            function()
            wall[name].append(time.perf_counter() - before)
            cpu[name].append(time.process_time() - before_cpu)
    return {"wall": wall, "cpu": cpu}


def ratio(slow: list[float], fast: list[float]) -> dict[str, float]:
    """slow / fast, round by round: median and quartiles."""
    each = np.array(slow) / np.array(fast)
    low, median, high = np.percentile(each, [25, 50, 75])
    return {
        "median": round(float(median), 2),
        "quartile_low": round(float(low), 2),
        "quartile_high": round(float(high), 2),
    }


def nanoseconds(seconds: list[float], items: int) -> dict[str, float]:
    """Nanoseconds an item: least and median."""
    scaled = np.array(seconds) / items * 1e9
    return {"least": round(float(scaled.min()), 3), "median": round(float(np.median(scaled)), 3)}
