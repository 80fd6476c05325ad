"""Several transport steps in a row, with a new drift from the critic before each."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.supports import Support, support_arrays
from wpg.transport.langevin import langevin

__all__ = ["Critic", "flow"]

SCHEMES = ("langevin",)
MOST_STEPS = 2**40  # the noise counter holds as many


class Critic(Protocol):
    """What `flow` asks of a soft Q-function: states (S, O) and particles (S, N, D)."""

    def value_and_action_gradient(
        self, states: NDArray[Any], particles: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values (S, N) and gradients (S, N, D)."""
        ...


def flow(
    particles: NDArray[Any],
    critic: Critic,
    states: NDArray[Any],
    *,
    steps: int,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int = 0,
    support: Support = None,
    scheme: str = "langevin",
    bandwidth: float | NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Move particles `steps` times along the action gradient of a critic, with Langevin noise.

        for l in 0 .. steps-1:   a <- langevin(a, grad_a Q(s, a), ..., step = step + l)

    Parameters
    ----------
    particles : (S, N, D) [action]
    critic : a `wpg.critics.KernelQ`, for which the loop is compiled and runs over states in
        parallel, or any object with `value_and_action_gradient(states, particles)`, for which it
        runs in Python with the same result to rounding of the critic
    states : (S, O), the dtype of the particles
    steps : int >= 0
    step_size, temperature, seed, step, support, out : as in `langevin`
    scheme : "langevin"
    bandwidth : for schemes with a kernel between particles; "langevin" has none and wants None

    Returns
    -------
    (S, N, D) moved particles, `out` if it was given.

    Cost with KernelQ: S M O + steps * S N M' D, M' the centres that matter for a state; nothing of
    size N M is stored, a thread keeps M (D + 2) + 2 N D numbers.
    Accuracy: equals `steps` calls of `action_gradient` and `langevin` to the bit.
    Errors: ValueError or TypeError that names the argument; nothing is written then.

    Source: arXiv 2605.26078: several particle steps for one evaluation of Q.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; it must be one of {', '.join(map(repr, SCHEMES))}")
    if bandwidth is not None:
        raise ValueError(
            "bandwidth belongs to schemes with a kernel between particles; "
            "scheme 'langevin' has none, leave it None"
        )
    whole = isinstance(steps, (int, np.integer)) and not isinstance(steps, bool)
    if not whole or not 0 <= steps <= MOST_STEPS:
        raise ValueError(f"steps is {steps!r}; it must be an int from 0 to 2^40")
    compiled = getattr(critic, "compiled", None)
    if compiled is not None:
        if not isinstance(particles, np.ndarray) or particles.ndim != 3:
            raise ValueError("particles must be a NumPy array of shape (S, N, D)")
        if particles.dtype != critic.dtype:  # type: ignore[attr-defined]
            raise TypeError(
                f"particles has dtype {particles.dtype}; the critic has "
                f"{critic.dtype}, and nothing is converted"  # type: ignore[attr-defined]
            )
        return _core.langevin_flow(
            particles=particles,
            critic=compiled,
            states=states,
            steps=int(steps),
            step_size=step_size,
            temperature=temperature,
            seed=seed,
            step=step,
            support=support_arrays(support, particles),
            out=out,
        )
    if steps == 0:
        # No step to look at the arguments: a step that moves nothing does.
        still = np.zeros_like(particles)
        langevin(
            particles,
            still,
            step_size=step_size,
            temperature=temperature,
            seed=seed,
            step=step,
            support=support,
        )
        return langevin(particles, still, step_size=0.0, temperature=0.0, seed=0, out=out)
    if not 0 <= step <= MOST_STEPS - steps:
        raise ValueError(f"step is {step} and steps is {steps}; noise ends at step 2^40 - 1")
    cloud = particles
    for l in range(steps):
        _, drift = critic.value_and_action_gradient(states, cloud)
        cloud = langevin(
            cloud,
            np.ascontiguousarray(drift),
            step_size=step_size,
            temperature=temperature,
            seed=seed,
            step=step + l,
            support=support,
            out=out if l == steps - 1 else None,
        )
    return cloud
