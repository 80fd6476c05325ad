"""CUDA arrays in the public functions: the CPU's bits or bounds, the caller's stream and memory,
and refusals that name the argument and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import devices
import wpg
from devices import DEVICE, DeviceNumbers, fetch, on_device
from step_supports import SUPPORTS
from wpg import cuda
from wpg.noise import standard_normal
from wpg.transport import langevin, leimkuhler_matthews

needs_device = pytest.mark.skipif(DEVICE is None, reason=devices.WHY_NOT)
DTYPES = [np.float32, np.float64]
S, N, D = 3, 8, 2
RULE: dict[str, Any] = {"step_size": 0.1, "temperature": 0.5, "seed": 3, "step": 7}


def cloud_and_drift(dtype: Any = np.float32, shape: tuple[int, ...] = (S, N, D)) -> Any:
    rng = np.random.default_rng(0)
    return rng.uniform(0.05, 0.6, shape).astype(dtype), rng.standard_normal(shape).astype(dtype)


class FakeCudaArray:
    """What a CUDA array shows of itself; there is no such memory."""

    __cuda_array_interface__ = {  # noqa: RUF012
        "shape": (S, N, D),
        "typestr": "<f4",
        "data": (4096, False),
        "strides": None,
        "version": 3,
    }


def test_without_routines_or_driver_only_a_cuda_array_says_what_is_missing() -> None:
    """In a process of its own: importing works and NumPy arrays work, whatever is missing."""
    script = """
import sys
sys.modules["wpg._cuda"] = None  # as if it had not been built
import numpy as np, wpg
cloud = np.zeros((2, 3, 1), np.float32)
wpg.transport.langevin(cloud, cloud, step_size=0.1, temperature=1.0, seed=0)
assert wpg.cuda.device_count() == 0
class Fake:
    __cuda_array_interface__ = {"shape": (2, 3, 1), "typestr": "<f4", "data": (4096, False),
                                "version": 3}
try:
    wpg.transport.langevin(Fake(), Fake(), step_size=0.1, temperature=1.0, seed=0)
except RuntimeError as error:
    assert "WPG_CUDA=ON" in str(error), error
else:
    raise AssertionError("nothing was said")
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(DEVICE is not None, reason="there is a device")
def test_without_a_device_a_cuda_array_is_refused_in_words() -> None:
    array = FakeCudaArray()
    with pytest.raises(RuntimeError, match=r"WPG_CUDA=ON|there is no driver"):
        langevin(array, array, **RULE)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"WPG_CUDA=ON|there is no driver"):
        standard_normal((S, N, D), seed=1, out=array)  # type: ignore[arg-type]


@needs_device
@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 8, 2), (2, 7, 3), (1, 130, 6), (0, 3, 2)])
def test_noise_has_the_cpus_bits(shape: Any, dtype: Any) -> None:
    name = {"seed": 2**64 - 1, "step": 2**40 - 1, "stream": "behaviour", "dtype": dtype}
    out = DeviceNumbers(shape, dtype)
    assert standard_normal(shape, out=out, **name) is out
    np.testing.assert_array_equal(fetch(out), standard_normal(shape, **name))


@needs_device
@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("step", [langevin, leimkuhler_matthews])
def test_steps_have_the_cpus_bits(step: Any, support: str, dtype: Any) -> None:
    cloud, drift = cloud_and_drift(dtype)
    rule = {**RULE, "support": SUPPORTS[support]}
    if support == "clip":
        rule["temperature"] = 0.0
    else:
        rule["step_size"] = np.array([0.1, 0.2, 0.0], dtype)
    given = dict(rule)
    if support != "clip":
        given["step_size"] = on_device(rule["step_size"])
    want = step(cloud, drift, **rule)
    here, along = on_device(cloud), on_device(drift)
    np.testing.assert_array_equal(fetch(step(here, along, **given)), want)
    assert step(here, along, out=here, **given) is here
    np.testing.assert_array_equal(fetch(here), want)
    here = on_device(cloud)
    assert step(here, along, out=along, **given) is along
    np.testing.assert_array_equal(fetch(along), want)
    np.testing.assert_array_equal(fetch(here), cloud)


