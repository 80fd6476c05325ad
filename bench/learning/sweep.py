"""How much faster a sweep is than the same runs one after another, and what is left of it when it
is killed: the sweep's own process, several times, and under Ray workers in the middle of a run.

    python bench/learning/sweep.py
    python bench/learning/sweep.py --envs Hopper-v5 Ant-v5 --total-steps 5000 --name sweep_mujoco

Two environments x four seeds, on two processors. "One after another" is the same sweep with one
worker, so that both start the same processes; the same runs by `wpg train`, which uses all threads
and draws a picture, are timed beside it. What is not an option of this script goes to `wpg sweep`.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import importlib.util
import json
import os
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

KILLS, PROCESSORS, BAR = 4, 2, 1.8


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "wpg.cli", *map(str, arguments)]


def run_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/*/*/config.json"))


def outcome(folder: Path) -> dict[str, Any]:
    """All that the runs of a sweep have written, without wall times."""
    found = {}
    for run in run_folders(folder):
        result = json.loads((run / "result.json").read_text())
        with np.load(run / "checkpoint" / "agent.npz") as file:
            arrays = {name: file[name].tobytes() for name in file.files}
        meta = json.loads(arrays.pop("meta.json"))
        del result["wall_seconds"], meta["wall_seconds"]
        with open(run / "progress.csv", newline="") as table:
            episodes = [{**row, "wall_seconds": None} for row in csv.DictReader(table)]
        evaluations = (run / "evaluations.csv").read_bytes()
        found[str(run.relative_to(folder))] = (result, meta, arrays, episodes, evaluations)
    return found


def finished(folder: Path) -> dict[Path, int]:
    """The files of finished runs, and when they were written."""
    runs = [run for run in run_folders(folder) if (run / "result.json").exists()]
    files = [path for run in runs for path in run.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files}


def wall_seconds(command: list[str]) -> float:
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def train_each(sweep: Path, folder: Path) -> float:
    """The runs of a sweep by `wpg train`, one after another."""
    begin = time.monotonic()
    for n, run in enumerate(run_folders(sweep)):
        config = json.loads((run / "config.json").read_text())
        settings = [f"{key}={value}" for key, value in config["settings"].items()]
        command = program("train", config["env"], "--agent", config["agent"], "--quiet")
        for name in ("critic", "seed", "total_steps"):
            command += [f"--{name.replace('_', '-')}", str(config[name])]
        command += [option for pair in settings for option in ("--set", pair)]
        subprocess.run(
            [*command, "--out", str(folder / str(n))], check=True, stdout=subprocess.DEVNULL
        )
    return time.monotonic() - begin


def throughput(asked: list[str], root: Path, rounds: int) -> dict[str, Any]:
    """Wall seconds of both, in turn, and the ratio of their medians."""
    seconds: dict[str, list[float]] = {"sweep": [], "one after another": [], "wpg train": []}
    for r in range(rounds):
        order = list(seconds) if r % 2 == 0 else list(reversed(seconds))
        if r == 0:
            order = ["sweep", "one after another", "wpg train"]  # the last one reads the first
        for name in order:
            folder = root / f"{name.replace(' ', '-')}-{r}"
            if name == "wpg train":
                taken = train_each(root / "sweep-0", folder)
            else:
                workers = PROCESSORS if name == "sweep" else 1
                taken = wall_seconds(
                    program(*asked, "--quiet", "--out", folder, "--workers", workers)
                )
            seconds[name].append(round(taken, 2))
            print(f"round {r}, {name}: {taken:.1f} s", flush=True)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    same = [
        outcome(folder) == outcome(root / "sweep-0")
        for folder in [*root.glob("sweep-*"), *root.glob("one-after-another-*")]
    ]
    return {
        "wall_seconds": seconds,
        "ratio": round(median["one after another"] / median["sweep"], 3),
        "ratio of each round": [
            round(b / a, 3)
            for a, b in zip(seconds["sweep"], seconds["one after another"], strict=True)
        ],
        "ratio to wpg train": round(median["wpg train"] / median["sweep"], 3),
        "same results": all(same),
    }


def killed(asked: list[str], root: Path, duration: float, expected: dict[str, Any]) -> Any:
    """The sweep's process killed at random moments, and begun again each time."""
    rng = np.random.default_rng(0)
    folder, kills, repeated = root / "killed", [], False
    before: dict[Path, int] = {}
    command = program(*asked, "--quiet", "--out", folder, "--workers", PROCESSORS)
    for _ in range(KILLS):
        moment = float(rng.uniform(0.1, 0.3)) * duration
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = finished(folder)
        repeated = repeated or any(now.get(path) != when for path, when in before.items())
        before = now
        done = sum(path.name == "result.json" for path in now)
        kills.append({"seconds": round(moment, 1), "runs done": done})
        print(kills[-1], flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    now = finished(folder)
    repeated = repeated or any(now.get(path) != when for path, when in before.items())
    return {
        "kills": kills,
        "finished runs repeated": repeated,
        "same results": outcome(folder) == expected,
    }


def far_enough(run: Path) -> bool:
    """Has a run a checkpoint, and done a third of its steps?"""
    rows = (run / "progress.csv").read_text().splitlines()[1:]
    steps = int(rows[-1].split(",")[0]) if rows else 0
    total = json.loads((run / "config.json").read_text())["total_steps"]
    return 3 * steps >= total and (run / "checkpoint" / "agent.npz").exists()


def worker_of(run: Path) -> int | None:
    """The process that holds the lock of a run folder."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == str(run / ".lock"):
                return int(descriptor.parts[2])
        except OSError:  # a process of somebody else, or one that has ended
            continue
    return None


def on_ray(asked: list[str], root: Path, expected: dict[str, Any]) -> Any:
    """Under Ray, the workers of some runs killed, each when a third of its steps is done."""
    if importlib.util.find_spec("ray") is None:
        return "not measured: Ray is not installed"
    folder = root / "ray"
    process = subprocess.Popen(
        program(*asked, "--quiet", "--out", folder, "--workers", PROCESSORS, "--ray"),
        stdout=subprocess.DEVNULL,
    )
    lost = []
    while process.poll() is None:
        for run in run_folders(folder):
            name = str(run.relative_to(folder))
            if name in lost or len(lost) >= KILLS or not far_enough(run):
                continue
            worker = worker_of(run)
            if worker is not None:
                os.kill(worker, signal.SIGKILL)
                lost.append(name)
                print(f"killed the worker of {name}", flush=True)
        time.sleep(0.2)
    return {
        "ray": importlib.metadata.version("ray"),
        "status": process.returncode,
        "workers killed": lost,
        "same results": outcome(folder) == expected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--envs", nargs=2, default=["Pendulum-v1", "MountainCarContinuous-v0"])
    parser.add_argument("--seeds", type=int, nargs=2, default=(60, 64), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=3000)
    parser.add_argument("--critic", default="neural")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="sweep")
    arguments, of_sweep = parser.parse_known_args()
    asked = ["sweep", "--envs", *arguments.envs, "--critic", arguments.critic, *of_sweep]
    asked += ["--seeds", *map(str, arguments.seeds), "--total-steps", str(arguments.total_steps)]
    started = record.machine()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        speed = throughput(asked, root, arguments.rounds)
        expected = outcome(root / "sweep-0")
        duration = float(np.median(speed["wall_seconds"]["sweep"]))
        figures = {
            "wpg sweep": asked,
            "runs": len(expected),
            "throughput": speed,
            "wanted: ratio": BAR,
            "sweep killed": killed(asked, root, duration, expected),
            "ray, workers killed": on_ray(asked, root, expected),
        }
    for key, value in figures.items():
        print(key, value)
    record.write(arguments.name, figures, started)
    parts = [figures["throughput"], figures["sweep killed"], figures["ray, workers killed"]]
    if any(isinstance(part, dict) and not part["same results"] for part in parts):
        sys.exit("a run of a sweep differs")
    if figures["sweep killed"]["finished runs repeated"]:
        sys.exit("a finished run was repeated")


if __name__ == "__main__":
    main()
