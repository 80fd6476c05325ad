"""The mixture of Gaussians, its exact bandit, and the two environments made of it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import scipy.special
import scipy.stats
from gymnasium.utils.env_checker import check_env

from statistical_claims import assert_cdf, assert_mean
from wpg.exact import GaussianMixture, gaussian_mixture, gmm40
from wpg.supports import Box

MEANS = np.array([[-2.0, 0.5], [1.0, 1.0], [3.0, -2.0]])
STD = np.array([0.5, 1.0, 2.0])
WEIGHTS = np.array([0.2, 0.5, 0.3])


def uneven() -> GaussianMixture:
    return GaussianMixture(MEANS, STD, WEIGHTS)


# The mixture


@pytest.mark.closed_form
def test_log_density_is_that_of_scipy() -> None:
    """Three terms and a logarithm: 1e-13 is some hundred roundings."""
    points = np.random.default_rng(0).uniform(-6, 6, (5, 700, 2))  # more than one block
    density = sum(
        w * scipy.stats.multivariate_normal(m, s**2 * np.eye(2)).pdf(points)
        for m, s, w in zip(MEANS, STD, WEIGHTS, strict=True)
    )
    found = uneven().log_density(points)
    assert found.shape == (5, 700)
    np.testing.assert_allclose(found, np.log(density), rtol=1e-13, atol=1e-13)


@pytest.mark.closed_form
def test_far_away_the_nearest_gaussian_is_left() -> None:
    """Where p underflows its logarithm is a parabola: -|a|^2/(2 s^2) of the widest."""
    value, gradient = uneven().log_density_and_gradient(np.array([3e4, -2.0]))
    top = np.log(0.3) - np.log(2 * np.pi * 4.0)
    assert value == pytest.approx(top - (3e4 - 3.0) ** 2 / 8.0, rel=1e-13)
    np.testing.assert_allclose(gradient, [-(3e4 - 3.0) / 4.0, 0.0], rtol=1e-13)


@pytest.mark.closed_form
def test_the_gradient_is_the_derivative() -> None:
    """Central differences over 1e-5: third derivatives here are below 1e3, so 2e-8, and rounding
    adds 1e-15 * 50 / 1e-5."""
    mixture = uneven()
    points = np.random.default_rng(1).uniform(-5, 5, (300, 2))
    value, gradient = mixture.log_density_and_gradient(points)
    assert (value == mixture.log_density(points)).all()
    for d in range(2):
        step = 1e-5 * np.eye(2)[d]
        slope = (mixture.log_density(points + step) - mixture.log_density(points - step)) / 2e-5
        np.testing.assert_allclose(gradient[:, d], slope, rtol=0, atol=3e-8)


@pytest.mark.closed_form
def test_the_nearest_mode() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(-6, 6, (40, 50, 2))
    mode, distance = uneven().nearest_mode(points)
    away = np.linalg.norm(points[..., None, :] - MEANS, axis=-1) / STD
    terms = np.log(WEIGHTS / STD**2) - 0.5 * away**2
    np.testing.assert_array_equal(mode, terms.argmax(-1))
    own = np.take_along_axis(away, mode[..., None], -1)[..., 0]
    np.testing.assert_allclose(distance, own, rtol=1e-14)
    # Equal weights and deviations: the nearest mean; the first of two.
    equal = GaussianMixture(MEANS, 0.7)
    plain = np.linalg.norm(points[..., None, :] - MEANS, axis=-1).argmin(-1)
    np.testing.assert_array_equal(equal.nearest_mode(points)[0], plain)
    pair = GaussianMixture([[-1.0], [1.0]], 1.0)
    assert pair.nearest_mode([[0.0], [0.25]])[0].tolist() == [0, 1]


@pytest.mark.statistics
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weights"])
def test_draws_have_the_law(weights: Any) -> None:
    """20000 independent draws; the distribution functions along two directions and the mass of a
    half plane decide more than is needed. Three claims a case, each wrong at most once in 1e9."""
    mixture = GaussianMixture(MEANS, STD, weights)
    draws = mixture.draw(20_000, seed=3)
    assert draws.shape == (20_000, 2)
    np.testing.assert_array_equal(draws, mixture.draw(20_000, seed=3))
    for direction in (np.array([1.0, 0.0]), np.array([0.6, 0.8])):

        def cdf(x: Any, direction: Any = direction) -> Any:
            return scipy.special.ndtr((x[:, None] - MEANS @ direction) / STD) @ mixture.weights

        assert_cdf(draws @ direction, cdf, detects=0.04)
    right = float(mixture.weights @ scipy.special.ndtr(MEANS[:, 0] / STD))
    assert_mean(draws[:, 0] > 0, right, variance=right * (1 - right), bound=1.0, detects=0.05)


@pytest.mark.closed_form
def test_mass_outside_a_box() -> None:
    """One Gaussian in one dimension: 2 Phi(-k). Far tails keep their digits."""
    one = GaussianMixture([[0.0]], 2.0)
    for k in (0.5, 3.0, 12.0):
        assert one.mass_outside(-2 * k, 2 * k) == pytest.approx(
            2 * scipy.special.ndtr(-k), rel=1e-13
        )
    two = GaussianMixture(MEANS, STD, WEIGHTS)
    low, high = np.array([-1.0, -np.inf]), np.array([4.0, 1.0])
    inside = 0.0
    for m, s, w in zip(MEANS, STD, WEIGHTS, strict=True):
        x, y = scipy.stats.norm(m[0], s), scipy.stats.norm(m[1], s)
        inside += w * (x.cdf(4.0) - x.cdf(-1.0)) * y.cdf(1.0)
    assert two.mass_outside(low, high) == pytest.approx(1.0 - inside, abs=1e-14)
    assert two.mass_outside(1e6, 2e6) == 1.0


def test_what_a_mixture_refuses() -> None:
    mixture = uneven()
    with pytest.raises(ValueError, match=r"points has shape \(4, 3\); its last axis .* D = 2"):
        mixture.log_density(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="points has shape \\(\\)"):
        mixture.nearest_mode(0.0)
    with pytest.raises(TypeError, match="points has dtype complex128"):
        mixture.log_density(np.zeros((4, 2), complex))
    with pytest.raises(ValueError, match="points holds numbers that are not finite"):
        mixture.log_density_and_gradient([[0.0, np.inf]])
    with pytest.raises(ValueError, match="n is -1"):
        mixture.draw(-1, seed=0)
    with pytest.raises(ValueError, match=r"seed is 0\.5"):
        mixture.draw(1, seed=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="read-only"):
        mixture.means[0] = 0.0
    assert mixture.log_density(np.zeros((0, 2))).shape == (0,)
    assert repr(mixture) == "GaussianMixture(C=3, D=2)"


# The exact problems


@pytest.mark.closed_form
def test_walls_cut_the_value() -> None:
    """V* = temperature log of the mass inside. The midpoint rule with 4000 points on [-1, 1.5] is
    off by at most dx^2 (b - a) max|p''| / 24 = 4e-7 / 24 * 2.5 * 4, and log by three times that."""
    problem = gaussian_mixture(
        [[-1.5], [1.0]], 0.5, [0.3, 0.7], temperature=0.7, support=Box(-1.0, 1.5)
    )
    assert problem.mixture is not None
    inside = 1.0 - problem.mixture.mass_outside(-1.0, 1.5)
    assert problem.optimal_value == pytest.approx(0.7 * np.log(inside), rel=1e-13)
    assert problem.solve(problem.grid(4000)).value[0] == pytest.approx(
        problem.optimal_value, abs=1e-6
    )
    with pytest.raises(TypeError, match="support is 3; it must be a"):
        gaussian_mixture(support=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it holds nothing of the mixture"):
        gaussian_mixture(support=Box(1e3, 2e3))
    with pytest.raises(ValueError, match=r"support\.low has 3 coordinates"):
        gaussian_mixture(support=Box([-1.0] * 3, [1.0] * 3))


@pytest.mark.closed_form
def test_forty_modes() -> None:
    """With 100 points a dimension a cell is 0.76 deviations: exp(-2 pi^2 / 0.76^2) = 2e-15 and
    walls of 3e-14."""
    problem = gmm40(3)
    mixture = problem.mixture
    assert mixture is not None
    assert len(mixture) == 40
    np.testing.assert_array_equal(mixture.std, np.full(40, np.log(1 + np.e)))
    np.testing.assert_array_equal(mixture.means, np.random.default_rng(3).uniform(-40, 40, (40, 2)))
    assert (problem.low.tolist(), problem.high.tolist()) == ([-50, -50], [50, 50])
    assert abs(problem.solve(problem.grid(100)).value[0]) <= 1e-13
    assert problem.optimal_value == pytest.approx(0.0, abs=3e-14)
    with pytest.raises(ValueError, match="seed is -1"):
        gmm40(-1)


@pytest.mark.closed_form
def test_kl_of_a_law_by_quadrature() -> None:
    """Modes ten deviations apart: KL of two mixtures of the same Gaussians is that of their
    weights, up to exp(-25/2) * a few: what lies between belongs to both."""
    env: Any = gymnasium.make(
        "wpg/GaussianMixtureBandit-v0", means=[[-2.5, 0.0], [2.5, 0.0]], deviation=0.5
    )
    problem = env.unwrapped.problem
    grid = problem.grid(100)
    law = GaussianMixture([[-2.5, 0.0], [2.5, 0.0]], 0.5, [0.9, 0.1])
    density = grid.normalise(np.exp(law.log_density(grid.points))[None])
    kl = grid.kl(density, problem.mixture.log_density(grid.points))[0] + problem.optimal_value
    assert kl == pytest.approx(0.9 * np.log(1.8) + 0.1 * np.log(0.2), abs=1e-5)


# The environments


@pytest.mark.parametrize("name", ["wpg/GaussianMixtureBandit-v0", "wpg/GMM40-v0"])
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space")
def test_gymnasium_has_nothing_to_object(name: str) -> None:
    """But that actions are in the problem's units, which is meant. Other warnings are errors."""
    env = gymnasium.make(name)
    check_env(env.unwrapped)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 1
    assert env.action_space.dtype == env.observation_space.dtype == np.float32


