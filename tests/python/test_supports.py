"""Boxes and tori: how points come back, and what is refused. Folds are seen through `langevin`
at temperature 0, where a step of size 1 along the drift x carries a particle at 0 to fold(x)."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpg.reference import transport as reference
from wpg.supports import Box, Torus
from wpg.transport import langevin

DTYPES = [np.float32, np.float64]


def fold(x, support):
    """fold(x) for a vector x of one coordinate."""
    drift = np.ascontiguousarray(x)[None, :, None]
    start = np.zeros_like(drift)
    return langevin(start, drift, step_size=1.0, temperature=0.0, seed=0, support=support)[0, :, 0]


def allowed(x, width, dtype):
    # away = x - low, k * period and the period 2 (high - low) are rounded once each, and each of
    # these errors is at most u times the size of x; one more for the sum at the end.
    return 4 * np.finfo(dtype).eps / 2 * (np.abs(x.astype(np.float64)) + 2 * width)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1.0, 3.0, 40.0, 1e4, 1e6])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.3, 0.9), (2.0, 2.5), (-100.0, -99.0)])
def test_reflection_is_the_fold_of_theory_section_8(low, high, size, dtype):
    x = np.random.default_rng(1).uniform(-size, size, 1001).astype(dtype)
    box = Box(low, high)
    inside = fold(x, box)
    assert box.contains(inside[:, None])
    _, lowest, highest = box.arrays(1, dtype)
    want = np.array([reference.reflect(float(v), float(lowest[0]), float(highest[0])) for v in x])
    assert np.all(np.abs(inside - want) <= allowed(x - dtype(low), high - low, dtype))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1.0, 3.0, 40.0, 1e4, 1e6])
@pytest.mark.parametrize("period", [1.0, 0.7, 2 * np.pi])
def test_a_torus_wraps(period, size, dtype):
    x = np.random.default_rng(2).uniform(-size, size, 1001).astype(dtype)
    torus = Torus(period)
    inside = fold(x, torus)
    assert torus.contains(inside[:, None])
    exact = float(torus.arrays(1, dtype)[2][0])
    apart = np.abs(inside - np.array([reference.wrap(float(v), exact) for v in x]))
    assert np.all(np.minimum(apart, exact - apart) <= allowed(x, period, dtype))


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_finite_point_is_brought_inside_however_far_it_was(dtype, data):
    width = 32 if dtype == np.float32 else 64
    corner = st.floats(-1e3, 1e3, width=width)
    low = data.draw(corner)
    high = data.draw(st.floats(low + 0.125, low + 1e3))
    farthest = 1e30
    x = data.draw(st.lists(st.floats(-1e6, 1e6, width=width), min_size=1, max_size=40))
    far = data.draw(st.lists(st.floats(1e6, farthest), max_size=5))
    points = np.array(x + far + [-v for v in far], dtype=dtype)
    box = Box(low, high)
    assert box.contains(fold(points, box)[:, None])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_torus_brings_a_point_inside_however_far_it_was(dtype):
    far = 1e9 if dtype == np.float32 else 1e17
    points = np.linspace(-far, far, 2000).astype(dtype)
    torus = Torus(0.7)
    assert torus.contains(fold(points, torus)[:, None])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("support", [Box(-0.3, 0.9), Box(-0.3, 0.9, "clip"), Torus(0.9), None])
def test_a_point_inside_stays_to_the_bit(support, dtype):
    low, high = (dtype(0), dtype(0.9)) if isinstance(support, Torus) else (dtype(-0.3), dtype(0.9))
    x = np.random.default_rng(3).uniform(low, high, 1000).astype(dtype)
    ends = [low, np.nextafter(low, high, dtype=dtype), np.nextafter(high, low, dtype=dtype)]
    x = np.concatenate([x, ends]).astype(dtype)
    if not isinstance(support, Torus):
        x = np.append(x, high)
    assert fold(x, support).tobytes() == x.tobytes()


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_walls_and_their_surroundings(dtype):
    quarter = np.array([-1.25, -1.0, 1.0, 1.25, 3.0, 3.25, -3.25, 5.5, 7.0], dtype=dtype)
    want = np.array([-0.75, -1.0, 1.0, 0.75, -1.0, -0.75, 0.75, 0.5, -1.0], dtype=dtype)
    assert fold(quarter, Box(-1, 1)).tolist() == want.tolist()
    assert fold(quarter, Box(-1, 1, "clip")).tolist() == np.clip(quarter, -1, 1).tolist()
    turns = np.array([-0.25, 0.0, 1.0, 1.25, -1.0, -1e-30], dtype=dtype)
    assert fold(turns, Torus(1)).tolist() == [0.75, 0.0, 0.0, 0.25, 0.0, 0.0]


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 16, 33])
@pytest.mark.parametrize(
    "support",
    [
        Box(-1, 1),
        Torus(1),
        pytest.param(Box(-1, 1, "clip")),
        pytest.param(None),
    ],
)
def test_a_drift_that_is_not_finite_gives_nan_at_that_coordinate_alone(support, count, dtype):
    for bad in (np.nan, np.inf, -np.inf):
        for place in {0, count // 2, count - 1}:
            x = np.full(count, 0.25, dtype=dtype)
            clean = fold(x, support)
            x[place] = bad
            hit = fold(x, support)
            assert np.isnan(hit[place])
            assert np.delete(hit, place).tobytes() == np.delete(clean, place).tobytes()


def test_bounds_may_differ_among_coordinates():
    box = Box([-1, 0, 5], 6)
    assert box.dimension == 3
    assert Box(0, 1).dimension is None
    drift = np.full((2, 4, 3), 100.25, np.float32)
    start = np.zeros_like(drift)
    moved = langevin(start, drift, step_size=1.0, temperature=0.0, seed=0, support=box)
    want = [reference.reflect(100.25, low, 6.0) for low in (-1.0, 0.0, 5.0)]
    assert np.allclose(moved, want, atol=1e-4)
    torus = langevin(start, drift, step_size=1.0, temperature=0.0, seed=0, support=Torus([1, 2, 3]))
    assert np.allclose(torus, [0.25, 0.25, 1.25], atol=1e-4)


def test_box_of_a_gymnasium_space():
    space = gymnasium.spaces.Box(np.array([-1, -2], np.float32), np.array([1, 3], np.float32))
    box = Box.from_space(space)
    assert (box.low.tolist(), box.high.tolist(), box.boundary) == ([-1, -2], [1, 3], "reflect")
    assert Box.from_space(space, boundary="clip").boundary == "clip"
    with pytest.raises(ValueError, match="unbounded"):
        Box.from_space(gymnasium.spaces.Box(-np.inf, np.inf, (2,)))
    with pytest.raises(TypeError, match="not a Box"):
        Box.from_space(gymnasium.spaces.Discrete(3))


def test_contains_and_repr():
    assert Box(-1, 1).contains(np.array([[-1.0, 1.0]]))
    assert not Box(-1, 1).contains(np.array([[0.0, 1.5]]))
    assert not Box(-1, 1).contains(np.array([[0.0, np.nan]]))
    assert Torus(1).contains(np.array([[0.0]]))
    assert not Torus(1).contains(np.array([[1.0]]))
    assert repr(Box([0, 1], 2)) == "Box([0.0, 1.0], 2.0, boundary='reflect')"
    assert repr(Torus(2)) == "Torus(2.0)"


@pytest.mark.parametrize(
    ("error", "word", "make"),
    [
        (ValueError, "low", lambda: Box(1, 1)),
        (ValueError, "low", lambda: Box(2, 1)),
        (ValueError, "low", lambda: Box([0, 3], 2)),
        (ValueError, "low", lambda: Box(np.nan, 1)),
        (ValueError, "high", lambda: Box(0, np.inf)),
        (ValueError, "low", lambda: Box([0, 0], [1, 1, 1])),
        (ValueError, "low", lambda: Box([[0]], 1)),
        (TypeError, "low", lambda: Box("left", 1)),
        (TypeError, "high", lambda: Box(0, [1, [2]])),
        (ValueError, "boundary", lambda: Box(0, 1, "bounce")),
        (ValueError, "period", lambda: Torus(0)),
        (ValueError, "period", lambda: Torus([1, -1])),
        (ValueError, "period", lambda: Torus(np.nan)),
        (TypeError, "period", lambda: Torus(object())),
    ],
)
def test_bad_supports_are_refused_by_name(error, word, make):
    with pytest.raises(error, match=word):
        make()


@pytest.mark.parametrize(
    ("error", "word", "support"),
    [
        (ValueError, "low has 2 coordinates", Box([0, 0], 1)),
        (ValueError, "high has 2 coordinates", Box(0, [1, 1])),
        (ValueError, "period has 2 coordinates", Torus([1, 1])),
        (TypeError, "support", "box"),
        (TypeError, "support", gymnasium.spaces.Discrete(2)),
        (ValueError, "low", Box(1.0, 1.0 + 1e-12)),  # no box in float32
        (ValueError, "high", Box(-3e38, 3e38)),  # its width is no float32
        (ValueError, "period", Torus(1e-50)),
    ],
)
def test_a_support_that_does_not_fit_the_particles_is_refused(error, word, support):
    particles = np.ones((2, 3, 3), np.float32)
    out = np.full_like(particles, 9)
    with np.errstate(under="ignore"), pytest.raises(error, match=word):
        langevin(
            particles, particles, step_size=0.1, temperature=1.0, seed=0, support=support, out=out
        )
    assert np.all(out == 9)
