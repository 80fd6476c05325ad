"""The command line: a command trains, looks at, compares, draws, plans, certifies or measures.

A file per command, which imports what it needs when it runs, so that help and errors come at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from wpg.cli import bench, config, evaluate, export, plot, problems, render, sweep, train
from wpg.errors import DivergenceError, EpisodeError, NonFiniteError, UsageError

__all__ = ["main", "program"]

OF_RUNS = (NonFiniteError, DivergenceError, EpisodeError)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wpg",
        description="Wasserstein policy gradient: particle policies, trained and measured.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        metavar="MODULE",
        dest="modules",
        help="import MODULE first, which registers environments of your own",
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")
    for command in (train, config, sweep, evaluate, plot, render, export, problems, bench):
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status.

    0 done; 1 runs of a sweep have failed; 2 bad input, an environment that fails or gives NaN, a
    critic that diverged, a file that cannot be read or written; 128 + n stopped by signal n, 130 by
    Ctrl-C
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        import wpg

        print(wpg.__version__)
        return 0
    if arguments.command is None:
        parser.print_help()
        return 2
    try:
        if arguments.modules:
            sys.path.insert(
                0, os.getcwd()
            )  # where one's own modules are, also for the script `wpg`
        for module in arguments.modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise UsageError(f"--import {module}: {error}") from None
        if getattr(arguments, "threads", None) is not None:
            from wpg.threads import set_num_threads

            set_num_threads(arguments.threads)
        status: int = arguments.command(arguments)
        return status
    except BrokenPipeError:  # of a reader that has seen enough, as in `wpg bench | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, TypeError, MemoryError, OSError, *OF_RUNS) as error:
        print(f"wpg: {' '.join(str(error).split()) or 'out of memory'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args and type(error.args[0]) is int else signal.SIGINT
        return 128 + number


def program() -> NoReturn:
    """The program: `main`; a Ctrl-C while Python leaves no longer changes what it ended with."""
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)
