"""Problems whose answer is known, in float64 and written as in the paper.

NumPy and SciPy alone: nothing here calls the compiled core, so it can be held against it.

    LQR                linear dynamics, quadratic reward: closed forms
    FiniteMDP          finitely many states, actions in a box or on a torus: grids
    problems           named ones: trig, ring, multi_goal, double_well, von_mises, gaussian_mixture,
                       gmm40
    GaussianMixture    density, score, exact draws, nearest mode
    bias               what a step size costs: predicted and exact
    squashed           steps in an unbounded variable for a bounded action: tanh and probit
    log_sobolev        log-Sobolev constants and spectral gaps
    Tsallis            entropy-like regularisers of another power
"""

from wpg.exact import bias, log_sobolev, problems, squashed
from wpg.exact.finite_mdp import FiniteMDP, SoftSolution
from wpg.exact.gaussian_mixture import GaussianMixture
from wpg.exact.grid import Grid
from wpg.exact.langevin_operators import stationary_density
from wpg.exact.lqr import LQR, LQRSolution
from wpg.exact.problems import (
    Bandit,
    double_well,
    gaussian_mixture,
    gmm40,
    multi_goal,
    ring,
    trig,
    von_mises,
)
from wpg.exact.tsallis import Tsallis

__all__ = [
    "LQR",
    "Bandit",
    "FiniteMDP",
    "GaussianMixture",
    "Grid",
    "LQRSolution",
    "SoftSolution",
    "Tsallis",
    "bias",
    "double_well",
    "gaussian_mixture",
    "gmm40",
    "log_sobolev",
    "multi_goal",
    "problems",
    "ring",
    "squashed",
    "stationary_density",
    "trig",
    "von_mises",
]
