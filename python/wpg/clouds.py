"""Clouds of particles over the Gibbs density of the critic, as a run records them while it trains.

One small file an evaluation, clouds/ENV_STEPS.npz in the run folder, always at the same states, so
that a film of them shows the policy flow and nothing else.
"""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.checkpoint import write_arrays
from wpg.errors import CheckpointError

__all__ = ["MOST_DIMENSIONS", "Clouds", "clouds_of", "drop_after", "read", "record", "recorded"]

Floats = NDArray[np.floating[Any]]

MOST_DIMENSIONS = 2  # of actions, that a picture shows
STATES, PARTICLES = 4, 256
POINTS = {1: 201, 2: 41}  # of the recorded density's grid, along each action dimension


@dataclass(frozen=True)
class Clouds:
    """Particles of a few states, and the Gibbs policy of the critic there.

    observations (S, O); particles (S, N, D) [action]; density (S, G) or (S, G, G) [1 / action^D] at
    points evenly spaced from `low` (D,) to `high` (D,), both included; temperature [reward]
    """

    env_steps: int
    temperature: float
    observations: Floats
    low: Floats
    high: Floats
    particles: Floats
    density: Floats

    def axes(self) -> list[NDArray[np.float64]]:
        """The grid's points along each action dimension."""
        return _axes(self.low, self.high, self.density.shape[1])


def _axes(low: Floats, high: Floats, points: int) -> list[NDArray[np.float64]]:
    return [np.linspace(l, h, points) for l, h in zip(low, high, strict=True)]


def clouds_of(agent: Any, observations: Floats, *, points: int) -> Clouds:
    """Particles of an agent's policy and the Gibbs policy of its critic.

        density(a) = exp(Q(s, a) / temperature) / integral of the same,   by the trapezoidal rule

    Parameters
    ----------
    agent : one whose actions have one or two dimensions, and whose critic has been fitted
    observations : states (S, O)
    points : of the grid, along each action dimension

    Cost: S points^D values of the critic, and what S calls of `agent.particles` take. It draws
    nothing that training draws and leaves the agent as it is.

    Accuracy: a density narrower than the grid is as wide as the grid. Where Q is not finite the
    density is NaN.
    """
    D = agent.env.action_size
    _, low, high = agent.env.support.arrays(D, np.float64)
    axes = _axes(low, high, points)
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(1, -1, D)
    actions = np.repeat(mesh.astype(np.float32), len(observations), axis=0)
    cell = np.ones(1)
    for x in axes:
        width = np.full(points, x[1] - x[0])
        width[[0, -1]] /= 2
        cell = np.outer(cell, width).ravel()
    with np.errstate(all="ignore"):  # a critic that is about to diverge must not stop a picture
        q = agent.state_action_values(observations, actions) / agent.temperature
        weight = np.exp(q - q.max(axis=1, keepdims=True))
        density = weight / (weight @ cell)[:, None]
    return Clouds(
        env_steps=agent.env_steps,
        temperature=float(agent.temperature),
        observations=observations,
        low=low,
        high=high,
        particles=np.stack([agent.particles(row, PARTICLES) for row in observations]),
        density=density.reshape(len(observations), *[points] * D).astype(np.float32),
    )


def record(agent: Any, folder: Path) -> None:
    """Write the agent's clouds of now into a folder of them; nothing where there are none to show:
    more than two action dimensions, or no critic yet.

    The states are typical ones when the first file is written, and those of the first that can be
    read afterwards.
    """
    if agent.env.action_size > MOST_DIMENSIONS or not agent.ready:
        return
    states = None
    for path in recorded(folder):
        with contextlib.suppress(CheckpointError):
            states = read(path).observations
            break
    if states is None:
        states = agent.typical_observations(STATES)
    clouds = clouds_of(agent, states, points=POINTS[agent.env.action_size])
    write_arrays(folder / f"{clouds.env_steps}.npz", asdict(clouds))


def recorded(folder: Path) -> list[Path]:
    """The files of a folder of clouds, in the order of their steps."""
    return sorted(
        (path for path in folder.glob("*.npz") if path.stem.isdigit()),
        key=lambda path: int(path.stem),
    )


def drop_after(folder: Path, env_steps: int) -> None:
    """Remove what was recorded later than that."""
    for path in recorded(folder):
        if int(path.stem) > env_steps:
            path.unlink()


def read(path: Path) -> Clouds:
    """The clouds of a file; CheckpointError if it holds none, or is damaged."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        numbers = {
            "env_steps": int(arrays["env_steps"]),
            "temperature": float(arrays["temperature"]),
        }
        clouds = Clouds(**{**arrays, **numbers})
        S, _, D = clouds.particles.shape
        fits = clouds.density.ndim == 1 + D and len(clouds.density) == len(clouds.observations) == S
        if not fits or clouds.low.shape != (D,) or clouds.high.shape != (D,):
            raise ValueError("its arrays do not fit together")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} holds no clouds, or it is damaged ({type(error).__name__}: {error})"
        ) from None
    return clouds
