"""What a sweep was asked for, the runs that this makes, and where they stand."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpg import runs
from wpg.agents import make_agent
from wpg.checkpoint import write_json
from wpg.errors import CheckpointError, UsageError

__all__ = ["Request", "Series", "SweepRun", "choose_folder", "is_sweep", "run_folders"]

FORMAT = 1  # of sweep.json
FILE = "sweep.json"


@dataclass(frozen=True)
class Series:
    """Runs that differ in their seed alone: one row of the table.

    label : names the agent, its critic and the varied settings; a folder has this name
    settings : those of `wpg train --set`, in the types of the agent's settings
    varied : which of them the sweep varies
    """

    env: str
    label: str
    agent: str
    critic: str
    total_steps: int
    settings: dict[str, Any]
    varied: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.env} {self.label}"

    def complete(self, seed: int) -> Series:
        """The same with every setting, of an agent that is made for it and closed again: what is
        wrong with environment or settings is an error now."""
        agent = make_agent(
            self.env, agent=self.agent, critic=self.critic, seed=seed, **self.settings
        )
        with contextlib.closing(agent):
            return dataclasses.replace(self, settings=agent.settings.as_dict())


@dataclass(frozen=True, eq=False)
class SweepRun:
    """One run of a sweep, equal to itself alone."""

    series: Series
    seed: int
    folder: Path
    modules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.series.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def started(self) -> bool:
        return (self.folder / "config.json").exists()

    @property
    def finished(self) -> bool:
        return (self.folder / "result.json").exists()

    def result(self) -> dict[str, Any]:
        """What result.json says."""
        path = self.folder / "result.json"
        try:
            content = json.loads(path.read_text())
            return {key: content[key] for key in ("env_steps", "wall_seconds", "mean_return")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} cannot be read: {error!r}") from None

    def env_steps(self) -> int:
        """Steps up to the last episode that ended; of a run in work, what its log says."""
        if self.finished:
            return self.series.total_steps
        try:
            with open(self.folder / "progress.csv", "rb") as file:
                file.seek(max(0, file.seek(0, 2) - 1000))
                rows = file.read().decode(errors="replace").splitlines()
        except OSError:
            return 0
        first = rows[-1].split(",")[0] if rows else ""
        return min(int(first), self.series.total_steps) if first.isdigit() else 0

    def job(self) -> dict[str, Any]:
        """What a worker is told, as JSON."""
        return {
            "folder": str(self.folder.absolute()),
            "log": str(self.log.absolute()),
            "env": self.series.env,
            "agent": self.series.agent,
            "critic": self.series.critic,
            "seed": self.seed,
            "total_steps": self.series.total_steps,
            "settings": self.series.settings,
            "modules": self.modules,
        }

    def check(self) -> None:
        """Refuse a folder that holds something else than this run."""
        if self.started:
            config = runs.Run(self.folder).read_config()
            expected = self.job()
            for name in ("env", "agent", "critic", "seed", "total_steps"):
                if config[name] != expected[name]:
                    raise UsageError(
                        f"{self.folder} is another run: {name} is {config[name]!r} there and "
                        f"{expected[name]!r} in the sweep; move it away"
                    )
            changed = _changed(config["settings"], self.series.settings)
            if changed:
                raise UsageError(f"{self.folder} is another run: {changed[0]}; move it away")
        elif self.folder.exists() and runs.holds_something(self.folder):
            raise UsageError(f"{self.folder} exists and is no run folder; move it away")


@dataclass(frozen=True)
class Request:
    """Series x seeds.

    modules : what has to be imported for their environments, by whoever asks; no file of a sweep
        names them, because opening a file runs no code
    """

    series: tuple[Series, ...]
    seeds: tuple[int, ...]
    modules: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __post_init__(self) -> None:
        places: dict[str, str] = {}
        for one in self.series:
            if ":" in one.env:
                raise UsageError(f"{one.env} is not a plain environment id")
            place = str(_place(one))
            if place in places:
                other = places[place]
                twice = one.name if other == one.name else f"the folder of {other} and {one.name}"
                raise UsageError(f"{twice} is asked for twice")
            places[place] = one.name

    def complete(self) -> Request:
        """The same with every setting of every series; UsageError if something cannot be made."""
        for module in self.modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise UsageError(f"{module} cannot be imported: {error}") from None
        series = tuple(one.complete(self.seeds[0]) for one in self.series)
        return dataclasses.replace(self, series=series)

    def runs(self, folder: Path) -> list[SweepRun]:
        """All runs, the first seed of every series before the second of any."""
        return [
            SweepRun(one, seed, folder / _place(one) / f"seed{seed}", self.modules)
            for seed, one in itertools.product(self.seeds, self.series)
        ]

    def write(self, folder: Path) -> None:
        write_json(
            folder / FILE,
            {
                "format": FORMAT,
                "seeds": list(self.seeds),
                "series": [dataclasses.asdict(one) for one in self.series],
            },
        )

    @classmethod
    def read(cls, folder: Path) -> Request:
        """What sweep.json says; UsageError if this is no folder of a sweep."""
        path = folder / FILE
        try:
            content = json.loads(path.read_text())
            if content.get("format") != FORMAT:
                raise ValueError(
                    f"its format is {content.get('format')!r}, and this wpg reads {FORMAT}: use "
                    "the wpg that wrote it"
                )
            series = tuple(
                Series(**{**one, "varied": tuple(one["varied"])}) for one in content["series"]
            )
            seeds = tuple(content["seeds"])
            parts = [p for one in series for p in (one.label, one.env)]
            if not series or not seeds or not all(type(seed) is int for seed in seeds):
                raise ValueError("wants seeds and series")
            if any(type(p) is not str or not p or ".." in p or p[0] == "/" for p in parts):
                raise ValueError("env and label are no names")
            return cls(series, seeds)
        except FileNotFoundError:
            raise UsageError(f"{folder} is no folder of a sweep: it has no {FILE}") from None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {error!r}") from None

    def require_extends(self, old: Request, folder: Path) -> None:
        """UsageError that says what differs if a run of `old` is not one of this request."""
        now = {str(_place(one)): one for one in self.series}
        found = []
        for before in old.series:
            after = now.get(str(_place(before)))
            if after is None:
                found.append(f"{before.name} is left out now")
                continue
            for name in ("env", "agent", "critic", "total_steps"):
                there, here = getattr(before, name), getattr(after, name)
                if there != here:
                    found.append(f"{name} of {before.name} is {there} there and {here} now")
            found += [
                f"{change} ({before.name})" for change in _changed(before.settings, after.settings)
            ]
        gone = sorted(set(old.seeds) - set(self.seeds))
        if gone:
            found.append(
                f"seed {gone[0]} is left out now (there: {min(old.seeds)} to {max(old.seeds)})"
            )
        if found:
            more = f", and {len(found) - 3} more" if len(found) > 3 else ""
            raise UsageError(
                f"{folder} holds another sweep: {', '.join(found[:3])}{more}; choose another "
                f"--out, or go on with that one: wpg sweep --resume {folder}"
            )


def _place(series: Series) -> Path:
    return Path(runs.folder_name(series.env)) / series.label


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two sets of settings, in words."""
    missing = "not known"
    return [
        f"{key} is {before.get(key, missing)} there and {after.get(key, missing)} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, missing) != after.get(key, missing)
    ]


