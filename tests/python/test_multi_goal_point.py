"""wpg/MultiGoalPoint-v0: Gymnasium's rules, rewards by hand, and the best return that it states."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import wpg
from statistical_claims import assert_mean, assert_variance
from wpg.envs import MultiGoalPointEnv
from wpg.envs.multi_goal_point import GOALS

NAME = "wpg/MultiGoalPoint-v0"

# position, action, position after it, reward, goal; every number is a sum of powers of two, so that
# nothing is rounded. r = -30 |a|^2 - |x' - g|^2 (+ 10 nearer than 1).
TABLE: list[tuple[list[float], list[float], list[float], float, int | None]] = [
    ([0, 0], [0, 0], [0, 0], -25.0, None),
    ([0, 0], [1, 0], [1, 0], -30.0 - 16.0, None),
    ([0, 0], [0.5, 0.5], [0.5, 0.5], -15.0 - 20.25 - 0.25, None),
    ([3.5, 0], [1, 0], [4.5, 0], -30.0 - 0.25 + 10.0, 0),
    ([-5, 0.5], [0, 0], [-5, 0.5], -0.25 + 10.0, 1),
    ([0, 4], [0, 0.25], [0, 4.25], -1.875 - 0.5625 + 10.0, 2),
    ([0, -6.5], [0, 0.75], [0, -5.75], -16.875 - 0.5625 + 10.0, 3),
    ([-3.5, 0.5], [-0.5, -0.5], [-4, 0], -15.0 - 1.0, None),  # at the radius is not inside
    ([6.5, 6.5], [1, 1], [7, 7], -60.0 - 53.0, None),  # the walls, and the least reward
    ([0, -6.5], [0.5, -1], [0.5, -7], -37.5 - 4.25, None),
]


def episode(seed: int) -> list[Any]:
    env = gymnasium.make(NAME)
    env.action_space.seed(7)
    seen: list[Any] = [env.reset(seed=seed)[0].tobytes()]
    for _ in range(40):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        seen.append((observation.tobytes(), reward, terminated, truncated))
        if terminated or truncated:
            seen.append(env.reset()[0].tobytes())
    return seen


def test_gymnasium_has_nothing_to_object() -> None:
    """Every warning of the checker is an error here."""
    env = gymnasium.make(NAME)
    check_env(env.unwrapped)
    assert env.action_space == gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    assert env.observation_space == gymnasium.spaces.Box(-7, 7, (2,), np.float32)
    assert isinstance(env.unwrapped, MultiGoalPointEnv)


@pytest.mark.property
def test_a_seed_names_the_episode() -> None:
    assert episode(3) == episode(3)
    assert episode(3) != episode(4)


@pytest.mark.closed_form
@pytest.mark.parametrize(("position", "action", "after", "reward", "goal"), TABLE)
def test_rewards_by_hand(
    position: list[float], action: list[float], after: list[float], reward: float, goal: int | None
) -> None:
    env = MultiGoalPointEnv()
    assert env.reset(options={"state": position})[0].tolist() == position
    seen, paid, terminated, truncated, info = env.step(np.array(action, np.float32))
    assert seen.tolist() == after
    assert seen.dtype == np.float32
    assert paid == reward
    assert (terminated, truncated) == (goal is not None, False)
    assert info == ({} if goal is None else {"goal": goal})


@pytest.mark.closed_form
def test_arguments_change_the_reward() -> None:
    env = MultiGoalPointEnv(action_cost=1.0, distance_cost=2.0, goal_reward=3.0, goal_radius=0.25)
    env.reset(options={"state": [4.0, 0.0]})
    assert env.step(np.array([0.5, 0.0], np.float32))[1:3] == (-0.25 - 0.5, False)
    assert env.step(np.array([0.5, 0.0], np.float32))[1:3] == (-0.25 + 3.0, True)


@pytest.mark.property
def test_rewards_are_within_the_stated_bounds() -> None:
    env = MultiGoalPointEnv()
    rng = np.random.default_rng(0)
    positions = rng.uniform(-7, 7, (2000, 2)).astype(np.float32)
    actions = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
    for position, action in zip(positions, actions, strict=True):
        env.reset(options={"state": position})
        after, reward, terminated, _, info = env.step(action)
        assert np.abs(after).max() <= 7.0
        assert -113.0 <= reward <= 10.0
        distance = np.linalg.norm(after.astype(np.float64) - GOALS, axis=1)
        assert terminated == (distance.min() < 1.0)
        assert info.get("goal", distance.argmin()) == distance.argmin()


def test_an_episode_ends_after_thirty_steps() -> None:
    env = gymnasium.make(NAME)
    env.reset(seed=1)
    for step in range(1, 31):
        _, _, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        assert (terminated, truncated, info) == (False, step == 30, {})


@pytest.mark.statistics
def test_starts_are_normal_around_the_centre() -> None:
    """4000 starts, two coordinates and both claims for each: four claims, each wrong at most once
    in 1e9; a mean off by 0.02 and a variance off by 0.3 of it are noticed. Rounding to float32
    moves a start by 1e-8."""
    env = MultiGoalPointEnv()
    env.reset(seed=5)
    starts = np.array([env.reset()[0] for _ in range(4000)], np.float64)
    for d in range(2):
        assert_mean(starts[:, d], 0.0, variance=0.01, bound=None, detects=0.02)
        assert_variance(starts[:, d], 0.01, mean=0.0, detects=0.3)
    centred = MultiGoalPointEnv(start_deviation=0.0)
    assert centred.reset(seed=3)[0].tolist() == [0.0, 0.0]


@pytest.mark.closed_form
def test_the_best_return_from_the_centre() -> None:
    """Dynamic programming along one axis in steps of 0.1: a straight way is best, since going aside
    costs both terms. 30 steps, no discount. The environment pays its actions what it says, up to
    the rounding to float32: after 9 steps a position is off by at most 4e-6, its distance is at
    most 5, so that a reward is off by 4e-5 and the return by 4e-4."""
    cells = np.arange(-10, 41)  # position * 10; a goal is nearer than 1 from cell 41 on
    moves = np.arange(-10, 11)
    value = np.zeros(len(cells))
    for _ in range(30):
        after = cells[:, None] + moves
        paid = -30.0 * (moves / 10.0) ** 2 - (5.0 - after / 10.0) ** 2 + 10.0 * (after > 40)
        inside = np.clip(after, cells[0], cells[-1]) - cells[0]
        q = np.where(after > 40, paid, paid + value[inside])
        q[after < cells[0]] = -np.inf
        value, best = q.max(axis=1), moves[q.argmax(axis=1)] / 10.0
    assert value[10] == pytest.approx(-111.23, abs=1e-9)
    for turn in ([[1, 0], [0, 1]], [[-1, 0], [0, -1]], [[0, 1], [1, 0]], [[0, -1], [-1, 0]]):
        env = MultiGoalPointEnv()
        position, _ = env.reset(options={"state": [0.0, 0.0]})
        total, steps, terminated = 0.0, 0, False
        while not terminated:
            along = round(10 * float((np.array(turn) @ position)[0]))
            action = np.array(turn).T @ [best[along + 10], 0.0]
            position, reward, terminated, _, _ = env.step(action.astype(np.float32))
            total, steps = total + reward, steps + 1
        assert steps <= 9
        assert total == pytest.approx(-111.23, abs=1e-3)


@pytest.mark.end_to_end
def test_the_kernel_agent_takes_it() -> None:
    settings: dict[str, Any] = {
        "warmup_steps": 60,
        "refit_interval": 60,
        "evaluation_interval": 0,
        "centers": 30,
        "planned_states": 60,
        "dynamics_centers": 30,
        "sweeps": 10,
    }
    agent = wpg.WPG(NAME, seed=0, **settings).learn(70)
    env = gymnasium.make(NAME)
    action, _ = agent.predict(env.reset(seed=0)[0], mode="sample")
    assert env.action_space.contains(action)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"action_cost": -1.0}, "action_cost is -1.0; it must not be negative"),
        ({"distance_cost": np.nan}, "distance_cost is nan; it must be finite"),
        ({"goal_reward": "10"}, "goal_reward is '10'; it must be a number"),
        ({"goal_radius": 0.0}, "goal_radius is 0.0; it must be positive"),
        ({"start_deviation": -0.1}, "start_deviation is -0.1"),
        ({"sigma": 0.1}, "sigma"),
    ],
)
def test_bad_keywords_are_refused_by_name(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        gymnasium.make(NAME, **keywords)


def test_bad_actions_and_starts_are_refused() -> None:
    env = MultiGoalPointEnv()
    env.reset(seed=0)
    for action in ([1.01, 0.0], [np.nan, 0.0], [0.0, 0.0, 0.0], 0.0):
        with pytest.raises(ValueError, match="action is"):
            env.step(np.array(action, np.float32))
    for state in ([7.1, 0.0], [np.nan, 0.0], [0.0], 3):
        with pytest.raises(ValueError, match=r"options\['state'\] is .* from -7 to 7"):
            env.reset(options={"state": state})
