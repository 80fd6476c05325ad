"""Bad input to transport, density, squash, supports and KernelQ: refused by the argument's name,
with nothing written, or a defined result that touches the bad state alone.

Warnings are errors in this suite, so a test also fails where NumPy complains on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from wpg import _core, num_threads, squash
from wpg.benchmarks import run_cases
from wpg.critics import KernelQ
from wpg.density import (
    entropy,
    kde_log_density,
    kde_score,
    kernel_stein_discrepancy,
    median_bandwidth,
    mixture_log_density,
    particle_log_densities,
)
from wpg.supports import Box, Torus
from wpg.transport import (
    adaptive_step_size,
    birth_death,
    blob_velocity,
    flow,
    langevin,
    leimkuhler_matthews,
    mala,
    svgd_velocity,
)

S, N, D, O, M = 3, 5, 2, 2, 6
KERNELS = ("gaussian", "matern52", "imq")
SCHEMES = ("langevin", "leimkuhler-matthews", "mala", "svgd", "blob")
Call = tuple[Callable[..., Any], dict[str, Any]]


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-0.8, 0.8, shape).astype(np.float32)


def critic(kernel: str = "gaussian") -> KernelQ:
    return KernelQ(
        numbers(M, O),
        numbers(M, D),
        numbers(M),
        state_lengthscale=1.0,
        action_lengthscale=1.0,
        kernel=kernel,
    )


class Interpreted:
    """The same critic, for the loops in Python."""

    def value_and_action_gradient(self, states: Any, particles: Any) -> Any:
        return critic().value_and_action_gradient(states, particles)


def calls() -> Iterator[tuple[str, Call]]:
    """Good calls of everything; fresh arrays."""
    x, g, states = numbers(S, N, D), numbers(S, N, D, seed=1), numbers(S, O)
    means = numbers(S, N, D, seed=2)
    step = {"step_size": 0.1, "temperature": 0.2, "seed": 1, "step": 0}
    cloud = {"particles": x, "drift": g}
    yield "langevin", (langevin, cloud | step | {"out": None, "support": None})
    yield "tanh", (langevin, cloud | step | {"out": None, "support": Box(-1, 1, "tanh")})
    full = {"preconditioner": np.eye(D, dtype=np.float32)}
    yield "preconditioned", (langevin, cloud | step | full | {"out": None})
    yield "averaged", (leimkuhler_matthews, cloud | step | {"out": None, "support": None})
    pairs = {"temperature": 0.2, "bandwidth": 0.5}
    yield "svgd", (svgd_velocity, cloud | pairs | {"out": None})
    yield "blob", (blob_velocity, cloud | pairs | {"out": None})
    yield "discrepancy", (kernel_stein_discrepancy, cloud | pairs)
    jump = {"particles": x, "q_values": numbers(S, N), "rate": 3.0, "bandwidth": 0.5, "out": None}
    yield "birth-death", (birth_death, jump | step)
    moved = {"new_particles": means, "new_drift": numbers(S, N, D, seed=3), "maximum": 1.0}
    yield "adaptive", (adaptive_step_size, cloud | moved | {"fraction": 0.25})
    for name, object_ in (("compiled", critic()), ("python", Interpreted())):
        asked = {"particles": x, "critic": object_, "states": states, "steps": 2, "out": None}
        yield f"mala-{name}", (mala, asked | step | {"support": None})
        for scheme in SCHEMES:
            own = {"bandwidth": 0.5} if scheme in ("svgd", "blob") else {}
            rest = step | own | {"scheme": scheme, "support": None}
            yield f"flow-{scheme}-{name}", (flow, asked | rest)
    yield "median", (median_bandwidth, {"particles": x})
    yield "kde", (kde_log_density, {"particles": x, "points": means, "bandwidth": 0.5})
    yield "score", (kde_score, {"particles": x, "bandwidth": 0.5})
    mixture = {"means": means, "std": 0.3, "support": Box(-1, 1)}
    yield "mixture", (mixture_log_density, mixture | {"points": x, "out": None})
    yield "pair", (particle_log_densities, mixture | {"particles": x})
    yield "entropy-mixture", (entropy, mixture | {"particles": x, "method": "mixture"})
    for method in ("knn", "gaussian"):
        yield (
            f"entropy-{method}",
            (
                entropy,
                {"particles": x, "method": method, "neighbours": 2, "support": None},
            ),
        )
    line = {"support": Box(-1, 1, "probit"), "out": None}
    for function in (squash.unbounded, squash.log_slope, squash.log_slope_gradient):
        yield function.__name__, (function, line | {"actions": x})
    yield "actions", (squash.actions, line | {"coordinates": x})
    for kernel in KERNELS:
        evaluate = critic(kernel).value_and_action_gradient
        yield f"critic-{kernel}", (evaluate, {"states": states, "particles": x})
    units = {"state_lengthscale": 1.0, "action_lengthscale": 1.0, "kernel": "gaussian"}
    centers = {"center_states": numbers(M, O), "center_actions": numbers(M, D)}
    yield "KernelQ", (KernelQ, centers | units | {"weights": numbers(M)})
    data = {"states": numbers(9, O), "actions": numbers(9, D), "targets": numbers(9)}
    yield "fit", (KernelQ.fit, data | units | {"centers": 4, "ridge": 0.1, "tolerance": 1e-6})


NAMES = [name for name, _ in calls()]


def good(name: str) -> Call:
    return dict(calls())[name]


def refused(call: Call, change: dict[str, Any], words: str) -> None:
    """Refused by name in one line, and no array that was given is another than before."""
    function, given = call[0], call[1] | change
    before = {k: v.copy() for k, v in given.items() if isinstance(v, np.ndarray)}
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        function(**given)
    assert "\n" not in str(caught.value)
    for k, v in before.items():
        assert np.array_equal(np.asarray(given[k]), np.asarray(v), equal_nan=v.dtype.kind == "f"), k


def misaligned(array: Any) -> Any:
    view = np.ndarray(array.shape, array.dtype, buffer=bytearray(array.nbytes + 1), offset=1)
    view[...] = array
    return view


def no_arrays(array: Any) -> Iterator[Any]:
    """What no routine takes in place of a float32 array."""
    for dtype in (np.float16, np.int64, np.complex64, np.bool_, object, ">f4"):
        yield array.astype(dtype)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    if array.ndim > 1:
        yield np.asfortranarray(array)
    yield misaligned(array)
    yield np.ma.array(array, mask=array == array.flat[0])
    yield array.tolist()
    yield "text"
    yield np.ascontiguousarray(array[..., :0])  # D = 0


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_another_kind_are_refused(name: str) -> None:
    call = good(name)
    for key, value in call[1].items():
        if isinstance(value, np.ndarray):
            for bad in no_arrays(value):
                refused(call, {key: bad}, key)


@pytest.mark.parametrize("name", [name for name in NAMES if "out" in good(name)[1]])
def test_outputs_of_another_kind_are_refused(name: str) -> None:
    call = good(name)
    result = call[0](**call[1])
    result = result[0] if isinstance(result, tuple) else result
    read_only = result.copy()
    read_only.flags.writeable = False
    for bad in (*no_arrays(result), read_only, result[None].copy(), result.astype(np.float64)):
        if not isinstance(bad, np.ndarray) or bad.ndim > 0:
            refused(call, {"out": bad}, "out")


REAL = ("step_size", "temperature", "rate", "bandwidth", "maximum", "std")
NO_REAL: list[Any] = [
    *(-1.0, -1e-60, float("nan"), float("inf"), 1e39, 10**400, True, np.True_, "0.1", b"1"),
    *(1j, np.complex64(1j), [0.1] * S, np.full(S, 0.1), np.full(S + 1, 0.1, np.float32)),
    *(np.full((S, 1), 0.1, np.float32), np.array([0.1, np.nan, 0.1], np.float32)),
    *(np.array([0.1, -0.1, 0.1], np.float32), np.full(2 * S, 0.1, np.float32)[::2]),
    *(np.ma.array(np.full(S, 0.1, np.float32), mask=[1, 0, 0]), np.datetime64(1, "s"), object()),
]


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_another_kind_are_refused(name: str) -> None:
    call = good(name)
    for key in call[1]:
        if key in REAL:
            for bad in NO_REAL:
                refused(call, {key: bad}, key)
        if key.endswith("lengthscale"):
            for bad in (0.0, -1.0, np.nan, np.inf, 1e-60, True, "1", 1j, None, [1.0] * 3):
                refused(call, {key: bad}, key)
        if key in ("ridge", "fraction", "tolerance"):
            for bad in (0.0, -1.0, np.nan, np.inf, 10**400, True, "1", 1j, np.complex64(1), None):
                refused(call, {key: bad}, key)
        if key in ("seed", "step", "steps"):
            limit = 2**64 if key == "seed" else 2**40 + 1
            for bad in (-1, limit, 10**30, 1.5, 1.0, True, "1", None, np.float32(1)):
                refused(call, {key: bad}, key)
        if key in ("scheme", "kernel", "method"):
            for bad in ("x", "", None, 3):
                refused(call, {key: bad}, key)
        if key == "critic":
            for bad in (None, 3, "q"):
                refused(call, {key: bad}, key)
        if key == "support":
            for bad in ("box", 3, Box([-1] * 3, [1] * 3), Torus([1.0] * 5)):
                refused(call, {key: bad}, key)


@pytest.mark.parametrize("name", NAMES)
def test_clip_has_no_entropy(name: str) -> None:
    call = good(name)
    if "support" in call[1]:
        refused(call, {"support": Box(-1, 1, "clip")}, "clip")


@pytest.mark.parametrize(
    ("low", "high"),
    [
        *((1, 0), (0, 0), (np.nan, 1), (0, np.inf), ("0", 1), (True, 2), (1j, 2), ([], [])),
        *((np.ma.array([0.0], mask=[True]), 1), ([[0.0]], 1), (None, 1), (0, [1, [2]])),
    ],
)
def test_boxes_of_another_kind_are_refused(low: Any, high: Any) -> None:
    for boundary in Box.BOUNDARIES:
        with pytest.raises((ValueError, TypeError), match=r"low|high"):
            Box(low, high, boundary)
    for box in (Box(-1e39, 1e39), Box(0, 1e-50)):  # infinite and empty in float32
        refused(good("langevin"), {"support": box}, "support")


def test_an_output_that_is_read_meanwhile_is_refused() -> None:
    memory = np.full(S * N * D, 0.1, np.float32)
    out, row = memory.reshape(S, N, D), memory[-S:]
    for name in NAMES:
        function, given = good(name)
        if "out" not in given or given["out"] is not None or name in squash.__all__:
            continue
        if name.endswith("python") or name.startswith(("flow-svgd", "flow-blob")):
            continue  # written when all has been read
        to = out if name != "mixture" else memory[-S * N :].reshape(S, N)
        for key in REAL:
            if key in given and (name, key) != ("birth-death", "bandwidth"):
                words = "out shares memory with " + key
                refused((function, given), {"out": to, key: row}, words)
        overlapping = np.concatenate([memory, memory])[: S * N * D + 1]
        if "particles" in given:
            change = {
                "particles": overlapping[:-1].reshape(S, N, D),
                "out": overlapping[1:].reshape(S, N, D),
            }
            refused((function, given), change, "out overlaps particles")


@pytest.mark.parametrize("velocity", [svgd_velocity, blob_velocity])
def test_one_array_may_be_particles_drift_and_output(velocity: Any) -> None:
    cloud = numbers(1, 600, 2)  # so many that a state's rows are divided among threads
    wanted = velocity(cloud.copy(), cloud, temperature=0.3, bandwidth=0.4)
    velocity(cloud, cloud, temperature=0.3, bandwidth=0.4, out=cloud)
    assert cloud.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("name", NAMES)
def test_a_bad_state_leaves_the_others_alone(name: str, value: float) -> None:
    function, given = good(name)
    if name in ("KernelQ", "fit"):
        for key in [k for k, v in given.items() if isinstance(v, np.ndarray)]:
            if not np.isfinite(value):
                bad = given[key].copy()
                bad.flat[0] = value
                refused((function, given), {key: bad}, key)
        return
    clean = function(**given)
    _core.set_work_per_thread(1)
    try:
        for key in [k for k, v in given.items() if isinstance(v, np.ndarray)]:
            if key == "preconditioner":
                continue
            bad = given[key].copy()
            bad[1].flat[0] = value
            results = []
            for threads in (1, 2):
                with num_threads(threads):
                    try:
                        results.append(function(**given | {key: bad}))
                    except ValueError as error:  # outside a box whose density is asked for
                        if np.isnan(value) or not re.search(f"{key}|points", str(error)):
                            raise
            if not results:
                continue
            for before, one, two in zip(*map(_arrays, (clean, *results)), strict=True):
                assert one.tobytes() == two.tobytes()
                assert one[[0, 2]].tobytes() == before[[0, 2]].tobytes()
            lost = any(np.isnan(x[1]).any() for x in _arrays(results[0]) if x.dtype.kind == "f")
            forbidden = key == "q_values" and value == -np.inf
            assert lost or np.isfinite(value) or forbidden
    finally:
        _core.set_work_per_thread(131072)


def _arrays(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, N, D), (S, 0, D), (S, 1, D)])
def test_empty_and_lonely_clouds(name: str, shape: tuple[int, int, int]) -> None:
    """A result of the right shape that is finite, infinity where it is documented, or an error."""
    function, given = good(name)
    for key, value in given.items():
        if isinstance(value, np.ndarray) and value.ndim == 3:
            given[key] = np.full(shape, 0.1, np.float32)
        elif key == "states" and name != "fit":
            given[key] = value[: shape[0]]
        elif key == "q_values":
            given[key] = np.zeros(shape[:2], np.float32)
    try:
        results = _arrays(function(**given))
    except ValueError as error:
        if "N" not in str(error):
            raise
        return
    for result in results:
        if isinstance(result, np.ndarray):
            assert len(result) == shape[0]
            assert np.isfinite(result).all()


def test_equal_particles_have_the_limits_of_bandwidth_zero() -> None:
    cloud, drift = np.full((S, N, D), 0.3, np.float32), numbers(S, N, D)
    assert not median_bandwidth(cloud).any()
    mean = np.broadcast_to(drift.mean(axis=1, keepdims=True), drift.shape)
    np.testing.assert_allclose(svgd_velocity(cloud, drift, temperature=0.2), mean, atol=1e-6)
    np.testing.assert_array_equal(blob_velocity(cloud, drift, temperature=0.2), drift)
    assert not kde_score(cloud, bandwidth=None).any()
    assert np.isinf(kernel_stein_discrepancy(cloud, drift, temperature=0.2)).all()
    refused((kde_log_density, {"particles": cloud, "bandwidth": None}), {}, "bandwidth")
    for method in ("knn", "gaussian"):
        refused((entropy, {"particles": cloud, "method": method}), {}, "particles")


@pytest.mark.parametrize("method", ["knn", "gaussian"])
@pytest.mark.parametrize("power", [-1000, -600, 600, 1000])
def test_entropy_of_very_large_and_small_particles(method: str, power: int) -> None:
    """H(c a) = H(a) + D log c, where squares of distances are no numbers; sums of O(1e3) numbers
    in double precision."""
    cloud = numbers(S, 16, D).astype(np.float64)
    wanted = entropy(cloud, method) + D * power * np.log(2.0)
    np.testing.assert_allclose(entropy(np.ldexp(cloud, power), method), wanted, rtol=1e-12)


def test_huge_steps_stay_inside_and_outsiders_come_back() -> None:
    far = numbers(S, N, D) * np.float32(1e30)
    given = {"step_size": 1e30, "temperature": 0.2, "seed": 1}
    for support in (*(Box(-1, 1, b) for b in ("reflect", "tanh", "probit")), Torus(2.0)):
        for step in (langevin, leimkuhler_matthews):
            assert support.contains(step(far, numbers(S, N, D), support=support, **given))


@pytest.mark.parametrize(
    "given", [{"repetitions": 10**14}, {"threads": 10**14}, {"min_time": -1.0}]
)
def test_benchmarks_refuse_what_is_out_of_range(given: dict[str, Any]) -> None:
    refused((run_cases, {"filter": "normal"}), given, next(iter(given)))
