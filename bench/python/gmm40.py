"""Forty Gaussians in [-40, 40]^2 from their energy alone: MALA with and without birth-death.

python bench/python/gmm40.py

The target is exp(Q) of `wpg.exact.gmm40(seed)`: Q = log of an equal mixture of 40 Gaussians with
standard deviation log(1 + e) = 1.313 whose means are uniform in the square: the mixture that
boltzmann generators are measured on (Midgley et al. 2023). The sampler sees Q and its gradient and
starts uniformly in [-50, 50]^2. MALA alone reaches every mode, but the number of particles in a
mode stays that of its basin; birth-death moves them where mass is missing, without crossing what
lies between.

Reported for each seed: the share of particles in the least and the most populated mode (1/40 =
0.025 each is exact), the share outside all 99 % regions beside the exact one (modes overlap, so it
is below 0.01), and KL(exact mode weights || shares of particles inside), which is about
39/(2N) = 0.005 and the 0.007 that are outside for independent exact draws. Beside them, for the
particles and for as many exact draws: the share of modes with a quarter of their mass, the share
outside the mixture's highest-density regions of 99 % and 95 %, and the sliced W2 distance to other
exact draws.
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
from wpg.exact import GaussianMixture, gmm40
from wpg.mode_coverage import (
    kl_of_mode_weights,
    log_density_threshold,
    mode_coverage,
    mode_shares,
    share_outside,
    sliced_wasserstein,
)

Floats = NDArray[np.float64]

MODES = 40
N, ROUNDS, MALA_STEPS = 4096, 120, 2
SETTLING = 20  # last rounds without birth-death, whose density estimate narrows a mode
STEP_SIZE, BIRTH_DEATH_TIME, BANDWIDTH = 1.0, 0.25, 0.7
SEEDS = range(1, 6)
DRAWS = 10**6  # that count what is exact: modes overlap


class Energy:
    """Q and its gradient: all a sampler sees of a mixture."""

    def __init__(self, mixture: GaussianMixture) -> None:
        self.mixture = mixture

    def value_and_action_gradient(self, states: Floats, particles: Floats) -> tuple[Floats, Floats]:
        return self.mixture.log_density_and_gradient(particles)


def refined(
    mixture: GaussianMixture, particles: Floats, seed: int, *, rounds: int, birth_death: int
) -> Floats:
    """Particles (N, 2) after rounds of MALA, the first ones followed by birth-death."""
    energy, states = Energy(mixture), np.zeros((1, 1))
    cloud = particles[None].copy()
    for move in range(rounds):
        cloud, _ = wpg.transport.mala(
            cloud, energy, states, steps=MALA_STEPS, step_size=STEP_SIZE, temperature=1.0,
            seed=seed, step=move * MALA_STEPS,
        )  # fmt: skip
        if move < birth_death:
            cloud, _ = wpg.transport.birth_death(
                cloud, mixture.log_density(cloud), temperature=1.0, rate=1.0,
                step_size=BIRTH_DEATH_TIME, bandwidth=BANDWIDTH, seed=seed, step=move,
            )  # fmt: skip
    return cloud[0]


def sample(mixture: GaussianMixture, seed: int, birth_death: bool) -> Floats:
    """Particles (N, 2) after ROUNDS rounds of MALA, followed by birth-death if wished."""
    start = np.random.default_rng(seed).uniform(-50, 50, (N, 2))
    return refined(
        mixture, start, seed, rounds=ROUNDS, birth_death=(ROUNDS - SETTLING) * birth_death
    )


class Measures:
    """What samples of a mixture are held against, counted once."""

    def __init__(self, mixture: GaussianMixture) -> None:
        self.mixture = mixture
        exact = mixture.draw(DRAWS, seed=0)
        self.masses = mode_shares(exact, mixture)
        self.outside_modes = 1.0 - float(mode_shares(exact, mixture, within=0.99).sum())
        self.thresholds = {
            "99": log_density_threshold(mixture, 0.99),
            "95": log_density_threshold(mixture, 0.95),
        }
        self.others = mixture.draw(N, seed=1)

    def __call__(self, points: Floats) -> dict[str, float]:
        shares = mode_shares(points, self.mixture, within=0.99)
        outside = {
            f"outside_highest_density_{name}": round(share_outside(points, self.mixture, edge), 4)
            for name, edge in self.thresholds.items()
        }
        return {
            "modes_found": int(np.count_nonzero(shares)),
            "least_share": round(float((shares / self.masses).min()) / MODES, 4),
            "most_share": round(float((shares / self.masses).max()) / MODES, 4),
            "outside": round(1.0 - float(shares.sum()), 4),
            "kl_of_weights": round(kl_of_mode_weights(self.masses, shares), 4),
            "coverage": round(mode_coverage(points, self.mixture), 4),
            **outside,
            "sliced_w2": round(sliced_wasserstein(points, self.others), 3),
        }


def main() -> None:
    started = record.machine()
    figures: dict[str, object] = {
        "particles": N,
        "energy_evaluations_per_particle": ROUNDS * MALA_STEPS,
    }
    for seed in SEEDS:
        mixture = gmm40(seed).mixture
        assert mixture is not None
        measures = Measures(mixture)
        figures[f"exact share outside, seed {seed}"] = round(measures.outside_modes, 4)
        for name, points in (
            ("exact draws", mixture.draw(N, seed=10 + seed)),
            ("MALA", sample(mixture, seed, birth_death=False)),
            ("MALA and birth-death", sample(mixture, seed, birth_death=True)),
        ):
            figures[f"{name}, seed {seed}"] = result = measures(points)
            print(f"{name:22s} seed {seed}", result)
    record.write("gmm40", figures, started)


if __name__ == "__main__":
    main()
