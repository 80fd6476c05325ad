"""Pictures of training runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.errors import UsageError
from wpg.plots.figure import BLUE, COLOURS, GREEN, GREY, ORANGE, bare, new_figure
from wpg.runs import CHECKPOINT, Run, load_agent

__all__ = ["plot_learning", "plot_policy", "plot_runs"]


def _rows(path: Path) -> dict[str, NDArray[np.float64]]:
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]} if rows else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None


def plot_learning(runs: list[Path], out: Path) -> Path:
    """Return against environment steps: training episodes as dots, evaluations as lines."""
    figure, axes = new_figure(7, 4.2)
    axis = axes[0, 0]
    threshold = None
    for index, run in enumerate(runs):
        config = Run(run).read_config()
        colour = COLOURS[index % len(COLOURS)]
        evaluations = _rows(run / "evaluations.csv")
        progress = _rows(run / "progress.csv")
        if len(runs) == 1 and progress:
            axis.plot(
                progress["env_steps"],
                progress["return"],
                ".",
                color=GREY,
                alpha=0.6,
                label="training episodes",
            )
        if evaluations:
            steps, mean, std = (evaluations[k] for k in ("env_steps", "mean_return", "std_return"))
            label = "evaluation" if len(runs) == 1 else f"{config['env']} seed {config['seed']}"
            axis.plot(steps, mean, "o-", color=colour, label=label)
            if len(runs) == 1:
                axis.fill_between(
                    steps,
                    mean - std,
                    mean + std,
                    color=colour,
                    alpha=0.15,
                    label="± 1 standard deviation over episodes",
                    linewidth=0,
                )
        threshold = _threshold(config["env"]) if threshold is None else threshold
    if threshold is not None:
        axis.axhline(threshold, color=GREEN, linestyle="--", label="reward threshold")
    axis.set_xlabel("environment steps")
    axis.set_ylabel("return of an episode")
    names = {Run(run).read_config()["env"] for run in runs}
    axis.set_title(", ".join(sorted(names)))
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize="small")
    bare(axis)
    figure.savefig(out)
    return out


def _threshold(env_id: str) -> float | None:
    import gymnasium

    try:
        return gymnasium.spec(env_id).reward_threshold
    except gymnasium.error.Error:
        return None


def plot_policy(agent: Any, out: Path, *, states: int = 6) -> Path:
    """Particles over the Gibbs density of the critic at a few states that the agent has visited.

    For one action dimension a histogram over the density, for two a cloud over its contours.
    """
    D = agent.env.action_size
    if D > 2:
        raise UsageError(f"policy.png shows one or two action dimensions; {agent.env.name} has {D}")
    observations = agent.typical_observations(states)
    figure, axes = new_figure(10.5, 5.6, 2, (len(observations) + 1) // 2)
    support = agent.env.support
    _, low, high = support.arrays(D, np.float64)
    for axis, observation in zip(axes.ravel(), observations, strict=False):
        particles = agent.particles(observation, 256)
        if D == 1:
            grid = np.linspace(low[0], high[0], 401)
            density = _gibbs(agent, observation, grid[:, None], grid[1] - grid[0])
            axis.hist(
                particles[:, 0],
                bins=40,
                range=(low[0], high[0]),
                density=True,
                color=BLUE,
                alpha=0.45,
                label="particles",
            )
            axis.plot(grid, density, color=ORANGE, label="Gibbs density exp(Q/temperature)")
            axis.set_xlabel("action")
            axis.set_ylabel("density")
        else:
            x, y = (np.linspace(low[d], high[d], 81) for d in (0, 1))
            mesh = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
            density = _gibbs(agent, observation, mesh, (x[1] - x[0]) * (y[1] - y[0]))
            axis.contourf(x, y, density.reshape(81, 81), levels=12, cmap="Oranges")
            axis.plot(
                particles[:, 0],
                particles[:, 1],
                ".",
                color=BLUE,
                markersize=3,
                alpha=0.6,
                label="particles",
            )
            axis.set_xlabel("action 0")
            axis.set_ylabel("action 1")
        text = ", ".join(f"{v:.2f}" for v in observation[:4])
        axis.set_title(f"s = ({text}{', …' if len(observation) > 4 else ''})", fontsize="small")
    for axis in axes.ravel()[len(observations) :]:
        axis.set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(
        f"{agent.env.name}: policy after {agent.env_steps} steps, temperature "
        f"{agent.temperature:.3g}"
    )
    figure.savefig(out)
    return out


def _gibbs(
    agent: Any, observation: NDArray[np.float32], actions: NDArray[np.float64], cell: float
) -> NDArray[np.float64]:
    q = agent.q_values(observation, actions.astype(np.float32)).astype(np.float64)
    weight = np.exp((q - q.max()) / agent.temperature)
    return weight / (weight.sum() * cell)


def plot_runs(runs: list[Path], out: Path | None) -> list[Path]:
    """learning.png of all runs together and policy.png of each, where it can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("pictures want matplotlib: pip install 'wpg[plot]'") from None
    for run in runs:
        Run(run).read_config()
    folder = runs[0] if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    written = [plot_learning(runs, folder / "learning.png")]
    for index, run in enumerate(runs):
        if not (run / CHECKPOINT).exists():
            continue
        agent = load_agent(run)
        if agent.env.action_size <= 2 and agent.ready:
            name = "policy.png" if index == 0 else f"policy-{index + 1}.png"
            written.append(plot_policy(agent, folder / name))
    return written
