"""A Gymnasium environment around `wpg.exact.LQR`: the exact optimum is known."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.exact.lqr import LQR

__all__ = ["LQREnv", "cart_on_a_spring"]

Float32 = NDArray[np.float32]


def cart_on_a_spring(*, discount: float = 0.9, temperature: float = 0.05) -> LQR:
    """The default problem: a damped cart on a spring, pushed once a time step.

    Position x and velocity v, in steps of 0.5 with spring constant 0.3, friction 0.4 and a push
    of up to 1 that accelerates by 1:

        x' = x + 0.5 v,   v' = v + 0.5 (-0.3 x - 0.4 v + a)   (and noise)
    """
    h, spring, friction = 0.5, 0.3, 0.4
    return LQR(
        A=[[1.0, h], [-h * spring, 1.0 - h * friction]],
        B=[[0.0], [h]],
        M=np.diag([1.0, 0.1]),
        R=[[0.5]],
        W=np.diag([0.01**2, 0.05**2]),
        discount=discount,
        temperature=temperature,
    )


class LQREnv(gymnasium.Env[Float32, Float32]):
    """
    ## Description

    A linear system with quadratic rewards, whose optimal soft value and policy are known:
    `env.unwrapped.problem` is the exact problem, and `problem.optimal()` has the optimal gain F,
    covariance and value. The default is a damped cart on a spring, `cart_on_a_spring`.

    The exact policy N(-F s, covariance) has no walls, the environment has: the two agree where
    |F s| plus a few standard deviations stays below `action_bound`. By default |F s| is at most
    0.97 at a start, and 0.06 in the root mean square in the long run under the mean action; the
    standard deviation of pi* is 0.23.

    ## Action Space

    A `Box` (D,), float32. By default:

    | Num | Action                        | Min  | Max | Unit             |
    |-----|-------------------------------|------|-----|------------------|
    | 0   | push a                        | -1.0 | 1.0 | length / time^2  |

    ## Observation Space

    A `Box` (O,), float32: the state itself, not clipped (bounds are the largest float32). By
    default:

    | Num | Observation                   | Min  | Max | Unit             |
    |-----|-------------------------------|------|-----|------------------|
    | 0   | position x                    | -max | max | length           |
    | 1   | velocity v                    | -max | max | length / time    |

    ## Transitions

    s' = A s + B a + w with w ~ N(0, W), then rounded to float32, so that what is observed is the
    whole state.

    ## Rewards

    r = -(s'M s + a'R a)/2 of the state that was observed and the action that was given, exactly;
    at most 0, not bounded below. By default M = diag(1, 0.1) and R = 0.5, and at a start the reward
    is at least -0.51.

    ## Starting State

    Uniform in [-start, start]^O, or `options={"state": s}`.

    ## Episode End

    Never terminates. Truncated by `max_episode_steps`, 100 for `wpg/LQR-v0`.

    ## Arguments

    * `problem`: a `wpg.exact.LQR`; None for `cart_on_a_spring`
    * `discount`, `temperature`: of the default problem, 0.9 and 0.05; not together with `problem`.
      They change the exact answer, not what is sampled. An agent has a discount of its own.
    * `action_bound`: walls, a number or (D,), positive
    * `start`: half-widths of the box of starts, a number or (O,), positive; None for (0.7, 0.5) in
      the default problem and 1 in others

    A step costs O (O + D) numbers. An action outside the box is a ValueError, never clipped.

    ## Version History

    * v0: initial version
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        problem: LQR | None = None,
        *,
        discount: float | None = None,
        temperature: float | None = None,
        action_bound: ArrayLike = 1.0,
        start: ArrayLike | None = None,
    ) -> None:
        given = {
            name: value
            for name, value in (("discount", discount), ("temperature", temperature))
            if value is not None
        }
        if start is None:
            start = (0.7, 0.5) if problem is None else 1.0
        if problem is None:
            problem = cart_on_a_spring(**given)
        elif not isinstance(problem, LQR):
            raise TypeError(f"problem is {problem!r}; it must be a wpg.exact.LQR or None")
        elif given:
            raise ValueError(
                f"problem and {' and '.join(given)} are given; a problem has its own, so give one"
            )
        self.problem = problem
        self.discount = problem.discount
        bound = _positive(action_bound, "action_bound", problem.action_size).astype(np.float32)
        self.start = _positive(start, "start", problem.observation_size)
        largest = np.finfo(np.float32).max
        self.observation_space = gymnasium.spaces.Box(
            -largest, largest, (problem.observation_size,), np.float32
        )
        self.action_space = gymnasium.spaces.Box(-bound, bound, dtype=np.float32)
        values, basis = np.linalg.eigh(problem.W)
        self._noise_root = basis * np.sqrt(np.maximum(values, 0.0))
        self._state = np.zeros(problem.observation_size, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Start at a uniform draw from [-start, start], or at options["state"] (O,)."""
        super().reset(seed=seed)
        if options and "state" in options:
            state = np.asarray(options["state"], np.float32)
            if state.shape != self._state.shape or not np.isfinite(state).all():
                raise ValueError(
                    f"options['state'] is {options['state']!r}; it must be {len(self._state)} "
                    "finite numbers"
                )
            self._state = state.copy()
        else:
            self._state = self.np_random.uniform(-self.start, self.start).astype(np.float32)
        return self._state.copy(), {}

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Push: next observation (O,), reward of this state and action, False, False, {}."""
        action = np.asarray(action, np.float32)
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; it must be inside {self.action_space}")
        state, push = self._state.astype(np.float64), action.astype(np.float64)
        reward = float(self.problem.reward(state[None], push[None, None])[0, 0])
        noise = self._noise_root @ self.np_random.standard_normal(len(state))
        after = self.problem.A @ state + self.problem.B @ push + noise
        self._state = after.astype(np.float32)
        return self._state.copy(), reward, False, False, {}


def _positive(value: ArrayLike, name: str, size: int) -> NDArray[np.float64]:
    """A vector (size,) of finite positive numbers, from one of them or a number."""
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (size,)):
        raise ValueError(f"{name} has shape {array.shape}; it must be a number or ({size},)")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"{name} is {value!r}; it must be finite and positive")
    return np.broadcast_to(array, (size,))
