"""One state whose soft-optimal policy is a mixture of Gaussians that is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from wpg.envs.finite import FiniteMDPEnv
from wpg.exact import problems
from wpg.exact.arguments import array, per_state
from wpg.supports import Box

__all__ = ["gaussian_mixture_bandit_env", "gmm40_env"]


def gaussian_mixture_bandit_env(
    means: ArrayLike = ((-1.5, 0.0), (1.5, 0.0)),
    deviation: ArrayLike = 0.5,
    weights: ArrayLike | None = None,
    temperature: float = 1.0,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> FiniteMDPEnv:
    """`wpg/GaussianMixtureBandit-v0`: `wpg.exact.problems.gaussian_mixture`, C modes of any place.

    | Num | Observation              | Min  | Max | Unit |
    |-----|--------------------------|------|-----|------|
    | 0   | always 0                 | -1.0 | 1.0 | none |

    | Num      | Action              | Min  | Max  | Unit   |
    |----------|---------------------|------|------|--------|
    | 0 .. D-1 | coordinates of a    | low  | high | action |

        r(a) = temperature log sum_i weights_i N(a; means_i, deviation_i^2 I)

    At `temperature` the soft-optimal policy is the mixture, cut off at the walls; at another one it
    is a power of it. Not bounded by 0: r is positive where the density is above 1, and falls
    quadratically far from all modes.

    means (C, D), deviation a number or (C,), weights (C,) or None for equal ones; low and high,
    numbers or (D,), both or none, are the walls, 9 standard deviations beyond the means if None.
    Every step ends the episode. `env.unwrapped.problem` is the exact problem: `.mixture` has its
    density and draws, and for D of 1 and 2 the KL of an acting law (1, G) on a grid is

        grid = problem.grid(n);  grid.kl(law, problem.mixture.log_density(grid.points))

    but for log of the mass inside the walls, `optimal_value / temperature`, which is to be added.
    """
    if (low is None) != (high is None):
        given, missing = ("low", "high") if high is None else ("high", "low")
        raise ValueError(f"{given} is given without {missing}; give both or none")
    mu = array(means, "means", ("C", "D"))
    problem = problems.gaussian_mixture(
        mu,
        per_state(deviation, "deviation", len(mu)),
        weights,
        temperature,
        support=None if low is None or high is None else Box(low, high),
    )
    return FiniteMDPEnv(problem, np.zeros((1, 1)))


def gmm40_env(seed: int = 0, temperature: float = 1.0) -> FiniteMDPEnv:
    """`wpg/GMM40-v0`: `wpg.exact.problems.gmm40`, forty modes far apart in [-50, 50]^2.

    | Num | Observation              | Min   | Max  | Unit   |
    |-----|--------------------------|-------|------|--------|
    | 0   | always 0                 | -1.0  | 1.0  | none   |

    | Num | Action                   | Min   | Max  | Unit   |
    |-----|--------------------------|-------|------|--------|
    | 0   | first coordinate of a    | -50.0 | 50.0 | action |
    | 1   | second coordinate of a   | -50.0 | 50.0 | action |

        r(a) = temperature log( (1/40) sum_i N(a; mu_i, 1.3133^2 I) )

    Rewards at temperature 1 lie between -246 in an empty corner and -5.49 between two modes that
    overlap; most modes have -6.07 in the middle. With other seeds the corner may have less, -545
    with seed 5 and never under -4700. `seed` names the forty means, nothing else. Every step ends
    the episode.
    """
    return FiniteMDPEnv(problems.gmm40(seed, temperature), np.zeros((1, 1)))
