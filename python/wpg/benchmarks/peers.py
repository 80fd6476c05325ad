"""The same work in wpg and in other libraries, on one thread: answers first, then times in turn.

Libraries read their number of threads when they are loaded, so everything runs in a process of its
own, on one processor.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from wpg import _core, threads
from wpg.benchmarks.alternation import LEAST_ROUNDS, Ratio, alternate, ratio_of
from wpg.benchmarks.works import Form, Work, build_works, disagreement
from wpg.checkpoint import write_text
from wpg.errors import UsageError

__all__ = ["LIBRARIES", "compare_forms", "compare_work", "main", "run_peers", "run_scaling"]

LIBRARIES = {"NumPy": "numpy", "PyTorch": "torch", "JAX": "jax"}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "WPG_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}

Say = Callable[[str], None]


def _check_protocol(rounds: int, min_time: float) -> None:
    if rounds < LEAST_ROUNDS:
        raise UsageError(f"repetitions is {rounds}; a 95 % interval wants at least {LEAST_ROUNDS}")
    if not 0 < min_time <= 60:
        raise UsageError(f"min_time is {min_time}; it must be above 0 and at most 60 seconds")


def run_peers(
    *, filter: str = "", repetitions: int = 21, min_time: float = 0.01, json_path: Path | None
) -> int:
    """Compare with the libraries that are installed, in a process of its own.

    Prints a table and writes `json_path`. Returns 0, or 1 if an answer disagreed with ours.

    Errors: UsageError for a filter that lets nothing through, fewer than 6 repetitions, or a time
    out of range.
    """
    _check_protocol(repetitions, min_time)
    build_works(filter)
    options = {"filter": filter, "repetitions": repetitions, "min_time": min_time}
    command = [sys.executable, "-m", "wpg.benchmarks", json.dumps(options)]
    if json_path is not None:
        command.append(str(json_path.resolve()))
    return subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=False).returncode


def _libraries() -> dict[str, Any]:
    """Each library's module of forms, or why there is none."""
    found: dict[str, Any] = {}
    for name, module in LIBRARIES.items():
        if importlib.util.find_spec(module) is None:
            found[name] = "not installed"
            continue
        try:
            found[name] = importlib.import_module(f"wpg.benchmarks.{module}_forms")
        except Exception as error:  # a damaged installation is no reason to stop
            found[name] = f"cannot be loaded: {_first_line(error)}"
    return found


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _quick(form: Form) -> float:
    """Least processor time of three calls after the first, for the whole work."""
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        form.call()
        best = min(best, time.process_time() - begin)
    return best / form.share


