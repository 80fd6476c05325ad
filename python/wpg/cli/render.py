"""wpg render."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    render = commands.add_parser("render", help="make a film of a run's policy")
    render.add_argument("run", type=Path, metavar="RUN")
    render.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=".mp4 or .gif (RUN/policy.mp4, policy.gif where no encoder is installed)",
    )
    render.add_argument("--episodes", type=int, default=1, metavar="E")
    render.add_argument("--seed", type=int, default=0, metavar="K", help="names the starts (0)")
    render.add_argument(
        "--mode", choices=["best", "sample", "medoid"], default="best", help="actions (best)"
    )
    render.add_argument(
        "--fps", type=float, metavar="F", help="frames a second (the environment's own)"
    )
    render.add_argument("--max-steps", type=int, metavar="N", help="leave an episode after so many")
    render.add_argument("--threads", type=int, metavar="T")
    render.set_defaults(command=_render)


def _render(arguments: argparse.Namespace) -> int:
    from wpg.plots import render_run

    out, shown = render_run(
        arguments.run,
        arguments.out,
        episodes=arguments.episodes,
        seed=arguments.seed,
        mode=arguments.mode,
        fps=arguments.fps,
        max_steps=arguments.max_steps,
    )
    for episode, (total, length) in enumerate(zip(shown.returns, shown.lengths, strict=True)):
        print(f"episode {episode}: return {total:.1f}, {length} steps")
    print(out)
    return 0
