"""wpg plot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    plot = commands.add_parser(
        "plot", help="pictures of run folders: learning, training, policy, particles over time"
    )
    plot.add_argument(
        "run", type=Path, nargs="+", metavar="RUN", help="a run folder, or that of a sweep"
    )
    plot.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (each run, what shows several: first RUN)"
    )
    plot.set_defaults(command=_plot)


def _plot(arguments: argparse.Namespace) -> int:
    from wpg import plots
    from wpg.sweep import run_folders

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    found = run_folders(arguments.run, finished=False, say=say)
    runs = list({path.resolve(): path for path in found}.values())
    for path in plots.plot_runs(runs, arguments.out, say, together=arguments.run[0]):
        print(path)
    return 0
