"""Settings of an agent: a frozen dataclass, filled from keywords or from texts, checked once."""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any, TypeVar

import numpy as np

from wpg.errors import UsageError

__all__ = ["as_dict", "checked", "from_keywords", "from_texts", "setting"]

C = TypeVar("C")


def setting(default: Any, low: float = -math.inf, high: float = math.inf, **more: Any) -> Any:
    """A field of a config: its default, its bounds, and `kinds` and `choices` where it has them."""
    return dataclasses.field(default=default, metadata={"bounds": (low, high), **more})


def _fields(config: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(config)}


# What is no setting, and how it is given
ELSEWHERE = {
    "env": "ENV",
    "agent": "--agent",
    "critic": "--critic",
    "seed": "--seed",
    "total_steps": "--total-steps",
}


def _unknown(config: type[Any], key: str) -> UsageError:
    if key in ELSEWHERE:
        return UsageError(f"{key} is no setting; it is given as {ELSEWHERE[key]}")
    near = difflib.get_close_matches(key, _fields(config), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_fields(config))}"
    return UsageError(f"there is no setting {key!r}{hint}")


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value in the type of the field's default; numbers only where a number is wanted."""
    kinds = field.metadata.get("kinds", (type(field.default),))
    bounds = field.metadata.get("bounds")
    choices = field.metadata.get("choices")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    right = type(value) in kinds and (not choices or not isinstance(value, str) or value in choices)
    if not right:
        wanted = " or ".join(
            ", ".join(map(repr, choices)) if kind is str and choices else kind.__name__
            for kind in kinds
        )
        raise UsageError(f"{field.name} is {value!r}; it must be {wanted}")
    if isinstance(value, (int, float)) and bounds is not None:
        low, high = bounds
        if not math.isfinite(value) or not low <= value <= high:
            raise UsageError(f"{field.name} is {value!r}; it must be from {low} to {high}")
    return value


def checked(config: type[Any], settings: dict[str, Any]) -> dict[str, Any]:
    """These settings in the types of their fields; UsageError names an unknown key and suggests the
    nearest."""
    fields = _fields(config)
    for key in settings:
        if key not in fields:
            raise _unknown(config, key)
    return {key: _checked(fields[key], value) for key, value in settings.items()}


def from_keywords(config: type[C], settings: dict[str, Any]) -> C:
    """A config with these settings, checked."""
    return config(**checked(config, settings))


def from_texts(config: type[Any], texts: dict[str, str]) -> dict[str, Any]:
    """Settings from KEY=VALUE texts, each read in the type of its field."""
    fields = _fields(config)
    settings: dict[str, Any] = {}
    for key, text in texts.items():
        if key not in fields:
            raise _unknown(config, key)
        kinds = fields[key].metadata.get("kinds", (type(fields[key].default),))
        settings[key] = _checked(fields[key], _read(text, kinds))
    return settings


def _read(text: str, kinds: tuple[type, ...]) -> Any:
    for kind in kinds:
        try:
            if kind is bool:
                return {"true": True, "false": False}[text.lower()]
            if kind in (int, float):
                return kind(text)
        except (ValueError, KeyError):
            continue
    return text


def as_dict(config: Any) -> dict[str, Any]:
    """All settings, for a config file."""
    return dataclasses.asdict(config)
