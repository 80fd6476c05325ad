"""The works in PyTorch on one thread of the processor, without gradients: in place, in blocks of
states that stay in the second-level cache.

bench/cuda/compare.py has them on a GPU: it sets PyTorch's default device and larger blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wpg.benchmarks.works import Cloud, Form, KernelProblem, NeuralProblem, Turn, Work, moments

__all__ = ["forms", "version"]

Tensor = Any
CACHED = 2**17  # floats: half a megabyte

torch.set_num_threads(1)
torch.manual_seed(1)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array).to(torch.get_default_device())


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.array(tensor.cpu().numpy())


def version() -> str:
    return str(torch.__version__)


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


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without the bookkeeping of automatic differentiation."""

    def call(*arguments: Any) -> Any:
        with torch.inference_mode():
            return function(*arguments)

    return call


def _form(name: str, call: Callable[[], Tensor]) -> Form:
    quiet = _quiet(call)
    return Form(name, quiet, lambda: (_array(quiet()),))


def _langevin(p: Cloud) -> list[Form]:
    particles, drift = _tensor(p.particles), _tensor(p.drift)
    out = torch.empty_like(particles)

    def in_place(scale: float = p.noise_scale) -> Tensor:
        out.normal_().mul_(scale).add_(particles).add_(drift, alpha=p.step_size)
        return out.clamp_(-1.0, 1.0)

    step = _quiet(in_place)

    def answer() -> tuple[Any, ...]:
        still = np.clip(_array(step(0.0)), -0.9, 0.9)
        return still, p.noise_of(_array(step(p.noise_scale)))

    return [Form("in place", step, answer)]


def _normals(p: Cloud) -> list[Form]:
    out = torch.empty(p.particles.shape)
    draw = _quiet(lambda: out.normal_())
    return [Form("in place", draw, lambda: (moments(_array(draw())),))]


