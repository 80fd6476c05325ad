"""Pictures of training runs: what was earned, and how training went."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.errors import UsageError
from wpg.intervals import interquartile_mean, stratified_bootstrap
from wpg.plots.figure import BLUE, COLOURS, GREY, bare, new_figure
from wpg.plots.groups import Group, grouped
from wpg.plots.policy import plot_cloud, plot_policy
from wpg.runs import Run, load_agent, make_folder

__all__ = ["plot_learning", "plot_runs", "plot_training"]

Floats = NDArray[np.float64]

RESAMPLES = 1000  # of the interval at one step: its ends are off by 1/20 of its length or so
MOST_POINTS = 200  # of a line of training.png; where there are more rows, a point is their mean
MARKED = 12  # evaluations of a mean, at most, that are shown as points
PARTS = 20  # of a run, at most, whose speeds are shown
# Columns of progress.csv, and what training.png says of them
MEASURED = {
    "steps_per_second": "steps / s, with evaluations",
    "entropy": "entropy [nat]",
    "temperature": "temperature [reward]",
    "critic_loss": "critic loss [reward²]",
    "bellman_residual": "Bellman residual [reward]",
    "kl_to_gibbs": "KL to Gibbs [nat]",
}


def _rows(path: Path) -> dict[str, Floats]:
    """The columns of a table; an empty cell is NaN, a last line without an end is being written."""
    try:
        lines = path.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        rows = list(csv.DictReader(whole))
        return (
            {key: np.array([_number(row[key]) for row in rows]) for key in rows[0]} if rows else {}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None


def _number(cell: str) -> float:
    return math.nan if cell == "" else float(cell)


def _environments(groups: Sequence[Group]) -> list[str]:
    return list(dict.fromkeys(group.env for group in groups))


def _colours(groups: Sequence[Group]) -> dict[str, str]:
    """A colour for each label, the same in every panel."""
    labels = dict.fromkeys(group.label for group in groups)
    return {label: COLOURS[index % len(COLOURS)] for index, label in enumerate(labels)}


def plot_learning(runs: list[Path], out: Path) -> Path:
    """Return against environment steps, a panel for each environment.

    One run: training episodes as dots, evaluations with their deviation over episodes. Several: a
    thin line for each, and for runs that differ in their seeds alone the interquartile mean of
    their evaluations with the stratified-bootstrap interval of 95 %, at steps that all have.
    """
    groups = grouped(runs)
    names = _environments(groups)
    colours = _colours(groups)
    columns = min(len(names), 3)
    lines = -(-len(names) // columns)
    size = (7.0, 4.2) if len(names) == 1 else (4.4 * columns, 3.4 * lines + 0.4)
    figure, axes = new_figure(*size, lines, columns)
    averaged = False
    for axis, name in zip(axes.ravel(), names, strict=False):
        here = [group for group in groups if group.env == name]
        if len(here) == 1 and len(here[0].runs) == 1:
            _one_run(axis, here[0].runs[0])
        else:
            for group in here:
                averaged |= _seeds(axis, group, colours[group.label])
        threshold = _threshold(name)
        if threshold is not None:
            axis.axhline(threshold, color=GREY, linestyle="--", label="reward threshold")
        axis.set_xlabel("environment steps")
        axis.set_ylabel("return of an episode")
        axis.set_title(name)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize="small")
        bare(axis)
    for axis in axes.ravel()[len(names) :]:
        axis.set_visible(False)
    if averaged:
        figure.supxlabel(
            "thick: interquartile mean over seeds, 95 % bootstrap interval; thin: one seed",
            fontsize="small",
            color=GREY,
        )
    figure.savefig(out)
    return out


def _one_run(axis: Any, run: Path) -> None:
    progress = _rows(run / "progress.csv")
    if progress:
        axis.plot(
            progress["env_steps"],
            progress["return"],
            ".",
            color=GREY,
            alpha=0.6,
            label="training episodes",
        )
    evaluations = _rows(run / "evaluations.csv")
    if evaluations:
        steps, mean, std = (evaluations[k] for k in ("env_steps", "mean_return", "std_return"))
        axis.plot(steps, mean, "o-", color=BLUE, label="evaluation")
        axis.fill_between(
            steps,
            mean - std,
            mean + std,
            color=BLUE,
            alpha=0.15,
            label="± 1 standard deviation over episodes",
            linewidth=0,
        )


def _seeds(axis: Any, group: Group, colour: str) -> bool:
    """Lines of a group; is there one of their mean?"""
    curves = []
    for run in group.runs:
        evaluations = _rows(run / "evaluations.csv")
        if evaluations:
            curves.append((evaluations["env_steps"], evaluations["mean_return"]))
    if not curves:
        return False
    if len(curves) == 1:
        axis.plot(*curves[0], "o-", color=colour, markersize=3, label=f"{group.label} (1 seed)")
        return False
    for steps, mean in curves:
        axis.plot(steps, mean, color=colour, alpha=0.4, linewidth=0.8)
    label = f"{group.label} ({len(curves)} seeds)"
    steps, middle, low, high = _over_seeds(curves)
    axis.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    style = "o-" if len(steps) <= MARKED else "-"
    axis.plot(steps, middle, style, color=colour, linewidth=2.2, markersize=4, label=label)
    return len(steps) > 0


def _over_seeds(curves: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats, Floats]:
    """Steps (T,) that all curves have, the interquartile mean there and its interval's ends."""
    known = [
        {int(n): float(y) for n, y in zip(steps, mean, strict=True) if np.isfinite(y)}
        for steps, mean in curves
    ]
    common = sorted(set.intersection(*map(set, known)))
    found = [
        stratified_bootstrap(
            np.array([[curve[n]] for curve in known]), interquartile_mean, resamples=RESAMPLES
        )
        for n in common
    ]
    middle, low, high = np.array(found, np.float64).reshape(-1, 3).T
    return np.array(common, np.float64), middle, low, high


