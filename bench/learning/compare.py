"""Learners side by side: the same environments, seeds and evaluations, one process a run.

    python bench/learning/compare.py --envs Hopper-v5 Walker2d-v5 --seeds 0 3
    python bench/learning/compare.py --report

Learners: wpg, wpg-sac, wpg-sac-plain (the form in common use), sb3-sac (settings of
rl-baselines3-zoo), sbx-sac (the same settings), and wpg-kernel for small tasks. Every run has one
thread; `--workers 2` has two runs at a time, which is written down, because processor time then
depends on what the neighbour does to the caches.

Every `--interval` steps and at the end: ten episodes of deterministic actions, from
`reset(seed=0..9)` in environments of their own, by the same function for all; neither their
processor time nor their wall time counts as training. Training time begins when the agent is made,
after imports, and holds what JAX compiles.

A finished run is one line of `results/compare/ENV.jsonl`. Runs that are there are not repeated, so
the script may be stopped and started at will; a run that was not finished starts again. A run that
failed leaves no line: it is named, tried again next time, and the exit status is 1.

`--report` needs no learner: it writes `results/compare.json`, `compare.md` and, where matplotlib is
there, `compare.png`.

Seeds of a report must not have been used while settings were chosen.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from numpy.typing import NDArray

import learners
import record
from wpg.benchmarks.peers import ONE_THREAD
from wpg.envs import make
from wpg.errors import UsageError
from wpg.evaluation import evaluate
from wpg.intervals import interquartile_mean, probability_of_improvement, stratified_bootstrap

ENVS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5")
BASELINE = "sb3-sac"
Row = dict[str, Any]


class Stopwatch:
    """Processor and wall seconds of this process, less the pauses."""

    def __init__(self) -> None:
        self.cpu, self.wall = -time.process_time(), -time.perf_counter()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu += cpu - time.process_time()
        self.wall += wall - time.perf_counter()

    def stop(self) -> None:
        self.cpu += time.process_time()
        self.wall += time.perf_counter()


# One run


def run_once(
    learner: str, env_id: str, seed: int, *, total_steps: int, interval: int, episodes: int
) -> Row:
    """Train and evaluate in this process: the row of this run."""
    envs = [make(env_id) for _ in range(episodes)]
    evaluations: list[tuple[int, float, tuple[float, ...]]] = []

    def on_step(env_steps: int, predict: learners.Predict) -> None:
        if env_steps % interval and env_steps != total_steps:
            return
        with watch.paused():
            outcome = evaluate(lambda observations, _: predict(observations), envs)
            evaluations.append((env_steps, outcome.mean, outcome.returns))

    learners.load(learner)
    watch = Stopwatch()
    settings = learners.train(
        learner,
        env_id,
        seed=seed,
        total_steps=total_steps,
        on_step=on_step,
        settings=learners.settings_for(learner, env_id),
    )
    watch.stop()
    return {
        "learner": learner,
        "env": env_id,
        "seed": seed,
        "total_steps": total_steps,
        "episodes": episodes,
        "evaluations": [e for e in evaluations if e[0] <= total_steps],
        "cpu_seconds": round(watch.cpu, 2),
        "wall_seconds": round(watch.wall, 2),
        "peak_memory_mib": round(learners.peak_memory()),
        "versions": learners.versions(learner),
        "settings": settings,
        "date": datetime.date.today().isoformat(),
    }


# Many runs


def rows_path(env_id: str) -> Path:
    return record.RESULTS / "compare" / f"{env_id.replace('/', '-')}.jsonl"


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, none if there is no file."""
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            sys.exit(f"{path}, line {number} is no JSON (a write that was cut off?); remove it")
    return rows


def append_row(row: Row) -> None:
    """One write at the end of the file, so that others who append do not come in between."""
    path = rows_path(row["env"])
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(row) + "\n").encode())
    finally:
        os.close(descriptor)


def identity(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("learner", "env", "seed", "total_steps", "episodes"))


def missing_runs(arguments: argparse.Namespace) -> list[Row]:
    """What was asked for and is not there, seed by seed, so that a part is a comparison too."""
    there = {identity(row) for env_id in arguments.envs for row in read_rows(rows_path(env_id))}
    wanted = [
        {
            "learner": learner,
            "env": env_id,
            "seed": seed,
            "total_steps": arguments.total_steps,
            "episodes": arguments.episodes,
        }
        for seed in range(*arguments.seeds)
        for env_id in arguments.envs
        for learner in arguments.learners
    ]
    return [run for run in wanted if identity(run) not in there]


