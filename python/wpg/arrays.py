"""What a call may be given: NumPy arrays, or arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wpg import _core, cuda

__all__ = ["cloud_array", "core_of", "memory_of", "numpy_cloud", "plain_cloud"]


def core_of(array: Any) -> Any:
    """The compiled routines for where the array lies."""
    return cuda.routines if isinstance(array, cuda.DeviceArray) else _core


class HostMemory:
    """What a loop in Python does with NumPy arrays beside calling routines."""

    copy = staticmethod(np.copy)
    contiguous = staticmethod(np.ascontiguousarray)

    @staticmethod
    def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        return np.zeros(shape, dtype)

    @staticmethod
    def assign(out: NDArray[Any], array: NDArray[Any]) -> None:
        out[...] = array

    @staticmethod
    def fractions(counts: NDArray[Any], of: int, dtype: DTypeLike) -> NDArray[Any]:
        """counts / of, and 1 where that is 0 / 0."""
        return (counts / of).astype(dtype) if of else np.ones(counts.shape, dtype)


def memory_of(cloud: Any) -> Any:
    """The same for where the cloud lies."""
    return cuda.DeviceMemory(cloud) if isinstance(cloud, cuda.DeviceArray) else HostMemory()


def cloud_array(array: Any, name: str) -> Any:
    """The array, if it is points (S, N, D) of float32 or float64; else an error that names it.

    For an array on a CUDA device a `wpg.cuda.DeviceArray`, which has its shape and dtype.
    """
    if not isinstance(array, np.ndarray):
        if not cuda.on_device(array):
            raise TypeError(
                f"{name} is {type(array)}; it must be a NumPy array of float32 or float64, or one "
                "on a CUDA device"
            )
        array = cuda.device_array(array, name)
    if len(array.shape) != 3 or array.shape[2] < 1:
        raise ValueError(f"{name} has shape {array.shape}; it must be (S, N, D) with D >= 1")
    if array.dtype.type not in (np.float32, np.float64):
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64")
    return array


def numpy_cloud(array: Any, name: str) -> NDArray[Any]:
    """`cloud_array` for a routine that has no CUDA twin."""
    if cuda.on_device(array):
        raise TypeError(
            f"{name} lies on a CUDA device, and this routine runs on the CPU alone; give a NumPy "
            "array"
        )
    cloud: NDArray[Any] = cloud_array(array, name)
    return cloud


def plain_cloud(array: Any, name: str) -> NDArray[Any]:
    """`numpy_cloud` with all that the compiled core asks, for what it sees by another name."""
    cloud = numpy_cloud(array, name)
    if isinstance(cloud, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; give a plain array")
    if not cloud.dtype.isnative:
        raise TypeError(f"{name} has dtype {cloud.dtype}; it must be in native byte order")
    if not cloud.flags.c_contiguous:
        raise ValueError(
            f"{name} with shape {cloud.shape} is not C-contiguous; give "
            f"np.ascontiguousarray({name})"
        )
    if not cloud.flags.aligned:
        raise ValueError(f"{name} is not aligned to its item size; give a copy")
    return cloud
