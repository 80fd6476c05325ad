"""Agents among other people's tools: Gymnasium's wrappers, Stable-Baselines3's evaluation."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces, wrappers
from gymnasium.vector import SyncVectorEnv

import small_environments
import wpg
from wpg.agents import load, make_agent
from wpg.envs.observations import ObservationRows
from wpg.errors import CheckpointError, UsageError

small_environments.register()

KERNEL: dict[str, Any] = {
    "warmup_steps": 40,
    "refit_interval": 40,
    "evaluation_interval": 0,
    "centers": 40,
    "planned_states": 80,
    "dynamics_centers": 40,
    "particles": 16,
    "sweeps": 40,
}
NEURAL: dict[str, Any] = {
    "width": 16,
    "depth": 1,
    "warmup_steps": 30,
    "batch_size": 8,
    "evaluation_interval": 0,
}
AGENTS = [("wpg", "kernel"), ("wpg", "neural"), ("sac", "neural")]


def agent_of(agent: str, critic: str, env: Any, steps: int = 50, **more: Any) -> Any:
    settings = {**(KERNEL if critic == "kernel" else NEURAL), **more}
    return make_agent(env, agent=agent, critic=critic, seed=3, **settings).learn(steps)


@functools.cache
def trained(agent: str, critic: str, env: str) -> Any:
    return agent_of(agent, critic, env)


# What the environment gives, and what it gets

NESTED = spaces.Dict(
    {
        "b": spaces.Box(-1.0, 1.0, (2, 2), np.float32),
        "a": spaces.Tuple((spaces.Box(-1.0, 1.0, (), np.float64), spaces.Box(0, 9, (1,), int))),
    }
)


@pytest.mark.twin
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1.0, 1.0, (3,), np.float32),
        spaces.Box(-1.0, 1.0, (4, 3), np.float64),
        spaces.Box(-1.0, 1.0, (1, 3), np.float32),
        spaces.Box(-1.0, 1.0, (), np.float32),
        NESTED,
        NESTED["a"],
    ],
    ids=str,
)
def test_rows_are_those_that_gymnasium_flattens(space: Any) -> None:
    space.seed(1)
    rows_of = ObservationRows(space)
    given = [space.sample() for _ in range(3)]
    expected = [spaces.flatten(space, one).astype(np.float32) for one in given]
    for one, flat in zip(given, expected, strict=True):
        rows, single = rows_of(one)
        assert single
        np.testing.assert_array_equal(rows, [flat])
        np.testing.assert_array_equal(rows_of.one(one), [flat])
    for count in (1, 3):
        batch = gymnasium.vector.utils.create_empty_array(space, n=count)
        batch = gymnasium.vector.utils.concatenate(space, given[:count], batch)
        rows, single = rows_of(batch)
        assert not single
        np.testing.assert_array_equal(rows, expected[:count])


def test_two_dimensional_observations_are_one_though_they_look_like_rows() -> None:
    stack = ObservationRows(spaces.Box(-1.0, 1.0, (4, 3)))
    one = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert stack(one)[1]
    assert stack(one.T.copy().T)[0].tolist() == [one.ravel().tolist()]  # whatever its layout
    assert stack(one.ravel())[1]  # flattened: it cannot be anything else
    assert stack(np.stack([one.ravel()] * 2))[0].shape == (2, 12)
    with pytest.raises(UsageError, match=r"shape \(3, 3\); it must be \(4, 3\) or \(S, 4, 3\)"):
        stack(one[:3])
    row = ObservationRows(spaces.Box(-1.0, 1.0, (1, 3)))
    assert row(one[:1])[1]  # not a batch of one
    with pytest.raises(UsageError, match=r"it must be \(1, 3\) or \(S, 1, 3\)"):
        row(one[:2])


@pytest.mark.parametrize(
    ("space", "given", "words"),
    [
        ("box", [0.0, np.nan, 0.0], r"observation\[1\] is nan; .* finite"),
        ("box", np.array([0.0, 1e300, 0.0]), r"observation\[1\] is inf"),
        ("box", np.full((2, 3), np.inf), r"observation\[0, 0\] is inf"),
        ("box", np.zeros(3, object), "observation has dtype object"),
        ("box", ["1", "2", "3"], "observation has dtype <U1"),
        ("box", [True, False, True], "observation has dtype bool"),
        ("box", [[1.0], [1.0, 2.0]], "observation is no array"),
        ("box", np.ma.zeros(3), "masked"),
        ("box", {"a": 1}, "observation is a dict; it must be"),
        ("box", 0.0, r"observation has shape \(\); it must be \(3,\) or \(S, 3\)"),
        ("dict", {"place": [0.0]}, r"keys \['place'\]; it must have \['place', 'time'\]"),
        ("dict", {"place": [0.0], "time": [0.0, 1.0]}, r"observation\['time'\] has shape \(2,\)"),
        ("dict", {"place": [0.0], "time": [np.nan]}, r"observation\['time'\]\[0\] is nan"),
        ("dict", {"place": [0.0], "time": [[0.0]]}, r"'place'\] is one, .* a batch of 1"),
        ("dict", {"place": [[0.0]] * 2, "time": [[0.0]] * 3}, "do not fit together"),
        ("dict", {"place": [0.0], "time": np.array([None])}, r"\['time'\] has dtype object"),
        ("dict", [0.0], r"it must be of the environment's Dict, or \(2,\)"),
        ("tuple", (0.0,), "observation must be a tuple of 2"),
        ("tuple", (np.nan, [1]), r"observation\[0\] is nan"),
    ],
)
def test_bad_observations_are_named(space: str, given: Any, words: str) -> None:
    kinds = {
        "box": spaces.Box(-1.0, 1.0, (3,)),
        "dict": small_environments.SlideDict.observation_space,
        "tuple": NESTED["a"],
    }
    with pytest.raises(UsageError, match=words) as caught:
        ObservationRows(kinds[space])(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("agent", "critic"), AGENTS)
def test_predict_takes_dicts_and_gives_actions_of_the_space_s_shape(
    agent: str, critic: str
) -> None:
    learner = trained(agent, critic, "tests/SlideMatrix-v0")
    one = {"place": np.array([0.5], np.float32), "time": np.array([3.0])}
    batch = {"place": np.array([[0.5], [1.0]], np.float32), "time": np.array([[3.0], [4.0]])}
    action = learner.predict(one)[0]
    assert action.shape == (1, 1)
    np.testing.assert_array_equal(learner.predict([0.5, 3.0])[0], action)
    many = learner.predict(batch)[0]
    assert many.shape == (2, 1, 1)
    np.testing.assert_array_equal(many[0], action)
    assert learner.predict(one, mode="all")[0].shape[1:] == (1, 1)
    assert learner.predict(batch, mode="all")[0].shape[2:] == (1, 1)
    flat = learner.act(np.array([[0.5, 3.0], [1.0, 4.0]], np.float32))
    np.testing.assert_array_equal(flat, many[:, 0])
    assert learner.particles(one, 3).shape == (3, 1)
    assert learner.q_values(one, np.zeros((2, 1))).shape == (2,)
    assert len(learner.evaluate(2).returns) == 2
    with pytest.raises(UsageError, match="2 rows"):
        learner.particles(batch, 3)


def test_a_certificate_of_an_environment_with_a_matrix_of_actions() -> None:
    from wpg.certificates import certify_agent

    learner = trained("wpg", "kernel", "tests/SlideMatrix-v0")
    assert np.isfinite(
        certify_agent(learner, transitions=40, probe_states=4).bellman_residual
    ).all()


# Gymnasium's wrappers

WRAPPED = {
    "TimeLimit": lambda: wrappers.TimeLimit(gymnasium.make("tests/Slide-v0"), 7),
    "RescaleAction": lambda: wrappers.RescaleAction(
        gymnasium.make("tests/Slide-v0"), np.float32(-3), np.float32(2)
    ),
    "RecordEpisodeStatistics": lambda: wrappers.RecordEpisodeStatistics(
        gymnasium.make("tests/Slide-v0")
    ),
    "FlattenObservation": lambda: wrappers.FlattenObservation(gymnasium.make("tests/ClockDict-v0")),
    "FrameStackObservation": lambda: wrappers.FrameStackObservation(
        gymnasium.make("tests/Clock-v0"), 4
    ),
    "TimeAwareObservation": lambda: wrappers.TimeAwareObservation(
        gymnasium.make("tests/Slide-v0", max_episode_steps=12), normalize_time=True
    ),
    "TimeAwareObservation of a Dict": lambda: wrappers.TimeAwareObservation(
        gymnasium.make("tests/Slide-v0", max_episode_steps=12), flatten=False
    ),
    "TransformReward": lambda: wrappers.TransformReward(
        gymnasium.make("tests/Slide-v0"), lambda reward: 0.1 * reward
    ),
    "several": lambda: wrappers.TimeLimit(
        wrappers.RescaleAction(
            wrappers.FrameStackObservation(
                wrappers.RecordEpisodeStatistics(gymnasium.make("tests/Slide-v0")), 2
            ),
            np.float32(-2),
            np.float32(2),
        ),
        9,
    ),
}


@pytest.mark.end_to_end
@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_environments_are_trained_in_evaluated_saved_and_gone_on_with(
    name: str, tmp_path: Path
) -> None:
    """A run that is stopped in the middle of an episode and goes on is the one that was not."""
    whole = agent_of("wpg", "neural", WRAPPED[name](), 61, num_envs=2)
    part = agent_of("wpg", "neural", WRAPPED[name](), 0, num_envs=2)

    def at(agent: Any, event: str, record: dict[str, Any]) -> None:
        if event == "step" and agent.env_steps == 40:
            agent.save(tmp_path / "agent.npz")

    part.learn(60, callback=at)
    again = load(tmp_path / "agent.npz", WRAPPED[name]())
    assert again.env_steps == 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of an episode that could not be gone on with
        again.learn(21)
    for key, array in whole.snapshot()[1].items():
        np.testing.assert_array_equal(again.snapshot()[1][key], array, err_msg=key)

    env = WRAPPED[name]()
    outcome = again.evaluate(2)
    for episode, expected in enumerate(outcome.returns):
        observation, total, over = env.reset(seed=episode)[0], 0.0, False
        while not over:
            action = again.predict(observation)[0]
            assert action.shape == env.action_space.shape
            observation, reward, terminated, truncated, _ = env.step(
                action.astype(env.action_space.dtype)
            )
            total, over = total + float(reward), terminated or truncated
        assert total == pytest.approx(expected, rel=1e-12)  # the same numbers in the same order
    again.close()


@pytest.mark.end_to_end
@pytest.mark.parametrize("asynchronous", [False, True])
def test_wrapped_environments_side_by_side_are_wrapped(asynchronous: bool) -> None:
    def limited() -> Any:
        return wrappers.TransformReward(
            wrappers.TimeLimit(gymnasium.make("tests/Slide-v0"), 5), lambda reward: reward - 100
        )

    agent = agent_of("wpg", "kernel", limited(), 40, num_envs=2, async_envs=asynchronous)
    assert agent.replay.rewards.max() < -99
    given = agent_of("wpg", "kernel", SyncVectorEnv([limited] * 2), 40)
    assert given.replay.rewards.max() < -99
    agent.close()


def test_of_two_time_limits_the_shorter_one_holds_in_evaluation() -> None:
    """`gymnasium.make(env.spec)` would keep the outer one, and put it beneath all wrappers."""
    env = wrappers.TimeLimit(wrappers.TimeLimit(gymnasium.make("tests/Slide-v0"), 4), 9)
    assert agent_of("wpg", "kernel", env).evaluate(2).lengths == (4, 4)


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (wrappers.NormalizeObservation, "NormalizeObservation around .* normalise observations"),
        (wrappers.NormalizeReward, "NormalizeReward around .* TransformReward"),
        (wrappers.ClipAction, "ClipAction.* leave it out"),
    ],
)
def test_wrappers_that_cannot_work_are_named(wrap: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        wpg.WPG(wrap(gymnasium.make("tests/Slide-v0")), critic="neural")
    assert "\n" not in str(caught.value)


def test_wrappers_around_a_vector_environment_are_refused_where_they_change_something() -> None:
    from gymnasium.wrappers import vector

    def envs() -> Any:
        return SyncVectorEnv([lambda: gymnasium.make("tests/Slide-v0")] * 2)

    for wrapped, words in (
        (vector.NormalizeObservation(envs()), "NormalizeObservation around"),
        (vector.TransformReward(envs(), np.negative), "wrap the single environments"),
    ):
        with pytest.raises(UsageError, match=words):
            wpg.WPG(wrapped)
    assert wpg.WPG(vector.RecordEpisodeStatistics(envs()), **KERNEL).learn(10).env_steps == 10


class Unrecorded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A wrapper as people write them."""

    def __init__(self, env: Any, factor: float = 2.0) -> None:
        super().__init__(env)
        self.factor = factor


