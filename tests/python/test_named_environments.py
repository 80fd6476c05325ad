"""The registered environments: Gymnasium's rules, and that they sample the exact problem."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import wpg
from statistical_claims import assert_mean, assert_variance
from wpg.envs import FiniteMDPEnv, LQREnv, register
from wpg.exact import LQR, FiniteMDP, problems

NAMES = ["wpg/LQR-v0", "wpg/Trig-v0", "wpg/MultiGoal-v0", "wpg/DoubleWell-v0"]
LENGTHS = {"wpg/LQR-v0": 100, "wpg/Trig-v0": 100, "wpg/MultiGoal-v0": 50, "wpg/DoubleWell-v0": 1}


def made(name: str, **keywords: Any) -> Any:
    return gymnasium.make(name, **keywords)


def episode(name: str, seed: int, steps: int = 20) -> list[Any]:
    env = made(name)
    env.action_space.seed(7)
    seen: list[Any] = [env.reset(seed=seed)[0].tobytes()]
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        seen.append((observation.tobytes(), reward, terminated, truncated))
        if terminated or truncated:
            seen.append(env.reset()[0].tobytes())
    return seen


# Gymnasium's rules


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_has_nothing_to_object(name: str) -> None:
    """Every warning of the checker is an error here."""
    env = made(name)
    check_env(env.unwrapped)
    assert env.action_space.dtype == env.observation_space.dtype == np.float32


@pytest.mark.property
@pytest.mark.parametrize("name", NAMES)
def test_a_seed_names_the_episode(name: str) -> None:
    assert episode(name, 3) == episode(name, 3)
    if name != "wpg/DoubleWell-v0":  # nothing is random there
        assert episode(name, 3) != episode(name, 4)


@pytest.mark.parametrize("name", NAMES)
def test_episodes_are_cut_by_the_clock(name: str) -> None:
    env = made(name)
    env.action_space.seed(8)
    env.reset(seed=1)
    for step in range(1, LENGTHS[name] + 1):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert truncated == (step == LENGTHS[name])
        assert terminated == (name == "wpg/DoubleWell-v0")


def test_importing_wpg_is_enough() -> None:
    code = "import wpg, gymnasium; print(gymnasium.make('wpg/LQR-v0').unwrapped.problem)"
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert out.startswith("LQR(O=2, D=1")


def test_registering_twice_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    register()
    assert dict(gymnasium.registry) == before


def test_keywords_reach_the_problem() -> None:
    assert made("wpg/LQR-v0", discount=0.95).unwrapped.problem.discount == 0.95
    assert made("wpg/LQR-v0", temperature=0.1).unwrapped.problem.temperature == 0.1
    assert made("wpg/Trig-v0", n_states=5, action_size=2).unwrapped.problem.n_states == 5
    assert made("wpg/MultiGoal-v0", n_cells=5).unwrapped.problem.n_states == 25
    assert made("wpg/DoubleWell-v0", temperature=0.5).unwrapped.problem.temperature == 0.5
    assert made("wpg/LQR-v0", max_episode_steps=7).spec.max_episode_steps == 7
    assert made("wpg/LQR-v0", action_bound=0.5).action_space.high.tolist() == [0.5]


@pytest.mark.end_to_end
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_agent_takes_them(name: str) -> None:
    settings: dict[str, Any] = {
        "warmup_steps": 60,
        "refit_interval": 60,
        "evaluation_interval": 0,
        "centers": 30,
        "planned_states": 60,
        "dynamics_centers": 30,
        "sweeps": 10,
    }
    env = made(name)
    agent = wpg.WPG(name, seed=0, discount=env.unwrapped.problem.discount, **settings).learn(70)
    assert agent.ready
    action, _ = agent.predict(env.reset(seed=0)[0])
    assert env.action_space.contains(action)


# LQR: what is sampled is the exact problem


def correlated() -> LQR:
    return LQR(
        [[0.9, 0.2], [-0.1, 0.7]],
        [[0.3, 0.0], [0.1, 0.5]],
        np.eye(2),
        np.eye(2),
        [[0.04, 0.03], [0.03, 0.09]],
        discount=0.9,
        temperature=0.1,
    )


@pytest.mark.closed_form
@pytest.mark.parametrize("problem", [None, correlated()], ids=["default", "correlated"])
def test_lqr_pays_the_reward_of_what_was_seen(problem: LQR | None) -> None:
    env = LQREnv(problem)
    env.action_space.seed(9)
    observation, _ = env.reset(seed=5)
    for _ in range(50):
        action = env.action_space.sample()
        s, a = observation.astype(np.float64), action.astype(np.float64)
        observation, reward, *_ = env.step(action)
        assert reward == env.problem.reward(s[None], a[None, None])[0, 0]
        assert reward == pytest.approx(-(s @ env.problem.M @ s + a @ env.problem.R @ a) / 2)


@pytest.mark.statistics
def test_lqr_noise_has_the_mean_and_covariance_of_the_problem() -> None:
    """10000 independent steps from one state. The noise is normal, so both claims are exact up to
    the rounding to float32, 1e-7 of numbers near 1 against standard deviations of 0.2. Variances
    along (1, 0), (0, 1) and (1, 1) are all there is of a covariance. Six claims, each wrong at most
    once in 1e9; means off by 0.03 and variances off by a fifth are noticed."""
    problem, n = correlated(), 10_000
    env = LQREnv(problem)
    env.reset(seed=11)
    state, action = np.array([0.5, -0.25]), np.array([-0.5, 1.0], np.float32)
    after = np.empty((n, 2))
    for i in range(n):
        env.reset(options={"state": state})
        after[i] = env.step(action)[0]
    noise = after - (problem.A @ state + problem.B @ action.astype(np.float64))
    for direction in np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]):
        variance = float(direction @ problem.W @ direction)
        assert_mean(noise @ direction, 0.0, variance=variance, bound=None, detects=0.05)
        assert_variance(noise @ direction, variance, mean=0.0, detects=0.2)


def test_lqr_starts_in_its_box() -> None:
    env = LQREnv(start=[2.0, 0.1])
    starts = np.array([env.reset(seed=k)[0] for k in range(200)])
    assert (np.abs(starts) <= np.array([2.0, 0.1], np.float32)).all()
    assert (np.abs(starts).max(axis=0) > [1.8, 0.09]).all()  # fails wrongly in 2 * 0.9^200 = 1e-9
    np.testing.assert_array_equal(env.reset(options={"state": [3.0, -4.0]})[0], [3.0, -4.0])


def test_the_optimal_action_is_inside_the_walls_of_the_default_lqr() -> None:
    """|F s| is largest at a corner of the starts, 0.97, and then falls under the mean action."""
    env = LQREnv()
    best = env.problem.optimal()
    starts = np.array([env.reset(seed=k)[0] for k in range(100)])
    assert (np.abs(starts) <= np.array([0.7, 0.5], np.float32)).all()
    corners = np.array([[0.7, 0.5], [0.7, -0.5]])
    assert np.abs(best.mean_action(corners)).max() == pytest.approx(0.97, abs=0.01)
    for _ in range(20):
        corners = corners @ (env.problem.A - env.problem.B @ best.F).T
        assert np.abs(best.mean_action(corners)).max() < 0.6


# Finite problems: what is sampled is the exact problem


@pytest.mark.closed_form
@pytest.mark.parametrize("name", NAMES[1:])
def test_finite_problems_pay_their_reward(name: str) -> None:
    env = made(name).unwrapped
    env.action_space.seed(10)
    env.reset(seed=6)
    S = env.problem.n_states
    for _ in range(30):
        state, action = env.state, env.action_space.sample()
        _, reward, terminated, _, _ = env.step(action)
        everywhere = np.tile(action.astype(np.float64), (S, 1, 1))
        assert reward == env.problem.reward(everywhere)[state, 0]
        assert terminated == (env.problem.discount == 0.0)
        low, high = {
            "wpg/Trig-v0": (-1.9, 1.9),
            "wpg/MultiGoal-v0": (-0.2, 1.0),
            "wpg/DoubleWell-v0": (-10.0, 0.0),
        }[name]
        assert low <= reward <= high


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("name", "state", "action"),
    [
        ("wpg/Trig-v0", 0, [0.3]),
        ("wpg/Trig-v0", 2, [-1.0]),
        ("wpg/MultiGoal-v0", 0, [0.4, -0.2]),  # a corner: several moves lead to one cell
        ("wpg/MultiGoal-v0", 40, [0.4, -0.2]),
    ],
)
def test_next_states_come_with_the_problems_frequencies(
    name: str, state: int, action: list[float]
) -> None:
    """8000 independent steps. Each next state's indicator has a known variance p (1 - p) and lies
    within [0, 1]: Bernstein. At most 9 claims a case, each wrong at most once in 1e9; a chance that
    is off by 0.08 is noticed."""
    env = made(name).unwrapped
    push = np.array(action, np.float32)
    S, n = env.problem.n_states, 8000
    rows = env.problem.transition(np.tile(push.astype(np.float64), (S, 1, 1)))[state, 0]
    columns = range(S) if env.problem.successors is None else env.problem.successors[state]
    chances = np.zeros(S)
    np.add.at(chances, list(columns), rows)
    env.reset(seed=12)
    after = np.empty(n, int)
    for i in range(n):
        env.reset(options={"state": state})
        env.step(push)
        after[i] = env.state
    assert set(after) <= set(np.flatnonzero(chances))
    for k in np.flatnonzero(chances):
        p = float(chances[k])
        assert_mean(after == k, p, variance=p * (1 - p), bound=1.0, detects=0.08)


@pytest.mark.statistics
def test_finite_starts_are_uniform() -> None:
    """4000 starts in 3 states, each frequency wrong at most once in 1e9."""
    env = made("wpg/Trig-v0").unwrapped
    env.reset(seed=13)
    starts = np.empty(4000, int)
    for i in range(len(starts)):
        env.reset()
        starts[i] = env.state
    for state in range(3):
        assert_mean(starts == state, 1 / 3, variance=2 / 9, bound=1.0, detects=0.09)


def test_observations_are_the_stated_features() -> None:
    trig = made("wpg/Trig-v0").unwrapped
    rows = [trig.reset(options={"state": s})[0] for s in range(3)]
    angle = 2 * np.pi * np.arange(3) / 3
    np.testing.assert_allclose(rows, np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-7)
    goal = made("wpg/MultiGoal-v0").unwrapped
    for s in range(81):  # row by row on 9 x 9 cells
        cell = np.array(divmod(s, 9))
        np.testing.assert_allclose(goal.reset(options={"state": s})[0], cell / 4 - 1, atol=1e-7)
    assert made("wpg/DoubleWell-v0").reset(seed=0)[0].tolist() == [0.0]
    plain = FiniteMDPEnv(problems.trig(support="box"))
    assert plain.reset(options={"state": 1})[0].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.closed_form
def test_the_scaled_double_well_has_the_stated_value() -> None:
    """Spectrally accurate midpoint rule: the density is below exp(-40) at the walls."""
    problem = made("wpg/DoubleWell-v0", k=2.0, temperature=0.5).unwrapped.problem
    assert problem.high.tolist() == [1.0]
    value = problem.solve(problem.grid(400)).value[0]
    assert value == pytest.approx(problem.optimal_value, abs=1e-12)
    b = problems.double_well(k=2.0, temperature=0.5).high[0]
    best = np.full((1, 1, 1), 1.0 / b)
    assert problem.reward(best)[0, 0] == pytest.approx(0.0, abs=1e-15)


# What is refused


@pytest.mark.parametrize(
    ("name", "keywords", "words"),
    [
        ("wpg/LQR-v0", {"discount": 1.0}, "discount is 1.0"),
        ("wpg/LQR-v0", {"temperature": 0.0}, "temperature is 0.0"),
        ("wpg/LQR-v0", {"action_bound": 0.0}, "action_bound is 0.0"),
        ("wpg/LQR-v0", {"action_bound": [1.0, 1.0]}, "action_bound has shape"),
        ("wpg/LQR-v0", {"start": -1.0}, "start is -1.0"),
        ("wpg/LQR-v0", {"problem": correlated(), "discount": 0.5}, "problem and discount"),
        ("wpg/LQR-v0", {"problem": 3}, "problem is 3"),
        ("wpg/LQR-v0", {"discont": 0.9}, "discont"),
        ("wpg/Trig-v0", {"discount": -1.0}, "discount is -1.0"),
        ("wpg/Trig-v0", {"n_states": 0}, "n_states"),
        ("wpg/MultiGoal-v0", {"n_cells": 2}, "n_cells is 2"),
        ("wpg/DoubleWell-v0", {"k": -1.0}, "k is -1.0"),
        ("wpg/DoubleWell-v0", {"discount": 0.5}, "discount"),
    ],
)
def test_bad_keywords_are_refused_by_name(name: str, keywords: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        made(name, **keywords)


def test_bad_problems_and_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"on a wpg\.supports\.Box"):
        FiniteMDPEnv(problems.trig(support="torus"))
    with pytest.raises(TypeError, match="problem is 'trig'"):
        FiniteMDPEnv("trig")  # type: ignore[arg-type]
    box = problems.trig(support="box")
    assert isinstance(box, FiniteMDP)
    with pytest.raises(ValueError, match=r"features has shape \(2, 2\); it must be \(3, O\)"):
        FiniteMDPEnv(box, np.eye(2))
    with pytest.raises(ValueError, match="not finite"):
        FiniteMDPEnv(box, np.full((3, 1), np.nan))


@pytest.mark.parametrize("name", NAMES)
def test_bad_actions_and_starts_are_refused(name: str) -> None:
    env = made(name).unwrapped
    env.reset(seed=0)
    D = env.action_space.shape[0]
    for action in (np.full(D, 1.01), np.full(D, np.nan), np.zeros(D + 1)):
        with pytest.raises(ValueError, match="action is"):
            env.step(action.astype(np.float32))
    for state in (-1, 10_000, "here", [0.0, 0.0, np.nan]):
        with pytest.raises(ValueError, match=r"state|could not convert"):
            env.reset(options={"state": state})
