"""Kills training with SIGKILL at random moments, resumes it, and compares its results and logs with
those of a run that nobody disturbed; and runs the same command twice, with one thread and with two.

    python bench/learning/resume.py
    python bench/learning/resume.py Pendulum-v1 --critic neural --name resume_neural

The environment comes first. What is not an option of this script goes to `wpg train` as it stands.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record

KILLS, SEED = 10, 200


def command(folder: Path, train: list[str], *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "wpg.cli",
        "train",
        *train,
        "--quiet",
        "--seed",
        str(SEED),
        "--out",
        str(folder),
        *more,
    ]


def outcome(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    del result["wall_seconds"]
    result["evaluations.csv"] = (folder / "evaluations.csv").read_text()
    with open(folder / "progress.csv", newline="") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    for row in rows:
        del row["wall_seconds"]
    result["progress.csv"] = rows
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("env", nargs="?", default="Pendulum-v1")
    parser.add_argument("--total-steps", type=int, default=1500)
    parser.add_argument("--name", default="resume")
    arguments, more_of_train = parser.parse_known_args()
    train = [arguments.env, "--total-steps", str(arguments.total_steps), *more_of_train]
    started = record.machine()
    rng = np.random.default_rng(0)
    kills = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        begin = time.monotonic()
        subprocess.run(command(root / "undisturbed", train), check=True)
        duration = time.monotonic() - begin
        expected = outcome(root / "undisturbed")

        repeats = {}
        for label, more in (
            ("again", ()),
            ("one thread", ("--threads", "1")),
            ("two threads", ("--threads", "2")),
        ):
            folder = root / label.replace(" ", "-")
            subprocess.run(command(folder, train, *more), check=True)
            repeats[label] = outcome(folder) == expected
            print(f"{label}: same {repeats[label]}", flush=True)

        attempt = 0
        while len(kills) < KILLS:
            folder = root / f"kill{attempt}"
            attempt += 1
            moment = float(rng.uniform(0.02, 0.95)) * duration
            process = subprocess.Popen(command(folder, train))
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if (folder / "result.json").exists() or not (folder / "config.json").exists():
                continue  # it was done already, or had not begun: no kill worth the name
            checkpoint = (folder / "checkpoint" / "agent.npz").exists()
            subprocess.run(
                [sys.executable, "-m", "wpg.cli", "train", "--quiet", "--resume", str(folder)],
                check=True,
            )
            same = outcome(folder) == expected
            kills.append({"seconds": round(moment, 2), "checkpoint": checkpoint, "same": same})
            print(kills[-1], flush=True)
    figures = {
        "wpg train": train,
        "mean_return": expected["mean_return"],
        "same command": repeats,
        "kills": kills,
        "all same": all(kill["same"] for kill in kills) and all(repeats.values()),
    }
    record.write(arguments.name, figures, started)
    if not figures["all same"]:
        sys.exit("a resumed or repeated run differs")


if __name__ == "__main__":
    main()
