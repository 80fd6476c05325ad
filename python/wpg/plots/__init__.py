"""Pictures; they want matplotlib (pip install 'wpg[plot]'), films in MP4 `wpg[render]`."""

from wpg.plots.policy import plot_cloud, plot_policy
from wpg.plots.render import render_run
from wpg.plots.runs import plot_learning, plot_runs, plot_training
from wpg.plots.theory import (
    plot_bias,
    plot_flow,
    plot_gain,
    plot_particles,
    plot_plan,
    plot_residual,
)

__all__ = [
    "plot_bias",
    "plot_cloud",
    "plot_flow",
    "plot_gain",
    "plot_learning",
    "plot_particles",
    "plot_plan",
    "plot_policy",
    "plot_residual",
    "plot_runs",
    "plot_training",
    "render_run",
]