@needs_device
@pytest.mark.parametrize("form", ["diagonal", "full", "each"])
def test_a_preconditioner_is_copied_to_the_device(form: str) -> None:
    cloud, drift = cloud_and_drift()
    full = np.array([[2.0, 0.3], [0.3, 0.5]], np.float32)
    matrix = {"diagonal": full[0], "full": full, "each": np.stack([full, 2 * full, 3 * full])}[form]
    want = langevin(cloud, drift, preconditioner=matrix, **RULE)
    found = langevin(on_device(cloud), on_device(drift), preconditioner=matrix, **RULE)
    np.testing.assert_array_equal(fetch(found), want)


@needs_device
@pytest.mark.skipif(DEVICE is None or DEVICE.name != "host", reason="needs CUDA on the host")
def test_it_runs_on_the_librarys_stream_and_leaves_the_current_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud, drift = cloud_and_drift()
    want = langevin(cloud, drift, **RULE)
    monkeypatch.setattr(devices.LIBRARY, "current", 0x1230)
    found = langevin(on_device(cloud, 1), on_device(drift, 1), **RULE)
    np.testing.assert_array_equal(fetch(found), want)
    assert found.device == 1
    assert DEVICE.module.last_stream() == 0x1230
    assert DEVICE.module.current_device() == 0


