"""wpg train."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["add", "add_configuration", "configuration"]


def add(commands: Any) -> None:
    """The parser of this command."""
    train = commands.add_parser("train", help="train an agent and write a run folder")
    add_configuration(train)
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder (runs/ENV-seedK)")
    train.add_argument("--threads", type=int, metavar="T", help="threads; no result depends on it")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run; no ENV then")
    train.add_argument(
        "--tensorboard", action="store_true", help="event files in the run folder too"
    )
    train.add_argument("--quiet", action="store_true", help="print the result line alone")
    train.set_defaults(command=_train)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """The options that say how an environment is trained."""
    parser.add_argument("env", nargs="?", metavar="ENV", help="id of a Gymnasium environment")
    parser.add_argument(
        "--critic",
        choices=["kernel", "neural"],
        help="kind of soft Q-function (of ENV's named configuration, or kernel)",
    )
    parser.add_argument(
        "--agent",
        choices=["wpg", "sac"],
        help="particles, or a Gaussian a state: soft actor-critic (wpg)",
    )
    parser.add_argument(
        "--total-steps",
        type=int,
        metavar="N",
        help="environment steps (of ENV's named configuration, or 3000; neural 100000)",
    )
    parser.add_argument("--seed", type=int, metavar="K", help="names every random draw (0)")
    parser.add_argument("--temperature", metavar="T|auto", help="weight of entropy, reward units")
    parser.add_argument(
        "--num-envs", type=int, metavar="N", help="environments whose steps are taken together (1)"
    )
    parser.add_argument(
        "--async-envs", action="store_true", default=None, help="each in a process of its own"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file, as `wpg config ENV` prints it"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a setting; may be given again",
    )


def configuration(arguments: argparse.Namespace) -> Any:
    """What these options and the files they name say."""
    from wpg.configurations import configure

    texts = {}
    for pair in arguments.settings:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair!r}: it must be KEY=VALUE")
        texts[key.strip()] = value.strip()
    for name in ("temperature", "num_envs", "async_envs"):
        if getattr(arguments, name) is not None:
            texts[name] = str(getattr(arguments, name))
    return configure(
        arguments.env,
        file=arguments.config,
        agent=arguments.agent,
        critic=arguments.critic,
        seed=arguments.seed,
        total_steps=arguments.total_steps,
        texts=texts,
    )


def _train(arguments: argparse.Namespace) -> int:
    from wpg import runs

    if arguments.resume is not None:
        fixed = {
            "ENV": arguments.env,
            "--total-steps": arguments.total_steps,
            "--seed": arguments.seed,
            "--temperature": arguments.temperature,
            "--out": arguments.out,
            "--agent": arguments.agent,
            "--critic": arguments.critic,
            "--num-envs": arguments.num_envs,
            "--async-envs": arguments.async_envs,
            "--config": arguments.config,
            "--tensorboard": arguments.tensorboard or None,
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
        c = configuration(arguments)
        folder = runs.new_folder(c.env, c.seed) if arguments.out is None else arguments.out
        result = runs.train(
            c.env,
            seed=c.seed,
            total_steps=c.total_steps,
            folder=folder,
            settings=c.settings,
            agent=c.agent,
            critic=c.critic,
            quiet=arguments.quiet,
            tensorboard=arguments.tensorboard,
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
