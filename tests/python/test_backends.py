"""One body of tests for every backend: the naive twins, the compiled routines, and, where there is
a GPU, its routines. What a test says holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from backends import BACKENDS
from step_supports import SUPPORTS
from wpg.critics import KernelQ

S, N, D = 3, 7, 2
RULE = {"step_size": 0.1, "temperature": 0.5, "seed": 3}
# Twenty operations on numbers of about one, and a draw's own error (the docstring of
# wpg.noise.standard_normal); a squash adds (1 + |y|)^2 <= 100.
CLOSE = {np.float32: 20 * 6e-8 + 1e-6, np.float64: 20 * 1.2e-16 + 4e-15}


@pytest.fixture(params=BACKENDS)
def routines(request):
    return BACKENDS[request.param]


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def cloud(dtype):
    return np.random.default_rng(0).uniform(0.05, 0.6, (S, N, D)).astype(dtype)


@pytest.fixture
def drift(dtype):
    return np.random.default_rng(1).standard_normal((S, N, D)).astype(dtype)


class Bowl:
    """Q = -|a|^2 / 2 in every state."""

    def value_and_action_gradient(self, states, particles):
        return -0.5 * np.square(particles).sum(-1), -particles


@pytest.mark.parametrize("support", [k for k in SUPPORTS if k != "clip"])
@pytest.mark.parametrize("step", ["langevin", "leimkuhler_matthews", "mala"])
def test_steps_end_inside_and_are_the_same_on_every_backend(routines, dtype, cloud, step, support):
    def move(backend):
        rule = {**RULE, "support": SUPPORTS[support]}
        if step == "mala":
            return backend.mala(cloud, Bowl(), np.zeros((S, 1), dtype), **rule)[0]
        return getattr(backend, step)(cloud, -cloud, **rule)

    found, want = move(routines), move(BACKENDS["reference"])
    if SUPPORTS[support] is not None:
        assert SUPPORTS[support].contains(np.asarray(found, dtype))
    apart = np.abs(found - want)
    if support == "torus":
        apart = np.minimum(apart, 0.8 - apart)
    assert apart.max() <= CLOSE[dtype] * (100 if support in ("tanh", "probit") else 1)


@pytest.mark.parametrize("step", ["langevin", "leimkuhler_matthews"])
def test_without_temperature_a_step_is_gradient_ascent(routines, dtype, cloud, drift, step):
    rule = {**RULE, "temperature": 0.0}
    np.testing.assert_allclose(
        getattr(routines, step)(cloud, drift, **rule),
        cloud.astype(float) + 0.1 * drift,
        rtol=0,
        atol=CLOSE[dtype],
    )


@pytest.mark.parametrize("velocity", ["svgd_velocity", "blob_velocity"])
def test_a_single_particle_has_no_repulsion(routines, dtype, cloud, drift, velocity):
    found = getattr(routines, velocity)(
        cloud[:, :1].copy(), drift[:, :1].copy(), temperature=0.5, bandwidth=0.3
    )
    np.testing.assert_allclose(found, drift[:, :1], rtol=4 * CLOSE[dtype])


@pytest.mark.parametrize("velocity", ["svgd_velocity", "blob_velocity"])
def test_velocities_follow_the_order_of_the_particles(routines, dtype, cloud, drift, velocity):
    rule = {"temperature": 0.5, "bandwidth": 0.3}
    found = getattr(routines, velocity)(cloud, drift, **rule)
    turned = getattr(routines, velocity)(cloud[:, ::-1].copy(), drift[:, ::-1].copy(), **rule)
    # Sums of 2N terms of at most |drift| + 0.5 * 0.6 / 0.3^2 < 7 each.
    np.testing.assert_allclose(turned[:, ::-1], found, rtol=0, atol=14 * CLOSE[dtype])


def test_the_repulsion_of_a_cloud_sums_to_zero(routines, dtype, cloud):
    found = routines.svgd_velocity(cloud, np.zeros_like(cloud), temperature=0.5, bandwidth=0.3)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=7 * N * CLOSE[dtype])


def test_a_kernel_density_is_that_of_its_particles(routines, dtype, cloud):
    """Two equal particles: N(a; a, l^2) and the slope of one bump."""
    pair = np.repeat(cloud[:, :1], 2, axis=1)
    found = routines.kde_log_density(pair, bandwidth=0.3)
    np.testing.assert_allclose(found, -np.log(2 * np.pi * 0.3**2), rtol=10 * CLOSE[dtype])
    point = pair[:, :1] + dtype(0.3)
    away = routines.kde_log_density(pair, point, bandwidth=0.3)
    np.testing.assert_allclose(away - found[:, :1], -D / 2, rtol=20 * CLOSE[dtype])
    np.testing.assert_allclose(routines.kde_score(pair, bandwidth=0.3), 0, atol=CLOSE[dtype])


def test_the_median_rule_of_three_on_a_line(routines, dtype):
    line = np.array([[[0.0], [1.0], [3.0]]], dtype)  # distances 1, 2, 3
    np.testing.assert_allclose(
        routines.median_bandwidth(line), 2 / np.sqrt(2 * np.log(4)), rtol=CLOSE[dtype]
    )


def test_the_discrepancy_of_one_particle(routines, dtype, cloud, drift):
    """k = 1, no slopes: KSD^2 = |drift / temperature|^2 + D / l^2."""
    found = routines.kernel_stein_discrepancy(
        cloud[:, :1].copy(), drift[:, :1].copy(), temperature=0.5, bandwidth=0.3
    )
    want = np.sqrt(np.square(drift[:, 0].astype(float) / 0.5).sum(-1) + D / 0.3**2)
    np.testing.assert_allclose(found, want, rtol=10 * CLOSE[dtype])


def test_an_adapted_step_knows_the_curvature(routines, dtype, cloud):
    moved = cloud + dtype(0.5)
    found = routines.adaptive_step_size(
        cloud, -4 * cloud, moved, -4 * moved, fraction=0.2, maximum=1.0
    )
    np.testing.assert_allclose(found, 0.05, rtol=20 * CLOSE[dtype])


def test_births_and_deaths_keep_the_number_and_name_the_ancestors(routines, dtype, cloud):
    q_values = -3 * np.square(cloud).sum(-1)
    rule = {"temperature": 0.5, "rate": 5.0, "step_size": 0.5, "bandwidth": 0.3, "seed": 3}
    found, ancestors = routines.birth_death(cloud, q_values, **rule)
    np.testing.assert_array_equal(found, np.take_along_axis(cloud, ancestors[..., None], axis=1))
    assert len(np.unique(ancestors[0])) < N  # somebody died
    want = BACKENDS["reference"].birth_death(cloud, q_values, **rule)[1]
    np.testing.assert_array_equal(ancestors, want)


@pytest.mark.parametrize("kernel", ["gaussian", "matern52", "imq"])
def test_one_centre_is_its_kernel(routines, dtype, cloud, kernel):
    """At the centre the value is the weight and the slope 0; away from it the value is less."""
    critic = KernelQ(
        np.zeros((1, 1), dtype),
        cloud[0, :1].copy(),
        np.array([2.0], dtype),
        state_lengthscale=0.5,
        action_lengthscale=0.5,
        kernel=kernel,
    )
    value, slope = routines.kernel_q(critic, np.zeros((S, 1), dtype), cloud)
    np.testing.assert_allclose(value[0, 0], 2.0, rtol=CLOSE[dtype])
    np.testing.assert_allclose(slope[0, 0], 0, atol=CLOSE[dtype])
    assert np.all(value[0, 1:] < value[0, 0])
    toward = np.sum(slope[0, 1:] * (cloud[0, :1] - cloud[0, 1:]), axis=-1)
    assert np.all(toward > 0)
