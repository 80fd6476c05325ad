"""Running moments: a two-pass twin, coordinates that are rare or constant, and what is saved."""

from __future__ import annotations

import numpy as np
import pytest

from wpg.normalisation import RunningMoments


def moments_of(rows: np.ndarray) -> RunningMoments:
    moments = RunningMoments(rows.shape[1])
    for row in rows:
        moments.add(row)
    return moments


@pytest.mark.twin
def test_rows_are_measured_by_their_deviation() -> None:
    rows = np.random.default_rng(1).normal((3.0, -50.0), (0.1, 20.0), (500, 2)).astype(np.float32)
    normal = moments_of(rows).normalise(rows)
    exact = (rows - rows.mean(0, dtype=np.float64)) / rows.std(0, dtype=np.float64)
    # float32 rows at up to 30 deviations from 0: a rounding of 30 eps, and twice that by the mean's
    np.testing.assert_allclose(normal, exact, atol=3 * 30 * np.finfo(np.float32).eps)


@pytest.mark.closed_form
def test_what_is_rare_is_measured_by_what_it_is_when_it_is_there() -> None:
    # A flag that is up in one row of a hundred. Mean p, M2 = n p (1 - p), active n p: the scale is
    # sqrt(1 - p), so the flag is worth 1 up to O(p); by its standard deviation it would be 10.
    rows = np.zeros((1000, 1), np.float32)
    rows[::100] = 1.0
    up, down = moments_of(rows).normalise(np.array([[1.0], [0.0]], np.float32))
    p = 0.01
    assert up[0] == pytest.approx((1 - p) / np.sqrt(1 - p), rel=1e-6)
    assert down[0] == pytest.approx(-p / np.sqrt(1 - p), rel=1e-5)


def test_a_constant_coordinate_becomes_zero_and_surprises_are_cut_off() -> None:
    rows = np.tile(np.array([[0.0, 7.0]], np.float32), (10, 1))
    moments = moments_of(rows)
    np.testing.assert_array_equal(moments.normalise(rows), 0.0)
    np.testing.assert_array_equal(
        moments.normalise(np.array([[1.0, -1e30]], np.float32)), [[10.0, -10.0]]
    )


def test_before_two_rows_nothing_is_changed() -> None:
    rows = np.array([[5.0, -2.0]], np.float32)
    np.testing.assert_array_equal(moments_of(rows).normalise(rows), rows)


def test_it_goes_on_from_what_was_saved() -> None:
    rows = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    half = moments_of(rows[:20])
    other = RunningMoments(3)
    other.restore(half.arrays())
    for row in rows[20:]:
        other.add(row)
    np.testing.assert_array_equal(other.normalise(rows), moments_of(rows).normalise(rows))
    with pytest.raises(ValueError, match=r"mean has shape \(3,\); \(2,\) is wanted"):
        RunningMoments(2).restore(half.arrays())
