"""Multilayer perceptrons over states and their particles, with Adam: compiled, without a framework.

One network serves a critic (an ensemble with one output), a Gaussian policy (states alone) and a
particle generator (latent particles in, actions out).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core

__all__ = ["MLP", "Tape"]

Float32 = NDArray[np.float32]


class Tape:
    """What a forward pass leaves for the gradients: `outputs` (E, S, N, K) and what is behind them.

    A tape belongs to the weights as they were; after a step of them, make another.
    """

    def __init__(self, outputs: Float32, compiled: Any, network: MLP) -> None:
        self.outputs = outputs
        self.compiled = compiled
        self.network = network


class MLP:
    """An ensemble of E multilayer perceptrons, all with the same inputs, and its Adam state.

        h_0 = (s, a),   h_l = f(norm(W_l' h_{l-1} + b_l)),   y = W' h_L + b

    Parameters
    ----------
    state_size : O, at least 0
    particle_size : D, at least 0; with 0 a row is a state and N is 1
    outputs : K
    hidden : widths of the hidden layers
    members : E
    activation : "relu", or "silu" u / (1 + exp(-u))
    layer_norm : normalise every hidden layer before its activation
    seed : int in [0, 2^64); names the initial weights, uniform within +-1/sqrt(inputs) of a layer

    Attributes
    ----------
    parameters : (E, P) float32; a member's layers follow each other, each with W (inputs, outputs),
        b and, where it is normalised, gain and offset. They may be changed in place.

    The first layer's state part is computed once per state. Cost of a forward pass: 2 E S N P
    operations in matrix products; of a gradient twice that. float32 alone. No bit depends on the
    number of threads. Accuracy of a layer: relative error (inputs + 1) u of the sum of absolute
    terms, u = 6e-8; with layer norm relative to the deviation of the layer; silu 5e-7 more of its
    value, and 1e-7 |u| below 0. Bits do not depend on where arrays lie in memory either.
    Errors: ValueError or TypeError that names the argument.

    Source: initial weights: LeCun et al. 1998, in the uniform form in common use; layer norm: Ba,
    Kiros, Hinton 2016; Adam: Kingma and Ba 2015.
    """

    def __init__(
        self,
        state_size: int,
        particle_size: int,
        outputs: int,
        *,
        hidden: tuple[int, ...] = (256, 256),
        members: int = 1,
        activation: str = "relu",
        layer_norm: bool = False,
        seed: int,
    ) -> None:
        self.state_size = _size(state_size, "state_size", 0)
        self.particle_size = _size(particle_size, "particle_size", 0)
        self.outputs = _size(outputs, "outputs", 1)
        self.members = _size(members, "members", 1)
        if not isinstance(hidden, (tuple, list)):
            raise TypeError(f"hidden is {hidden!r}; it must be a tuple of widths")
        self.hidden = tuple(_size(width, "a width of hidden", 1) for width in hidden)
        if not isinstance(activation, str):
            raise TypeError(f"activation is {activation!r}; it must be 'relu' or 'silu'")
        if not isinstance(layer_norm, bool):
            raise TypeError(f"layer_norm is {layer_norm!r}; it must be True or False")
        self.activation = activation
        self.layer_norm = layer_norm
        self._shape = _core.MlpShape(
            members=self.members,
            state_size=self.state_size,
            particle_size=self.particle_size,
            hidden=list(self.hidden),
            outputs=self.outputs,
            activation=activation,
            layer_norm=layer_norm,
        )
        self.parameters: Float32 = self._shape.initialise(seed)
        self._first_moment = np.zeros_like(self.parameters)
        self._second_moment = np.zeros_like(self.parameters)
        self.steps = 0  # of Adam

    def layer(self, member: int, layer: int) -> dict[str, Float32]:
        """Views of one layer's numbers: "weight" (inputs, outputs), "bias" (outputs,) and, where
        it is normalised, "gain" and "offset". The last layer gives the outputs."""
        for name, value, count in (
            ("member", member, self.members),
            ("layer", layer, len(self.hidden) + 1),
        ):
            if not 0 <= _size(value, name, -(2**31)) < count:
                raise ValueError(f"{name} is {value}; it must be from 0 to {count - 1}")
        sizes = (self.state_size + self.particle_size, *self.hidden, self.outputs)
        inputs, outputs = sizes[layer], sizes[layer + 1]
        numbers = self.parameters[member, self._shape.begin_of(layer) :]
        views = {"weight": numbers[: inputs * outputs].reshape(inputs, outputs)}
        at = inputs * outputs
        normalised = self.layer_norm and layer < len(self.hidden)
        for name in ("bias", "gain", "offset") if normalised else ("bias",):
            views[name] = numbers[at : at + outputs]
            at += outputs
        return views

    def __call__(self, states: Float32, particles: Float32 | None = None) -> Float32:
        """Outputs (E, S, N, K) at states (S, O) and particles (S, N, D)."""
        outputs: Float32 = self._shape.forward(self.parameters, states, particles, False)[0]
        return outputs

    def tape(self, states: Float32, particles: Float32 | None = None) -> Tape:
        """The same, kept for gradients. Memory: twice the hidden layers of all rows at most."""
        return Tape(*self._shape.forward(self.parameters, states, particles, True), self)

    def parameter_gradient(self, tape: Tape, output_gradient: Float32) -> Float32:
        """Gradient (E, P) of sum(output_gradient * outputs) by the parameters."""
        gradient: Float32 = self._shape.backward(
            self.parameters, self._own(tape), output_gradient, True, False
        )[0]
        return gradient

    def particle_gradient(self, tape: Tape, output_gradient: Float32) -> Float32:
        """Gradient (S, N, D) of sum(output_gradient * outputs) by the particles."""
        gradient: Float32 = self._shape.backward(
            self.parameters, self._own(tape), output_gradient, False, True
        )[1]
        return gradient

    def descend(
        self, tape: Tape, output_gradient: Float32, *, learning_rate: float, beta1: float = 0.9
    ) -> None:
        """One step of Adam down the gradient of sum(output_gradient * outputs)."""
        gradient = self.parameter_gradient(tape, output_gradient)
        _core.adam_step(
            self.parameters,
            self._first_moment,
            self._second_moment,
            gradient,
            self.steps + 1,
            learning_rate,
            beta1,
        )
        self.steps += 1

    def move_towards(self, other: MLP, rate: float) -> None:
        """Polyak average: parameters <- parameters + rate (other's - parameters), in place."""
        if not isinstance(other, MLP):
            raise TypeError(f"other is {type(other)}; it must be an MLP")
        if other._shape != self._shape:
            raise ValueError("other is a network of other sizes; its weights mean something else")
        _core.polyak_average(self.parameters, other.parameters, rate)

    def _own(self, tape: Tape) -> Any:
        """A tape of the weights of another network would give gradients of neither."""
        if not isinstance(tape, Tape):
            raise TypeError(f"tape is {type(tape)}; it must be what tape() of this network gave")
        if tape.network is not self:
            raise ValueError("tape is one of another network; make it with this one")
        return tape.compiled

    def copy(self) -> MLP:
        """A network of its own with the same numbers, and Adam as it was at the start."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.parameters = self.parameters.copy()
        copy._first_moment = np.zeros_like(self.parameters)
        copy._second_moment = np.zeros_like(self.parameters)
        copy.steps = 0
        return copy

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return {
            "parameters": self.parameters.copy(),
            "first_moment": self._first_moment.copy(),
            "second_moment": self._second_moment.copy(),
            "steps": np.array(self.steps, np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; ValueError if it is of another network."""
        taken = {}
        for name in ("parameters", "first_moment", "second_moment"):
            array = _entry(arrays, name)
            if array.shape != self.parameters.shape or array.dtype != np.float32:
                raise ValueError(
                    f"{name} has shape {array.shape} and dtype {array.dtype}; this network wants "
                    f"{self.parameters.shape} and float32"
                )
            taken[name] = np.array(array)  # the caller's may change, or be read-only
        count = _entry(arrays, "steps")
        if count.shape != () or count.dtype.kind not in "iu" or int(count) < 0:
            raise ValueError(f"steps is {count!r}; it must be an integer that is not negative")
        steps = int(count)
        self.parameters = taken["parameters"]
        self._first_moment = taken["first_moment"]
        self._second_moment = taken["second_moment"]
        self.steps = steps


def _entry(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"{name} is missing")
    array = arrays[name]
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise ValueError(f"{name} is {type(array)}; it must be a plain NumPy array")
    return array


def _size(value: int, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an int")
    if not least <= value <= 2**31:
        raise ValueError(f"{name} is {value}; it must be from {least} to 2^31")
    return int(value)