class _Kernels:
    """Kernels between the particles of a state, some states at a time, as in `numpy_forms`."""

    def __init__(self, p: Cloud) -> None:
        S, N, D = p.particles.shape
        self.scale = 1 / p.bandwidth
        self.particles = _tensor(p.particles)
        self.left, self.right = torch.ones(S, N, D + 2), torch.ones(S, N, D + 2)
        self.at_once = max(1, CACHED // N**2)
        self.block = torch.empty(min(S, self.at_once), N, N)

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        S, _, D = self.particles.shape
        scaled = self.particles * self.scale
        half = scaled.square().sum(-1).mul_(-0.5)
        self.left[..., :D] = scaled
        self.right[..., :D] = scaled
        self.left[..., D] = half
        self.right[..., D + 1] = half
        for begin in range(0, S, self.at_once):
            part = slice(begin, min(S, begin + self.at_once))
            block = self.block[: part.stop - begin]
            torch.bmm(self.left[part], self.right[part].transpose(1, 2), out=block)
            yield part, block.exp_()


def _svgd(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    particles, drift = kernels.particles, _tensor(p.drift)
    pull = p.temperature / p.bandwidth**2
    terms, sums = torch.ones(S, N, D + 1), torch.empty(S, N, D + 1)

    def product() -> Tensor:
        torch.add(drift, particles, alpha=-pull, out=terms[..., :D])
        for part, k in kernels:
            torch.bmm(k, terms[part], out=sums[part])
        out = sums[..., :D] + (particles * sums[..., D:]).mul_(pull)
        return out.mul_(1 / N)

    return [_form("matrix products, blocks of states", product), *_svgd_broadcast(p)]


def _svgd_broadcast(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    if D != 1:
        return []
    a, g = _tensor(p.particles[..., 0].copy()), _tensor(p.drift[..., 0].copy())
    away, k = torch.empty(S, N, N), torch.empty(S, N, N)
    pull = p.temperature / p.bandwidth**2

    def differences() -> Tensor:
        torch.sub(a[:, :, None], a[:, None, :], out=away)
        torch.mul(away, away, out=k)
        k.mul_(-0.5 / p.bandwidth**2).exp_()
        away.mul_(pull).add_(g[:, None, :])
        return k.mul_(away).sum(-1, keepdim=True).mul_(1 / N)

    def together(a: Tensor, g: Tensor) -> Tensor:
        away = a[:, :, None] - a[:, None, :]
        k = torch.exp(away * away * (-0.5 / p.bandwidth**2))
        return (k * (g[:, None, :] + pull * away)).sum(-1, keepdim=True) * (1 / N)

    # It wants a C++ compiler at hand; where it fails it is left out.
    fused = torch.compile(together)
    return [
        _form("differences", differences),
        _form("differences, torch.compile", lambda: fused(a, g)),
    ]


def _blob(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    particles, drift = kernels.particles, _tensor(p.drift)
    pull = p.temperature / p.bandwidth**2
    terms = torch.ones(S, N, D + 1)
    first, second = torch.empty(S, N, D + 1), torch.empty(S, N, D + 1)

    def product() -> Tensor:
        terms[..., :D] = particles
        for part, k in kernels:
            torch.bmm(k, terms[part], out=first[part])
            torch.bmm(k, terms[part] / first[part][..., D:], out=second[part])
        out = (first[..., :D] / first[..., D:]).add_(second[..., :D])
        out.sub_(particles * (1 + second[..., D:]))
        return out.mul_(-pull).add_(drift)

    return [_form("matrix products, blocks of states", product)]


def _kde_score(p: Cloud) -> list[Form]:
    S, N, D = p.particles.shape
    kernels = _Kernels(p)
    terms, sums = torch.ones(S, N, D + 1), torch.empty(S, N, D + 1)

    def product() -> Tensor:
        terms[..., :D] = kernels.particles
        for part, k in kernels:
            torch.bmm(k, terms[part], out=sums[part])
        out = (sums[..., :D] / sums[..., D:]).sub_(kernels.particles)
        return out.mul_(1 / p.bandwidth**2)

    return [_form("matrix products, blocks of states", product)]


def _median(p: Cloud) -> list[Form]:
    S, N, _ = p.particles.shape
    particles = _tensor(p.particles)
    rows, columns = torch.triu_indices(N, N, 1)
    pairs = rows * N + columns
    low, high = (len(pairs) - 1) // 2, len(pairs) // 2
    at_once = max(1, CACHED // N**2)
    scale = 1 / float(np.sqrt(2 * np.log(N + 1)))

    def chosen() -> Iterator[Tensor]:
        half = particles.square().sum(-1).mul_(0.5)
        for begin in range(0, S, at_once):
            a, h = particles[begin : begin + at_once], half[begin : begin + at_once]
            squares = torch.baddbmm(h[:, None, :], a, a.transpose(1, 2), alpha=-1.0)
            squares.add_(h[:, :, None])
            yield squares.view(len(a), N * N).index_select(1, pairs).clamp_(min=0)

    def selection() -> Tensor:
        middle = [
            torch.stack([s.kthvalue(k + 1, dim=1).values for k in (low, high)], 1) for s in chosen()
        ]
        return torch.cat(middle).mul_(2).sqrt_().mean(1).mul_(scale)

    def sorting() -> Tensor:
        middle = [s.sort(dim=1).values[:, [low, high]] for s in chosen()]
        return torch.cat(middle).mul_(2).sqrt_().mean(1).mul_(scale)

    return [
        _form("matrix product and kthvalue", selection),
        _form("matrix product and sort", sorting),
    ]


def _kernel_q(p: KernelProblem) -> list[Form]:
    S, N, D = p.particles.shape
    M, O = p.center_states.shape
    at_once = max(1, 2 * CACHED // (M * N))
    states = _tensor(p.states) / p.state_lengthscale
    particles = _tensor(p.particles)
    centers = _tensor(p.center_states) / p.state_lengthscale
    actions = _tensor(p.center_actions) / p.action_lengthscale
    weights = _tensor(p.weights)
    half_centers = centers.square().sum(1).mul_(-0.5)
    half_actions = actions.square().sum(1).mul_(-0.5)
    ones = torch.ones(M, 1)
    slopes = torch.cat([_tensor(p.center_actions), ones], 1)
    weighted = slopes * weights[:, None]
    joint = torch.cat([centers, actions, ones, (half_centers + half_actions)[:, None]], 1).T
    joint = joint.contiguous()
    alone = torch.cat([actions, ones, half_actions[:, None]], 1).T.contiguous()
    terms, sums = torch.empty(at_once * N, M), torch.empty(at_once * N, D + 1)
    values, gradient = torch.empty(S, N), torch.empty(S, N, D)
    turn = Turn(S, p.rows)

    def finish(begin: int, end: int, n: int) -> None:
        shaped = sums[:n].view(end - begin, N, D + 1)
        values[begin:end] = shaped[..., D]
        moved = shaped[..., :D] - particles[begin:end] * shaped[..., D:]
        gradient[begin:end] = moved.mul_(1 / p.action_lengthscale**2)

    def one_exponent(first: int, last: int) -> tuple[Tensor, Tensor]:
        left = torch.ones(last - first, N, O + D + 2)
        left[..., :O] = states[first:last, None]
        left[..., O : O + D] = particles[first:last] / p.action_lengthscale
        left[..., O + D] = left[..., : O + D].square().sum(-1).mul_(-0.5)
        for begin in range(first, last, at_once):
            end = min(last, begin + at_once)
            n = (end - begin) * N
            torch.mm(left[begin - first : end - first].view(n, -1), joint, out=terms[:n])
            torch.mm(terms[:n].exp_(), weighted, out=sums[:n])
            finish(begin, end, n)
        return values[:last], gradient[:last]

    def shared_factor(first: int, last: int) -> tuple[Tensor, Tensor]:
        left = torch.ones(last - first, N, D + 2)
        left[..., :D] = particles[first:last] / p.action_lengthscale
        left[..., D] = left[..., :D].square().sum(-1).mul_(-0.5)
        for begin in range(first, last, at_once):
            end = min(last, begin + at_once)
            n, here = (end - begin) * N, states[begin:end]
            factor = torch.addmm(half_centers, here, centers.T)
            factor.sub_(here.square().sum(1, keepdim=True), alpha=0.5).exp_().mul_(weights)
            torch.mm(left[begin - first : end - first].view(n, -1), alone, out=terms[:n])
            terms[:n].exp_().view(end - begin, N, M).mul_(factor[:, None, :])
            torch.mm(terms[:n], slopes, out=sums[:n])
            finish(begin, end, n)
        return values[:last], gradient[:last]

    def form(name: str, way: Callable[[int, int], tuple[Tensor, Tensor]]) -> Form:
        quiet = _quiet(way)
        return Form(
            name,
            lambda: quiet(*turn.next()),
            lambda: tuple(_array(x) for x in quiet(0, turn.rows)),
            turn.share,
        )

    return [
        form("one exponent, blocks of states", one_exponent),
        form("state factor shared, blocks of states", shared_factor),
    ]


def _neural_q(p: NeuralProblem) -> list[Form]:
    S, N, D = p.particles.shape
    E = p.critic.ensemble
    functional = torch.nn.functional
    states, particles = _tensor(p.states), _tensor(p.particles)
    stacked = [{name: _tensor(x) for name, x in layer.items()} for layer in p.layers]
    # As torch.nn.Linear keeps its weights.
    members = [
        [
            {name: (x[e].T if name == "weight" else x[e]).contiguous() for name, x in layer.items()}
            for layer in stacked
        ]
        for e in range(E)
    ]

    def each_member(x: Tensor) -> Tensor:
        found = []
        for layers in members:
            h = x
            for layer in layers[:-1]:
                h = functional.linear(h, layer["weight"], layer["bias"])
                h = functional.layer_norm(h, h.shape[-1:], layer["gain"], layer["offset"]).relu()
            found.append(functional.linear(h, layers[-1]["weight"], layers[-1]["bias"]))
        return torch.stack(found).squeeze(-1)

    def all_members(x: Tensor) -> Tensor:
        h = x.expand(E, *x.shape)
        for layer in stacked[:-1]:
            h = torch.baddbmm(layer["bias"][:, None], h, layer["weight"])
            h = functional.layer_norm(h, h.shape[-1:])
            h = torch.addcmul(layer["offset"][:, None], h, layer["gain"][:, None]).relu()
        return torch.baddbmm(stacked[-1]["bias"][:, None], h, stacked[-1]["weight"]).squeeze(-1)

    def form(name: str, way: Callable[[Tensor], Tensor], at_once: int) -> Form:
        values, gradient = torch.empty(S * N), torch.empty(S * N, D)

        def call() -> tuple[Tensor, Tensor]:
            of_rows = states[:, None].expand(S, N, -1).reshape(S * N, -1)
            flat = particles.view(S * N, D)
            for begin in range(0, S * N, at_once):
                part = slice(begin, begin + at_once)
                a = flat[part].detach().requires_grad_()
                q = way(torch.cat([of_rows[part], a], 1)).amin(0)
                (slope,) = torch.autograd.grad(q.sum(), a)
                values[part] = q.detach()
                gradient[part] = slope
            return values.view(S, N), gradient.view(S, N, D)

        return Form(name, call, lambda: tuple(_array(x) for x in call()))

    found = []
    for name, way in (("member by member", each_member), ("stacked members", all_members)):
        found.append(form(f"autograd, {name}", way, S * N))
        if S * N > 512:
            found.append(form(f"autograd, {name}, blocks of 512 rows", way, 512))
    return found
