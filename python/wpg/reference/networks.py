"""Multilayer perceptrons, one row at a time, their gradients by hand, Adam and averages.

A network is a list of layers, an ensemble a list of networks. A layer is a dict of arrays: "weight"
(inputs, outputs), "bias" (outputs,) and, where it is normalised, "gain" and "offset" (outputs,).
The last layer is linear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.reference import noise

__all__ = [
    "adam",
    "ensemble",
    "ensemble_gradient",
    "initial_parameters",
    "layers_of",
    "neural_q",
    "perceptron",
    "perceptron_gradient",
    "polyak",
]

Array = NDArray[Any]
Layer = dict[str, Array]
EPSILON = 1e-5  # of the layer norm


def activation(name: str, u: Array) -> tuple[Array, Array]:
    """f(u) and its slope f'(u).

        name    f                     f'
        relu    max(u, 0)             1 where u > 0, else 0
        silu    u p                   p (1 + u (1 - p)),       p = 1 / (1 + exp(-u))

    Source: Elfwing, Uchibe, Doya 2018, eq. 5 and 6.
    """
    if name == "relu":
        return np.maximum(u, 0), (u > 0).astype(float)
    if name == "silu":
        p = np.exp(-np.logaddexp(0, -u))  # 1 / (1 + exp(-u)) without overflow
        return u * p, p * (1 + u * (1 - p))
    raise ValueError(f"activation is {name!r}; it must be 'relu' or 'silu'")


def layers_of(
    parameters: Array, sizes: tuple[int, ...], *, layer_norm: bool = False
) -> list[Layer]:
    """The layers of one network (P,) in float64: each layer's numbers follow those before it.

    sizes : inputs, widths of the hidden layers, outputs
    """
    layers: list[Layer] = []
    at = 0
    for index in range(len(sizes) - 1):
        inputs, outputs = sizes[index], sizes[index + 1]
        shapes: dict[str, tuple[int, ...]] = {"weight": (inputs, outputs), "bias": (outputs,)}
        if layer_norm and index < len(sizes) - 2:
            shapes |= {"gain": (outputs,), "offset": (outputs,)}
        layer = {}
        for name, shape in shapes.items():
            count = int(np.prod(shape))
            layer[name] = parameters[at : at + count].astype(float).reshape(shape)
            at += count
        layers.append(layer)
    if at != len(parameters):
        raise ValueError(f"parameters has {len(parameters)} numbers; {sizes} wants {at}")
    return layers


def initial_parameters(
    sizes: tuple[int, ...], *, member: int, seed: int, layer_norm: bool = False
) -> NDArray[np.float32]:
    """Where the weights of a member start, (P,), in the roundings of float32.

        weights and biases (2 (r + 1/2) / 2^24 - 1) / sqrt(inputs),   gains 1, offsets 0

    r is the upper 24 bits of a word; number i of a layer (weights, then biases) has word i mod 4 of
    the counter (i // 4, layer, member, stream "network" in the upper byte).
    """
    f32 = np.float32
    numbers: list[np.float32] = []
    for index in range(len(sizes) - 1):
        inputs, outputs = sizes[index], sizes[index + 1]
        bound = f32(1) / np.sqrt(f32(inputs))
        for i in range((inputs + 1) * outputs):
            counter = (i // 4, index, member, 12 << 24)
            word = noise.philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))[i % 4]
            numbers.append(bound * ((f32(word >> 8) + f32(0.5)) * f32(2.0**-23) - f32(1)))
        if layer_norm and index < len(sizes) - 2:
            numbers += [f32(1)] * outputs + [f32(0)] * outputs
    return np.array(numbers, f32)


def perceptron(
    layers: list[Layer], x: Array, *, activation_name: str
) -> tuple[Array, list[dict[str, Array]]]:
    """Outputs (K,) at one input (O + D,), and what every hidden layer had on the way.

        z = W' h + b,   y = (z - mean z) / sqrt(var z + 1e-5),   u = gain y + offset,   h = f(u)

    without layer norm u = z.
    """
    h = x.astype(float)
    trace = []
    for layer in layers[:-1]:
        step = {"input": h, "z": h @ layer["weight"] + layer["bias"]}
        step["u"] = step["z"]
        if "gain" in layer:
            away = step["z"] - step["z"].mean()
            step["deviation"] = np.sqrt((away**2).mean() + EPSILON)
            step["y"] = away / step["deviation"]
            step["u"] = step["y"] * layer["gain"] + layer["offset"]
        h, step["slope"] = activation(activation_name, step["u"])
        step["output"] = h
        trace.append(step)
    return h @ layers[-1]["weight"] + layers[-1]["bias"], trace


def perceptron_gradient(
    layers: list[Layer], x: Array, output_gradient: Array, *, activation_name: str
) -> tuple[list[Layer], Array]:
    """Gradients of output_gradient . outputs by every number of every layer, and by the input.

    Layer norm: with g the gradient at y, that at z is (g - mean g - y mean(g y)) / deviation.
    """
    _, trace = perceptron(layers, x, activation_name=activation_name)
    gradients: list[Layer] = []
    g = output_gradient.astype(float)  # at the outputs of the layer
    for index in reversed(range(len(layers))):
        layer = layers[index]
        of_layer = {}
        if index < len(trace):
            step = trace[index]
            g = g * step["slope"]
            if "gain" in layer:
                of_layer["gain"], of_layer["offset"] = g * step["y"], g
                g = g * layer["gain"]
                g = (g - g.mean() - step["y"] * (g * step["y"]).mean()) / step["deviation"]
        below = trace[index - 1]["output"] if index > 0 else x.astype(float)
        of_layer |= {"weight": np.outer(below, g), "bias": g}
        gradients.insert(0, of_layer)
        g = layer["weight"] @ g
    return gradients, g


def row(states: Array, particles: Array | None, s: int, n: int) -> Array:
    """The input of one particle of one state; without particles the state alone."""
    return states[s] if particles is None else np.concatenate([states[s], particles[s, n]])


def ensemble(
    networks: list[list[Layer]], states: Array, particles: Array | None, *, activation_name: str
) -> NDArray[np.float64]:
    """Outputs (E, S, N, K) at states (S, O) and particles (S, N, D); N is 1 without particles."""
    S, N = len(states), 1 if particles is None else particles.shape[1]
    outputs = np.empty((len(networks), S, N, len(networks[0][-1]["bias"])))
    for e, layers in enumerate(networks):
        for s in range(S):
            for n in range(N):
                x = row(states, particles, s, n)
                outputs[e, s, n] = perceptron(layers, x, activation_name=activation_name)[0]
    return outputs


def ensemble_gradient(
    networks: list[list[Layer]],
    states: Array,
    particles: Array | None,
    output_gradient: Array,
    *,
    activation_name: str,
) -> tuple[list[list[Layer]], NDArray[np.float64]]:
    """Gradients of sum(output_gradient * outputs): every member's layers, and the inputs.

    output_gradient (E, S, N, K). The second is (S, N, O + D), summed over members.
    """
    S, N = len(states), 1 if particles is None else particles.shape[1]
    of_networks = []
    of_inputs = np.zeros((S, N, len(networks[0][0]["weight"])))
    for e, layers in enumerate(networks):
        total = [{name: np.zeros(array.shape) for name, array in x.items()} for x in layers]
        for s in range(S):
            for n in range(N):
                x = row(states, particles, s, n)
                of_layers, of_input = perceptron_gradient(
                    layers, x, output_gradient[e, s, n], activation_name=activation_name
                )
                of_inputs[s, n] += of_input
                for index, of_layer in enumerate(of_layers):
                    for name, array in of_layer.items():
                        total[index][name] += array
        of_networks.append(total)
    return of_networks, of_inputs


def neural_q(
    networks: list[list[Layer]],
    states: Array,
    particles: Array,
    *,
    activation_name: str,
    aggregate: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (S, N) and action gradients (S, N, D) of members with one output.

    Q = min_e q_e, the first of those that tie   or   (1/E) sum_e q_e
    """
    (S, N, D), E = particles.shape, len(networks)
    q = ensemble(networks, states, particles, activation_name=activation_name)[..., 0]
    values = np.empty((S, N))
    gradient = np.zeros((S, N, D))
    for s in range(S):
        for n in range(N):
            if aggregate == "minimum":
                shares = {int(np.argmin(q[:, s, n])): 1.0}
            else:
                shares = dict.fromkeys(range(E), 1 / E)
            values[s, n] = sum(share * q[e, s, n] for e, share in shares.items())
            for e, share in shares.items():
                x = row(states, particles, s, n)
                _, of_input = perceptron_gradient(
                    networks[e], x, np.array([share]), activation_name=activation_name
                )
                gradient[s, n] += of_input[len(states[s]) :]
    return values, gradient


def adam(
    parameters: Array,
    first_moment: Array,
    second_moment: Array,
    gradient: Array,
    *,
    step: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """Step t = `step`, from 1: parameters and moments after it.

        m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
        p <- p - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    Source: Kingma and Ba 2015, algorithm 1.
    """
    first = beta1 * first_moment + (1 - beta1) * gradient
    second = beta2 * second_moment + (1 - beta2) * gradient**2
    unbiased = first / (1 - beta1**step), second / (1 - beta2**step)
    return (
        parameters - learning_rate * unbiased[0] / (np.sqrt(unbiased[1]) + epsilon),
        first,
        second,
    )


def polyak(average: Array, parameters: Array, rate: float) -> Array:
    """average + rate (parameters - average)."""
    return average + rate * (parameters - average)
