"""A soft Q-function as an ensemble of neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.networks import MLP

__all__ = ["NeuralQ"]

Float32 = NDArray[np.float32]


class NeuralQ:
    """A soft Q-function as an ensemble of E multilayer perceptrons over (s, a).

        Q(s, a) = min_e q_e(s, a)   or   (1/E) sum_e q_e(s, a)

    Parameters
    ----------
    observation_size : O
    action_size : D
    hidden : widths of the hidden layers
    ensemble : E
    layer_norm : normalise every hidden layer before its activation
    activation : "relu" or "silu"
    aggregate : "minimum" or "mean", how the members make one value
    seed : int in [0, 2^64), names the initial weights

    It follows the critic protocol, so `wpg.transport.flow` and `mala` take it. Arrays are float32.
    Cost: E forward passes of S N rows (the first layer's state part once per state); the gradient
    of the minimum walks back through one member a row, that of the mean through all. No bit depends
    on the number of threads. Accuracy: as `wpg.networks.MLP`.
    NaN or infinity in a state or a particle gives NaN there, in value and gradient.
    Errors: ValueError or TypeError that names the argument.

    Source: soft Q of Haarnoja et al. 2018, eq. 2-3; the minimum of two: Fujimoto et al. 2018, eq.
    10; layer norm in critics: Ball et al. 2023.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden: tuple[int, ...] = (256, 256),
        ensemble: int = 2,
        layer_norm: bool = True,
        activation: str = "relu",
        aggregate: str = "minimum",
        seed: int,
    ) -> None:
        _require_aggregate(aggregate)
        sizes = {"observation_size": observation_size, "action_size": action_size}
        for name, size in (sizes | {"ensemble": ensemble}).items():
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
                raise TypeError(f"{name} is {size!r}; it must be an int")
            least = 0 if name == "observation_size" else 1
            if size < least:
                raise ValueError(f"{name} is {size}; it must be at least {least}")
        self.network = MLP(
            observation_size,
            action_size,
            1,
            hidden=hidden,
            members=ensemble,
            activation=activation,
            layer_norm=layer_norm,
            seed=seed,
        )
        self.aggregate = aggregate

    @property
    def observation_size(self) -> int:
        return self.network.state_size

    @property
    def action_size(self) -> int:
        return self.network.particle_size

    @property
    def ensemble(self) -> int:
        return self.network.members

    def member_values(self, states: Float32, particles: Float32) -> Float32:
        """q_e (E, S, N) [reward] of every member at particles (S, N, D) of states (S, O)."""
        return self.network(states, particles)[..., 0]

    def value(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> Float32:
        """Q (S, N) [reward] at particles (S, N, D) of states (S, O)."""
        return self._evaluate(states, particles, aggregate, True, False, (None, None))[0]

    def action_gradient(
        self,
        states: Float32,
        particles: Float32,
        out: Float32 | None = None,
        *,
        aggregate: str | None = None,
    ) -> Float32:
        """grad_a Q (S, N, D) [reward / action]."""
        return self._evaluate(states, particles, aggregate, False, True, (None, out))[1]

    def value_and_action_gradient(
        self,
        states: Float32,
        particles: Float32,
        out: tuple[Float32 | None, Float32 | None] | None = None,
        *,
        aggregate: str | None = None,
    ) -> tuple[Float32, Float32]:
        """Q (S, N) and grad_a Q (S, N, D) in one pass.

        aggregate : "minimum" or "mean", for this call; None for the critic's own. Where members tie
            in the minimum the first one's gradient is taken.
        """
        return self._evaluate(
            states, particles, aggregate, True, True, (None, None) if out is None else out
        )

    def _evaluate(
        self,
        states: Float32,
        particles: Float32,
        aggregate: str | None,
        wants_values: bool,
        wants_gradient: bool,
        out: tuple[Float32 | None, Float32 | None],
    ) -> tuple[Any, Any]:
        if aggregate is not None:
            _require_aggregate(aggregate)
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError("out must be a pair of arrays, for values and gradient")
        pair: tuple[Any, Any] = self.network._shape.value_and_particle_gradient(
            self.network.parameters,
            states,
            particles,
            self.aggregate if aggregate is None else aggregate,
            wants_values,
            wants_gradient,
            *out,
        )
        return pair

    def fit(
        self,
        states: Float32,
        actions: Float32,
        targets: Float32,
        *,
        learning_rate: float = 3e-4,
    ) -> NDArray[np.float64]:
        """One step of Adam for every member towards targets.

            loss_e = (1/2B) sum_b (q_e(s_b, a_b) - y_b)^2

        states (B, O), actions (B, D), targets (B,) [reward]; returns the losses (E,) before the
        step. Cost: three forward passes. Errors: as the class, and ValueError for NaN or infinity
        in states or actions, which would end up in every weight; nothing has changed then. Where a
        target, which a critic makes of its own values, or a loss is not finite, no step is made and
        the losses say so.
        """
        B = _rows(states, "states", (None, self.observation_size))
        _rows(actions, "actions", (B, self.action_size))
        _rows(targets, "targets", (B,))
        if B == 0:
            raise ValueError("states has no rows; a fit wants at least one")
        for name, array in (("states", states), ("actions", actions)):
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds NaN or infinity")
        tape = self.network.tape(states, actions[:, None])
        with np.errstate(invalid="ignore", over="ignore"):
            error = tape.outputs - targets[:, None, None]
        losses: NDArray[np.float64] = 0.5 * np.square(error, dtype=np.float64).mean(axis=(1, 2, 3))
        if np.isfinite(losses).all():
            self.network.descend(tape, error / np.float32(B), learning_rate=learning_rate)
        return losses

    def target(self) -> NeuralQ:
        """A copy that `move_towards` lets follow: the target network."""
        copy = object.__new__(type(self))
        copy.network = self.network.copy()
        copy.aggregate = self.aggregate
        return copy

    def move_towards(self, other: NeuralQ, rate: float) -> None:
        """Polyak average: weights <- weights + rate (other's - weights)."""
        if not isinstance(other, NeuralQ):
            raise TypeError(f"other is {type(other)}; it must be a NeuralQ")
        self.network.move_towards(other.network, rate)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return self.network.arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; ValueError if it is of another network."""
        self.network.restore(arrays)


def _require_aggregate(aggregate: str) -> None:
    if aggregate not in ("minimum", "mean"):
        raise ValueError(f"aggregate is {aggregate!r}; it must be 'minimum' or 'mean'")


def _rows(array: Float32, name: str, shape: tuple[int | None, ...]) -> int:
    """The first length of a float32 array of this shape; None is any length."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is {type(array)}; it must be a plain NumPy array of float32")
    if array.dtype != np.float32:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32")
    wanted = (len(array) if array.ndim else 0, *shape[1:]) if shape[0] is None else shape
    if array.shape != wanted:
        text = str(wanted) if shape[0] is not None else f"(B, {shape[1]})"
        raise ValueError(f"{name} has shape {array.shape}; it must be {text}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous; give np.ascontiguousarray({name})")
    return len(array)
