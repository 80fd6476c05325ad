"""The works in NumPy, in the forms that are fastest there: matrix products, arrays reused, blocks
of states that stay in the second-level cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.benchmarks.works import Cloud, Form, KernelProblem, NeuralProblem, Turn, Work, moments

__all__ = ["forms", "version"]

Array = NDArray[Any]
F32 = np.float32
CACHED = 2**17  # floats: half a megabyte


def version() -> str:
    return np.__version__


def forms(work: Work) -> list[Form]:
    """Ways of doing a work; none for a kind that is not known here."""
    ways: dict[str, Callable[[Any], list[Form]]] = {
        "langevin": _langevin,
        "normals": _normals,
        "svgd_velocity": _svgd,
        "blob_velocity": _blob,
        "kde_score": _kde_score,
        "median_bandwidth": _median,
        "kernel_q": _kernel_q,
        "neural_q": _neural_q,
    }
    return ways[work.kind](work.problem) if work.kind in ways else []


def _generators() -> list[tuple[str, np.random.Generator]]:
    return [
        ("default generator", np.random.default_rng(1)),
        ("SFC64", np.random.Generator(np.random.SFC64(1))),
    ]


def _moments_of(draw: Callable[[], Array]) -> tuple[Array]:
    return (moments(draw()),)


def _langevin(p: Cloud) -> list[Form]:
    out, drawn = np.empty_like(p.particles), np.empty_like(p.particles)
    found = []
    for name, rng in _generators():

        def step(scale: float = p.noise_scale, rng: np.random.Generator = rng) -> Array:
            rng.standard_normal(dtype=np.float32, out=drawn)
            np.multiply(drawn, F32(scale), out=drawn)
            np.add(drawn, p.particles, out=drawn)
            np.multiply(p.drift, F32(p.step_size), out=out)
            np.add(drawn, out, out=out)
            return np.clip(out, F32(-1), F32(1), out=out)

        def answer(step: Any = step) -> tuple[Array, ...]:
            return np.clip(step(0.0), -0.9, 0.9), p.noise_of(step())

        found.append(Form(f"in place, {name}", step, answer))
    return found


def _normals(p: Cloud) -> list[Form]:
    out = np.empty_like(p.particles)
    found = []
    for name, rng in _generators():

        def draw(rng: np.random.Generator = rng) -> Array:
            return rng.standard_normal(dtype=np.float32, out=out)

        found.append(Form(name, draw, partial(_moments_of, draw)))
    return found


class _Kernels:
    """Kernels k_ij between the particles of a state, some states at a time.

    (y_i, -|y_i|^2/2, 1) . (y_j, 1, -|y_j|^2/2) = -|y_i - y_j|^2 / 2 with y = a / l: one matrix
    product and one exp in place.
    """

    def __init__(self, p: Cloud) -> None:
        S, N, D = p.particles.shape
        self.scale = F32(1 / p.bandwidth)
        self.particles = p.particles
        self.left = np.ones((S, N, D + 2), np.float32)
        self.right = np.ones((S, N, D + 2), np.float32)
        self.at_once = max(1, CACHED // N**2)
        self.block = np.empty((min(S, self.at_once), N, N), np.float32)

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        S, _, D = self.particles.shape
        scaled = np.multiply(self.particles, self.scale, out=self.left[..., :D])
        self.right[..., :D] = scaled
        half = np.einsum("snd,snd->sn", scaled, scaled) * F32(-0.5)
        self.left[..., D] = half
        self.right[..., D + 1] = half
        for begin in range(0, S, self.at_once):
            part = slice(begin, min(S, begin + self.at_once))
            block = self.block[: part.stop - begin]
            np.matmul(self.left[part], self.right[part].transpose(0, 2, 1), out=block)
            yield part, np.exp(block, out=block)


def _form(name: str, call: Callable[[], Array]) -> Form:
    return Form(name, call, lambda: (call().copy(),))


def _svgd(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    pull = F32(p.temperature / p.bandwidth**2)
    terms, sums = np.ones((S, N, D + 1), np.float32), np.empty((S, N, D + 1), np.float32)
    out = np.empty_like(p.particles)

    # sum_j k_ij (g_j - pull a_j) + pull a_i sum_j k_ij
    def product() -> Array:
        np.multiply(p.particles, -pull, out=terms[..., :D])
        terms[..., :D] += p.drift
        for part, k in kernels:
            np.matmul(k, terms[part], out=sums[part])
        np.multiply(p.particles, pull * sums[..., D:], out=out)
        np.add(out, sums[..., :D], out=out)
        return np.multiply(out, F32(1 / N), out=out)

    return [_form("matrix products, blocks of states", product), *_svgd_broadcast(p)]


def _svgd_broadcast(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    if D != 1:
        return []
    a, g = p.particles[..., 0], p.drift[..., 0]
    away, k = np.empty((S, N, N), np.float32), np.empty((S, N, N), np.float32)
    pull = F32(p.temperature / p.bandwidth**2)

    def differences() -> Array:
        np.subtract(a[:, :, None], a[:, None, :], out=away)
        np.multiply(away, away, out=k)
        np.multiply(k, F32(-0.5 / p.bandwidth**2), out=k)
        np.exp(k, out=k)
        np.multiply(away, pull, out=away)
        np.add(away, g[:, None, :], out=away)
        return (np.einsum("sij,sij->si", k, away) * F32(1 / N))[..., None]

    return [_form("differences", differences)]


def _blob(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    pull = F32(p.temperature / p.bandwidth**2)
    terms = np.ones((S, N, D + 1), np.float32)
    weighted = np.empty((S, N, D + 1), np.float32)
    first, second = np.empty((S, N, D + 1), np.float32), np.empty((S, N, D + 1), np.float32)
    out = np.empty_like(p.particles)

    # sum_j grad_i k_ij (1/S_i + 1/S_j) =
    #   (sum_j k_ij a_j / S_i + sum_j k_ij a_j / S_j - a_i (1 + sum_j k_ij / S_j)) / l^2
    def product() -> Array:
        terms[..., :D] = p.particles
        for part, k in kernels:
            np.matmul(k, terms[part], out=first[part])
            np.divide(terms[part], first[part][..., D:], out=weighted[part])
            np.matmul(k, weighted[part], out=second[part])
        np.divide(first[..., :D], first[..., D:], out=out)
        np.add(out, second[..., :D], out=out)
        np.subtract(out, p.particles * (1 + second[..., D:]), out=out)
        np.multiply(out, -pull, out=out)
        return np.add(out, p.drift, out=out)

    return [_form("matrix products, blocks of states", product)]


def _kde_score(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    terms, sums = np.ones((S, N, D + 1), np.float32), np.empty((S, N, D + 1), np.float32)
    out = np.empty_like(p.particles)

    def product() -> Array:
        terms[..., :D] = p.particles
        for part, k in kernels:
            np.matmul(k, terms[part], out=sums[part])
        np.divide(sums[..., :D], sums[..., D:], out=out)
        np.subtract(out, p.particles, out=out)
        return np.multiply(out, F32(1 / p.bandwidth**2), out=out)

    return [_form("matrix products, blocks of states", product)]


def _median(p: Cloud) -> list[Form]:
    S, N, _ = p.particles.shape
    rows, columns = np.triu_indices(N, 1)
    pairs = rows * N + columns
    middle = [(len(pairs) - 1) // 2, len(pairs) // 2]
    at_once = max(1, CACHED // N**2)
    squares = np.empty((at_once, N, N), np.float32)
    chosen = np.empty((at_once, len(pairs)), np.float32)
    median = np.empty(S, np.float32)

    def partition() -> Array:
        half = np.einsum("snd,snd->sn", p.particles, p.particles) * F32(0.5)
        for begin in range(0, S, at_once):
            a, h = p.particles[begin : begin + at_once], half[begin : begin + at_once]
            n = len(a)
            np.matmul(a, a.transpose(0, 2, 1), out=squares[:n])
            np.subtract(h[:, :, None], squares[:n], out=squares[:n])
            np.add(squares[:n], h[:, None, :], out=squares[:n])
            np.take(squares[:n].reshape(n, N * N), pairs, axis=1, out=chosen[:n], mode="clip")
            chosen[:n].partition(middle, axis=1)
            distances = np.sqrt(2 * np.maximum(chosen[:n, middle], 0))
            distances.mean(axis=1, out=median[begin : begin + n])
        return median * F32(1 / np.sqrt(2 * np.log(N + 1)))

    return [_form("matrix product and partition", partition)]


def _kernel_q(p: KernelProblem) -> list[Form]:
    S, N, D = p.particles.shape
    M, O = p.center_states.shape
    at_once = max(1, 2**18 // (M * N))  # states whose terms stay in the cache
    terms = np.empty((at_once * N, M), np.float32)
    values, gradient = np.empty((S, N), np.float32), np.empty((S, N, D), np.float32)
    sums = np.empty((at_once * N, D + 1), np.float32)
    inverse = F32(1 / p.action_lengthscale**2)
    turn = Turn(S, p.rows)

    def finish(begin: int, end: int, n: int) -> None:
        slopes = sums[:n].reshape(end - begin, N, D + 1)
        values[begin:end] = slopes[..., D]
        np.multiply(p.particles[begin:end], -slopes[..., D:], out=gradient[begin:end])
        gradient[begin:end] += slopes[..., :D]
        gradient[begin:end] *= inverse

    # One exponent for the product of both kernels: a matrix product of (s, a) with (s_m, a_m).
    joint = np.concatenate(
        [p.center_states / p.state_lengthscale, p.center_actions / p.action_lengthscale], axis=1
    )
    right = np.concatenate(
        [joint, np.ones((M, 1), F32), -0.5 * np.square(joint).sum(1, keepdims=True)], axis=1
    ).T.astype(F32)
    weighted = np.concatenate([p.center_actions, np.ones((M, 1), F32)], axis=1)
    weighted = np.ascontiguousarray(weighted * p.weights[:, None])
    left = np.ones((S, N, O + D + 2), np.float32)

    def one_exponent(first: int, last: int) -> tuple[Array, Array]:
        part = left[first:last]
        part[..., :O] = p.states[first:last, None] * F32(1 / p.state_lengthscale)
        part[..., O : O + D] = p.particles[first:last] * F32(1 / p.action_lengthscale)
        joined = part[..., : O + D]
        part[..., O + D] = np.einsum("snc,snc->sn", joined, joined) * F32(-0.5)
        for begin in range(first, last, at_once):
            end = min(last, begin + at_once)
            n = (end - begin) * N
            np.matmul(left[begin:end].reshape(n, -1), right, out=terms[:n])
            np.exp(terms[:n], out=terms[:n])
            np.matmul(terms[:n], weighted, out=sums[:n])
            finish(begin, end, n)
        return values[:last], gradient[:last]

    # The state factor once for a state.
    scaled = p.center_actions * F32(1 / p.action_lengthscale)
    squares = F32(-0.5) * np.square(scaled).sum(1, keepdims=True)
    actions = np.concatenate([scaled, np.ones((M, 1), F32), squares], axis=1).T.copy()
    centers = p.center_states / F32(p.state_lengthscale)
    center_squares = np.square(centers).sum(1) * F32(-0.5)
    ones = np.concatenate([p.center_actions, np.ones((M, 1), F32)], axis=1)
    points = np.ones((S, N, D + 2), np.float32)

    def shared_factor(first: int, last: int) -> tuple[Array, Array]:
        part = points[first:last]
        part[..., :D] = p.particles[first:last] * F32(1 / p.action_lengthscale)
        part[..., D] = np.einsum("snc,snc->sn", part[..., :D], part[..., :D]) * F32(-0.5)
        states = p.states * F32(1 / p.state_lengthscale)
        for begin in range(first, last, at_once):
            end = min(last, begin + at_once)
            n = (end - begin) * N
            factor = states[begin:end] @ centers.T
            factor += center_squares
            factor -= F32(0.5) * np.square(states[begin:end]).sum(1, keepdims=True)
            np.exp(factor, out=factor)
            factor *= p.weights
            np.matmul(points[begin:end].reshape(n, -1), actions, out=terms[:n])
            np.exp(terms[:n], out=terms[:n])
            shaped = terms[:n].reshape(end - begin, N, M)
            np.multiply(shaped, factor[:, None, :], out=shaped)
            np.matmul(terms[:n], ones, out=sums[:n])
            finish(begin, end, n)
        return values[:last], gradient[:last]

    # As it is usually written: everything at once.
    def at_one_go(first: int, last: int) -> tuple[Array, Array]:
        flat = p.particles[first:last].reshape(-1, D)
        terms = np.exp(_half_squares(flat, p.center_actions, p.action_lengthscale))
        factor = np.exp(_half_squares(p.states[first:last], p.center_states, p.state_lengthscale))
        factor *= p.weights
        shaped = terms.reshape(last - first, N, M)
        shaped *= factor[:, None, :]
        value = shaped.sum(-1)
        slope = (terms @ p.center_actions).reshape(last - first, N, D)
        return value, (slope - value[..., None] * p.particles[first:last]) * inverse

    ways = {
        "one exponent, blocks of states": one_exponent,
        "state factor shared, blocks of states": shared_factor,
        "everything at once": at_one_go,
    }

    def form(name: str, way: Callable[[int, int], tuple[Array, Array]]) -> Form:
        return Form(
            name,
            lambda: way(*turn.next()),
            lambda: tuple(x.copy() for x in way(0, turn.rows)),
            turn.share,
        )

    return [form(name, way) for name, way in ways.items()]


def _half_squares(x: Array, c: Array, lengthscale: float) -> Array:
    x, c = x * F32(1 / lengthscale), c * F32(1 / lengthscale)
    return x @ c.T - F32(0.5) * ((x * x).sum(1)[:, None] + (c * c).sum(1))


def _neural_q(p: NeuralProblem) -> list[Form]:
    S, N, D = p.particles.shape
    O, E = p.states.shape[1], p.critic.ensemble
    members = [[{name: x[e] for name, x in layer.items()} for layer in p.layers] for e in range(E)]
    inputs = np.empty((S, N, O + D), np.float32)
    values, gradient = np.empty(S * N, np.float32), np.empty((S * N, D), np.float32)

    def forward(layers: list[dict[str, Array]], h: Array) -> tuple[Array, list[tuple[Array, ...]]]:
        trace: list[tuple[Array, ...]] = []
        for layer in layers[:-1]:
            z = h @ layer["weight"]
            z += layer["bias"]
            z -= z.mean(1, keepdims=True)
            inverse = 1 / np.sqrt(np.einsum("rj,rj->r", z, z) / F32(z.shape[1]) + F32(1e-5))
            z *= inverse[:, None]
            h = z * layer["gain"]
            h += layer["offset"]
            np.maximum(h, 0, out=h)
            trace.append((z, inverse, h))
        return h @ layers[-1]["weight"][:, 0] + layers[-1]["bias"], trace

    def backward(
        layers: list[dict[str, Array]], trace: list[tuple[Array, ...]], chosen: Array
    ) -> Array:
        g = np.broadcast_to(layers[-1]["weight"][:, 0], (len(chosen), len(layers[-1]["weight"])))
        for index in reversed(range(len(trace))):
            normal, inverse, h = (x[chosen] for x in trace[index])
            g = g * (h > 0)
            g *= layers[index]["gain"]
            along = np.einsum("rj,rj->r", g, normal) / F32(g.shape[1])
            g -= g.mean(1, keepdims=True)
            g -= normal * along[:, None]
            g *= inverse[:, None]
            weight = layers[index]["weight"]
            g = g @ (weight if index > 0 else weight[O:]).T
        return g

    def blocks(at_once: int) -> Callable[[], tuple[Array, Array]]:
        def call() -> tuple[Array, Array]:
            inputs[..., :O] = p.states[:, None]
            inputs[..., O:] = p.particles
            rows = inputs.reshape(S * N, O + D)
            for begin in range(0, S * N, at_once):
                part = slice(begin, begin + at_once)
                found = [forward(layers, rows[part]) for layers in members]
                q = np.stack([value for value, _ in found])
                least = q.argmin(0)
                values[part] = q.min(0)
                for e, (_, trace) in enumerate(found):
                    chosen = np.flatnonzero(least == e)
                    gradient[begin + chosen] = backward(members[e], trace, chosen)
            return values.reshape(S, N), gradient.reshape(S, N, D)

        return call

    def form(name: str, call: Callable[[], tuple[Array, Array]]) -> Form:
        return Form(name, call, lambda: tuple(x.copy() for x in call()))

    ways = [form("all rows at once, by hand", blocks(S * N))]
    return ways if S * N <= 256 else [*ways, form("blocks of 256 rows, by hand", blocks(256))]