def test_a_wrapper_that_does_not_record_its_arguments_is_named() -> None:
    words = "because Unrecorded around it does not record .* evaluation_interval=0"
    with pytest.raises(UsageError, match=words):
        wpg.WPG(Unrecorded(gymnasium.make("tests/Slide-v0"))).learn(10)
    with pytest.raises(UsageError, match=words):
        wpg.WPG(Unrecorded(gymnasium.make("tests/Slide-v0")), **KERNEL, num_envs=2).learn(10)
    alone = wpg.WPG(Unrecorded(gymnasium.make("tests/Slide-v0")), **KERNEL)
    assert alone.learn(10).env_steps == 10


def test_a_saved_agent_asks_for_the_wrappers_it_was_trained_in(tmp_path: Path) -> None:
    env = WRAPPED["RescaleAction"]()
    agent_of("wpg", "kernel", env).save(tmp_path / "agent.npz")
    with pytest.raises(CheckpointError, match=r"inside RescaleAction; give such an env"):
        load(tmp_path / "agent.npz")
    with pytest.raises(CheckpointError, match=r"from \[-1.0\] to \[1.0\]; .* RescaleAction"):
        load(tmp_path / "agent.npz", "tests/Slide-v0")
    other = wrappers.RecordEpisodeStatistics(env)  # what changes nothing is nobody's business
    assert load(tmp_path / "agent.npz", other).ready
    agent_of("wpg", "kernel", "tests/Slide-v0").save(tmp_path / "bare.npz")
    with pytest.raises(CheckpointError, match="inside no wrapper"):
        load(tmp_path / "bare.npz", env)


