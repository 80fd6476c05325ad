"""Arrays on a CUDA device: what is one, whose it is, and the routines that take it.

The functions of `wpg.noise`, `wpg.transport`, `wpg.density` and `wpg.critics.KernelQ` take CUDA
arrays where they take NumPy arrays: PyTorch tensors, CuPy and Numba arrays, and whatever else has
`__cuda_array_interface__` or DLPack. All arrays of a call lie on one device. A call launches its
kernels on the library's current stream and returns: it allocates nothing but what it returns and
the working memory that its docstring names, both from the library of its first array, and it never
waits. So numbers that lie on the device are not checked: a per-state step size that is negative
there, or a bandwidth, gives NaN or what the equation says, never an error.

    wpg.cuda.device_count()                     0 without a driver, or without the CUDA routines
    wpg.cuda.register_library(library)          for arrays of another library
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "ArrayLibrary",
    "DeviceArray",
    "device_array",
    "device_count",
    "on_device",
    "register_library",
    "routines",
]

_CUDA_DEVICES = (2, 13)  # DLPack's kDLCUDA and kDLCUDAManaged


class ArrayLibrary:
    """What a library of CUDA arrays is asked for; this one allocates nothing.

    Subclass it for a library that is not known here, and register an object of the class.
    """

    name = "an unknown library"

    def owns(self, array: Any) -> bool:
        """Is the array one of this library's?"""
        return True

    def stream(self, array: Any) -> int:
        """The current stream of the array's device, as an integer; 0 is the default stream."""
        interface = getattr(array, "__cuda_array_interface__", None)
        return int((interface or {}).get("stream") or 0)

    def empty(self, like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """A new array on the device of `like`."""
        raise TypeError(
            f"particles is {type(like)}, whose library is not known here, and this call needs new "
            "memory on its device; give PyTorch, CuPy or Numba arrays, or register the library "
            "with wpg.cuda.register_library"
        )

    def copy(self, like: Any, array: NDArray[Any]) -> Any:
        """A NumPy array copied to the device of `like`."""
        raise TypeError(
            f"particles is {type(like)}, whose library is not known here: it cannot be asked to "
            "copy a NumPy array to its device; use PyTorch, CuPy or Numba arrays"
        )


class _Torch(ArrayLibrary):
    name = "torch"

    def owns(self, array: Any) -> bool:
        return isinstance(array, sys.modules["torch"].Tensor)

    def stream(self, array: Any) -> int:
        return int(sys.modules["torch"].cuda.current_stream(array.device).cuda_stream)

    def empty(self, like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, np.dtype(dtype).name), device=like.device)

    def copy(self, like: Any, array: NDArray[Any]) -> Any:
        return sys.modules["torch"].from_numpy(np.array(array)).to(like.device)