def is_sweep(folder: Path) -> bool:
    """Is there a sweep to go on with? UsageError if the folder holds anything else."""
    if (folder / FILE).exists():
        return True
    runs.choose_folder("", folder)
    return False


def run_folders(
    paths: Sequence[Path], *, finished: bool, say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """These paths, and in the place of a sweep's folder those of its runs: those that have begun,
    or with `finished` those that have ended.

    say : is told in a line how many of a sweep are left out
    """
    found = []
    for path in paths:
        if not (path / FILE).exists():
            found.append(path)
            continue
        every = Request.read(path).runs(path)
        there = [run.folder for run in every if (run.finished if finished else run.started)]
        what = "finished" if finished else "begun"
        if not there:
            raise UsageError(f"{path}: no run of this sweep has {what}")
        if len(there) < len(every):
            say(f"{path}: {len(every) - len(there)} of {len(every)} runs have not {what}")
        found += there
    return found


def choose_folder(request: Request, out: Path | None) -> Path:
    """`out`, or the folder under runs/ of a sweep that was asked for in the same words, or else one
    that does not exist yet."""
    if out is not None:
        return out
    for folder in sorted(Path("runs").glob("sweep*")):
        with contextlib.suppress(UsageError):
            if Request.read(folder) == request:
                return folder
    return runs.choose_folder("sweep", None)
