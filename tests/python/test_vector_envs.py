"""Environments side by side: autoreset modes, one stream of transitions, going on."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import small_environments
import wpg
from wpg.agents import load
from wpg.envs import make, make_side_by_side
from wpg.errors import EpisodeError, UsageError
from wpg.noise import derive_seed

small_environments.register()

MODES = list(AutoresetMode)
KINDS = [SyncVectorEnv, AsyncVectorEnv]
SMALL = {"width": 16, "depth": 1, "warmup_steps": 30, "batch_size": 8, "evaluation_interval": 0}


def vector(kind: Any, mode: AutoresetMode, env: str = "tests/Clock-v0", n: int = 3) -> Any:
    return kind([partial(gymnasium.make, env)] * n, autoreset_mode=mode)


@pytest.mark.twin
@pytest.mark.parametrize("env", ["tests/Clock-v0", "tests/ClockDict-v0"])
@pytest.mark.parametrize("kind", KINDS, ids=["sync", "async"])
@pytest.mark.parametrize("mode", MODES, ids=[mode.name for mode in MODES])
def test_every_autoreset_mode_gives_the_transitions_of_single_environments(
    mode: AutoresetMode, kind: Any, env: str
) -> None:
    """The twin steps every environment alone. `Clock` raises if it is stepped after its end, and
    its observations say the time, so an observation of the next episode would be noticed."""
    n, rng = 3, np.random.default_rng(5)
    _, envs = make_side_by_side(vector(kind, mode, env))
    singles = [make(env) for _ in range(n)]
    now = envs.begin({row: 100 + row for row in range(n)})
    alone = {row: singles[row].reset(100 + row) for row in range(n)}
    over, ended, skipped = [False] * n, 0, 0
    for tick in range(40):
        seeds = {row: 1000 * tick + row for row in range(n) if over[row]}
        if seeds and envs.seeded:
            now |= envs.begin(seeds)
            alone |= {row: singles[row].reset(seed) for row, seed in seeds.items()}
        actions = rng.uniform([-1, 0], [1, 3], (n, 2)).astype(np.float32)
        found = envs.step(actions)
        for row in range(n):
            np.testing.assert_array_equal(now[row], alone[row])
            if mode == AutoresetMode.NEXT_STEP and over[row]:
                assert not found.taken[row]
                # The environment goes on with its own random numbers.
                alone[row] = singles[row]._observe(singles[row].env.reset()[0])
                now[row], over[row] = found.begun[row], False
                skipped += 1
                continue
            assert found.taken[row]
            observation, reward, terminated, truncated = singles[row].step(actions[row])
            np.testing.assert_array_equal(found.next_observations[row], observation)
            assert found.rewards[row] == reward
            assert (found.terminated[row], found.truncated[row]) == (terminated, truncated)
            now[row], alone[row] = found.next_observations[row], observation
            over[row] = terminated or truncated
            ended += over[row]
            if mode == AutoresetMode.SAME_STEP and over[row]:
                alone[row] = singles[row]._observe(singles[row].env.reset()[0])
                now[row], over[row] = found.begun[row], False
    assert ended > 15
    assert skipped > 10 or mode != AutoresetMode.NEXT_STEP
    envs.close()


def agent_of(critic: str, env: Any = "tests/Clock-v0", **settings: Any) -> Any:
    if critic == "neural":
        return wpg.WPG(env, critic="neural", seed=4, **{**SMALL, **settings})
    quick = {"warmup_steps": 30, "centers": 20, "planned_states": 30, "evaluation_interval": 0}
    return wpg.WPG(env, seed=4, **{**quick, "particles": 8, "sweeps": 20, **settings})


def bits(agent: Any) -> list[bytes]:
    """All that the agent has learnt and seen."""
    arrays = agent.snapshot()[1]
    return [arrays[name].tobytes() for name in sorted(arrays)]


@pytest.mark.property
@pytest.mark.parametrize("critic", ["neural", "kernel"])
def test_sync_and_async_and_a_given_vector_environment_give_the_same_bits(critic: str) -> None:
    plain = agent_of(critic, num_envs=3).learn(90)
    assert len(plain.replay) == plain.env_steps == 90
    worker = agent_of(critic, num_envs=3, async_envs=True).learn(90)
    given = agent_of(critic, vector(SyncVectorEnv, AutoresetMode.DISABLED)).learn(90)
    assert bits(plain) == bits(worker) == bits(given)
    for agent in (plain, worker, given):
        agent.close()


@pytest.mark.property
@pytest.mark.parametrize("critic", ["neural", "kernel"])
@pytest.mark.parametrize("n", [1, 3])
def test_an_agent_stores_the_transitions_of_single_environments(critic: str, n: int) -> None:
    """Every stored episode is that of one environment alone, with the episode's seed and actions;
    together they are all that was stored."""
    agent = agent_of(critic, num_envs=n).learn(90)
    replay, env = agent.replay, make("tests/Clock-v0")
    firsts = sorted(set(range(len(replay))) - set(replay.following.tolist()))
    starts = {
        env.reset(derive_seed(4, "reset", k)).tobytes(): k for k in range(agent.episodes.begun)
    }
    seen = 0
    for row in firsts:
        number = starts[replay.observations[row].tobytes()]
        observation, row_now = env.reset(derive_seed(4, "reset", number)), row
        while row_now >= 0:
            np.testing.assert_array_equal(replay.observations[row_now], observation)
            observation, reward, terminated, truncated = env.step(replay.actions[row_now])
            np.testing.assert_array_equal(replay.next_observations[row_now], observation)
            assert replay.rewards[row_now] == reward
            assert replay.terminated[row_now] == terminated
            seen += 1
            last, row_now = row_now, replay.following[row_now]
            assert not ((terminated or truncated) and row_now >= 0)
        assert terminated or truncated or last >= len(replay) - n
    assert seen == len(replay)


@pytest.mark.parametrize("mode", MODES, ids=[mode.name for mode in MODES])
def test_an_agent_learns_from_every_kind_of_vector_environment(mode: AutoresetMode) -> None:
    agent = agent_of("neural", vector(SyncVectorEnv, mode)).learn(100)
    assert len(agent.replay) == agent.env_steps >= 100
    # A row of an episode's first step never follows the last one of the episode before.
    follows = agent.replay.following[agent.replay.following >= 0]
    assert (agent.replay.observations[follows][:, 1] > 0).all()
    assert agent.evaluate(2).lengths


@pytest.mark.property
@pytest.mark.parametrize("critic", ["neural", "kernel"])
@pytest.mark.parametrize(("n", "asynchronous"), [(1, False), (4, False), (4, True)])
def test_a_run_stopped_anywhere_goes_on_as_if_it_had_not_been(
    critic: str, n: int, asynchronous: bool, tmp_path: Path
) -> None:
    settings = {"num_envs": n, "async_envs": asynchronous}
    total = 96
    whole = agent_of(critic, **settings).learn(total)
    paths: list[Path] = []

    def save(agent: Any, event: str, record: dict[str, Any]) -> None:
        if event == "step" and record["env_steps"] % 20 == 0:
            paths.append(tmp_path / f"{record['env_steps']}.npz")
            agent.save(paths[-1])

    agent_of(critic, **settings).learn(total, callback=save)
    assert len(paths) == 4
    for path in paths:
        again = load(path)
        again.save(tmp_path / "again.npz")  # a file that was read and written says the same
        for agent in (again, load(tmp_path / "again.npz")):
            agent.learn(total - agent.env_steps)
            assert bits(agent) == bits(whole)
            agent.close()


def test_an_environment_that_forgets_its_seed_is_told_of(tmp_path: Path) -> None:
    agent = agent_of("neural", "tests/Forgetful-v0")
    with pytest.raises(KeyboardInterrupt):
        agent.learn(60, callback=stop_at(47))
    agent.save(tmp_path / "agent.npz")
    again = load(tmp_path / "agent.npz")
    with pytest.warns(UserWarning, match="other observations"):
        again.learn(13)
    assert again.env_steps == 60
    assert again.replay.following[46] == -1


def stop_at(steps: int) -> Any:
    def callback(agent: Any, event: str, record: dict[str, Any]) -> None:
        if event == "step" and record["env_steps"] == steps:
            raise KeyboardInterrupt

    return callback


def test_learning_again_begins_new_episodes() -> None:
    agent = agent_of("neural")
    with pytest.raises(KeyboardInterrupt):
        agent.learn(60, callback=stop_at(33))
    begun = agent.episodes.begun
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent.learn(1)
    assert agent.episodes.begun == begun + 1
    assert agent.replay.following[32] == -1


@pytest.mark.parametrize(("n", "step"), [(1, 46), (3, 138)])
def test_an_environment_that_raises_is_named_and_nothing_of_the_step_counts(
    n: int, step: int
) -> None:
    agent = agent_of("neural", "tests/Raising-v0", num_envs=n)
    with pytest.raises(EpisodeError, match=f"ZeroDivisionError at step {step}: the motor has no"):
        agent.learn(300)
    assert len(agent.replay) == agent.env_steps == step


@pytest.mark.property
@pytest.mark.parametrize("critic", ["neural", "kernel"])
def test_a_failed_step_has_not_been_taken(critic: str, tmp_path: Path) -> None:
    """What is saved after a failure goes on as if there had been none."""
    whole = agent_of(critic, "tests/Slide-v0").learn(90)
    agent = agent_of(critic, "tests/Slide-v0")
    step = agent.env.env.unwrapped.step

    def failing(action: Any) -> Any:
        if agent.env_steps == 47:
            raise ZeroDivisionError("the motor has no power")
        return step(action)

    agent.env.env.unwrapped.step = failing
    with pytest.raises(EpisodeError, match="at step 47"):
        agent.learn(90)
    agent.save(tmp_path / "agent.npz")
    assert bits(load(tmp_path / "agent.npz").learn(43)) == bits(whole)


@pytest.mark.parametrize("critic", ["neural", "kernel"])
@pytest.mark.parametrize("mode", MODES, ids=[mode.name for mode in MODES])
def test_an_agent_of_a_given_vector_environment_can_be_loaded(
    critic: str, mode: AutoresetMode, tmp_path: Path
) -> None:
    agent = agent_of(critic, vector(SyncVectorEnv, mode)).learn(60)
    agent.save(tmp_path / "agent.npz")
    observation = agent.replay.observations[7]
    expected = agent.predict(observation)[0]
    own = small_environments.Clock()  # registered nowhere: it can act, and cannot be trained on
    for env in (None, vector(SyncVectorEnv, mode), own):
        again = load(tmp_path / "agent.npz", env)
        assert again.settings.num_envs == 3
        np.testing.assert_array_equal(again.predict(observation)[0], expected)
        if env is not own:
            assert again.learn(9).env_steps >= agent.env_steps + 9
        again.close()


def test_an_agent_closes_every_environment() -> None:
    closed: list[Any] = []

    class Door(small_environments.Slide):
        def close(self) -> None:
            closed.append(self)

    gymnasium.register("tests/Door-v0", Door, disable_env_checker=True)
    try:
        for n in (1, 2):
            agent = agent_of("neural", "tests/Door-v0", num_envs=n).learn(3)
            agent.evaluate(2)
            agent.close()
            assert len({id(env) for env in closed}) == len(closed) == (3 if n == 1 else 5)
            closed.clear()
    finally:
        del gymnasium.registry["tests/Door-v0"]


def test_what_cannot_be_done_side_by_side_is_said() -> None:
    with pytest.raises(UsageError, match="not registered"):
        wpg.WPG(small_environments.Slide(), num_envs=2, evaluation_interval=0).learn(1)
    with pytest.raises(UsageError, match="num_envs is 0"):
        wpg.WPG("tests/Slide-v0", num_envs=0)
    envs = vector(SyncVectorEnv, AutoresetMode.SAME_STEP)
    with pytest.raises(UsageError, match="num_envs is 2"):
        wpg.WPG(envs, num_envs=2)
    wrapped = gymnasium.wrappers.vector.RescaleAction(
        envs, np.full(2, -1, np.float64), np.full(2, 1, np.float64)
    )
    with pytest.raises(UsageError, match="wrap the single environments"):
        wpg.WPG(wrapped)
    envs.metadata = {}
    with pytest.raises(UsageError, match="AutoresetMode"):
        wpg.WPG(envs)
