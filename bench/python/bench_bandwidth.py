"""The median rule beside NumPy, one thread, in one process.

python bench/python/bench_bandwidth.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np

import record
import wpg
from alternate import alternate, nanoseconds, ratio

S, N, D = 512, 128, 6


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    particles = np.random.default_rng(0).standard_normal((S, N, D), dtype=np.float32)
    rows, columns = np.triu_indices(N, 1)
    pairs = rows * N + columns
    P = len(pairs)  # even
    scale = np.float32(1 / np.sqrt(2 * np.log(N + 1)))

    def ours() -> np.ndarray:
        return wpg.density.median_bandwidth(particles)

    def root(middle: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(middle, 0)).mean(axis=-1) * scale

    def numpy_state_by_state() -> np.ndarray:  # a state's distances stay in the cache
        found = np.empty(S, np.float32)
        for s in range(S):
            products = particles[s] @ particles[s].T
            squares = np.diagonal(products)
            distances = (squares[:, None] + squares - 2 * products).ravel()[pairs]
            distances.partition(P // 2)  # one rank is much quicker than two
            found[s] = root(np.array([distances[: P // 2].max(), distances[P // 2]]))
        return found

    def numpy_all_at_once() -> np.ndarray:
        products = particles @ particles.transpose(0, 2, 1)
        squares = np.einsum("snn->sn", products)
        distances = squares[:, :, None] + squares[:, None, :] - 2 * products
        distances = distances.reshape(S, N * N)[:, pairs]
        distances.partition([(P - 1) // 2, P // 2], axis=1)
        return root(distances[:, [(P - 1) // 2, P // 2]])

    # The answer first; NumPy's differences of squares cancel.
    for function in (numpy_state_by_state, numpy_all_at_once):
        np.testing.assert_allclose(function(), ours(), rtol=1e-5)

    times = alternate(
        {
            "wpg": ours,
            "numpy, state by state": numpy_state_by_state,
            "numpy, all at once": numpy_all_at_once,
        },
        rounds=41,
    )
    cpu = times["cpu"]
    figures = {
        "shape": [S, N, D],
        "ns_per_pair": {name: nanoseconds(seconds, S * P) for name, seconds in cpu.items()},
        "numpy, state by state, over wpg": ratio(cpu["numpy, state by state"], cpu["wpg"]),
        "numpy, all at once, over wpg": ratio(cpu["numpy, all at once"], cpu["wpg"]),
    }
    for name, value in figures.items():
        print(name, value)
    record.write("bandwidth", figures, started)


if __name__ == "__main__":
    main()
