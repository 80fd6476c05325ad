"""How far rounding to float32 may take a network's outputs and gradients: a running error bound.

Beside every number of the twin's formulas, computed for all rows at once in float64, stands a bound
on what float32 makes of it: the errors that come in, times the slopes, and the roundings of the
operation itself. A sum of n terms is off by at most (n + 2) u sum |terms| in any order, with or
without fused multiply-add (Higham 2002, sections 3.1 and 4.2), u = 2^-24. Errors are followed to
first order; `SLACK` covers the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.networks import MLP
from wpg.reference import networks as twin

__all__ = ["gradients", "inputs_of", "outputs", "sizes_of", "twin_of"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]  # a value, and how far float32 may be from it
U = 2.0**-24
SLACK = 1.1
LOGISTIC = 5e-7  # relative error, and 1e-7 |u| more for u < 0: mlp_math.hpp
TINY = 1e-33  # below that numbers are rounded to multiples of 2^-149, and silu is cut off at 1e-34


def sizes_of(network: MLP) -> tuple[int, ...]:
    return (network.state_size + network.particle_size, *network.hidden, network.outputs)


def twin_of(network: MLP) -> list[list[dict[str, Any]]]:
    """The same ensemble for the twin."""
    return [
        twin.layers_of(member, sizes_of(network), layer_norm=network.layer_norm)
        for member in network.parameters
    ]


def inputs_of(states: Any, particles: Any) -> Array:
    """Rows (S N, O + D)."""
    if particles is None:
        return np.asarray(states, float)
    S, N, D = particles.shape
    rows = np.concatenate([np.repeat(states[:, None], N, axis=1), particles], axis=2)
    return rows.reshape(S * N, states.shape[1] + D).astype(float)


def product(a: Pair, b: Pair) -> Pair:
    """A matrix product and its error."""
    n = a[0].shape[1]
    size = np.abs(a[0]) @ np.abs(b[0])
    error = (n + 2) * U * size + a[1] @ np.abs(b[0]) + np.abs(a[0]) @ b[1]
    return a[0] @ b[0], error


def exact(a: Array) -> Pair:
    return a, np.zeros_like(a)


def mean(a: Pair) -> Pair:
    n = a[0].shape[1]
    size = np.abs(a[0]).mean(axis=1, keepdims=True)
    return (
        a[0].mean(axis=1, keepdims=True),
        a[1].mean(axis=1, keepdims=True) + (n + 3) * U * size,
    )


def times(a: Pair, b: Pair) -> Pair:
    value = a[0] * b[0]
    return value, a[1] * np.abs(b[0]) + np.abs(a[0]) * b[1] + a[1] * b[1] + U * np.abs(value)


def plus(a: Pair, b: Pair, sign: float = 1.0) -> Pair:
    return a[0] + sign * b[0], a[1] + b[1] + U * (np.abs(a[0]) + np.abs(b[0]))


def forward(
    layers: list[dict[str, Any]], x: Array, activation: str
) -> tuple[Pair, list[dict[str, Pair]]]:
    h = exact(x)
    trace = []
    for layer in layers[:-1]:
        step = {"input": h}
        u = plus(product(h, exact(layer["weight"])), exact(layer["bias"][None]))
        if "gain" in layer:
            away = plus(u, mean(u), -1.0)
            # d(1/sqrt v) / (1/sqrt v) = -mean(away d away) / v
            v = (away[0] ** 2).mean(axis=1, keepdims=True) + twin.EPSILON
            moved = (np.abs(away[0]) * away[1] + away[1] ** 2).mean(axis=1, keepdims=True) / v
            inverse = v**-0.5, v**-0.5 * (moved + (x.shape[1] + len(layer["bias"]) + 6) * U)
            step["inverse"] = inverse
            step["y"] = times(away, inverse)
            u = plus(times(step["y"], exact(layer["gain"][None])), exact(layer["offset"][None]))
        value, slope = twin.activation(activation, u[0])
        if activation == "relu":
            h = value, u[1]
            # On which side of 0 a number is that is 0 within its error cannot be said.
            step["slope"] = slope, (np.abs(u[0]) <= u[1]).astype(float)
        else:  # |f'| <= 1.1, |f''| <= 1/2
            logistic = LOGISTIC + 1e-7 * np.maximum(-u[0], 0)
            h = value, 1.1 * u[1] + (logistic + 2 * U) * np.abs(value) + TINY
            rounding = 2 * logistic * (1 + np.abs(u[0])) * np.exp(np.minimum(u[0], 0)) + TINY
            step["slope"] = slope, 0.5 * u[1] + rounding
        step["output"] = h
        trace.append(step)
    last = layers[-1]
    return plus(product(h, exact(last["weight"])), exact(last["bias"][None])), trace


def outputs(network: MLP, states: Any, particles: Any) -> Pair:
    """Outputs (E, S, N, K) and their bound."""
    x = inputs_of(states, particles)
    count = (len(states), 1) if particles is None else particles.shape[:2]
    shape = (network.members, *count, network.outputs)
    found = [forward(layers, x, network.activation)[0] for layers in twin_of(network)]
    return tuple(  # type: ignore[return-value]
        np.stack([f[i] for f in found]).reshape(shape) * (SLACK if i else 1.0) for i in range(2)
    )


def gradients(network: MLP, states: Any, particles: Any, output_gradient: Any) -> tuple[Pair, Pair]:
    """Parameter gradient (E, P) and input gradient (S N, O + D), with their bounds."""
    x = inputs_of(states, particles)
    flat, inputs = [], exact(np.zeros(x.shape))
    for e, layers in enumerate(twin_of(network)):
        _, trace = forward(layers, x, network.activation)
        g = exact(np.asarray(output_gradient[e], float).reshape(len(x), network.outputs))
        of_layers: list[list[Pair]] = []
        for index in reversed(range(len(layers))):
            layer, extra = layers[index], []
            if index < len(trace):
                step = trace[index]
                g = times(g, step["slope"])
                if "gain" in layer:
                    y = step["y"]
                    extra = [column_sum(times(g, y)), column_sum(g)]
                    g = times(g, exact(layer["gain"][None]))
                    along = mean(times(g, y))
                    g = plus(plus(g, mean(g), -1.0), times(y, along), -1.0)
                    g = times(g, step["inverse"])
            below = trace[index - 1]["output"] if index > 0 else exact(x)
            weight = product((below[0].T, below[1].T), g)
            of_layers.insert(0, [weight, column_sum(g), *extra])
            g = product(g, exact(layer["weight"].T))
        inputs = plus(inputs, g)
        flat.append(
            tuple(
                np.concatenate([part[i].ravel() for layer in of_layers for part in layer])
                for i in range(2)
            )
        )
    parameters = np.stack([f[0] for f in flat]), SLACK * np.stack([f[1] for f in flat]) + TINY
    return parameters, (inputs[0], SLACK * inputs[1] + TINY)


def column_sum(a: Pair) -> Pair:
    return a[0].sum(axis=0), a[1].sum(axis=0) + (len(a[0]) + 2) * U * np.abs(a[0]).sum(axis=0)
