"""A float32 Langevin step and its normals beside NumPy, one thread, in one process.

python bench/python/bench_langevin.py
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

S, N, D = 4096, 64, 6
ETA, TAU = np.float32(0.01), np.float32(0.5)


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    rng = np.random.default_rng(0)
    particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
    drift = rng.standard_normal((S, N, D), dtype=np.float32)
    out, noise = np.empty_like(particles), np.empty_like(particles)
    box = wpg.supports.Box(-1.0, 1.0)
    sigma = np.sqrt(2 * ETA * TAU)

    def ours() -> None:
        wpg.transport.langevin(
            particles, drift, step_size=0.01, temperature=0.5, seed=1, support=box, out=out
        )

    def numpy_plain() -> None:
        moved = particles + ETA * drift + sigma * rng.standard_normal((S, N, D), dtype=np.float32)
        np.clip(moved, -1, 1)

    def numpy_in_place() -> None:
        rng.standard_normal(dtype=np.float32, out=noise)
        np.multiply(noise, sigma, out=noise)
        np.add(noise, particles, out=noise)
        np.multiply(drift, ETA, out=out)
        np.add(noise, out, out=noise)
        np.clip(noise, -1, 1, out=noise)

    def our_normals() -> None:
        wpg.noise.standard_normal((S, N, D), seed=1, out=out)

    def numpy_normals() -> None:
        rng.standard_normal(dtype=np.float32, out=noise)

    # The answer first: with no noise both are the same arithmetic.
    exact = wpg.transport.langevin(particles, drift, step_size=0.01, temperature=0.0, seed=1)
    np.testing.assert_allclose(exact, particles + ETA * drift, rtol=0, atol=3e-7)

    times = alternate(
        {
            "wpg": ours,
            "numpy, plain": numpy_plain,
            "numpy, in place": numpy_in_place,
            "wpg normals": our_normals,
            "numpy normals": numpy_normals,
        }
    )
    cpu, items = times["cpu"], S * N * D
    figures = {
        "shape": [S, N, D],
        "ns_per_element": {name: nanoseconds(seconds, items) for name, seconds in cpu.items()},
        "step: numpy normal + update + clip, over wpg": ratio(cpu["numpy, plain"], cpu["wpg"]),
        "step: numpy with every array in place, over wpg": ratio(
            cpu["numpy, in place"], cpu["wpg"]
        ),
        "normals: numpy over wpg": ratio(cpu["numpy normals"], cpu["wpg normals"]),
    }
    for name, value in figures.items():
        print(name, value)
    record.write("langevin", figures, started)


if __name__ == "__main__":
    main()
