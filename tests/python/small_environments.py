"""Environments that each ask one thing of an agent, registered under tests/."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Slide(gymnasium.Env[Any, Any]):
    """A point on a line is pushed to the origin: s' = s + a/2, reward -s'^2. Ends beyond 3, or is
    cut after 20 steps."""

    observation_space = spaces.Box(-4.0, 4.0, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = float(self.np_random.uniform(-2, 2))
        self.time = 0
        return np.array([self.place], np.float32), {}

    def step(self, action: Any) -> Any:
        assert action.shape == (1,)
        assert action.dtype == np.float32
        assert abs(action[0]) <= 1
        self.place += 0.5 * float(action[0])
        self.time += 1
        ended = abs(self.place) > 3
        return (
            np.array([self.place], np.float32),
            -(self.place**2) - 5.0 * ended,
            ended,
            self.time >= 20,
            {},
        )


class Drawn(Slide):
    """The same, which draws itself: 25 pixels wide, a white column where the point is, and a row
    for each step."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        frame = np.zeros((31, 25, 3), np.uint8)
        frame[:, round(3 * self.place) % 25] = 255
        frame[self.time, :, 0] = 255
        return frame


class SlideDict(Slide):
    """The same with a Dict observation."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Box(-4.0, 4.0, (1,), np.float32),
            "time": spaces.Box(0.0, 20.0, (1,), np.float64),
        }
    )

    def _dict(self, observation: Any) -> Any:
        return {"place": observation, "time": np.array([float(self.time)])}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, info = super().reset(seed=seed)
        return self._dict(observation), info

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return self._dict(observation), *rest


class SlideMatrix(SlideDict):
    """The same with an action of shape (1, 1)."""

    action_space = spaces.Box(-1.0, 1.0, (1, 1), np.float32)

    def step(self, action: Any) -> Any:
        assert action.shape == (1, 1)
        return super().step(action[0])


class Many(gymnasium.Env[Any, Any]):
    """D action dimensions: reward -|a - target|^2, one step long, two observations."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, dimension: int = 3) -> None:
        self.action_space = spaces.Box(-2.0, 2.0, (dimension,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seen = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.seen, {}

    def step(self, action: Any) -> Any:
        target = np.resize(self.seen, action.shape)
        return self.seen, -float(((action - target) ** 2).sum()), True, False, {}


class Broken(Slide):
    """Gives NaN after a while."""

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, (float("nan") if self.time == 7 else reward), *rest


class BrokenLate(Slide):
    """Two whole episodes, and NaN in the third."""

    episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.episodes += 1
        observation, info = super().reset(seed=seed)
        self.place = 0.0
        return 0 * observation, info

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(0 * action)
        broken = self.episodes == 3 and self.time == 7
        return observation, (float("nan") if broken else reward), *rest


class BrokenStart(Slide):
    """Gives NaN at its second reset."""

    episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.episodes += 1
        observation, info = super().reset(seed=seed)
        return (np.nan if self.episodes == 2 else 1) * observation, info


class Clock(gymnasium.Env[Any, Any]):
    """Says where it is: (place, time, last action). Episodes take 2 to 9 steps, some are terminated
    and some truncated; a step after the end is an error."""

    observation_space = spaces.Box(-10.0, 10.0, (3,), np.float64)
    action_space = spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 3.0]), (2,), np.float64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = float(self.np_random.uniform(-1, 1))
        self.left = int(self.np_random.integers(2, 10))
        self.time = 0
        return np.array([self.place, 0.0, 0.0]), {}

    def step(self, action: Any) -> Any:
        if self.left == 0:
            raise RuntimeError("the episode is over: reset first")
        self.left -= 1
        self.time += 1
        self.place += 0.1 * float(action.sum())
        over = self.left == 0
        observation = np.array([self.place, self.time, action[0]])
        reward = 1.0 + self.place
        return observation, reward, over and self.time % 2 == 0, over and self.time % 2 == 1, {}


class ClockDict(Clock):
    """The same with a Dict observation."""

    observation_space = spaces.Dict(
        {"place": spaces.Box(-10.0, 10.0, (1,)), "rest": spaces.Box(-10.0, 10.0, (2,))}
    )

    def _dict(self, observation: Any) -> Any:
        observation = observation.astype(np.float32)
        return {"place": observation[:1], "rest": observation[1:]}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, info = super().reset(seed=seed)
        return self._dict(observation), info

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return self._dict(observation), *rest


class Forgetful(Slide):
    """Another start at every reset, whatever the seed."""

    resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        _, info = super().reset(seed=seed)
        Forgetful.resets += 1
        self.place = 0.01 * Forgetful.resets
        return np.array([self.place], np.float32), info


class Raising(Slide):
    """Raises an error in its third episode."""

    episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.episodes += 1
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        if self.episodes == 3 and self.time == 6:
            raise ZeroDivisionError("the motor\nhas no power")
        return super().step(0 * action)


class BrokenCopy(Slide):
    """Copies of the first one that is made fail, as those that an agent is evaluated in: "raises"
    in reset, "nan" in the third step, "nan start" in reset."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.is_copy = how in BrokenCopy.made
        BrokenCopy.made.append(how)

    made: list[str] = []  # noqa: RUF012

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, info = super().reset(seed=seed)
        if self.is_copy and self.how == "raises":
            raise ZeroDivisionError("the motor\nhas no power")
        return (np.nan if self.is_copy and self.how == "nan start" else 1) * observation, info

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        broken = self.is_copy and self.how == "nan" and self.time == 3
        return observation, (float("nan") if broken else reward), *rest


class Images(Slide):
    observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)


class Whole(Slide):
    action_space = spaces.Box(-3, 3, (1,), np.int32)


class Unbounded(Slide):
    action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


def register() -> None:
    """Register all of them once."""
    for name, entry, keywords in (
        ("Slide", Slide, {}),
        ("Drawn", Drawn, {}),
        ("SlideDict", SlideDict, {}),
        ("SlideMatrix", SlideMatrix, {}),
        ("Many3", Many, {"dimension": 3}),
        ("Many2", Many, {"dimension": 2}),
        ("Broken", Broken, {}),
        ("BrokenLate", BrokenLate, {}),
        ("BrokenStart", BrokenStart, {}),
        ("Clock", Clock, {}),
        ("ClockDict", ClockDict, {}),
        ("Forgetful", Forgetful, {}),
        ("Raising", Raising, {}),
        ("RaisingCopy", BrokenCopy, {"how": "raises"}),
        ("NanCopy", BrokenCopy, {"how": "nan"}),
        ("NanStartCopy", BrokenCopy, {"how": "nan start"}),
        ("Images", Images, {}),
        ("Unbounded", Unbounded, {}),
        ("Whole", Whole, {}),
    ):
        if f"tests/{name}-v0" not in gymnasium.registry:
            gymnasium.register(f"tests/{name}-v0", entry, kwargs=keywords, disable_env_checker=True)
