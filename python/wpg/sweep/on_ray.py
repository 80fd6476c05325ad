"""Where the runs of a sweep are worked on: tasks of one processor each in a Ray cluster.

Ray is spoken to by a process of its own, the driver. It connects for minutes where nobody answers,
it prints, and it ends its process when a cluster goes away: nothing of that reaches the sweep. Both
talk in lines of JSON; when the sweep's process is gone, however it ended, the driver reads the end
of its input and lets the runs stop with a checkpoint.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any

from wpg import runs
from wpg.errors import UsageError
from wpg.sweep.request import SweepRun
from wpg.sweep.workers import POLL, do, error_line, last_line_of

__all__ = ["RayTasks", "drive", "task"]

ANSWER_SECONDS = 30  # in which a cluster has to answer
RETRIES = 5  # of a run whose worker was lost
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
LOG_HEAD = re.compile(r"^\[[^]]*\] \S+:\d+: ")  # of a line of Ray's core: time, process, place
DRIVER = (
    "import json, sys; first = json.loads(sys.stdin.buffer.raw.readline()); "
    "sys.path[:] = first['path']; from wpg.sweep.on_ray import drive; sys.exit(drive(first))"
)


class _Lines:
    """Lines of JSON from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def read(self, seconds: float) -> list[Any] | None:
        """What has come, waiting for it at most so long; None if nothing will come any more."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return []
        came = os.read(self._descriptor, 2**16)
        if not came:
            return None
        *lines, self._rest = (self._rest + came).split(b"\n")
        return [json.loads(line) for line in lines]


class RayTasks:
    """A task for each run, in a worker process of its own. `address` is that of a cluster, "" for
    one that is started here and ends with the sweep; `count` limits the runs at a time.

    A worker that is lost is replaced by Ray, and its run goes on from its last checkpoint. All
    nodes must see the sweep's folder under the same path, and have the same wpg and environments;
    on one instruction set if the last bits matter, which sums over centres and networks depend on.
    """

    def __init__(self, address: str, count: int | None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UsageError("--ray needs Ray: pip install 'wpg[ray]'")
        self.capacity = sys.maxsize if count is None else count
        self._address = address
        self._runs: dict[int, SweepRun] = {}
        self._number = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the driver)
        self._driver = subprocess.Popen(
            [sys.executable, "-P", "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=QUIET | os.environ,
            process_group=0,  # Ctrl-C on the terminal is for us, who pass it on once
        )
        assert self._driver.stdout is not None
        self._answers = _Lines(self._driver.stdout.fileno())
        try:
            self._tell({"address": address, "count": count, **_here()})
            self._processors = self._first_answer()
        except BaseException:
            self._end_driver()
            raise

    def _tell(self, message: Any) -> None:
        assert self._driver.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the end of its answers will tell
            self._driver.stdin.write(json.dumps(message).encode() + b"\n")
            self._driver.stdin.flush()

    def _first_answer(self) -> int:
        """The processors of the cluster."""
        where = f"Ray at {self._address}" if self._address else "Ray"
        # A cluster that is started here takes its time on a busy machine, but answers.
        patience = ANSWER_SECONDS if self._address else 10 * ANSWER_SECONDS
        deadline = time.monotonic() + patience
        answers: list[Any] | None = []
        while not answers:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UsageError(
                    f"{where} does not answer within {patience} seconds{self._last_words()}"
                )
            answers = self._answers.read(left)
            if answers is None:
                raise UsageError(f"{where} does not work{self._last_words()}")
        if "error" in answers[0]:
            raise UsageError(f"{where}: {answers[0]['error']}{self._last_words()}")
        return int(answers[0]["processors"])

    def _last_words(self) -> str:
        """What the driver has printed last, in brackets."""
        said = LOG_HEAD.sub("", last_line_of(self._log))
        return f" ({said})" if said else ""

    def start(self, run: SweepRun) -> None:
        runs.make_folder(run.folder.parent)
        self._number += 1
        self._runs[self._number] = run
        self._tell({"start": self._number, "job": run.job()})

    def ended(self) -> list[tuple[SweepRun, str]]:
        answers = self._answers.read(POLL)
        if answers is None:
            raise UsageError(
                f"Ray has ended{self._last_words()}; the runs have their checkpoints, and the same "
                "command goes on with them"
            )
        return [(self._runs.pop(answer["ended"]), answer["said"]) for answer in answers]

    def in_work(self) -> int:
        return min(len(self._runs), self._processors)

    def stop(self) -> None:
        self._tell({"stop": False})

    def kill(self) -> None:
        self._tell({"stop": True})

    def close(self) -> None:
        assert self._driver.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._driver.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._driver.wait(2 * ANSWER_SECONDS)
        self._end_driver()

    def _end_driver(self) -> None:
        if self._driver.poll() is None:
            os.killpg(self._driver.pid, signal.SIGKILL)
            self._driver.wait()
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._driver.stdin.close()
        self._driver.stdout.close()
        self._log.close()


def _here() -> dict[str, Any]:
    import wpg

    return {"path": sys.path, "version": wpg.__version__}


# In the driver


def drive(first: dict[str, Any]) -> int:
    """What the driver does, told on standard input; the exit status."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what Ray prints is no answer

    def tell(message: Any) -> None:
        os.write(answers, json.dumps(message).encode() + b"\n")

    import ray

    options: dict[str, Any] = {"address": first["address"]}
    if not first["address"]:
        # Runs are files, so Ray has nothing to store: the least that it takes.
        options = {
            "address": "local",
            "num_cpus": first["count"],
            "include_dashboard": False,
            "object_store_memory": 80 * 2**20,
        }
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        tell({"processors": ray.cluster_resources().get("CPU", 1)})
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        tell({"error": error_line(error)})
        return 1
    go = ray.remote(num_cpus=1, max_calls=1, max_retries=RETRIES)(_first_of_task())
    numbers: dict[Any, int] = {}  # of the runs, by Ray's references to their tasks
    orders = _Lines(0)
    came: list[Any] | None = []
    while came is not None:
        came = orders.read(0.0 if numbers else POLL)
        for order in came or []:
            if "start" in order:
                numbers[go.remote({**order["job"], **_here()})] = order["start"]
            else:
                for ref in numbers:
                    ray.cancel(ref, force=order["stop"])
        if numbers:
            ready, _ = ray.wait(list(numbers), num_returns=1, timeout=POLL)
            for ref in ready:
                tell({"ended": numbers.pop(ref), "said": _said(ref)})
    for ref in numbers:
        ray.cancel(ref)
    if numbers:
        ray.wait(list(numbers), num_returns=len(numbers), timeout=ANSWER_SECONDS)
    ray.shutdown()
    return 0


