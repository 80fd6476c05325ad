"""Run folders: what a training run writes, how it goes on after a kill.

config.json        environment, agent, critic, seed and every setting
progress.csv       one row per training episode
evaluations.csv    env_steps, mean_return, std_return
checkpoint/        agent.npz: all that is needed to go on, written about once a second
clouds/            particles over the Gibbs density at every evaluation, see `wpg.clouds`
result.json        the final evaluation
tensorboard/       event files, where asked for
learning.png       return against steps, where matplotlib is installed
error.txt          what an environment raised, if it did
.lock              held by the process that writes to the folder
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from wpg import clouds
from wpg.agents import Callback, load, make_agent
from wpg.checkpoint import CHECKPOINT, write_checkpoint, write_json, write_text
from wpg.errors import CheckpointError, EpisodeError, UsageError
from wpg.evaluation import Evaluation
from wpg.progress_line import ProgressLine
from wpg.tensorboard import TensorBoard

__all__ = [
    "CLOUDS",
    "Run",
    "agent_file",
    "choose_folder",
    "folder_name",
    "holds_something",
    "load_agent",
    "lock_folder",
    "make_folder",
    "new_folder",
    "resume",
    "train",
]

FORMAT = 2  # of config.json, which says what all other files hold
CLOUDS = "clouds"
EPISODE = ("env_steps", "episode", "return", "length")  # of progress.csv; the agent adds its own
EVALUATIONS = ("env_steps", "mean_return", "std_return")


def progress_header(agent: Any) -> tuple[str, ...]:
    """The columns of an agent's progress.csv."""
    return (*EPISODE, *agent.progress, "wall_seconds")


def new_folder(env_id: str, seed: int) -> Path:
    """A folder under runs/ for a training run that does not exist yet."""
    return _free_folder(f"{folder_name(env_id)}-seed{seed}")


def folder_name(env_id: str) -> str:
    """An environment's id as one part of a path."""
    return env_id.replace("/", "-").replace(":", "-")


def _free_folder(name: str) -> Path:
    for n in range(1, 10_000):
        folder = Path("runs") / (name if n == 1 else f"{name}-{n}")
        if not folder.exists():
            return folder
    raise UsageError("runs/ is full of runs of this kind; give --out")


def choose_folder(name: str, out: Path | None) -> Path:
    """`out`, or a folder of this name under runs/, which is not made yet; one that holds something
    or cannot be made is refused."""
    folder = _free_folder(name) if out is None else out
    if folder.exists() and holds_something(folder):
        raise UsageError(f"{folder} exists; nothing was written. Choose another --out")
    above = next(path for path in folder.absolute().parents if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UsageError(f"cannot make {folder}: {above} is no folder that can be written to")
    return folder


def holds_something(folder: Path) -> bool:
    """Anything but what a process that was killed may have left before its first file."""
    return not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir())


def make_folder(folder: Path) -> None:
    """Make a folder with its parents."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror}") from None


def lock_folder(folder: Path) -> int:
    """A descriptor with a folder's lock, which goes with the process, however it ends."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UsageError(
            f"another process writes to {folder}; wait for it, or choose another --out"
        ) from None
    return lock