# Stable-Baselines3

ENVIRONMENTS = ["tests/Slide-v0", "tests/SlideMatrix-v0"]
CASES = [
    (*agent, env_id, kind)
    for agent in AGENTS
    for env_id in ENVIRONMENTS
    for kind in ("single", "monitor", "several")
]
CASES.append(("sac", "neural", "tests/SlideMatrix-v0", "processes"))


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")  # of the other library's imports
@pytest.mark.parametrize(("agent", "critic", "env_id", "kind"), CASES)
def test_stable_baselines_evaluates_every_agent(
    agent: str, critic: str, env_id: str, kind: str
) -> None:
    evaluation = pytest.importorskip(
        "stable_baselines3.common.evaluation", reason="Stable-Baselines3 is not installed"
    )
    from stable_baselines3.common import monitor, vec_env

    def monitored() -> Any:
        small_environments.register()
        return monitor.Monitor(gymnasium.make(env_id))

    makers: dict[str, Any] = {
        "single": lambda: gymnasium.make(env_id),
        "monitor": monitored,
        "several": lambda: vec_env.DummyVecEnv([monitored] * 3),
        "processes": lambda: vec_env.SubprocVecEnv([monitored] * 2, start_method="fork"),
    }
    learner = trained(agent, critic, env_id)
    for deterministic in (True, False):
        env = makers[kind]()
        returns, lengths = evaluation.evaluate_policy(
            learner,
            env,
            n_eval_episodes=4,
            deterministic=deterministic,
            return_episode_rewards=True,
        )
        env.close()
        assert len(returns) == 4
        assert max(lengths) <= 20
        assert np.isfinite(returns).all()


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
def test_stable_baselines_finds_the_returns_that_the_agent_finds() -> None:
    evaluation = pytest.importorskip(
        "stable_baselines3.common.evaluation", reason="Stable-Baselines3 is not installed"
    )
    from stable_baselines3.common.vec_env import DummyVecEnv

    learner = trained("wpg", "neural", "tests/SlideMatrix-v0")
    env = DummyVecEnv([lambda: gymnasium.make("tests/SlideMatrix-v0")] * 3)
    env.seed(0)  # of environment e: e, as in the agent's own evaluation
    returns, _ = evaluation.evaluate_policy(
        learner, env, n_eval_episodes=3, return_episode_rewards=True
    )
    # Rewards pass through a float32 array there: 20 of them, each off by 2^-24 of itself.
    own = learner.evaluate(3).returns
    np.testing.assert_allclose(sorted(returns), sorted(own), rtol=40 * 2.0**-24)