def compare_forms(
    work: Work,
    ours: Form,
    form: Form,
    *,
    rounds: int,
    min_time: float,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """Times of both in turn: nanoseconds an item, and the ratio of the form's over ours."""
    times = alternate(ours.call, form.call, rounds=rounds, min_time=min_time, clock=clock)
    theirs = [seconds / form.share for seconds in times.second]
    ratio = ratio_of(theirs, times.first)
    return {
        "ours_ns_per_item": _nanoseconds(times.first, work.items),
        "other_ns_per_item": _nanoseconds(theirs, work.items),
        "ratio": ratio.as_dict(),
    }


def _nanoseconds(seconds: Sequence[float], items: float) -> dict[str, float]:
    scaled = 1e9 * np.array(seconds) / items
    return {"least": float(scaled.min()), "median": float(np.median(scaled))}


def compare_work(
    work: Work, libraries: Mapping[str, Any], *, rounds: int, min_time: float, say: Say
) -> list[dict[str, Any]]:
    """One entry for each library: its fastest form that gives our answer, against ours.

    `libraries` maps a name to something with `forms(work)`, or to words that say why there is none.
    A form whose answer disagrees is named and not timed; one that raises is left out.
    """
    entries = []
    ours = work.ours.answer()
    candidates: dict[str, Any] = dict(libraries)
    if work.own:
        candidates = {"wpg": SimpleNamespace(forms=lambda _: work.own)}
    for name, library in candidates.items():
        entry: dict[str, Any] = {"work": work.name, "item": work.item, "library": name}
        entries.append(entry)
        if isinstance(library, str):
            entry["status"] = library
            say(_row(work, name, library))
            continue
        tried: dict[str, float] = {}
        good: list[Form] = []
        faults: list[str] = []
        for form in library.forms(work):
            try:
                wrong = disagreement(ours, form.answer(), work)
                if wrong is None:
                    tried[form.name] = 1e9 * _quick(form) / work.items
                    good.append(form)
            except Exception as error:  # a form may want what this machine lacks
                faults.append(f"{form.name}: {_first_line(error)}")
                continue
            if wrong is not None:
                entry.setdefault("disagreements", []).append(f"{form.name}: {wrong}")
                say(_row(work, name, f"DISAGREES, not timed: {form.name}: {wrong}"))
        entry |= {"ns_per_item_of_forms": tried, "left_out": faults}
        if not good:
            entry["status"] = "no form" if "disagreements" not in entry else "disagrees"
            continue
        best = min(good, key=lambda form: tried[form.name])
        entry |= {"status": "timed", "our_form": work.ours.name, "form": best.name}
        entry |= compare_forms(work, work.ours, best, rounds=rounds, min_time=min_time)
        say(_row(work, name, entry))
    return entries


HEAD = (
    f"{'work':<32} {'other':<8} {'wpg':>9} {'other':>9}   {'other / wpg':<11} "
    f"{'95 % interval':<16} form"
)


def _row(work: Work, library: str, entry: dict[str, Any] | str) -> str:
    begin = f"{work.name:<32} {library:<8} "
    if isinstance(entry, str):
        return begin + entry
    ratio = Ratio(**{key: entry["ratio"][key] for key in ("median", "low", "high")})
    times = f"{entry['ours_ns_per_item']['least']:9.4g} {entry['other_ns_per_item']['least']:9.4g}"
    interval = f"{ratio.low:#.3g} to {ratio.high:#.3g}"
    seen = "" if ratio.differs() else "no difference seen; "
    form = f"{entry['form']} over {entry['our_form']}" if work.own else entry["form"]
    return f"{begin}{times}   {ratio.median:<#11.3g} {interval:<16} {seen}{form}"


def _context(libraries: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    versions = {
        name: library if isinstance(library, str) else library.version()
        for name, library in libraries.items()
    }
    return {**json.loads(_core.bench_context()), "libraries": versions, **more}


def _introduce(context: dict[str, Any], say: Say) -> None:
    load = (context["load_avg"] or [0])[0]
    say(
        f"{context['cpu_model']}, {context['num_cpus']} processors, load {load}, "
        f"wpg {context['library_version']}, {context['isa']}"
    )


def _compare_all(options: dict[str, Any], json_path: Path | None, say: Say) -> int:
    libraries = _libraries()
    threads.set_num_threads(1)
    context = _context(libraries, threads=1, protocol=options)
    _introduce(context, say)
    say(", ".join(f"{name} {version}" for name, version in context["libraries"].items()))
    say(
        f"float32, one thread, processor time, {options['repetitions']} rounds in turn; "
        f"ns an item, least\n\n{HEAD}"
    )
    entries: list[dict[str, Any]] = []
    for build in build_works(options["filter"]):
        work = build()
        entries += compare_work(
            work,
            libraries,
            rounds=options["repetitions"],
            min_time=options["min_time"],
            say=say,
        )
    _write(json_path, context, entries)
    return 1 if any("disagreements" in entry for entry in entries) else 0


def _write(path: Path | None, context: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    if path is not None:
        content = {"context": context, "comparisons": entries}
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


MOST_WORK_OF_ONE_THREAD = 1_000_000  # items; below that threads are not the question


def run_scaling(
    *,
    threads_wanted: int = 2,
    filter: str = "",
    repetitions: int = 21,
    min_time: float = 0.02,
    json_path: Path | None = None,
    say: Say = print,
) -> int:
    """Several threads against one, ours against ours, in wall time.

    For every work of at least a million items. The bits must be equal. Returns 0, or 1 if they are
    not.

    Errors: as `run_peers`, and for fewer than two threads or no work of that size.
    """
    _check_protocol(repetitions, min_time)
    if threads_wanted < 2:
        raise UsageError(f"threads is {threads_wanted}; scaling wants at least 2")
    works = build_works(filter)
    context = _context({}, threads=threads_wanted, protocol={"repetitions": repetitions})
    entries: list[dict[str, Any]] = []
    before = threads.get_num_threads()
    try:
        for build in works:
            work = build()
            if work.items < MOST_WORK_OF_ONE_THREAD or work.kind == "same":
                continue
            if not entries:
                _introduce(context, say)
                say(_scaling_head(threads_wanted, repetitions))
            entries.append(_scale(work, threads_wanted, repetitions, min_time))
            entry = entries[-1]
            if entry["status"] != "timed":
                say(f"{work.name:<32} {entry['status']}")
                continue
            ratio = entry["ratio"]
            seen = "" if ratio["verdict"] == "differs" else "  no difference seen"
            say(
                f"{work.name:<32} {entry['ours_ns_per_item']['least']:10.4g} "
                f"{entry['other_ns_per_item']['least']:9.4g}   {ratio['median']:<#9.3g}   "
                f"{ratio['low']:#.3g} to {ratio['high']:#.3g}{seen}"
            )
    finally:
        threads.set_num_threads(before)
    if not entries:
        raise UsageError(f"no work with {filter!r} in its name has a million items")
    _write(json_path, context, entries)
    return 1 if any(entry["status"] != "timed" for entry in entries) else 0


def _scaling_head(threads_wanted: int, rounds: int) -> str:
    there = len(os.sched_getaffinity(0))
    few = "; too few, no gain is to be expected" if there < threads_wanted else ""
    return (
        f"float32, wall time, 1 thread over {threads_wanted} on {there} processors{few}; "
        f"{rounds} rounds in turn; ns an item, least\n\n"
        f"{'work':<32} {threads_wanted:>2} threads  1 thread   1 over {threads_wanted}    "
        "95 % interval"
    )


def _scale(work: Work, most: int, rounds: int, min_time: float) -> dict[str, Any]:
    # A flow is what is measured; the gradients beside it are measured as kernel_q.
    form = work.own[0] if work.own else work.ours

    def on(count: int) -> Form:
        def call() -> object:
            threads.set_num_threads(count)
            return form.call()

        def answer() -> tuple[Any, ...]:
            threads.set_num_threads(count)
            return form.answer()

        return Form(f"{count} threads", call, answer)

    several, one = on(most), on(1)
    entry: dict[str, Any] = {"work": work.name, "item": work.item, "threads": most}
    same = all(np.array_equal(a, b) for a, b in zip(several.answer(), one.answer(), strict=True))
    if not same:
        return {**entry, "status": f"{most} threads give other bits than one"}
    found = compare_forms(
        work, several, one, rounds=rounds, min_time=min_time, clock=time.perf_counter
    )
    return {**entry, "status": "timed", **found}


def main(arguments: Sequence[str]) -> int:
    """In the process of its own: everything on one processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    options = json.loads(arguments[0])
    path = Path(arguments[1]) if len(arguments) > 1 else None

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        return _compare_all(options, path, say)
    except KeyboardInterrupt:
        return 130
