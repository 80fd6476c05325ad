"""Forty Gaussians from their energy alone, by a generator that makes draws in one pass.

    python bench/learning/gmm40_generator.py --seeds 11 14

The target is that of `bench/python/gmm40.py`, exp(Q) at temperature 1. Agents of this library learn
on `wpg/GMM40-v0` with a critic of one's own, which is the energy: Q and its gradient. The energy
cools: exp(beta Q) with beta from 0.003 to 1 in equal ratios over the first 70 % of the updates.

    signs        wpg.WPG: a mixture of 2^8 Gaussians, one for each latent sign vector
    normal       the same agent with 8 normal latents, whose continuous image joins the modes
    gaussian     wpg.SAC, one Gaussian
    refined      the draws of `signs` after 40 rounds of MALA (2 steps each), the first 20 followed
                 by birth-death, which moves mass between modes
    exact        as many independent draws of the target

Reported of 32,768 draws (4096 of the refined ones, and of exact ones beside them): the share of
modes with a quarter of their mass, the share outside the target's highest-density regions of 99 %
and 95 %, KL(exact weights || shares of modes), the sliced W2 distance to 4096 exact draws, and the
processor seconds of training.

Seeds of this report, which name the mixture and the draws, must not have been used while settings
were chosen. Used so far: 1 to 5, 1001 to 1003.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "python")]

import gymnasium
import numpy as np
from numpy.typing import NDArray

import record
import wpg
from gmm40 import Measures, N, refined
from wpg.exact import GaussianMixture, gmm40

ENV = "wpg/GMM40-v0"
HALF = 50.0  # half the box's width: agents see actions in [-1, 1]^2
FIRST, COOLED = 0.003, 0.7
DRAWS = 32_768
SETTINGS: dict[str, Any] = {
    "temperature": 1.0,
    "learning_rate": 5e-4,
    "policy_delay": 1,
    "batch_size": 1,
    "warmup_steps": 1,
    "replay_size": 1000,
    "normalise_observations": False,
    "evaluation_interval": 0,
}
OF_PARTICLES: dict[str, Any] = {
    "policy_states": 1,
    "particles": 256,
    "target_particles": 1,
    "transport_move": 0.005,
}
LEARNERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "signs": (wpg.WPG, OF_PARTICLES),
    "normal": (wpg.WPG, OF_PARTICLES | {"latents": "normal"}),
    "gaussian": (wpg.SAC, {"batch_size": 256}),
}

Float32 = NDArray[np.float32]


class Energy:
    """beta Q of a mixture as a critic that cools while the agent learns."""

    def __init__(self, mixture: GaussianMixture, updates: int) -> None:
        self.mixture, self.updates, self.done = mixture, updates, 0

    @property
    def beta(self) -> float:
        return FIRST ** max(0.0, 1.0 - self.done / (COOLED * self.updates))

    def value(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> Float32:
        return self.value_and_action_gradient(states, particles)[0]

    def value_and_action_gradient(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> tuple[Float32, Float32]:
        places = HALF * particles.astype(np.float64)
        value, gradient = self.mixture.log_density_and_gradient(places)
        beta = self.beta
        return (beta * value).astype(np.float32), (beta * HALF * gradient).astype(np.float32)

    def fit(
        self, states: Float32, actions: Float32, targets: Float32, *, learning_rate: float
    ) -> NDArray[Any]:
        self.done += 1
        return np.zeros(1)

    def target(self) -> Energy:
        return self

    def move_towards(self, other: Any, rate: float) -> None:
        """Nothing: it does not lag behind."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"done": np.array(self.done)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.done = int(arrays["done"])


def trained(learner: str, mixture: GaussianMixture, seed: int, updates: int) -> Any:
    make, settings = LEARNERS[learner]
    env = gymnasium.make(ENV, seed=seed)
    agent = make(env, seed=seed, critic=Energy(mixture, updates), **(SETTINGS | settings))
    return agent.learn(updates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(11, 14), metavar=("FROM", "TO"))
    parser.add_argument("--updates", type=int, default=12_000)
    parser.add_argument("--name", default="gmm40_generator")
    arguments = parser.parse_args()
    started = record.machine()
    runs: dict[str, list[dict[str, Any]]] = {}

    def note(name: str, points: Any, measures: Measures, **more: float) -> None:
        found = {key: x if np.isfinite(x) else None for key, x in measures(points).items()}
        runs.setdefault(name, []).append({"seed": seed} | found | more)
        print(name, runs[name][-1], flush=True)

    for seed in range(*arguments.seeds):
        mixture = gmm40(seed).mixture
        assert mixture is not None
        measures = Measures(mixture)
        note("exact", mixture.draw(DRAWS, seed=100 + seed), measures)
        note(f"exact, {N}", mixture.draw(N, seed=200 + seed), measures)
        for learner in LEARNERS:
            cpu = time.process_time()
            agent = trained(learner, mixture, seed, arguments.updates)
            cpu = time.process_time() - cpu
            points = agent.particles(np.zeros(1), DRAWS).astype(np.float64)
            note(learner, points, measures, cpu_seconds=round(cpu, 1))
            if learner == "signs":
                moved = refined(mixture, points[:N], seed, rounds=40, birth_death=20)
                note(f"refined, {N}", moved, measures)
    figures: dict[str, Any] = {
        f"{name}: {figure}, median over mixtures": float(np.median([run[figure] for run in group]))
        for name, group in runs.items()
        for figure in ("coverage", "outside_highest_density_99", "outside_highest_density_95")
    }
    figures |= {"updates": arguments.updates, "settings": SETTINGS | OF_PARTICLES, "runs": runs}
    record.write(arguments.name, figures, started)


if __name__ == "__main__":
    main()
