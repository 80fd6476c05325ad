"""Where the runs of a sweep are worked on: tasks of one processor each in a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import traceback
from typing import Any
from urllib.parse import urlsplit

from wpg.errors import UsageError
from wpg.sweep.request import SweepRun
from wpg.sweep.workers import POLL, do, error_line

__all__ = ["RayTasks"]

ANSWER_SECONDS = 30  # in which a cluster has to answer
RETRIES = 5  # of a run whose worker was lost
# No news home, no colours of accelerators, no log lines of its core but the fatal ones.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"


class RayTasks:
    """A task for each run, in a worker process of its own. `address` is that of a cluster, "" for
    one that is started here and ends with the sweep; `count` limits the runs at a time.

    A worker that is lost is replaced by Ray, and its run goes on from the last checkpoint. All
    nodes must see the sweep's folder under the same path, and have wpg, environments and an
    instruction set alike: the last bits of kernel sums and networks depend on the latter.
    """

    def __init__(self, address: str, count: int | None) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise UsageError("--ray needs Ray: pip install 'wpg[ray]'") from None
        self._ray: Any = ray
        options: dict[str, Any] = {"address": address}
        if address:
            _require_answer(address)
        else:
            # Runs are files, so there is nothing for Ray to store: the least that it takes.
            options = {
                "address": "local",
                "num_cpus": count,
                "include_dashboard": False,
                "object_store_memory": 80 * 2**20,
            }
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        except (RuntimeError, ConnectionError, ValueError, OSError) as error:
            raise UsageError(f"Ray does not start: {error_line(error)}") from None
        self.capacity = sys.maxsize if count is None else count
        self._processors = int(ray.cluster_resources().get("CPU", 1))
        self._task = ray.remote(num_cpus=1, max_calls=1, max_retries=RETRIES)(_first_of_task())
        self._refs: dict[Any, SweepRun] = {}

    def start(self, run: SweepRun) -> None:
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        self._refs[self._task.remote(run.job() | _here())] = run

    def ended(self) -> list[tuple[SweepRun, str]]:
        ready, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=POLL)
        return [(self._refs.pop(ref), self._end(ref)) for ref in ready]

    def _end(self, ref: Any) -> str:
        try:
            said: str = self._ray.get(ref)
        except Exception as error:  # of Ray: the worker was lost too often, or the task was stopped
            return error_line(error)
        return said

    def in_work(self) -> int:
        return min(len(self._refs), self._processors)

    def stop(self) -> None:
        for ref in self._refs:
            self._ray.cancel(ref)  # Ctrl-C in its worker

    def kill(self) -> None:
        for ref in self._refs:
            self._ray.cancel(ref, force=True)

    def close(self) -> None:
        if self._refs:
            self.stop()
            self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=ANSWER_SECONDS)
        self._ray.shutdown()


def _first_of_task() -> Any:
    """A function that Ray sends as it stands, so that a worker needs no path to find it."""

    def first(job: dict[str, Any]) -> str:
        import sys

        sys.path += [path for path in job["path"] if path not in sys.path]
        from wpg.sweep.on_ray import task

        return task(job)

    return first


def _here() -> dict[str, Any]:
    import wpg

    return {"path": sys.path, "version": wpg.__version__}


def _require_answer(address: str) -> None:
    """UsageError if no cluster answers there.

    `ray.init` would try for minutes, and what it meets may end the process: another one asks first.
    """
    place = urlsplit(address if "//" in address else f"//{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError:
        raise UsageError(f"--ray {address!r}: it must be HOST:PORT") from None
    if host is not None and port is not None:
        try:
            socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            raise UsageError(f"Ray at {address} does not answer: {error}") from None
    try:
        subprocess.run(
            [sys.executable, "-c", PROBE, address],
            check=True,
            capture_output=True,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"Ray at {address} does not answer within {ANSWER_SECONDS} seconds"
        ) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(
            f"Ray at {address} cannot be used: {said[-1] if said else error}"
        ) from None


# In the worker


def task(job: dict[str, Any]) -> str:
    """One run; what went wrong, in one line. What it prints goes to its log."""
    import wpg

    node = socket.gethostname()
    if wpg.__version__ != job["version"]:
        return f"wpg {wpg.__version__} on {node}; the sweep has {job['version']}"
    try:
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open(job["log"], "a"))
            stack.enter_context(contextlib.redirect_stdout(log))
            stack.enter_context(contextlib.redirect_stderr(log))
            try:
                do(job)
            except Exception:
                traceback.print_exc()
                raise
    except KeyboardInterrupt as error:
        if error.args and error.args[0] == signal.SIGTERM:
            os._exit(1)  # the node is going away, not the sweep: Ray starts the run elsewhere
        raise
    except Exception as error:
        return error_line(error)
    finally:
        with contextlib.suppress(OSError):
            if not os.path.getsize(job["log"]):
                os.unlink(job["log"])
    return f"it ended well on {node}, whose files are not seen here; all nodes must share --out"
