"""Where the runs of a sweep are worked on: processes of this machine.

A process is started afresh, not forked: threads that this one has started would be missing in a
fork. It reads what to do from a pipe and keeps its end: when the sweep's own process is gone,
however it ended, the pipe is closed, and the run stops at the end of its step as after a SIGTERM.
The operating system's parent-death signal would not do: it is about the thread that started the
process, and misses a parent that dies before the child has asked for it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from wpg import runs
from wpg.errors import UsageError
from wpg.sweep.request import SweepRun
from wpg.threads import set_num_threads

__all__ = ["Processes", "Workers", "do", "error_line", "last_line_of", "work"]

POLL = 0.1  # seconds
# A run whose sweep was killed a moment ago is still writing its checkpoint.
SECONDS_UNTIL_FREE = 30.0
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WPG_NUM_THREADS"), "1"
)
# Modules come from where this process has them.
CHILD = (
    "import json, sys; job = json.loads(sys.stdin.buffer.raw.readline()); "
    "sys.path[:] = job['path']; from wpg.sweep.workers import work; sys.exit(work(job))"
)


class Workers(Protocol):
    """What works on runs."""

    capacity: int  # runs at a time

    def start(self, run: SweepRun) -> None: ...

    def ended(self) -> list[tuple[SweepRun, str]]:
        """Runs that have ended since the last call, and what was said at their end; waits for a
        moment if there are none."""

    def in_work(self) -> int:
        """Runs that are worked on now."""

    def stop(self) -> None:
        """Let all runs stop at the end of their step, with a checkpoint."""

    def kill(self) -> None:
        """Do not wait for the end of the step."""

    def close(self) -> None:
        """Leave nothing behind."""


class Processes:
    """A process for each run, `capacity` at a time."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._processes: list[tuple[SweepRun, subprocess.Popen[bytes]]] = []

    def start(self, run: SweepRun) -> None:
        runs.make_folder(run.folder.parent)
        job = run.job() | {"path": sys.path}
        with open(run.log, "ab") as log:
            process = subprocess.Popen(
                # The folder is there for people who look at the list of processes.
                [sys.executable, "-P", "-c", CHILD, str(run.folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | ONE_THREAD,
                process_group=0,  # Ctrl-C on the terminal is for us, who pass it on once
            )
        self._processes.append((run, process))
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and is found so
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()

    def ended(self) -> list[tuple[SweepRun, str]]:
        done = [(run, process) for run, process in self._processes if process.poll() is not None]
        if not done:
            time.sleep(POLL)
        for run, process in done:
            self._processes.remove((run, process))
            _close(process)
        return [(run, _end(run, process.returncode)) for run, process in done]

    def in_work(self) -> int:
        return len(self._processes)

    def stop(self) -> None:
        for _, process in self._processes:
            process.terminate()

    def kill(self) -> None:
        for _, process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.stop()
        for run, process in self._processes:
            _end(run, process.wait())
            _close(process)
        self._processes.clear()


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close our end of the pipe."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # what had not been written is for nobody
        process.stdin.close()


def _end(run: SweepRun, status: int) -> str:
    said = ""
    with contextlib.suppress(OSError):
        with open(run.log, "rb") as file:
            said = last_line_of(file)
        if not said:
            run.log.unlink()
    if status < 0:
        return f"killed by {_signal_name(-status)}"
    if status > 128:
        return f"stopped by {_signal_name(status - 128)}"
    return said or f"ended with status {status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line_of(file: BinaryIO) -> str:
    """The last line of a file that says something."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


# In the worker


def do(job: dict[str, Any]) -> None:
    """One run from the start, or from where it was left, on one thread."""
    set_num_threads(1)
    for module in job["modules"]:
        importlib.import_module(module)
    folder = Path(job["folder"])
    if (folder / "config.json").exists():
        wait_until_free(folder)
        runs.resume(folder, quiet=True)
        return
    runs.train(
        job["env"],
        seed=job["seed"],
        total_steps=job["total_steps"],
        folder=folder,
        settings=job["settings"],
        agent=job["agent"],
        critic=job["critic"],
        quiet=True,
    )


def wait_until_free(folder: Path) -> None:
    """Until no process writes to a run's folder; UsageError where one still does after a while."""
    deadline = time.monotonic() + SECONDS_UNTIL_FREE
    while True:
        try:
            os.close(runs.lock_folder(folder))
            return
        except UsageError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL)


def work(job: dict[str, Any]) -> int:
    """What a process of a sweep does; the exit status."""
    threading.Thread(target=_stop_without_parent, daemon=True).start()
    try:
        do(job)
    except KeyboardInterrupt as error:
        return 128 + (error.args[0] if error.args else signal.SIGINT)
    except Exception as error:
        traceback.print_exc()
        print(error_line(error), file=sys.stderr)
        return 1
    return 0


def error_line(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _stop_without_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
