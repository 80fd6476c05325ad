"""wpg config: what would be used, and who says so."""

from __future__ import annotations

import argparse
from typing import Any

from wpg.cli.train import add_configuration, configuration

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parser of this command."""
    config = commands.add_parser(
        "config", help="print what `wpg train` would use, and where each value comes from"
    )
    add_configuration(config)
    config.set_defaults(command=_config)


def _config(arguments: argparse.Namespace) -> int:
    from wpg.configurations import names

    if arguments.env is None and arguments.config is None:
        print("named configurations: " + ", ".join(names()))
        return 0
    print(configuration(arguments).text(), end="")
    return 0
