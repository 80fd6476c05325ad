"""The Langevin step: bits, twin, the laws that it keeps, what does not matter, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bits import bits, same_on_all_isas_and_threads
from statistical_claims import assert_cdf, assert_mean, assert_variance
from step_supports import SUPPORTS
from wpg.noise import standard_normal
from wpg.reference import noise as reference_noise
from wpg.reference import transport as reference
from wpg.supports import Box, Torus
from wpg.transport import langevin

DTYPES = [np.float32, np.float64]
SHAPES = [
    (5, 7, 1),
    (3, 1, 2),
    (2, 9, 3),
    (1, 1001, 6),
    (300, 3, 2),
    (2, 33, 17),
    (2, 6, 300),
    (3000, 1, 1),
    (1, 20011, 1),
    (0, 3, 2),
    (3, 0, 2),
]


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps) / 2


def problem(shape, dtype, seed=0):
    """Particles, drift, step_size and temperature for each state."""
    random = np.random.default_rng(seed)
    S = shape[0]
    particles = random.uniform(-1, 1, shape).astype(dtype)
    drift = random.normal(0, 2, shape).astype(dtype)
    step_size = random.uniform(0.05, 0.2, S).astype(dtype)
    temperature = random.uniform(0.1, 1.0, S).astype(dtype)
    return particles, drift, step_size, temperature


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_depend_on_no_thread_and_no_instruction_set(shape, name, dtype):
    particles, drift, step_size, temperature = problem(shape, dtype)
    if name == "clip":
        temperature[:] = 0
    arguments = {
        "step_size": step_size,
        "temperature": temperature,
        "seed": 2**64 - 9,
        "step": 2**40 - 1,
        "support": SUPPORTS[name],
    }
    want = same_on_all_isas_and_threads(lambda: langevin(particles, drift, **arguments))
    in_place = particles.copy()
    assert langevin(in_place, drift, **arguments, out=in_place) is in_place
    assert bits(in_place) == want
    out = np.empty_like(particles)
    assert langevin(particles, drift, **arguments, out=out) is out
    assert bits(out) == want
    overwritten = drift.copy()
    langevin(particles, overwritten, **arguments, out=overwritten)
    assert bits(overwritten) == want


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
def test_it_equals_its_naive_twin(place, name, dtype):
    shape = (3, 11, 2)
    particles, drift, step_size, temperature = problem(shape, dtype, seed=1)
    if name == "clip":
        temperature = 0.0  # an array on a device is not looked at
    support = SUPPORTS[name]
    noise = reference_noise.standard_normal(shape, seed=5, stream=0, step=8, dtype=dtype)
    want = reference.langevin(
        particles,
        drift,
        noise,
        step_size=step_size,
        temperature=temperature,
        support=None if support is None else support.arrays(2, dtype),
    )
    found = place(langevin)(
        particles,
        drift,
        step_size=step_size,
        temperature=temperature,
        seed=5,
        step=8,
        support=support,
    )
    # Terms: |a| <= 1, step_size |drift| <= 0.2 * 8, noise 0.64 * 6. Five roundings of at most 6.5,
    # the noise's own error (1e-6 or 4e-15) times 0.64, and four roundings more in a fold.
    tolerance = 9 * 6.5 * unit_roundoff(dtype) + 0.64 * (1e-6 if dtype == np.float32 else 4e-15)
    apart = np.abs(found - want)
    if name == "torus":
        apart = np.minimum(apart, 0.8 - apart)
    assert apart.max() <= tolerance


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_zero_is_gradient_ascent(dtype):
    particles, drift, step_size, _ = problem((5, 9, 3), dtype)
    moved = langevin(particles, drift, step_size=step_size, temperature=0.0, seed=1)
    assert bits(moved) == bits(particles + step_size[:, None, None] * drift)
    other_seed = langevin(particles, drift, step_size=step_size, temperature=0.0, seed=2, step=9)
    assert bits(moved) == bits(other_seed)
    still = langevin(particles, drift, step_size=0.0, temperature=1.0, seed=1)
    assert bits(still) == bits(particles)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_noise_is_the_named_one(dtype):
    zero = np.zeros((4, 9, 3), dtype)
    moved = langevin(zero, zero, step_size=0.5, temperature=1.0, seed=4, step=6)
    # sqrt(2 * 0.5 * 1) = 1, and adding to 0 changes no bit but the sign of a zero.
    assert np.array_equal(moved, standard_normal((4, 9, 3), seed=4, step=6, dtype=dtype))
    doubled = langevin(zero, zero, step_size=0.5, temperature=4.0, seed=4, step=6)
    assert np.array_equal(doubled, 2 * moved)


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_quadratic_has_the_variance_of_the_discrete_law(dtype):
    """Q = -m a^2/2: temperature/(m (1 - step_size m/2)), the law of the discrete chain."""
    m, eta, tau = 1.3, 0.4, 0.5
    variance = tau / (m * (1 - eta * m / 2))
    shape = (20_000, 5, 1)
    # From draws of that law (one for each of 1e5 independent particles) it stays, exactly ...
    a = standard_normal(shape, seed=3, stream="initial", dtype=dtype) * dtype(np.sqrt(variance))
    for step in range(5):
        langevin(a, dtype(-m) * a, step_size=eta, temperature=tau, seed=3, step=step, out=a)
    assert_mean(a, 0.0, variance=variance, bound=None, detects=0.04)
    assert_variance(a, variance, mean=0.0, detects=0.05)
    # ... and from 0 it comes: (1 - eta m)^(2 k) = 1e-11 of it is missing after k = 17 steps.
    a[:] = 0
    for step in range(17):
        langevin(a, dtype(-m) * a, step_size=eta, temperature=tau, seed=4, step=step, out=a)
    assert_variance(a, variance, mean=0.0, detects=0.05)
    # The law of the continuous equation, 26 % narrower, would not pass.
    with pytest.raises(AssertionError, match="variance"):
        assert_variance(a, tau / m, mean=0.0, detects=0.05)


def box_law(slope, step_size, temperature, cells=400):
    """Stationary law of the reflected chain in [-1, 1] with drift `slope`, as cell centres and
    probabilities: the folded normal density by its images, by the midpoint rule.

    The error of the rule for a normal of standard deviation sd is exp(-2 pi^2 (sd/dx)^2) inside,
    0 to rounding here (sd >= 40 dx), and a slope of zero at the walls leaves no boundary term."""
    dx = 2 / cells
    x = -1 + dx * (np.arange(cells) + 0.5)
    mean, sd = x + step_size * slope, np.sqrt(2 * step_size * temperature)
    chain = np.zeros((cells, cells))
    for k in range(-2, 3):
        for image in (x + 4 * k, -2 - x + 4 * k):
            chain += np.exp(-0.5 * ((image[:, None] - mean) / sd) ** 2)
    chain /= chain.sum(axis=0)
    system, right = chain - np.eye(cells), np.zeros(cells)
    system[-1], right[-1] = 1, 1
    return x, np.linalg.solve(system, right)


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_reflection_keeps_the_gibbs_law_but_for_a_bias_of_the_order_of_the_step(dtype):
    slope, tau, n = 2.0, 0.5, 200_000
    c = slope / tau
    gibbs_mean = 1 / np.tanh(c) - 1 / c
    uniform = np.random.default_rng(5).random(n)
    gibbs = np.log(np.exp(-c) + uniform * (np.exp(c) - np.exp(-c))) / c
    biases = []
    for eta, steps in ((0.08, 40), (0.04, 80)):
        x, p = box_law(slope, eta, tau)
        exact_mean = float(p @ x)
        biases.append(exact_mean - gibbs_mean)
        a = np.ascontiguousarray(gibbs.reshape(n, 1, 1), dtype=dtype)
        drift = np.full_like(a, slope)
        for step in range(steps):
            langevin(
                a,
                drift,
                step_size=eta,
                temperature=tau,
                seed=6,
                step=step,
                support=Box(-1, 1),
                out=a,
            )
        assert np.abs(a).max() <= 1
        # From the Gibbs law; the second eigenvalue is 0.767 (0.878): 3e-5 of the bias is missing.
        # |a - E a| <= 2, and the variance of the law on the cells is known.
        claim = {"variance": float(p @ x**2) - exact_mean**2, "bound": 2.0, "detects": 0.008}
        assert_mean(a, exact_mean, **claim)
        edges, heights = np.append(x - 1 / 400, 1.0), np.append(0, np.cumsum(p))
        # Linear between cells of probability <= 0.02: off by at most dx^2 max|pi'|/8 < 1e-4.
        assert_cdf(a, lambda z, e=edges, h=heights: np.interp(z, e, h), detects=0.013)
        with pytest.raises(AssertionError, match="mean"):
            assert_mean(a, gibbs_mean, **claim)
    # Order one, and its constant for a linear Q: the walls give back what the drift brings, which
    # shifts E a by -step_size slope / 2 (measured to 0.3 %).
    assert abs(biases[0] / biases[1] - 2) < 0.02
    assert abs(biases[1] + 0.04 * slope / 2) < 0.003 * 0.04


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 5)),
    name=st.sampled_from(["none", "reflect", "torus"]),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_states_do_not_see_each_other(dtype, shape, name, data):
    S = shape[0]
    kept = data.draw(st.integers(0, S - 1))
    first, second = problem(shape, dtype, seed=1), problem(shape, dtype, seed=2)
    for a, b in zip(first, second, strict=True):
        b[kept] = a[kept]
    moved = [
        langevin(a, g, step_size=eta, temperature=tau, seed=3, support=SUPPORTS[name])
        for a, g, eta, tau in (first, second)
    ]
    assert bits(moved[0][kept]) == bits(moved[1][kept])
    # Nor does it matter how many states and particles follow.
    a, g, eta, tau = first
    n = data.draw(st.integers(1, shape[1]))
    fewer = langevin(
        np.ascontiguousarray(a[: kept + 1, :n]),
        np.ascontiguousarray(g[: kept + 1, :n]),
        step_size=np.ascontiguousarray(eta[: kept + 1]),
        temperature=np.ascontiguousarray(tau[: kept + 1]),
        seed=3,
        support=SUPPORTS[name],
    )
    assert bits(fewer) == bits(moved[0][: kept + 1, :n])


@pytest.mark.property
@given(
    scale=st.sampled_from([0.25, 0.5, 2.0, 4.0]),
    name=st.sampled_from(["none", "reflect", "torus"]),
)
@settings(max_examples=12, deadline=None)
def test_units_of_action_and_time_do_not_matter(scale, name):
    """a -> c a, drift -> drift / c with step_size -> c^2 step_size is the same step; powers of two
    keep every bit."""
    a, g, _, tau = problem((3, 10, 2), np.float64)
    c = scale
    supports = {
        "none": (None, None),
        "reflect": (Box(-0.875, 0.75), Box(-0.875 * c, 0.75 * c)),
        "torus": (Torus(0.75), Torus(0.75 * c)),
    }[name]
    one = langevin(a, g, step_size=0.1, temperature=tau, seed=1, support=supports[0])
    other = langevin(
        c * a, g / c, step_size=0.1 * c * c, temperature=tau, seed=1, support=supports[1]
    )
    assert np.array_equal(c * one, other)


MATRIX = np.array([[1.44, 0.6, -0.3], [0.6, 1.25, 0.1], [-0.3, 0.1, 0.8]])


def per_state(S):
    return np.stack([MATRIX + 0.2 * s * np.eye(3) for s in range(S)])


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("support", [None, Box(-0.9, 0.7)])
@pytest.mark.parametrize(
    "matrix", [np.array([2.0, 0.5, 1.0]), MATRIX, per_state(4)], ids=["diagonal", "full", "each"]
)
def test_a_preconditioned_step_equals_its_twin(place, matrix, support, dtype):
    shape = (4, 9, 3)
    particles, drift, step_size, temperature = problem(shape, dtype, seed=2)
    matrix = matrix.astype(dtype)
    arguments = {"step_size": step_size, "temperature": temperature}
    found = place(langevin)(
        particles, drift, **arguments, seed=7, support=support, preconditioner=matrix
    )
    noise = standard_normal(shape, seed=7, dtype=dtype)
    want = reference.langevin(
        particles,
        drift,
        noise,
        **arguments,
        support=None if support is None else support.arrays(3, dtype),
        preconditioner=matrix,
    )
    # Sums of three products of at most 2.1 * 8 * 0.2 and 1.5 * 6 * 0.64, D + 6 roundings of each
    # (the Cholesky factor in this dtype has D more), and four of a fold: 16 * 20 u.
    assert np.abs(found - want).max() <= 16 * 20 * unit_roundoff(dtype)
    hashed = same_on_all_isas_and_threads(
        lambda: langevin(
            particles, drift, **arguments, seed=7, support=support, preconditioner=matrix
        )
    )
    assert hashed == bits(found)


@pytest.mark.closed_form
def test_a_preconditioner_of_one_changes_nothing():
    a, g, eta, tau = problem((4, 9, 3), np.float64)
    plain = langevin(a, g, step_size=eta, temperature=tau, seed=1)
    for one in (np.ones(3), np.eye(3), np.stack([np.eye(3)] * 4)):
        moved = langevin(a, g, step_size=eta, temperature=tau, seed=1, preconditioner=one)
        assert np.array_equal(moved, plain)


@pytest.mark.statistics
def test_a_preconditioned_quadratic_has_its_discrete_covariance():
    """Q = -a'Ha/2 with M = H^-1: covariance tau H^-1/(1 - eta/2), of the discrete chain."""
    eta, tau = 0.5, 0.3
    M = MATRIX
    H = np.linalg.inv(M)
    root = np.linalg.cholesky(tau * M / (1 - eta / 2))
    a = np.zeros((100_000, 1, 3))
    for step in range(20):  # (1 - eta)^(2 k) = 1e-12
        drift = np.ascontiguousarray(-a @ H)
        langevin(
            a, drift, step_size=eta, temperature=tau, seed=8, step=step, preconditioner=M, out=a
        )
    white = np.linalg.solve(root, a[:, 0].T)
    for d in range(3):
        assert_variance(white[d], 1.0, mean=0.0, detects=0.05)
        # (x + y) / sqrt(2) has variance 1 + correlation.
        assert_variance((white[d] + white[d - 1]) / np.sqrt(2), 1.0, mean=0.0, detects=0.05)


