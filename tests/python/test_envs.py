"""Which environments are taken, and what is said of the others."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import small_environments
import wpg
from wpg import UsageError
from wpg.envs import make
from wpg.errors import EpisodeError

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
        ("tests/Whole-v0", "actions of dtype int32"),
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


class Careless(small_environments.Slide):
    """Gives what it is told to in its fourth step."""

    given: tuple[Any, Any, Any] = (None, None, None)  # observation, reward, terminated

    def step(self, action: Any) -> Any:
        found = super().step(action)
        if self.time != 4:
            return found
        changed = [f if g is None else g for f, g in zip(found, self.given, strict=False)]
        return *changed, *found[3:]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.zeros(3), None, None), r"observation of dtype float64 and shape \(3,\).* has \(1,\)"),
        ((np.zeros((1, 1)), None, None), r"shape \(1, 1\)"),
        ((np.array(["x"]), None, None), "dtype <U1"),
        ((None, np.zeros(1), None), r"gave reward array\(\[0\.\]\)"),
        ((None, "5", None), "gave reward '5'"),
        ((None, None, "False"), "said 'False' for an end"),
    ],
)
def test_what_no_environment_should_give_is_named_and_not_converted(
    given: tuple[Any, Any, Any], words: str
) -> None:
    env = Careless()
    env.given = given
    agent = wpg.WPG(env, critic="neural", width=8, warmup_steps=20, evaluation_interval=0)
    with pytest.raises(EpisodeError, match=f"{words}.*at step 3"):
        agent.learn(10)
    assert agent.env_steps == len(agent.replay) == 3
    assert agent.episodes.failed


@pytest.mark.parametrize("reward", [np.float32(1), np.int64(1), np.array(1.0), True, 1])
def test_numbers_of_every_kind_are_rewards(reward: Any) -> None:
    env = Careless()
    env.given = (None, reward, np.bool_(False))
    agent = wpg.WPG(env, critic="neural", width=8, warmup_steps=20, evaluation_interval=0)
    assert agent.learn(4).replay.rewards[3] == 1.0
