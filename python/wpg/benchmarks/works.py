"""The works that are done by wpg and by other libraries: their arrays, our way, and how far two
answers may be apart.

Everything is float32. Letters as everywhere: S states, N particles, D action dimension,
O observation dimension, M centres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import critics, density, noise, supports, transport
from wpg.critics.neural_q import NeuralQ

__all__ = [
    "Cloud",
    "Form",
    "KernelProblem",
    "NeuralProblem",
    "Turn",
    "Work",
    "build_works",
    "disagreement",
    "moments",
    "work_names",
]

Array = NDArray[Any]
UNIT_ROUNDOFF = 2.0**-24

STEP_SIZE, TEMPERATURE = 0.01, 0.5


@dataclass(frozen=True)
class Form:
    """One way of doing a work.

    `call` is timed: it has finished when it returns. `answer` gives what is compared, with the
    noise off where the work is random. A call does the part `share` of the work, and its answer may
    be that of the first states alone.
    """

    name: str
    call: Callable[[], object]
    answer: Callable[[], tuple[Array, ...]]
    share: float = 1.0


@dataclass(frozen=True)
class Work:
    """A work, our way of doing it, and what other ways have to agree with.

    kind : names the work for the libraries (`numpy_forms` and its siblings)
    items : of `item`, for nanoseconds an item
    allowed : how far each array of an answer may be from ours, and why
    own : other ways that are ours too, instead of other libraries
    """

    kind: str
    item: str
    items: float
    problem: Any
    ours: Form
    allowed: tuple[float, ...]
    reason: str
    own: list[Form] = field(default_factory=list)
    name: str = ""


def disagreement(ours: tuple[Array, ...], theirs: tuple[Array, ...], work: Work) -> str | None:
    """What is wrong with their answer, or None."""
    if len(theirs) != len(ours):
        return f"{len(theirs)} arrays for an answer of {len(ours)}"
    for index, (a, b, allowed) in enumerate(zip(ours, theirs, work.allowed, strict=True)):
        b = np.asarray(b)
        if b.ndim != a.ndim or b.shape[1:] != a.shape[1:] or not 0 < len(b) <= len(a):
            return f"array {index} has shape {b.shape} in place of {a.shape}"
        apart = float(np.abs(b.astype(np.float64) - a[: len(b)]).max())
        if not apart <= allowed:
            return (
                f"array {index} is {apart:.3g} from ours, allowed is {allowed:.3g}: {work.reason}"
            )
    return None


@dataclass(frozen=True)
class Cloud:
    """Particles (S, N, D) in [-1, 1]^D and a drift; for kernels between particles a bandwidth."""

    particles: Array
    drift: Array
    bandwidth: float = 1.0
    step_size: float = STEP_SIZE
    temperature: float = TEMPERATURE

    @property
    def noise_scale(self) -> float:
        return float(np.sqrt(2 * self.step_size * self.temperature))

    def noise_of(self, moved: Array) -> Array:
        """`moments` of the noise in a step, where a wall is more than six deviations away."""
        begun = self.particles + np.float32(self.step_size) * self.drift
        inside = np.abs(begun) < 1 - 6 * self.noise_scale
        return moments((moved[inside] - begun[inside]) / self.noise_scale)


def moments(xi: Array) -> Array:
    """How many standard errors mean and mean square of standard normals are from 0 and 1."""
    xi = xi.astype(np.float64)
    n = np.sqrt(xi.size)
    return np.array([n * xi.mean(), n * (np.square(xi) - 1).mean() / np.sqrt(2)])


@dataclass(frozen=True)
class KernelProblem:
    """A soft Q-function in a kernel space, states (S, O) and particles (S, N, D).

    Dense forms of other libraries do `rows` states in a call.
    """

    states: Array
    particles: Array
    center_states: Array
    center_actions: Array
    weights: Array
    state_lengthscale: float
    action_lengthscale: float
    rows: int

    def critic(self, weights: Array | None = None) -> critics.KernelQ:
        return critics.KernelQ(
            self.center_states,
            self.center_actions,
            self.weights if weights is None else weights,
            state_lengthscale=self.state_lengthscale,
            action_lengthscale=self.action_lengthscale,
        )


@dataclass(frozen=True)
class NeuralProblem:
    """A soft Q-function as an ensemble of networks, states (S, O) and particles (S, N, D).

    `layers` has one entry a layer: arrays of all members, "weight" (E, inputs, outputs), "bias"
    (E, outputs) and, but for the last, "gain" and "offset".
    """

    states: Array
    particles: Array
    critic: NeuralQ
    layers: list[dict[str, Array]]


class Turn:
    """Which states a call does: `rows` of them, the next ones in the next call."""

    def __init__(self, states: int, rows: int) -> None:
        self.rows, self.share = rows, rows / states
        self._states, self._first = states, 0

    def next(self) -> tuple[int, int]:
        first = self._first
        self._first = (first + self.rows) % self._states
        return first, first + self.rows


def _cloud(S: int, N: int, D: int, bandwidth: float = 1.0) -> Cloud:
    rng = np.random.default_rng(0)
    particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
    return Cloud(particles, rng.standard_normal((S, N, D), dtype=np.float32), bandwidth)


def _langevin(S: int, N: int, D: int, *, item: str = "element") -> Work:
    p = _cloud(S, N, D)
    box = supports.Box(-1.0, 1.0)
    out = np.empty_like(p.particles)

    def step(temperature: float) -> Array:
        return transport.langevin(
            p.particles,
            p.drift,
            step_size=p.step_size,
            temperature=temperature,
            seed=1,
            support=box,
            out=out,
        )

    # Inside the walls: at a wall others clip and we reflect, which is more work.
    def answer() -> tuple[Array, ...]:
        return np.clip(step(0.0), -0.9, 0.9).copy(), p.noise_of(step(p.temperature))

    return Work(
        kind="langevin",
        item=item,
        items=S * N * D if item == "element" else 1,
        problem=p,
        ours=Form("out=", partial(step, p.temperature), answer),
        allowed=(1e-6, 10.0),
        reason="without noise three roundings of numbers below 2, the walls left out; of the noise "
        "mean and mean square, each within 7 standard errors of what it should be",
    )


def _normals(S: int, N: int, D: int) -> Work:
    p = _cloud(S, N, D)
    out = np.empty_like(p.particles)

    def draw() -> Array:
        return noise.standard_normal((S, N, D), seed=1, out=out)

    return Work(
        kind="normals",
        item="element",
        items=S * N * D,
        problem=p,
        ours=Form("out=", draw, lambda: (moments(draw()),)),
        allowed=(10.0,),
        reason="mean and mean square, each within 7 standard errors of what it should be",
    )


def _velocity(name: str, S: int, N: int, D: int, bandwidth: float) -> Work:
    routine = getattr(transport, name)
    p = _cloud(S, N, D, bandwidth)
    out = np.empty_like(p.particles)
    call = partial(
        routine, p.particles, p.drift, temperature=p.temperature, bandwidth=bandwidth, out=out
    )
    # A pair's term is at most |drift| + temperature |a_i - a_j| / l^2; in the blob's second sum the
    # weights add up to max S_i / S_j in place of 1, here below 8.
    term = float(np.abs(p.drift).max()) + p.temperature * 2 / bandwidth**2 * 8
    return Work(
        kind=name,
        item="pair",
        items=S * N * N,
        problem=p,
        ours=Form("out=", call, lambda: (call().copy(),)),
        allowed=(2 * _rounding_of_pairs(p) * term,),
        reason="two means of N terms, each within (N + 4 (D + 4) (1 + R)^2) u of the largest term, "
        "R^2 the largest |a|^2 in bandwidths, where squares are expanded",
    )


def _rounding_of_pairs(p: Cloud) -> float:
    _, N, D = p.particles.shape
    reach = np.sqrt(np.square(p.particles).sum(-1).max()) / p.bandwidth
    return float(UNIT_ROUNDOFF * (N + 4 * (D + 4) * (1 + reach) ** 2))


def _kde_score(S: int, N: int, D: int, bandwidth: float) -> Work:
    p = _cloud(S, N, D, bandwidth)
    call = partial(density.kde_score, p.particles, bandwidth=bandwidth)
    return Work(
        kind="kde_score",
        item="pair",
        items=S * N * N,
        problem=p,
        ours=Form("new array", call, lambda: (call(),)),
        allowed=(2 * _rounding_of_pairs(p) * 2 / bandwidth**2,),
        reason="two weighted means of N differences, as for svgd_velocity",
    )


def _median_bandwidth(S: int, N: int, D: int) -> Work:
    p = _cloud(S, N, D)
    call = partial(density.median_bandwidth, p.particles)
    return Work(
        kind="median_bandwidth",
        item="pair",
        items=S * N * (N - 1) // 2,
        problem=p,
        ours=Form("new array", call, lambda: (call(),)),
        allowed=(1e-5,),
        reason="squares are expanded: with |a|^2 <= 6 a square near 4 is off by 24 (D + 4) u, so a "
        "distance near 2 by 4e-6, and the bandwidth is a third of it",
    )


def _kernel_problem(
    S: int, N: int, M: int, O: int, D: int, scale: float, rows: int
) -> KernelProblem:
    rng = np.random.default_rng(0)
    f32 = np.float32
    return KernelProblem(
        states=rng.uniform(-1, 1, (S, O)).astype(f32),
        particles=rng.uniform(-1, 1, (S, N, D)).astype(f32),
        center_states=rng.uniform(-1, 1, (M, O)).astype(f32),
        center_actions=rng.uniform(-1, 1, (M, D)).astype(f32),
        weights=rng.standard_normal(M, dtype=f32),
        state_lengthscale=scale,
        action_lengthscale=1.0,
        rows=rows,
    )


def _kernel_q(S: int, N: int, M: int, O: int, D: int, *, scale: float, rows: int) -> Work:
    p = _kernel_problem(S, N, M, O, D, scale, rows)
    critic = p.critic()
    out = np.empty((S, N), np.float32), np.empty((S, N, D), np.float32)

    def call() -> tuple[Array, Array]:
        return critic.value_and_action_gradient(p.states, p.particles, out=out)

    # The largest sum of |terms|, by the same function with |weights|.
    largest = float(p.critic(np.abs(p.weights)).value(p.states, p.particles).max())
    reach = np.sqrt(D)  # |a| and |a_m| are at most so long
    each = UNIT_ROUNDOFF * (M + 6 * (D + O + 4) * (1 + np.sqrt(O) / scale + reach) ** 2)
    return Work(
        kind="kernel_q",
        item="pair",
        items=S * N * M,
        problem=p,
        ours=Form("out=", call, lambda: tuple(a.copy() for a in call())),
        allowed=(2 * each * largest, 2 * each * largest * (8 * reach + 4)),
        reason="two sums of M terms, each within (M + 6 (D + O + 4) (1 + R)^2) u of the sum of "
        "|terms|, R the largest |(s, a)| in length scales; a gradient that times 8 sqrt(D) + 4",
    )


def _neural_q(S: int, N: int, O: int, D: int, hidden: tuple[int, ...]) -> Work:
    rng = np.random.default_rng(0)
    critic = NeuralQ(O, D, hidden=hidden, seed=0)
    layers = [
        {
            name: np.stack([critic.network.layer(e, index)[name] for e in range(critic.ensemble)])
            for name in critic.network.layer(0, index)
        }
        for index in range(len(hidden) + 1)
    ]
    states = rng.standard_normal((S, O), dtype=np.float32)
    particles = rng.uniform(-1, 1, (S, N, D)).astype(np.float32)
    # A unit, or a difference of members, that is 0 but for rounding has either slope.
    while (close := _closest(layers, states, particles) < 2e-5).any():
        particles[close] = rng.uniform(-1, 1, (int(close.sum()), D))
    out = np.empty((S, N), np.float32), np.empty((S, N, D), np.float32)

    def call() -> tuple[Array, Array]:
        return critic.value_and_action_gradient(states, particles, out=out)

    return Work(
        kind="neural_q",
        item="row",
        items=S * N,
        problem=NeuralProblem(states, particles, critic, layers),
        ours=Form("out=", call, lambda: tuple(a.copy() for a in call())),
        allowed=(1e-4, 1e-4),
        reason="sums of at most 256 terms in three layers of numbers near 1, each within 258 u = "
        "1.5e-5 of the sum of |terms|; no unit and no difference of members is within 2e-5 of 0",
    )


def _closest(layers: list[dict[str, Array]], states: Array, particles: Array) -> Array:
    """How near the nearest of a particle's units is to 0, or its two least values to each other."""
    S, N, _ = particles.shape
    h = np.concatenate([np.repeat(states[:, None], N, 1), particles], 2).reshape(1, S * N, -1)
    nearest = np.full(S * N, np.inf, np.float32)
    for layer in layers:
        h = h @ layer["weight"] + layer["bias"][:, None]
        if "gain" in layer:
            h -= h.mean(2, keepdims=True)
            h /= np.sqrt(np.square(h).mean(2, keepdims=True) + np.float32(1e-5))
            h = h * layer["gain"][:, None] + layer["offset"][:, None]
            nearest = np.minimum(nearest, np.abs(h).min((0, 2)))
            h = np.maximum(h, 0)
    q = np.sort(h[..., 0], axis=0)
    return np.minimum(nearest, q[1] - q[0]).reshape(S, N)


