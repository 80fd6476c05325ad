"""Particle policies: densities, weights and choices against quadrature."""

from __future__ import annotations

import numpy as np
import pytest

from wpg import critics, supports
from wpg.density import mixture_log_density
from wpg.policy import (
    ParticlePolicy,
    choose,
    medoids,
    soft_value,
    spread_particles,
)

BOX = supports.Box([-1.0, 0.0], [1.0, 3.0])


def two_modes(dtype: type = np.float32) -> critics.KernelQ:
    """Q on [-2, 2] with a high mode near 1 and a lower one near -1, at any state."""
    return critics.KernelQ(
        np.zeros((2, 1), dtype),
        np.array([[1.0], [-1.0]], dtype),
        np.array([1.0, 0.7], dtype),
        state_lengthscale=1e3,
        action_lengthscale=0.4,
    )


@pytest.mark.closed_form
def test_spread_particles_fill_the_box_evenly() -> None:
    cloud = spread_particles(BOX, 2, 256, 2)
    assert cloud.shape == (2, 256, 2)
    assert cloud.dtype == np.float32
    assert BOX.contains(cloud)
    np.testing.assert_array_equal(cloud[0], cloud[1])
    # Star discrepancy of this sequence is a few log(N)/N; each of 16 cells should hold 16 of 256.
    counts, _, _ = np.histogram2d(*cloud[0].T, bins=4, range=[[-1, 1], [0, 3]])
    assert counts.min() >= 12
    assert counts.max() <= 20


@pytest.mark.closed_form
def test_folded_mixture_integrates_to_one_and_matches_images() -> None:
    box = supports.Box(-1.0, 1.0)
    grid = np.linspace(-1, 1, 20001)[None, :, None]
    means = np.array([[[-0.99], [0.2], [1.3]]])  # near a wall, inside, beyond a wall
    std = np.array([0.2])
    density = np.exp(mixture_log_density(grid, means, std, box))[0]
    # Trapezoid rule on a smooth density: error below h^2 max|f''|/12 * 2 < 1e-6.
    assert np.trapezoid(density, grid[0, :, 0]) == pytest.approx(1.0, abs=1e-5)
    many = np.zeros(grid.shape[1])
    for m in means[0, :, 0]:
        for k in range(-6, 7):
            for image in (grid[0, :, 0] + 4 * k, -2 - grid[0, :, 0] + 4 * k):
                many += np.exp(-0.5 * ((image - m) / 0.2) ** 2) / (0.2 * np.sqrt(2 * np.pi)) / 3
    # Largest exponent (2.2/0.2)^2/2 = 60, known to about 15 u by the stated error: below 1e-13.
    np.testing.assert_allclose(density, many, rtol=1e-12)


@pytest.mark.closed_form
def test_soft_value_of_uniform_draws_is_the_integral() -> None:
    # Deterministic midpoint draws from the uniform law: the estimator is midpoint quadrature.
    edges = (np.arange(4000) + 0.5) / 4000 * 4 - 2
    q = two_modes(np.float64).value(np.zeros((1, 1)), edges[None, :, None])
    got = soft_value(q, np.full((1, 4000), -np.log(4.0)), 0.2)
    exact = 0.2 * np.log(np.trapezoid(np.exp(q[0] / 0.2), edges) + 1e-3 * np.exp(q[0, 0] / 0.2))
    assert got[0] == pytest.approx(exact, abs=1e-5)


@pytest.mark.statistics
def test_weighted_cloud_has_the_modes_in_their_gibbs_proportion() -> None:
    """At temperature 0.1 the modes hold e^(1/0.1) : e^(0.7/0.1), about 20 : 1, while the chain
    alone leaves about half of the particles at each. The weighted share of the low mode, averaged
    over 400 states, has a standard error that is estimated from the states; 6 of them fail wrongly
    in 2e-9 of cases. The bias is O(1/N): allowed 0.005; an unweighted cloud is off by 0.4."""
    critic, temperature, S = two_modes(), 0.1, 400
    policy = ParticlePolicy(supports.Box(-2.0, 2.0), 1, particles=64, steps=6, seed=3)
    states = np.zeros((S, 1), np.float32)
    cloud, values, density = policy.move(
        critic, states, policy.start(S), temperature=temperature, step=0
    )
    weights = np.exp(values / temperature - density)
    low = (weights * (cloud[:, :, 0] < 0)).sum(axis=1) / weights.sum(axis=1)
    grid = np.linspace(-2, 2, 4001)
    q = two_modes(np.float64).value(np.zeros((1, 1)), grid[None, :, None])[0]
    gibbs = np.exp(q / temperature)
    exact = gibbs[grid < 0].sum() / gibbs.sum()
    assert (cloud[:, :, 0] < 0).mean() > 0.3
    assert abs(low.mean() - exact) < 6 * low.std() / np.sqrt(S) + 0.005


@pytest.mark.closed_form
def test_best_finds_the_highest_mode() -> None:
    policy = ParticlePolicy(supports.Box(-2.0, 2.0), 1, particles=32, steps=4)
    action, value = policy.best(two_modes(), np.zeros((3, 1), np.float32))
    grid = np.linspace(-2, 2, 40001)
    q = two_modes(np.float64).value(np.zeros((1, 1)), grid[None, :, None])[0]
    # The last of five halved steps is 4/32/16 = 0.008 long; Q is flat to second order at its top.
    assert np.abs(action - grid[q.argmax()]).max() < 0.016
    assert np.abs(value - q.max()).max() < 1e-3


@pytest.mark.property
def test_states_do_not_see_each_other() -> None:
    policy = ParticlePolicy(supports.Box(-2.0, 2.0), 1, particles=16, steps=3, seed=1)
    states = np.linspace(-1, 1, 7, dtype=np.float32)[:, None]
    critic = critics.KernelQ(
        np.zeros((2, 1), np.float32),
        np.array([[1.0], [-1.0]], np.float32),
        np.array([1.0, 0.7], np.float32),
        state_lengthscale=1.0,
        action_lengthscale=0.4,
    )
    together, _ = policy.best(critic, states)
    for i in range(len(states)):
        alone, _ = policy.best(critic, states[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_choose_inverts_the_cumulative_weights() -> None:
    weights = np.array([[0.0, 1.0, 3.0, 0.0]] * 4)
    picked = choose(weights, np.array([0.0001, 0.2499, 0.2501, 0.9999]))
    np.testing.assert_array_equal(picked, [1, 1, 2, 2])


def test_medoids_are_the_particles_with_the_least_sum_of_distances() -> None:
    cloud = np.random.default_rng(3).normal(size=(5, 9, 2))
    for particles, medoid in zip(cloud, medoids(cloud), strict=True):
        sums = [sum(float(np.linalg.norm(a - b)) for b in particles) for a in particles]
        np.testing.assert_array_equal(medoid, particles[int(np.argmin(sums))])
