"""Clouds for the routines over pairs of particles, and the errors that their docstrings state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Case", "cases", "pair_terms", "unit_roundoff"]


class Case(NamedTuple):
    """One state (1, N, D) with its temperature and bandwidth."""

    particles: NDArray[Any]
    drift: NDArray[Any]
    temperature: float
    bandwidth: float


def unit_roundoff(dtype: Any) -> float:
    return float(np.finfo(dtype).eps) / 2


def cases(count: int, dtype: Any, seed: int, most: int = 9) -> Iterator[Case]:
    """Round clouds, clouds far from the origin, clusters, clouds with a particle far away and with
    equal particles; bandwidths from a hundredth of their size to ten times that."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        N, D = int(random.integers(1, most + 1)), int(random.integers(1, 9))
        size = 10 ** random.uniform(-2, 2)
        center = 100 * (random.random() < 0.3) * np.ones(D)
        clusters = 20 * (random.random() < 0.3) * random.integers(0, 3, size=(N, 1))
        cloud = size * (center + clusters + random.standard_normal((N, D)))
        if random.random() < 0.2:
            cloud[random.integers(N), random.integers(D)] += 1e6 * size
        if random.random() < 0.2:
            cloud[random.integers(N)] = cloud[random.integers(N)]
        drift = random.standard_normal((N, D)) * 10 ** random.uniform(-1, 1)
        # Both are numbers of the dtype, so that the twin works with the same ones.
        temperature = float(dtype(random.choice([0.0, 0.1, 1.0, 10.0])))
        bandwidth = float(dtype(size * 10 ** random.uniform(-2, 1)))
        yield Case(cloud[None].astype(dtype), drift[None].astype(dtype), temperature, bandwidth)


def pair_terms(case: Case) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float, float]:
    """k_ij, |a_id - a_jd|, S_i, and x and r of the docstrings."""
    a = case.particles[0].astype(np.float64)
    away = np.abs(a[:, None] - a[None])
    square = (away**2).sum(axis=2)
    kernel = np.exp(-square / (2 * case.bandwidth**2))
    most = 88 if case.particles.dtype == np.float32 else 700
    x = min(most, float(square.max()) / (2 * case.bandwidth**2))
    r = min(float(np.sqrt(square.max())), 14 * case.bandwidth)
    return kernel, away, kernel.sum(axis=1), x, r