def _flow(S: int, N: int, M: int, O: int, D: int, steps: int) -> Work:
    p = _kernel_problem(S, N, M, O, D, 1.0, S)
    critic = p.critic()
    box = supports.Box(-1.0, 1.0)
    out = np.empty_like(p.particles)
    gradient = np.empty_like(p.particles)

    def flow() -> Array:
        return transport.flow(
            p.particles,
            critic,
            p.states,
            steps=steps,
            step_size=STEP_SIZE,
            temperature=TEMPERATURE,
            seed=1,
            support=box,
            out=out,
        )

    def composed() -> tuple[Array]:
        moved = p.particles.copy()
        for step in range(steps):
            transport.langevin(
                moved,
                critic.action_gradient(p.states, moved, out=gradient),
                step_size=STEP_SIZE,
                temperature=TEMPERATURE,
                seed=1,
                step=step,
                support=box,
                out=moved,
            )
        return (moved,)

    def gradients() -> None:
        for _ in range(steps):
            critic.action_gradient(p.states, p.particles, out=gradient)

    # The ratio is other over first; so the gradients come first, and the flow is the other one.
    return Work(
        kind="flow",
        item="pair",
        items=S * N * M * steps,
        problem=p,
        ours=Form(f"{steps} gradients", gradients, composed),
        allowed=(0.0,),
        reason="the fused loop has the bits of its parts",
        own=[Form("flow", flow, lambda: (flow(),))],
    )


