"""The C++ tests under the address, undefined-behaviour and thread sanitizers.

    python bench/sanitizers.py [-DEigen3_DIR=...]

Configures, builds and tests the presets `asan` and `tsan` from nothing and records how many tests
passed, on which commit. Any report of a sanitizer ends its test, so a pass is a clean run. Do not
touch the sources meanwhile: a build mixed from two states of them reports what neither has.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import record

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    started = record.machine()
    figures: dict[str, object] = {"commit": _output("git", "rev-parse", "--short", "HEAD")}
    figures["uncommitted changes"] = bool(
        _output("git", "status", "--porcelain", "cpp", "tests/cpp")
    )
    failed = False
    for preset in ("asan", "tsan"):
        shutil.rmtree(ROOT / "build" / preset, ignore_errors=True)
        _run("cmake", "--preset", preset, *sys.argv[1:])
        _run("cmake", "--build", "--preset", preset)
        tested = subprocess.run(
            ["ctest", "--preset", preset], cwd=ROOT, capture_output=True, text=True, check=False
        )
        print(tested.stdout)
        total = re.search(r"(\d+) tests failed out of (\d+)", tested.stdout)
        if total is None:
            raise SystemExit(f"ctest --preset {preset} said nothing of its tests")
        bad, count = int(total[1]), int(total[2])
        figures[preset] = {"tests": count, "passed": count - bad}
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
