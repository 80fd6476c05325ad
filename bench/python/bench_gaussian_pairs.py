"""Routines over pairs of particles beside their matrix forms in NumPy and, where it is installed,
jitted JAX; one thread, in one process.

python bench/python/bench_gaussian_pairs.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
    + os.environ.get("XLA_FLAGS", "")
)
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np

import record
import wpg
from alternate import alternate, nanoseconds, ratio

try:
    import jax
except ImportError:
    jax = None

# S, N, D, bandwidth: about what the median rule gives for standard normal particles.
SHAPES = [(512, 128, 6, 1.0), (64, 512, 17, 1.6), (4096, 16, 1, 0.4), (512, 64, 2, 0.6)]
TEMPERATURE = 0.5


def matrix_forms(xp: Any, length: float) -> dict[str, Callable[..., Any]]:
    """What one writes with arrays: squares by a matrix product, sums by another."""

    def kernel(a: Any) -> Any:
        x = a / length
        square = (x * x).sum(-1)
        inner = xp.matmul(x, xp.swapaxes(x, 1, 2))
        return xp.exp(-0.5 * (square[:, :, None] + square[:, None] - 2 * inner))

    def svgd(a: Any, g: Any) -> Any:
        k = kernel(a)
        pull = TEMPERATURE / length**2
        return (xp.matmul(k, g - pull * a) + pull * a * k.sum(-1)[..., None]) / a.shape[1]

    def score(a: Any, g: Any) -> Any:
        k = kernel(a)
        return (xp.matmul(k, a) / k.sum(-1)[..., None] - a) / length**2

    def blob(a: Any, g: Any) -> Any:
        k = kernel(a)
        total = k.sum(-1)[..., None]
        both = xp.matmul(k, a) / total - a
        both = both + xp.matmul(k, a / total) - a * xp.matmul(k, 1 / total)
        return g - TEMPERATURE / length**2 * both

    return {"svgd": svgd, "kde_score": score, "blob": blob}


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    figures: dict[str, Any] = {}
    for S, N, D, length in SHAPES:
        random = np.random.default_rng(0)
        a, g = (random.standard_normal((S, N, D)).astype(np.float32) for _ in range(2))
        size = {"temperature": TEMPERATURE, "bandwidth": length}
        ours: dict[str, Callable[[], Any]] = {
            "svgd": lambda a=a, g=g, size=size: wpg.transport.svgd_velocity(a, g, **size),
            "kde_score": lambda a=a, l=length: wpg.density.kde_score(a, bandwidth=l),
            "blob": lambda a=a, g=g, size=size: wpg.transport.blob_velocity(a, g, **size),
        }
        numpy_forms = matrix_forms(np, np.float32(length))
        jax_forms = {} if jax is None else matrix_forms(jax.numpy, length)
        for name, routine in ours.items():
            rivals = {"wpg": routine, "numpy": lambda f=numpy_forms[name], a=a, g=g: f(a, g)}
            if jax is not None:
                compiled, x, y = jax.jit(jax_forms[name]), jax.numpy.array(a), jax.numpy.array(g)
                rivals["jax"] = lambda f=compiled, x=x, y=y: f(x, y).block_until_ready()
            # The answer first.
            for rival in rivals.values():
                np.testing.assert_allclose(np.asarray(rival()), routine(), rtol=0, atol=2e-3)
            cpu = alternate(rivals, rounds=15)["cpu"]
            pairs = S * N * N
            entry: dict[str, Any] = {
                "ns_per_pair": {rival: nanoseconds(cpu[rival], pairs) for rival in rivals}
            }
            for rival in list(rivals)[1:]:
                entry[f"{rival} over wpg"] = ratio(cpu[rival], cpu["wpg"])
            figures[f"{name} S {S} N {N} D {D}"] = entry
            print(f"{name} S {S} N {N} D {D}", entry, flush=True)
    figures["jax"] = None if jax is None else jax.__version__
    record.write("gaussian_pairs", figures, started)


if __name__ == "__main__":
    main()
