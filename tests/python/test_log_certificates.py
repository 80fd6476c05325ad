"""The certificate columns of the log, on `wpg/LQR-v0`, against the exact lab and quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import wpg
from wpg.agents import agent as agent_module
from wpg.agents import gibbs
from wpg.envs import LQREnv
from wpg.evaluation import evaluate

TRANSITIONS, PARTICLES = 400, agent_module.CERTIFIED_PARTICLES
PROBLEM = LQREnv().problem
SOLUTION = PROBLEM.optimal()
CHI_SQUARE = 0.25  # of the Gibbs policy from the acting law, at most; measured below
BOUND = 5 * PROBLEM.discount * PROBLEM.temperature * np.sqrt(CHI_SQUARE / PARTICLES)


class ExactCritic:
    """The soft Q-function of the problem itself, which nothing can be taught."""

    def value(self, states: Any, particles: Any, *, aggregate: Any = None) -> Any:
        q = PROBLEM.q(SOLUTION.K, SOLUTION.c, states.astype(float), particles.astype(float))
        return q.astype(np.float32)

    def value_and_action_gradient(
        self, states: Any, particles: Any, *, aggregate: Any = None
    ) -> Any:
        gradient = PROBLEM.q_gradient(SOLUTION.K, states.astype(float), particles.astype(float))
        return self.value(states, particles), gradient.astype(np.float32)

    def fit(self, states: Any, actions: Any, targets: Any, *, learning_rate: float) -> Any:
        return np.zeros(1)

    def target(self) -> Any:
        return self

    def move_towards(self, other: Any, rate: float) -> None:
        pass

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        pass


@pytest.fixture(scope="module")
def trained() -> tuple[Any, list[Any], list[dict[str, float]]]:
    """An agent whose critic is exact, the transitions of its last evaluation, the log's rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent_module, "CERTIFIED_TRANSITIONS", TRANSITIONS)
        agent = wpg.WPG(
            "wpg/LQR-v0",
            critic=ExactCritic(),
            seed=3,
            temperature=PROBLEM.temperature,
            normalise_observations=False,
            width=32,
            particles=32,
            batch_size=64,
            warmup_steps=100,
            evaluation_interval=900,
            evaluation_episodes=4,
        )
        rows: list[dict[str, float]] = []
        agent.learn(
            900, callback=lambda a, event, r: rows.append(r) if event == "episode" else None
        )
    seen: list[Any] = []
    evaluate(lambda s, step: agent.predict(s)[0], agent.evaluation_envs(4), seen=seen.append)
    assert len(seen) == TRANSITIONS
    return agent, [np.stack(column) for column in zip(*seen, strict=True)], rows


@pytest.mark.closed_form
def test_the_bellman_residual_of_the_exact_critic_is_the_noise_of_the_environment(
    trained: Any,
) -> None:
    """q(s, a) - r - discount V(s') = discount (E V(s') - V(s')), of mean 0 and variance

        discount^2 (m'K W K m + tr(K W K W)/2),   m = E s'

    The log's columns are over 400 transitions: their mean is off by 4 standard errors in one of
    16,000 such tests, and the mean square, of independent chi-square-like terms, by 4 times
    sqrt(2/400) of itself. Walls cut V(s') where |F s'| is near 1, in the first steps alone: those
    with |F s'| + 3 standard deviations above 1 are left out here, and for all others walls take
    less than 0.0001 = T log(1 - 0.0014). The importance sum of N = 128 particles has standard error
    discount T sqrt(chi^2/N) by the state, and 5 of them are allowed.
    """
    agent, (s, a, r, after, terminated), _ = trained
    log_z = gibbs.log_partition(agent, after, PARTICLES)
    residual = gibbs.bellman_residual(agent, s, a, r, log_z, terminated)
    assert agent.bellman_bias == pytest.approx(residual.mean(), abs=1e-12)
    assert agent.bellman_residual == pytest.approx(np.sqrt((residual**2).mean()), abs=1e-12)

    deviation = np.sqrt(SOLUTION.covariance[0, 0])
    free = np.abs(after @ SOLUTION.F.T)[:, 0] + 3 * deviation < 1
    assert free.mean() > 0.9
    exact = PROBLEM.discount * (
        PROBLEM.expected_value(SOLUTION.K, SOLUTION.c, s, a[:, None])[:, 0] - SOLUTION.value(after)
    )
    assert 1 / gibbs.kl_to_gibbs(agent, after, log_z)[1].mean() - 1 < CHI_SQUARE
    assert np.abs(residual - exact)[free].max() < BOUND

    mean = (s @ PROBLEM.A.T + a @ PROBLEM.B.T)[free]
    noise = SOLUTION.K @ PROBLEM.W
    variance = (
        np.einsum("si,ij,sj->s", mean, noise @ SOLUTION.K, mean) + np.trace(noise @ noise) / 2
    )
    variance *= PROBLEM.discount**2
    n = free.sum()
    assert abs(residual[free].mean()) < 4 * np.sqrt(variance.mean() / n) + BOUND / 5
    assert (residual[free] ** 2).mean() == pytest.approx(variance.mean(), rel=4 * np.sqrt(2 / n))


