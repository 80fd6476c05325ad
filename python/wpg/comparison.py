"""Runs side by side: which belong together, how well they act, and how sure one may be of it.

`read_runs` looks at all of them before anything slow begins, `evaluate_run` takes one after the
other, and a `Comparison` says what came out: `text()` for a terminal, `as_dict()` for JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from wpg.agents import agent_type, config_type, settings
from wpg.agents.interaction import require_mode
from wpg.checkpoint import read_meta
from wpg.envs import make
from wpg.errors import (
    CheckpointError,
    DivergenceError,
    EpisodeError,
    NonFiniteError,
    UsageError,
)
from wpg.evaluation import Evaluation
from wpg.intervals import interquartile_mean, probability_of_improvement, stratified_bootstrap
from wpg.labels import Kind, labels, setting_text
from wpg.runs import Run, agent_file, load_agent
from wpg.tables import aligned

__all__ = [
    "Comparison",
    "EvaluatedRun",
    "Group",
    "Improvement",
    "SavedRun",
    "decimals",
    "evaluate_run",
    "read_runs",
]

CONFIDENCE = 0.95
RESAMPLES = 2000
FEW_SEEDS = 10  # below it, intervals come with a warning
Interval = tuple[float, float]


@dataclass(frozen=True)
class SavedRun:
    """What a run folder or a saved file says of itself before it is loaded."""

    path: Path
    env: str
    agent: str
    critic: str
    seed: int
    settings: dict[str, Any]
    total_steps: int | None  # of a run folder
    label: str = ""  # what it has that others of these runs have not; the seed is no part of it


@dataclass(frozen=True)
class EvaluatedRun:
    """A run and the returns of its agent."""

    run: SavedRun
    env_steps: int
    evaluation: Evaluation

    @property
    def score(self) -> float:
        """The mean return [reward]."""
        return self.evaluation.mean


# Before anything slow


def read_runs(paths: Sequence[Path], *, mode: str = "best") -> list[SavedRun]:
    """What these run folders and saved files are, with their labels.

    Errors: UsageError in one line with the name of the first that cannot be read, whose environment
    cannot be made or whose agent has no such mode, or of two that have one label, environment and
    seed. Damage inside a file that is whole shows when it is loaded.
    """
    runs = []
    for path in paths:
        try:
            run = _read_run(path)
            require_mode(mode, agent_type(run.agent, run.critic).evaluation_modes())
        except UsageError as error:
            raise _named(error, path) from None
        runs.append(run)
    kinds = [Kind(run.env, run.agent, run.critic, run.settings) for run in runs]
    runs = [
        dataclasses.replace(run, label=label)
        for run, label in zip(runs, labels(kinds), strict=True)
    ]
    seen: dict[tuple[str, str, int], Path] = {}
    for run in runs:
        key = run.env, run.label, run.seed
        if key in seen:
            raise UsageError(
                f"{seen[key]} and {run.path} are both {run.label} on {run.env} with seed "
                f"{run.seed}; give one of them"
            )
        seen[key] = run.path
    for run in {run.env: run for run in runs}.values():
        try:
            make(run.env).env.close()
        except UsageError as error:
            raise _named(error, run.path) from None
    return runs


def _read_run(path: Path) -> SavedRun:
    """The file names what was trained: config.json of the folder may name its environment
    otherwise, and a file of before a setting existed lacks it."""
    file = agent_file(path)
    meta = read_meta(file)
    try:
        env, agent, critic = meta["env"], meta["agent"], meta["kind"]
        if not isinstance(env, str) or not isinstance(meta["config"], dict):
            raise ValueError("it names no environment and settings")
        filled = settings.from_keywords(config_type(agent, critic), meta["config"])
        seed = int(meta["seed"])
    except (KeyError, ValueError, TypeError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{file} cannot be used: {said}") from None
    total_steps = Run(path).read_config()["total_steps"] if path.is_dir() else None
    return SavedRun(path, env, agent, critic, seed, settings.as_dict(filled), total_steps)


def _named(error: UsageError, path: Path) -> UsageError:
    """The error with the name of the run, where it does not say it."""
    said = str(error)
    return type(error)(said if str(path) in said else f"{path}: {said}")


# One run


def evaluate_run(run: SavedRun, *, episodes: int, seed: int, mode: str = "best") -> EvaluatedRun:
    """Load a run's agent and evaluate it, in environments of its own.

    Errors: as `Agent.evaluate`, with the name of the run.
    """
    if episodes < 1:
        raise UsageError(f"episodes is {episodes}; it must be at least 1")
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must not be negative")
    with contextlib.closing(load_agent(run.path)) as agent:
        try:
            outcome = agent.evaluate(episodes=episodes, seed=seed, mode=mode)
        except (NonFiniteError, DivergenceError, EpisodeError, UsageError) as error:
            raise type(error)(f"{run.path}: {error}") from error
        return EvaluatedRun(run, agent.env_steps, outcome)


def decimals(outcome: Evaluation) -> int:
    """Digits after the point that returns like these deserve: three of their spread over episodes,
    or of themselves where there is none."""
    scale = outcome.std or abs(outcome.mean)
    return min(6, max(1, 2 - math.floor(math.log10(scale)))) if scale > 0 else 1


# All of them


@dataclass(frozen=True)
class Group:
    """Runs of one environment that differ in their seeds alone, in the order of these."""

    env: str
    label: str
    runs: tuple[EvaluatedRun, ...]

    @property
    def seeds(self) -> list[int]:
        return [run.run.seed for run in self.runs]

    @property
    def scores(self) -> list[float]:
        return [run.score for run in self.runs]

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def iqm(self) -> float:
        """The interquartile mean of the scores."""
        return interquartile_mean(np.array(self.scores))

    @cached_property
    def interval(self) -> Interval | None:
        """Of the IQM, over seeds; one seed has none."""
        if len(self.runs) < 2:
            return None
        _, low, high = stratified_bootstrap(
            [self.scores], interquartile_mean, confidence=CONFIDENCE, resamples=RESAMPLES
        )
        return low, high


@dataclass(frozen=True)
class Improvement:
    """How likely a run of the first scores higher than a run of the second."""

    first: str
    second: str
    envs: tuple[str, ...]
    probability: float
    interval: Interval | None  # None where a group has one seed


@dataclass(frozen=True)
class Comparison:
    """Evaluated runs, and how their evaluation was asked for."""

    runs: Sequence[EvaluatedRun]
    mode: str
    episodes: int
    seed: int

    @cached_property
    def environments(self) -> dict[str, dict[str, Group]]:
        """Groups by environment and label, in the order of their first runs."""
        found: dict[str, dict[str, list[EvaluatedRun]]] = {}
        for run in self.runs:
            found.setdefault(run.run.env, {}).setdefault(run.run.label, []).append(run)
        return {
            env: {
                label: Group(env, label, tuple(sorted(members, key=lambda run: run.run.seed)))
                for label, members in groups.items()
            }
            for env, groups in found.items()
        }

    @cached_property
    def improvements(self) -> list[Improvement]:
        """Of every pair of labels, over the environments where both are."""
        labels = dict.fromkeys(run.run.label for run in self.runs)
        found = []
        for first, second in combinations(labels, 2):
            both = [
                env for env, groups in self.environments.items() if {first, second} <= {*groups}
            ]
            if both:
                found.append(self._improvement(first, second, both))
        return found

    def _improvement(self, first: str, second: str, envs: list[str]) -> Improvement:
        n = len(envs)
        scores = [self.environments[env][label].scores for label in (first, second) for env in envs]
        estimate = probability_of_improvement(scores[:n], scores[n:])
        interval = None
        if min(map(len, scores)) > 1:
            _, low, high = stratified_bootstrap(
                scores,
                lambda s: probability_of_improvement(s[:n], s[n:]),
                confidence=CONFIDENCE,
                resamples=RESAMPLES,
            )
            interval = low, high
        return Improvement(first, second, tuple(envs), estimate, interval)

    # What a reader should know besides the numbers

    def notes(self) -> list[str]:
        """Runs that are not what the others of their group are, and settings that differ where the
        labels do not show it; a line each."""
        return [
            *self._unfinished(),
            *self._unequal_lengths(),
            *self._other_settings(),
            *self._other_environments(),
            *self._one_candidate(),
            *self._few_seeds(),
            *self._always_better(),
        ]

    def _unfinished(self) -> list[str]:
        return [
            f"{run.run.path} is unfinished: it is evaluated as it stands at step {run.env_steps} "
            f"of {run.run.total_steps}"
            for run in self.runs
            if not _finished(run)
        ]

    def _unequal_lengths(self) -> list[str]:
        lines = []
        for group in self._groups():
            seeds: dict[int, list[str]] = {}
            for run in group.runs:
                seeds.setdefault(run.env_steps, []).append(str(run.run.seed))
            if len(seeds) > 1:
                parts = [
                    f"{steps} (seed{'s' * (len(which) > 1)} {', '.join(which)})"
                    for steps, which in sorted(seeds.items())
                ]
                lines.append(
                    f"{group.label} on {group.env} puts runs of unequal length together; "
                    f"environment steps: {', '.join(parts)}"
                )
        return lines

    def _other_settings(self) -> list[str]:
        """Agents of one critic share most of their settings."""
        lines = []
        for env, groups in self.environments.items():
            by_critic: dict[str, list[Group]] = {}
            for group in groups.values():
                by_critic.setdefault(group.runs[0].run.critic, []).append(group)
            for alike in by_critic.values():
                of = {group.label: group.runs[0].run.settings for group in alike}
                parts = []
                for name in of[alike[0].label]:
                    if all(name in values for values in of.values()):
                        hidden = {
                            label: setting_text(values[name])
                            for label, values in of.items()
                            if f" {name}=" not in label
                        }
                        if len(hidden) > 1 and len({*hidden.values()}) > 1:
                            each = ", ".join(f"{text} in {label}" for label, text in hidden.items())
                            parts.append(f"{name} is {each}")
                if parts:
                    lines.append(f"on {env} shared settings differ: {'; '.join(parts)}")
        return lines

    def _other_environments(self) -> list[str]:
        lines = []
        for label in dict.fromkeys(label for one in self.improvements for label in _pair(one)):
            of = [
                groups[label].runs[0].run.settings
                for groups in self.environments.values()
                if label in groups
            ]
            names = [name for name in of[0] if any(one[name] != of[0][name] for one in of)]
            if names:
                lines.append(f"settings of {label} differ between environments: {', '.join(names)}")
        return lines

    def _one_candidate(self) -> list[str]:
        """A choice among one draw is that draw."""
        if self.mode not in ("medoid", "gibbs"):
            return []
        labels = {
            group.label: None
            for group in self._groups()
            if group.runs[0].run.settings.get("evaluation_candidates", 1) == 1
            and group.runs[0].run.critic == "neural"
        }
        return [f"{label} has one candidate: its {self.mode} is a sample" for label in labels]

    def _few_seeds(self) -> list[str]:
        """Coverage of the percentile interval of the IQM of normal scores, 4000 samples each."""
        counts = {len(group.runs) for group in self._groups()}
        if not any(1 < n < FEW_SEEDS for n in counts):
            return []
        return [
            "intervals over few seeds are too short: of normal scores 95 % intervals hold the true "
            "IQM in 50 % of cases with 2 seeds, 75 % with 3, 90 % with 5, 93 % with 10"
        ]

    def _always_better(self) -> list[str]:
        """No resample of seeds can show what was in none of them."""
        return [
            f"every run of {better} scores higher than every run of {worse}: that interval is a "
            "point and says nothing about other seeds"
            for better, worse in (
                _pair(one) if one.probability == 1 else _pair(one)[::-1]
                for one in self.improvements
                if one.interval is not None and one.probability in (0, 1)
            )
        ]

    def _groups(self) -> list[Group]:
        return [group for groups in self.environments.values() for group in groups.values()]

    # Out

    def meaning(self) -> dict[str, str]:
        """What each number is."""
        percent = f"{100 * CONFIDENCE:g} %"
        return {
            "score": f"of a run: mean of {_count(self.episodes, 'return')}; a return is the sum of "
            "an episode's rewards",
            "+-": "standard deviation of a run's returns",
            "mean": "of the scores of all seeds",
            "IQM": "interquartile mean: of the middle half of the scores (up to 3 seeds: of all)",
            "interval": f"{percent} of the values from {RESAMPLES} resamples of the seeds lie "
            "there (stratified bootstrap)",
            "probability": "that a run of the first scores higher than one of the second on the "
            "same environment",
        }

    def text(self) -> str:
        """Tables, notes, and what each number is."""
        parts = [f"{env}\n{self._table(groups)}" for env, groups in self.environments.items()]
        if self.improvements:
            parts.append(
                "How likely a run of the first scores higher than a run of the second\n"
                + self._improvement_table()
            )
        if notes := self.notes():
            parts.append("\n".join(f"note: {note}" for note in notes))
        rows = [[name, said] for name, said in self.meaning().items()]
        parts.append(aligned(rows))
        return "\n\n".join(parts)

    def _table(self, groups: dict[str, Group]) -> str:
        digits = decimals(next(iter(groups.values())).runs[0].evaluation)
        rows = [["  group", "seeds", "mean", "IQM", "95 % interval"]]
        for group in groups.values():
            rows.append(
                [
                    f"  {group.label}",
                    str(len(group.runs)),
                    f"{group.mean:.{digits}f}",
                    f"{group.iqm:.{digits}f}",
                    _interval_text(group.interval, digits, "none: one seed"),
                ]
            )
        return aligned(rows, right=(1, 2, 3, 4))

    def _improvement_table(self) -> str:
        rows = [["  first", "second", "probability", "95 % interval", "environments"]]
        for one in self.improvements:
            rows.append(
                [
                    f"  {one.first}",
                    one.second,
                    f"{one.probability:.2f}",
                    _interval_text(one.interval, 2, "none: one seed"),
                    f"{len(one.envs)} of {len(self.environments)}"
                    if len(one.envs) > 2
                    else ", ".join(one.envs),
                ]
            )
        return aligned(rows, right=(2, 3))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "mode": self.mode,
            "episodes": self.episodes,
            "seed": self.seed,
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "meaning": self.meaning(),
            "notes": self.notes(),
            "environments": {
                env: [
                    {
                        "group": group.label,
                        "agent": group.runs[0].run.agent,
                        "critic": group.runs[0].run.critic,
                        "settings": group.runs[0].run.settings,
                        "seeds": group.seeds,
                        "scores": group.scores,
                        "mean": group.mean,
                        "iqm": group.iqm,
                        "interval": group.interval,
                    }
                    for group in groups.values()
                ]
                for env, groups in self.environments.items()
            },
            "improvements": [dataclasses.asdict(one) for one in self.improvements],
            "runs": [
                {
                    "run": str(run.run.path),
                    "env": run.run.env,
                    "group": run.run.label,
                    "seed": run.run.seed,
                    "total_steps": run.run.total_steps,
                    "env_steps": run.env_steps,
                    "finished": _finished(run),
                    "mean_return": run.evaluation.mean,
                    "std_return": run.evaluation.std,
                    "returns": run.evaluation.returns,
                    "lengths": run.evaluation.lengths,
                }
                for run in self.runs
            ],
        }


def _finished(run: EvaluatedRun) -> bool:
    return run.run.total_steps is None or run.env_steps >= run.run.total_steps


def _pair(one: Improvement) -> tuple[str, str]:
    return one.first, one.second


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _interval_text(interval: Interval | None, digits: int, otherwise: str) -> str:
    if interval is None:
        return otherwise
    low, high = interval
    return f"{low:.{digits}f} to {high:.{digits}f}"
