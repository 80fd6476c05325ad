"""The kernel agent on wpg/LQR-v0 over several seeds: its gain beside the exact one.

    python bench/learning/lqr_gain.py --seeds 440 450

The learned gain is the slope of a least-squares line through the agent's deterministic actions at
200 states, drawn once and for all uniformly from the box of starts; states where the exact mean
action would lie outside the walls are left out. All settings are the defaults; the agent takes its
discount from the environment.

Seeds of this report must not have been used while settings were chosen. Used so far: 4000 to 4049,
400 to 439.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gymnasium
import numpy as np
from numpy.typing import NDArray

import record
import wpg
from wpg.certificates import linear_gain
from wpg.exact import LQR

ENV = "wpg/LQR-v0"
ALLOWED = 0.05


def design(env: Any, count: int = 200) -> NDArray[np.float64]:
    """States (count, O) of the box of starts at which the exact mean action is inside the walls."""
    rng = np.random.default_rng(0)
    starts = env.unwrapped.start
    states = rng.uniform(-starts, starts, (20 * count, len(starts)))
    pushes = env.unwrapped.problem.optimal().mean_action(states)
    inside = (np.abs(pushes) <= env.action_space.high).all(axis=1)
    return states[inside][:count]


def gain_error(gain: NDArray[np.float64], problem: LQR) -> float:
    """|F - F*| / |F*|, Frobenius."""
    best = problem.optimal().F
    return float(np.linalg.norm(gain - best) / np.linalg.norm(best))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs=2, default=(440, 450), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=2000)
    parser.add_argument("--discount", type=float, default=0.9)
    parser.add_argument("--name", default="lqr_gain")
    arguments = parser.parse_args()
    started = record.machine()
    rows = []
    for seed in range(*arguments.seeds):
        env: Any = gymnasium.make(ENV, discount=arguments.discount)
        problem: LQR = env.unwrapped.problem
        states = design(env)
        wall, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        agent = wpg.WPG(env, seed=seed, evaluation_interval=0)
        agent.learn(arguments.total_steps)
        used = resource.getrusage(resource.RUSAGE_SELF)
        wall = time.perf_counter() - wall
        gain = linear_gain(agent, states.astype(np.float32))
        actions, _ = agent.predict(states.astype(np.float32))
        missed = actions - problem.optimal().mean_action(states)
        rows.append(
            {
                "seed": seed,
                "gain_error": gain_error(gain, problem),
                "gain": gain.tolist(),
                "action_root_mean_square_error": float(np.sqrt((missed**2).mean())),
                "training_wall_seconds": round(wall, 2),
                "cpu_seconds": round(
                    used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime, 2
                ),
            }
        )
        print(seed, f"gain error {rows[-1]['gain_error']:.4f}", flush=True)
    errors = np.array([row["gain_error"] for row in rows])
    figures = {
        "exact gain": problem.optimal().F.tolist(),
        "discount": problem.discount,
        "steps": arguments.total_steps,
        f"seeds within {ALLOWED:.0%}": f"{int((errors <= ALLOWED).sum())} of {len(errors)}",
        "gain error: median": float(np.median(errors)),
        "gain error: worst": float(errors.max()),
        "training wall seconds: median": float(
            np.median([row["training_wall_seconds"] for row in rows])
        ),
        "runs": rows,
    }
    for name, value in figures.items():
        if name != "runs":
            print(name, value)
    record.write(arguments.name, figures, started)


if __name__ == "__main__":
    main()
