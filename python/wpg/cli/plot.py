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
    plot.add_argument("run", type=Path, nargs="+", metavar="RUN")
    plot.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (each RUN, what shows several: the first)"
    )
    plot.set_defaults(command=_plot)


def _plot(arguments: argparse.Namespace) -> int:
    from wpg import plots

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    for path in plots.plot_runs(arguments.run, arguments.out, say):
        print(path)
    return 0
