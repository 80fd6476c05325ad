"""The works in JAX on one processor, compiled: matrix products, all states at once or in blocks
that stay in the second-level cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wpg.benchmarks.works import Cloud, Form, KernelProblem, NeuralProblem, Turn, Work, moments

__all__ = ["forms", "version"]

Array = Any
CACHED = 2**17  # floats: half a megabyte


def version() -> str:
    return str(jax.__version__)


def forms(work: Work) -> list[Form]:
    """Ways of doing a work; none for a kind that is not known here."""
    ways: dict[str, Callable[[Any], list[Form]]] = {
        "langevin": _langevin,
        "normals": _normals,
        "svgd_velocity": partial(_pairs, _svgd_of_state),
        "blob_velocity": partial(_pairs, _blob_of_state),
        "kde_score": partial(_pairs, _kde_score_of_state),
        "median_bandwidth": _median,
        "kernel_q": _kernel_q,
        "neural_q": _neural_q,
    }
    return ways[work.kind](work.problem) if work.kind in ways else []


def _finished(function: Callable[..., Any], *arguments: Any) -> Any:
    return jax.block_until_ready(function(*arguments))


def _box_muller(key: Array, shape: tuple[int, ...]) -> Array:
    """Cheaper here than the inverse error function of `jax.random.normal`."""
    n = int(np.prod(shape))
    radius, angle = jax.random.split(key)
    u = jax.random.uniform(radius, (n - n // 2,), jnp.float32, minval=2.0**-25)
    r = jnp.sqrt(-2 * jnp.log(u))
    turn = np.float32(2 * np.pi) * jax.random.uniform(angle, u.shape, jnp.float32)
    return jnp.concatenate([r * jnp.cos(turn), r * jnp.sin(turn)])[:n].reshape(shape)


def _normal(key: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.normal(key, shape, jnp.float32)


DRAWS = {
    "jit, jax.random.normal, threefry": (_normal, "threefry2x32"),
    "jit, jax.random.normal, rbg": (_normal, "rbg"),
    "jit, Box-Muller, threefry": (_box_muller, "threefry2x32"),
}


def _langevin(p: Cloud) -> list[Form]:
    particles, drift = jnp.asarray(p.particles), jnp.asarray(p.drift)

    def form(name: str, draw: Callable[..., Array], generator: str) -> Form:
        key = jax.random.key(1, impl=generator)

        def step(key: Array, particles: Array, drift: Array, scale: float) -> Array:
            moved = particles + np.float32(p.step_size) * drift
            return jnp.clip(moved + scale * draw(key, particles.shape), -1.0, 1.0)

        compiled = jax.jit(step)

        def call(scale: float = p.noise_scale) -> Array:
            return _finished(compiled, key, particles, drift, np.float32(scale))

        def answer() -> tuple[Any, ...]:
            return np.clip(np.asarray(call(0.0)), -0.9, 0.9), p.noise_of(np.asarray(call()))

        return Form(name, call, answer)

    return [form(name, *draw) for name, draw in DRAWS.items()]


def _normals(p: Cloud) -> list[Form]:
    def form(name: str, draw: Callable[..., Array], generator: str) -> Form:
        compiled = jax.jit(lambda key: draw(key, p.particles.shape))
        call = partial(_finished, compiled, jax.random.key(1, impl=generator))
        return Form(name, call, lambda: (moments(np.asarray(call())),))

    return [form(name, *draw) for name, draw in DRAWS.items()]


def _kernels(a: Array, bandwidth: float) -> Array:
    y = a * np.float32(1 / bandwidth)
    half = 0.5 * jnp.sum(y * y, -1)
    return jnp.exp(y @ y.T - half[:, None] - half[None, :])


def _svgd_of_state(a: Array, g: Array, p: Cloud) -> Array:
    pull = np.float32(p.temperature / p.bandwidth**2)
    k = _kernels(a, p.bandwidth)
    terms = jnp.concatenate([g - pull * a, jnp.ones_like(a[:, :1])], 1)
    sums = k @ terms
    return (sums[:, :-1] + pull * a * sums[:, -1:]) * np.float32(1 / len(a))


def _blob_of_state(a: Array, g: Array, p: Cloud) -> Array:
    pull = np.float32(p.temperature / p.bandwidth**2)
    k = _kernels(a, p.bandwidth)
    terms = jnp.concatenate([a, jnp.ones_like(a[:, :1])], 1)
    first = k @ terms
    second = k @ (terms / first[:, -1:])
    attraction = first[:, :-1] / first[:, -1:] + second[:, :-1] - a * (1 + second[:, -1:])
    return g - pull * attraction


def _kde_score_of_state(a: Array, g: Array, p: Cloud) -> Array:
    k = _kernels(a, p.bandwidth)
    sums = k @ jnp.concatenate([a, jnp.ones_like(a[:, :1])], 1)
    return (sums[:, :-1] / sums[:, -1:] - a) * np.float32(1 / p.bandwidth**2)


def _pairs(of_state: Callable[[Array, Array, Cloud], Array], p: Cloud) -> list[Form]:
    particles, drift = jnp.asarray(p.particles), jnp.asarray(p.drift)
    N = particles.shape[1]
    at_once = jax.vmap(lambda a, g: of_state(a, g, p))
    at_a_time = max(1, CACHED // N**2)

    def blocks(a: Array, g: Array) -> Array:
        return jax.lax.map(lambda ag: of_state(ag[0], ag[1], p), (a, g), batch_size=at_a_time)

    ways = {
        "jit, all states at once": jax.jit(at_once),
        "jit, blocks of states": jax.jit(blocks),
    }

    def form(name: str, way: Callable[..., Array]) -> Form:
        call = partial(_finished, way, particles, drift)
        return Form(name, call, lambda: (np.asarray(call()),))

    return [form(name, way) for name, way in ways.items()]


def _median(p: Cloud) -> list[Form]:
    particles = jnp.asarray(p.particles)
    N = particles.shape[1]
    pairs = np.ravel_multi_index(np.triu_indices(N, 1), (N, N))
    low, high = (len(pairs) - 1) // 2, len(pairs) // 2

    def squares_of_pairs(a: Array) -> Array:
        half = 0.5 * jnp.sum(a * a, -1)
        squares = half[:, None] + half[None, :] - a @ a.T
        return jnp.maximum(squares.reshape(-1)[pairs], 0)

    def bandwidth(least: Array, next_one: Array) -> Array:
        middle = 0.5 * (jnp.sqrt(2 * least) + jnp.sqrt(2 * next_one))
        return middle * np.float32(1 / np.sqrt(2 * np.log(N + 1)))

    def by_sorting(a: Array) -> Array:
        ordered = jnp.sort(squares_of_pairs(a))
        return bandwidth(ordered[low], ordered[high])

    # The bits of numbers that are not negative are ordered as they are: halve the range of bits
    # until the number is found that `low` others are below.
    def by_counting(a: Array) -> Array:
        squares = squares_of_pairs(a)
        bits = jax.lax.bitcast_convert_type(squares, jnp.int32)

        def halve(_: int, interval: tuple[Array, Array]) -> tuple[Array, Array]:
            least, most = interval
            middle = least + (most - least) // 2
            enough = jnp.sum(bits <= middle, dtype=jnp.int32) > low
            return jnp.where(enough, least, middle + 1), jnp.where(enough, middle, most)

        ends = jnp.int32(0), jnp.int32(0x7F800000)
        found, _ = jax.lax.fori_loop(0, 31, halve, ends)
        above = jnp.min(jnp.where(bits > found, bits, jnp.int32(0x7F800000)))
        next_one = jnp.where(jnp.sum(bits <= found) > high, found, above)
        least, most = jax.lax.bitcast_convert_type(jnp.stack([found, next_one]), jnp.float32)
        return bandwidth(least, most)

    def form(name: str, of_state: Callable[[Array], Array]) -> Form:
        way = jax.jit(partial(jax.lax.map, of_state, batch_size=max(1, CACHED // N**2)))
        call = partial(_finished, way, particles)
        return Form(name, call, lambda: (np.asarray(call()),))

    return [form("jit, sort", by_sorting), form("jit, halving and counting", by_counting)]


def _kernel_q(p: KernelProblem) -> list[Form]:
    S, N, D = p.particles.shape
    M = len(p.weights)
    states = jnp.asarray(p.states / np.float32(p.state_lengthscale))
    particles = jnp.asarray(p.particles)
    centers = jnp.asarray(p.center_states / np.float32(p.state_lengthscale))
    actions = jnp.asarray(p.center_actions / np.float32(p.action_lengthscale))
    slopes = jnp.concatenate([jnp.asarray(p.center_actions), jnp.ones((M, 1), jnp.float32)], 1)
    weighted = slopes * jnp.asarray(p.weights)[:, None]
    weights = jnp.asarray(p.weights)
    joint = jnp.concatenate([centers, actions], 1)
    turn = Turn(S, p.rows)

    def finish(sums: Array, particles: Array) -> tuple[Array, Array]:
        values = sums[..., D]
        slope = (sums[..., :D] - values[..., None] * particles) / p.action_lengthscale**2
        return values, slope

    def half_squares(x: Array) -> Array:
        return 0.5 * jnp.sum(x * x, -1)

    def one_exponent(s: Array, a: Array) -> tuple[Array, Array]:
        n = len(s) * N
        here = jnp.repeat(s, N, 0)
        x = jnp.concatenate([here, a.reshape(n, D) / p.action_lengthscale], 1)
        terms = jnp.exp(x @ joint.T - half_squares(x)[:, None] - half_squares(joint))
        return finish((terms @ weighted).reshape(-1, N, D + 1), a)

    def shared_factor(s: Array, a: Array) -> tuple[Array, Array]:
        factor = weights * jnp.exp(s @ centers.T - half_squares(s)[:, None] - half_squares(centers))
        x = a.reshape(-1, D) / p.action_lengthscale
        terms = jnp.exp(x @ actions.T - half_squares(x)[:, None] - half_squares(actions))
        terms = (terms.reshape(-1, N, M) * factor[:, None, :]).reshape(-1, M)
        return finish((terms @ slopes).reshape(-1, N, D + 1), a)

    def blocks(way: Callable[..., Any]) -> Callable[..., Any]:
        """One block of states after the other, all of one size."""
        at_once = math.gcd(p.rows, max(1, 2 * CACHED // (M * N)))

        def call(s: Array, a: Array) -> tuple[Array, Array]:
            parts = (s.reshape(-1, at_once, s.shape[1]), a.reshape(-1, at_once, N, D))
            values, slope = jax.lax.map(lambda sa: way(*sa), parts)
            return values.reshape(-1, N), slope.reshape(-1, N, D)

        return call

    def form(name: str, way: Callable[..., Any]) -> Form:
        compiled = jax.jit(way)

        def call(first: int, last: int) -> Any:
            return _finished(compiled, states[first:last], particles[first:last])

        return Form(
            name,
            lambda: call(*turn.next()),
            lambda: tuple(np.asarray(x) for x in call(0, turn.rows)),
            turn.share,
        )

    return [
        form("jit, one exponent, all states at once", one_exponent),
        form("jit, one exponent, blocks of states", blocks(one_exponent)),
        form("jit, state factor shared, blocks of states", blocks(shared_factor)),
    ]


def _neural_q(p: NeuralProblem) -> list[Form]:
    S, N, D = p.particles.shape
    E = p.critic.ensemble
    states, particles = jnp.asarray(p.states), jnp.asarray(p.particles)
    stacked = [{name: jnp.asarray(x) for name, x in layer.items()} for layer in p.layers]
    members = [[{name: x[e] for name, x in layer.items()} for layer in stacked] for e in range(E)]

    def member(layers: list[dict[str, Array]], x: Array) -> Array:
        h = x
        for layer in layers[:-1]:
            h = h @ layer["weight"] + layer["bias"]
            h = h - jnp.mean(h, -1, keepdims=True)
            h = h * jax.lax.rsqrt(jnp.mean(h * h, -1, keepdims=True) + 1e-5)
            h = jax.nn.relu(h * layer["gain"] + layer["offset"])
        return (h @ layers[-1]["weight"] + layers[-1]["bias"])[..., 0]

    def each_member(x: Array) -> Array:
        return jnp.stack([member(layers, x) for layers in members])

    def all_members(x: Array) -> Array:
        return jax.vmap(member, (0, None))(stacked, x)

    def form(name: str, ensemble: Callable[[Array], Array], at_once: int) -> Form:
        def least(a: Array, s: Array) -> tuple[Array, Array]:
            q = jnp.min(ensemble(jnp.concatenate([s, a], -1)), 0)
            return jnp.sum(q), q

        def block(rows: tuple[Array, Array]) -> tuple[Array, Array]:
            s, a = rows
            (_, q), slope = jax.value_and_grad(least, has_aux=True)(a, s)
            return q, slope

        def way(s: Array, a: Array) -> tuple[Array, Array]:
            rows = jnp.repeat(s, N, 0), a.reshape(S * N, D)
            if at_once < S * N:
                q, slope = jax.lax.map(
                    block, jax.tree.map(lambda x: x.reshape(-1, at_once, x.shape[1]), rows)
                )
            else:
                q, slope = block(rows)
            return q.reshape(S, N), slope.reshape(S, N, D)

        call = partial(_finished, jax.jit(way), states, particles)
        return Form(name, call, lambda: tuple(np.asarray(x) for x in call()))

    found = []
    for name, ensemble in (("member by member", each_member), ("vmap over members", all_members)):
        found.append(form(f"jit, {name}, all rows at once", ensemble, S * N))
        at_once = math.gcd(S * N, 512)
        if 128 <= at_once < S * N:
            found.append(form(f"jit, {name}, blocks of {at_once} rows", ensemble, at_once))
    return found