def good(dtype=np.float32):
    return {
        "particles": np.full((2, 3, 4), 0.5, dtype),
        "drift": np.ones((2, 3, 4), dtype),
        "step_size": 0.1,
        "temperature": 1.0,
        "seed": 1,
    }


def misaligned(shape):
    size = int(np.prod(shape)) * 4
    return np.zeros(size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


BAD_ARRAYS = [
    (TypeError, np.zeros((2, 3, 4), np.int64)),
    (TypeError, np.zeros((2, 3, 4), np.float16)),
    (TypeError, np.zeros((2, 3, 4), object)),
    (TypeError, np.zeros((2, 3, 4), ">f4")),
    (TypeError, np.zeros((2, 3, 4), complex)),
    (TypeError, np.zeros((2, 3, 4), np.float64)),
    (TypeError, [[[0.0] * 4] * 3] * 2),
    (TypeError, None),
    (ValueError, np.zeros((2, 3, 5), np.float32)),
    (ValueError, np.zeros((2, 3), np.float32)),
    (ValueError, np.zeros((2, 3, 4, 1), np.float32)),
    (ValueError, np.zeros((2, 3, 4), np.float32, order="F")),
    (ValueError, np.zeros((2, 3, 8), np.float32)[:, :, ::2]),
    (ValueError, np.zeros((2, 3, 4), np.float32)[::-1]),
    (ValueError, misaligned((2, 3, 4))),
]


@pytest.mark.parametrize(("error", "array"), BAD_ARRAYS)
@pytest.mark.parametrize("name", ["particles", "drift", "out"])
def test_bad_arrays_are_refused_by_name(name, error, array):
    if name == "out" and array is None:
        return
    out = np.full((2, 3, 4), 9, np.float32)
    arguments = good() | {"out": out} | {name: array}
    # A wrong size or dtype of the particles is as well one of the drift.
    with pytest.raises(error, match=f"{name}|drift" if name == "particles" else name):
        langevin(arguments.pop("particles"), arguments.pop("drift"), **arguments)
    assert np.all(out == 9)
    if isinstance(array, np.ndarray):
        assert np.all(array == 0)


PER_STATE = [
    (ValueError, -0.1),
    (ValueError, np.nan),
    (ValueError, np.inf),
    (ValueError, 1e39),  # no float32
    (TypeError, "0.1"),
    (TypeError, None),
    (TypeError, [0.1, 0.1]),
    (TypeError, 1j),
    (TypeError, np.array([0.1, 0.1])),
    (TypeError, np.array([1, 1])),
    (ValueError, np.array([0.1], np.float32)),
    (ValueError, np.array([0.1, 0.1, 0.1], np.float32)),
    (ValueError, np.array([[0.1, 0.1]], np.float32)),
    (ValueError, np.array([0.1, -0.1], np.float32)),
    (ValueError, np.array([0.1, np.nan], np.float32)),
    (ValueError, np.array([0.1, np.inf], np.float32)),
    (ValueError, np.array([0.1, 9, 0.1, 9], np.float32)[::2]),
]


@pytest.mark.parametrize(("error", "value"), PER_STATE)
@pytest.mark.parametrize("name", ["step_size", "temperature"])
def test_bad_numbers_for_states_are_refused_by_name(name, error, value):
    out = np.full((2, 3, 4), 9, np.float32)
    arguments = good() | {"out": out, name: value}
    with pytest.raises(error, match=name):
        langevin(arguments.pop("particles"), arguments.pop("drift"), **arguments)
    assert np.all(out == 9)


@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (ValueError, "seed", {"seed": -1}),
        (ValueError, "seed", {"seed": 2**64}),
        (TypeError, "seed", {"seed": 0.5}),
        (ValueError, "step", {"step": 2**40}),
        (ValueError, "step", {"step": -1}),
        (TypeError, "step", {"step": "1"}),
        (ValueError, "clip.*temperature", {"support": Box(-1, 1, "clip")}),
        (TypeError, "preconditioner", {"preconditioner": [1.0] * 4}),
        (TypeError, "preconditioner", {"preconditioner": np.ones(4)}),
        (ValueError, "preconditioner", {"preconditioner": np.ones(3, np.float32)}),
        (ValueError, "preconditioner", {"preconditioner": np.eye(3, dtype=np.float32)}),
        (ValueError, "preconditioner", {"preconditioner": np.zeros(4, np.float32)}),
        (ValueError, "preconditioner", {"preconditioner": -np.eye(4, dtype=np.float32)}),
        (ValueError, "symmetric", {"preconditioner": np.tri(4, dtype=np.float32)}),
        (ValueError, "preconditioner", {"preconditioner": np.full(4, np.nan, np.float32)}),
        (ValueError, "preconditioner", {"preconditioner": np.ones((3, 4, 4), np.float32)}),
    ],
)
def test_other_bad_arguments_are_refused_by_name(error, word, change):
    out = np.full((2, 3, 4), 9, np.float32)
    arguments = good() | {"out": out} | change
    with pytest.raises(error, match=word):
        langevin(arguments.pop("particles"), arguments.pop("drift"), **arguments)
    assert np.all(out == 9)


def test_an_out_that_overlaps_in_part_is_refused():
    memory = np.full(48, 0.5, np.float32)
    early, late = memory[:24].reshape(2, 3, 4), memory[12:36].reshape(2, 3, 4)
    other = np.full((2, 3, 4), 0.5, np.float32)
    rest = {"step_size": 0.1, "temperature": 1.0, "seed": 1}
    with pytest.raises(ValueError, match="out overlaps particles"):
        langevin(early, other, **rest, out=late)
    with pytest.raises(ValueError, match="out overlaps drift"):
        langevin(other, early, **rest, out=late)
    assert np.all(memory == 0.5)


def test_a_read_only_out_is_refused_and_read_only_inputs_are_not():
    arguments = good()
    for name in ("particles", "drift"):
        arguments[name].flags.writeable = False
    particles, drift = arguments.pop("particles"), arguments.pop("drift")
    langevin(particles, drift, **arguments)
    with pytest.raises(ValueError, match="out is read-only"):
        langevin(particles, drift, **arguments, out=particles)
