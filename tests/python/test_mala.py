"""MALA: twin, Gibbs laws without bias, compiled and Python loops, what is no number, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from bits import bits, same_on_all_isas_and_threads, same_on_all_threads
from statistical_claims import assert_cdf, assert_variance
from test_flow import PythonCritic
from test_flow import problem as kernel_problem
from wpg import _core, squash
from wpg.exact.grid import midpoint_grid
from wpg.exact.langevin_operators import mala_operator
from wpg.noise import STREAMS, standard_normal
from wpg.reference import mala as reference
from wpg.reference import noise as reference_noise
from wpg.supports import Box, Torus, support_arrays
from wpg.transport import langevin, mala

DTYPES = [np.float32, np.float64]
SUPPORTS = {
    "none": None,
    "reflect": Box(-0.9, 0.7),
    "tanh": Box(-0.9, 0.7, "tanh"),
    "probit": Box(-0.9, 0.7, "probit"),
    "torus": Torus(0.8),
}


class Function:
    """A critic of actions alone, Q(a) = sum_d q(a_d)."""

    def __init__(self, q, slope):
        self.q, self.slope, self.calls = q, slope, 0

    def value_and_action_gradient(self, states, particles):
        self.calls += 1
        dtype = particles.dtype
        return self.q(particles).sum(axis=2).astype(dtype), self.slope(particles).astype(dtype)


def waves(steepness):
    """Bounded on every support, periodic on the torus of 0.8."""
    w = 2 * np.pi / 0.8
    return Function(
        lambda a: steepness / w * np.cos(w * a + 1), lambda a: -steepness * np.sin(w * a + 1)
    )


def nowhere(S):
    return np.zeros((S, 1))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
def test_it_equals_its_naive_twin_on_many_cases(place, name, dtype):
    """200 clouds a support, 1000 in all: the same particles are accepted, and they are where the
    twin puts them; steps from a tenth of the support to several."""
    random = np.random.default_rng(2)
    support = SUPPORTS[name]
    arrays = None if support is None else support.arrays(2, dtype)
    rates = []
    for case in range(200):
        shape = (1, 3, 2)
        a = random.uniform(0.0, 0.69, shape).astype(dtype)
        critic = waves(10.0 ** random.uniform(-1, 1))
        eta = float(dtype(10.0 ** random.uniform(-2, 0.5)))
        tau = float(dtype(random.uniform(0.1, 1)))
        found, rate = place(mala)(
            a,
            critic,
            nowhere(1).astype(dtype),
            step_size=eta,
            temperature=tau,
            seed=case,
            step=3,
            support=support,
        )
        noise = standard_normal(shape, seed=case, step=3, stream="mala_proposal", dtype=dtype)
        name_of = {"seed": case, "stream": STREAMS["mala_acceptance"], "step": 3, "state": 0}
        exponential = np.array(
            [[reference_noise.exponential(**name_of, particle=n, dtype=dtype) for n in range(3)]]
        )
        want, want_rate = reference.mala(
            a,
            lambda cloud, c=critic: c.value_and_action_gradient(None, cloud),
            lambda move, xi=noise: xi.astype(float),
            lambda move, e=exponential: e,
            steps=1,
            step_size=eta,
            temperature=tau,
            support=arrays,
        )
        assert rate.dtype == dtype
        assert rate[0] == pytest.approx(want_rate[0], rel=1e-6)
        # Proposals: |a| + eta |drift| + noise <= 1 + 32 + 15, ten roundings; squashed (1 + |y|)^2
        # more, |y| <= 8 inside 1e-6 of a wall.
        u = float(np.finfo(dtype).eps) / 2
        apart = np.abs(found - want)
        if name == "torus":
            apart = np.minimum(apart, 0.8 - apart)
        allowed = 500 * u + 3 * (1e-6 if dtype == np.float32 else 4e-15)
        assert apart.max() <= allowed * (10 if name in ("tanh", "probit") else 1)
        rates.append(rate[0])
    assert 0.2 < np.mean(rates) < 0.97  # both ways were taken


LOW, HIGH, TAU = -1.0, 1.0, 0.5
DRAWS = 200_000


def from_cdf(density, low, high, cells=20_000):
    """Draws of a density on an interval, and its distribution function."""
    edges = np.linspace(low, high, cells + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    heights = np.append(0.0, np.cumsum(density(middle)))
    heights /= heights[-1]
    uniform = np.random.default_rng(3).random(DRAWS)
    return np.interp(uniform, heights, edges), lambda x: np.interp(x, edges, heights)


LAWS = {
    # name: support, Q, slope, interval, step_size
    "gaussian": (None, lambda a: -0.65 * a**2, lambda a: -1.3 * a, (-5, 5), 0.9),
    "drift into the wall": (Box(LOW, HIGH), lambda a: 2 * a, lambda a: 2 + 0 * a, (LOW, HIGH), 0.4),
    "two walls": (
        Box(LOW, HIGH),
        lambda a: 2 * a**2,
        lambda a: 4 * a,
        (LOW, HIGH),
        0.25,
    ),
    "wide step": (Box(LOW, HIGH), lambda a: 2 * a, lambda a: 2 + 0 * a, (LOW, HIGH), 4.0),
    "von Mises": (Torus(2 * np.pi), np.cos, lambda a: -np.sin(a), (0, 2 * np.pi), 1.5),
    "tanh": (Box(LOW, HIGH, "tanh"), lambda a: 2 * a, lambda a: 2 + 0 * a, (LOW, HIGH), 0.5),
    "probit": (Box(LOW, HIGH, "probit"), lambda a: 2 * a, lambda a: 2 + 0 * a, (LOW, HIGH), 0.7),
}


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS)
def test_the_gibbs_law_is_kept(law, dtype):
    """From exact draws, three steps, at step sizes for which Langevin steps are seen to fail."""
    support, q, slope, interval, eta = LAWS[law]
    start, cdf = from_cdf(lambda a: np.exp(q(a) / TAU), *interval)
    a = np.ascontiguousarray(start.reshape(200, -1, 1), dtype=dtype)
    if support is not None:  # rounding may have reached the period
        a = np.minimum(a, np.nextafter(dtype(interval[1]), dtype(0)))
    rule = {"step_size": eta, "temperature": TAU, "support": support}
    critic = Function(q, slope)
    moved, acceptance = mala(a, critic, nowhere(200).astype(dtype), steps=3, seed=4, **rule)
    assert critic.calls == 4
    if law != "wide step":
        assert acceptance.mean() < 0.97
    assert_cdf(moved, cdf, detects=0.013)
    if law == "gaussian":
        assert_variance(moved, TAU / 1.3, mean=0.0, detects=0.04)
    cloud = a
    for step in range(3):
        cloud = langevin(cloud, slope(cloud).astype(dtype), seed=4, step=step, **rule)
    with pytest.raises(AssertionError, match="distribution"):
        assert_cdf(cloud, cdf, detects=0.013)


@pytest.mark.statistics
def test_one_step_from_another_law_is_the_exact_operator():
    """From the uniform law, whose image has no atoms."""
    grid = midpoint_grid(Box(LOW, HIGH), 200, 1)
    points = grid.points[:, 0]
    eta = 0.3
    matrix = mala_operator((2 * points)[None], np.full((1, 200, 1), 2.0), grid, eta, TAU)
    law = matrix[0].sum(axis=1) / 200
    edges, heights = np.linspace(LOW, HIGH, 201), np.append(0, np.cumsum(law))
    uniform = np.random.default_rng(5).uniform(LOW, HIGH, (DRAWS, 1, 1))
    moved, _ = mala(
        uniform,
        Function(lambda a: 2 * a, lambda a: 2 + 0 * a),
        nowhere(DRAWS),
        step_size=eta,
        temperature=TAU,
        seed=6,
        support=Box(LOW, HIGH),
    )
    # The midpoint rule with 200 cells is off by 1e-4.
    assert_cdf(moved, lambda x: np.interp(x, edges, heights), detects=0.013)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("shape", [(1, 65, 2), (7, 9, 3), (2, 3001, 2)])
def test_the_compiled_loop_is_the_python_loop(shape, name, dtype):
    critic, states, particles, rule = kernel_problem(shape, dtype)
    particles = np.minimum(particles, dtype(0.69))
    rule = rule | {"step_size": rule["step_size"] * 5, "support": SUPPORTS[name]}
    fused = mala(particles, critic, states, steps=5, **rule)
    python = PythonCritic(critic)
    composed = mala(particles, python, states, steps=5, **rule)
    assert python.calls == 6
    assert bits(*fused) == bits(*composed)
    assert 0 < fused[1].mean() < 1
    # In pieces, and in place.
    first, one = mala(particles, critic, states, steps=3, **rule)
    later = rule | {"step": rule["step"] + 3}
    second, two = mala(first, critic, states, steps=2, **later, out=first)
    assert second is first
    assert bits(second) == bits(fused[0])
    assert np.allclose(3 * one + 2 * two, 5 * fused[1], rtol=1e-6)
    for which in (critic, python):
        in_place = particles.copy()
        moved, _ = mala(in_place, which, states, steps=5, **rule, out=in_place)
        assert moved is in_place
        assert bits(in_place) == bits(fused[0])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUPPORTS)
def test_bits(name, dtype):
    """The loop: the same on every thread count. Its pieces: on every instruction set too."""
    critic, states, particles, rule = kernel_problem((37, 21, 3), dtype)
    particles = np.minimum(particles, dtype(0.69))
    rule = rule | {"support": SUPPORTS[name]}
    same_on_all_threads(lambda: mala(particles, critic, states, steps=3, **rule))
    values, drift = critic.value_and_action_gradient(states, particles)
    plain = rule | {"support": support_arrays(SUPPORTS[name], particles)}

    def once():
        proposals = _core.mala_propose(particles=particles, drift=drift, out=None, **plain)
        cloud, q, g = particles.copy(), values.copy(), drift.copy()
        accepted = np.zeros(37, np.int64)
        other = np.roll(values, 1, axis=0).copy(), np.roll(drift, 1, axis=0).copy()
        _core.mala_accept(
            particles=cloud,
            values=q,
            drift=g,
            accepted=accepted,
            proposals=proposals,
            proposed_values=other[0],
            proposed_drift=other[1],
            **plain,
        )
        return cloud, q, g, accepted

    same_on_all_isas_and_threads(once)


@pytest.mark.closed_form
@pytest.mark.parametrize("name", SUPPORTS)
def test_a_step_of_no_size_is_accepted(name):
    a = np.random.default_rng(0).uniform(0, 0.6, (4, 9, 2))
    moved, acceptance = mala(
        a,
        waves(3.0),
        nowhere(4),
        steps=2,
        step_size=0.0,
        temperature=1.0,
        seed=0,
        support=SUPPORTS[name],
    )
    assert bits(moved) == bits(a)
    assert acceptance.tolist() == [1.0] * 4


@pytest.mark.property
@pytest.mark.parametrize("python", [False, True])
def test_no_steps_change_nothing_and_reject_nothing(python):
    critic, states, particles, rule = kernel_problem((3, 5, 2), np.float32)
    critic = PythonCritic(critic) if python else critic
    still, acceptance = mala(particles, critic, states, steps=0, **rule)
    assert still is not particles
    assert bits(still) == bits(particles)
    assert acceptance.tolist() == [1, 1, 1]
    assert acceptance.dtype == np.float32
    none = {k: v[:0] if isinstance(v, np.ndarray) else v for k, v in rule.items()}
    moved, acceptance = mala(particles[:0], critic, states[:0], steps=2, **none)
    assert moved.shape == (0, 5, 2)
    assert acceptance.shape == (0,)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_number_stays_with_its_particle(dtype):
    def q(a):
        value = np.where(a > 2, -np.inf, np.where(a < -2, np.nan, 0.1 * a))
        return value

    S, N = 40, 50
    critic = Function(q, lambda a: 0 * a + 0.1)
    a = np.random.default_rng(0).uniform(-1.9, 1.9, (S, N, 1)).astype(dtype)
    a[0, 0], a[1, 1] = np.nan, -3
    states = nowhere(S).astype(dtype)
    rule = {"step_size": 0.5, "temperature": 1.0, "seed": 3}
    moved, _ = mala(a, critic, states, steps=4, **rule)
    lost = np.isnan(moved[:, :, 0])
    assert lost[0, 0]
    assert lost[1, 1]
    assert 2 < lost.sum() < S * N / 2  # those who proposed a < -2
    assert np.nanmax(moved) <= 2  # nobody who proposed a > 2 went there
    assert np.nanmin(moved) >= -2
    # Others do not notice, and NaN stays.
    clean = a.copy()
    clean[0, 0], clean[1, 1] = 0, 0
    other, _ = mala(clean, critic, states, steps=4, **rule)
    keep = np.ones((S, N), bool)
    keep[0, 0] = keep[1, 1] = False
    assert bits(other[keep]) == bits(moved[keep])
    again, _ = mala(moved, critic, states, steps=1, **rule | {"seed": 4})
    assert np.isnan(again[lost]).all()
    infinite = Function(lambda a: 0 * a, lambda a: np.where(a > 1, np.inf, 0.0))
    moved, _ = mala(a[2:], infinite, states[2:], steps=1, **rule)
    assert np.isnan(moved[a[2:] > 1]).all()


@pytest.mark.statistics
@pytest.mark.parametrize("kind", ["tanh", "probit"])
def test_without_reward_the_law_is_uniform(kind):
    """The change of variable alone: Q = 0 on [-1, 1], in y a law with no drift of the critic's."""
    a = np.random.default_rng(7).uniform(LOW, HIGH, (100, 2000, 1))
    box = Box(LOW, HIGH, kind)
    moved, acceptance = mala(
        a,
        Function(lambda x: 0 * x, lambda x: 0 * x),
        nowhere(100),
        steps=3,
        step_size=1.5,
        temperature=0.7,
        seed=8,
        support=box,
    )
    assert 0.3 < acceptance.mean() < 0.95
    assert_cdf(moved, lambda x: (x + 1) / 2, detects=0.013)
    assert np.isfinite(squash.unbounded(moved, box)).all()


