"""What steps that ask a critic want of it, and the checks that they share."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wpg.cuda import DeviceArray, DeviceKernelQ, routines

__all__ = ["MOST_STEPS", "Critic", "compiled_critic", "require_out", "require_steps"]

MOST_STEPS = 2**40  # the noise counter holds as many


class Critic(Protocol):
    """What `flow` and `mala` ask of a soft Q-function: states (S, O) and particles (S, N, D)."""

    def value_and_action_gradient(
        self, states: NDArray[Any], particles: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values (S, N) and gradients (S, N, D)."""
        ...


def require_steps(steps: int, step: int) -> None:
    """Is `steps` a count, and is there noise for it from `step` on?"""
    whole = isinstance(steps, (int, np.integer)) and not isinstance(steps, bool)
    if not whole or not 0 <= steps <= MOST_STEPS:
        raise ValueError(f"steps is {steps!r}; it must be an int from 0 to 2^40")
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)):
        raise TypeError(f"step is {step!r}; it must be an int")
    if not 0 <= step <= MOST_STEPS - steps:
        raise ValueError(f"step is {step} and steps is {steps}; noise ends at step 2^40 - 1")


def compiled_critic(critic: Critic, cloud: Any) -> Any | None:
    """The critic's compiled part, if it has one and the particles are of its dtype and place."""
    compiled = getattr(critic, "compiled", None)
    if compiled is None:
        if not callable(getattr(critic, "value_and_action_gradient", None)):
            raise TypeError(
                f"critic is {critic!r}; it must have value_and_action_gradient(states, particles)"
            )
        return None
    if cloud.dtype != critic.dtype:  # type: ignore[attr-defined]
        raise TypeError(
            f"particles has dtype {cloud.dtype}; the critic has "
            f"{critic.dtype}, and nothing is converted"  # type: ignore[attr-defined]
        )
    if isinstance(cloud, DeviceArray) != isinstance(compiled, DeviceKernelQ):
        places = ("NumPy arrays", "arrays on a CUDA device")
        here = isinstance(cloud, DeviceArray)
        raise TypeError(
            f"particles are {places[here]} and the critic's centres {places[not here]}; "
            "give both in one place"
        )
    return compiled


def require_out(out: Any, cloud: Any, states: Any) -> None:
    """What the compiled core asks of an output, before anything is written."""
    if out is None:
        return
    if isinstance(cloud, DeviceArray):
        routines.require_out(cloud, out, states)
        return
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is {type(out)}; it must be a NumPy array of {cloud.dtype}")
    if out.dtype != cloud.dtype:
        raise TypeError(f"out has dtype {out.dtype}; the particles have {cloud.dtype}")
    if out.shape != cloud.shape:
        raise ValueError(
            f"out has shape {out.shape}; it must be {cloud.shape}, that of the particles"
        )
    if isinstance(out, np.ma.MaskedArray):
        raise TypeError("out is a masked array; give a plain array")
    flags = out.flags
    if not flags.c_contiguous or not flags.aligned or not flags.writeable:
        raise ValueError("out must be C-contiguous, aligned and writable")
    if np.shares_memory(out, cloud) and out.ctypes.data != cloud.ctypes.data:
        raise ValueError("out overlaps particles in part; give it memory of its own, or the same")
    if isinstance(states, np.ndarray) and np.may_share_memory(out, states):
        raise ValueError("out shares memory with states; give it memory of its own")
