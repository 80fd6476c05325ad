"""A sweep from its start, or from where it was left, to its table."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from wpg import runs
from wpg.checkpoint import write_text
from wpg.errors import UsageError
from wpg.intervals import interquartile_mean, stratified_bootstrap
from wpg.progress_line import LiveLine, duration
from wpg.sweep.request import Request, SweepRun, is_sweep
from wpg.sweep.workers import Processes, Workers
from wpg.tables import aligned

__all__ = ["sweep"]


def sweep(
    folder: Path,
    request: Request | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    quiet: bool = False,
    stream: TextIO | None = None,
) -> int:
    """Work on all runs of a sweep that are not finished, and print its table.

    Parameters
    ----------
    folder : of the sweep
    request : what `Request.complete` gave; None for what the folder was begun with. It may have
        more series and seeds than that, but has to have the same ones
    workers : runs at a time; None for the processors that there are
    ray : None for processes of this machine, "" for a Ray cluster that is started here, or the
        address of one
    quiet : print the table alone
    stream : where progress goes; None for standard error

    Returns
    -------
    0, or 1 if runs have failed, which are named and do not stop the others.

    Errors: `UsageError` before the first run starts. `KeyboardInterrupt` with the number of the
    signal after Ctrl-C or SIGTERM, when every run has a checkpoint.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"workers is {workers}; it must be at least 1")
    if request is None:
        request, asked = Request.read(folder), False
    else:
        asked = True
    with contextlib.ExitStack() as locked, contextlib.ExitStack() as at_work:
        begun = is_sweep(folder)
        if begun:
            locked.callback(os.close, runs.lock_folder(folder))
            request.require_extends(Request.read(folder), folder)
        every = request.runs(folder)
        for run in every:
            run.check()
        waiting = [run for run in every if not run.finished]
        if not asked:
            for series in {run.series.name: run.series for run in waiting}.values():
                series.complete(request.seeds[0])
        crew = _crew(workers, ray) if waiting else None
        if crew is not None:
            at_work.callback(crew.close)
        if not begun:
            runs.make_folder(folder)
            locked.callback(os.close, runs.lock_folder(folder))
        request.write(folder)
        progress = _Progress(every, quiet=quiet, stream=stream)
        failed: dict[SweepRun, str] = {}
        try:
            if crew is not None:
                failed = _work_off(waiting, crew, progress)
        except KeyboardInterrupt:
            done = sum(run.finished for run in every)
            progress.say(
                f"stopped with {done} of {len(every)} runs done; go on with: "
                f"{_again(request, folder)}"
            )
            raise
        finally:
            progress.clear()
            write_text(folder / "sweep.csv", _rows_text(every, failed))
    print(_table(request, every))
    return _tell_failures(failed, _again(request, folder))


def _crew(workers: int | None, ray: str | None) -> Workers:
    processors = len(os.sched_getaffinity(0))
    if ray is None:
        return Processes(workers or processors)
    from wpg.sweep.on_ray import RayTasks

    return RayTasks(ray, workers if ray else workers or processors)


def _again(request: Request, folder: Path) -> str:
    return "the same command" if request.modules else f"wpg sweep --resume {folder}"


def _tell_failures(failed: dict[SweepRun, str], again: str) -> int:
    for run, said in failed.items():
        print(f"failed: {run.name}: {said}", file=sys.stderr)
    if failed:
        print(f"try these again with: {again}", file=sys.stderr)
    return 1 if failed else 0


# Work