def _threshold(env_id: str) -> float | None:
    import gymnasium

    try:
        return gymnasium.spec(env_id).reward_threshold
    except gymnasium.error.Error:
        return None


def plot_training(runs: list[Path], out: Path) -> Path:
    """How training went, against environment steps: speed, and those columns of progress.csv that
    some run has.

    A line for each run, in the colour of its group; of several environments a column of panels
    each.
    """
    groups = grouped(runs)
    names = _environments(groups)
    colours = _colours(groups)
    curves = [
        (group, _training_curves(_rows(run / "progress.csv"), _rows(run / "evaluations.csv")))
        for group in groups
        for run in group.runs
    ]
    quantities = [q for q in MEASURED if any(q in found for _, found in curves)]
    if not quantities:
        raise UsageError("no episode of training has ended yet")
    columns = len(names) if len(names) > 1 else min(len(quantities), 3)
    rows = len(quantities) if len(names) > 1 else -(-len(quantities) // columns)
    figure, axes = new_figure(3.5 * columns, 2.3 * rows + 0.8, rows, columns)
    for axis in axes.ravel():
        axis.set_visible(False)
    shown: dict[str, Any] = {}
    for column, name in enumerate(names):
        panels = iter(axes.ravel() if len(names) == 1 else axes[:, column])
        title = name
        for quantity, axis in zip(quantities, panels, strict=False):
            for group, found in curves:
                if group.env == name and quantity in found:
                    (line,) = axis.plot(*found[quantity], color=colours[group.label], linewidth=1.2)
                    shown.setdefault(group.label, line)
            if axis.lines:
                _measured(axis, quantity)
                axis.set_title(title if len(names) > 1 else "")
                title = ""
    figure.suptitle("training" if len(names) > 1 else f"{names[0]}: training")
    figure.legend(
        list(shown.values()), list(shown), loc="outside lower center", ncols=3, frameon=False
    )
    figure.savefig(out)
    return out


def _measured(axis: Any, quantity: str) -> None:
    """The axes of a panel with lines."""
    axis.set_visible(True)
    values = np.concatenate([line.get_ydata() for line in axis.lines])
    if quantity == "steps_per_second":
        axis.set_ylim(0.0, 1.1 * values.max())
    elif values.min() > 0 and values.max() > 30 * values.min():
        axis.set_yscale("log")
    axis.set_xlim(left=0.0)
    axis.set_xlabel("environment steps")
    axis.set_ylabel(MEASURED[quantity])
    bare(axis)


def _training_curves(
    rows: dict[str, Floats], evaluations: dict[str, Floats]
) -> dict[str, tuple[Floats, Floats]]:
    """Steps and values of each quantity that a table of episodes holds."""
    if not rows:
        return {}
    steps = rows["env_steps"]
    found = {}
    for quantity in MEASURED:
        if quantity in rows:
            known = np.isfinite(rows[quantity])
            if known.any():
                found[quantity] = _thinned(steps[known], rows[quantity][known])
    # Over parts of the run with as many evaluations in each, so that the speed is that of both.
    times = len(evaluations.get("env_steps", ())) or PARTS
    parts = max(times // math.ceil(times / PARTS), 1)
    ends = np.linspace(0.0, steps[-1], min(len(steps), parts) + 1)[1:]
    marks = np.unique(np.searchsorted(steps, ends))
    at = np.concatenate([[0.0], steps[marks]])
    seconds = np.diff(np.concatenate([[0.0], rows["wall_seconds"][marks]]))
    long = seconds > 0.02  # for a clock of milliseconds
    if long.any():
        found["steps_per_second"] = at[1:][long], np.diff(at)[long] / seconds[long]
    return found


def _thinned(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """At most `MOST_POINTS` points, means of as many rows each."""
    if len(steps) <= MOST_POINTS:
        return steps, values
    parts = np.array_split(np.arange(len(steps)), MOST_POINTS)
    return (
        np.array([steps[part].mean() for part in parts]),
        np.array([values[part].mean() for part in parts]),
    )


def plot_runs(
    runs: list[Path],
    out: Path | None,
    say: Callable[[str], None] = lambda line: None,
    *,
    together: Path | None = None,
) -> list[Path]:
    """Pictures of runs: learning.png and training.png of all together, policy.png and cloud.gif of
    each where they can be drawn; returns what was written.

    out : folder for all of them, where those of the second run are policy-2.png and cloud-2.gif;
        None for `together`, and for pictures of a policy the folder of its run
    say : is told in a line what could not be drawn, and why
    together : folder for what shows all of them; None for the first run's
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("pictures want matplotlib: pip install 'wpg[plot]'") from None
    for run in runs:
        Run(run).read_config()
    folder = out or together or runs[0]
    make_folder(folder)
    written = []

    def draw(make: Callable[[Any, Path], Path], what: Any, path: Path, of: str) -> None:
        try:
            written.append(make(what, path))
        except UsageError as error:
            say(f"no {path.name}{of}: {error}")

    draw(plot_learning, runs, folder / "learning.png", "")
    draw(plot_training, runs, folder / "training.png", "")
    for index, run in enumerate(runs):
        own = run if out is None else out
        number = "" if out is None or index == 0 else f"-{index + 1}"
        draw(_policy, run, own / f"policy{number}.png", f" of {run}")
        draw(plot_cloud, run, own / f"cloud{number}.gif", f" of {run}")
    return written


def _policy(run: Path, out: Path) -> Path:
    with contextlib.closing(load_agent(run)) as agent:
        return plot_policy(agent, out)
