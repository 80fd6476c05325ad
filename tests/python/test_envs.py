"""Which environments are taken, and what is said of the others."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import small_environments
from wpg import UsageError
from wpg.envs import make

small_environments.register()


def test_dict_observations_are_flattened() -> None:
    env = make("tests/SlideDict-v0")
    assert env.observation_size == 2
    observation = env.reset(seed=3)
    assert observation.shape == (2,)
    assert observation.dtype == np.float32
    observation, reward, terminated, truncated = env.step(np.array([0.5], np.float32))
    assert observation[1] == 1.0
    assert isinstance(reward, float)
    assert (terminated, truncated) == (False, False)


def test_an_environment_may_be_given() -> None:
    env = make(gymnasium.make("Pendulum-v1"))
    assert (env.name, env.observation_size, env.action_size) == ("Pendulum-v1", 3, 1)
    assert env.support.low.tolist() == [-2.0]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("CartPole-v1", "Discrete"),
        ("tests/Images-v0", "image"),
        ("tests/Unbounded-v0", "unbounded"),
        ("Pendulum-v99", "Pendulum-v99"),
        ("Nothing-v0", "Nothing"),
        ("no_such_module:Thing-v0", "no_such_module"),
        (42, "42"),
    ],
)
def test_other_environments_are_refused_in_one_line(env: object, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        make(env)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
