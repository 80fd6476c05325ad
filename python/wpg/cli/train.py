"""wpg train."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["add"]

# Of a run that says nothing else: what each kind of critic needs on the tasks that it is for.
TOTAL_STEPS = {"kernel": 3000, "neural": 100_000}


def add(commands: Any) -> None:
    """The parser of this command."""
    train = commands.add_parser("train", help="train an agent and write a run folder")
    train.add_argument("env", nargs="?", metavar="ENV", help="id of a Gymnasium environment")
    train.add_argument(
        "--critic", choices=["kernel", "neural"], help="kind of soft Q-function (kernel)"
    )
    train.add_argument(
        "--agent",
        choices=["wpg", "sac"],
        help="particles, or a Gaussian a state: soft actor-critic",
    )
    train.add_argument(
        "--total-steps", type=int, metavar="N", help="environment steps (3000; neural 100000)"
    )
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
    train.set_defaults(command=_train)


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
    return parse_settings(texts, *_agent_and_critic(arguments))


def _agent_and_critic(arguments: argparse.Namespace) -> tuple[str, str]:
    """What was asked for; soft actor-critic has one kind of critic."""
    agent = arguments.agent or "wpg"
    return agent, arguments.critic or ("neural" if agent == "sac" else "kernel")


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
        agent, critic = _agent_and_critic(arguments)
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed is {seed}; it must be from 0 to 2^63 - 1")
        folder = runs.new_folder(arguments.env, seed) if arguments.out is None else arguments.out
        result = runs.train(
            arguments.env,
            seed=seed,
            total_steps=TOTAL_STEPS[critic]
            if arguments.total_steps is None
            else arguments.total_steps,
            folder=folder,
            settings=_settings(arguments),
            agent=agent,
            critic=critic,
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
