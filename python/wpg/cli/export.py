"""wpg export."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    export = commands.add_parser("export", help="write a policy that runs with NumPy alone")
    export.add_argument("run", type=Path, metavar="RUN", help="a run folder, or a saved agent")
    export.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for policy.npz and numpy_policy.py; default: export/ in the run folder",
    )
    export.set_defaults(command=_export)


def _export(arguments: argparse.Namespace) -> int:
    import contextlib

    from wpg import runs

    run: Path = arguments.run
    inside = run if run.is_dir() else run.parent
    folder = inside / "export" if arguments.out is None else arguments.out
    with contextlib.closing(runs.load_agent(run)) as agent:
        policy, module = agent.export_numpy(folder / "policy.npz")
        size, shape = agent.env.observation_size, agent.env.action_shape
        print(f"wrote {policy} and {module}; with both in one folder, and NumPy:")
        print("    from numpy_policy import load")
        print('    policy = load("policy.npz")')
        print(f"    action = policy(observation)  # ({size},) -> {shape}")
    return 0
