"""SVGD and KernelQ on one GPU: ours beside PyTorch and JAX.

    python bench/cuda/compare.py [--filter TEXT] [--rounds R] [--min-time S] [--no-compile]
                                 [--date YYYY-MM-DD] [--json FILE]

float32 throughout, also in matrix products (no TF32, whose answers disagree). Ours is called
through the Python package with arrays on the device. Of each library the forms of `wpg bench
--peers` are tried on the device, in several sizes of blocks, and for PyTorch also what
torch.compile makes of the whole formula; JAX compiles all of its own. Every answer, ours too, has
to be the CPU routine's within the bound that is stated beside the work (`wpg.benchmarks.works`); a
form that disagrees is named and not timed, and the exit status is 1. The fastest form that agrees
is timed in turn with ours, between device synchronisations; the ratio is the library's time over
ours, median and 95 % interval (`wpg.benchmarks.alternation`).

Written to bench/results/cuda_compare.json. Without a GPU one line says so and the exit status is
77, as where neither PyTorch nor CuPy is installed, with whose arrays ours is called. A library that
is missing is named. `--device cpu` and `--small` are for tests of this script.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
import wpg
from wpg.benchmarks import works
from wpg.benchmarks.alternation import LEAST_ROUNDS
from wpg.benchmarks.peers import compare_forms
from wpg.benchmarks.works import Form, Work, disagreement

SKIPPED = 77
WANTED = 3.0  # times as fast as the fastest form of a library
# Numbers in a block (two for KernelQ): some stay in a second-level cache, some fill the card.
BLOCKS = {"small": 2**22, "large": 2**25}
LIBRARIES = {"PyTorch": "torch", "JAX": "jax"}

Array = Any


class Device:
    """Where ours works: arrays of PyTorch or CuPy, or NumPy's on the CPU."""

    def __init__(self, name: str) -> None:
        self.on_gpu = name == "cuda"
        self._last: list[Any] = []
        self.library = "NumPy"
        if not self.on_gpu:
            return
        if _importable("torch"):
            self._torch = importlib.import_module("torch")
            self.library = "PyTorch"
        else:
            self._cupy = importlib.import_module("cupy")
            self.library = "CuPy"

    def put(self, array: Array) -> Array:
        if not self.on_gpu:
            return array.copy()
        if self.library == "PyTorch":
            return self._torch.from_numpy(array).to("cuda")
        return self._cupy.asarray(array)

    def fetch(self, array: Array) -> Array:
        if not self.on_gpu:
            return array.copy()
        return array.cpu().numpy() if self.library == "PyTorch" else array.get()

    def wait(self) -> None:
        if self.library == "PyTorch":
            self._torch.cuda.synchronize()
        elif self.library == "CuPy":
            self._cupy.cuda.Device().synchronize()

    def clock(self) -> float:
        self.wait()
        return time.perf_counter()


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def why_no_gpu() -> str:
    """Why nothing can be compared here, or ""."""
    if wpg.cuda.device_count() == 0:
        return "there is no GPU, or wpg was built without its CUDA routines"
    if not _importable("torch") and not _importable("cupy"):
        return "neither PyTorch nor CuPy is installed, and ours is called with their arrays"
    return ""


def svgd(device: Device, small: bool) -> Work:
    """The work, ours with arrays on the device, and the CPU routine's answer to hold it against."""
    S, N, D = (64, 32, 3) if small else (4096, 256, 6)
    work = works._velocity("svgd_velocity", S, N, D, 1.0)
    p = work.problem
    particles, drift = device.put(p.particles), device.put(p.drift)
    out = device.put(np.zeros_like(p.particles))

    def call() -> Array:
        return wpg.transport.svgd_velocity(
            particles, drift, temperature=p.temperature, bandwidth=p.bandwidth, out=out
        )

    return _on_device(work, f"svgd_velocity/{S}x{N}x{D}", call, lambda: (device.fetch(call()),))


