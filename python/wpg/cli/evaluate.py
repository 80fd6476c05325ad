"""wpg evaluate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    evaluate = commands.add_parser("evaluate", help="evaluate the agent of a run folder")
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--episodes", type=int, default=10, metavar="E")
    evaluate.add_argument("--seed", type=int, default=0, metavar="K")
    evaluate.add_argument("--threads", type=int, metavar="T")
    evaluate.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from wpg import runs

    outcome = runs.evaluate_run(arguments.run, episodes=arguments.episodes, seed=arguments.seed)
    for episode, (total, length) in enumerate(zip(outcome.returns, outcome.lengths, strict=True)):
        print(f"episode {episode}: return {total:.1f}, {length} steps")
    print(f"mean return {outcome.mean:.1f} +- {outcome.std:.1f}")
    return 0
