"""Moments of 1e8 normal draws, in standard errors.

    python bench/python/normal_moments.py

A correct generator leaves the band of 4 standard errors in one of eight moments (four for each
dtype) with probability 8 * 6.3e-5 = 5e-4.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
import wpg

TOTAL, CHUNK = 100_000_000, 1_000_000
# Of a standard normal: E x^k, and the variance of x^k, E x^2k - (E x^k)^2.
MEAN = {1: 0.0, 2: 1.0, 3: 0.0, 4: 3.0}
VARIANCE = {1: 1.0, 2: 2.0, 3: 15.0, 4: 96.0}


def main() -> None:
    started = record.machine()
    figures = {}
    for dtype in (np.float32, np.float64):
        sums = dict.fromkeys(MEAN, 0.0)
        largest = 0.0
        for step in range(TOTAL // CHUNK):
            x = wpg.noise.standard_normal(
                (CHUNK // 10, 5, 2), seed=20261122, step=step, dtype=dtype
            ).astype(np.float64)
            largest = max(largest, float(np.abs(x).max()))
            power = np.ones_like(x)
            for k in MEAN:
                power *= x
                sums[k] += float(power.sum())
        z = {k: (sums[k] / TOTAL - MEAN[k]) / np.sqrt(VARIANCE[k] / TOTAL) for k in MEAN}
        figures[np.dtype(dtype).name] = {
            "draws": TOTAL,
            "standard errors of moments 1 to 4": [round(z[k], 3) for k in MEAN],
            "largest": round(largest, 3),
        }
        print(np.dtype(dtype).name, figures[np.dtype(dtype).name])
    record.write("normal_moments", figures, started)
    if any(abs(e) > 4 for f in figures.values() for e in f["standard errors of moments 1 to 4"]):
        sys.exit("a moment lies outside 4 standard errors")


if __name__ == "__main__":
    main()