@needs_device
def test_arrays_of_an_unknown_library_want_an_output() -> None:
    class Stranger:
        def __init__(self, inside: DeviceNumbers) -> None:
            self.__cuda_array_interface__ = inside.interface

    cloud, drift = cloud_and_drift()
    here, along, out = on_device(cloud), on_device(drift), on_device(cloud)
    with pytest.raises(TypeError, match="register_library"):
        langevin(Stranger(here), Stranger(along), **RULE)  # type: ignore[arg-type]
    langevin(Stranger(here), Stranger(along), out=Stranger(out), **RULE)  # type: ignore[arg-type]
    np.testing.assert_array_equal(fetch(out), langevin(cloud, drift, **RULE))


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "a NumPy array": (lambda a: fetch(a), TypeError, "drift is a NumPy array"),
    "a list": (lambda a: [1.0], TypeError, "drift is <class 'list'>"),
    "another type": (
        lambda a: on_device(fetch(a).astype(np.float64)),
        TypeError,
        "drift is float64",
    ),
    "integers": (
        lambda a: on_device(fetch(a).astype(np.int32)),
        TypeError,
        "drift has type i32",
    ),
    "half precision": (
        lambda a: on_device(fetch(a).astype(np.float16)),
        TypeError,
        "drift has type f16",
    ),
    "the other byte order": (lambda a: a.changed(typestr=">f4"), TypeError, "drift has type >f4"),
    "another shape": (lambda a: on_device(fetch(a)[:, 1:]), ValueError, "drift has shape"),
    "strides": (lambda a: a.changed(strides=(4, 8, 12)), ValueError, "drift .* not C-contiguous"),
    "a mask": (lambda a: a.changed(mask=a), TypeError, "drift has a mask"),
    "misaligned": (
        lambda a: a.changed(data=(a.interface["data"][0] + 2, False)),
        ValueError,
        "drift is not aligned",
    ),
    "the host's memory": (
        lambda a: a.changed(data=(np.zeros(99).ctypes.data // 8 * 8, False)),
        ValueError,
        "drift points to no memory of a CUDA device",
    ),
}


@needs_device
@pytest.mark.parametrize("case", BAD)
def test_a_bad_array_is_refused_by_name_and_nothing_runs(case: str) -> None:
    spoil, error, words = BAD[case]
    cloud, drift = cloud_and_drift()
    here, along, out = on_device(cloud), on_device(drift), on_device(np.full_like(cloud, 7))
    before = DEVICE.module.launches() if DEVICE.name == "host" else 0
    with pytest.raises(error, match=words):
        langevin(here, spoil(along), out=out, **RULE)
    if DEVICE.name == "host":
        assert DEVICE.module.launches() == before
        assert DEVICE.module.last_error() == 0
    np.testing.assert_array_equal(fetch(out), 7)
    langevin(here, along, out=out, **RULE)  # the next call works
    np.testing.assert_array_equal(fetch(out), langevin(cloud, drift, **RULE))


@needs_device
def test_outputs_are_refused() -> None:
    cloud, drift = cloud_and_drift()
    here, along, out = on_device(cloud), on_device(drift), on_device(cloud)
    read_only = out.changed(data=(out.interface["data"][0], True))
    with pytest.raises(ValueError, match="out is read-only"):
        langevin(here, along, out=read_only, **RULE)
    with pytest.raises(TypeError, match="out is a NumPy array"):
        langevin(here, along, out=cloud, **RULE)
    with pytest.raises(ValueError, match="out has shape"):
        langevin(here, along, out=on_device(cloud[:2]), **RULE)
    part = on_device(np.zeros((S + 1, N, D), np.float32))
    shifted = part.changed(shape=(S, N, D), data=(part.interface["data"][0] + 4, False))
    with pytest.raises(ValueError, match="overlaps"):
        langevin(part.changed(shape=(S, N, D)), along, out=shifted, **RULE)
    etas = on_device(np.full(S * N * D, 0.1, np.float32))
    with pytest.raises(ValueError, match="out shares memory with step_size"):
        langevin(
            here,
            along,
            out=etas.changed(shape=(S, N, D)),
            **{**RULE, "step_size": etas.changed(shape=(S,))},
        )
    with pytest.raises(ValueError, match="out has shape"):
        standard_normal((S, N, D + 1), seed=0, out=out)  # type: ignore[arg-type]


@needs_device
def test_a_freed_array_is_refused() -> None:
    cloud, drift = cloud_and_drift()
    here, along = on_device(cloud), on_device(drift)
    along.memory.free()
    with pytest.raises(ValueError, match="has it been freed"):
        langevin(here, along, out=here, **RULE)


@needs_device
@pytest.mark.skipif(DEVICE is None or DEVICE.devices < 2, reason="needs two devices")
def test_arrays_on_two_devices_are_refused() -> None:
    cloud, drift = cloud_and_drift()
    with pytest.raises(ValueError, match="drift lies on CUDA device 1 and particles on device 0"):
        langevin(on_device(cloud), on_device(drift, 1), **RULE)


@needs_device
def test_parameters_are_refused_by_name() -> None:
    cloud, drift = cloud_and_drift()
    here, along = on_device(cloud), on_device(drift)
    for name, value, words in [
        ("step_size", -0.1, "step_size"),
        ("step_size", np.full(S, 0.1, np.float32), "step_size is a NumPy array"),
        ("step_size", on_device(np.full(S + 1, 0.1, np.float32)), "step_size has shape"),
        ("temperature", float("nan"), "temperature"),
        ("temperature", "warm", "temperature is <class 'str'>"),
        ("seed", -1, "seed"),
        ("step", 2**40, "step"),
        ("support", wpg.supports.Box([-1.0] * 3, [1.0] * 3), "support"),
    ]:
        with pytest.raises((TypeError, ValueError), match=words):
            langevin(here, along, **{**RULE, name: value})


@needs_device
def test_dlpack_alone_is_enough() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch makes the capsules of this test")

    class Exported:
        """DLPack's two methods, over memory that PyTorch describes."""

        def __init__(self, inside: DeviceNumbers) -> None:
            self.inside = inside

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __dlpack__(self, *, stream: int) -> Any:
            assert stream == 1
            kind = {"f": ctypes_type}[self.inside.dtype.kind]
            memory = (kind * (self.inside.size // 4)).from_address(self.inside.interface["data"][0])
            tensor = torch.frombuffer(memory, dtype=torch.float32).reshape(self.inside.shape)
            return torch.utils.dlpack.to_dlpack(tensor)

    import ctypes

    ctypes_type = ctypes.c_float
    if DEVICE.name != "host":
        pytest.skip("needs CUDA on the host")
    cloud, drift = cloud_and_drift()
    here, along, out = on_device(cloud), on_device(drift), on_device(cloud)
    moved = langevin(Exported(here), Exported(along), out=Exported(out), **RULE)  # type: ignore[arg-type]
    assert moved.inside is out
    np.testing.assert_array_equal(fetch(out), langevin(cloud, drift, **RULE))


def kernel_critic(dtype: Any, there: bool) -> wpg.critics.KernelQ:
    rng = np.random.default_rng(5)
    arrays = [rng.uniform(-1, 1, shape).astype(dtype) for shape in ((40, 3), (40, D), (40,))]
    return wpg.critics.KernelQ(
        *(on_device(array) if there else array for array in arrays),
        state_lengthscale=1.0,
        action_lengthscale=0.5,
    )


def observations(dtype: Any) -> Any:
    return np.random.default_rng(6).uniform(-1, 1, (S, 3)).astype(dtype)


@needs_device
@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bandwidth", [None, 0.4])
@pytest.mark.parametrize("scheme", ["langevin", "leimkuhler-matthews", "mala", "svgd", "blob"])
def test_flow_is_the_composition_of_its_steps(scheme: str, bandwidth: Any, dtype: Any) -> None:
    """To the bit on the device, and to rounding the CPU's: five steps of 0.1 along drifts of at
    most 20 magnify the error of a step, 1e-6 in float32, less than a thousandfold."""
    if bandwidth is not None and scheme not in ("svgd", "blob"):
        pytest.skip("only svgd and blob have a bandwidth")
    cloud, _ = cloud_and_drift(dtype)
    rule = {**RULE, "steps": 5, "scheme": scheme, "bandwidth": bandwidth}
    rule["support"] = wpg.supports.Box(-0.9, 0.7)
    critic, states = kernel_critic(dtype, there=True), on_device(observations(dtype))

    class Unfused:
        value_and_action_gradient = staticmethod(critic.value_and_action_gradient)

    found = fetch(wpg.flow(on_device(cloud), critic, states, **rule))
    composed = fetch(wpg.flow(on_device(cloud), Unfused(), states, **rule))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, composed)
    here = on_device(cloud)
    assert wpg.flow(here, critic, states, out=here, **rule) is here  # type: ignore[arg-type]
    np.testing.assert_array_equal(fetch(here), found)
    want = wpg.flow(cloud, kernel_critic(dtype, there=False), observations(dtype), **rule)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-3 if dtype == np.float32 else 1e-12)
    for steps in (0, 1):
        rule["steps"] = steps
        some = wpg.flow(on_device(cloud), critic, states, **rule)
        same = wpg.flow(on_device(cloud), Unfused(), states, **rule)  # type: ignore[arg-type]
        np.testing.assert_array_equal(fetch(some), fetch(same))


@needs_device
def test_mala_tells_its_acceptance() -> None:
    cloud, _ = cloud_and_drift(np.float64)
    states = observations(np.float64)
    want = wpg.transport.mala(
        cloud, kernel_critic(np.float64, there=False), states, steps=4, **RULE
    )
    critic = kernel_critic(np.float64, there=True)
    found = wpg.transport.mala(on_device(cloud), critic, on_device(states), steps=4, **RULE)
    np.testing.assert_allclose(fetch(found[0]), want[0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(fetch(found[1]), want[1])


@needs_device
def test_critic_and_particles_lie_in_one_place() -> None:
    cloud, _ = cloud_and_drift()
    states = observations(np.float32)
    here, there = kernel_critic(np.float32, there=False), kernel_critic(np.float32, there=True)
    rule = {**RULE, "steps": 1}
    with pytest.raises(TypeError, match="particles are NumPy arrays and the critic's centres"):
        wpg.flow(cloud, there, states, **rule)
    with pytest.raises(TypeError, match="particles are arrays on a CUDA device and the critic's"):
        wpg.flow(on_device(cloud), here, on_device(states), **rule)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="states is a NumPy array"):
        wpg.flow(on_device(cloud), there, states, **rule)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"particles is <class 'numpy\.ndarray'>"):
        there.value(states, cloud)
    with pytest.raises(ValueError, match="particles has shape"):
        there.value(on_device(states), on_device(cloud[..., :1]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"weights is <class 'numpy\.ndarray'>"):
        wpg.critics.KernelQ(
            there.center_states,
            there.center_actions,
            np.zeros(40, np.float32),
            state_lengthscale=1.0,
            action_lengthscale=1.0,
        )
    assert repr(there) == "KernelQ(M=40, O=3, D=2, float32, CUDA)"
    assert len(there) == 40


@needs_device
def test_bandwidths_and_outputs_of_pairs() -> None:
    cloud, drift = cloud_and_drift()
    here, along = on_device(cloud), on_device(drift)
    lengths = np.full(S, 0.4, np.float32)
    rule = {"temperature": 0.5}
    for velocity in (wpg.transport.svgd_velocity, wpg.transport.blob_velocity):
        want = fetch(velocity(here, along, bandwidth=0.4, **rule))  # type: ignore[arg-type]
        each = velocity(here, along, bandwidth=on_device(lengths), **rule)  # type: ignore[arg-type]
        np.testing.assert_array_equal(fetch(each), want)
        for name in ("particles", "drift"):
            arrays = {"particles": on_device(cloud), "drift": on_device(drift)}
            out = velocity(**arrays, bandwidth=0.4, out=arrays[name], **rule)  # type: ignore[arg-type]
            assert out is arrays[name]  # type: ignore[comparison-overlap]
            np.testing.assert_array_equal(fetch(out), want)
        with pytest.raises(TypeError, match="bandwidth is a NumPy array"):
            velocity(here, along, bandwidth=lengths, **rule)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="bandwidth is -1"):
            velocity(here, along, bandwidth=-1.0, **rule)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="drift is a NumPy array"):
            velocity(here, drift, **rule)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="N = 0"):
        wpg.density.median_bandwidth(on_device(cloud[:, :0]))  # type: ignore[arg-type]