class Run:
    """One run folder, and the callback that keeps it."""

    def __init__(self, folder: Path, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.folder = folder
        self.line = ProgressLine(quiet=quiet, stream=stream)
        self.started = time.monotonic()
        self.seconds_before = 0.0
        self._stopped_by: int | None = None  # a signal
        self._saved = time.monotonic()
        self._seconds_to_save = 0.0

    # The folder

    def create(self, config: dict[str, Any], agent: Any) -> None:
        """Begin an agent's run in a folder that is locked; one that holds a run is left alone."""
        if (self.folder / "config.json").exists():
            raise UsageError(
                f"{self.folder} exists; nothing was written. Choose another --out, or go on with "
                f"--resume {self.folder}"
            )
        choose_folder("", self.folder)
        write_json(self.folder / "config.json", config)
        for name, header in self._tables(agent):
            write_text(self.folder / name, ",".join(header) + "\n")

    @staticmethod
    def _tables(agent: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return ("progress.csv", progress_header(agent)), ("evaluations.csv", EVALUATIONS)

    def read_config(self) -> dict[str, Any]:
        """What config.json says; UsageError if this is no run folder."""
        path = self.folder / "config.json"
        try:
            config = json.loads(path.read_text())
            if not isinstance(config, dict) or not isinstance(config["settings"], dict):
                raise ValueError("wants env, agent, critic, seed, total_steps and settings")
            if type(config.get("format")) is not int or config["format"] != FORMAT:
                raise ValueError(
                    f"its format is {config.get('format')!r}, and this wpg reads {FORMAT}: use the "
                    "wpg that wrote it"
                )
            if not isinstance(config["env"], str) or ":" in config["env"]:
                raise ValueError("env is not a plain environment id")
            for name, least in (("seed", 0), ("total_steps", 1)):
                if type(config[name]) is not int or config[name] < least:
                    raise ValueError(f"{name} is {config[name]!r}")
            if not all(isinstance(config[name], str) for name in ("agent", "critic")):
                raise ValueError("agent and critic are no names")
        except FileNotFoundError:
            raise UsageError(f"{self.folder} is no run folder: it has no config.json") from None
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            said = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise CheckpointError(f"{path} cannot be read: {said}") from None
        return config

    def read_result(self) -> dict[str, Any]:
        """What result.json says of a finished run."""
        path = self.folder / "result.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text())
            numbers = ("env_steps", "wall_seconds", "mean_return")
            if not all(isinstance(content[name], (int, float)) for name in numbers):
                raise ValueError(f"{', '.join(numbers)} must be numbers")
            content["env"], content["seed"], len(content["returns"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            said = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise CheckpointError(
                f"{path} cannot be read: {said}; remove it, and the run ends once more"
            ) from None
        return content

    def cut_back(self, agent: Any) -> None:
        """Drop the rows and clouds that came after the agent's checkpoint: the run will write them
        again."""
        env_steps = agent.env_steps
        for name, header in self._tables(agent):
            path = self.folder / name
            kept = [",".join(header)]
            if path.exists():
                for row in path.read_text().splitlines()[1:]:
                    cells = row.split(",")
                    whole = len(cells) == len(header) and cells[0].isdigit()
                    if whole and int(cells[0]) <= env_steps:
                        kept.append(row)
            write_text(path, "\n".join(kept) + "\n")
        clouds.drop_after(self.folder / CLOUDS, env_steps)

    # The callback

    def __call__(self, agent: Any, event: str, record: dict[str, Any]) -> None:
        self.line(agent, event, record)
        if event == "episode":
            self._append(
                "progress.csv", progress_header(agent), {**record, "wall_seconds": self.seconds()}
            )
        elif event == "evaluation":
            self._append("evaluations.csv", EVALUATIONS, record)
            clouds.record(agent, self.folder / CLOUDS)
        elif event == "step":
            # A checkpoint may have hundreds of megabytes: one a second, or a twentieth of the time,
            # loses little to a kill.
            now = time.monotonic()
            stopped = self._stopped_by is not None
            if stopped or now - self._saved > max(1.0, 20 * self._seconds_to_save):
                self.save(agent)
            if stopped:
                raise KeyboardInterrupt(self._stopped_by)

    def save(self, agent: Any) -> None:
        """Write a checkpoint: between two steps, so that nothing is half done."""
        started = time.monotonic()
        meta, arrays = agent.snapshot()
        meta["wall_seconds"] = self.seconds()
        write_checkpoint(self.folder / CHECKPOINT, meta, arrays)
        self._saved = time.monotonic()
        self._seconds_to_save = self._saved - started

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """The time in which this process writes to the folder. Ctrl-C and SIGTERM wait for the end
        of the step; a second one does not."""

        def stop(signum: int, frame: Any) -> None:
            if self._stopped_by is not None:
                raise KeyboardInterrupt(signum)
            self._stopped_by = signum
            if not self.line.quiet:  # past the streams, whose locks this thread may hold
                os.write(2, b"\nstopping after this step; once more: at once\n")

        # Python lets only the main thread look after signals.
        main = threading.current_thread() is threading.main_thread()
        signals = [signal.SIGINT, signal.SIGTERM] if main else []
        if main and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # by nohup
            signals.append(signal.SIGHUP)
        lock = lock_folder(self.folder)
        before = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(lock)

    def finish(self, agent: Any, result: Evaluation) -> dict[str, Any]:
        """result.json."""
        self.line.clear()
        content = {
            "env": agent.env.name,
            "seed": agent.seed,
            "env_steps": agent.env_steps,
            "wall_seconds": self.seconds(),
            "mean_return": result.mean,
            "returns": list(result.returns),
        }
        write_json(self.folder / "result.json", content)
        return content

    def seconds(self) -> float:
        """Wall time of this run, all its parts together."""
        return round(self.seconds_before + time.monotonic() - self.started, 3)

    def _append(self, name: str, header: tuple[str, ...], record: dict[str, Any]) -> None:
        with open(self.folder / name, "a", newline="") as file:
            # The line ends of `cut_back`, so that a run that was resumed has the same bytes.
            csv.writer(file, lineterminator="\n").writerow([_cell(record[key]) for key in header])


def _cell(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def train(
    env_id: str,
    *,
    seed: int,
    total_steps: int,
    folder: Path,
    settings: dict[str, Any],
    agent: str = "wpg",
    critic: str = "kernel",
    quiet: bool = False,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Train from the start in a new folder; returns the content of result.json.

    tensorboard : write event files too, into the folder `tensorboard`
    """
    if total_steps < 1:
        raise UsageError(f"total_steps is {total_steps}; it must be at least 1")
    learner = make_agent(env_id, agent=agent, critic=critic, seed=seed, **settings)
    run = Run(folder, quiet=quiet)
    config = {
        "format": FORMAT,
        "env": learner.env.name,
        "seed": seed,
        "total_steps": total_steps,
        "agent": agent,
        "critic": critic,
        "settings": learner.settings.as_dict(),
    }
    if not (folder / "config.json").exists():
        choose_folder("", folder)
    make_folder(folder)
    with run.working():
        run.create(config, learner)
        callbacks: list[Callback] = [run]
        if tensorboard:
            callbacks.append(TensorBoard(folder / "tensorboard"))
        return _go_on(learner, run, total_steps, callbacks)


def resume(folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Go on from the last checkpoint of a run to its configured end."""
    run = Run(folder, quiet=quiet)
    config = run.read_config()
    if (folder / "result.json").exists():
        content = run.read_result()
        run.line.say(f"{folder} is finished already")
        return content
    agent = make_agent(
        config["env"],
        agent=config["agent"],
        critic=config["critic"],
        seed=config["seed"],
        **config["settings"],
    )
    with run.working():
        if (folder / CHECKPOINT).exists():
            meta = agent.restore(folder / CHECKPOINT)
            _require_same_run(run, config, meta)
            run.seconds_before = float(meta.get("wall_seconds", 0.0))
        run.cut_back(agent)
        run.line.say(f"going on with {folder} at step {agent.env_steps}")
        callbacks: list[Callback] = [run]
        if (folder / "tensorboard").is_dir():
            try:
                callbacks.append(TensorBoard(folder / "tensorboard", first_step=agent.env_steps))
            except UsageError as error:
                run.line.say(f"nothing more for TensorBoard: {error}")
        return _go_on(agent, run, config["total_steps"], callbacks)


def _require_same_run(run: Run, config: dict[str, Any], meta: dict[str, Any]) -> None:
    """CheckpointError if config.json was changed, or is another run's."""
    there = {"env": meta["env"], "seed": meta["seed"], **meta["config"]}
    here = {"env": config["env"], "seed": config["seed"], **config["settings"]}
    for name in sorted(there.keys() & here.keys()):
        if there[name] != here[name]:
            raise CheckpointError(
                f"{run.folder}: {name} is {here[name]!r} in config.json and {there[name]!r} in the "
                "checkpoint; restore the one that belongs to the run"
            )


def _go_on(agent: Any, run: Run, total_steps: int, callbacks: Sequence[Callback]) -> dict[str, Any]:
    with contextlib.ExitStack() as open_things:
        for thing in (agent, *callbacks):
            open_things.callback(getattr(thing, "close", lambda: None))
        try:
            if agent.env_steps < total_steps:
                agent.learn(total_steps - agent.env_steps, callback=callbacks)
                run.save(agent)
            result = agent.evaluate()
        except KeyboardInterrupt:
            run.line.say(f"stopped; go on with: wpg train --resume {run.folder}")
            raise
        except Exception as error:
            run.line.clear()
            go_on = f"go on with: wpg train --resume {run.folder}"
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                raise UsageError(
                    f"cannot write to {run.folder}: {error.strerror or error}; its last checkpoint "
                    f"is whole: {go_on}"
                ) from error
            # An environment has failed, in training or in an evaluation; the agent is whole.
            if agent.episodes.failed or isinstance(error, EpisodeError):
                run.save(agent)
            if isinstance(error, EpisodeError):
                path = run.folder / "error.txt"
                write_text(path, "".join(traceback.format_exception(error)))
                raise EpisodeError(f"{error} ({path}); {go_on}") from error
            if agent.episodes.failed:
                raise type(error)(f"{error}; {go_on}") from error
            raise
        return run.finish(agent, result)


def agent_file(path: Path) -> Path:
    """The file that holds the agent of a run folder; a saved file is its own."""
    if not path.is_dir():
        return path
    Run(path).read_config()
    if not (path / CHECKPOINT).exists():
        raise UsageError(f"{path} has no checkpoint yet; go on with: wpg train --resume {path}")
    return path / CHECKPOINT


def load_agent(path: Path) -> Any:
    """The agent of a run folder or of a saved file."""
    return load(agent_file(path))
