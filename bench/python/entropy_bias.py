"""Bias of the entropy estimators on one Langevin step of a Gaussian.

    python bench/python/entropy_bias.py [--states 4000]

Q = -|a|^2/2 at temperature 1, N = 128 stationary particles a ~ N(0, v), v = 1/(1 - eta/2), moved by
one step of eta = 0.1 to draws of the mixture with means (1 - eta) a and variance 2 eta, whose law
is N(0, v) again: H = (D/2) log(2 pi e v). The mixture's entropy with and without a particle's own
component encloses H on average (Jensen); the program ends with an error if it does not, by more
than 4 standard errors.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
from wpg.density import entropy
from wpg.noise import standard_normal
from wpg.transport import langevin

N, ETA = 128, 0.1
# What an independent program found, with replicates of its own: self, leave one out, average,
# third neighbour, Gaussian; then the standard deviations of one state's estimates.
EARLIER = {
    1: ([-0.011, 0.014, 0.001, -0.015, -0.003], [0.06, 0.07, 0.06, 0.10, 0.06]),
    2: ([-0.045, 0.066, 0.011, -0.033, -0.008], [0.08, 0.09, 0.09, 0.10, 0.08]),
    4: ([-0.287, 0.401, 0.057, -0.060, -0.026], [0.11, 0.18, 0.14, 0.12, 0.12]),
    8: ([-2.132, 2.830, 0.349, 0.171, -0.133], [0.16, 0.46, 0.28, 0.20, 0.19]),
}


def estimates(D: int, states: int, seed: int) -> dict[str, np.ndarray]:
    """Each estimator's error in every state."""
    variance = 1 / (1 - ETA / 2)
    start = math.sqrt(variance) * standard_normal(
        (states, N, D), seed=seed, stream="initial", dtype=np.float64
    )
    moved = langevin(start, -start, step_size=ETA, temperature=1.0, seed=seed)
    mixture = {"means": (1 - ETA) * start, "std": math.sqrt(2 * ETA)}
    truth = 0.5 * D * math.log(2 * math.pi * math.e * variance)
    return {
        "self": entropy(moved, "mixture", estimator="self", **mixture) - truth,
        "leave-one-out": entropy(moved, "mixture", estimator="leave-one-out", **mixture) - truth,
        "average": entropy(moved, "mixture", **mixture) - truth,
        "third neighbour": entropy(moved, "knn", neighbours=3) - truth,
        "Gaussian without correction": plain_gaussian(moved) - truth,
        "Gaussian": entropy(moved, "gaussian") - truth,
    }


def plain_gaussian(particles: np.ndarray) -> np.ndarray:
    """(D/2) log(2 pi e) + (1/2) log det of the covariance with 1/(N - 1)."""
    away = particles - particles.mean(axis=1, keepdims=True)
    covariance = np.swapaxes(away, 1, 2) @ away / (N - 1)
    D = particles.shape[2]
    return 0.5 * D * math.log(2 * math.pi * math.e) + 0.5 * np.linalg.slogdet(covariance)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = record.machine()
    figures: dict[str, object] = {"N": N, "eta": ETA, "states": arguments.states}
    enclosed = True
    for D, (earlier, deviations) in EARLIER.items():
        rows = {}
        for name, errors in estimates(D, arguments.states, arguments.seed).items():
            error = float(errors.std(ddof=1)) / math.sqrt(arguments.states)
            rows[name] = {
                "bias": round(float(errors.mean()), 4),
                "standard error": round(error, 4),
                "standard deviation": round(float(errors.std(ddof=1)), 3),
            }
        names = ["self", "leave-one-out", "average", "third neighbour"]
        names.append("Gaussian without correction")
        for name, bias, deviation in zip(names, earlier, deviations, strict=True):
            rows[name]["earlier"] = [bias, deviation]
        enclosed &= rows["self"]["bias"] <= 4 * rows["self"]["standard error"]
        enclosed &= rows["leave-one-out"]["bias"] >= -4 * rows["leave-one-out"]["standard error"]
        figures[f"D = {D}"] = rows
        for name, row in rows.items():
            print(f"D = {D}  {name:28s}", *(f"{key} {value}" for key, value in row.items()))
    figures["self <= H <= leave-one-out on average"] = bool(enclosed)
    record.write("entropy_bias", figures, started)
    if not enclosed:
        sys.exit("the entropy is not enclosed")


if __name__ == "__main__":
    main()
