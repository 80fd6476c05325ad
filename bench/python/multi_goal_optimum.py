"""The best and the soft-optimal policies of wpg/MultiGoalPoint-v0 from the centre, on a grid.

    python bench/python/multi_goal_optimum.py

Positions and actions are multiples of 0.1, so that every move ends on a position. The soft policy
of a temperature is that of an endless episode with discount 0.99, entropy relative to area (dx dy),
the action square's edges with half their weight. Its law is then moved from the centre through 30
steps: returns, lengths and masses at the goals are sums, not samples. Returns are not discounted.
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
from wpg.envs.multi_goal_point import GOALS, HALF_WIDTH
from wpg.mode_coverage import entropy_of_counts

Floats = NDArray[np.float64]

CELL, DISCOUNT, STEPS = 0.1, 0.99, 30
TEMPERATURES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

AXIS = CELL * np.arange(-70, 71)
MOVES = np.arange(-10, 11)
assert np.isclose(AXIS[-1], HALF_WIDTH)
AWAY = np.square(np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), -1)[:, :, None] - GOALS).sum(-1)
NEAREST, AWAY = AWAY.argmin(-1), AWAY.min(-1)
GOAL = AWAY < 1.0 - 1e-9
LANDING = 10.0 * GOAL - AWAY
COST = 30.0 * CELL**2 * (MOVES[:, None] ** 2 + MOVES**2)
EDGE = np.where(np.abs(MOVES) == 10, 0.5, 1.0) * CELL
LOG_AREA = np.log(EDGE[:, None] * EDGE)
AFTER = np.clip(np.arange(len(AXIS)) + MOVES[:, None], 0, len(AXIS) - 1)  # (21, positions)


def action_values(value: Floats, discount: float) -> Floats:
    """Q (21, 21, 141, 141) of all moves at all positions."""
    arrived = LANDING + discount * np.where(GOAL, 0.0, value)
    return arrived[AFTER[:, None, :, None], AFTER[None, :, None, :]] - COST[:, :, None, None]


def best_return() -> float:
    """The largest undiscounted return of 30 steps from the centre."""
    value = np.zeros(GOAL.shape)
    for _ in range(STEPS):
        value = action_values(value, 1.0).max(axis=(0, 1))
    return float(value[70, 70])


def soft_policy(temperature: float, tolerance: float = 1e-3) -> Floats:
    """The Gibbs policy (21, 21, 141, 141), by soft value iteration to `tolerance` [reward]."""
    value = np.zeros(GOAL.shape)
    while True:
        q = action_values(value, DISCOUNT)
        q /= temperature
        q += LOG_AREA[:, :, None, None]
        top = q.max(axis=(0, 1))
        q -= top
        np.exp(q, out=q)
        total = q.sum(axis=(0, 1))
        after = temperature * (np.log(total) + top)
        moved, value = np.abs(after - value).max(), after
        if moved * DISCOUNT / (1.0 - DISCOUNT) <= tolerance:
            q /= total
            return q


def from_the_centre(policy: Floats) -> dict[str, object]:
    """Mean return and length of 30 steps at most, and how the law divides itself."""
    law = np.zeros(GOAL.shape)
    law[70, 70] = 1.0
    total, length, goals = 0.0, 0.0, np.zeros(len(GOALS))
    for _ in range(STEPS):
        length += law.sum()
        after = np.zeros_like(law)
        for i in range(len(MOVES)):
            for j in range(len(MOVES)):
                part = law * policy[i, j]
                total -= COST[i, j] * part.sum()
                np.add.at(after, np.ix_(AFTER[i], AFTER[j]), part)
        total += float((after * LANDING).sum())
        goals += np.bincount(NEAREST[GOAL], after[GOAL], minlength=len(GOALS))
        law = np.where(GOAL, 0.0, after)
    return {
        "mean_return": round(float(total), 2),
        "mean_length": round(float(length), 2),
        "goals": [round(float(mass), 4) for mass in goals],
        "no_goal": round(max(0.0, 1.0 - float(goals.sum())), 4),
        "entropy_of_goals": round(entropy_of_counts(np.round(goals * 1e6)), 4),
    }


def main() -> None:
    started = record.machine()
    figures: dict[str, object] = {"best return": round(best_return(), 2)}
    for temperature in TEMPERATURES:
        result = from_the_centre(soft_policy(temperature))
        figures[f"temperature {temperature:g}"] = result
        print(f"temperature {temperature:g}", result, flush=True)
    print("best return", figures["best return"])
    record.write("multi_goal_optimum", figures, started)


if __name__ == "__main__":
    main()
