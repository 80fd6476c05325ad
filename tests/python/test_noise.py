"""Named draws: known answers, bits, independence of the shape, the normal law, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bits import bits, same_on_all_isas_and_threads
from statistical_claims import assert_cdf, assert_mean, assert_variance
from wpg import _core
from wpg.noise import STREAMS, derive_seed, generator, standard_normal, stream_number

ONES = 0xFFFFFFFF
KNOWN = [  # Random123's kat_vectors, philox4x32 with 10 rounds
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
SHAPES = [
    (5, 7, 1),
    (3, 1, 2),
    (2, 9, 3),
    (1, 1001, 6),
    (300, 3, 2),
    (2, 33, 17),
    (2, 6, 300),
    (4000, 1, 1),
    (1, 30011, 1),
    (40, 64, 8),
    (0, 3, 2),
    (3, 0, 2),
]
DTYPES = [np.float32, np.float64]


@pytest.mark.closed_form
@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    assert _core.philox4x32(counter, key) == words


@pytest.mark.closed_form
@pytest.mark.parametrize(
    ("dtype", "sha256"),
    [
        (np.float32, "a24e3cc4b6fe5c429944c7dcad6947b59afe73778a376e929f3edd8480a4ca00"),
        (np.float64, "dc4bbfb909ba6cd5f8b0471c668273e57c96c85774ede9143af60537f65a3855"),
    ],
)
def test_the_stream_is_the_one_it_always_was(dtype, sha256):
    # A change here changes every run ever made: it needs a line in CHANGELOG.md.
    draws = standard_normal((13, 37, 5), seed=2605_26078, step=2**33 + 5, dtype=dtype)
    assert bits(draws) == sha256


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_depend_on_no_thread_and_no_instruction_set(shape, dtype):
    same_on_all_isas_and_threads(
        lambda: standard_normal(shape, seed=2**64 - 5, step=2**40 - 1, dtype=dtype)
    )


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    small=st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 20)),
    more=st.tuples(st.integers(0, 30), st.integers(0, 300), st.integers(0, 20)),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=25, deadline=None)
def test_a_larger_shape_keeps_the_draws_of_a_smaller_one(dtype, small, more, seed):
    S, N, D = small
    large = tuple(a + b for a, b in zip(small, more, strict=True))
    few = standard_normal(small, seed=seed, dtype=dtype)
    many = standard_normal(large, seed=seed, dtype=dtype)
    assert bits(few) == bits(many[:S, :N, :D])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_part_of_a_name_matters(dtype):
    def draws(seed=7, step=3, stream="langevin"):
        return standard_normal((8, 8, 8), seed=seed, step=step, stream=stream, dtype=dtype)

    made = [draws()]
    made += [draws(seed=s) for s in (8, 7 + 2**32, 7 + 2**63)]
    made += [draws(step=k) for k in (4, 3 + 2**31, 3 + 2**32, 3 + 2**39)]
    made += [draws(stream=name) for name in STREAMS if name != "langevin"]
    values = np.stack(made).ravel()
    # Names differ, so draws do, among states, particles and coordinates too. Equal numbers may come
    # by chance: n^2/2 pairs agree with probability 2^-22 or so each, a float32 near 1 has 23 bits.
    n = values.size
    assert np.unique(values).size > n - 10 - n * n / 2 * 2**-20
    flat = np.stack(made).reshape(len(made), -1)
    largest = np.abs(np.corrcoef(flat) - np.eye(len(made))).max()
    # Each correlation of 512 independent pairs is about N(0, 1/512): 7 standard deviations.
    assert largest < 7 / math.sqrt(512)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(dtype):
    out = np.full((3, 5, 2), 9, dtype=dtype)
    assert standard_normal((3, 5, 2), seed=1, dtype=dtype, out=out) is out
    assert bits(out) == bits(standard_normal((3, 5, 2), seed=1, dtype=dtype))


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_have_the_moments_of_a_standard_normal(dtype):
    x = standard_normal((1000, 1000, 4), seed=1, dtype=dtype).astype(np.float64).ravel()
    assert_mean(x, 0.0, variance=1.0, bound=None, detects=0.006)
    assert_variance(x, 1.0, mean=0.0, detects=0.009)
    # Bernstein: |x| <= 9 always. E x^6 = 15; var x^4 = 105 - 9.
    b = 9.0
    assert np.abs(x).max() <= b
    assert_mean(x**3, 0.0, variance=15.0, bound=b**3, detects=0.03)
    assert_mean(x**4, 3.0, variance=96.0, bound=b**4, detects=0.11)
    # Neighbouring particles share a Philox block, neighbouring coordinates a row of a vector.
    cube = x.reshape(1000, 1000, 4)
    for product in (
        cube[:, :-1] * cube[:, 1:],
        cube[:, :, :-1] * cube[:, :, 1:],
        cube[:-1] * cube[1:],
    ):
        # Products that do not overlap are independent: every other one in each direction.
        free = product[::2, ::2, ::2]
        assert_mean(free, 0.0, variance=1.0, bound=b**2, detects=0.02)


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_have_the_distribution_function_of_a_standard_normal(dtype):
    x = standard_normal((1, 200_000, 1), seed=2, dtype=dtype)
    phi = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2.0)))
    assert_cdf(x, phi, detects=0.012)
    with pytest.raises(AssertionError, match="distribution function"):
        assert_cdf(x, lambda z: phi(z / 1.05), detects=0.012)


def test_helpers_of_the_agent_depend_on_their_name_alone():
    again = [generator(5, "replay", 3).random(4).tolist() for _ in range(2)]
    assert again[0] == again[1]
    others = [
        generator(seed, stream, step).random()
        for seed in (5, 6)
        for stream in ("replay", "centers")
        for step in (3, 4)
    ]
    assert len(set(others)) == 8
    seeds = [
        derive_seed(seed, stream, index)
        for seed in (0, 1)
        for stream in ("reset", "replay")
        for index in (0, 1)
    ]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_derived_seeds_share_no_word_with_the_noise():
    # counter3 holds the stream in its top 8 bits; a small number there is a coordinate of stream 0.
    noise_counter = [5, 0, 0, STREAMS["langevin"] << 24 | STREAMS["reset"]]
    assert derive_seed(9, "reset", 5) != _core.philox4x32(noise_counter, [9, 0])[0] >> 1


@pytest.mark.parametrize(
    ("error", "word", "arguments"),
    [
        (ValueError, "shape", {"shape": (2, 3)}),
        (ValueError, "shape", {"shape": (2, 3, 0)}),
        (ValueError, "shape", {"shape": (-1, 3, 1)}),
        (ValueError, "shape", {"shape": 5}),
        (ValueError, "shape", {"shape": (1, 1, 65537)}),
        (ValueError, "seed", {"seed": -1}),
        (ValueError, "seed", {"seed": 2**64}),
        (TypeError, "seed", {"seed": 1.0}),
        (TypeError, "seed", {"seed": None}),
        (ValueError, "step", {"step": -1}),
        (ValueError, "step", {"step": 2**40}),
        (TypeError, "step", {"step": 0.5}),
        (ValueError, "stream", {"stream": "nonsense"}),
        (ValueError, "stream", {"stream": 3}),
        (ValueError, "stream", {"stream": ["langevin"]}),
        (TypeError, "dtype", {"dtype": np.float16}),
        (TypeError, "dtype", {"dtype": int}),
        (TypeError, "dtype", {"dtype": ">f4"}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, word, arguments):
    given = {"shape": (2, 3, 4), "seed": 1} | arguments
    with pytest.raises(error, match=word):
        standard_normal(given.pop("shape"), **given)


@pytest.mark.parametrize("shape", [(2.5, 3, 4), ("2", 3, 4)])
def test_a_shape_that_is_no_integer_is_refused(shape):
    with pytest.raises((TypeError, ValueError), match="shape"):
        standard_normal(shape, seed=1)


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (TypeError, np.zeros((2, 3, 4))),
        (TypeError, np.zeros((2, 3, 4), np.int32)),
        (TypeError, np.zeros((2, 3, 4), np.float16)),
        (TypeError, np.zeros((2, 3, 4), ">f4")),
        (TypeError, np.zeros((2, 3, 4), object)),
        (TypeError, [[[0.0] * 4] * 3] * 2),
        (ValueError, np.zeros((2, 4, 3), np.float32)),
        (ValueError, np.zeros((2, 3, 4), np.float32, order="F")),
        (ValueError, np.zeros((2, 3, 8), np.float32)[:, :, ::2]),
        (ValueError, np.zeros(97, np.uint8)[1:].view(np.float32).reshape(2, 3, 4)),
        (ValueError, np.broadcast_to(np.float32(0), (2, 3, 4))),
    ],
)
def test_a_bad_out_is_refused_and_not_touched(error, out):
    with pytest.raises(error, match="out"):
        standard_normal((2, 3, 4), seed=1, out=out)
    assert np.all(np.asarray(out) == 0)


def test_a_read_only_out_is_refused():
    out = np.zeros((2, 3, 4), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        standard_normal((2, 3, 4), seed=1, out=out)
    assert not out.any()


def test_streams_have_names_and_numbers():
    assert STREAMS["langevin"] == 0
    assert sorted(STREAMS.values()) == list(range(len(STREAMS)))
    assert [stream_number(name) for name in STREAMS] == list(STREAMS.values())