def run_missing(arguments: argparse.Namespace) -> int:
    """Start a process for every missing run; the number of those that failed."""
    runs = missing_runs(arguments)
    asked = len(range(*arguments.seeds)) * len(arguments.envs) * len(arguments.learners)
    print(f"{asked - len(runs)} of {asked} runs are there", flush=True)
    processors = sorted(os.sched_getaffinity(0), reverse=True)
    if arguments.workers > len(processors):
        sys.exit(f"--workers is {arguments.workers}; there are {len(processors)} processors")
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for processor in processors[: arguments.workers]:
        free.put(processor)
    writing = threading.Lock()

    def one(run: Row) -> bool:
        processor = free.get()
        # Neighbours get a processor each. JAX counts processors whatever the environment says, so
        # it is shown one. Otherwise the system chooses, which may be wiser on a busy machine.
        pinned = arguments.workers > 1 or run["learner"] == "sbx-sac"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "row.json"
            order = {
                "run": {**run, "interval": arguments.interval},
                "processor": processor if pinned else None,
                "path": str(path),
            }
            status = subprocess.run(
                [sys.executable, __file__, "--one", json.dumps(order)],
                env={**os.environ, **ONE_THREAD},
            ).returncode
            row = json.loads(path.read_text()) if status == 0 else None
        free.put(processor)
        name = f"{run['env']} {run['learner']} seed {run['seed']}"
        if row is None:
            print(f"{name}: failed, exit status {status}", flush=True)
            return False
        row["workers"] = arguments.workers
        with writing:
            append_row(row)
        print(
            f"{name}: {row['evaluations'][-1][1]:.1f}, "
            f"{1e3 * row['cpu_seconds'] / row['total_steps']:.3f} CPU ms a step",
            flush=True,
        )
        return True

    with ThreadPoolExecutor(arguments.workers) as pool:
        try:
            return list(pool.map(one, runs)).count(False)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_ordered(text: str) -> None:
    """In the process of its own: one run, its row into a file."""
    order = json.loads(text)
    machine = record.machine()  # while all its processors can be seen
    if order["processor"] is not None:
        os.sched_setaffinity(0, {order["processor"]})
    os.chdir(Path(order["path"]).parent)  # MuJoCo writes its log where it stands
    run = order["run"]
    try:
        row = run_once(
            run["learner"],
            run["env"],
            run["seed"],
            total_steps=run["total_steps"],
            interval=run["interval"],
            episodes=run["episodes"],
        )
    except (UsageError, ImportError) as error:
        sys.exit(str(error))
    Path(order["path"]).write_text(json.dumps({**row, "machine": machine}))


# The report


def final_returns(rows: list[Row]) -> NDArray[np.float64]:
    return np.array([row["evaluations"][-1][1] for row in rows])


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": float(np.median(values)),
        "least": float(np.min(values)),
        "most": float(np.max(values)),
    }


def learner_figures(rows: list[Row]) -> dict[str, Any]:
    """Of one learner on one environment, in the order of seeds."""
    settings = [row["settings"] for row in rows]
    for row in rows:
        differing = [
            key
            for key in sorted(row["settings"].keys() | settings[0].keys())
            if row["settings"].get(key) != settings[0].get(key)
        ]
        if differing:
            sys.exit(
                f"{row['learner']} on {row['env']}: seeds {rows[0]['seed']} and {row['seed']} have "
                f"different settings ({', '.join(differing)}); remove the rows that are outdated"
            )
    returns = final_returns(rows)
    estimate, low, high = stratified_bootstrap(returns[:, None], interquartile_mean)
    return {
        "seeds": [row["seed"] for row in rows],
        "final returns": [round(float(x), 2) for x in returns],
        "mean": round(float(returns.mean()), 2),
        "interquartile mean": round(estimate, 2),
        "interval 95 %": [round(low, 2), round(high, 2)],
        "cpu milliseconds a step": spread(
            [round(1e3 * row["cpu_seconds"] / row["total_steps"], 3) for row in rows]
        ),
        "wall seconds": spread([row["wall_seconds"] for row in rows]),
        "peak memory MiB": max(row["peak_memory_mib"] for row in rows),
        "workers": sorted({row["workers"] for row in rows}),
        "settings": settings[0],
        "versions": [dict(v) for v in {tuple(sorted(row["versions"].items())) for row in rows}],
    }


