"""One number for the bits of an array, and every setting under which it must be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wpg
from wpg.threads import available_simd_isas

__all__ = ["bits", "same_on_all_isas_and_threads", "same_on_all_threads", "simd"]

THREADS = (1, 2, 3, 7)


def bits(*arrays: NDArray[Any]) -> str:
    """SHA-256 over the bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@contextmanager
def simd(name: str) -> Iterator[None]:
    """Use one instruction set inside a `with` block."""
    before = wpg.simd_isa()
    wpg.set_simd_isa(name)
    try:
        yield
    finally:
        wpg.set_simd_isa(before)


def same_on_all_threads(make: Callable[[], Any]) -> str:
    """The hash of what `make` returns, which may not depend on the number of threads."""
    hashes = {}
    for threads in THREADS:
        with wpg.num_threads(threads):
            made = make()
        hashes[threads] = bits(*(made if isinstance(made, tuple) else (made,)))
    assert len(set(hashes.values())) == 1, hashes
    return hashes[1]


def same_on_all_isas_and_threads(make: Callable[[], Any]) -> str:
    """The hash of what `make` returns, which may not depend on the instruction set either."""
    hashes = {}
    for name in available_simd_isas():
        with simd(name):
            hashes[name] = same_on_all_threads(make)
    assert len(set(hashes.values())) == 1, hashes
    return hashes["base"]
