"""Which runs belong together: those that differ in their seeds alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wpg.labels import Kind, labels
from wpg.runs import Run

__all__ = ["Group", "grouped"]

LEGEND_SETTINGS = 3  # of a label: more of them hide the curves


@dataclass(frozen=True)
class Group:
    """Runs of one environment, agent, critic and settings."""

    env: str
    label: str  # what the runs have that others have not
    runs: tuple[Path, ...]


def grouped(runs: Sequence[Path]) -> list[Group]:
    """Groups in the order of their first runs; a folder that is given twice counts once."""
    found: dict[str, tuple[Kind, list[Path]]] = {}
    for run in {path.resolve(): path for path in runs}.values():
        config = Run(run).read_config()
        kind = Kind(*(config[name] for name in Kind._fields))
        found.setdefault(json.dumps(kind, sort_keys=True), (kind, []))[1].append(run)
    names = labels([kind for kind, _ in found.values()], longest=LEGEND_SETTINGS)
    return [
        Group(kind.env, name, tuple(together))
        for name, (kind, together) in zip(names, found.values(), strict=True)
    ]