def kernel_q(device: Device, small: bool) -> Work:
    """As `svgd`. With these length scales every centre matters at every state."""
    S, N, M, O, D = (64, 4, 200, 5, 3) if small else (16384, 16, 4096, 17, 6)
    work = works._kernel_q(S, N, M, O, D, scale=2.0, rows=S)
    p = work.problem
    critic = wpg.critics.KernelQ(
        device.put(p.center_states),
        device.put(p.center_actions),
        device.put(p.weights),
        state_lengthscale=p.state_lengthscale,
        action_lengthscale=p.action_lengthscale,
    )
    states, particles = device.put(p.states), device.put(p.particles)
    out = device.put(np.zeros((S, N), np.float32)), device.put(np.zeros_like(p.particles))

    def call() -> tuple[Array, Array]:
        return critic.value_and_action_gradient(states, particles, out=out)

    return _on_device(
        work,
        f"kernel_q/{S}x{N}x{D}/{M}",
        call,
        lambda: tuple(device.fetch(array) for array in call()),
    )


def _on_device(
    work: Work, name: str, call: Callable[[], object], answer: Callable[[], tuple[Array, ...]]
) -> Work:
    ours = Form("CUDA arrays, out=", call, answer)
    return Work(
        kind=work.kind,
        item=work.item,
        items=work.items,
        problem=work.problem,
        ours=ours,
        allowed=work.allowed,
        reason=work.reason,
        own=[work.ours],  # the CPU's
        name=name,
    )


WORKS: dict[str, Callable[[Device, bool], Work]] = {"svgd_velocity": svgd, "kernel_q": kernel_q}


def torch_library(device: Device, compiled: bool) -> Any:
    import torch

    torch.set_float32_matmul_precision("highest")
    if device.on_gpu:
        torch.set_default_device("cuda")
    forms = importlib.import_module("wpg.benchmarks.torch_forms")

    def all_forms(work: Work) -> Iterator[Form]:
        yield from _in_blocks(forms, work)
        if compiled:
            yield from compiled_forms(work)

    return SimpleNamespace(version=forms.version, forms=all_forms)


def compiled_forms(work: Work) -> Iterator[Form]:
    """What torch.compile makes of the formulas, written as one would write them."""
    import torch

    p = work.problem
    here = [torch.from_numpy(x).to(torch.get_default_device()) for x in _arrays(work)]
    for name, formula in TORCH_FORMULAS[work.kind].items():
        whole = torch.compile(partial(formula, torch, p))

        def call(whole: Any = whole) -> Any:
            with torch.no_grad():
                return whole(*here)

        def answer(call: Any = call) -> tuple[Array, ...]:
            return tuple(x.cpu().numpy() for x in call())

        yield Form(f"torch.compile, {name}", call, answer)


def _arrays(work: Work) -> list[Array]:
    p = work.problem
    if work.kind == "svgd_velocity":
        return [p.particles, p.drift]
    return [p.states, p.particles, p.center_states, p.center_actions, p.weights]


def svgd_by_differences(torch: Any, p: works.Cloud, a: Array, g: Array) -> tuple[Array, ...]:
    pull = p.temperature / p.bandwidth**2
    away = a[:, :, None, :] - a[:, None, :, :]
    k = torch.exp(away.square().sum(-1) * (-0.5 / p.bandwidth**2))
    return ((k[..., None] * (g[:, None, :, :] + pull * away)).sum(2) / a.shape[1],)


def svgd_by_products(torch: Any, p: works.Cloud, a: Array, g: Array) -> tuple[Array, ...]:
    pull = p.temperature / p.bandwidth**2
    y = a / p.bandwidth
    half = 0.5 * y.square().sum(-1)
    k = torch.exp(y @ y.transpose(1, 2) - half[:, :, None] - half[:, None, :])
    drawn = k @ (g - pull * a)
    return ((drawn + pull * a * k.sum(-1, keepdim=True)) / a.shape[1],)


