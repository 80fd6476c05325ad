"""What runs are called beside one another: by what each has that the others have not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Kind", "labels", "setting_text"]


class Kind(NamedTuple):
    """All that a run was asked to be, save its seed and its length."""

    env: str
    agent: str
    critic: str
    settings: dict[str, Any]


def labels(kinds: Sequence[Kind], *, longest: int | None = None) -> list[str]:
    """Agent and critic, and the settings that differ between runs of this agent and critic in one
    of the environments; so a label means the same in all of them.

        labels([Kind("Pendulum-v1", "wpg", "kernel", {"temperature": t}) for t in (0.1, 1.0)])
        # ['wpg kernel temperature=0.1', 'wpg kernel temperature=1.0']

    Settings are written as `--set` takes them; with `longest`, no more than so many, then "…".
    """
    first: dict[tuple[str, str, str], Kind] = {}
    differing: dict[tuple[str, str], set[str]] = {}
    for kind in kinds:
        other = first.setdefault(kind[:3], kind)
        differing.setdefault(kind[1:3], set()).update(
            name
            for name in kind.settings.keys() | other.settings.keys()
            if kind.settings.get(name) != other.settings.get(name)
        )
    found = []
    for kind in kinds:
        there = [name for name in kind.settings if name in differing[kind[1:3]]]
        parts = [kind.agent, kind.critic]
        parts += [f"{name}={setting_text(kind.settings[name])}" for name in there[:longest]]
        if longest is not None and len(there) > longest:
            parts.append("…")
        found.append(" ".join(parts))
    return found


def setting_text(value: Any) -> str:
    """The value as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
