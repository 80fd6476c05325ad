"""wpg sweep."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    sweep = commands.add_parser(
        "sweep",
        help="train environments x agents x settings x seeds, several at a time",
        description="Each run is what `wpg train` with the same options gives, in a process of its "
        "own with one thread. The same command again, or --resume DIR, goes on: nothing that was "
        "finished is repeated.",
    )
    sweep.add_argument(
        "--envs",
        nargs="+",
        metavar="ENV",
        help="ids of Gymnasium environments; of one's own: MODULE:ENV",
    )
    sweep.add_argument(
        "--seeds", nargs=2, type=int, metavar=("FROM", "TO"), help="FROM, FROM + 1, ..., TO - 1"
    )
    sweep.add_argument("--agent", nargs="+", choices=["wpg", "sac"], help="as of wpg train")
    sweep.add_argument("--critic", nargs="+", choices=["kernel", "neural"], help="as of wpg train")
    sweep.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file, as `wpg config ENV` prints it"
    )
    sweep.add_argument(
        "--set",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        dest="settings",
        help="change settings of all runs",
    )
    sweep.add_argument(
        "--vary",
        nargs="+",
        action="extend",
        metavar="KEY=V1,V2,...",
        help="runs with each of these values, in all combinations",
    )
    sweep.add_argument("--total-steps", type=int, metavar="N", help="environment steps of a run")
    sweep.add_argument(
        "--workers", type=int, metavar="W", help="runs at a time (the processors there are)"
    )
    sweep.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep (runs/sweep)")
    sweep.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with a sweep as it was asked for"
    )
    sweep.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="work on a Ray cluster, without ADDRESS on one that is started here; all nodes must "
        "see --out under the same path (a shared file system) and have wpg installed",
    )
    sweep.add_argument("--quiet", action="store_true", help="print the table alone")
    sweep.set_defaults(command=_sweep)


def _sweep(arguments: argparse.Namespace) -> int:
    from wpg.sweep import Request, choose_folder, sweep

    request = None
    if arguments.resume is not None:
        fixed = {
            "--envs": arguments.envs,
            "--seeds": arguments.seeds,
            "--agent": arguments.agent,
            "--critic": arguments.critic,
            "--config": arguments.config,
            "--set": arguments.settings,
            "--vary": arguments.vary,
            "--total-steps": arguments.total_steps,
            "--out": arguments.out,
        }
        given = [name for name, value in fixed.items() if value is not None]
        if given:
            raise UsageError(
                f"--resume takes everything from the sweep; leave out {', '.join(given)}"
            )
        folder = arguments.resume
    else:
        for name in ("envs", "seeds"):
            if getattr(arguments, name) is None:
                raise UsageError(
                    f"--{name} is missing; for instance wpg sweep --envs Pendulum-v1 --seeds 0 4"
                )
        first, end = arguments.seeds
        if not 0 <= first < end <= 2**63:
            raise UsageError(
                f"seeds are {first} {end}: from FROM to before TO, 0 <= FROM < TO <= 2^63"
            )
        modules = dict.fromkeys(env.rpartition(":")[0] for env in arguments.envs if ":" in env)
        request = Request(
            tuple(_series(arguments)), tuple(range(first, end)), tuple(modules)
        ).complete()
        folder = choose_folder(request, arguments.out)
    return sweep(
        folder,
        request,
        workers=arguments.workers,
        ray=arguments.ray,
        quiet=arguments.quiet,
    )


def _series(arguments: argparse.Namespace) -> list[Any]:
    """Environments x kinds of agent x varied settings."""
    fixed = dict(_pair("--set", text) for text in arguments.settings or [])
    varied: dict[str, list[str]] = {}
    for text in arguments.vary or []:
        key, values = _pair("--vary", text)
        if key in fixed or key in varied:
            raise UsageError(f"{key} is given twice")
        varied[key] = [value.strip() for value in values.split(",")]
    kinds = _kinds(arguments.agent or [None], arguments.critic or [None])
    return [
        _one(
            env.rpartition(":")[2],
            agent,
            critic,
            fixed,
            dict(zip(varied, values, strict=True)),
            arguments,
        )
        for env in arguments.envs
        for agent, critic in kinds
        for values in itertools.product(*varied.values())
    ]


def _pair(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        wanted = "KEY=VALUE" if option == "--set" else "KEY=V1,V2,..."
        raise UsageError(f"{option} {text!r}: it must be {wanted}")
    return key.strip(), value.strip()


def _kinds(agents: list[Any], critics: list[Any]) -> list[tuple[Any, Any]]:
    """The pairs of an agent and a critic that there are; each name has to be in one of them."""
    pairs = [
        (agent, critic)
        for agent in agents
        for critic in critics
        if not (agent == "sac" and critic == "kernel")
    ]
    for agent in agents:
        if agent not in [pair[0] for pair in pairs]:
            raise UsageError(f"--agent {agent} goes with --critic neural; name that one too")
    for critic in critics:
        if critic not in [pair[1] for pair in pairs]:
            raise UsageError(f"--critic {critic} goes with --agent wpg; name that one too")
    return pairs


def _one(
    env: str,
    agent: str | None,
    critic: str | None,
    fixed: dict[str, str],
    varied: dict[str, str],
    arguments: argparse.Namespace,
) -> Any:
    """The series of one combination, with what `wpg train` would use."""
    from wpg.configurations import configure
    from wpg.sweep import Series

    c = configure(
        env,
        file=arguments.config,
        agent=agent,
        critic=critic,
        total_steps=arguments.total_steps,
        texts=fixed | varied,
    )
    kind = c.agent if c.agent == "sac" else f"{c.agent}-{c.critic}"
    return Series(
        env=c.env,
        label="_".join([kind, *(f"{key}={c.settings[key]}" for key in varied)]),
        agent=c.agent,
        critic=c.critic,
        total_steps=c.total_steps,
        settings=c.settings,
        varied=tuple(varied),
    )
