"""The command line: wpg train | evaluate | plot."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wpg",
        description="Wasserstein policy gradient: particle policies, trained and measured.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train an agent and write a run folder")
    train.add_argument("env", nargs="?", metavar="ENV", help="id of a Gymnasium environment")
    train.add_argument("--critic", choices=["kernel"], help="kind of soft Q-function (kernel)")
    train.add_argument("--total-steps", type=int, metavar="N", help="environment steps (3000)")
    train.add_argument("--seed", type=int, metavar="K", help="names every random draw (0)")
    train.add_argument("--temperature", metavar="T|auto", help="weight of entropy, reward units")
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder (runs/ENV-seedK)")
    train.add_argument("--threads", type=int, metavar="T", help="threads; no result depends on it")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run; no ENV then")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a setting; may be given again",
    )
    train.add_argument("--quiet", action="store_true", help="print the result line alone")

    evaluate = commands.add_parser("evaluate", help="evaluate the agent of a run folder")
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--episodes", type=int, default=10, metavar="E")
    evaluate.add_argument("--seed", type=int, default=0, metavar="K")
    evaluate.add_argument("--threads", type=int, metavar="T")

    plot = commands.add_parser("plot", help="draw learning.png and policy.png of run folders")
    plot.add_argument("run", type=Path, nargs="+", metavar="RUN")
    plot.add_argument("--out", type=Path, metavar="DIR", help="where to (the first RUN)")
    return parser


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    from wpg.agents import parse_settings

    texts = {}
    for pair in arguments.settings:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair!r}: it must be KEY=VALUE")
        texts[key.strip()] = value.strip()
    if arguments.temperature is not None:
        texts["temperature"] = arguments.temperature
    return parse_settings(texts)


def _train(arguments: argparse.Namespace) -> int:
    from wpg import runs

    if arguments.resume is not None:
        fixed = {
            "ENV": arguments.env,
            "--total-steps": arguments.total_steps,
            "--seed": arguments.seed,
            "--temperature": arguments.temperature,
            "--out": arguments.out,
            "--critic": arguments.critic,
            "--set": arguments.settings or None,
        }
        given = [name for name, value in fixed.items() if value is not None]
        if given:
            raise UsageError(
                f"--resume takes everything from the run; leave out {', '.join(given)}"
            )
        folder = arguments.resume
        result = runs.resume(folder, quiet=arguments.quiet)
    else:
        if arguments.env is None:
            raise UsageError("which environment? wpg train ENV, for instance wpg train Pendulum-v1")
        seed = 0 if arguments.seed is None else arguments.seed
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed is {seed}; it must be from 0 to 2^63 - 1")
        folder = runs.new_folder(arguments.env, seed) if arguments.out is None else arguments.out
        result = runs.train(
            arguments.env,
            seed=seed,
            total_steps=3000 if arguments.total_steps is None else arguments.total_steps,
            folder=folder,
            settings=_settings(arguments),
            quiet=arguments.quiet,
        )
    _draw(folder)
    print(
        f"{result['env']} seed {result['seed']}: mean return {result['mean_return']:.1f} over "
        f"{len(result['returns'])} episodes after {result['env_steps']} steps in "
        f"{result['wall_seconds']:.1f} s -> {folder}"
    )
    return 0


def _draw(folder: Path) -> None:
    from wpg import plots

    try:
        plots.plot_learning([folder], folder / "learning.png")
    except ImportError:
        print("no learning.png: pip install 'wpg[plot]' for pictures", file=sys.stderr)


def _evaluate(arguments: argparse.Namespace) -> int:
    from wpg import runs

    outcome = runs.evaluate_run(arguments.run, episodes=arguments.episodes, seed=arguments.seed)
    for episode, (total, length) in enumerate(zip(outcome.returns, outcome.lengths, strict=True)):
        print(f"episode {episode}: return {total:.1f}, {length} steps")
    print(f"mean return {outcome.mean:.1f} +- {outcome.std:.1f}")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from wpg import plots

    for path in plots.plot_runs(arguments.run, arguments.out):
        print(path)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 done, 2 bad input, 130 stopped by Ctrl-C."""
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
        if getattr(arguments, "threads", None) is not None:
            from wpg.threads import set_num_threads

            set_num_threads(arguments.threads)
        command = {"train": _train, "evaluate": _evaluate, "plot": _plot}[arguments.command]
        return command(arguments)
    except (UsageError, ValueError, TypeError) as error:
        print(f"wpg: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
