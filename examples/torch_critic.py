"""A critic of your own in PyTorch: its particles move in wpg, and an agent trains it.

    pip install 'wpg[torch]'
    python examples/torch_critic.py                  a few hundred steps on Pendulum-v1
    python examples/torch_critic.py --steps 5000

`wpg.transport` asks one method of a critic, `value_and_action_gradient(states, particles)`; the
agent asks those of `wpg.agents.TrainableCritic`. Arrays go in and out without a copy: a tensor made
by `torch.from_numpy` and an array made by `tensor.numpy()` share their memory.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import wpg

Float32 = NDArray[np.float32]


class TorchCritic:
    """An ensemble of perceptrons over (s, a), as any PyTorch module could be."""

    def __init__(self, observation_size: int, action_size: int, *, seed: int, width: int = 256):
        torch.manual_seed(seed)
        self.members = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Linear(observation_size + action_size, width),
                torch.nn.SiLU(),
                torch.nn.Linear(width, width),
                torch.nn.SiLU(),
                torch.nn.Linear(width, 1),
            )
            for _ in range(2)
        )
        self.optimizer = torch.optim.Adam(self.members.parameters())

    def _members(self, states: torch.Tensor, particles: torch.Tensor) -> torch.Tensor:
        rows = states[:, None].expand(-1, particles.shape[1], -1)
        inputs = torch.cat([rows, particles], dim=-1)
        return torch.stack([member(inputs)[..., 0] for member in self.members])

    def _value(
        self, states: torch.Tensor, particles: torch.Tensor, aggregate: str | None
    ) -> torch.Tensor:
        values = self._members(states, particles)
        return values.mean(dim=0) if aggregate == "mean" else values.amin(dim=0)

    # What wpg.transport asks

    def value_and_action_gradient(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> tuple[Float32, Float32]:
        """Q (S, N) and grad_a Q (S, N, D) at particles (S, N, D) of states (S, O)."""
        at = torch.from_numpy(particles).requires_grad_()
        values = self._value(torch.from_numpy(states), at, aggregate)
        (gradient,) = torch.autograd.grad(values.sum(), at)
        return values.detach().numpy(), gradient.contiguous().numpy()

    # What the agent asks beyond it

    @torch.no_grad()
    def value(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> Float32:
        """Q (S, N)."""
        at = torch.from_numpy(particles)
        return self._value(torch.from_numpy(states), at, aggregate).numpy()

    def fit(
        self, states: Float32, actions: Float32, targets: Float32, *, learning_rate: float
    ) -> NDArray[Any]:
        """One step of Adam towards targets (B,); the losses (E,) before it."""
        values = self._members(torch.from_numpy(states), torch.from_numpy(actions)[:, None])
        losses = 0.5 * (values[..., 0] - torch.from_numpy(targets)).square().mean(dim=1)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach().numpy()

    def target(self) -> TorchCritic:
        """A copy for the backup."""
        return copy.deepcopy(self)

    @torch.no_grad()
    def move_towards(self, other: TorchCritic, rate: float) -> None:
        """Average with another one's weights."""
        for mine, theirs in zip(self.members.parameters(), other.members.parameters(), strict=True):
            mine.lerp_(theirs, rate)

    # What a checkpoint keeps

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights and moments of Adam, copied."""
        weights = {
            f"weight.{name}": tensor.numpy().copy()
            for name, tensor in self.members.state_dict().items()
        }
        moments = {
            f"adam.{index}.{name}": tensor.numpy().copy()
            for index, state in self.optimizer.state_dict()["state"].items()
            for name, tensor in state.items()
        }
        return weights | moments

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        self.members.load_state_dict(
            {
                name.removeprefix("weight."): torch.from_numpy(array.copy())
                for name, array in arrays.items()
                if name.startswith("weight.")
            }
        )
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, array in arrays.items():
            if name.startswith("adam."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = torch.from_numpy(array.copy())
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small products: two threads wait for each other

    # Particles of two states flow along a torch critic; nothing of it is compiled by wpg.
    critic = TorchCritic(3, 1, seed=arguments.seed)
    states = np.array([[1, 0, 0], [-1, 0, 0]], np.float32)
    start = np.zeros((2, 512, 1), np.float32)
    cloud = wpg.flow(
        start,
        critic,
        states,
        steps=200,
        step_size=0.02,
        temperature=0.1,
        seed=1,
        support=wpg.supports.Box(-1.0, 1.0),
    )
    print("particles of two states: mean", cloud.mean(axis=(1, 2)), "std", cloud.std(axis=(1, 2)))

    # The same critic inside the agent.
    agent = wpg.WPG(
        "Pendulum-v1",
        critic=critic,
        seed=arguments.seed,
        warmup_steps=200,
        learning_rate=1e-3,
        evaluation_interval=0,
    )
    agent.learn(arguments.steps)
    print(f"after {agent.env_steps} steps: mean return {agent.evaluate().mean:.1f}")


if __name__ == "__main__":
    main()
