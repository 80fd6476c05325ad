"""What can be shown of the CUDA routines where there is no GPU: they compile and link for every
generation without a warning, nvcc's host pass has the CPU's bits, all tests pass on the host, and
the package works without a driver.

    python bench/cuda/without_gpu.py [CMAKE OPTION ...]      -> bench/results/cuda_without_gpu.json

Wants nvcc, cmake and ninja, what the project's build wants (pybind11, Eigen), and pytest with what
the tests import. Ten minutes of a core or so, most of them nvcc's.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "without_gpu"


def run(*command: Any, **environment: Any) -> tuple[str, float]:
    """What a command prints, which must succeed, and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout[-3000:])
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tests(*arguments: str, **environment: Any) -> str:
    """The last line of a run of pytest."""
    said, _ = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, **environment
    )
    return said.strip().splitlines()[-1]


def main() -> None:
    options = ("-DCMAKE_BUILD_TYPE=Release", "-DWPG_CUDA=ON", "-DWPG_TESTS=ON", "-DWPG_PYTHON=ON")
    configured, _ = run("cmake", "-S", ".", "-B", BUILD, "-G", "Ninja", *options, *sys.argv[1:])
    run("ninja", "-C", BUILD, "wpg_core")  # not part of what is timed
    said, seconds = run("ninja", "-C", BUILD, "wpg_cuda", "_cuda")
    figures: dict[str, Any] = {
        "generations": re.findall(r"CUDA routines: ON (.*)", configured)[0].split(";"),
        "nvcc": re.findall(r"CUDA compiler identification is (.*)", configured)[:1],
        "warnings": len(re.findall("warning", said, re.IGNORECASE)),
        "CPU seconds of wpg_cuda and _cuda": round(seconds, 1),
    }
    run("ninja", "-C", BUILD)
    said, _ = run("ctest", "--test-dir", BUILD, "-R", "cuda|host_pass|ptx", "--output-on-failure")
    figures["C++ tests"] = re.findall(r"(test_\w+) \.+\s*(\**\w+)", said)

    package = BUILD / "package" / "wpg"
    shutil.rmtree(package.parent, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "wpg", package, ignore=shutil.ignore_patterns("*.so"))
    for module in (BUILD / "python" / "bindings").glob("_c*.so"):
        shutil.copy(module, package)
        if module.name.startswith("_cuda"):
            figures["bytes of _cuda"] = module.stat().st_size
    path = {"PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT / "tests" / "python")])}
    figures["Python tests without a driver"] = tests("tests/python/test_cuda.py", **path)
    figures["Python tests on the host"] = tests(
        "tests/python", "-k", "cuda", WPG_CUDA_ON_HOST=BUILD / "cuda_on_host", **path
    )

    sys.path[:0] = [str(package.parent), str(ROOT / "bench")]
    import record

    record.write("cuda_without_gpu", figures, record.machine())


if __name__ == "__main__":
    main()
