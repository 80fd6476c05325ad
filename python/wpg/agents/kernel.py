"""Wasserstein policy gradient with a kernel soft Q-function, for tasks of few dimensions.

Each state's policy is a cloud of action particles. The cloud follows the action gradient of the
soft Q-function with Langevin noise, so it flows towards the Gibbs policy exp(Q / temperature).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.agents import settings
from wpg.agents.agent import CERTIFICATE, Agent
from wpg.agents.interaction import (
    Callbacks,
    passed,
    require_same_kind,
    require_seed,
    require_total_timesteps,
    told,
)
from wpg.agents.settings import setting
from wpg.checkpoint import part
from wpg.critics.fitted_soft_q import ActionSet, FittedSoftQ, Transitions
from wpg.errors import CheckpointError, NonFiniteError, UsageError
from wpg.noise import generator
from wpg.policy import REFINE, ParticlePolicy, choose, gibbs_weights, medoids
from wpg.replay import Replay

__all__ = ["KernelConfig", "KernelWPG"]


@dataclass(frozen=True)
class KernelConfig:
    """Settings of the kernel agent. Lengths are in standard deviations of the data (states) and in
    half-widths of the box (actions); times are environment steps."""

    temperature: float | str = setting("auto", 1e-12, 1e12, kinds=(float, str), choices=("auto",))
    temperature_fraction: float = setting(0.05, 1e-6, 1e3)  # "auto": times the rewards' std
    # "auto": the environment's own, where it states one as `discount`; otherwise 0.99
    discount: float | str = setting("auto", 0.0, 0.99999, kinds=(float, str), choices=("auto",))
    warmup_steps: int = setting(200, 1, 10**9)  # actions at random before the first fit
    hold_steps: int = setting(5, 1, 10**6)  # a random action is kept for so many steps
    refit_interval: int = setting(50, 1, 10**9)
    refit_growth: float = setting(1.07, 1.0, 10.0)  # and not before the data grew by this factor
    num_envs: int = setting(1, 1, 10**5)  # environments whose steps are taken side by side
    async_envs: bool = setting(False)  # each in a process of its own
    evaluation_interval: int = setting(500, 0, 10**12)  # 0: never
    evaluation_episodes: int = setting(10, 1, 10**6)
    particles: int = setting(32, 1, 10**6)
    langevin_steps: int = setting(4, 1, 10**4)  # per environment step
    noise_fraction: float = setting(0.1, 1e-6, 1.0)
    drift_fraction: float = setting(0.1, 1e-6, 1.0)
    state_length: float = setting(0.8, 1e-3, 1e3)
    action_length: float = setting(1.0, 1e-3, 1e3)
    centers: int = setting(300, 1, 10**5)
    planned_states: int = setting(1000, 1, 10**6)
    grid_points: int = setting(9, 2, 1000)  # for one action dimension; 5 x 5 for two
    ridge: float = setting(0.1, 1e-12, 1e12)
    jitter: float = setting(0.3, 0.0, 1e3)
    sweeps: int = setting(300, 1, 10**6)  # of value iteration, at most
    tolerance: float = setting(0.01, 0.0, 1.0)  # residual at which sweeps end, rewards' std
    dynamics_centers: int = setting(200, 1, 10**5)

    def as_dict(self) -> dict[str, Any]:
        return settings.as_dict(self)


class KernelWPG(Agent):
    """An agent that holds its policy as particles.

    Parameters
    ----------
    env_or_id : id of a Gymnasium environment, or an environment
    seed : names every random draw of the run, 0 <= seed < 2^63
    **config : settings, see `KernelConfig`

    `predict` draws from the Gibbs policy: a cloud that has moved from its start, weighted by
    exp(Q / temperature) over its density. The best action is found by ascending Q.

    Errors: `UsageError` (a ValueError) with one line that says what to do.

    Source: the particle step of arXiv 2605.26078; the critic is `FittedSoftQ`.
    """

    agent = "wpg"
    critic_kind = "kernel"
    numbers = ("temperature", *CERTIFICATE)
    progress = ("temperature", "centers", *CERTIFICATE)
    resamples = True

    def __init__(
        self,
        env_or_id: gymnasium.Env[Any, Any] | str,
        seed: int = 0,
        **config: Any,
    ) -> None:
        self.seed = require_seed(seed)
        self.config = self.settings = settings.from_keywords(KernelConfig, config)
        c = self.config
        super().__init__(env_or_id, seed=self.seed, num_envs=c.num_envs, async_envs=c.async_envs)
        self.refits = 0
        self.last_refit = 0
        self.temperature = math.nan
        self.discount = self.env.discount if isinstance(c.discount, str) else c.discount
        D = self.env.action_size
        n = self.episodes.envs.num_envs
        self.replay = Replay(self.env.observation_size, D, streams=n)
        self.policy = ParticlePolicy(
            self.env.support,
            D,
            particles=c.particles,
            steps=c.langevin_steps,
            noise_fraction=c.noise_fraction,
            drift_fraction=c.drift_fraction,
            seed=self.seed,
        )
        _, low, high = self.env.support.arrays(D, np.float64)
        self._low, self._high = low, high
        self.critic = FittedSoftQ(
            (high - low) / 2,
            discount=self.discount,
            state_length=c.state_length,
            action_length=c.action_length,
            centers=c.centers,
            # Where actions are particles, q is fitted at every particle of every planned state.
            planned_states=c.planned_states
            if D <= 2
            else min(c.planned_states, 1 + 6000 // c.particles),
            ridge=c.ridge,
            jitter=c.jitter,
            sweeps=c.sweeps,
            tolerance=c.tolerance,
            dynamics_centers=c.dynamics_centers,
        )
        # Particles of every stored next state, which go on from where the last refit left them;
        # only where the soft value comes from particles.
        self.clouds = self.policy.start(0)
        self._acting = self.policy.start(n)  # particles of the environments' open episodes

    @property
    def ready(self) -> bool:
        return bool(self.critic.heads)

    @property
    def centers(self) -> int:
        """Of the critic; 0 before the first fit."""
        return len(self.critic.realist.q) if self.ready else 0

    # Learning

    def learn(
        self, total_timesteps: int, progress_bar: bool = False, callback: Callbacks = None
    ) -> KernelWPG:
        """Take `total_timesteps` more environment steps, and learn from them.

        progress_bar : keep a line up to date on the terminal
        callback : one or several; `Callback` says what they are told, and how one ends learning

        Evaluations run in environments of their own and leave no trace in training. A call starts
        with new episodes, or goes on with those that were open where a file was saved.
        """
        c, episodes = self.config, self.episodes
        tell = told(callback, progress_bar)
        end = self.env_steps + require_total_timesteps(total_timesteps)
        if c.evaluation_interval:
            self.evaluation_envs(c.evaluation_episodes)  # or say now that it cannot be done
        for stream in episodes.begin():
            self.replay.end_episode(stream)  # where the last call was stopped

        while self.env_steps < end:
            begun = episodes.renew()
            self._acting[begun] = self.policy.start(len(begun))
            before = self.env_steps
            if self.ready:
                actions, clouds = self._act(episodes.observations)
            else:
                actions, clouds = self._explore(), self._acting
            for step in episodes.step(actions):
                self.replay.add(*step)
            self._acting = clouds  # not before: a step that fails has not been taken

            if self._refit_is_due():
                self._refit()
                tell(self, "fit", {"env_steps": self.env_steps})
            if passed(c.evaluation_interval, before, self.env_steps):
                tell(self, "evaluation", self.certified_evaluation(c.evaluation_episodes))
            for episode in episodes.finished:
                learning = {name: getattr(self, name) for name in self.progress}
                tell(self, "episode", {**episode, **learning})
            if not tell(self, "step", {"env_steps": self.env_steps, "total_steps": end}):
                break
        episodes.close()
        return self

    def _explore(self) -> NDArray[np.float32]:
        """Uniform actions (n, D), held for a few steps: that reaches further than white noise."""
        held = self.episodes.ticks // self.config.hold_steps
        shape = (self.episodes.envs.num_envs, self.env.action_size)
        draw = generator(self.seed, "exploration", held).random(shape)
        return (self._low + (self._high - self._low) * draw).astype(np.float32)

    def _act(
        self, observations: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Actions (n, D) from the optimist's Gibbs policy, and their clouds (n, N, D)."""
        cloud, values, density = self.policy.move(
            self.critic.optimist.q,
            observations,
            self._acting,
            temperature=self.temperature,
            step=self.episodes.ticks,
        )
        for row, particle in np.argwhere(~np.isfinite(cloud).all(axis=2)):
            raise NonFiniteError(
                f"particle {particle} became {cloud[row, particle]} at state "
                f"{observations[row].tolist()}, step {self.env_steps}"
            )
        actions = self.policy.sample(
            cloud,
            values,
            density,
            temperature=self.temperature,
            stream="behaviour",
            step=self.episodes.ticks,
        )
        return actions, cloud

    def _refit_is_due(self) -> bool:
        c, n = self.config, len(self.replay)
        if n < c.warmup_steps:
            return False
        return n >= max(self.last_refit + c.refit_interval, c.refit_growth * self.last_refit)

    def _refit(self) -> None:
        data = Transitions(
            states=self.replay.observations.astype(np.float64),
            actions=self.replay.actions.astype(np.float64),
            rewards=self.replay.rewards,
            next_states=self.replay.next_observations.astype(np.float64),
            terminated=self.replay.terminated,
        )
        c = self.config
        if isinstance(c.temperature, str):
            self.temperature = c.temperature_fraction * max(float(data.rewards.std()), 1e-12)
        else:
            self.temperature = c.temperature
        rng = generator(self.seed, "centers", self.refits)
        planned = self.critic.plan_states(data, rng, self._low, self._high)
        self.critic.update(data, planned, self._planned_actions(planned), self.temperature)
        self.refits += 1
        self.last_refit = len(self.replay)

    def _planned_actions(self, planned: NDArray[np.float64]) -> ActionSet:
        """Where the soft value is integrated: on a grid for one or two action dimensions, at
        particles that have followed the critic for more."""
        D, P = self.env.action_size, len(planned)
        if D <= 2:
            points = self.config.grid_points if D == 1 else 5
            axes = [
                np.linspace(lo, hi, points) for lo, hi in zip(self._low, self._high, strict=True)
            ]
            grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, D)
            return ActionSet(
                np.broadcast_to(grid, (P, *grid.shape)),
                np.full((P, len(grid)), -math.log(len(grid))),
                grid,
            )
        # Half of the actions are particles that have followed the critic, half are spread over the
        # box, so that q is known away from the particles too; weights are those of the mixture.
        spread = self.policy.start(P)
        log_volume = float(np.log(self._high - self._low).sum())
        if not self.ready:
            log_weight = np.full(spread.shape[:2], -math.log(spread.shape[1]))
            return ActionSet(spread.astype(np.float64), log_weight)
        cloud, _, log_density = self.policy.move(
            self.critic.realist.q,
            planned.astype(np.float32),
            self._warm_clouds(self.critic.planned_rows),
            temperature=self.temperature,
            step=2**30 + self.refits,
            also=spread,
        )
        stored = self.critic.planned_rows >= 0
        self.clouds[self.critic.planned_rows[stored]] = cloud[stored]
        actions = np.concatenate([cloud, spread], axis=1).astype(np.float64)
        mixture = np.logaddexp(log_density.astype(np.float64), -log_volume) - math.log(2.0)
        return ActionSet(actions, -(math.log(actions.shape[1]) + log_volume + mixture))

    def _warm_clouds(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Where the particles of these stored next states were left; spread out for a row -1."""
        missing = len(self.replay) - len(self.clouds)
        self.clouds = np.concatenate([self.clouds, self.policy.start(missing)])
        return np.where((rows >= 0)[:, None, None], self.clouds[rows], self.policy.start(len(rows)))

    # Acting

    def _actions(
        self, observations: NDArray[np.float32], mode: str, step: int
    ) -> NDArray[np.float32]:
        if not self.ready:
            middle = ((self._low + self._high) / 2).astype(np.float32)
            if mode == "all":
                return self.policy.start(len(observations))
            return np.tile(middle, (len(observations), 1))
        if mode == "best":
            return self.policy.best(self.critic.realist.q, observations)[0]
        cloud, values, density = self.policy.move(
            self.critic.realist.q,
            observations,
            self.policy.start(len(observations)),
            temperature=self.temperature,
            step=step,
        )
        if mode == "all":
            return cloud
        if mode == "medoid":
            return medoids(cloud)
        return self.policy.sample(
            cloud, values, density, temperature=self.temperature, stream="evaluation", step=step
        )

    def _particles(self, observations: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """Drawn from the policy's weighted cloud."""
        if not self.ready:
            return self.policy.start(1)[0][np.arange(n) % self.config.particles]
        wide = ParticlePolicy(
            self.env.support,
            self.env.action_size,
            particles=max(n, 2 * self.config.particles),
            steps=4 * self.config.langevin_steps,
            noise_fraction=self.config.noise_fraction,
            drift_fraction=self.config.drift_fraction,
            seed=self.seed,
        )
        cloud, values, density = wide.move(
            self.critic.realist.q,
            observations,
            wide.start(1),
            temperature=self.temperature,
            step=0,
        )
        weights = gibbs_weights(values, density, self.temperature)
        uniform = (np.arange(n) + generator(self.seed, "evaluation").random()) / n
        return cloud[0][choose(np.repeat(weights, n, axis=0), uniform)]

    def state_action_values(
        self, observations: NDArray[np.float32], actions: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        if not self.ready:
            raise UsageError("there is no critic yet: learn first")
        head = self.critic.realist
        return head.baseline + head.q.value(observations, actions).astype(np.float64)

    def acting_particles(
        self, observations: NDArray[np.float32], n: int, *, step: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """n particles (S, N, D) [action] that have moved as the acting ones do, and the log density
        (S, N) of the mixture that they are drawn from."""
        c = self.config
        policy = ParticlePolicy(
            self.env.support,
            self.env.action_size,
            particles=n,
            steps=c.langevin_steps,
            noise_fraction=c.noise_fraction,
            drift_fraction=c.drift_fraction,
            seed=self.seed,
        )
        cloud, _, log_density = policy.move(
            self.critic.realist.q,
            observations,
            policy.start(len(observations)),
            temperature=self.temperature,
            step=step,
        )
        return cloud, log_density

    @property
    def log_base_volume(self) -> float:
        """Log of the volume that the soft value's entropy is relative to: that of the box."""
        return float(np.log(self._high - self._low).sum())

    # Saving

    def _numpy_policy(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        q, policy = self.critic.realist.q, self.policy
        return {
            "kind": "kernel",
            "temperature": self.temperature,
            "steps": policy.steps,
            "largest_step": policy.largest_step(self.temperature),
            "largest_move": policy.drift_fraction * policy.half_width,
            "reach": policy.reach,
            "refine": REFINE,
        }, {
            "start": policy.start(1)[0],
            "center_states": q.center_states,
            "center_actions": q.center_actions,
            "weights": q.weights,
            "state_lengthscale": q.state_lengthscale,
            "action_lengthscale": q.action_lengthscale,
        }

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that is needed to go on, in the middle of an episode too: JSON values and arrays."""
        meta, arrays = self.critic.snapshot()
        return {
            "env": self.env.name,
            "signature": self.env.signature,
            "agent": self.agent,
            "kind": self.critic_kind,
            "seed": self.seed,
            "config": self.config.as_dict(),
            "refits": self.refits,
            "last_refit": self.last_refit,
            "critic": meta,
        }, {
            **{f"replay.{name}": rows for name, rows in self.replay.arrays().items()},
            **{f"critic.{name}": array for name, array in arrays.items()},
            **{f"episodes.{name}": array for name, array in self.episodes.arrays().items()},
            "clouds": self.clouds.copy(),
            "acting": self._acting.copy(),
            "numbers": self._numbers(),
        }

    def take(
        self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Take over what `snapshot` gave; `CheckpointError` and nothing changed if it does not
        fit."""
        require_same_kind(path, meta, self.agent, self.critic_kind, self.env)
        before = self.episodes.arrays()
        try:
            replay = Replay.from_arrays(part(arrays, "replay"))
            if (replay.observations.shape[1:], replay.actions.shape[1:]) != (
                self.replay.observations.shape[1:],
                self.replay.actions.shape[1:],
            ):
                raise ValueError("the environment has other observations or actions")
            counters = {name: int(meta[name]) for name in ("refits", "last_refit")}
            steps = int(arrays["episodes.counters"][0])
            if any(value < 0 for value in counters.values()) or len(replay) > steps:
                raise ValueError("its counters contradict each other")
            clouds, acting, numbers = (arrays[name] for name in ("clouds", "acting", "numbers"))
            if numbers.shape != (len(self.numbers),):
                raise ValueError(f"it holds {numbers.shape} numbers")
            wrong = clouds.shape[1:] != self.clouds.shape[1:] or acting.shape != self._acting.shape
            if wrong or len(clouds) > len(replay):
                raise ValueError("its particles have another shape")
            self.episodes.restore(part(arrays, "episodes"))
            self.critic.restore(meta["critic"], part(arrays, "critic"))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            self.episodes.restore(before)
            raise CheckpointError(f"{path} cannot be used: {error}") from None
        self.replay = replay
        self.clouds, self._acting = clouds.astype(np.float32), acting.astype(np.float32)
        self._take_numbers(numbers)
        for name, value in counters.items():
            setattr(self, name, value)
        return meta
