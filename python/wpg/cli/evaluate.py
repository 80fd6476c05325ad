"""wpg evaluate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    evaluate = commands.add_parser(
        "evaluate", help="evaluate the agent of a run folder, or compare those of several"
    )
    evaluate.add_argument(
        "run",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="a run folder, a saved agent, or the folder of a sweep; several are grouped by what "
        "they are, seeds aside, and compared",
    )
    evaluate.add_argument(
        "--episodes", type=int, default=10, metavar="E", help="of each run (10); the same starts"
    )
    evaluate.add_argument("--seed", type=int, default=0, metavar="K", help="names the starts (0)")
    evaluate.add_argument(
        "--mode",
        choices=["best", "deterministic", "sample", "medoid", "gibbs"],
        default="best",
        help="which action: the one of highest Q (best, also called deterministic), a draw from "
        "the policy (sample), the particle closest to all others (medoid), or, neural critic "
        "only, a draw among particles by weights exp(Q / temperature) / pi (gibbs)",
    )
    evaluate.add_argument("--threads", type=int, metavar="T")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    evaluate.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from wpg import comparison
    from wpg.checkpoint import write_json
    from wpg.cli.bench import require_writable
    from wpg.sweep import run_folders

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    if arguments.json is not None:
        require_writable(arguments.json)
    mode = "best" if arguments.mode == "deterministic" else arguments.mode
    asked = {"episodes": arguments.episodes, "seed": arguments.seed}
    runs = comparison.read_runs(run_folders(arguments.run, finished=True, say=say), mode=mode)
    names = [[str(run.path), run.env, run.label, f"seed {run.seed}"] for run in runs]
    widths = [max(map(len, column)) for column in zip(*names, strict=True)]
    done: list[comparison.EvaluatedRun] = []
    digits: dict[str, int] = {}
    if len(runs) > 1:
        print(
            f"{len(runs)} runs, {arguments.episodes} episodes each from the same starts "
            f"(--seed {arguments.seed}), actions: {mode}"
        )
    for run, name in zip(runs, names, strict=True):
        found = comparison.evaluate_run(run, mode=mode, **asked)
        done.append(found)
        if len(runs) > 1:
            n = digits.setdefault(run.env, comparison.decimals(found.evaluation))
            cells = "  ".join(map(str.ljust, name, widths))
            outcome = found.evaluation
            print(f"{cells}  mean return {outcome.mean:.{n}f} +- {outcome.std:.{n}f}", flush=True)
    whole = comparison.Comparison(done, mode, **asked)
    if len(runs) > 1:
        print(f"\n{whole.text()}")
    else:
        outcome = done[0].evaluation
        for number, (total, length) in enumerate(
            zip(outcome.returns, outcome.lengths, strict=True)
        ):
            print(f"episode {number}: return {total:.1f}, {length} steps")
        print(f"mean return {outcome.mean:.1f} +- {outcome.std:.1f}")
    if arguments.json is not None:
        write_json(arguments.json, whole.as_dict())
        print(f"-> {arguments.json}")
    return 0
