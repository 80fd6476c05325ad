"""How many threads the compiled routines use, and which instruction set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wpg import _core

__all__ = [
    "available_simd_isas",
    "get_num_threads",
    "num_threads",
    "set_num_threads",
    "set_simd_isa",
    "simd_isa",
]


def get_num_threads() -> int:
    """Threads that compiled routines may use.

    Default: `WPG_NUM_THREADS`, then `OMP_NUM_THREADS`, then the processors this process may use.
    No result depends on it, to the last bit.
    """
    return _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Let compiled routines use `threads` threads, 1 to 1024."""
    _core.set_num_threads(threads)


@contextmanager
def num_threads(threads: int) -> Iterator[None]:
    """Use `threads` threads inside a `with` block."""
    before = get_num_threads()
    set_num_threads(threads)
    try:
        yield
    finally:
        set_num_threads(before)


def simd_isa() -> str:
    """The instruction set in use: "base", "avx2" or "avx512".

    Chosen when the package is loaded; `WPG_SIMD` in the environment overrides it.
    """
    return _core.simd_isa()


def available_simd_isas() -> list[str]:
    """The instruction sets that this machine and this build offer, narrowest first."""
    return _core.available_simd_isas()


def set_simd_isa(name: str) -> None:
    """Use another instruction set; for tests and measurements."""
    _core.set_simd_isa(name)
