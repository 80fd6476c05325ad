"""Saved agents: one npz file, arrays and a JSON text, nothing that could run code.

Files are written beside their place and renamed, so a reader sees the old one or the new one and a
kill at any moment loses neither.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.errors import CheckpointError, UsageError

__all__ = [
    "CHECKPOINT",
    "part",
    "read_checkpoint",
    "read_meta",
    "write_arrays",
    "write_checkpoint",
    "write_json",
    "write_text",
]

CHECKPOINT = Path("checkpoint") / "agent.npz"  # in a run folder
FORMAT = "wpg agent"
VERSION = 2
_META = "meta.json"


def _replace(path: Path, write: Any) -> None:
    path = Path(os.path.realpath(path))  # what a link leads to, and not the link
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file that could be replaced")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    _replace(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, which knows no NaN and no infinity, whole or not at all: null in their place."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    write_text(path, json.dumps(plain(content), indent=2, allow_nan=False) + "\n")


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write an npz file whole or not at all."""
    _replace(path, lambda file: np.savez(file, **arrays))


def write_checkpoint(path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write an agent whole or not at all."""
    text = json.dumps({"format": FORMAT, "version": VERSION, **meta}, allow_nan=False)
    write_arrays(path, {_META: np.frombuffer(text.encode(), dtype=np.uint8), **arrays})


def part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with "prefix.", by the rest of their names."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(meta, arrays) of a saved agent; CheckpointError if the file is none, or damaged."""
    return _read(path, with_arrays=True)


def read_meta(path: Path) -> dict[str, Any]:
    """What a saved agent says of itself, in milliseconds however many arrays it has;
    CheckpointError if the file is none or was cut off. Other damage shows when it is read."""
    return _read(path, with_arrays=False)[0]


def _read(path: Path, *, with_arrays: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give a saved agent or a run folder")
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (file.files if with_arrays else [_META])}
        meta = json.loads(arrays.pop(_META).tobytes().decode())
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        UnicodeDecodeError,
    ) as error:
        raise CheckpointError(
            f"{path} is no saved agent, or it is damaged ({type(error).__name__}: {error})"
        ) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise CheckpointError(f"{path} is an npz file, but holds no saved agent")
    if meta.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {meta.get('version')!r}; this wpg reads version {VERSION}"
        )
    return meta, arrays
