"""Is the temperature exact? KL of the neural agent's acting law to the exact Gibbs policy.

    python bench/learning/gibbs_kl.py --seeds 460 463

Two problems whose soft-optimal policy is known, at a fixed temperature that the agent is told:
`wpg/LQR-v0`, where it is N(-F s, covariance), and `wpg/GaussianMixtureBandit-v0`, where it is two
Gaussians of weights 0.3 and 0.7. The acting law is a mixture of 2^L known Gaussians, so

    KL(acting || Gibbs) = E log pi(a) - log pi*(a)

is an average over draws of the law, with the standard error that is reported. Soft actor-critic,
one Gaussian, stands beside it.

The bounds that are claimed, for the mean over seeds: 0.1 nats on LQR, 0.2 on the bandit.

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

Float64 = NDArray[np.float64]
DRAWS = 2048  # of every state
BOUNDS = {"wpg/LQR-v0": 0.1, "wpg/GaussianMixtureBandit-v0": 0.2}  # nats
BANDIT = {
    "means": ((-1.5, 0.0), (1.5, 0.5)),
    "deviation": 0.5,
    "weights": (0.3, 0.7),
    "temperature": 1.0,
    "low": (-3.0, -3.0),
    "high": (3.0, 3.0),
}
TEMPERATURES = {"wpg/LQR-v0": 0.05, "wpg/GaussianMixtureBandit-v0": 1.0}


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
    actions, log_density = agent.acting_particles(states.astype(np.float32), DRAWS, step=1)
    terms = log_density.astype(np.float64) - log_gibbs(agent.env.env, states, actions)
    return {
        "kl_mean": float(terms.mean()),
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
        figures[f"{env_id}: bound"] = BOUNDS[env_id]
    figures["settings"] = {"total_steps": arguments.total_steps, "bandit": BANDIT}
    figures["runs"] = rows
    record.write(arguments.name, figures, started)


if __name__ == "__main__":
    main()
