"""The C++ tests under the address, undefined-behaviour and thread sanitizers.

    python bench/sanitizers.py [asan] [tsan] [--update] [-DEigen3_DIR=...]

Configures, builds and tests the presets (both if none is named) from nothing, or with --update from
what an earlier build left, and records how many tests passed, and on which commit; what is not run
again stays in the record. Any report of a sanitizer ends its test, so a pass is a clean run. Do not
touch the sources meanwhile: a build mixed from two states of them reports what neither has.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent))

import record

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ("asan", "tsan")


def main() -> None:
    started = record.machine()
    chosen = [word for word in sys.argv[1:] if word in PRESETS] or list(PRESETS)
    update = "--update" in sys.argv
    options = [word for word in sys.argv[1:] if word not in (*PRESETS, "--update")]
    before = record.RESULTS / "sanitizers.json"
    figures: dict[str, Any] = json.loads(before.read_text())["figures"] if before.exists() else {}
    failed = False
    for preset in chosen:
        commit = _output("git", "rev-parse", "--short", "HEAD")
        changed = _output("git", "status", "--porcelain", "cpp", "tests/cpp", "tests/cuda*") != ""
        if not update:
            shutil.rmtree(ROOT / "build" / preset, ignore_errors=True)
        _run("cmake", "--preset", preset, *options)
        _run("cmake", "--build", "--preset", preset)
        said = ROOT / "build" / preset / "tests.xml"
        said.unlink(missing_ok=True)
        tested = subprocess.run(
            ["ctest", "--preset", preset, "--output-junit", str(said)], cwd=ROOT, check=False
        )
        if not said.exists():
            raise SystemExit(f"ctest --preset {preset} said nothing of its tests")
        suite = ElementTree.parse(said).getroot().attrib
        count = int(suite["tests"])
        bad = sum(int(suite[kind]) for kind in ("failures", "disabled", "skipped"))
        figures[preset] = {
            "tests": count,
            "passed": count - bad,
            "commit": commit,
            "uncommitted changes": changed,
        }
        failed = failed or bad > 0 or tested.returncode != 0
        record.write("sanitizers", figures, started)
    raise SystemExit(1 if failed else 0)


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
