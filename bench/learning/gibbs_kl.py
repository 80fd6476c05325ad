"""Is the temperature exact? KL of the neural agent's acting law to the exact Gibbs policy.

    python bench/learning/gibbs_kl.py --seeds 460 463

Two problems whose soft-optimal policy is known, at a fixed temperature that the agent is told:
`wpg/LQR-v0`, where it is N(-F s, covariance), and `wpg/GaussianMixtureBandit-v0`, where it is two
Gaussians of weights 0.3 and 0.7. The acting law is the mixture of the agent's own particles, N
components for each state, so

    KL(acting || Gibbs) = mean over particles of log m(a) - log pi*(a)

is an average over draws. It is reported twice, because a density of N components is itself a draw:
with components drawn anew, so that no particle counts its own Gaussian, it is too low on average
(log of a mean, Jensen); with the particles' own it is too high (KL is convex); the law of
infinitely many components lies between. The standard error is that of the points, given the
components. Soft actor-critic stands beside it: one Gaussian, for which the two are the same.

Seeds of this report must not have been used while settings were chosen. Used so far: 9000 to 9009.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gymnasium
import numpy as np
from numpy.typing import NDArray

import record
from lqr_gain import design
from wpg.agents import make_agent
from wpg.generator import UNIT_BOX, log_mixture
from wpg.generator import log_density as generator_log_density
from wpg.squash import log_slope

Float64 = NDArray[np.float64]
COMPONENTS = 512
BANDIT = {
    "means": ((-1.5, 0.0), (1.5, 0.5)),
    "deviation": 0.5,
    "weights": (0.3, 0.7),
    "temperature": 1.0,
    "low": (-3.0, -3.0),
    "high": (3.0, 3.0),
}
TEMPERATURES = {"wpg/LQR-v0": 0.05, "wpg/GaussianMixtureBandit-v0": 1.0}


def acting_law(agent: Any, observations: NDArray[np.float32]) -> tuple[Float64, Float64, Float64]:
    """Draws (S, N, D) [action] of the acting law and its log density (S, N) there, from components
    drawn anew and from the draws' own."""
    policy, half = agent.averaged_policy, agent._half.astype(np.float64)
    states = agent._states(observations)
    points = policy.draw(states, COMPONENTS, step=1, stream="evaluation")
    components = policy.draw(states, COMPONENTS, step=2, stream="evaluation")
    log_density = np.concatenate(
        [
            log_mixture(points.free[s : s + 1], components.of_states(slice(s, s + 1)))[0]
            for s in range(len(observations))
        ]
    ) - log_slope(points.actions, UNIT_BOX)
    actions = agent._middle + half * points.actions
    volume = np.log(half).sum()
    own = generator_log_density(points).astype(np.float64)
    return actions, log_density.astype(np.float64) - volume, own - volume


def log_gibbs(env: Any, states: Float64, actions: Float64) -> Float64:
    """log pi* (S, N) of the exact problem."""
    problem = env.unwrapped.problem
    if hasattr(problem, "mixture"):
        inside = problem.mixture.log_density(actions)
        low, high = np.array(BANDIT["low"]), np.array(BANDIT["high"])
        return inside - np.log1p(-problem.mixture.mass_outside(low, high))
    solution = problem.optimal()
    away = actions + (states @ solution.F.T)[:, None]
    precision = np.linalg.inv(solution.covariance)
    square = np.einsum("snd,de,sne->sn", away, precision, away)
    _, log_det = np.linalg.slogdet(2 * np.pi * solution.covariance)
    return -0.5 * (square + log_det)


def measure(agent: Any, states: Float64) -> dict[str, float]:
    """KL at every state, averaged, with its standard error."""
    actions, log_density, own_log_density = acting_law(agent, states.astype(np.float32))
    exact = log_gibbs(agent.env.env, states, actions)
    terms = log_density - exact
    return {
        "kl_mean": float(terms.mean()),
        "kl_mean_own_components": float((own_log_density - exact).mean()),
        "kl_standard_error": float(terms.std() / np.sqrt(terms.size)),
        "kl_largest_state": float(terms.mean(axis=1).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs=2, default=(460, 463), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=10_000)
    parser.add_argument("--name", default="gibbs_kl")
    arguments = parser.parse_args()
    started = record.machine()
    rows = []
    for env_id, temperature in TEMPERATURES.items():
        env = gymnasium.make(env_id, **(BANDIT if "Bandit" in env_id else {}))
        states = np.zeros((1, 1)) if "Bandit" in env_id else design(env)
        for kind in ("wpg", "sac"):
            for seed in range(*arguments.seeds):
                agent = make_agent(
                    env,
                    agent=kind,
                    critic="neural",
                    seed=seed,
                    temperature=temperature,
                    warmup_steps=1000,
                    evaluation_interval=0,
                )
                agent.learn(arguments.total_steps)
                rows.append({"env": env_id, "agent": kind, "seed": seed, **measure(agent, states)})
                print(rows[-1], flush=True)
    figures: dict[str, Any] = {}
    for env_id in TEMPERATURES:
        for kind in ("wpg", "sac"):
            found = [r["kl_mean"] for r in rows if (r["env"], r["agent"]) == (env_id, kind)]
            figures[f"{env_id} {kind}: KL, mean over seeds"] = float(np.mean(found))
            figures[f"{env_id} {kind}: KL, worst seed"] = float(np.max(found))
    figures["settings"] = {"total_steps": arguments.total_steps, "bandit": BANDIT}
    figures["runs"] = rows
    record.write(arguments.name, figures, started)


if __name__ == "__main__":
    main()
