"""Birth and death: twin, mean-field law, Gibbs invariance, a barrier, bits, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import bits, same_on_all_isas_and_threads, same_on_all_threads
from wpg import _core, exact
from wpg.density import median_bandwidth, mixture_log_density
from wpg.noise import STREAMS
from wpg.reference import density as reference_density
from wpg.reference import transport as twin
from wpg.reference.noise import two_words
from wpg.transport import birth_death, langevin

DTYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def small_work_per_thread():
    _core.set_work_per_thread(1)
    yield
    _core.set_work_per_thread(131072)


def words(seed, step):
    return lambda state, particle: two_words(
        seed=seed, stream=STREAMS["birth_death"], step=step, state=state, particle=particle
    )


def problem(random, S, N, D, dtype):
    cloud = random.standard_normal((S, N, D)).astype(dtype)
    return cloud, (3 * random.standard_normal((S, N))).astype(dtype)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_equals_its_naive_twin(dtype):
    """The same draws and log-densities give the same ancestors: 1,000 states. float32 numbers are
    exact in the twin; a decision differs only if a draw is within 1e-14 of its chance."""
    random = np.random.default_rng(0)
    for case in range(250):
        S, N, D = 4, int(random.integers(1, 20)), int(random.integers(1, 4))
        cloud, q = problem(random, S, N, D, dtype)
        if case % 3 == 1:
            q[random.uniform(size=(S, N)) < 0.3] = -np.inf
        if case % 7 == 1:
            cloud[:, N // 2 :] = cloud[:, :1]
        log_density = random.standard_normal((S, N)).astype(dtype)
        settings = {
            "temperature": random.uniform(0.1, 2, S).astype(dtype),
            "rate": random.uniform(0, 3, S).astype(dtype),
            "step_size": random.uniform(0, 1, S).astype(dtype),
        }
        seed, step = int(random.integers(2**63)), int(random.integers(2**40))
        found, ancestors = _core.birth_death(
            particles=cloud,
            log_density=log_density,
            q_values=q,
            seed=seed,
            step=step,
            out=None,
            **settings,
        )
        want = twin.birth_death(q, log_density, words(seed, step), **settings)
        np.testing.assert_array_equal(ancestors, want)
        np.testing.assert_array_equal(found, cloud[np.arange(S)[:, None], want])
        assert ancestors.dtype == np.int32


@pytest.mark.twin
@pytest.mark.parametrize("bandwidth", [None, 0.3, 0.0, "each"])
def test_the_face_takes_the_density_of_the_cloud(bandwidth):
    random = np.random.default_rng(1)
    cloud, q = problem(random, 5, 12, 2, np.float64)
    cloud[1, 3:10] = cloud[1, 2]  # more than half of the pairs: the median rule gives 0
    cloud[2] = 0.0
    cloud[2, ::2] = -0.0
    if bandwidth == "each":
        bandwidth = np.array([0.2, 0.4, 0.0, 1.0, 1e-320])
    widths = median_bandwidth(cloud) if bandwidth is None else np.broadcast_to(bandwidth, 5)
    if bandwidth is None:
        assert widths[2] == 0
    log_density = np.empty((5, 12))
    for s in range(5):
        if widths[s] < 1e-300:
            same = (cloud[s, :, None] == cloud[s]).all(axis=2)
            log_density[s] = np.log(same.sum(axis=1) / 12)
        else:
            log_density[s] = reference_density.mixture_log_density(
                cloud[s : s + 1], cloud[s : s + 1], widths[s]
            )[0]
    settings = {"temperature": 0.7, "rate": 1.5, "step_size": 0.4}
    found, ancestors = birth_death(cloud, q, **settings, bandwidth=bandwidth, seed=9, step=3)
    want = twin.birth_death(q, log_density, words(9, 3), **settings)
    np.testing.assert_array_equal(ancestors, want)
    np.testing.assert_array_equal(found, cloud[np.arange(5)[:, None], want])


@pytest.mark.statistics
@pytest.mark.parametrize("forbidden", [False, True])
def test_the_mean_field_law_of_a_gaussian(forbidden):
    """pi_t ~ pi_0^w exp((1 - w) Q/temperature), w = exp(-rate temperature t).

    For pi_0 = N(0, 1) and Q = -m x^2/2 + c x it is Gaussian again, with precision
    w + (1 - w) m/temperature. The step is given that law's exact log-density. In 100 steps of 0.007
    the splitting is off by less than 1 %. Of 40,000 particles with common ancestors the variance
    and the mean have standard deviations of 0.7 % (measured with 12 seeds); allowed are 1 % and 6
    standard deviations of 0.01 and 0.007, once in 5e8.
    """
    tau, rate, m, c, N, steps = 0.5, 2.0, 2.0, 1.0, 10_000, 100
    cloud = np.random.default_rng(2).standard_normal((4, N, 1))
    time = math.log(2) / (rate * tau)
    eta = time / steps
    mean, precision = 0.0, 1.0
    for step in range(steps):
        w = math.exp(-rate * tau * eta * step)
        precision = w + (1 - w) * m / tau
        mean = (1 - w) * c / tau / precision
        x = cloud[..., 0]
        q = -0.5 * m * x**2 + c * x
        log_density = -0.5 * precision * (x - mean) ** 2
        if forbidden and step == 0:
            q[:, 0] = -np.inf  # makes no difference to the law
        cloud, _ = _core.birth_death(
            particles=cloud,
            log_density=log_density,
            q_values=q,
            temperature=tau,
            rate=rate,
            step_size=eta,
            seed=3,
            step=step,
            out=None,
        )
    precision = 0.5 + 0.5 * m / tau
    mean = 0.5 * c / tau / precision
    assert abs(cloud.var() * precision - 1) < 0.01 + 0.06
    assert abs(cloud.mean() - mean) * math.sqrt(precision) < 0.01 + 0.042


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
def test_gibbs_draws_stay_gibbs(dtype):
    """Draws of N(0, 1) = exp(Q), Q = -x^2/2, for rate temperature t = 1.

    The kernel takes l^2 = 0.01 off the variance, and a particle's own component, which makes lonely
    ones look likely, 2.3/(N l) (measured: -0.033 +- 0.002 for N = 1,000, -0.016 +- 0.003 for
    N = 4,000, both together). What 16 states lose has a standard deviation of 0.003, their mean
    moves by less than 0.008; allowed are 6 of these, once in 5e8.
    """
    start = np.random.default_rng(4).standard_normal((16, 1000, 1)).astype(dtype)
    cloud = start
    moved = 0
    for step in range(10):
        q = -0.5 * cloud[..., 0] ** 2
        cloud, ancestors = birth_death(
            cloud, q, temperature=1.0, rate=1.0, step_size=0.1, bandwidth=0.1, seed=5, step=step
        )
        moved += int((ancestors != np.arange(1000)).sum())
    assert moved > 500
    assert abs(float(cloud.var()) - float(start.var()) + 0.033) < 6 * 0.003
    assert abs(float(cloud.mean()) - float(start.mean())) < 6 * 0.008


def histogram_kl(particles, edges, masses):
    """KL of the particles' histogram from the Gibbs law's; too large by about bins/2n."""
    counts = np.histogram(particles, edges)[0] / particles.size
    full = counts > 0
    return float(np.sum(counts[full] * np.log(counts[full] / masses[full])))


@pytest.mark.statistics
def test_it_crosses_the_barrier_of_a_double_well():
    """Temperature 0.125, barrier 8 temperatures: Langevin crosses once in 900 units of time. Start:
    2 % on the left. Births and deaths multiply the log-odds by exp(-rate temperature t): from -3.9
    to 0.08 at rate temperature t = 4, which is KL 0.0008 between the wells. The histogram is over
    16 states of 500 particles in 30 bins, pooled; its KL is too large by about 30/(2 n), n the
    number of independent particles, 0.002 if that is all of them and 0.008 if it is a quarter.
    Langevin keeps log-odds of at most -3.6: KL above 0.5.
    """
    bandit = exact.double_well(k=1.0, temperature=0.125)
    low, high = (float(x[0]) for x in bandit.support.arrays(1, np.float64)[1:])
    edges = np.linspace(-1.6, 1.6, 31)
    edges[0], edges[-1] = low, high
    fine = np.linspace(low, high, 20_001)
    density = np.exp(bandit.reward(fine[None, :, None])[0] / 0.125)
    below = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    masses = np.diff(np.interp(edges, fine, below / below[-1]))
    start = 1 + 0.125 * np.random.default_rng(6).standard_normal((16, 500, 1))
    start[:, :10] -= 2
    eta, rate, every = 0.01, 8.0, 4
    found = {}
    for name in ("langevin", "birth and death"):
        cloud = start.copy()
        for step in range(400):
            drift = bandit.reward_gradient(cloud.reshape(1, -1, 1)).reshape(cloud.shape)
            langevin(
                cloud,
                drift,
                step_size=eta,
                temperature=0.125,
                seed=7,
                step=step,
                support=bandit.support,
                out=cloud,
            )
            if name == "birth and death" and step % every == 0:
                birth_death(
                    cloud,
                    bandit.reward(cloud.reshape(1, -1, 1)).reshape(cloud.shape[:2]),
                    temperature=0.125,
                    rate=rate,
                    step_size=every * eta,
                    bandwidth=0.05,
                    seed=7,
                    step=step,
                    out=cloud,
                )
        found[name] = histogram_kl(cloud, edges, masses)
    assert found["birth and death"] < 0.01
    assert found["langevin"] > 0.5


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 33, 2), (60, 5, 3), (2, 300, 1)])
def test_bits_in_place_threads_and_instruction_sets(shape, dtype):
    cloud, q = problem(np.random.default_rng(8), *shape, dtype)
    q[:, ::9] = -np.inf
    settings = {"temperature": 0.5, "rate": 2.0, "step_size": 0.7, "seed": 2**64 - 1, "step": 77}
    want = same_on_all_threads(lambda: birth_death(cloud, q, **settings))
    given = cloud.copy()
    moved, ancestors = birth_death(given, q, **settings, out=given)
    assert moved is given
    assert bits(moved, ancestors) == want
    out = np.empty_like(cloud)
    assert birth_death(cloud, q, **settings, out=out)[0] is out
    assert bits(out, ancestors) == want
    # Given the log-densities, the instruction set does not matter either; nor do other states.
    log_density = mixture_log_density(cloud, cloud, 0.3)

    def core(s=slice(None)):
        return _core.birth_death(
            particles=cloud[s], log_density=log_density[s], q_values=q[s], out=None, **settings
        )

    same_on_all_isas_and_threads(core)
    for a, b in zip(core(slice(0, 1)), core(), strict=True):
        assert bits(a) == bits(b[:1])


@pytest.mark.property
def test_float_and_double_use_the_same_draws():
    cloud, q = problem(np.random.default_rng(9), 3, 50, 2, np.float32)
    settings = {"temperature": 0.5, "rate": 2.0, "step_size": 0.5, "bandwidth": 0.5, "seed": 1}
    single = birth_death(cloud, q, **settings)[1]
    double = birth_death(cloud.astype(float), q.astype(float), **settings)[1]
    np.testing.assert_array_equal(single, double)  # no draw of these is within 1e-5 of its chance


@pytest.mark.property
def test_nothing_happens_where_nothing_may():
    cloud, q = problem(np.random.default_rng(10), 4, 30, 2, np.float64)
    base = {"temperature": 1.0, "rate": 5.0, "step_size": 1.0, "seed": 0}
    for change in ({"rate": 0.0}, {"step_size": 0.0}):
        moved, ancestors = birth_death(cloud, q, **{**base, **change})
        np.testing.assert_array_equal(moved, cloud)
        assert (ancestors == np.arange(30)).all()
    assert (birth_death(cloud, q, **base)[1] != np.arange(30)).any()
    for bad in (q[:, :1], np.full((4, 1), -np.inf)):  # one particle, even a forbidden one
        moved, ancestors = birth_death(cloud[:, :1].copy(), np.ascontiguousarray(bad), **base)
        np.testing.assert_array_equal(moved, cloud[:, :1])
    everything = np.full_like(q, -np.inf)
    np.testing.assert_array_equal(birth_death(cloud, everything, **base)[0], cloud)
    assert birth_death(cloud[:0], q[:0], **base)[1].shape == (0, 30)
    assert birth_death(cloud[:, :0], q[:, :0].copy(), **base)[1].shape == (4, 0)


@pytest.mark.property
def test_forbidden_particles_are_gone_after_one_step():
    cloud, q = problem(np.random.default_rng(11), 50, 20, 1, np.float64)
    lost = np.random.default_rng(12).uniform(size=q.shape) < 0.6
    lost[:, 3] = False
    q[lost] = -np.inf
    for rate in (0.0, 3.0):
        _, ancestors = birth_death(cloud, q, temperature=1.0, rate=rate, step_size=1.0, seed=0)
        assert not np.take_along_axis(lost, ancestors, axis=1).any()


@pytest.mark.property
def test_what_is_no_number_makes_the_state_nan():
    cloud, q = problem(np.random.default_rng(13), 5, 8, 2, np.float32)
    settings = {"temperature": 1.0, "rate": 1.0, "step_size": 1.0, "seed": 0}
    for bandwidth in (None, 0.2, 0.0):
        clean = birth_death(cloud, q, **settings, bandwidth=bandwidth)
        hurt, bad = cloud.copy(), q.copy()
        hurt[0, 3, 1], hurt[1, 0, 0], bad[2, 7], bad[3, 0] = np.nan, np.inf, np.inf, np.nan
        moved, ancestors = birth_death(hurt, bad, **settings, bandwidth=bandwidth)
        assert np.isnan(moved[:4]).all()
        assert (ancestors[:4] == np.arange(8)).all()
        assert bits(moved[4], ancestors[4]) == bits(clean[0][4], clean[1][4])
    # Magnitudes whose squares are no numbers do no harm.
    for scale in (1e-40, 1e30, 1e38):
        moved, _ = birth_death((cloud * scale).astype(np.float32), q, **settings)
        assert np.isfinite(moved).all()


GOOD = {"temperature": 1.0, "rate": 1.0, "step_size": 1.0, "seed": 0}


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"particles": [[[1.0]]]}, TypeError, "particles"),
        ({"particles": np.zeros((2, 3))}, ValueError, "particles"),
        ({"q_values": np.zeros((2, 2))}, ValueError, "q_values"),
        ({"q_values": np.zeros((2, 3), np.float32)}, TypeError, "q_values"),
        ({"temperature": 0.0}, ValueError, r"temperature\[0\]"),
        ({"temperature": np.array([1.0, -1.0])}, ValueError, r"temperature\[1\]"),
        ({"temperature": math.nan}, ValueError, "temperature"),
        ({"rate": -1.0}, ValueError, "rate"),
        ({"rate": math.inf}, ValueError, "rate"),
        ({"step_size": -1.0}, ValueError, "step_size"),
        ({"step_size": "long"}, TypeError, "step_size"),
        ({"bandwidth": -1.0}, ValueError, "bandwidth"),
        ({"bandwidth": math.nan}, ValueError, "bandwidth"),
        ({"bandwidth": "wide"}, TypeError, "bandwidth"),
        ({"bandwidth": np.ones(3)}, ValueError, "bandwidth"),
        ({"bandwidth": np.ones(2, np.float32)}, TypeError, "bandwidth"),
        ({"seed": -1}, ValueError, "seed"),
        ({"step": 2**40}, ValueError, "step"),
        ({"out": np.zeros((2, 3, 2))}, ValueError, "out"),
        ({"out": np.zeros((2, 3, 1), np.float32)}, TypeError, "out"),
    ],
)
def test_bad_arguments_are_named(change, error, word):
    arguments = {"particles": np.zeros((2, 3, 1)), "q_values": np.zeros((2, 3)), **GOOD, **change}
    out = arguments.get("out")
    before = None if out is None else out.copy()
    with pytest.raises(error, match=word):
        birth_death(arguments.pop("particles"), arguments.pop("q_values"), **arguments)
    if out is not None:
        np.testing.assert_array_equal(out, before)


def test_overlapping_memory_is_refused():
    memory = np.zeros(40)
    cloud, out = memory[:6].reshape(2, 3, 1), memory[3:9].reshape(2, 3, 1)
    q = np.zeros((2, 3))
    with pytest.raises(ValueError, match="out overlaps particles"):
        birth_death(cloud, q, **GOOD, out=out)
    with pytest.raises(ValueError, match="q_values"):
        birth_death(cloud, out.reshape(2, 3), **GOOD, out=out)
