"""The example critic in PyTorch follows the protocol, shares memory and can be resumed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wpg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

EXAMPLE = Path(__file__).parents[2] / "examples" / "torch_critic.py"


@pytest.fixture(scope="module")
def example() -> Any:
    if not EXAMPLE.exists():
        pytest.skip("the examples are not beside the tests")
    spec = importlib.util.spec_from_file_location("torch_critic", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gradient_is_the_values(example: Any) -> None:
    critic = example.TorchCritic(3, 2, seed=1, width=16)
    rng = np.random.default_rng(0)
    states = rng.standard_normal((4, 3)).astype(np.float32)
    cloud = rng.standard_normal((4, 5, 2)).astype(np.float32)
    values, gradient = critic.value_and_action_gradient(states, cloud)
    np.testing.assert_allclose(values, critic.value(states, cloud), rtol=1e-5, atol=1e-6)
    h = 1e-2  # third derivatives are of order 1: an error of 1e-4, and 1e-5 of float32 over h
    for d in range(2):
        shift = np.zeros(2, np.float32)
        shift[d] = h
        difference = critic.value(states, cloud + shift) - critic.value(states, cloud - shift)
        np.testing.assert_allclose(gradient[..., d], difference / (2 * h), atol=2e-3)


def test_particles_flow_along_it(example: Any) -> None:
    critic = example.TorchCritic(3, 1, seed=1, width=16)
    states = np.zeros((2, 3), np.float32)
    cloud = np.zeros((2, 8, 1), np.float32)
    moved = wpg.flow(cloud, critic, states, steps=3, step_size=0.1, temperature=0.1, seed=1)
    assert np.isfinite(moved).all()
    particles, acceptance = wpg.transport.mala(
        cloud, critic, states, steps=2, step_size=0.1, temperature=0.1, seed=1
    )
    assert particles.shape == cloud.shape
    assert (acceptance > 0).all()


@pytest.mark.end_to_end
def test_an_agent_trains_it_and_goes_on_from_a_file(example: Any, tmp_path: Path) -> None:
    def fresh() -> Any:
        torch.set_num_threads(1)
        return wpg.WPG(
            "Pendulum-v1",
            critic=example.TorchCritic(3, 1, seed=1, width=16),
            seed=3,
            warmup_steps=150,
            evaluation_interval=0,
            width=16,
        )

    whole = fresh()
    whole.learn(200)
    whole.save(tmp_path / "half.npz")
    whole.learn(200)
    again = fresh()
    again.restore(tmp_path / "half.npz")
    again.learn(200)
    for name, array in whole.critic.arrays().items():
        np.testing.assert_array_equal(array, again.critic.arrays()[name], err_msg=name)
    with pytest.raises(wpg.CheckpointError, match="owner"):
        wpg.WPG.load(tmp_path / "half.npz")


def test_the_example_on_a_gpu_runs_without_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = EXAMPLE.with_name("torch_cuda.py")
    if not path.exists():
        pytest.skip("the examples are not beside the tests")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spec = importlib.util.spec_from_file_location("torch_cuda", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(["--states", "8", "--particles", "16", "--steps", "60"])
    said = capsys.readouterr().out
    assert "60 steps of 128 particles on cpu" in said
    # 768 coordinates near N(0, 1/16): the spread is off by 0.25 / sqrt(2 * 768) = 0.006, the step's
    # bias by 4 %, and the network, whose slopes are below 1, by little.
    spread = float(said.split("deviation ")[1].split(";")[0])
    assert abs(spread - 0.25) < 0.05
