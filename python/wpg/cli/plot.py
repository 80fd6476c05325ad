"""wpg plot."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    plot = commands.add_parser("plot", help="draw learning.png and policy.png of run folders")
    plot.add_argument("run", type=Path, nargs="+", metavar="RUN")
    plot.add_argument("--out", type=Path, metavar="DIR", help="where to (the first RUN)")
    plot.set_defaults(command=_plot)


def _plot(arguments: argparse.Namespace) -> int:
    from wpg import plots

    for path in plots.plot_runs(arguments.run, arguments.out):
        print(path)
    return 0