class _Signals:
    """How often Ctrl-C or SIGTERM has come, and which was the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None

    @contextlib.contextmanager
    def looked_after(self) -> Iterator[None]:
        def note(signum: int, frame: Any) -> None:
            self.count += 1
            self.first = self.first or signum

        # Python lets only the main thread look after signals.
        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _work_off(todo: list[SweepRun], crew: Workers, progress: _Progress) -> dict[SweepRun, str]:
    """Start runs wherever there is room until all have ended; those that failed, and why."""
    waiting, in_work = deque(todo), set[SweepRun]()
    failed: dict[SweepRun, str] = {}
    signals, told = _Signals(), 0
    with signals.looked_after():
        while in_work or (waiting and not signals.count):
            while waiting and len(in_work) < crew.capacity and not signals.count:
                run = waiting.popleft()
                crew.start(run)
                in_work.add(run)
            if signals.count > told:
                if told:
                    crew.kill()
                else:
                    progress.say(
                        f"stopping {crew.in_work()} runs at the end of their step; once more to "
                        "kill them"
                    )
                    crew.stop()
                told = signals.count
            for run, said in crew.ended():
                in_work.remove(run)
                if run.finished:
                    progress.finished(run)
                elif not told:
                    failed[run] = said
                    progress.failed(run, said)
            progress.show(in_work, crew.in_work())
    if signals.count:
        raise KeyboardInterrupt(signals.first)
    return failed


# The terminal


class _Progress(LiveLine):
    """A line for each run that ends, and on a terminal one that says how far all are."""

    def __init__(self, every: list[SweepRun], *, quiet: bool, stream: TextIO | None) -> None:
        super().__init__(quiet=quiet, stream=stream, interval=0.5)
        self.every = every
        self.done = sum(run.finished for run in every)
        self._of_ended = sum(run.series.total_steps for run in every if run.finished)
        self._earlier = {run: run.env_steps() for run in every if not run.finished}
        self._total = sum(run.series.total_steps for run in every)
        self._before = self._of_ended + sum(self._earlier.values())
        self._began = time.monotonic()
        if self.done:
            self.say(f"{self.done} of {len(every)} runs are done already")

    def finished(self, run: SweepRun) -> None:
        self.done += 1
        self._earlier.pop(run)
        self._of_ended += run.series.total_steps
        result = run.result()
        self.say(
            f"{run.name}: mean return {_number(result['mean_return'])}, "
            f"{result['wall_seconds']:.1f} s   ({self.done} of {len(self.every)} done)"
        )

    def failed(self, run: SweepRun, said: str) -> None:
        # What it has not done is not ahead of us any more.
        self._earlier.pop(run)
        self._of_ended += run.env_steps()
        self._total -= run.series.total_steps - run.env_steps()
        self.say(f"{run.name} failed: {said}")

    def show(self, in_work: set[SweepRun], count: int) -> None:
        """The living line; `count` runs are worked on, `in_work` may hold some that wait too."""
        now = time.monotonic()
        if not self.due(now):
            return
        steps = self._of_ended + sum(
            run.env_steps() if run in in_work else before for run, before in self._earlier.items()
        )
        parts = [
            f"{self.done}/{len(self.every)} runs done, {count} in work",
            f"{steps / max(self._total, 1):.0%} of all steps",
        ]
        rate = (steps - self._before) / (now - self._began)
        if rate > 0:
            parts += [f"{rate:.0f} steps/s", f"{duration((self._total - steps) / rate)} left"]
        self.draw(parts, now)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


# The table


def _rows_text(every: list[SweepRun], failed: dict[SweepRun, str]) -> str:
    """sweep.csv: one row a run, with the varied settings."""
    varied = list(dict.fromkeys(key for run in every for key in run.series.varied))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    numbers = ("env_steps", "mean_return", "wall_seconds")
    table.writerow(["env", "label", "agent", "critic", *varied, "seed", "state", *numbers])
    for run in every:
        one = run.series
        state = "finished" if run.finished else "failed" if run in failed else "unfinished"
        result = run.result() if run.finished else {"env_steps": run.env_steps()}
        settings = [one.settings.get(key, "") for key in varied]
        cells = [result.get(name) for name in numbers]
        table.writerow(
            [one.env, one.label, one.agent, one.critic, *settings, run.seed, state]
            + ["" if cell is None else cell for cell in cells]
        )
    return text.getvalue()


def _table(request: Request, every: list[SweepRun]) -> str:
    """One row a series: scores are the mean returns of its runs."""
    rows = [["environment", "label", "seeds", "mean", "IQM", "95 % interval", "seconds a run"]]
    for one in request.series:
        of_series = [run for run in every if run.series == one]
        results = [run.result() for run in of_series if run.finished]
        scores = [result["mean_return"] for result in results]
        n = len(of_series)
        seeds = str(n) if len(scores) == n else f"{len(scores)} of {n}"
        mean = iqm = interval = seconds = "-"
        if scores:
            seconds = f"{sum(result['wall_seconds'] for result in results) / len(results):.1f}"
        if scores and None not in scores:
            mean = _number(sum(scores) / len(scores))
            estimate, low, high = stratified_bootstrap([scores], interquartile_mean)
            iqm = _number(estimate)
            if len(scores) > 1:  # one run says nothing about others
                interval = f"{_number(low)} to {_number(high)}"
        rows.append([one.env, one.label, seeds, mean, iqm, interval, seconds])
    return aligned(rows, right=range(2, len(rows[0])))
