"""The certificate of a learned agent: its critic against new transitions, its particles against the
Gibbs policy of its critic, and both against the exact answer where the environment has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.agents.gibbs import bellman_residual, kl_to_gibbs, log_partition
from wpg.certificates.certificate import Certificate, Claim, claims_text, number_text
from wpg.certificates.density import certify
from wpg.errors import UsageError
from wpg.evaluation import first_observation, taken_step
from wpg.exact import LQR, FiniteMDP
from wpg.noise import derive_seed, generator

__all__ = ["RunCertificate", "certify_agent", "certify_run", "linear_gain"]

Float64 = NDArray[np.float64]

# Held-out episodes start from seeds that neither training nor evaluation uses.
FIRST_HELD_OUT = 2**40


@dataclass(frozen=True)
class RunCertificate:
    """What could be measured of a learned agent. Rewards are the environment's; the entropy is
    relative to the agent's own base measure nu: the uniform law on the action box for a kernel
    critic, the volume of actions scaled to [-1, 1]^D for a neural one.

    bellman_residual (n,) [reward]: q(s, a) - (r + discount V(s')) on transitions that the agent has
    not learned from, V(s') = temperature log int exp(q/temperature) dnu of the same critic. Its
    mean is the critic's bias where the agent goes; its spread holds the environment's noise too.
    kl (P,) [nats]: KL of sampled actions (kernel agent: a bound) to the Gibbs policy at probe
    states; effective_fraction (P,): what share of the particles the importance weights leave, by
    which the kernel agent draws its actions; 1 where there is one particle.
    exact: where the environment knows its exact answer, a dict of comparisons with it.
    """

    env: str
    env_steps: int
    discount: float
    temperature: float
    bellman_residual: Float64
    reward_spread: float
    probe_states: NDArray[np.float32]
    kl: Float64
    effective_fraction: Float64
    exact: dict[str, Any]
    claims: tuple[Claim, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "env": self.env,
            "env_steps": self.env_steps,
            "discount": self.discount,
            "temperature": self.temperature,
            "held_out_transitions": len(self.bellman_residual),
            "bellman_residual_mean": float(self.bellman_residual.mean()),
            "bellman_residual_rms": float(np.sqrt((self.bellman_residual**2).mean())),
            "bellman_residual_standard_error": _error(self.bellman_residual),
            "reward_standard_deviation": self.reward_spread,
            "kl_mean": float(self.kl.mean()),
            "kl_largest": float(self.kl.max()),
            "kl_standard_error": _error(self.kl),
            "effective_fraction_mean": float(self.effective_fraction.mean()),
            "exact": {
                key: value.as_dict() if isinstance(value, Certificate) else value
                for key, value in self.exact.items()
            },
            "claims": [claim.as_dict() for claim in self.claims],
        }

    def __str__(self) -> str:
        d = self.as_dict()
        lines = [
            f"{self.env} after {self.env_steps} steps, discount {self.discount:g}, "
            f"temperature {self.temperature:.4g}",
            "",
            f"Bellman residual on {d['held_out_transitions']} new transitions: mean "
            f"{d['bellman_residual_mean']:.4g} +- {d['bellman_residual_standard_error']:.2g}, rms "
            f"{d['bellman_residual_rms']:.4g} (rewards vary by {self.reward_spread:.4g})",
            f"KL of sampled actions to the Gibbs policy of the critic at {len(self.kl)} states: "
            f"mean {d['kl_mean']:.4g} +- {d['kl_standard_error']:.2g}, largest "
            f"{d['kl_largest']:.4g}; importance weights keep "
            f"{100 * d['effective_fraction_mean']:.0f} % of the particles",
        ]
        for key, value in self.exact.items():
            if isinstance(value, Certificate):
                lines += ["", f"{key}:", str(value)]
            else:
                text = number_text(value) if isinstance(value, float) else str(value)
                lines.append(f"{key}: {text}")
        return "\n".join([*lines, "", claims_text(self.claims)])


def _error(sample: Float64) -> float:
    return float(sample.std(ddof=1) / np.sqrt(len(sample)))


def certify_run(
    run_dir: str | Path, *, transitions: int = 1000, probe_states: int = 200, seed: int = 0
) -> RunCertificate:
    """Certificate of the agent in a run folder; see `certify_agent`."""
    from wpg.runs import load_agent

    return certify_agent(
        load_agent(Path(run_dir)), transitions=transitions, probe_states=probe_states, seed=seed
    )


def certify_agent(
    agent: Any, *, transitions: int = 1000, probe_states: int = 200, seed: int = 0
) -> RunCertificate:
    """Measure a learned agent.

    Parameters
    ----------
    agent : `wpg.WPG` or `wpg.SAC` that has a critic
    transitions : how many new ones; the agent acts as it was trained to ("sample") in fresh
        episodes whose reset seeds no training or evaluation uses
    probe_states : states among them at which particles are compared with the Gibbs policy
    seed : names the episodes

    Returns
    -------
    RunCertificate. On environments that carry their exact problem (`wpg/LQR-v0`, `wpg/Trig-v0`,
    `wpg/MultiGoal-v0`, `wpg/DoubleWell-v0`) it holds the comparison: the learned gain against the
    exact one, or the exact certificate of the Gibbs policy of the learned critic, at the agent's
    discount and temperature.

    Errors: UsageError for an agent without a critic.

    Source: KL and soft value from the Gaussian mixture that the agent acts by: the last step's
    (`wpg.policy`), or all Gaussians of the generator (`wpg.generator`).
    """
    if not hasattr(agent, "ready"):
        raise TypeError(f"agent is {agent!r}; it must be a wpg.WPG")
    if not agent.ready:
        raise UsageError("the agent has no critic yet; train it for more steps")
    for number, name in ((transitions, "transitions"), (probe_states, "probe_states")):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 2:
            raise UsageError(f"{name} is {number!r}; it must be an int of at least 2")
    s, a, r, after, terminated = _new_transitions(agent, transitions, seed)
    rows = generator(agent.seed, "evaluation", 1).permutation(len(s))[:probe_states]
    probes = np.ascontiguousarray(s[np.sort(rows)])
    kl, kept = kl_to_gibbs(agent, probes, log_partition(agent, probes))
    claims = (
        Claim.diagnostic(
            "bellman_residual", "it is known where this policy went, not at every state and action"
        ),
        Claim.diagnostic("kl", "the normaliser of the Gibbs policy is a sum by importance"),
    )
    return RunCertificate(
        env=agent.env.name,
        env_steps=agent.env_steps,
        discount=agent.discount,
        temperature=agent.temperature,
        bellman_residual=bellman_residual(agent, s, a, r, log_partition(agent, after), terminated),
        reward_spread=float(agent.replay.rewards.std()),
        probe_states=probes,
        kl=kl,
        effective_fraction=kept,
        exact=_exact(agent, s),
        claims=claims,
    )


def _new_transitions(agent: Any, count: int, seed: int) -> tuple[Any, ...]:
    """(n, O), (n, D), (n,), (n, O), (n,) from fresh episodes with sampled actions."""
    (env,) = agent.evaluation_envs(1)
    rows: list[tuple[Any, ...]] = []
    episode = 0
    while len(rows) < count:
        index = FIRST_HELD_OUT + 2**20 * seed + episode
        where = f"of held-out episode {episode}"
        observation = first_observation(env, derive_seed(agent.seed, "reset", index), where)
        length = 0
        over = False
        while not over and len(rows) < count:
            (action,) = agent.act(observation[None], "sample", step=2**20 + len(rows))
            following, reward, terminated, truncated = taken_step(env, action, length, where)
            length += 1
            rows.append((observation, action, reward, following, terminated))
            observation, over = following, terminated or truncated
        episode += 1
    states, actions, rewards, after, terminations = zip(*rows, strict=True)
    return (
        np.stack(states),
        np.stack(actions),
        np.array(rewards, np.float64),
        np.stack(after),
        np.array(terminations),
    )


def linear_gain(agent: Any, states: NDArray[np.float32]) -> Float64:
    """F (D, O) of the least-squares fit a = c - F s to the best actions at states (S, O)."""
    actions = agent.act(states)
    design = np.concatenate([np.ones((len(states), 1)), states.astype(np.float64)], axis=1)
    weights = np.linalg.lstsq(design, actions.astype(np.float64), rcond=None)[0]
    return -weights[1:].T


def _exact(agent: Any, states: NDArray[np.float32]) -> dict[str, Any]:
    """Comparisons with the exact answer, if the environment carries one."""
    env: Any = agent.env.env.unwrapped
    problem = getattr(env, "problem", None)
    if isinstance(problem, LQR):
        same = LQR(
            problem.A,
            problem.B,
            problem.M,
            problem.R,
            problem.W,
            discount=agent.discount,
            temperature=agent.temperature,
        )
        F = linear_gain(agent, states)
        exact = same.optimal().F
        error = float(np.linalg.norm(F - exact) / np.linalg.norm(exact))
        return {
            "learned gain": F.tolist(),
            "exact gain": exact.tolist(),
            "relative error of the gain": error,
        }
    if isinstance(problem, FiniteMDP):
        same_mdp = problem.replace(discount=agent.discount, temperature=agent.temperature)
        grid = same_mdp.grid(128 if same_mdp.action_size == 1 else 48)
        features = np.ascontiguousarray(env.features, dtype=np.float32)
        cloud = np.ascontiguousarray(
            np.broadcast_to(grid.points, (len(features), *grid.points.shape)), dtype=np.float32
        )
        q = agent.state_action_values(features, cloud)
        density = np.exp((q - q.max(axis=1, keepdims=True)) / agent.temperature)
        certificate = certify(same_mdp, grid.normalise(density), grid)
        return {"the Gibbs policy of the learned critic, in the exact problem": certificate}
    return {}
