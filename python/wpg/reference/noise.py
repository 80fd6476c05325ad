"""Philox4x32-10, and the standard normal draw of a name, on Python integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "exponential",
    "normal",
    "philox4x32",
    "standard_normal",
    "two_words",
    "uniform_of_word",
]

WORD = 0xFFFFFFFF


def philox4x32(
    counter: tuple[int, int, int, int], key: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Four random 32-bit words of a 128-bit counter and a 64-bit key.

        (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0))

    ten times, the key increased by the Weyl constants between rounds.

    Parameters
    ----------
    counter : four words in [0, 2^32)
    key : two words in [0, 2^32)

    Returns
    -------
    Four words in [0, 2^32). Exact.

    Source: Salmon, Moraes, Dror, Shaw 2011, section 3.3.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = c0 * 0xD2511F53
        product1 = c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & WORD,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & WORD,
        )
        k0 = (k0 + 0x9E3779B9) & WORD
        k1 = (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def uniform_of_word(word: int, bits: int) -> float:
    """The uniform number in (0, 1] that a random word stands for.

        u = (r + 1/2) / 2^31,  r the top 31 bits of a 32-bit word, the sum rounded to float32
        u = (r + 1/2) / 2^52,  r the top 52 bits of a 64-bit word, exact

    The rounding to float32 belongs to the mapping: the last 2^-26 of the unit interval becomes 1.

    Parameters
    ----------
    word : in [0, 2^bits)
    bits : 32 or 64
    """
    if bits == 32:
        return float(np.float32(np.float32(word >> 1) + np.float32(0.5))) / 2.0**31
    return ((word >> 12) + 0.5) / 2.0**52


def two_words(*, seed: int, stream: int, step: int, state: int, particle: int) -> tuple[int, int]:
    """The two random 64-bit words of a particle, for streams that want words and no normals.

    The counter is (particle, state, low half of step, stream and the rest of step); the first two
    words of the output, low half first, are the first word, the others the second.
    """
    counter = (particle, state, step & WORD, (stream << 24) | ((step >> 32) << 16))
    words = philox4x32(counter, (seed & WORD, seed >> 32))
    return words[0] | (words[1] << 32), words[2] | (words[3] << 32)


def normal(
    *,
    seed: int,
    stream: int,
    step: int,
    state: int,
    particle: int,
    coordinate: int,
    dtype: DTypeLike = np.float32,
) -> float:
    """The standard normal draw of a name, in float64 arithmetic.

        sqrt(-2 log u) * (cos phi or sin phi)

    float32: one counter serves four particles. Words 0 and 1 give particles 0 and 1 of the four,
    words 2 and 3 give particles 2 and 3. float64: one counter serves two particles; words 0 and 1
    are the low and high half of the first 64-bit word, words 2 and 3 of the second.

    The angle: all but the top two bits of the second word are a number in +-pi/4, the top bit is
    the sign of the cosine, and the bit below it exchanges sine and cosine.

    Parameters
    ----------
    seed : in [0, 2^64), the key
    stream : in [0, 256)
    step : in [0, 2^40)
    state, particle : in [0, 2^32)
    coordinate : in [0, 2^16)
    dtype : float32 or float64, which are different draws

    Returns
    -------
    The draw, within 3e-15 of the exact function of the uniform number and the second word.

    Source: cpp/wpg/base/streams.hpp and normal_math.hpp; Box and Muller 1958.
    """
    single = np.dtype(dtype) == np.float32
    sharing = 4 if single else 2
    counter = (
        particle // sharing,
        state,
        step & WORD,
        (stream << 24) | ((step >> 32) << 16) | coordinate,
    )
    words = philox4x32(counter, (seed & WORD, seed >> 32))
    place = particle % sharing
    if single:
        bits = 32
        radius_word, circle_word = words[0:2] if place < 2 else words[2:4]
    else:
        bits = 64
        radius_word, circle_word = words[0] | (words[1] << 32), words[2] | (words[3] << 32)

    radius = np.sqrt(-2.0 * np.log(uniform_of_word(radius_word, bits)))

    below_top_two = circle_word & ((1 << (bits - 2)) - 1)
    if single:  # as a signed number: the top one of these bits counts -1/2
        fraction = below_top_two / 2.0**30
        turn = fraction if fraction < 0.5 else fraction - 1.0
    else:  # the lowest ten bits are not used
        turn = (below_top_two >> 10) / 2.0**52 - 0.5
    angle = turn * (np.pi / 2)
    sine, cosine = np.sin(angle), np.cos(angle)
    if circle_word >> (bits - 1) & 1:
        cosine = -cosine
    if circle_word >> (bits - 2) & 1:
        sine, cosine = cosine, sine
    return float(radius * (cosine if place % 2 == 0 else sine))


def exponential(
    *, seed: int, stream: int, step: int, state: int, particle: int, dtype: DTypeLike = np.float32
) -> float:
    """The standard exponential draw of a particle, -log u: u from the particle's word alone.

    float32: word `particle % 4` of the counter of coordinate 0; float64: the 64-bit word
    `particle % 2`.

    Source: inversion; cpp/wpg/base/normal_block.hpp.
    """
    single = np.dtype(dtype) == np.float32
    sharing = 4 if single else 2
    counter = (particle // sharing, state, step & WORD, (stream << 24) | ((step >> 32) << 16))
    words = philox4x32(counter, (seed & WORD, seed >> 32))
    place = particle % sharing
    if single:
        return -float(np.log(uniform_of_word(words[place], 32)))
    return -float(np.log(uniform_of_word(words[2 * place] | (words[2 * place + 1] << 32), 64)))


def standard_normal(
    shape: tuple[int, int, int],
    *,
    seed: int,
    stream: int,
    step: int = 0,
    dtype: DTypeLike = np.float32,
) -> NDArray[np.float64]:
    """The draws of all states, particles and coordinates of a shape (S, N, D), one at a time.

    Parameters
    ----------
    shape : (S, N, D)
    seed, stream, step, dtype : as in `normal`

    Returns
    -------
    (S, N, D) in float64, also for the float32 draws. Cost: one Philox block for each draw.
    """
    draws: NDArray[Any] = np.empty(shape, dtype=np.float64)
    for s, n, d in np.ndindex(*shape):
        draws[s, n, d] = normal(
            seed=seed, stream=stream, step=step, state=s, particle=n, coordinate=d, dtype=dtype
        )
    return draws
