"""Which runs belong together: those that differ in their seeds alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpg.runs import Run

__all__ = ["Group", "grouped"]


@dataclass(frozen=True)
class Group:
    """Runs of one environment, agent, critic and settings."""

    env: str
    label: str  # what the runs have that others of the environment have not
    runs: tuple[Path, ...]


def grouped(runs: Sequence[Path]) -> list[Group]:
    """Groups in the order of their first runs; a folder that is given twice counts once."""
    found: dict[str, list[Path]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for run in {path.resolve(): path for path in runs}.values():
        config = Run(run).read_config()
        alike = [config[name] for name in ("env", "agent", "critic", "settings")]
        key = json.dumps(alike, sort_keys=True)
        found.setdefault(key, []).append(run)
        configs[key] = config
    return [
        Group(config["env"], _label(config, list(configs.values())), tuple(found[key]))
        for key, config in configs.items()
    ]


def _label(config: dict[str, Any], all_configs: list[dict[str, Any]]) -> str:
    """Agent and critic, and the settings in which others of this kind differ."""
    kind = ("env", "agent", "critic")
    alike = [c["settings"] for c in all_configs if all(c[k] == config[k] for k in kind)]
    differing = [
        f"{name} {value}"
        for name, value in config["settings"].items()
        if any(settings.get(name) != value for settings in alike)
    ]
    more = ["…"] if len(differing) > 3 else []
    return ", ".join([f"{config['agent']} {config['critic']}", *differing[:3], *more])
