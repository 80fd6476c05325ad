"""The median rule: twin, exact order statistics, scales, ties, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import bits, same_on_all_threads, simd
from wpg import _core
from wpg.density import median_bandwidth
from wpg.reference import density as twin
from wpg.threads import available_simd_isas

DTYPES = [np.float32, np.float64]


def stated_error(dtype, D):
    """The relative error of the docstring, and 1e-15 for the twin."""
    return (D / 2 + 6) * float(np.finfo(dtype).eps) / 2 + 1e-15


def by_numpy(particles):
    """The rule in float64, quick enough for large N."""
    x = particles.astype(np.float64)
    i, j = np.triu_indices(x.shape[1], 1)
    distances = np.sqrt(((x[:, i] - x[:, j]) ** 2).sum(axis=2))
    return np.median(distances, axis=1) / math.sqrt(2 * math.log(x.shape[1] + 1))


@pytest.fixture
def many_threads():
    _core.set_work_per_thread(1)
    yield
    _core.set_work_per_thread(131072)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_equals_its_naive_twin_within_the_stated_error(place, dtype):
    """1,000 clouds: normal, on a line, far from the origin, and of very different scales."""
    random = np.random.default_rng(0)
    for case in range(500):
        S, N, D = 2, int(random.integers(2, 24)), int(random.integers(1, 12))
        cloud = random.standard_normal((S, N, D))
        if case % 4 == 1:
            cloud = np.sort(cloud, axis=1) + 100.0
        elif case % 4 == 2:
            cloud *= 10.0 ** random.uniform(-6, 6, (S, N, 1))
        elif case % 4 == 3:
            cloud[:, N // 2 :] = cloud[:, :1]
        cloud = cloud.astype(dtype)
        isa = available_simd_isas()[case % len(available_simd_isas())]
        with simd(isa):
            found = place(median_bandwidth)(cloud)
        assert found.dtype == dtype
        assert found.shape == (S,)
        want = twin.median_bandwidth(cloud)
        assert np.all(np.abs(found - want) <= stated_error(dtype, D) * want), (case, isa)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N", [46, 47, 64, 65, 127, 128, 200, 513])
@pytest.mark.parametrize("D", [1, 2, 5, 6, 9])
def test_large_clouds(N, D, dtype):
    """N where a bracket from a sample is used, and where it is not."""
    cloud = np.random.default_rng(N).standard_normal((3, N, D)).astype(dtype)
    cloud[1] = np.sort(cloud[1], axis=0)  # neighbours first
    cloud[2, : N // 3] *= 1000
    want = by_numpy(cloud)
    for isa in available_simd_isas():
        with simd(isa):
            found = median_bandwidth(cloud)
        assert np.all(np.abs(found - want) <= stated_error(dtype, D) * want)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N", [2, 3, 4, 5, 8, 37, 100, 301])
def test_whole_numbers_give_the_exact_order_statistic(N, dtype):
    """All distances are whole numbers below 2^24 and exact; few or many of them coincide."""
    random = np.random.default_rng(N)
    i, j = np.triu_indices(N, 1)
    for most in (1, 2, 5, 4000):
        line = random.integers(0, most + 1, (4, N, 1)).astype(dtype)
        line[3] = random.permutation(np.arange(N))[:, None]
        median = np.median(np.abs(line[:, i, 0] - line[:, j, 0]).astype(np.float64), axis=1)
        want = (median / math.sqrt(2 * math.log1p(N))).astype(dtype)
        for isa in available_simd_isas():
            with simd(isa):
                # float64: the last two operations round, in the twin and in the routine.
                np.testing.assert_allclose(
                    median_bandwidth(line), want, rtol=4 * float(np.finfo(dtype).eps), atol=0
                )
                assert np.array_equal(median_bandwidth(line) == 0, median == 0)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rank_of_the_middle_can_be_tied(dtype):
    """Two heaps of m and N - m: m(m-1)/2 + (N-m)(N-m-1)/2 pairs at distance 0, the rest at 1."""
    N = 120
    P = N * (N - 1) // 2
    for m in range(N + 1):
        cloud = np.zeros((1, N, 2), dtype)
        cloud[0, :m, 1] = 1
        zeros = m * (m - 1) // 2 + (N - m) * (N - m - 1) // 2
        middle = [0.0 if rank < zeros else 1.0 for rank in ((P - 1) // 2, P // 2)]
        want = sum(middle) / 2 / math.sqrt(2 * math.log(N + 1))
        assert median_bandwidth(cloud)[0] == pytest.approx(want, rel=1e-6)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_magnitudes_whose_squares_are_no_numbers(dtype):
    """Powers of two change no digit, so the result scales exactly while it is a normal number."""
    cloud = np.random.default_rng(1).standard_normal((2, 60, 3)).astype(dtype)
    plain = median_bandwidth(cloud)
    least, most = (-115, 120) if dtype == np.float32 else (-1000, 1000)
    for power in range(least, most, 5):
        scaled = median_bandwidth(np.ldexp(cloud, power).astype(dtype))
        np.testing.assert_allclose(
            np.ldexp(scaled, -power), plain, rtol=2 * stated_error(dtype, 3), atol=0
        )
    largest = np.finfo(dtype).max
    two = np.array([[[largest], [-largest]], [[largest], [0]]], dtype)
    found = median_bandwidth(two)
    assert np.isinf(found[0])
    assert found[1] == pytest.approx(largest / math.sqrt(2 * math.log(3)), rel=1e-6)
    smallest = np.finfo(dtype).smallest_subnormal
    assert median_bandwidth(np.array([[[0], [4 * smallest]]], dtype))[0] == 3 * smallest  # 2.7
    # One middle distance 0 and the other 1, for the mean of the middle two.
    four = np.array([[[0], [0], [0], [1]]], dtype)
    assert median_bandwidth(four)[0] == pytest.approx(0.5 / math.sqrt(2 * math.log(5)), rel=1e-6)
    # Small differences beside ones that overflow.
    tiny = 1e-30 if dtype == np.float32 else 1e-200
    mixed = np.array([[[0], [tiny], [3 * tiny], [4 / tiny**1.2]]], dtype)
    want = twin.median_bandwidth(mixed)
    assert np.all(np.abs(median_bandwidth(mixed) - want) <= stated_error(dtype, 1) * want)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N", [30, 150])
def test_order_threads_and_other_states_change_no_bit(N, dtype, many_threads):
    random = np.random.default_rng(2)
    cloud = random.standard_normal((9, N, 4)).astype(dtype)
    for isa in available_simd_isas():
        with simd(isa):
            want = median_bandwidth(cloud)
            assert same_on_all_threads(lambda: median_bandwidth(cloud)) == bits(want)
            mixed = np.ascontiguousarray(cloud[:, random.permutation(N)])
            assert bits(median_bandwidth(mixed)) == bits(want)
            for s in range(9):
                assert bits(median_bandwidth(cloud[s : s + 1])) == bits(want[s : s + 1])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_particle_no_state_and_what_is_no_number(dtype):
    assert median_bandwidth(np.ones((3, 1, 2), dtype)).tolist() == [0, 0, 0]
    assert median_bandwidth(np.ones((3, 50, 2), dtype)).tolist() == [0, 0, 0]
    assert median_bandwidth(np.ones((0, 5, 2), dtype)).shape == (0,)
    for N in (1, 7, 100):
        cloud = np.random.default_rng(3).standard_normal((4, N, 3)).astype(dtype)
        clean = median_bandwidth(cloud)
        for bad in (np.nan, np.inf, -np.inf):
            hurt = cloud.copy()
            hurt[1, N - 1, 2] = hurt[3, 0, 0] = bad
            found = median_bandwidth(hurt)
            assert np.isnan(found).tolist() == [False, True, False, True]
            assert bits(found[[0, 2]]) == bits(clean[[0, 2]])


@pytest.mark.parametrize(
    ("particles", "error", "word"),
    [
        (np.zeros((2, 0, 3)), ValueError, "at least one particle"),
        (np.zeros((2, 3)), ValueError, "particles"),
        (np.zeros((2, 3, 0)), ValueError, "particles"),
        ([[[1.0]]], TypeError, "particles"),
        (np.zeros((2, 3, 1), int), TypeError, "particles"),
        (np.zeros((2, 3, 4))[:, :, ::2], ValueError, "particles"),
    ],
)
def test_bad_arguments_are_named(particles, error, word):
    with pytest.raises(error, match=word):
        median_bandwidth(particles)
