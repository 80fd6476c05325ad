"""Arrays on a CUDA device for the tests: a GPU's, through its driver, or CUDA on the host's.

Without a GPU the environment variable WPG_CUDA_ON_HOST may name the folder of a module that was
built from the same sources for the host (CMake's target _cuda_on_host); its two devices are told
apart as a GPU's are. Without either, `DEVICE` is None and `WHY_NOT` says why.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import wpg
from wpg import cuda

__all__ = ["DEVICE", "WHY_NOT", "DeviceNumbers", "fetch", "on_device"]


class HostMemory:
    """CUDA on the host."""

    name = "host"
    devices = 2

    def __init__(self, folder: Path) -> None:
        (path,) = folder.glob("_cuda*.so")
        spec = importlib.util.spec_from_file_location("wpg._cuda", path)
        assert spec is not None
        assert spec.loader is not None
        self.module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        sys.modules["wpg._cuda"] = wpg._cuda = self.module

    def allocate(self, size: int, device: int) -> Any:
        return self.module.HostMemory(size, device)

    @staticmethod
    def write(memory: Any, array: NDArray[Any]) -> None:
        memory.view()[: array.nbytes] = array.tobytes()

    @staticmethod
    def read(memory: Any, size: int) -> bytes:
        return bytes(memory.view()[:size])


class DriverMemory:
    """The first GPU, through the driver's library alone."""

    name = "gpu"
    devices = 1

    class _Piece:
        def __init__(self, driver: Any, size: int) -> None:
            self._driver = driver
            self._pointer = ctypes.c_uint64()
            driver.call("cuMemAlloc_v2", ctypes.byref(self._pointer), ctypes.c_size_t(size))

        @property
        def address(self) -> int:
            return self._pointer.value

        def free(self) -> None:
            if self._pointer.value:
                self._driver.call("cuMemFree_v2", self._pointer)
            self._pointer = ctypes.c_uint64()

        def __del__(self) -> None:
            self.free()

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        # The context that the CUDA runtime uses as well.
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self.call("cuCtxSetCurrent", self._context)

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            raise MemoryError(f"{name} returned {status}")

    def allocate(self, size: int, device: int) -> Any:
        assert device == 0
        return self._Piece(self, size)

    def write(self, memory: Any, array: NDArray[Any]) -> None:
        given = np.ascontiguousarray(array)
        address = ctypes.c_uint64(memory.address)
        self.call("cuMemcpyHtoD_v2", address, given.ctypes.data_as(ctypes.c_void_p), given.nbytes)

    def read(self, memory: Any, size: int) -> bytes:
        self.call("cuCtxSynchronize")
        kept = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", kept, ctypes.c_uint64(memory.address), size)
        return kept.raw


def _find() -> tuple[Any, str]:
    folder = os.environ.get("WPG_CUDA_ON_HOST")
    if folder:
        return HostMemory(Path(folder)), ""
    try:
        if cuda.device_count() > 0:
            return DriverMemory(), ""
    except (OSError, MemoryError) as error:
        return None, f"the CUDA driver does not answer: {error}"
    built = importlib.util.find_spec("wpg._cuda") is not None
    why = "no GPU here" if built else "wpg was built without its CUDA routines"
    return None, f"{why}, and WPG_CUDA_ON_HOST is not set"


DEVICE, WHY_NOT = _find()


class DeviceNumbers:
    """An array in a device's memory that tells of itself by __cuda_array_interface__ alone."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, device: int = 0) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.size = math.prod(self.shape) * self.dtype.itemsize
        self.device = device
        self.memory = DEVICE.allocate(max(self.size, 1), device)
        self.interface: dict[str, Any] = {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.memory.address if self.size else 0, False),
            "strides": None,
            "version": 3,
        }

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.interface

    def changed(self, **interface: Any) -> DeviceNumbers:
        """The same memory, described otherwise."""
        other = object.__new__(DeviceNumbers)
        other.__dict__.update(self.__dict__, interface={**self.interface, **interface})
        return other


class _DeviceLibrary(cuda.ArrayLibrary):
    """Stands for an array library; `current` is its current stream."""

    name = "tests"
    current = 0

    def owns(self, array: Any) -> bool:
        return isinstance(array, DeviceNumbers)

    def stream(self, array: Any) -> int:
        return self.current

    def empty(self, like: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        return DeviceNumbers(shape, dtype, like.device)

    def copy(self, like: Any, array: NDArray[Any]) -> Any:
        return on_device(array, like.device)


LIBRARY = _DeviceLibrary()
cuda.register_library(LIBRARY)


def on_device(array: NDArray[Any], device: int = 0) -> DeviceNumbers:
    """A copy of a NumPy array in a device's memory."""
    copy = DeviceNumbers(array.shape, array.dtype, device)
    if copy.size:
        DEVICE.write(copy.memory, np.ascontiguousarray(array))
    return copy


def fetch(array: Any) -> NDArray[Any]:
    """What an array in a device's memory holds."""
    assert isinstance(array, DeviceNumbers), type(array)
    read = DEVICE.read(array.memory, array.size) if array.size else b""
    return np.frombuffer(read, array.dtype).reshape(array.shape).copy()
