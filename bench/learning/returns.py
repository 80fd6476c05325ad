"""Returns over several seeds, as the command line runs them.

    python bench/learning/returns.py --seeds 340 350                  Pendulum-v1, all defaults
    python bench/learning/returns.py Pendulum-v1 --critic neural --name pendulum_neural

The environment comes first. What is not an option of this script goes to `wpg train` as it stands.
Seeds of a report must not have been used while settings were chosen. Used so far on Pendulum-v1: 0,
100 to 109, 300 to 339, 1000 to 1019, 3000 to 3031, 5000 to 5033, 6000 to 6019; with the neural
critic, on every environment, 9000 to 9027, and 10, 11, 20, 30 to 43 on Pendulum-v1 and
MountainCarContinuous-v0.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("env", nargs="?", default="Pendulum-v1")
    parser.add_argument("--seeds", type=int, nargs=2, default=(340, 350), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=3000)
    parser.add_argument("--name", default="pendulum")
    arguments, of_train = parser.parse_known_args()
    started = record.machine()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(*arguments.seeds):
            run = Path(folder) / str(seed)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "wpg.cli",
                    "train",
                    arguments.env,
                    "--quiet",
                    *of_train,
                    "--total-steps",
                    str(arguments.total_steps),
                    "--seed",
                    str(seed),
                    "--out",
                    str(run),
                ],
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            result = json.loads((run / "result.json").read_text())
            with open(run / "evaluations.csv", newline="") as file:
                evaluations = {
                    row["env_steps"]: float(row["mean_return"]) for row in csv.DictReader(file)
                }
            rows.append(
                {
                    "seed": seed,
                    "mean_return": result["mean_return"],
                    "evaluations": evaluations,
                    "training_wall_seconds": result["wall_seconds"],
                    "cpu_seconds": round(
                        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
                    ),
                }
            )
    final = np.array([row["mean_return"] for row in rows])
    steps = list(rows[0]["evaluations"])
    table = np.array([[row["evaluations"][step] for step in steps] for row in rows])
    figures = {
        "environment": arguments.env,
        "options of wpg train": of_train,
        "final: median": float(np.median(final)),
        "final: worst": float(final.min()),
        "evaluations: median": dict(zip(steps, np.median(table, axis=0).tolist(), strict=True)),
        "evaluations: worst": dict(zip(steps, table.min(axis=0).tolist(), strict=True)),
        "runs": rows,
    }
    for name, value in figures.items():
        if name != "runs":
            print(name, value)
    record.write(arguments.name, figures, started)


if __name__ == "__main__":
    main()