@pytest.mark.closed_form
def test_the_kl_column_is_the_quadrature_of_the_acting_law_against_the_exact_gibbs_policy(
    trained: Any,
) -> None:
    """KL(pi || pi*) of the generator's mixture, written out Gaussian by Gaussian, on a grid. The
    column's 400 states x 32 draws leave a standard error that is measured here, and the importance
    sum a bias that is below it by the state."""
    agent, (*_, s, _), rows = trained
    # Unit actions are those of the environment here: the box is [-1, 1].
    grid = np.linspace(-1, 1, 4002)[1:-1]
    mixture = agent.averaged_policy.components(s)
    mean, deviation = mixture.means[..., 0].astype(float), np.exp(mixture.log_deviation[..., 0])
    kl = np.empty(len(s))
    for i, state in enumerate(s):
        z = (np.arctanh(grid)[:, None] - mean[i]) / deviation[i]
        density = (np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * deviation[i])).mean(axis=1)
        density /= 1 - grid**2
        step = grid[1] - grid[0]
        assert density.sum() * step == pytest.approx(1, abs=1e-3)
        q = PROBLEM.q(SOLUTION.K, SOLUTION.c, state[None], grid[None, :, None])[0]
        log_gibbs = q / PROBLEM.temperature
        log_gibbs -= np.log(np.exp(log_gibbs - log_gibbs.max()).sum() * step) + log_gibbs.max()
        kl[i] = (density * (np.log(np.maximum(density, 1e-300)) - log_gibbs)).sum() * step
    estimate, _ = gibbs.kl_to_gibbs(agent, s, gibbs.log_partition(agent, s, PARTICLES))
    assert agent.kl_to_gibbs == pytest.approx(estimate.mean(), abs=1e-12)
    error = (estimate - kl).std() / np.sqrt(len(s))
    assert error < 0.02
    assert abs(estimate.mean() - kl.mean()) < 4 * error + 0.005
    assert kl.mean() < 0.5  # and so it would notice a policy that is not there
    assert rows[-1]["kl_to_gibbs"] == agent.kl_to_gibbs