@needs_device
def test_births_and_deaths_are_the_cpus() -> None:
    cloud, _ = cloud_and_drift(np.float64)
    q_values = -3 * np.square(cloud).sum(-1)
    rule = {"temperature": 0.5, "rate": 5.0, "step_size": 0.5, "seed": 3}
    for bandwidth in (None, 0.3, 0.0):
        want = wpg.transport.birth_death(cloud, q_values, bandwidth=bandwidth, **rule)
        here = on_device(cloud)
        found = wpg.transport.birth_death(
            here,  # type: ignore[arg-type]
            on_device(q_values),  # type: ignore[arg-type]
            bandwidth=bandwidth,
            out=here,  # type: ignore[arg-type]
            **rule,
        )
        assert found[0] is here  # type: ignore[comparison-overlap]
        np.testing.assert_array_equal(fetch(found[1]), want[1])
        np.testing.assert_array_equal(fetch(here), want[0])


def test_cpu_routines_say_so() -> None:
    array = FakeCudaArray()
    with pytest.raises(TypeError, match="runs on the CPU alone"):
        wpg.density.kernel_stein_discrepancy(array, array, temperature=1.0)  # type: ignore[arg-type]
    assert cuda.on_device(array)
    assert not cuda.on_device(np.zeros(3))
    assert not cuda.on_device([1.0])
