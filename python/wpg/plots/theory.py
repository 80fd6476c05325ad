"""Pictures of the exact lab: what the theorem says beside what was computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.exact import LQR, FiniteMDP
from wpg.plots.figure import BLUE, COLOURS, GREEN, GREY, ORANGE, bare, new_figure
from wpg.reports import BiasReport, FlowReport, GainReport, PlanReport

__all__ = [
    "plot_bias",
    "plot_flow",
    "plot_gain",
    "plot_particles",
    "plot_plan",
    "plot_residual",
]

Float64 = NDArray[np.float64]
MOST_PANELS = 6


def _log(axis: Any, x: str, y: str) -> None:
    axis.set_yscale("log")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    bare(axis)


def _step_axis(axis: Any, step_sizes: Float64) -> None:
    """A logarithmic axis with ticks at the step sizes alone."""
    axis.set_xscale("log")
    axis.set_xticks(step_sizes, [f"{eta:.3g}" for eta in step_sizes])
    axis.set_xticks([], minor=True)


def plot_flow(report: FlowReport, out: Path) -> Path:
    """sup gap against time, with the certified bound and the predicted late rate."""
    figure, axes = new_figure(7, 4.4)
    axis = axes[0, 0]
    sup = report.gap.max(axis=1)
    seen = sup > 1e-12 * (1.0 + np.abs(report.value).max())
    axis.plot(report.times[seen], sup[seen], color=BLUE, label="sup gap, exact", linewidth=2)
    axis.plot(
        report.times[seen],
        report.envelope[seen],
        color=ORANGE,
        label="certified upper bound, renewed along the way",
    )
    for c in np.unique(np.linspace(0, len(report.certificates) - 1, 5).astype(int))[:-1]:
        start = report.certified_times[c]
        bound, rate = (
            report.certificates[c].gap_upper.max(),
            report.certificates[c].rate_bound.min(),
        )
        later = seen & (report.times >= start)
        axis.plot(
            report.times[later],
            bound * np.exp(-rate * (report.times[later] - start)),
            ":",
            color=ORANGE,
            alpha=0.6,
            label="certified rate from one moment on" if c == 0 else None,
        )
    last = int(np.flatnonzero(seen)[-1])
    middle = last // 2
    tail = report.times[middle : last + 1]
    axis.plot(
        tail,
        sup[middle] * np.exp(-report.predicted_late_rate * (tail - tail[0])),
        "--",
        color=GREEN,
        label="late rate 2 temperature lambda",
    )
    _log(axis, "time of the flow", "V* - V, largest over states [reward]")
    axis.legend(frameon=False, fontsize="small")
    axis.set_title(_title(report.mdp))
    figure.savefig(out)
    return out


def plot_residual(report: FlowReport, out: Path) -> Path:
    """T V - V, as a difference of two backups, against temperature KL, at all states and times."""
    figure, axes = new_figure(5.2, 4.6)
    axis = axes[0, 0]
    backup = np.array(
        [report.mdp.soft_backup(value, report.grid) - value for value in report.value]
    )
    scale = 1.0 + float(np.abs(report.value).max())
    for s in range(min(report.mdp.n_states, len(COLOURS))):
        seen = backup[:, s] > 1e-13 * scale
        axis.plot(
            report.residual[seen, s],
            backup[seen, s],
            "o",
            markersize=3,
            color=COLOURS[s],
            label=f"state {s}",
        )
    ends = np.array([max(report.residual.min(), 1e-13 * scale), report.residual.max()])
    axis.plot(ends, ends, "-", color=GREY, linewidth=1, label="equal")
    axis.set_xscale("log")
    _log(axis, "temperature KL(pi || G[pi])", "Bellman residual T V - V")
    axis.legend(frameon=False, fontsize="small")
    axis.set_title(_title(report.mdp))
    figure.savefig(out)
    return out


def plot_bias(report: BiasReport, mdp: FiniteMDP, out: Path) -> Path:
    """The gap that a step size leaves, exact, with the predicted line."""
    figure, axes = new_figure(8.4, 4.2)
    axis = axes[0, 0]
    axis.plot(
        report.step_sizes, report.predicted, "-", color=GREY, label="predicted, plain Langevin"
    )
    marks = {"langevin": ("o", BLUE), "leimkuhler-matthews": ("s", GREEN), "mala": ("^", ORANGE)}
    for scheme, values in report.measured.items():
        mark, colour = marks[scheme]
        slope = report.slopes.get(scheme)
        label = f"{scheme}, exact" + ("" if slope is None else f", slope {slope:.2f}")
        axis.plot(report.step_sizes, np.maximum(values, 1e-16), mark, color=colour, label=label)
    if len(report.richardson):
        slope = report.slopes.get("Richardson")
        axis.plot(
            report.richardson_steps,
            report.richardson,
            "d",
            color=COLOURS[3],
            label="Richardson on values" + ("" if slope is None else f", slope {slope:.2f}"),
        )
    _step_axis(axis, report.step_sizes)
    _log(axis, "step size", "V* - V, largest over states [reward]")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    axis.set_title(_title(mdp))
    figure.savefig(out)
    return out


def plot_gain(report: GainReport, out: Path) -> Path:
    """The linear-quadratic recursion: distance of the gain, and the floor of the step size."""
    figure, axes = new_figure(10, 4.2, 1, 2)
    left, right = axes[0]
    steps = np.arange(len(report.distance))
    left.plot(steps, report.distance, color=BLUE, label="|F - F*|")
    left.plot(steps, np.maximum(report.gap, 1e-16), color=GREEN, label="gap at (1, ..., 1)")
    floor = report.lqr.gap_floor(report.step_size)
    left.axhline(floor, color=GREY, linestyle=":", label="floor of the step size, formula")
    start = len(steps) // 3
    left.plot(
        steps[start:],
        report.distance[start] * report.predicted_contraction ** (steps[start:] - start),
        "--",
        color=ORANGE,
        label="predicted contraction",
    )
    _log(left, "step", "distance from the optimum")
    left.legend(frameon=False, fontsize="small")
    right.plot(report.step_sizes, report.floor_formula, "-", color=GREY, label="formula")
    right.plot(report.step_sizes, report.floor_measured, "o", color=BLUE, label="iterated")
    _step_axis(right, report.step_sizes)
    _log(right, "step size", "gap that stays [reward]")
    right.legend(frameon=False, fontsize="small")
    figure.suptitle(_title(report.lqr))
    figure.savefig(out)
    return out


def plot_plan(report: PlanReport, out: Path) -> Path:
    """Error and bounds of planning with particles, iteration by iteration."""
    figure, axes = new_figure(7, 4.4)
    axis = axes[0, 0]
    history = report.plan.history
    steps = np.arange(1, len(history["value"]) + 1)
    if report.error is not None:
        axis.plot(
            steps, np.abs(report.error).max(axis=1), color=BLUE, label="sup |V* - V|, exact V*"
        )
    axis.plot(steps, history["gap_upper"], color=ORANGE, label="upper bound from the residual")
    axis.axhline(
        report.plan.floor.max(),
        color=GREY,
        linestyle="--",
        label="predicted floor of the step size",
    )
    axis.axhline(
        report.plan.standard_error.max(),
        color=GREEN,
        linestyle=":",
        label="standard error of the value",
    )
    _log(axis, "iteration", "reward")
    axis.legend(frameon=False, fontsize="small")
    axis.set_title(f"{_title(report.mdp)}: {report.plan.particles.shape[1]} particles a state")
    figure.savefig(out)
    return out


def plot_particles(report: PlanReport, out: Path) -> Path:
    """Particles over the Gibbs density of the plan's own Q, in one or two action dimensions."""
    mdp, found = report.mdp, report.plan
    D = found.particles.shape[2]
    panels = min(len(found.value), MOST_PANELS)
    columns = min(panels, 3)
    rows = -(-panels // columns)
    figure, axes = new_figure(max(3.6 * columns, 6.0), 3.1 * rows + 0.8, rows, columns)
    for s, axis in enumerate(axes.ravel()):
        if s >= panels:
            axis.set_visible(False)
            continue
        cloud = found.particles[s]
        if isinstance(mdp, LQR):
            _over_gaussian(axis, report, s)
        else:
            _over_density(axis, mdp, found.value, cloud, s)
        axis.set_title(f"state {s}", fontsize="small")
        axis.set_xlabel("action" if D == 1 else "action 0")
        axis.set_ylabel("density" if D == 1 else "action 1")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(_title(mdp))
    figure.savefig(out)
    return out


def _over_density(axis: Any, mdp: FiniteMDP, value: Float64, cloud: Float64, s: int) -> None:
    if mdp.action_size == 1:
        grid = mdp.grid(400)
        x = grid.points[:, 0]
        axis.hist(
            cloud[:, 0],
            bins=48,
            range=(mdp.low[0], mdp.high[0]),
            density=True,
            color=BLUE,
            alpha=0.45,
            label="particles",
        )
        axis.plot(
            x, mdp.gibbs(value, grid)[s], color=ORANGE, label="Gibbs density exp(Q/temperature)"
        )
        bare(axis)
        return
    grid = mdp.grid(80)
    density = mdp.gibbs(value, grid)[s].reshape(80, 80)
    axes = [grid.points.reshape(80, 80, 2)[:, 0, 0], grid.points.reshape(80, 80, 2)[0, :, 1]]
    axis.contourf(axes[0], axes[1], density.T, levels=12, cmap="Oranges")
    _dots(axis, cloud[:600])


def _dots(axis: Any, cloud: Float64) -> None:
    x, y = cloud[:, 0], cloud[:, 1]
    axis.plot(x, y, ".", color=BLUE, markersize=2.5, alpha=0.6, label="particles")


def _over_gaussian(axis: Any, report: PlanReport, s: int) -> None:
    """Particles of a linear-quadratic state and the ellipses or the curve of pi*."""
    lqr, found = report.mdp, report.plan
    assert isinstance(lqr, LQR)
    assert found.states is not None
    optimum = lqr.optimal()
    mean = -optimum.F @ found.states[s]
    cloud = found.particles[s]
    if lqr.action_size == 1:
        spread = float(np.sqrt(optimum.covariance[0, 0]))
        x = np.linspace(mean[0] - 4 * spread, mean[0] + 4 * spread, 300)
        axis.hist(cloud[:, 0], bins=48, density=True, color=BLUE, alpha=0.45, label="particles")
        y = np.exp(-0.5 * ((x - mean[0]) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
        axis.plot(x, y, color=ORANGE, label="pi*, exact")
        bare(axis)
        return
    _dots(axis, cloud[:800])
    turn = np.linspace(0, 2 * np.pi, 200)
    root = np.linalg.cholesky(optimum.covariance[:2, :2])
    circle = np.stack([np.cos(turn), np.sin(turn)])
    for k, size in enumerate((1.0, 2.0, 3.0)):
        ellipse = mean[:2, None] + size * root @ circle
        axis.plot(
            ellipse[0],
            ellipse[1],
            color=ORANGE,
            label="pi*, exact: 1 to 3 deviations" if k == 0 else None,
        )
    axis.set_aspect("equal")


def _title(mdp: FiniteMDP | LQR) -> str:
    if isinstance(mdp, LQR):
        return f"LQR, discount {mdp.discount:g}, temperature {mdp.temperature:g}"
    shape = "torus" if mdp.periodic else "box"
    return (
        f"{mdp.name} (S = {mdp.n_states}, {shape}), discount {mdp.discount:g}, "
        f"temperature {mdp.temperature:g}"
    )
