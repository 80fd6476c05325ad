"""Gymnasium environments around `wpg.exact.FiniteMDP`: the exact optimum is known."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.exact import problems
from wpg.exact.finite_mdp import FiniteMDP
from wpg.supports import Box

__all__ = ["FiniteMDPEnv", "double_well_env", "multi_goal_env", "trig_env"]

Float32 = NDArray[np.float32]


class FiniteMDPEnv(gymnasium.Env[Float32, Float32]):
    """
    ## Description

    An entropy-regularised control problem with S states, seen through features and sampled one
    step at a time. `env.unwrapped.problem` is the exact problem, so that what an agent has learned
    can be held against `problem.solve(problem.grid(n))`; `env.unwrapped.state` is the index of the
    state. With a discount of 0 no state follows, and every step terminates.

    ## Action Space

    A `Box` (D,), float32, in the problem's support.

    | Num      | Action           | Min              | Max              | Unit   |
    |----------|------------------|------------------|------------------|--------|
    | 0 .. D-1 | the action a     | support.low      | support.high     | action |

    ## Observation Space

    A `Box` (O,), float32: row s of `features` at state s.

    | Num      | Observation      | Min              | Max              | Unit |
    |----------|------------------|------------------|------------------|------|
    | 0 .. O-1 | feature          | -max(1, abs)     | max(1, abs)      | none |

    ## Transitions

    s' is drawn from the problem's P(. | s, a).

    ## Rewards

    r(s, a) of the problem, in its reward units. Entropy is not in the reward: it is the agent's.
    The bounds are those of r over the support.

    ## Starting State

    Uniform over the states, or `options={"state": s}`.

    ## Episode End

    Terminates at every step if the problem's discount is 0, and never otherwise.
    Truncated by `max_episode_steps` of the id.

    ## Arguments

    * `problem`: a `FiniteMDP` on a `Box`. A torus is refused: Gymnasium has no space for it.
    * `features`: (S, O), what is observed at each state; None for the unit vectors (O = S).

    A step costs one evaluation of the problem's reward and transition at all S states. An action
    outside the box is a ValueError, never clipped.

    ## Version History

    * v0: initial version
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, problem: FiniteMDP, features: ArrayLike | None = None) -> None:
        if not isinstance(problem, FiniteMDP):
            raise TypeError(f"problem is {problem!r}; it must be a wpg.exact.FiniteMDP")
        if not isinstance(problem.support, Box):
            raise ValueError(
                f"problem has the support {problem.support!r}; Gymnasium's actions are boxes, so "
                "give a problem on a wpg.supports.Box, for instance trig(support='box')"
            )
        S = problem.n_states
        rows = np.eye(S) if features is None else np.asarray(features, np.float64)
        if rows.ndim != 2 or len(rows) != S or rows.shape[1] == 0:
            raise ValueError(f"features has shape {rows.shape}; it must be ({S}, O)")
        if not np.isfinite(rows).all():
            raise ValueError("features holds numbers that are not finite")
        self.problem = problem
        self.discount = problem.discount
        self.features = rows.astype(np.float32)
        self.state = 0
        bound = np.maximum(np.abs(self.features).max(axis=0), np.float32(1.0))
        self.observation_space = gymnasium.spaces.Box(-bound, bound, dtype=np.float32)
        _, self._low, self._high = problem.support.arrays(problem.action_size, np.float64)
        self.action_space = gymnasium.spaces.Box(
            self._low.astype(np.float32), self._high.astype(np.float32), dtype=np.float32
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Start at a state drawn uniformly, or at options["state"]."""
        super().reset(seed=seed)
        S = self.problem.n_states
        if options and "state" in options:
            state = options["state"]
            if not isinstance(state, (int, np.integer)) or not 0 <= state < S:
                raise ValueError(f"options['state'] is {state!r}; it must be from 0 to {S - 1}")
            self.state = int(state)
        else:
            self.state = int(self.np_random.integers(S))
        return self.features[self.state].copy(), {}

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Act (D,): next observation (O,), reward, is it over, False, {}."""
        action = np.asarray(action, np.float32)
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; it must be inside {self.action_space}")
        # The float32 walls of the space may lie a rounding outside the float64 ones.
        inside = np.clip(action.astype(np.float64), self._low, self._high)
        everywhere = np.tile(inside, (self.problem.n_states, 1, 1))
        reward = float(self.problem.reward(everywhere)[self.state, 0])
        chances = self.problem.transition(everywhere)[self.state, 0].cumsum()
        draw = self.np_random.random() * chances[-1]
        index = int(np.searchsorted(chances, draw, side="right"))
        successors = self.problem.successors
        self.state = index if successors is None else int(successors[self.state, index])
        terminated = self.problem.discount == 0.0
        return self.features[self.state].copy(), reward, terminated, False, {}


def trig_env(
    n_states: int = 3, action_size: int = 1, discount: float = 0.9, temperature: float = 0.5
) -> FiniteMDPEnv:
    """`wpg/Trig-v0`: `wpg.exact.problems.trig` on the box [-1, 1]^D.

    | Num | Observation              | Min  | Max | Unit |
    |-----|--------------------------|------|-----|------|
    | 0   | cos(2 pi s / S)          | -1.0 | 1.0 | none |
    | 1   | sin(2 pi s / S)          | -1.0 | 1.0 | none |

    Rewards lie within -(1.1 + 0.4 (S - 1)) and 1.1 + 0.4 (S - 1). Episodes are cut after 100 steps.
    """
    problem = problems.trig(
        n_states=n_states,
        action_size=action_size,
        support="box",
        discount=discount,
        temperature=temperature,
    )
    angle = 2.0 * np.pi * np.arange(problem.n_states) / problem.n_states
    return FiniteMDPEnv(problem, np.stack([np.cos(angle), np.sin(angle)], axis=1))


def multi_goal_env(
    n_cells: int = 9, discount: float = 0.9, temperature: float = 0.2, step: float = 1.0
) -> FiniteMDPEnv:
    """`wpg/MultiGoal-v0`: `wpg.exact.problems.multi_goal`, a walk to one of four goals.

    | Num | Observation              | Min  | Max | Unit                      |
    |-----|--------------------------|------|-----|---------------------------|
    | 0   | first coordinate         | -1.0 | 1.0 | half-widths of the square |
    | 1   | second coordinate        | -1.0 | 1.0 | half-widths of the square |

    Actions are pushes in [-1, 1]^2. Rewards lie within -0.2 and 1. Episodes are cut after 50 steps.
    """
    problem = problems.multi_goal(
        n_cells=n_cells, discount=discount, temperature=temperature, step=step
    )
    axis = np.linspace(-1.0, 1.0, n_cells)
    cells = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return FiniteMDPEnv(problem, cells)


def double_well_env(k: float = 1.0, temperature: float = 0.25) -> FiniteMDPEnv:
    """`wpg/DoubleWell-v0`: `wpg.exact.problems.double_well`, one action with two best values.

    | Num | Observation              | Min  | Max | Unit |
    |-----|--------------------------|------|-----|------|
    | 0   | always 0                 | -1.0 | 1.0 | none |

    The action is in half-widths b of that problem's box, so that it lies in [-1, 1]:

        r = -k ((b a)^2 - 1)^2,   b = sqrt(1 + sqrt(40 temperature / k)),   best at a = +-1/b

    and V* is that of `double_well` less temperature log b. Rewards lie within 0 and
    -max(k, 40 temperature). Every step ends the episode.
    """
    wells = problems.double_well(k=k, temperature=temperature)
    b = float(wells.high[0])
    assert wells.optimal_value is not None
    scaled = problems.Bandit(
        lambda a: wells.reward(b * a),
        lambda a: b * wells.reward_gradient(b * a),
        Box(-1.0, 1.0),
        1,
        temperature=wells.temperature,
        optimal_value=wells.optimal_value - wells.temperature * math.log(b),
        entropy=None,
        name="double-well",
    )
    return FiniteMDPEnv(scaled, np.zeros((1, 1)))
