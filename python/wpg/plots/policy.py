"""Pictures of a policy: its particles over the Gibbs density, now and while it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.clouds import MOST_DIMENSIONS, Clouds, clouds_of, read, recorded
from wpg.errors import UsageError
from wpg.plots.figure import BLUE, ORANGE, bare, new_figure
from wpg.plots.film import write_gif
from wpg.runs import CLOUDS, Run

__all__ = ["plot_cloud", "plot_policy"]

POINTS = {1: 401, 2: 81}
BINS = 40
MOST_FRAMES = 20  # a film of them has a few hundred kilobytes
SECONDS = 6.0  # that a film should take


def plot_policy(agent: Any, out: Path, *, states: int = 6) -> Path:
    """Particles over the Gibbs density of the critic at a few states that the agent has visited.

    For one action dimension a histogram over the density, for two a cloud over its contours.
    """
    D = agent.env.action_size
    if D > MOST_DIMENSIONS:
        raise UsageError(f"it shows one or two action dimensions, and {agent.env.name} has {D}")
    if not agent.ready:
        raise UsageError("there is no critic yet")
    clouds = clouds_of(agent, agent.typical_observations(states), points=POINTS[D])
    figure, axes = _panels(clouds, 3.5, 2.8)
    for s, axis in enumerate(axes):
        _draw(axis, clouds, s)
    _legend(figure, axes)
    figure.suptitle(
        f"{agent.env.name}, {agent.agent} {agent.critic_kind}, seed {agent.seed}: policy after "
        f"{clouds.env_steps} steps, temperature {clouds.temperature:.3g}"
    )
    figure.savefig(out)
    return out


def plot_cloud(run: Path, out: Path) -> Path:
    """A GIF of the particles over the Gibbs density while a run was trained, a frame for each
    evaluation; of more than 20 so many, evenly spread. All frames have the same states and axes."""
    config = Run(run).read_config()
    paths = recorded(run / CLOUDS)
    if not paths:
        raise UsageError(
            "nothing is recorded; runs record their particles at evaluations, for one or two "
            "action dimensions and once there is a critic"
        )
    shown = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MOST_FRAMES)).round())
    film = [read(paths[int(i)]) for i in shown]
    if any(clouds.density.shape != film[0].density.shape for clouds in film):
        raise UsageError(f"the clouds of {run} are not of one run")
    title = f"{config['env']}, {config['agent']} {config['critic']}, seed {config['seed']}"
    speed = min(max(len(film) / SECONDS, 2.0), 8.0)
    write_gif(out, _frames(film, title), fps=speed, colours=32)
    return out


def _frames(film: list[Clouds], title: str) -> Iterator[NDArray[np.uint8]]:
    figure, axes = _panels(film[0], 3.0, 2.2, dpi=75)
    tops = _tops(film)
    for number, clouds in enumerate(film):
        for s, axis in enumerate(axes):
            for artist in [*axis.lines, *axis.patches, *axis.collections]:
                artist.remove()  # sooner done than to clear the axis with its ticks
            _draw(axis, clouds, s)
            if tops is not None:
                axis.set_ylim(0.0, tops[s])
        figure.suptitle(
            f"{title}\nstep {clouds.env_steps}, temperature {clouds.temperature:.3g}",
            fontsize="medium",
        )
        if number == 0:
            _legend(figure, axes)
        figure.canvas.draw()
        figure.set_layout_engine("none")  # the first frame's, so that nothing moves
        yield np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def _tops(film: list[Clouds]) -> NDArray[np.float64] | None:
    """The height (S,) that holds a state's density and histogram in all frames; None for more
    than one action dimension."""
    if film[0].particles.shape[2] > 1:
        return None
    span = (float(film[0].low[0]), float(film[0].high[0]))
    tops = [
        [
            max(
                float(np.nan_to_num(clouds.density[s], posinf=0.0).max()),
                float(np.histogram(clouds.particles[s], BINS, span, density=True)[0].max()),
            )
            for s in range(len(clouds.particles))
        ]
        for clouds in film
    ]
    return np.asarray(1.05 * np.max(tops, axis=0))


def _panels(clouds: Clouds, width: float, height: float, dpi: int = 120) -> tuple[Any, list[Any]]:
    """A figure with an axis for each state; inches of one."""
    states = len(clouds.observations)
    columns = states if states < 4 else (states + 1) // 2
    rows = -(-states // columns)
    figure, axes = new_figure(max(width * columns, 6.0), height * rows + 0.8, rows, columns)
    figure.set_dpi(dpi)
    figure.get_layout_engine().set(h_pad=0.08)
    for axis in axes.ravel()[states:]:
        axis.set_visible(False)
    return figure, list(axes.ravel()[:states])


def _draw(axis: Any, clouds: Clouds, s: int) -> None:
    """One state: its particles over its density."""
    particles, density = clouds.particles[s], clouds.density[s]
    if particles.shape[1] == 1:
        axis.hist(
            particles[:, 0],
            bins=BINS,
            range=(clouds.low[0], clouds.high[0]),
            density=True,
            histtype="stepfilled",
            color=BLUE,
            alpha=0.45,
            label="particles",
        )
        label = "Gibbs density exp(Q/temperature)"
        axis.plot(clouds.axes()[0], density, color=ORANGE, label=label)
        axis.set_xlim(clouds.low[0], clouds.high[0])
        axis.set_xlabel("action")
        axis.set_ylabel("density")
    else:
        if np.isfinite(density).all():
            axis.contourf(*clouds.axes(), density.T, levels=12, cmap="Oranges")
        axis.plot(
            particles[:, 0],
            particles[:, 1],
            ".",
            color=BLUE,
            markersize=3,
            alpha=0.6,
            label="particles",
        )
        axis.set_xlim(clouds.low[0], clouds.high[0])
        axis.set_ylim(clouds.low[1], clouds.high[1])
        axis.set_xlabel("action 0")
        axis.set_ylabel("action 1")
    bare(axis)
    observation = clouds.observations[s]
    text = ", ".join(f"{v:.2f}" for v in observation[:4])
    axis.set_title(f"s = ({text}{', …' if len(observation) > 4 else ''})", fontsize="small")


def _legend(figure: Any, axes: list[Any]) -> None:
    from matplotlib.patches import Patch

    handles, labels = axes[0].get_legend_handles_labels()
    if not any("Gibbs" in label for label in labels):
        handles.append(Patch(color=ORANGE, alpha=0.6))
        labels.append("Gibbs density exp(Q/temperature)")
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
