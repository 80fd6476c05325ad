"""What runs record of their clouds: the Gibbs density, the same states always, no trace in
training."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import small_environments
from wpg import clouds, runs
from wpg.agents import make_agent
from wpg.errors import CheckpointError
from wpg.supports import Box

small_environments.register()
KERNEL: dict[str, Any] = {
    "warmup_steps": 60,
    "centers": 40,
    "planned_states": 80,
    "evaluation_interval": 60,
    "evaluation_episodes": 1,
    "dynamics_centers": 40,
}
NEURAL: dict[str, Any] = {
    "warmup_steps": 60,
    "width": 16,
    "batch_size": 16,
    "evaluation_interval": 60,
    "evaluation_episodes": 1,
}
KINDS = [("kernel", KERNEL), ("neural", NEURAL)]


def quadratic(low: list[float], high: list[float], temperature: float) -> Any:
    """An agent whose Q is -|a - s|^2 / 2: its Gibbs policy is a normal law cut to the box."""
    D = len(low)
    return SimpleNamespace(
        env=SimpleNamespace(action_size=D, support=Box(low, high)),
        env_steps=7,
        temperature=temperature,
        ready=True,
        particles=lambda row, n: np.zeros((n, D), np.float32),
        state_action_values=lambda s, a: -0.5 * ((a.astype(np.float64) - s[:, None]) ** 2).sum(2),
    )


@pytest.mark.closed_form
@pytest.mark.parametrize("D", [1, 2])
def test_the_density_is_the_normal_law_of_a_quadratic(D: int) -> None:
    # The walls are 6 deviations away, so the law that is cut is the normal one to exp(-18). Of a
    # smooth function that is nothing at its ends the trapezoidal rule is exact to
    # 2 exp(-2 (pi sigma / h)^2), with sigma = 0.5 and h = 0.2 below 1e-50. float32 actions and
    # densities are left: rounding by 6e-8, times Q's slope 6 / 0.25 over the temperature and the
    # action, below 1e-5 of the highest density.
    agent = quadratic([-4.0] * D, [4.0] * D, 0.25)
    states = np.array([[0.0] * D, [0.5, -1.0][:D]], np.float32)
    found = clouds.clouds_of(agent, states, points=41)
    assert found.density.shape == (2, *[41] * D)
    mesh = np.stack(np.meshgrid(*found.axes(), indexing="ij"), axis=-1)
    for s, state in enumerate(states.astype(np.float64)):
        exact = np.exp(-0.5 * ((mesh - state) ** 2).sum(-1) / 0.25) / (2 * np.pi * 0.25) ** (D / 2)
        assert np.abs(found.density[s] - exact).max() < 1e-5 * exact.max()


@pytest.mark.closed_form
def test_the_density_of_a_flat_critic_is_uniform() -> None:
    # Walls count half: with sums instead of the trapezoidal rule it would be 40/41 of that.
    found = clouds.clouds_of(
        quadratic([0.0, -1.0], [2.0, 4.0], 1e12), np.ones((1, 2), np.float32), points=41
    )
    assert np.allclose(found.density, 0.1, rtol=1e-6)


def test_a_critic_that_is_not_finite_stops_nothing(tmp_path: Path) -> None:
    agent = quadratic([0.0], [1.0], 1.0)
    agent.state_action_values = lambda s, a: np.full(a.shape[:2], np.inf)
    agent.typical_observations = lambda count: np.zeros((count, 1), np.float32)
    clouds.record(agent, tmp_path)
    assert np.isnan(clouds.read(tmp_path / "7.npz").density).all()


@pytest.mark.end_to_end
@pytest.mark.parametrize("num_envs", [1, 2])
@pytest.mark.parametrize(("critic", "settings"), KINDS)
def test_recording_leaves_no_trace_in_training(
    tmp_path: Path, critic: str, settings: dict[str, Any], num_envs: int
) -> None:
    snapshots = []
    for recording in (False, True):
        agent = make_agent(
            "tests/Slide-v0", agent="wpg", critic=critic, seed=3, num_envs=num_envs, **settings
        )

        def callback(agent: Any, event: str, record: Any, recording: bool = recording) -> None:
            if recording and event == "evaluation":
                clouds.record(agent, tmp_path / "clouds")

        agent.learn(200, callback=callback)
        snapshots.append((agent.snapshot(), agent.predict(np.ones(1), mode="sample")))
        agent.close()
    (before, action), (after, same_action) = snapshots
    assert before[0] == after[0]
    assert before[1].keys() == after[1].keys()
    for name, array in before[1].items():
        assert array.tobytes() == after[1][name].tobytes(), name
    assert action[0] == same_action[0]

    files = clouds.recorded(tmp_path / "clouds")
    assert [int(path.stem) for path in files] == [60, 120, 180][-len(files) :]
    assert len(files) >= 2
    first, *others = map(clouds.read, files)
    assert first.particles.shape == (4, 256, 1)
    assert first.density.shape == (4, 201)
    for other in others:
        assert np.array_equal(first.observations, other.observations)
        assert not np.array_equal(first.density, other.density)


@pytest.mark.end_to_end
@pytest.mark.parametrize(("critic", "settings"), KINDS)
def test_a_run_that_is_resumed_records_the_same(
    tmp_path: Path, critic: str, settings: dict[str, Any]
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    kind: dict[str, Any] = {"critic": critic, "seed": 1}
    runs.train(
        "tests/Slide-v0", total_steps=250, folder=whole, settings=settings, quiet=True, **kind
    )
    agent = make_agent("tests/Slide-v0", agent="wpg", **kind, **settings)
    run = runs.Run(part, quiet=True)
    run.create(json.loads((whole / "config.json").read_text()), agent)

    def callback(agent: Any, event: str, record: dict[str, Any]) -> None:
        if event != "step":
            run(agent, event, record)
        elif agent.env_steps == 130:
            run.save(agent)

    agent.learn(200, callback=callback)
    agent.close()
    assert (part / "clouds" / "180.npz").exists()
    run.cut_back(SimpleNamespace(env_steps=130, progress=agent.progress))
    assert [path.stem for path in clouds.recorded(part / "clouds")][-1] == "120"
    runs.resume(part, quiet=True)
    files = clouds.recorded(whole / "clouds")
    assert [path.name for path in files] == [p.name for p in clouds.recorded(part / "clouds")]
    for path in files:
        assert path.read_bytes() == (part / "clouds" / path.name).read_bytes()


def test_nothing_is_recorded_where_nothing_can_be_shown(tmp_path: Path) -> None:
    agent = quadratic([0.0] * 3, [1.0] * 3, 1.0)
    clouds.record(agent, tmp_path)
    agent = quadratic([0.0], [1.0], 1.0)
    agent.ready = False
    clouds.record(agent, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "7.npz"
    agent = quadratic([0.0], [1.0], 1.0)
    agent.typical_observations = lambda count: np.zeros((count, 1), np.float32)
    clouds.record(agent, tmp_path)
    content = path.read_bytes()
    assert clouds.read(path).env_steps == 7
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"7\.npz holds no clouds"):
        clouds.read(path)
    np.savez(path, env_steps=1)
    with pytest.raises(CheckpointError, match=r"7\.npz holds no clouds"):
        clouds.read(path)


def test_damage_does_not_stop_a_run(tmp_path: Path) -> None:
    """The states are those of the first file that can be read, or new ones."""
    agent = quadratic([0.0], [1.0], 1.0)
    agent.typical_observations = lambda count: np.full((count, 1), agent.env_steps, np.float32)
    for agent.env_steps in (7, 8):
        clouds.record(agent, tmp_path)
    (tmp_path / "7.npz").write_bytes(b"")
    for agent.env_steps, place in ((9, 7), (10, 10)):
        clouds.record(agent, tmp_path)
        assert (clouds.read(tmp_path / f"{agent.env_steps}.npz").observations == place).all()
        for path in clouds.recorded(tmp_path):
            path.write_bytes(b"")