class _Cupy(ArrayLibrary):
    name = "cupy"

    def owns(self, array: Any) -> bool:
        return isinstance(array, sys.modules["cupy"].ndarray)

    def stream(self, array: Any) -> int:
        return int(sys.modules["cupy"].cuda.get_current_stream().ptr)

    def empty(self, like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        with like.device:
            return sys.modules["cupy"].empty(shape, dtype)

    def copy(self, like: Any, array: NDArray[Any]) -> Any:
        with like.device:
            return sys.modules["cupy"].asarray(array)


class _Numba(ArrayLibrary):
    name = "numba.cuda"  # imported on its own

    def owns(self, array: Any) -> bool:
        return bool(sys.modules["numba.cuda"].is_cuda_array(array)) and type(
            array
        ).__module__.startswith("numba.")

    def empty(self, like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        return sys.modules["numba.cuda"].device_array(shape, dtype)

    def copy(self, like: Any, array: NDArray[Any]) -> Any:
        return sys.modules["numba.cuda"].to_device(array)


_LIBRARIES: list[ArrayLibrary] = [_Torch(), _Cupy(), _Numba()]
_UNKNOWN = ArrayLibrary()


def register_library(library: ArrayLibrary) -> None:
    """Makes arrays that `library` owns known: it is asked before those registered earlier."""
    _LIBRARIES.insert(0, library)


def _library_of(array: Any) -> ArrayLibrary:
    for library in _LIBRARIES:
        # A library that nobody has imported owns nothing.
        if (type(library).__module__ != __name__ or library.name in sys.modules) and library.owns(
            array
        ):
            return library
    return _UNKNOWN


def on_device(array: Any) -> bool:
    """Does the array lie on a CUDA device? It is asked, and not looked into."""
    if isinstance(array, np.ndarray):
        return False
    try:
        if hasattr(array, "__cuda_array_interface__"):
            return True
    except (RuntimeError, TypeError):  # PyTorch, of a tensor that autograd follows
        return True
    where = getattr(array, "__dlpack_device__", None)
    return where is not None and int(where()[0]) in _CUDA_DEVICES


def _compiled() -> Any:
    """The module of CUDA routines, or RuntimeError that says what is missing."""
    try:
        from wpg import _cuda
    except ImportError as error:
        raise RuntimeError(
            "an array lies on a CUDA device, but this installation has no CUDA routines "
            f"({error}); install wpg from a checkout on a machine with nvcc: "
            "pip install . --config-settings=cmake.define.WPG_CUDA=ON"
        ) from None
    if _cuda.device_count() == 0:
        raise RuntimeError(
            "an array lies on a CUDA device, but the CUDA runtime finds none: there is no driver, "
            "it is older than the CUDA version that wpg was built with, or CUDA_VISIBLE_DEVICES "
            "hides the devices"
        )
    return _cuda


def device_count() -> int:
    """Devices that the CUDA routines can work on; 0 without a driver or without the routines."""
    try:
        from wpg import _cuda
    except ImportError:
        return 0
    return int(_cuda.device_count())


class DeviceArray:
    """An array on a device as a function sees it: what the caller gave, and what it says."""

    __slots__ = ("dtype", "library", "owner", "shape")

    def __init__(self, owner: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.owner = owner
        self.shape = shape
        self.dtype = dtype
        self.library = _library_of(owner)

    @property
    def stream(self) -> int:
        """The stream that its library works on now."""
        return self.library.stream(self.owner)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Any:
        """New memory beside it."""
        return self.library.empty(self.owner, shape, self.dtype if dtype is None else dtype)

    def output(self, out: Any, shape: tuple[int, ...] | None = None) -> Any:
        """`out`, or new memory in its shape."""
        return self.empty(self.shape if shape is None else shape) if out is None else out


def device_array(array: Any, name: str) -> DeviceArray:
    """What the array says of itself, checked: type, layout, and memory that a device has."""
    shape, kind = _compiled().describe(array, name)
    return DeviceArray(array, tuple(shape), np.dtype(kind))


def center_shapes(
    center_states: Any, center_actions: Any, weights: Any
) -> tuple[np.dtype[Any], tuple[tuple[int, ...], tuple[int, ...]]]:
    """dtype, (M, O) and (M, D) of a KernelQ's centres on a device, checked."""
    given = {
        name: device_array(array, name) if on_device(array) else array
        for name, array in (
            ("center_states", center_states),
            ("center_actions", center_actions),
            ("weights", weights),
        )
    }
    states = given["center_states"]
    for name, array in given.items():
        if not isinstance(array, DeviceArray):
            raise TypeError(
                f"{name} is {type(array)} and center_states lies on a CUDA device; give all "
                "centres in one place"
            )
        axes = 1 if name == "weights" else 2
        if len(array.shape) != axes or 0 in array.shape:
            raise ValueError(
                f"{name} has shape {array.shape}; it must have {axes} axes, none of length 0"
            )
        if array.shape[0] != states.shape[0]:
            raise ValueError(
                f"{name} has {array.shape[0]} rows and center_states {states.shape[0]}; they must "
                "be as many"
            )
        if array.dtype not in (np.float32, np.float64) or array.dtype != states.dtype:
            raise TypeError(
                f"{name} has dtype {array.dtype}; all centres must be float32, or all float64"
            )
    return states.dtype, (states.shape, given["center_actions"].shape)


class DeviceKernelQ:
    """The compiled part of a KernelQ whose centres lie on a device: a table that is made of them,
    on the current stream of their library, and the sizes."""

    def __init__(
        self,
        *,
        center_states: Any,
        center_actions: Any,
        weights: Any,
        state_lengthscale: NDArray[Any],
        action_lengthscale: NDArray[Any],
        kernel: str,
    ) -> None:
        here = device_array(center_states, "center_states")
        compiled = _compiled()
        M, D = device_array(center_actions, "center_actions").shape
        count = compiled.kernel_q_table_size(M, here.shape[1], D, here.dtype == np.float64)
        self.table = here.empty((count,))
        face = compiled.KernelQ32 if here.dtype == np.float32 else compiled.KernelQ64
        self.core = face(
            center_states=center_states,
            center_actions=center_actions,
            weights=weights,
            state_lengthscale=state_lengthscale,
            action_lengthscale=action_lengthscale,
            kernel=kernel,
            table=self.table,
            stream=here.stream,
        )

    def evaluate(
        self,
        *,
        states: Any,
        particles: Any,
        wants_values: bool,
        wants_gradient: bool,
        out_values: Any,
        out_gradient: Any,
    ) -> tuple[Any, Any]:
        if not on_device(particles):
            raise TypeError(
                f"particles is {type(particles)} and the centres lie on a CUDA device; give both "
                "in one place"
            )
        cloud = device_array(particles, "particles")
        values = cloud.output(out_values, cloud.shape[:2]) if wants_values else None
        gradient = cloud.output(out_gradient) if wants_gradient else None
        self.core.evaluate(states, particles, values, gradient, cloud.stream)
        return values, gradient


class DeviceMemory:
    """What a loop in Python does with arrays on the device of `like`, on its stream."""

    def __init__(self, like: DeviceArray) -> None:
        self._like = like

    def copy(self, array: Any) -> Any:
        given = device_array(array, "array")
        out = self._like.empty(given.shape, given.dtype)
        self.assign(out, array)
        return out

    @staticmethod
    def contiguous(array: Any) -> Any:
        return array  # the routines say if it is not

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        out = self._like.empty(shape, dtype)
        _compiled().set_zero(out, self._like.stream)
        return out

    def assign(self, out: Any, array: Any) -> None:
        _compiled().copy(out, array, self._like.stream)

    def fractions(self, counts: Any, of: int, dtype: DTypeLike) -> Any:
        """counts / of, and 1 where that is 0 / 0."""
        out = self._like.empty(tuple(device_array(counts, "counts").shape), dtype)
        _compiled().fractions(out, counts, of, self._like.stream)
        return out


class Routines:
    """The CUDA routines by the names and arguments of the compiled core's; `particles` and the
    like are `DeviceArray`, other arrays are what the caller gave.
    """

    def standard_normal(self, *, like: DeviceArray, seed: int, step: int, stream: int) -> Any:
        _compiled().standard_normal(like.owner, seed, step, stream, like.stream)
        return like.owner

    def langevin(
        self,
        particles: DeviceArray,
        drift: Any,
        step_size: Any,
        temperature: Any,
        seed: int,
        step: int,
        support: Any,
        preconditioner: Any,
        out: Any,
    ) -> Any:
        out = particles.output(out)
        if preconditioner is not None:
            kind, *matrices = preconditioner
            copy = particles.library.copy
            preconditioner = (
                kind,
                *(None if m is None else copy(particles.owner, m) for m in matrices),
            )
        _compiled().langevin(
            particles.owner,
            drift,
            step_size,
            temperature,
            seed,
            step,
            support,
            preconditioner,
            out,
            particles.stream,
        )
        return out

    def leimkuhler_matthews(self, *, particles: DeviceArray, out: Any, **arguments: Any) -> Any:
        out = particles.output(out)
        _compiled().leimkuhler_matthews(
            particles=particles.owner,
            preconditioner=None,
            out=out,
            stream=particles.stream,
            **arguments,
        )
        return out

    def mala_propose(self, *, particles: Any, out: Any, **arguments: Any) -> Any:
        cloud = (
            particles
            if isinstance(particles, DeviceArray)
            else device_array(particles, "particles")
        )
        out = cloud.output(out)
        _compiled().mala_propose(particles=cloud.owner, out=out, stream=cloud.stream, **arguments)
        return out

    def mala_accept(self, *, particles: Any, **arguments: Any) -> None:
        cloud = device_array(particles, "particles")
        _compiled().mala_accept(particles=particles, stream=cloud.stream, **arguments)

    def svgd_velocity(self, *, particles: DeviceArray, out: Any, **arguments: Any) -> Any:
        return self._velocity("svgd_velocity", particles, out, arguments)

    def blob_velocity(self, *, particles: DeviceArray, out: Any, **arguments: Any) -> Any:
        return self._velocity("blob_velocity", particles, out, arguments)

    def kde_score(self, *, particles: DeviceArray, out: Any, **arguments: Any) -> Any:
        return self._velocity("kde_score", particles, out, arguments)

    @staticmethod
    def _velocity(name: str, particles: DeviceArray, out: Any, arguments: dict[str, Any]) -> Any:
        out = particles.output(out)
        compiled = _compiled()
        count = getattr(compiled, f"{name}_scratch")(particles.owner, out)
        getattr(compiled, name)(
            particles=particles.owner,
            out=out,
            scratch=particles.empty((count,)),
            stream=particles.stream,
            **arguments,
        )
        return out

    def require_out(self, cloud: DeviceArray, out: Any, states: Any) -> None:
        """What a step asks of an output, before anything is written."""
        _compiled().require_out(cloud.owner, out, states)

    def flow(
        self,
        *,
        particles: DeviceArray,
        critic: DeviceKernelQ,
        scheme: str,
        out: Any,
        **arguments: Any,
    ) -> tuple[Any, Any]:
        out = particles.output(out)
        acceptance = particles.empty(particles.shape[:1]) if scheme == "mala" else None
        compiled = _compiled()
        count = compiled.flow_scratch_size(
            particles.shape, scheme, particles.dtype == np.float64, arguments["bandwidth"] is None
        )
        compiled.flow(
            particles=particles.owner,
            critic=critic.core,
            scheme=scheme,
            out=out,
            acceptance=acceptance,
            scratch=particles.empty((count,)),
            stream=particles.stream,
            **arguments,
        )
        return out, acceptance

    def median_bandwidth(self, *, particles: DeviceArray) -> Any:
        out = particles.empty(particles.shape[:1])
        _compiled().median_bandwidth(particles.owner, out, particles.stream)
        return out

    def birth_death(
        self, *, particles: DeviceArray, bandwidth: Any, out: Any, **arguments: Any
    ) -> tuple[Any, Any]:
        """With the density at the particles itself, which the compiled core is given."""
        out = particles.output(out)
        compiled, stream = _compiled(), particles.stream
        log_density = particles.empty(particles.shape[:2])
        compiled.kde_log_mean(particles.owner, bandwidth, log_density, stream)
        ancestors = particles.empty(particles.shape[:2], np.int32)
        compiled.birth_death(
            particles=particles.owner,
            log_density=log_density,
            out=out,
            ancestors=ancestors,
            scratch=particles.empty((compiled.birth_death_scratch(particles.owner, out),)),
            stream=stream,
            **arguments,
        )
        return out, ancestors


routines = Routines()
