"""Step sizes from the drift's slope: twin, quadratics, stability, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import bits, same_on_all_isas_and_threads
from wpg import _core
from wpg.reference import transport as twin
from wpg.transport import adaptive_step_size, langevin

DTYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def small_work_per_thread():
    _core.set_work_per_thread(1)
    yield
    _core.set_work_per_thread(131072)


def stated_error(dtype, D):
    """The relative error of the docstring, and as much again in double for the twin."""
    u = float(np.finfo(dtype).eps) / 2
    return (D + 8) * 2.0**-53 * 2 + u


def problem(random, shape, dtype):
    a, g, b, h = (random.standard_normal(shape).astype(dtype) for _ in range(4))
    return a, g, b, h


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_equals_its_naive_twin_within_the_stated_error(dtype):
    """1,000 states, some particles at rest, some drifts unchanged, any scale."""
    random = np.random.default_rng(0)
    for case in range(250):
        N, D = int(random.integers(1, 9)), int(random.integers(1, 7))
        a, g, b, h = problem(random, (4, N, D), dtype)
        if case % 3 == 0:
            b[:, ::2] = a[:, ::2]
        if case % 4 == 0:
            h[0] = g[0]
        if case % 5 == 0:
            scale = dtype(10.0 ** random.uniform(-18, 18))
            a, b = a * scale, b * scale
        maximum = random.uniform(0.1, 2, 4).astype(dtype)
        found = adaptive_step_size(a, g, b, h, fraction=0.3, maximum=maximum)
        want = twin.adaptive_step_size(a, g, b, h, fraction=0.3, maximum=maximum)
        assert found.dtype == dtype
        assert np.all(np.abs(found - want) <= stated_error(dtype, D) * want)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_quadratic_gives_its_curvature(dtype):
    """Q = -a'H a/2: L is the largest |H move| / |move|, here along axes, so an entry of H."""
    curvature = np.array([1.0, 8.0, 64.0], dtype)
    a = np.zeros((3, 2, 3), dtype)
    b = a.copy()
    b[0, 0, 0], b[0, 1, 1] = 0.5, -0.25  # the steepest of these is 8
    b[1, 1, 2] = 2.0
    found = adaptive_step_size(a, -curvature * a, b, -curvature * b, fraction=0.5, maximum=1.0)
    assert found.tolist() == [0.5 / 8, 0.5 / 64, 1.0]


@pytest.mark.closed_form
def test_a_stiff_quadratic_diverges_with_a_fixed_step_and_not_with_adapted_ones():
    """Curvatures 1 and 400: a step of 0.02 multiplies the stiff coordinate by 1 - 8 = -7 each time.
    Adapted steps are at most fraction/L, and L is within a factor of the curvature as soon as the
    stiff coordinate matters."""
    curvature = np.array([1.0, 400.0])
    start = np.random.default_rng(1).standard_normal((2, 16, 2))
    fixed = start.copy()
    for step in range(60):
        fixed = langevin(
            fixed, -curvature * fixed, step_size=0.02, temperature=0.1, seed=0, step=step
        )
    assert np.abs(fixed).max() > 1e30
    cloud, step_size = start.copy(), np.full(2, 1e-4)
    for step in range(300):
        drift = -curvature * cloud
        moved = langevin(cloud, drift, step_size=step_size, temperature=0.1, seed=0, step=step)
        step_size = adaptive_step_size(cloud, drift, moved, -curvature * moved, maximum=0.02)
        cloud = moved
        assert (step_size >= 0.25 / 400 * (1 - 1e-12)).all()
    assert np.abs(cloud).max() < 10
    assert (step_size < 2 / 400).all()  # stable


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (9, 7, 3), (40, 33, 2)])
def test_bits_order_and_other_states(shape, dtype):
    arrays = problem(np.random.default_rng(2), shape, dtype)
    want = adaptive_step_size(*arrays, maximum=0.7)
    assert same_on_all_isas_and_threads(lambda: adaptive_step_size(*arrays, maximum=0.7)) == bits(
        want
    )
    mixed = [np.ascontiguousarray(x[:, ::-1]) for x in arrays]
    assert bits(adaptive_step_size(*mixed, maximum=0.7)) == bits(want)
    alone = [x[-1:] for x in arrays]
    assert bits(adaptive_step_size(*alone, maximum=0.7)) == bits(want[-1:])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_edges(dtype):
    a, g, b, h = problem(np.random.default_rng(3), (5, 4, 2), dtype)
    clean = adaptive_step_size(a, g, b, h, maximum=0.5)
    for which in range(4):
        for bad in (np.nan, np.inf, -np.inf):
            arrays = [x.copy() for x in (a, g, b, h)]
            arrays[which][2, 1, 0] = bad
            found = adaptive_step_size(*arrays, maximum=0.5)
            assert np.isnan(found).tolist() == [False, False, True, False, False]
            assert bits(np.delete(found, 2)) == bits(np.delete(clean, 2))
    assert adaptive_step_size(a, g, a, h, maximum=0.5).tolist() == [0.5] * 5
    assert adaptive_step_size(a, g, b, g, maximum=0.5).tolist() == [0.5] * 5
    none = np.zeros((5, 0, 2), dtype)
    assert adaptive_step_size(none, none, none, none, maximum=0.5).tolist() == [0.5] * 5
    assert adaptive_step_size(a[:0], g[:0], b[:0], h[:0], maximum=0.5).shape == (0,)
    # Squares that are no numbers: L = 4 all the same.
    info = np.finfo(dtype)
    for size in (info.smallest_subnormal, info.tiny, info.max / 8):
        one = np.zeros((1, 1, 2), dtype)
        far = np.full((1, 1, 2), 2 * size, dtype)
        assert adaptive_step_size(one, one, far, 4 * far, maximum=1.0)[0] == 0.0625
    largest = np.full((1, 1, 1), info.max, dtype)
    found = adaptive_step_size(largest, largest, -largest, -largest, maximum=1.0)
    assert found[0] == 0.25


GOOD = problem(np.random.default_rng(4), (2, 3, 2), np.float64)


@pytest.mark.parametrize(
    ("place", "change", "error", "word"),
    [
        (0, [[[1.0]]], TypeError, "particles"),
        (0, np.zeros((3, 2)), ValueError, "particles"),
        (1, np.zeros((2, 3, 1)), ValueError, "drift"),
        (1, np.zeros((2, 3, 2), np.float32), TypeError, "drift"),
        (2, np.zeros((1, 3, 2)), ValueError, "new_particles"),
        (3, np.zeros((2, 3, 4))[:, :, ::2], ValueError, "new_drift"),
        (None, {"fraction": 0.0}, ValueError, "fraction"),
        (None, {"fraction": 2.0}, ValueError, "fraction"),
        (None, {"fraction": math.nan}, ValueError, "fraction"),
        (None, {"fraction": "half"}, TypeError, "fraction"),
        (None, {"maximum": 0.0}, ValueError, "maximum"),
        (None, {"maximum": math.inf}, ValueError, "maximum"),
        (None, {"maximum": np.ones(3)}, ValueError, "maximum"),
        (None, {"maximum": np.array([1.0, -1.0])}, ValueError, r"maximum\[1\]"),
    ],
)
def test_bad_arguments_are_named(place, change, error, word):
    arrays, settings = list(GOOD), {"maximum": 1.0}
    if place is None:
        settings.update(change)
    else:
        arrays[place] = change
    with pytest.raises(error, match=word):
        adaptive_step_size(*arrays, **settings)