def good():
    critic, states, particles, rule = kernel_problem((2, 3, 2), np.float32)
    return {"particles": particles, "critic": critic, "states": states, "steps": 2} | rule


@pytest.mark.parametrize("python", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (ValueError, "steps", {"steps": -1}),
        (ValueError, "steps", {"steps": 1.0}),
        (TypeError, "particles", {"particles": np.zeros((2, 3, 2))}),
        (ValueError, "particles", {"particles": np.zeros((2, 3), np.float32)}),
        (ValueError, "at least one particle", {"particles": np.zeros((2, 0, 2), np.float32)}),
        (TypeError, "states", {"states": np.zeros((2, 2))}),
        (ValueError, "step_size", {"step_size": -0.1}),
        (TypeError, "step_size", {"step_size": np.full(2, 0.1)}),
        (ValueError, "needs a density", {"temperature": 0.0}),
        (ValueError, "needs a density", {"temperature": np.array([0.1, 0], np.float32)}),
        (ValueError, "temperature", {"temperature": -1.0}),
        (ValueError, "seed", {"seed": -1}),
        (ValueError, "step", {"step": 2**40}),
        (ValueError, "step", {"step": 2**40 - 1}),
        (TypeError, "step", {"step": "1"}),
        (ValueError, "clip", {"support": Box(-1, 1, "clip")}),
        (TypeError, "support", {"support": "box"}),
        (TypeError, "out", {"out": np.zeros((2, 3, 2))}),
        (TypeError, "out", {"out": [0.0]}),
        (ValueError, "out", {"out": np.zeros((2, 3, 3), np.float32)}),
        (ValueError, "out", {"out": np.broadcast_to(np.float32(9), (2, 3, 2))}),
    ],
)
def test_bad_arguments_are_refused_by_name(error, word, change, python):
    out = np.full((2, 3, 2), 9, np.float32)
    given = good() | {"out": out} | change
    if given["particles"].shape != out.shape and "out" not in change:
        given["out"] = None
    critic = PythonCritic(given.pop("critic")) if python else given.pop("critic")
    with pytest.raises(error, match=word):
        mala(given.pop("particles"), critic, given.pop("states"), **given)
    assert np.all(out == 9)


def test_a_critic_with_the_wrong_dtype_is_named():
    class Doubles:
        def value_and_action_gradient(self, states, particles):
            return np.zeros(particles.shape[:2]), np.zeros(particles.shape)

    given = good() | {"critic": Doubles()}
    with pytest.raises(TypeError, match="drift"):
        mala(given.pop("particles"), given.pop("critic"), given.pop("states"), **given)


def test_an_out_that_overlaps_in_part_is_refused():
    memory = np.full(24, 0.5, np.float32)
    given = good() | {"particles": memory[:12].reshape(2, 3, 2)}
    for critic in (given["critic"], PythonCritic(given["critic"])):
        change = given | {"critic": critic, "out": memory[4:16].reshape(2, 3, 2)}
        with pytest.raises(ValueError, match="out overlaps particles"):
            mala(change.pop("particles"), change.pop("critic"), change.pop("states"), **change)
    assert np.all(memory == 0.5)
