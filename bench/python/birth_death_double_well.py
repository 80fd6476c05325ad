"""Mass over a barrier: Langevin alone, and with births and deaths, in the double well.

    python bench/python/birth_death_double_well.py [--states 64] [--particles 500] [--time 30]

Q = -(a^2 - 1)^2 at temperature 0.125, a barrier of 8 temperatures. All particles but 2 % start in
the right well. The KL is that of the pooled particles' histogram from the Gibbs law's masses; it is
too large by about bins / 2n, n the number of independent particles.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
import wpg
from wpg import exact
from wpg.transport import birth_death, langevin

TEMPERATURE, STEP, EVERY, BANDWIDTH, BINS = 0.125, 0.01, 4, 0.05, 30


def masses_of(bandit: exact.problems.Bandit) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the bins and the Gibbs law's mass in each, by the trapezium rule."""
    _, low, high = bandit.support.arrays(1, np.float64)
    edges = np.linspace(-1.6, 1.6, BINS + 1)
    edges[0], edges[-1] = low[0], high[0]
    fine = np.linspace(low[0], high[0], 20_001)
    density = np.exp(bandit.reward(fine[None, :, None])[0] / TEMPERATURE)
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return edges, np.diff(np.interp(edges, fine, below / below[-1]))


def kl(particles: np.ndarray, edges: np.ndarray, masses: np.ndarray) -> float:
    part = np.histogram(particles, edges)[0] / particles.size
    full = part > 0
    return float(np.sum(part[full] * np.log(part[full] / masses[full])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=64)
    parser.add_argument("--particles", type=int, default=500)
    parser.add_argument("--time", type=float, default=30.0)
    parser.add_argument("--rate", type=float, nargs="+", default=[1.0, 8.0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = record.machine()
    bandit = exact.double_well(k=1.0, temperature=TEMPERATURE)
    edges, masses = masses_of(bandit)
    S, N = arguments.states, arguments.particles
    random = np.random.default_rng(arguments.seed)
    start = 1 + 0.125 * random.standard_normal((S, N, 1))
    start[:, : max(1, N // 50)] -= 2
    steps = round(arguments.time / STEP)
    figures: dict[str, object] = {
        "states, particles": [S, N],
        "temperature": TEMPERATURE,
        "step size": STEP,
        "bandwidth": BANDWIDTH,
        "bins": BINS,
        "bias of the histogram's KL, at least": round(BINS / (2 * S * N), 6),
    }
    for rate in [0.0, *arguments.rate]:
        cloud, began = start.copy(), time.process_time()
        history, first = [], None
        for step in range(steps + 1):
            if step % max(1, steps // 20) == 0:
                now = kl(cloud, edges, masses)
                history.append([round(step * STEP, 2), round(now, 5)])
                print(f"rate {rate:g}  time {step * STEP:6.2f}  KL {now:.5f}", flush=True)
                if first is None and now <= 0.01:
                    first = round(step * STEP, 2)
            drift = bandit.reward_gradient(cloud.reshape(1, -1, 1)).reshape(cloud.shape)
            langevin(
                cloud,
                drift,
                step_size=STEP,
                temperature=TEMPERATURE,
                seed=arguments.seed,
                step=step,
                support=bandit.support,
                out=cloud,
            )
            if rate > 0 and step % EVERY == 0:
                birth_death(
                    cloud,
                    bandit.reward(cloud.reshape(1, -1, 1)).reshape(S, N),
                    temperature=TEMPERATURE,
                    rate=rate,
                    step_size=EVERY * STEP,
                    bandwidth=BANDWIDTH,
                    seed=arguments.seed,
                    step=step,
                    out=cloud,
                )
        figures[f"rate {rate:g}"] = {
            "KL over time": history,
            "time to KL 0.01": first,
            "CPU seconds": round(time.process_time() - began, 2),
        }
    figures["threads"] = wpg.get_num_threads()
    record.write("birth_death_double_well", figures, started)


if __name__ == "__main__":
    main()