def kernel_q_by_products(
    torch: Any, p: works.KernelProblem, s: Array, a: Array, cs: Array, ca: Array, w: Array
) -> tuple[Array, ...]:
    s, cs = s / p.state_lengthscale, cs / p.state_lengthscale
    y, c = a / p.action_lengthscale, ca / p.action_lengthscale
    half_s, half_c = 0.5 * s.square().sum(-1), 0.5 * cs.square().sum(-1)
    factor = w * torch.exp(s @ cs.T - half_s[:, None] - half_c)
    half_y, half_a = 0.5 * y.square().sum(-1), 0.5 * c.square().sum(-1)
    terms = factor[:, None, :] * torch.exp(y @ c.T - half_y[..., None] - half_a)
    value = terms.sum(-1)
    return value, (terms @ ca - value[..., None] * a) / p.action_lengthscale**2


TORCH_FORMULAS: dict[str, dict[str, Callable[..., tuple[Array, ...]]]] = {
    "svgd_velocity": {"differences": svgd_by_differences, "products": svgd_by_products},
    "kernel_q": {"products": kernel_q_by_products},
}


def jax_library(device: Device, compiled: bool) -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others want memory too
    if not device.on_gpu:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    if device.on_gpu and jax.default_backend() != "gpu":
        raise RuntimeError(f"JAX works on {jax.default_backend()}")
    forms = importlib.import_module("wpg.benchmarks.jax_forms")
    return SimpleNamespace(version=forms.version, forms=partial(_in_blocks, forms))


def _in_blocks(forms: Any, work: Work) -> Iterator[Form]:
    before = forms.CACHED
    try:
        for size, numbers in BLOCKS.items():
            forms.CACHED = numbers
            for form in forms.forms(work):
                whole = "all states at once" in form.name
                if not whole:
                    name = form.name.replace("blocks of", f"{size} blocks of")
                    yield Form(name, form.call, form.answer, form.share)
                elif size == "small":  # once
                    yield form
    finally:
        forms.CACHED = before


LOADERS: dict[str, Callable[[Device, bool], Any]] = {"PyTorch": torch_library, "JAX": jax_library}


def load(name: str, device: Device, compiled: bool) -> Any:
    """The library's forms, or words that say why there are none."""
    if not _importable(LIBRARIES[name]):
        return "not installed"
    try:
        return LOADERS[name](device, compiled)
    except Exception as error:  # a library without its CUDA part is no reason to stop
        return f"cannot be used: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def compare(
    work: Work, library: Any, device: Device, *, rounds: int, min_time: float
) -> dict[str, Any]:
    """One entry: what every form took, and the fastest that agrees in turn with ours."""
    if isinstance(library, str):
        return {"status": library}
    entry: dict[str, Any] = {"version": library.version(), "forms, ns per item": {}}
    wanted = work.own[0].answer()
    best: tuple[float, Form] | None = None
    for form in library.forms(work):
        try:
            wrong = disagreement(wanted, form.answer(), work)
            if wrong is not None:
                entry.setdefault("disagreements", {})[form.name] = wrong
                continue
            took = _quick(form, device)
        except Exception as error:  # out of memory, or torch.compile has no compiler
            entry.setdefault("left out", {})[form.name] = _first_line(error)
            continue
        entry["forms, ns per item"][form.name] = 1e9 * took / work.items
        if best is None or took < best[0]:
            best = took, form
    if best is None:
        return {**entry, "status": "no form agrees" if "disagreements" in entry else "no form runs"}
    entry |= {"status": "timed", "form": best[1].name}
    entry |= compare_forms(
        work, work.ours, best[1], rounds=rounds, min_time=min_time, clock=device.clock
    )
    entry |= {"wanted": WANTED, "reached": entry["ratio"]["median"] >= WANTED}
    return entry


def _quick(form: Form, device: Device) -> float:
    """The least of three calls after the first."""
    form.call()
    least = float("inf")
    for _ in range(3):
        begin = device.clock()
        form.call()
        least = min(least, device.clock() - begin)
    return least / form.share


