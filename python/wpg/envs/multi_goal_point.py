"""A point in the plane and four goals that are equally good: a policy has to hold several modes."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.exact.arguments import finite, positive

__all__ = ["GOALS", "MultiGoalPointEnv"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

GOALS = np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]])
GOALS.flags.writeable = False

HALF_WIDTH = 7.0


class MultiGoalPointEnv(gymnasium.Env[Float32, Float32]):
    """
    ## Description

    A point mass in the plane is driven by its velocity towards the nearest of four goals at
    (5, 0), (-5, 0), (0, 5) and (0, -5). From the centre all four are equally good, so a policy of
    one mode is as good in return and worse in entropy. This is the environment of soft Q-learning
    (Haarnoja et al. 2017); `wpg/MultiGoal-v0` is a finite problem with an exact answer instead.

    ## Action Space

    A `Box` (2,), float32:

    | Num | Action                        | Min  | Max | Unit          |
    |-----|-------------------------------|------|-----|---------------|
    | 0   | velocity along the first axis | -1.0 | 1.0 | length / step |
    | 1   | velocity along the second     | -1.0 | 1.0 | length / step |

    ## Observation Space

    A `Box` (2,), float32: the position itself.

    | Num | Observation                   | Min  | Max | Unit          |
    |-----|-------------------------------|------|-----|---------------|
    | 0   | first coordinate              | -7.0 | 7.0 | length        |
    | 1   | second coordinate             | -7.0 | 7.0 | length        |

    ## Transitions

    x' = x + a, clipped to the square coordinate by coordinate, then rounded to float32, so that
    what is observed is the whole state. Nothing is random: time step 1, no noise, no inertia.

    ## Rewards

    Of the action given and the position after it, with the squared distance to the nearest goal:

        r = -action_cost |a|^2 - distance_cost min_g |x' - g|^2 + goal_reward [x' is at a goal]

    Nothing is multiplied by a time step. At most `goal_reward`, and by default at least -113: 60
    for an action in a corner, 53 for a corner of the square.

    By default the best return from the centre is -111.2 without discount, on a grid of 0.1
    (`bench/python/multi_goal_optimum.py`). The soft-optimal policies with discount 0.99 on it
    divide themselves evenly among the goals and return -112 (temperature 0.1), -120 (1), -134 (3)
    and -196 (10, in 10 steps); that of temperature 30 never arrives. Soft Q-learning scaled this
    reward by 0.1 at temperature 1, which is temperature 10.

    ## Starting State

    N(0, start_deviation^2 I), clipped to the square, or `options={"state": x}`.

    ## Episode End

    Terminates where the nearest goal is nearer than `goal_radius`; `info["goal"]` is then its index
    from 0 to 3 in the order above, and is absent otherwise. Truncated by `max_episode_steps`, 30
    for `wpg/MultiGoalPoint-v0`.

    ## Arguments

    * `action_cost`: 30, not negative
    * `distance_cost`: 1, not negative
    * `goal_reward`: 10
    * `goal_radius`: 1, positive
    * `start_deviation`: 0.1, not negative; 0 for the centre

    The defaults are those of soft Q-learning. Stein soft actor-critic starts at the centre and has
    a goal radius of 0.5. Both clip an action that is outside its box; here it is a ValueError.

    ## Version History

    * v0: initial version
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        *,
        action_cost: float = 30.0,
        distance_cost: float = 1.0,
        goal_reward: float = 10.0,
        goal_radius: float = 1.0,
        start_deviation: float = 0.1,
    ) -> None:
        self.action_cost = _not_negative(action_cost, "action_cost")
        self.distance_cost = _not_negative(distance_cost, "distance_cost")
        self.goal_reward = finite(goal_reward, "goal_reward")
        self.goal_radius = positive(goal_radius, "goal_radius")
        self.start_deviation = _not_negative(start_deviation, "start_deviation")
        self.discount = 0.99
        self.observation_space = gymnasium.spaces.Box(-HALF_WIDTH, HALF_WIDTH, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._position = np.zeros(2, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Start at a draw around the centre, or at options["state"] (2,)."""
        super().reset(seed=seed)
        if options and "state" in options:
            state = np.asarray(options["state"], np.float32)
            if not self.observation_space.contains(state):
                raise ValueError(
                    f"options['state'] is {options['state']!r}; it must be 2 numbers from "
                    f"{-HALF_WIDTH:g} to {HALF_WIDTH:g}"
                )
            self._position = state.copy()
        else:
            start = self.start_deviation * self.np_random.standard_normal(2)
            self._position = _inside(start)
        return self._position.copy(), {}

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Move: next position (2,), reward, is a goal reached, False, its index in info["goal"]."""
        action = np.asarray(action, np.float32)
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; it must be inside {self.action_space}")
        push = action.astype(np.float64)
        self._position = _inside(self._position.astype(np.float64) + push)
        away = np.square(self._position.astype(np.float64) - GOALS).sum(axis=1)
        goal = int(away.argmin())
        reached = bool(away[goal] < self.goal_radius**2)
        cost = self.action_cost * float(push @ push) + self.distance_cost * float(away[goal])
        reward = (self.goal_reward if reached else 0.0) - cost
        return self._position.copy(), reward, reached, False, {"goal": goal} if reached else {}


def _inside(position: Float64) -> Float32:
    return np.clip(position, -HALF_WIDTH, HALF_WIDTH).astype(np.float32)


def _not_negative(value: Any, name: str) -> float:
    number = finite(value, name)
    if number < 0.0:
        raise ValueError(f"{name} is {value!r}; it must not be negative")
    return number
