"""KernelQ value and action gradient beside the NumPy matrix form, one thread, in one process.

python bench/python/bench_kernel_q.py
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

S, N, M, O, D = 1024, 8, 2048, 4, 6


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    rng = np.random.default_rng(0)
    states = rng.standard_normal((S, O), dtype=np.float32)
    particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
    center_states = rng.standard_normal((M, O), dtype=np.float32)
    center_actions = rng.uniform(-1, 1, (M, D)).astype(np.float32)
    weights = rng.standard_normal(M, dtype=np.float32)
    critic = wpg.critics.KernelQ(
        center_states, center_actions, weights, state_lengthscale=1.0, action_lengthscale=1.0
    )
    values, gradient = np.empty((S, N), np.float32), np.empty((S, N, D), np.float32)

    def square_distances(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        return (x * x).sum(1)[:, None] + (c * c).sum(1)[None] - 2 * x @ c.T

    def numpy_matrix_form() -> tuple[np.ndarray, np.ndarray]:
        flat = particles.reshape(S * N, D)
        state = np.exp(-0.5 * square_distances(states, center_states)) * weights
        terms = np.exp(-0.5 * square_distances(flat, center_actions)).reshape(S, N, M)
        terms *= state[:, None, :]
        value = terms.sum(-1)
        slope = (terms.reshape(S * N, M) @ center_actions).reshape(S, N, D)
        slope -= value[:, :, None] * particles
        return value, slope

    def ours() -> None:
        critic.value_and_action_gradient(states, particles, out=(values, gradient))

    # The answer first: the sums agree to a small multiple of rounding times the sum of |terms|.
    expected = numpy_matrix_form()
    ours()
    np.testing.assert_allclose(values, expected[0], rtol=0, atol=2e-4)
    np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=2e-4)

    cpu = alternate({"wpg": ours, "numpy": numpy_matrix_form}, rounds=11)["cpu"]
    figures = {
        "states, particles, centres, O, D": [S, N, M, O, D],
        "ns_per_pair": {name: nanoseconds(seconds, S * N * M) for name, seconds in cpu.items()},
        "numpy over wpg": ratio(cpu["numpy"], cpu["wpg"]),
    }
    for name, value in figures.items():
        print(name, value)
    record.write("kernel_q", figures, started)


if __name__ == "__main__":
    main()
