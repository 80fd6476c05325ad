"""A critic in PyTorch on a GPU: the particles never leave the card.

    pip install '.[torch]'                              from a checkout, on a machine with nvcc
    python examples/torch_cuda.py                       1,024 states, 64 particles each
    python examples/torch_cuda.py --states 16384 --steps 100

`wpg.flow` asks the critic for the gradient at the particles, then moves them on the same stream;
both work on tensors in the card's memory, and nothing waits but the last line. Without a GPU the
same code runs on NumPy arrays that share the tensors' memory.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

import wpg


class Critic(torch.nn.Module):
    """Q(s, a) = a perceptron of (s, a) minus 4 |a|^2, as any module could be."""

    def __init__(self, observation_size: int, action_size: int, width: int = 256) -> None:
        super().__init__()
        self.network = torch.nn.Sequential(
            torch.nn.Linear(observation_size + action_size, width),
            torch.nn.SiLU(),
            torch.nn.Linear(width, width),
            torch.nn.SiLU(),
            torch.nn.Linear(width, 1),
        )

    def value_and_action_gradient(self, states: Any, particles: Any) -> tuple[Any, Any]:
        """Q (S, N) and grad_a Q (S, N, D); arrays of the kind that came in go out."""
        at = torch.as_tensor(particles).detach().requires_grad_()
        rows = torch.as_tensor(states)[:, None].expand(-1, at.shape[1], -1)
        values = self.network(torch.cat([rows, at], dim=-1))[..., 0] - 4 * at.square().sum(-1)
        (gradient,) = torch.autograd.grad(values.sum(), at)
        if isinstance(particles, np.ndarray):
            return values.detach().numpy(), gradient.numpy()
        return values.detach(), gradient


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--states", type=int, default=1024)
    parser.add_argument("--particles", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args(arguments)

    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    torch.manual_seed(0)
    critic = Critic(17, 6).to(device)
    states: Any = torch.randn(given.states, 17, device=device)
    cloud: Any = torch.zeros(given.states, given.particles, 6, device=device)
    if not on_gpu:
        states, cloud = states.numpy(), cloud.numpy()  # the same memory
    cloud = wpg.flow(
        cloud,
        critic,
        states,
        steps=given.steps,
        step_size=0.02,
        temperature=0.5,
        seed=0,
        support=wpg.supports.Box(-1.0, 1.0),
    )
    spread = float(cloud.std())
    print(f"{given.steps} steps of {cloud.shape[0] * cloud.shape[1]} particles on {device.type}")
    print(f"standard deviation {spread:.3f}; sqrt(temperature / 8) = {(0.5 / 8) ** 0.5:.3f}")


if __name__ == "__main__":
    main()
