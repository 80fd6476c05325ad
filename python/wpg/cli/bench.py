"""wpg bench."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["add", "require_writable"]


def add(commands: Any) -> None:
    """The parser of this command."""
    bench = commands.add_parser(
        "bench", help="measure the compiled routines, or compare them with other libraries"
    )
    against = bench.add_mutually_exclusive_group()
    against.add_argument(
        "--peers", action="store_true", help="against NumPy, PyTorch and JAX, where installed"
    )
    against.add_argument(
        "--scaling", action="store_true", help="several threads (2) against one, in wall time"
    )
    bench.add_argument("--filter", default="", metavar="TEXT", help="only names that contain it")
    bench.add_argument("--list", action="store_true", help="print the names and leave")
    bench.add_argument("--repetitions", type=int, metavar="R", help="timings of each (15; 21)")
    bench.add_argument(
        "--min-time", type=float, metavar="S", help="seconds of one timing (0.02; peers 0.01)"
    )
    bench.add_argument("--threads", type=int, metavar="N", help="(1)", dest="bench_threads")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    bench.set_defaults(command=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    from wpg import benchmarks
    from wpg.checkpoint import write_json

    compares = arguments.peers or arguments.scaling
    if arguments.list:
        names = benchmarks.work_names() if compares else benchmarks.case_names()
        print("\n".join(name for name in names if arguments.filter in name))
        return 0
    path: Path | None = arguments.json
    if path is not None:
        require_writable(path)
    given = {
        "filter": arguments.filter,
        "repetitions": arguments.repetitions,
        "min_time": arguments.min_time,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    count: int | None = arguments.bench_threads
    if arguments.peers:
        if count not in (None, 1):
            raise UsageError(
                "--peers compares on one thread; leave out --threads, or use --scaling"
            )
        return benchmarks.run_peers(**options, json_path=path)
    if arguments.scaling:
        wanted = 2 if count is None else count
        return benchmarks.run_scaling(**options, threads_wanted=wanted, json_path=path)
    figures = benchmarks.run_cases(**options, threads=1 if count is None else count)
    if path is not None:
        write_json(path, figures)
    return 0


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written before minutes of measuring, not after."""
    import os

    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: it must be a file in a folder that exists")