@pytest.mark.closed_form
def test_the_bandit_pays_its_log_density() -> None:
    env: Any = gymnasium.make(
        "wpg/GaussianMixtureBandit-v0",
        means=MEANS,
        deviation=STD,
        weights=WEIGHTS,
        temperature=0.5,
        low=-6.0,
        high=[6.0, 5.0],
    )
    assert env.action_space == gymnasium.spaces.Box(
        np.float32([-6, -6]), np.float32([6, 5]), dtype=np.float32
    )
    env.action_space.seed(4)
    for _ in range(20):
        assert env.reset(seed=0)[0].tolist() == [0.0]
        action = env.action_space.sample()
        observation, reward, terminated, truncated, _ = env.step(action)
        assert (observation.tolist(), terminated, truncated) == ([0.0], True, True)
        assert reward == 0.5 * uneven().log_density(action.astype(np.float64))


@pytest.mark.closed_form
def test_forty_modes_pay_what_is_stated() -> None:
    env: Any = gymnasium.make("wpg/GMM40-v0")
    assert env.action_space == gymnasium.spaces.Box(-50, 50, (2,), np.float32)
    means = env.unwrapped.problem.mixture.means
    rewards = []
    for mean in means:
        env.reset(seed=0)
        rewards.append(env.step(mean.astype(np.float32))[1])
    problem = env.unwrapped.problem
    assert problem.on_grid(problem.grid(200))[0].max() == pytest.approx(-5.49, abs=0.01)
    assert np.median(rewards) == pytest.approx(-6.07, abs=0.01)
    corners = []
    for corner in np.float32([[-50, -50], [-50, 50], [50, -50], [50, 50]]):
        env.reset(seed=0)
        corners.append(env.step(corner)[1])
    assert min(corners) == pytest.approx(-246, abs=1.0)
    other: Any = gymnasium.make("wpg/GMM40-v0", seed=5)
    assert not np.array_equal(other.unwrapped.problem.mixture.means, means)


@pytest.mark.parametrize(
    ("name", "keywords", "words"),
    [
        ("wpg/GaussianMixtureBandit-v0", {"low": -1.0}, "low is given without high"),
        ("wpg/GaussianMixtureBandit-v0", {"high": 1.0}, "high is given without low"),
        ("wpg/GaussianMixtureBandit-v0", {"means": [0.0]}, "means has shape"),
        ("wpg/GaussianMixtureBandit-v0", {"deviation": 0.0}, "deviation is 0.0"),
        ("wpg/GaussianMixtureBandit-v0", {"temperature": 0.0}, "temperature is 0.0"),
        ("wpg/GMM40-v0", {"seed": 1.5}, "seed is 1.5"),
        ("wpg/GMM40-v0", {"modes": 3}, "modes"),
    ],
)
def test_bad_keywords_are_refused_by_name(name: str, keywords: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        gymnasium.make(name, **keywords)