def improvement(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> dict[str, Any]:
    """Probability that a run of ours ends higher than one of theirs on the same environment."""
    tasks = len(ours)
    estimate, low, high = stratified_bootstrap(
        [*ours, *theirs], lambda s: probability_of_improvement(s[:tasks], s[tasks:])
    )
    return {
        "probability of improvement": round(estimate, 3),
        "interval 95 %": [round(low, 3), round(high, 3)],
    }


def verdict(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    (low, high), (other_low, other_high) = ours["interval 95 %"], theirs["interval 95 %"]
    if len(ours["seeds"]) < 2 or len(theirs["seeds"]) < 2:
        return "one seed"
    return "above" if low > other_high else "below" if high < other_low else "overlaps"


def collect() -> dict[str, dict[str, list[Row]]]:
    """Rows by comparison (environment, steps, episodes) and by learner, seeds in order."""
    comparisons: dict[tuple[Any, ...], dict[str, list[Row]]] = {}
    seen = set()
    for path in sorted((record.RESULTS / "compare").glob("*.jsonl")):
        for row in read_rows(path):
            if identity(row) in seen:
                sys.exit(f"{path} has {row['learner']} with seed {row['seed']} twice; remove one")
            seen.add(identity(row))
            key = (row["env"], row["total_steps"], row["episodes"])
            comparisons.setdefault(key, {}).setdefault(row["learner"], []).append(row)
    return {
        f"{env_id}, {steps:,} steps, {episodes} episodes": {
            learner: sorted(group[learner], key=lambda row: row["seed"])
            for learner in sorted(group, key=learners.LEARNERS.index)
        }
        for (env_id, steps, episodes), group in sorted(comparisons.items())
    }


def report() -> None:
    """The table, the JSON file and the picture from the rows that are there."""
    started = record.machine()
    comparisons = collect()
    if not comparisons:
        sys.exit(f"no runs in {record.RESULTS / 'compare'}")
    figures: dict[str, Any] = {"comparisons": {}}
    for name, group in comparisons.items():
        found = {learner: learner_figures(rows) for learner, rows in group.items()}
        for learner in found.keys() - {BASELINE}:
            if BASELINE in found:
                found[learner][f"against {BASELINE}"] = {
                    "intervals": verdict(found[learner], found[BASELINE]),
                    **improvement(
                        [final_returns(group[learner])], [final_returns(group[BASELINE])]
                    ),
                }
        figures["comparisons"][name] = found
    overall: dict[str, Any] = {}
    for learner in learners.LEARNERS:
        both = [group for group in comparisons.values() if learner in group and BASELINE in group]
        if both and learner != BASELINE:
            overall[learner] = {
                "comparisons": len(both),
                **improvement(
                    [final_returns(group[learner]) for group in both],
                    [final_returns(group[BASELINE]) for group in both],
                ),
            }
    figures[f"all comparisons against {BASELINE}"] = overall
    machines = {
        json.dumps({k: v for k, v in row["machine"].items() if k != "load"})
        for group in comparisons.values()
        for rows in group.values()
        for row in rows
    }
    figures["machines"] = [json.loads(text) for text in sorted(machines)]
    record.write("compare", figures, started)
    page = record.RESULTS / "compare.md"
    page.write_text(markdown(figures))
    print(f"-> {page}")
    try:
        picture = draw(comparisons)
    except ImportError as error:
        print(f"no picture: {error}")
    else:
        print(f"-> {picture}")


def markdown(figures: dict[str, Any]) -> str:
    lines = [
        "# Learners side by side",
        "",
        "Written by `python bench/learning/compare.py --report`; protocol: the head of that file.",
        "Return: the mean of the deterministic episodes after the last step of a run. IQM:",
        "interquartile mean over seeds, which is their mean for fewer than four; its interval is a",
        "percentile bootstrap over seeds, at nominally 95 %, and too short for few seeds",
        "(`wpg.intervals`; with 3 it covers about three times in four). CPU time is that of",
        "training, without evaluations: median over seeds, least to most.",
        f"`P`: probability that a run ends above one of {BASELINE}, with its interval. Runs marked",
        "`*` had a neighbour on the machine's other core.",
    ]
    for name, found in figures["comparisons"].items():
        lines += [
            "",
            f"## {name}",
            "",
            f"| learner | IQM | 95 % | mean | seed: return | against {BASELINE} | P | "
            "CPU ms a step | wall s | peak MiB |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for learner, f in found.items():
            low, high = f["interval 95 %"]
            against = f.get(f"against {BASELINE}")
            chance = "" if against is None else interval(against)
            cpu, wall = f["cpu milliseconds a step"], f["wall seconds"]
            runs = ", ".join(
                f"{s}: {r:.5g}" for s, r in zip(f["seeds"], f["final returns"], strict=True)
            )
            lines.append(
                f"| {learner}{'*' if max(f['workers']) > 1 else ''} "
                f"| {f['interquartile mean']:.5g} | {low:.5g} to {high:.5g} | {f['mean']:.5g} "
                f"| {runs} | {'' if against is None else against['intervals']} | {chance} "
                f"| {cpu['median']:.3g} ({cpu['least']:.3g} to {cpu['most']:.3g}) "
                f"| {wall['median']:.0f} | {f['peak memory MiB']} |"
            )
    overall = figures[f"all comparisons against {BASELINE}"]
    if overall:
        lines += ["", f"## All of them against {BASELINE}", "", "| learner | comparisons | P |"]
        lines.append("|---|---|---|")
        lines += [f"| {name} | {f['comparisons']} | {interval(f)} |" for name, f in overall.items()]
    lines += ["", "## Machines", ""]
    lines += [f"- {', '.join(f'{k} {v}' for k, v in m.items())}" for m in figures["machines"]]
    return "\n".join(lines) + "\n"


def interval(figures: dict[str, Any]) -> str:
    low, high = figures["interval 95 %"]
    return f"{figures['probability of improvement']:.2f} ({low:.2f} to {high:.2f})"


def draw(comparisons: dict[str, dict[str, list[Row]]]) -> Path:
    """Return against environment steps: seeds thin, their interquartile mean thick."""
    from wpg.plots.figure import COLOURS, bare, new_figure

    columns = min(2, len(comparisons))
    rows = -(-len(comparisons) // columns)
    figure, axes = new_figure(5.0 * columns, 3.4 * rows, rows, columns)
    for axis in axes.flat[len(comparisons) :]:
        axis.set_visible(False)
    for axis, (name, group) in zip(axes.flat, comparisons.items(), strict=False):
        for learner, runs in group.items():
            colour = COLOURS[learners.LEARNERS.index(learner)]
            curves = [{steps: mean for steps, mean, _ in run["evaluations"]} for run in runs]
            for curve in curves:
                axis.plot(*zip(*curve.items(), strict=True), color=colour, alpha=0.25, linewidth=1)
            shared = sorted(set.intersection(*(set(curve) for curve in curves)))
            table = np.array([[curve[steps] for steps in shared] for curve in curves])
            middle, low, high = np.array(
                [
                    stratified_bootstrap(at[:, None], interquartile_mean, resamples=500)
                    for at in table.T
                ]
            ).T
            axis.plot(shared, middle, "-", color=colour, label=f"{learner} ({len(runs)})")
            axis.fill_between(shared, low, high, color=colour, alpha=0.12, linewidth=0)
        axis.set_title(name, fontsize="medium")
        axis.set_xlabel("environment steps")
        axis.set_ylabel("return of an episode")
        axis.legend(frameon=False, fontsize="small", title="learner (seeds)")
        bare(axis)
    path = record.RESULTS / "compare.png"
    figure.savefig(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", nargs="+", default=list(ENVS), metavar="ENV")
    parser.add_argument(
        "--learners", nargs="+", default=["wpg", "wpg-sac", "sb3-sac"], choices=learners.LEARNERS
    )
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=100_000)
    parser.add_argument("--interval", type=int, default=10_000, help="steps between evaluations")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("total_steps", "interval", "episodes", "workers"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if arguments.one is not None:
        run_ordered(arguments.one)
    elif arguments.report:
        report()
    elif run_missing(arguments):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