def line(name: str, library: str, entry: dict[str, Any]) -> str:
    begin = f"{name:<28} {library:<8} "
    if entry["status"] != "timed":
        return begin + str(entry["status"])
    ratio = entry["ratio"]
    ours, other = (entry[f"{which}_ns_per_item"]["least"] for which in ("ours", "other"))
    return (
        f"{begin}{ours:10.4g} {other:10.4g}   {ratio['median']:<#9.3g} "
        f"{ratio['low']:#.3g} to {ratio['high']:#.3g}   {entry['form']}"
    )


def card() -> dict[str, str]:
    """What nvidia-smi says of the first GPU, and the toolkit's version, where they are."""
    commands = {
        "card, driver": "nvidia-smi --query-gpu=name,driver_version --format=csv,noheader -i 0",
        "toolkit": "nvcc --version",
    }
    found = {}
    for name, command in commands.items():
        try:
            done = subprocess.run(
                command.split(), capture_output=True, text=True, timeout=30, check=True
            )
            found[name] = done.stdout.strip().splitlines()[-1]
        except (OSError, subprocess.SubprocessError, IndexError):
            found[name] = "not known"
    return found


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="SVGD and KernelQ beside PyTorch and JAX on a GPU")
    parser.add_argument("--filter", default="", help="works and libraries whose name contains it")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--min-time", type=float, default=0.02, help="seconds of calls in a round")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--date", help="for the record; today's by default")
    parser.add_argument("--json", type=Path, help="in place of bench/results/cuda_compare.json")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="answers alone are wanted")
    asked = parser.parse_args(given)
    if asked.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds is {asked.rounds}; an interval wants at least {LEAST_ROUNDS}")
    if not 0 < asked.min_time <= 60:
        parser.error(f"--min-time is {asked.min_time}; it must be above 0 and at most 60 seconds")
    if not any(asked.filter in f"{work} {name}" for work in WORKS for name in LIBRARIES):
        parser.error(f"--filter: no work and library have {asked.filter!r} in their name")
    return asked


def main(given: list[str] | None = None) -> int:
    asked = arguments(given)
    if asked.device == "cuda" and (why := why_no_gpu()):
        print(f"skipped: {why}")
        return SKIPPED
    started = {**record.machine(), **(card() if asked.device == "cuda" else {})}
    device = Device(asked.device)
    libraries = {name: load(name, device, not asked.no_compile) for name in LIBRARIES}
    print(", ".join(f"{name}: {value}" for name, value in card().items()))
    print(
        f"float32, ours with arrays of {device.library}, {asked.rounds} rounds in turn; ns a pair\n"
        f"\n{'work':<28} {'other':<8} {'wpg':>10} {'other':>10}   {'ratio':<9} 95 % interval"
    )
    figures: dict[str, Any] = {}
    failed = False
    kept = asked.json is not None or (asked.device == "cuda" and not asked.small)

    def keep() -> None:  # after every entry: a run that is stopped has what it has
        if kept:
            record.write("cuda_compare", figures, started, date=asked.date, path=asked.json)

    for kind, build in WORKS.items():
        chosen = [name for name in LIBRARIES if asked.filter in f"{kind} {name}"]
        if not chosen:
            continue
        work = build(device, asked.small)
        wrong = disagreement(work.own[0].answer(), work.ours.answer(), work)
        if wrong is not None:
            print(f"{work.name:<28} ours is not the CPU's: {wrong}")
            figures[work.name] = {"ours": f"not the CPU's: {wrong}"}
            failed = True
            keep()
            continue
        figures[work.name] = {"pairs": work.items}
        for name in chosen:
            entry = compare(
                work, libraries[name], device, rounds=asked.rounds, min_time=asked.min_time
            )
            figures[work.name][name] = entry
            print(line(work.name, name, entry), flush=True)
            for form, why in entry.get("disagreements", {}).items():
                print(f"{'':<28} DISAGREES, not timed: {form}: {why}")
            failed = failed or "disagreements" in entry
            keep()
    if not kept:
        print(json.dumps(figures, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