@pytest.mark.closed_form
def test_the_kernel_agents_particles_and_volume_give_the_soft_value_of_the_exact_critic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the problem's own Q in the place of the learned one, T log Z from the kernel agent's
    particles and their density is the exact lab's V: the particles have followed the learned
    critic, and a wrong density would not average out. The agent's own V is relative to the box's
    volume 2. Walls and the error of the sum as above; the chi-square distance is measured here."""
    monkeypatch.setattr(agent_module, "CERTIFIED_TRANSITIONS", TRANSITIONS)
    agent = wpg.WPG(
        "wpg/LQR-v0",
        seed=3,
        temperature=PROBLEM.temperature,
        evaluation_interval=600,
        evaluation_episodes=4,
    ).learn(600)
    seen: list[Any] = []
    evaluate(lambda s, step: agent.predict(s)[0], agent.evaluation_envs(4), seen=seen.append)
    s, a, r, after, terminated = (np.stack(column) for column in zip(*seen, strict=True))
    log_z = gibbs.log_partition(agent, after, PARTICLES)
    residual = gibbs.bellman_residual(agent, s, a, r, log_z, terminated)
    assert agent.bellman_residual == pytest.approx(np.sqrt((residual**2).mean()), abs=1e-12)
    assert agent.kl_to_gibbs == gibbs.kl_to_gibbs(agent, after, log_z)[0].mean()

    monkeypatch.setattr(agent, "state_action_values", ExactCritic().value)
    log_z = gibbs.log_partition(agent, after, PARTICLES)
    off = agent.temperature * log_z - SOLUTION.value(after)
    assert agent.log_base_volume == pytest.approx(np.log(2.0))
    free = np.abs(after @ SOLUTION.F.T)[:, 0] + 3 * np.sqrt(SOLUTION.covariance[0, 0]) < 1
    assert free.mean() > 0.9
    kept = gibbs.kl_to_gibbs(agent, after, log_z)[1]
    chi_square = 1 / kept[free].min() - 1
    assert chi_square < 3
    error = PROBLEM.temperature * np.sqrt(chi_square / PARTICLES)
    assert np.abs(off[free]).max() < 5 * error
    # The mean over 400 states: a factor of the density would move it by T log(it).
    assert abs(off[free].mean()) < 0.05 * PROBLEM.temperature


@pytest.mark.statistics
def test_the_kl_of_the_kernel_agent_bounds_that_of_the_actions_that_it_samples() -> None:
    """n = 20,000 sampled actions of a state in 20 bins: the KL of the bins is at most that of the
    law, and the draws add (20 - 1)/(2 n) = 0.0005 on average, with a standard error of
    sqrt(19/2)/n + sqrt(2 KL/n) < 0.006 for KL < 0.3. The bound is a mean over as many clouds, with
    a standard error that is measured. Four of both: one wrong failure in 10,000. The weights take
    the mixture's own KL, which is beyond 1 here, below 0.3."""
    agent = wpg.WPG("wpg/LQR-v0", seed=3, evaluation_interval=0).learn(600)
    n, edges = 20_000, np.linspace(-1, 1, 21)
    grid = (np.arange(4000) + 0.5) / 2000 - 1
    for state in agent.typical_observations(3):
        states = np.tile(state, (n, 1))
        scaled = agent.state_action_values(state[None], grid[None, :, None].astype(np.float32))[0]
        scaled /= agent.temperature
        gibbs_law = np.exp(scaled - scaled.max())
        log_z = np.log(gibbs_law.mean() * 2) + scaled.max()
        expected = gibbs_law.reshape(20, -1).sum(axis=1) / gibbs_law.sum()
        drawn = np.histogram(agent.act(states, "sample", step=5)[:, 0], edges)[0] / n
        there = drawn > 0
        kl = (drawn[there] * np.log(drawn[there] / expected[there])).sum()
        bound = gibbs.kl_to_gibbs(agent, states, np.full(n, log_z))[0]
        error = bound.std() / np.sqrt(n)
        assert -1e-12 < kl < 0.3
        assert kl - 0.0005 < bound.mean() + 4 * (error + 0.006)
        assert bound.mean() < 1


def test_an_evaluation_before_there_is_a_critic_leaves_the_columns_empty() -> None:
    agent = wpg.WPG("wpg/LQR-v0", evaluation_interval=20, evaluation_episodes=1, warmup_steps=50)
    rows: list[dict[str, float]] = []
    agent.learn(30, callback=lambda a, event, r: rows.append(r) if event == "evaluation" else None)
    assert np.isfinite(rows[0]["mean_return"])
    assert np.isnan([rows[0][name] for name in agent_module.CERTIFICATE]).all()
