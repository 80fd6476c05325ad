"""KernelQ value and action gradient beside dense matrix forms, one thread, in one process.

Two cases: all of 2048 centres matter for a state; about 500 of 100,000 do. Beside NumPy's matrix
form and, where JAX is installed, JAX's, jitted: all states at once where that fits, and in chunks
of states, the fastest of several sizes.

python bench/python/bench_kernel_q.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"
if hasattr(os, "sched_setaffinity"):  # XLA has threads of its own beside Eigen's
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np

import record
import wpg
from alternate import alternate, nanoseconds, ratio

try:
    import jax
    import jax.numpy as jnp
except ImportError:  # the figures are then those beside NumPy
    jax = jnp = None

S, N, O, D = 1024, 8, 4, 6
Answer = tuple[np.ndarray, np.ndarray]


class Case:
    """Centres, states and particles, in float32."""

    def __init__(self, centers: int, state_lengthscale: float, *, uniform: bool) -> None:
        rng = np.random.default_rng(0)

        def draw(*shape: int) -> np.ndarray:
            if uniform:
                return rng.uniform(-1, 1, shape).astype(np.float32)
            return rng.standard_normal(shape, dtype=np.float32)

        self.unit = np.float32(state_lengthscale)
        self.states = draw(S, O)
        self.center_states = draw(centers, O)
        self.particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
        self.center_actions = rng.uniform(-1, 1, (centers, D)).astype(np.float32)
        self.weights = rng.standard_normal(centers, dtype=np.float32)
        ones = np.ones((centers, 1), np.float32)
        self.columns = np.concatenate([ones, self.center_actions], axis=1)
        self.critic = wpg.critics.KernelQ(
            self.center_states,
            self.center_actions,
            self.weights,
            state_lengthscale=state_lengthscale,
            action_lengthscale=1.0,
        )
        self.out = np.empty((S, N), np.float32), np.empty((S, N, D), np.float32)

    def ours(self) -> Answer:
        return self.critic.value_and_action_gradient(self.states, self.particles, out=self.out)

    def matrix_form(self, xp: Any, states: Any, particles: Any) -> tuple[Any, Any]:
        """K_s (S, M) times the action kernel (S, N, M), and products with the centres."""

        def square_distances(x: Any, c: Any) -> Any:
            return (x * x).sum(1)[:, None] + (c * c).sum(1)[None] - 2 * x @ c.T

        count = len(states)
        flat = particles.reshape(count * N, D)
        away = square_distances(states / self.unit, self.center_states / self.unit)
        state = xp.exp(-0.5 * away) * self.weights
        terms = xp.exp(-0.5 * square_distances(flat, self.center_actions))
        terms = terms.reshape(count, N, -1) * state[:, None, :]
        # The value is one more column of the product: faster than a sum of its own.
        sums = (terms.reshape(count * N, -1) @ self.columns).reshape(count, N, D + 1)
        value = sums[:, :, 0]
        return value, sums[:, :, 1:] - value[:, :, None] * particles

    def numpy_form(self, chunk: int) -> Answer:
        parts = [
            self.matrix_form(np, self.states[i : i + chunk], self.particles[i : i + chunk])
            for i in range(0, S, chunk)
        ]
        return np.concatenate([v for v, _ in parts]), np.concatenate([g for _, g in parts])

    def jax_form(self, chunk: int) -> Callable[[], Answer]:
        def of_chunk(pair: tuple[Any, Any]) -> tuple[Any, Any]:
            return self.matrix_form(jnp, *pair)

        def of_all(states: Any, particles: Any) -> tuple[Any, Any]:
            if chunk == S:
                return of_chunk((states, particles))
            value, slope = jax.lax.map(
                of_chunk,
                (states.reshape(-1, chunk, O), particles.reshape(-1, chunk, N, D)),
            )
            return value.reshape(S, N), slope.reshape(S, N, D)

        compiled = jax.jit(of_all)
        return lambda: jax.block_until_ready(compiled(self.states, self.particles))

    def exact(self, states: int) -> Answer:
        """In float64, differences first, for the first few states: what the others are held to."""
        value, slope = np.empty((states, N)), np.empty((states, N, D))
        center_actions = self.center_actions.astype(np.float64)
        for s in range(states):
            away = (self.center_states - self.states[s].astype(np.float64)) / float(self.unit)
            state = self.weights * np.exp(-0.5 * (away**2).sum(1))
            for n in range(N):
                to = center_actions - self.particles[s, n]
                terms = state * np.exp(-0.5 * (to**2).sum(1))
                value[s, n], slope[s, n] = terms.sum(), terms @ to
        return value, slope


def check(case: Case, name: str, answer: Any, tolerance: float) -> None:
    """The answer, to a multiple of the largest value: sums have rounding in proportion to it."""
    for found, expected in zip(answer, case.exact(32), strict=True):
        worst = np.abs(np.asarray(found)[:32] - expected).max() / np.abs(expected).max()
        assert worst < tolerance, f"{name} is off by {worst:.1e} of the largest number"


def fastest_chunk(case: Case, chunks: list[int]) -> int:
    times = alternate({str(c): case.jax_form(c) for c in chunks}, rounds=2)["cpu"]
    return int(min(times, key=lambda name: min(times[name])))


def measure(case: Case, functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    # |s|^2 - 2 s.c + |c|^2 in float32 loses u |s|^2 / lengthscale^2 of the exponent, which in the
    # narrow case is 1e-4 of every term: of the dense forms, not of ours.
    for name, function in functions.items():
        check(case, name, function(), 2e-5 if name == "wpg" else 2e-3)
    cpu = alternate(functions, rounds=rounds)["cpu"]
    pairs = S * N * len(case.weights)
    return {
        "ns_per_pair": {name: nanoseconds(seconds, pairs) for name, seconds in cpu.items()},
        **{f"{name} over wpg": ratio(cpu[name], cpu["wpg"]) for name in functions if name != "wpg"},
    }


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    dense, narrow = Case(2048, 1.0, uniform=False), Case(100_000, 0.05, uniform=True)
    of_dense: dict[str, Callable[[], Any]] = {
        "wpg": dense.ours,
        "numpy": lambda: dense.numpy_form(S),
    }
    of_narrow: dict[str, Callable[[], Any]] = {"wpg": narrow.ours}
    figures: dict[str, Any] = {"states, particles, O, D": [S, N, O, D]}
    if jax is not None:
        figures["jax"] = jax.__version__
        of_dense["jax"] = dense.jax_form(S)
        of_dense["jax in chunks"] = dense.jax_form(fastest_chunk(dense, [1, 4, 16, 64]))
        of_narrow["jax in chunks"] = narrow.jax_form(fastest_chunk(narrow, [1, 4]))
    else:
        of_narrow["numpy in chunks"] = lambda: narrow.numpy_form(4)
    figures["2048 centres, all matter"] = measure(dense, of_dense, rounds=11)
    figures["100000 centres, 500 matter"] = measure(narrow, of_narrow, rounds=5)
    for name, value in figures.items():
        print(name, value)
    if "--dry" not in sys.argv:
        record.write("kernel_q", figures, started)


if __name__ == "__main__":
    main()
