"""Pictures; they want matplotlib (pip install 'wpg[plot]')."""

from wpg.plots.runs import plot_learning, plot_policy, plot_runs
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
    "plot_flow",
    "plot_gain",
    "plot_learning",
    "plot_particles",
    "plot_plan",
    "plot_policy",
    "plot_residual",
    "plot_runs",
]
