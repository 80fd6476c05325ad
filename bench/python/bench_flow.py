"""Ten fused steps of each scheme beside ten gradient evaluations, one thread, in one process.

python bench/python/bench_flow.py
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
from alternate import alternate
from wpg.supports import Box

S, N, M, O, D, STEPS = 1024, 8, 2048, 4, 6, 10


def main() -> None:
    started = record.machine()
    wpg.set_num_threads(1)
    rng = np.random.default_rng(0)
    states = rng.standard_normal((S, O), dtype=np.float32)
    particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
    critic = wpg.critics.KernelQ(
        rng.standard_normal((M, O), dtype=np.float32),
        rng.uniform(-1, 1, (M, D)).astype(np.float32),
        rng.standard_normal(M, dtype=np.float32) / np.float32(M),
        state_lengthscale=1.0,
        action_lengthscale=1.0,
    )
    gradient = np.empty((S, N, D), np.float32)
    moved = np.empty_like(particles)

    def gradients() -> None:
        for _ in range(STEPS):
            critic.action_gradient(states, particles, out=gradient)

    def flow_of(scheme: str, boundary: str, bandwidth: float | None = None) -> None:
        wpg.transport.flow(
            particles,
            critic,
            states,
            steps=STEPS,
            step_size=0.02,
            temperature=0.1,
            seed=1,
            support=Box(-1, 1, boundary),
            scheme=scheme,
            bandwidth=bandwidth,
            out=moved,
        )

    def step_by_step(scheme: str, bandwidth: float | None) -> np.ndarray:
        """What a flow of pairs is made of, called one by one from Python."""
        velocity = {"svgd": wpg.transport.svgd_velocity, "blob": wpg.transport.blob_velocity}
        cloud = particles
        for _ in range(STEPS):
            drift = critic.action_gradient(states, cloud)
            pushed = velocity[scheme](cloud, drift, temperature=0.1, bandwidth=bandwidth)
            cloud = wpg.transport.langevin(
                cloud, pushed, step_size=0.02, temperature=0.0, seed=1, support=Box(-1, 1)
            )
        return cloud

    functions = {"ten gradients": gradients}
    for scheme in ("langevin", "leimkuhler-matthews", "mala"):
        for boundary in ("reflect", "tanh", "probit"):
            functions[f"{scheme}, {boundary}"] = lambda s=scheme, b=boundary: flow_of(s, b)
    for scheme in ("svgd", "blob"):
        for bandwidth in (0.5, None):
            name = f"{scheme}, reflect, {'median rule' if bandwidth is None else 'bandwidth given'}"
            functions[name] = lambda s=scheme, b=bandwidth: flow_of(s, "reflect", b)
            functions[f"{name}, step by step"] = lambda s=scheme, b=bandwidth: step_by_step(s, b)

    # The answer first: fused is composed, to the bit.
    flow_of("langevin", "reflect")
    cloud = particles
    for step in range(STEPS):
        drift = critic.action_gradient(states, cloud)
        cloud = wpg.transport.langevin(
            cloud,
            drift,
            step_size=0.02,
            temperature=0.1,
            seed=1,
            step=step,
            support=Box(-1, 1),
        )
    assert cloud.tobytes() == moved.tobytes()
    for scheme in ("svgd", "blob"):
        for bandwidth in (0.5, None):
            flow_of(scheme, "reflect", bandwidth)
            assert step_by_step(scheme, bandwidth).tobytes() == moved.tobytes()

    cpu = alternate(functions, rounds=11)["cpu"]
    least = {name: min(seconds) for name, seconds in cpu.items()}
    ten = least.pop("ten gradients")
    figures = {
        "states, particles, centres, O, D, steps": [S, N, M, O, D, STEPS],
        "seconds of ten gradients, least": round(ten, 4),
        "least over that of ten gradients": {
            name: round(seconds / ten, 3) for name, seconds in least.items()
        },
    }
    for name, value in figures.items():
        print(name, value)
    record.write("flow", figures, started)


if __name__ == "__main__":
    main()