def _same_again(S: int, N: int, D: int) -> Work:
    """What the ratio of a thing and itself looks like: how much noise there is."""
    work = _langevin(S, N, D)
    return Work(
        kind="same",
        item=work.item,
        items=work.items,
        problem=work.problem,
        ours=work.ours,
        allowed=(0.0, 0.0),
        reason="one seed, the same bits",
        own=[Form("the same", work.ours.call, work.ours.answer)],
    )


# Name, and how to build it: arrays exist only while a work is done.
_WORKS: list[tuple[str, Callable[[], Work]]] = [
    ("A/A/langevin/4096x64x6/box", partial(_same_again, 4096, 64, 6)),
    ("langevin/4096x64x6/box", partial(_langevin, 4096, 64, 6)),
    ("standard_normal/4096x64x6", partial(_normals, 4096, 64, 6)),
    *(
        (f"{name}/{S}x{N}x{D}", partial(_velocity, name, S, N, D, bandwidth))
        for name, S, N, D, bandwidth in (
            ("svgd_velocity", 512, 128, 6, 1.0),
            ("svgd_velocity", 64, 512, 17, 1.5),
            ("svgd_velocity", 4096, 16, 1, 0.5),
            ("blob_velocity", 512, 128, 6, 1.0),
        )
    ),
    ("kde_score/512x128x6", partial(_kde_score, 512, 128, 6, 1.0)),
    (
        "median_bandwidth/512x128x6",
        partial(_median_bandwidth, 512, 128, 6),
    ),
    (
        "kernel_q/1024x8x6/2048",
        partial(_kernel_q, 1024, 8, 2048, 4, 6, scale=1.0, rows=1024),
    ),
    (  # about 500 of the centres matter at a state
        "kernel_q/1024x8x6/100000/local",
        partial(_kernel_q, 1024, 8, 100_000, 4, 6, scale=0.05, rows=64),
    ),
    ("neural_q/256x32x6/17/256x256", partial(_neural_q, 256, 32, 17, 6, (256, 256))),
    ("neural_q/256x1x6/17/256x256", partial(_neural_q, 256, 1, 17, 6, (256, 256))),
    ("flow/1024x8x6/2048/10-langevin", partial(_flow, 1024, 8, 2048, 4, 6, 10)),
    ("one-call/1x16x1/box", partial(_langevin, 1, 16, 1, item="call")),
]


def work_names() -> list[str]:
    """Names of the works, to be filtered by."""
    return [name for name, _ in _WORKS]


def build_works(filter: str = "") -> list[Callable[[], Work]]:
    """The works whose name contains `filter`, to be built one at a time.

    ValueError with all names if there is none.
    """
    chosen = [work for work in _WORKS if filter in work[0]]
    if not chosen:
        raise ValueError(f"no work has {filter!r} in its name; there are {', '.join(work_names())}")
    return [partial(_named, name, build) for name, build in chosen]


def _named(name: str, build: Callable[[], Work]) -> Work:
    return replace(build(), name=name)
