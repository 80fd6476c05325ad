"""Forty Gaussians in [-40, 40]^2 from their energy alone: MALA with and without birth-death.

python bench/python/gmm40.py

The target is exp(Q), Q = log of an equal mixture of 40 Gaussians with standard deviation
log(1 + e) = 1.313 whose means are uniform in the square: the mixture that boltzmann generators are
measured on (Midgley et al. 2023). The sampler sees Q and its gradient and starts uniformly in
[-50, 50]^2. MALA alone reaches every mode, but the number of particles in a mode stays that of its
basin; birth-death moves them where mass is missing, without crossing what lies between.

Reported for each seed: the share of particles in the least and the most populated mode (1/40 =
0.025 each is exact), the share outside all 99 % regions beside the exact one (modes overlap, so it
is below 0.01), and KL(exact mode weights || shares of particles), which is about 39/(2N) = 0.005
for independent exact draws.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import numpy as np
from numpy.typing import NDArray

import record
import wpg

Floats = NDArray[np.float64]

MODES, DEVIATION = 40, float(np.log1p(np.e))
N, ROUNDS, MALA_STEPS = 4096, 120, 2
SETTLING = 20  # last rounds without birth-death, whose density estimate narrows a mode
STEP_SIZE, BIRTH_DEATH_TIME, BANDWIDTH = 1.0, 0.25, 0.7
SEEDS = range(1, 6)
# A point of a mode lies outside its 99 % region with probability 0.01.
RADIUS = DEVIATION * float(np.sqrt(-2 * np.log(0.01)))


class Mixture:
    """Q(a) = log sum_k N(a; mean_k, DEVIATION^2 I) / 40, with its gradient: all a sampler sees."""

    def __init__(self, seed: int) -> None:
        self.means = np.random.default_rng(seed).uniform(-40, 40, (MODES, 2))

    def value_and_action_gradient(self, states: Floats, particles: Floats) -> tuple[Floats, Floats]:
        away = self.means - particles[..., None, :]  # (S, N, 40, 2)
        exponent = -0.5 * np.square(away).sum(-1) / DEVIATION**2
        top = exponent.max(-1, keepdims=True)
        weights = np.exp(exponent - top)
        total = weights.sum(-1, keepdims=True)
        value = np.log(total[..., 0] / MODES) + top[..., 0] - np.log(2 * np.pi * DEVIATION**2)
        pull = np.einsum("snk,snkd->snd", weights / total, away) / DEVIATION**2
        return value, np.ascontiguousarray(pull)

    def nearest(self, particles: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The nearest mode of every particle (N, 2), and how far away it is."""
        distance = np.linalg.norm(self.means - particles[:, None], axis=-1)
        return distance.argmin(1), distance.min(1)


def sample(mixture: Mixture, seed: int, birth_death: bool) -> Floats:
    """Particles (N, 2) after ROUNDS rounds of MALA, followed by birth-death if wished."""
    states = np.zeros((1, 1))
    particles = np.random.default_rng(seed).uniform(-50, 50, (1, N, 2))
    for move in range(ROUNDS):
        particles, _ = wpg.transport.mala(
            particles, mixture, states, steps=MALA_STEPS, step_size=STEP_SIZE, temperature=1.0,
            seed=seed, step=move * MALA_STEPS,
        )  # fmt: skip
        if birth_death and move < ROUNDS - SETTLING:
            value, _ = mixture.value_and_action_gradient(states, particles)
            particles, _ = wpg.transport.birth_death(
                particles, value, temperature=1.0, rate=1.0, step_size=BIRTH_DEATH_TIME,
                bandwidth=BANDWIDTH, seed=seed, step=move,
            )  # fmt: skip
    return particles[0]


def exact_measures(mixture: Mixture) -> tuple[Floats, float]:
    """The mass of every mode's cell, and the mass outside all 99 % regions: modes overlap, so a
    million exact draws count them."""
    rng = np.random.default_rng(0)
    draws = mixture.means[rng.integers(MODES, size=10**6)]
    draws += DEVIATION * rng.standard_normal(draws.shape)
    parts = [mixture.nearest(part) for part in np.split(draws, 100)]
    counts = np.bincount(np.concatenate([mode for mode, _ in parts]), minlength=MODES)
    outside = np.mean(np.concatenate([distance for _, distance in parts]) >= RADIUS)
    return counts / len(draws), float(outside)


def measures(mixture: Mixture, particles: Floats, weights: Floats) -> dict[str, float]:
    mode, distance = mixture.nearest(particles)
    shares = np.bincount(mode[distance < RADIUS], minlength=MODES) / len(particles)
    with np.errstate(divide="ignore"):
        kl = float(np.sum(weights * np.log(weights / shares)))
    return {
        "modes_found": int(np.count_nonzero(shares)),
        "least_share": round(float((shares / weights).min()) / MODES, 4),
        "most_share": round(float((shares / weights).max()) / MODES, 4),
        "outside": round(float(np.mean(distance >= RADIUS)), 4),
        "kl_of_weights": round(kl, 4),
    }


def main() -> None:
    started = record.machine()
    figures: dict[str, object] = {
        "particles": N,
        "energy_evaluations_per_particle": ROUNDS * MALA_STEPS,
    }
    for seed in SEEDS:
        mixture = Mixture(seed)
        weights, outside = exact_measures(mixture)
        figures[f"exact share outside, seed {seed}"] = round(outside, 4)
        for name, birth_death in (("MALA", False), ("MALA and birth-death", True)):
            result = measures(mixture, sample(mixture, seed, birth_death), weights)
            figures[f"{name}, seed {seed}"] = result
            print(f"{name:22s} seed {seed}", result)
    record.write("gmm40", figures, started)


if __name__ == "__main__":
    main()
