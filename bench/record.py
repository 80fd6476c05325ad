"""Where measurements are written: one JSON file per benchmark, with command, machine and date."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, load and versions: what a figure depends on."""
    import numpy

    import wpg

    name = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "processor": name,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "instruction_set": wpg.simd_isa(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "wpg": wpg.__version__,
    }


def write(
    name: str,
    figures: dict[str, Any],
    started: dict[str, Any],
    *,
    date: str | None = None,
    path: Path | None = None,
) -> Path:
    """Write bench/results/NAME.json, or `path`, and say so. `date` is today's by default."""
    if path is None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
    # What CMake is told are paths of one machine.
    options = [word for word in sys.argv[1:] if not word.startswith("-D")]
    arguments = [Path(sys.argv[0]).name, *options]
    where = Path(sys.argv[0]).resolve()
    with contextlib.suppress(ValueError):
        arguments[0] = str(where.relative_to(RESULTS.parent.parent))
    content = {
        "command": "python " + shlex.join(arguments),
        "date": date or datetime.date.today().isoformat(),
        "machine": started,
        "figures": figures,
    }
    aside = path.with_suffix(".json.tmp")  # a command that is stopped leaves the old file
    aside.write_text(json.dumps(content, indent=2) + "\n")
    aside.replace(path)
    shown = path.resolve()
    with contextlib.suppress(ValueError):
        shown = shown.relative_to(RESULTS.parent.parent)
    print(f"-> {shown}")
    return path
