"""The unbounded variable of a squashed box: maps, steps against their twin and their exact law, and
densities of actions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bits import bits, same_on_all_isas_and_threads
from statistical_claims import assert_cdf, assert_mean, assert_variance
from wpg import squash
from wpg.density import entropy, mixture_log_density
from wpg.exact.langevin_operators import stationary_density
from wpg.exact.squashed import squashed_chain
from wpg.noise import standard_normal
from wpg.policy import ParticlePolicy
from wpg.reference import density as reference_density
from wpg.reference import transport as reference
from wpg.supports import Box, Torus
from wpg.transport import langevin, leimkuhler_matthews

DTYPES = [np.float32, np.float64]
SQUASHES = ["tanh", "probit"]
# The docstring of wpg.noise.standard_normal.
NOISE = {np.float32: 1e-6, np.float64: 4e-15}


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps) / 2


def random_box(random, kind, dtype):
    width = 10.0 ** random.uniform(-2, 2)
    low = random.choice([0.0, -width / 2, random.normal() * width])
    low, high = dtype(low), dtype(dtype(low) + dtype(width))
    return Box(float(low), float(high), kind)


def random_action(random, low, high, dtype):
    """Anywhere, or near a wall on all scales, or on it."""
    where = random.integers(4)
    share = {0: 0.0, 1: random.random(), 2: random.random(), 3: 10.0 ** -random.uniform(0, 12)}
    a = low + (high - low) * share[int(where)]
    return dtype(min(max(a if random.random() < 0.5 else high - (a - low), low), high))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
def test_maps_equal_their_twins(kind, dtype):
    random, u = np.random.default_rng(1), unit_roundoff(dtype)
    for _ in range(500):
        box = random_box(random, kind, dtype)
        _, low, high = box.arrays(1, dtype)
        low, high = float(low[0]), float(high[0])
        a = np.array([random_action(random, low, high, dtype)])
        inside = reference.interior(float(a[0]), low, high, dtype)
        y, slope, gradient = reference.line_point(inside, kind, low, high)
        # The distance from a wall is rounded to the dtype, which y sees through 1/slope.
        rounded = u * min(inside - low, high - inside) / slope
        found = float(squash.unbounded(a, box)[0])
        c = 5 if kind == "tanh" else 10
        assert abs(found - y) <= c * u * (1 + abs(y)) + rounded + 1e-15 * (1 + abs(y))
        scale = 40 * u * (1 + y * y)
        assert abs(float(squash.log_slope(a, box)) - math.log(slope)) <= scale + 4 * u * abs(
            math.log(slope)
        )
        steep = float(squash.log_slope_gradient(a, box)[0])
        assert abs(steep - gradient / slope) <= scale * (1 + abs(y)) / slope
        coordinate = np.array([random.normal() * 2], dtype)
        back = float(squash.actions(coordinate, box)[0])
        want = reference.action_of(float(coordinate[0]), kind, low, high)
        z = abs(float(coordinate[0]))
        relative = 7 + 4 * z if kind == "tanh" else 16 + 3 * z * z
        nearer = min(want - low, high - want)
        assert abs(back - want) <= 2 * u * (abs(low) + abs(high)) + u * relative * nearer


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
def test_walls_are_the_numbers_beside_them_and_y_is_as_large_as_promised(kind, dtype):
    single = dtype == np.float32
    for low, high in ((-1, 1), (0, 1), (-3, 0), (100, 101)):
        box = Box(low, high, kind)
        y = squash.unbounded(np.array([[low], [high]], dtype), box)
        assert np.isfinite(y).all()
        most = {"tanh": 35 if single else 347, "probit": 12 if single else 38}[kind]
        if (low, high) == (-1, 1):
            most = {"tanh": 8.7 if single else 18.8, "probit": 5.5 if single else 8.3}[kind]
        assert y[0] == -most or -most < y[0] < 0 < y[1] < most
        walls = squash.actions(np.array([[-1e30], [1e30]], dtype), box)
        assert low < walls[0] < walls[1] < high
        assert bits(squash.unbounded(walls, box)) == bits(y)
        for wall in (low, high):
            particles = np.full((1, 1, 1), wall, dtype)
            moved = langevin(
                particles,
                np.zeros_like(particles),
                step_size=0.0,
                temperature=1.0,
                seed=0,
                support=box,
            )
            assert moved[0, 0, 0] == walls[int(wall == high), 0]
    nothing = np.array([[np.nan, 0.5]], dtype)
    assert np.isnan(squash.unbounded(nothing, Box(0, 1, kind))).tolist() == [[True, False]]
    far = np.array([[np.nan, np.inf, -np.inf]], dtype)
    assert np.isnan(squash.actions(far, Box(0, 1, kind))).all()


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
def test_maps_have_the_same_bits_everywhere_and_work_in_place(kind, dtype):
    box = Box([-1, 0, -5], [1, 3, 2], kind)
    a = np.random.default_rng(0).uniform([-1, 0, -5], [1, 3, 2], (40, 11, 3)).astype(dtype)
    maps = (squash.unbounded, squash.log_slope, squash.log_slope_gradient, squash.actions)
    for function in maps:
        found = function(a, box)
        assert same_on_all_isas_and_threads(lambda f=function: f(a, box)) == bits(found)
        out = np.empty_like(found)
        assert function(a, box, out=out) is out
        assert bits(out) == bits(found)
    in_place = a.copy()
    squash.unbounded(in_place, box, out=in_place)
    assert bits(in_place) == bits(squash.unbounded(a, box))


@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (TypeError, "actions", {"actions": [0.5]}),
        (TypeError, "actions", {"actions": np.array([1])}),
        (ValueError, "actions", {"actions": np.zeros(())}),
        (ValueError, "actions", {"actions": np.array([1.5])}),
        (ValueError, "actions", {"actions": np.zeros((2, 4))[:, ::2]}),
        (ValueError, "support", {"support": Box(0, 1)}),
        (ValueError, "support", {"support": Torus(1)}),
        (ValueError, "support", {"support": None}),
        (ValueError, "low has 2", {"support": Box([0, 0], 1, "tanh")}),
        (TypeError, "out", {"out": np.zeros(1, np.float32)}),
        (ValueError, "out", {"out": np.zeros(2)}),
    ],
)
@pytest.mark.parametrize("function", [squash.unbounded, squash.log_slope_gradient])
def test_bad_arguments_are_refused_by_name(function, error, word, change):
    given = {"actions": np.array([0.5]), "support": Box(0, 1, "tanh")} | change
    with pytest.raises(error, match=word):
        function(given.pop("actions"), given.pop("support"), **given)


@pytest.mark.parametrize("kind", SQUASHES)
def test_what_has_no_room_or_no_use_for_a_squashed_box_says_so(kind):
    a = np.full((1, 1, 1), 1.0, np.float32)
    narrow = Box(1.0, float(np.nextafter(np.float32(1), np.float32(2))), kind)
    with pytest.raises(ValueError, match="no two numbers"):
        langevin(a, a, step_size=0.1, temperature=1.0, seed=0, support=narrow)
    with pytest.raises(ValueError, match="use boundary 'reflect'"):
        ParticlePolicy(Box(-1, 1, kind), 1, particles=4, steps=2)


def step_tolerance(a, drift, xi, step_size, temperature, kind, low, high, dtype):
    """The docstring of `wpg.supports.Box`."""
    u = unit_roundoff(dtype)
    inside = reference.interior(a, low, high, dtype)
    y, slope, _ = reference.line_point(inside, kind, low, high)
    scale = math.sqrt(2 * step_size * temperature)
    moved = 1 + step_size * (abs(slope * drift) + temperature) + scale * abs(xi)
    error = 16 * u * (1 + abs(y)) ** 2 * moved + scale * NOISE[dtype]
    return (high - low) / 2 * error + 11 * u * (abs(low) + abs(high))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
@pytest.mark.parametrize("averaged", [False, True])
def test_a_step_equals_its_twin(averaged, kind, dtype):
    random = np.random.default_rng(2)
    for case in range(250):
        D = int(random.integers(1, 4))
        box = random_box(random, kind, dtype)
        _, low, high = box.arrays(D, dtype)
        low, high = float(low[0]), float(high[0])
        a = np.array([[[random_action(random, low, high, dtype) for _ in range(D)]]], dtype)
        drift = (random.normal(size=a.shape) * 10.0 ** random.uniform(-2, 2) / (high - low)).astype(
            dtype
        )
        eta, tau = dtype(10.0 ** random.uniform(-3, 0)), dtype(random.uniform(0, 2))
        rule = {"step_size": eta.item(), "temperature": tau.item()}
        arrays = box.arrays(D, dtype)
        stream = "leimkuhler_matthews" if averaged else "langevin"
        draws = [
            standard_normal(a.shape, seed=case, step=k, stream=stream, dtype=dtype) for k in (0, 1)
        ]
        if averaged:
            found = leimkuhler_matthews(a, drift, seed=case, support=box, **rule)
            want = reference.leimkuhler_matthews(a, drift, *draws, support=arrays, **rule)
            noise = (draws[0].astype(float) + draws[1]) / 2
        else:
            found = langevin(a, drift, seed=case, support=box, **rule)
            want = reference.langevin(a, drift, draws[0], support=arrays, **rule)
            noise = draws[0]
        for d in range(D):
            allowed = step_tolerance(
                float(a[0, 0, d]),
                float(drift[0, 0, d]),
                float(noise[0, 0, d]),
                float(eta),
                float(tau),
                kind,
                low,
                high,
                dtype,
            )
            assert abs(found[0, 0, d] - want[0, 0, d]) <= allowed
            assert low < found[0, 0, d] < high


@pytest.mark.twin
@pytest.mark.parametrize("kind", SQUASHES)
@pytest.mark.parametrize("matrix", [np.array([2.0, 0.5]), np.array([[1.44, 0.6], [0.6, 1.25]])])
def test_a_preconditioner_acts_on_y(kind, matrix):
    box = Box([-1, 0], [1, 3], kind)
    random = np.random.default_rng(3)
    a = random.uniform([-1, 0], [1, 3], (3, 7, 2))
    drift = random.normal(size=a.shape)
    noise = standard_normal(a.shape, seed=5, dtype=np.float64)
    rule = {"step_size": 0.1, "temperature": 0.7, "preconditioner": matrix}
    found = langevin(a, drift, seed=5, support=box, **rule)
    want = reference.langevin(a, drift, noise, support=box.arrays(2, np.float64), **rule)
    # 16 u (1 + |y|)^2 (...) <= 2e3 u for |y| < 4, times |M| <= 2.7 and a width of 3.
    assert np.abs(found - want).max() <= 2e4 * 1.1e-16
    one = langevin(
        a, drift, seed=5, support=box, step_size=0.1, temperature=0.7, preconditioner=np.ones(2)
    )
    plain = langevin(a, drift, seed=5, support=box, step_size=0.1, temperature=0.7)
    assert bits(one) == bits(plain)


def reward(a):
    return 1.5 * a + np.cos(2 * a)


def slope(a):
    return 1.5 - 2 * np.sin(2 * a)


@pytest.mark.statistics
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
def test_langevin_keeps_the_law_of_the_exact_operator(kind, dtype):
    """From draws of the operator's stationary law, three steps, on [-0.5, 1.5]; and that law is at
    a KL of O(step_size^2) from the Gibbs law."""
    low, high, tau, n = -0.5, 1.5, 0.6, 200_000
    floors = []
    for eta in (0.1, 0.2):
        chain = squashed_chain(
            lambda a: reward(a)[None],
            lambda a: slope(a)[None],
            low,
            high,
            temperature=tau,
            step_size=eta,
            squash=kind,
            n=400,
        )
        law = stationary_density(chain.operator, chain.grid)
        floors.append(float(chain.kl_floor(law)[0]))
    assert 3.5 < floors[1] / floors[0] < 4.8  # O(eta^2), with more at 0.2
    weights = law[0] * chain.grid.weights
    y = chain.grid.points[:, 0]
    dy = y[1] - y[0]
    edges, heights = np.append(y - dy / 2, y[-1] + dy / 2), np.append(0, np.cumsum(weights))
    random = np.random.default_rng(4)
    start = np.interp(random.random(n), heights, edges)
    box = Box(low, high, kind)
    a = squash.actions(np.ascontiguousarray(start.reshape(n, 1, 1), dtype=dtype), box)
    for step in range(3):
        langevin(
            a,
            slope(a).astype(dtype),
            step_size=0.2,
            temperature=tau,
            seed=6,
            step=step,
            support=box,
            out=a,
        )
    found = squash.unbounded(a, box)
    # Linear between cells of probability < 0.03: off by dy^2 max|law'|/8 < 1e-4.
    assert_cdf(found, lambda z: np.interp(z, edges, heights), detects=0.013)
    # A step without the Jacobian term has another law.
    forgot = slope(a) - tau * squash.log_slope_gradient(a, box)
    for step in range(3):
        langevin(
            a,
            forgot.astype(dtype),
            step_size=0.2,
            temperature=tau,
            seed=7,
            step=step,
            support=box,
            out=a,
        )
    with pytest.raises(AssertionError, match="distribution"):
        assert_cdf(squash.unbounded(a, box), lambda z: np.interp(z, edges, heights), detects=0.013)


@pytest.mark.statistics
@pytest.mark.parametrize("kind", SQUASHES)
def test_leimkuhler_matthews_is_nearer_to_the_gibbs_law_than_langevin(kind):
    """E a^2 after 20 steps from Gibbs draws, which leaves less than 3 % of a bias to come: the
    Langevin step is off by what its operator says, the averaged one by too little to be seen."""
    low, high, tau, n, steps = -1.0, 1.0, 0.5, 200_000, 20
    eta = 0.25
    chain = squashed_chain(
        lambda a: reward(a)[None],
        lambda a: slope(a)[None],
        low,
        high,
        temperature=tau,
        step_size=eta,
        squash=kind,
        n=400,
    )
    law = stationary_density(chain.operator, chain.grid)
    gibbs = float(chain.grid.integrate(chain.gibbs * chain.actions**2)[0])
    biased = float(chain.grid.integrate(law * chain.actions**2)[0])
    square = float(chain.grid.integrate(law * chain.actions**4)[0])
    assert biased - gibbs > 0.03
    random = np.random.default_rng(5)
    weights = (chain.gibbs[0] * chain.grid.weights).cumsum()
    a = np.interp(random.random(n), weights, chain.actions).reshape(n, 1, 1)
    box = Box(low, high, kind)
    claim = {"variance": square - biased**2 + 0.01, "bound": 1.0, "detects": 0.016}
    for move, expected in ((langevin, biased), (leimkuhler_matthews, gibbs)):
        cloud = a.copy()
        for step in range(steps):
            move(
                cloud,
                slope(cloud),
                step_size=eta,
                temperature=tau,
                seed=8,
                step=step,
                support=box,
                out=cloud,
            )
        if move is langevin:
            with pytest.raises(AssertionError, match="mean"):
                assert_mean(cloud**2, gibbs, **claim)
        assert_mean(cloud**2, expected, **claim)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_uniform_law_is_standard_normal_behind_probit(dtype):
    u = np.random.default_rng(0).random((200_000, 1, 1))
    a = (3 * u - 1).astype(dtype)
    box = Box(-1, 2, "probit")
    y = squash.unbounded(a, box)
    assert_variance(y, 1.0, mean=0.0, detects=0.04)
    # Without drift, one step of y <- (1 - eta tau) y + noise: variance 1 + (eta tau)^2.
    eta = 0.5
    moved = langevin(a, np.zeros_like(a), step_size=eta, temperature=1.0, seed=3, support=box)
    assert_variance(squash.unbounded(moved, box), 1 + eta**2, mean=0.0, detects=0.04)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SQUASHES)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_mixture_of_actions_equals_its_twin(kind, exclude_self, dtype):
    box = Box([-1, 0], [1, 3], kind)
    random, u = np.random.default_rng(6), unit_roundoff(dtype)
    for _ in range(25):
        shape = (2, int(random.integers(2, 6)), 2)
        points = random.uniform([-1, 0], [1, 3], shape).astype(dtype)
        means = random.uniform([-1, 0], [1, 3], shape).astype(dtype)
        points[0, 0, 0] = -1
        std = random.uniform(0.2, 1.5, 2).astype(dtype)
        found = mixture_log_density(points, means, std, box, exclude_self=exclude_self)
        arrays = box.arrays(2, dtype)
        want = reference_density.mixture_log_density(
            points, means, std, arrays, exclude_self=exclude_self
        )
        # The bound of the docstring, with N = 5, D = 2, R = |y| and X from the answer itself.
        y, _ = reference_density.on_the_line(points, arrays)
        m, _ = reference_density.on_the_line(means, arrays)
        R = max(np.abs(y).max(), np.abs(m).max())
        for s in range(2):
            sd = float(std[s])
            away = ((y[s][:, None] - m[s][None]) ** 2).sum(axis=2)
            if exclude_self:
                away[np.arange(len(away)), np.arange(len(away))] = np.inf
            X = math.log(5) + away.min(axis=1) / (2 * sd * sd)
            bound = 5 + 30 + 16 * X + 4 * np.sqrt(4 * X) * R / sd + 4 * np.abs(want[s])
            bound += 8 * (1 + abs(math.log(sd)))
            bound += 20 * (1 + R) * np.sqrt(4 * X) / sd + 80 * (1 + R * R)
            assert np.all(np.abs(found[s] - want[s]) <= u * bound)


@pytest.mark.closed_form
@pytest.mark.parametrize("kind", SQUASHES)
def test_a_mixture_of_actions_has_mass_one_and_is_the_law_of_a_step(kind):
    """The density of "pick a particle, take one step", with means as `log_slope_gradient` says,
    integrates to one and gives E a' of the draws."""
    box = Box(-0.5, 1.5, kind)
    tau, eta = 0.5, 0.1
    a = np.array([[[-0.3], [0.2], [1.3]]])
    drift = slope(a)
    means = langevin(
        a,
        drift + tau * squash.log_slope_gradient(a, box),
        step_size=eta,
        temperature=0.0,
        seed=0,
        support=box,
    )
    y = np.linspace(-7, 7, 20_001)
    points = squash.actions(y.reshape(1, -1, 1), box)
    std = math.sqrt(2 * eta * tau)
    log_density = mixture_log_density(points, means, std, box)
    per_y = np.exp(log_density[0] + squash.log_slope(points, box)[0])
    mass = float(per_y.sum() * (y[1] - y[0]))
    assert abs(mass - 1) < 1e-6  # |y| = 7 is beyond the tails, and walls end y at 18
    mean = float((per_y * points[0, :, 0]).sum() * (y[1] - y[0]))
    many = np.tile(a, (70_000, 1, 1))
    moved = langevin(many, slope(many), step_size=eta, temperature=tau, seed=9, support=box)
    assert_mean(moved, mean, variance=1.0, bound=2.0, detects=0.025)
    # -mean log q of its own draws is the entropy, which quadrature knows.
    exact = -float((per_y * log_density[0]).sum() * (y[1] - y[0]))
    each = np.tile(means, (70_000, 1, 1))
    terms = entropy(moved, "mixture", means=each, std=std, estimator="self", support=box)
    assert_mean(terms, exact, variance=1.0, bound=10.0, detects=0.045)


def test_a_mixture_refuses_what_lies_outside():
    box = Box(0, 1, "tanh")
    inside, outside = np.full((1, 2, 1), 0.5), np.full((1, 2, 1), 1.5)
    with pytest.raises(ValueError, match="points"):
        mixture_log_density(outside, inside, 0.1, box)
    with pytest.raises(ValueError, match="means"):
        mixture_log_density(inside, outside, 0.1, box)