def _said(ref: Any) -> str:
    import ray

    try:
        said: str = ray.get(ref)
    except Exception as error:  # of Ray: the worker was lost too often, or the task was stopped
        return error_line(error)
    return said


def _first_of_task() -> Any:
    """A function that Ray sends as it stands, so that a worker needs no path to find it."""

    def run(job: dict[str, Any]) -> str:
        import sys

        sys.path += [path for path in job["path"] if path not in sys.path]
        from wpg.sweep.on_ray import task

        return task(job)

    return run


# In the worker


def task(job: dict[str, Any]) -> str:
    """One run; what is wrong if its folder then holds no result. What it prints goes to its log."""
    import wpg

    node = socket.gethostname()
    if wpg.__version__ != job["version"]:
        return f"wpg is {wpg.__version__} on {node}, and {job['version']} here"
    try:
        with (
            open(job["log"], "a") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            try:
                do(job)
            except Exception:
                traceback.print_exc()
                raise
    except KeyboardInterrupt as error:
        if error.args and error.args[0] == signal.SIGTERM:
            os._exit(1)  # the node goes away, not the sweep: Ray starts the run elsewhere
        raise
    except Exception as error:
        return error_line(error)
    finally:
        with contextlib.suppress(OSError):
            if not os.path.getsize(job["log"]):
                os.unlink(job["log"])
    return f"its result is on {node} and not here: all nodes must share the folder of the sweep"
