"""The C++ cases, which are compiled into the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wpg import _core

__all__ = ["case_names", "run_cases"]


def case_names() -> list[str]:
    """The names of the C++ cases, `routine/shape/variant`."""
    return _core.bench_names()


def run_cases(
    *,
    filter: str = "",
    repetitions: int = 15,
    min_time: float = 0.02,
    threads: int = 1,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure how fast this machine copies and multiplies, then every case beside that.

    Parameters
    ----------
    filter : only cases whose name contains it
    repetitions : timings of each case; each fills at least `min_time` [seconds] with calls
    threads : of the routines and of the two ceilings; one thread is timed in processor time,
        several in wall time
    say : gets the table, line by line

    Returns
    -------
    The figures in Google Benchmark's JSON schema: every repetition, then least, median and MAD.

    Accuracy: the spread stands beside every figure (MAD over median of the repetitions).
    Errors: ValueError for a filter that lets nothing through, repetitions, times or threads out of
    range; RuntimeError if a case gives a wrong answer, before it is timed.
    """
    # Beyond a C int there is no call to make; the core says what is in range.
    for name, count in (("repetitions", repetitions), ("threads", threads)):
        if abs(count) >= 2**31:
            raise ValueError(f"{name} is {count}; it is far out of range")
    text = _core.bench_run(
        filter=filter, repetitions=repetitions, min_time=min_time, threads=threads, say=say
    )
    return json.loads(text)
