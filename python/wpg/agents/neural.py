"""Wasserstein policy gradient with a neural soft Q-function: an off-policy actor-critic.

Each state's policy is a cloud of action particles that a generator makes in one pass. Particles
take transport steps along the soft Q-function's action gradient and against the gradient of their
own mixture's log density; the generator is fitted to where they have gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg import _core
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
from wpg.critics.neural_q import NeuralQ
from wpg.errors import CheckpointError, DivergenceError, NonFiniteError, UsageError
from wpg.export import network_arrays
from wpg.generator import (
    Cloud,
    ParticleGenerator,
    free_energy_gradient,
    log_density,
)
from wpg.noise import derive_seed, generator
from wpg.normalisation import RunningMoments
from wpg.pink_noise import PinkNoise
from wpg.policy import choose, medoids
from wpg.replay import Replay

__all__ = ["ActorCriticConfig", "NeuralConfig", "NeuralWPG", "TrainableCritic", "require_trainable"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class ActorCriticConfig:
    """Settings that the particle agent and soft actor-critic share. Actions are those of the box
    [-1, 1]^D, entropies too; times are environment steps."""

    # "auto": tuned so that the entropy is the target entropy
    temperature: float | str = setting("auto", 1e-12, 1e12, kinds=(float, str), choices=("auto",))
    target_entropy: float | str = setting(  # [nat]; "auto": -D
        "auto", -1e6, 1e6, kinds=(float, str), choices=("auto",)
    )
    initial_temperature: float = setting(1.0, 1e-12, 1e12)  # where "auto" starts
    # "auto": the environment's own, where it states one as `discount`; otherwise 0.99
    discount: float | str = setting("auto", 0.0, 0.99999, kinds=(float, str), choices=("auto",))
    # Actions at random before the first update; "auto": 500 D
    warmup_steps: int | str = setting("auto", 1, 10**9, kinds=(int, str), choices=("auto",))
    replay_size: int = setting(1_000_000, 1, 10**12)
    num_envs: int = setting(1, 1, 10**5)  # environments whose steps are taken side by side
    async_envs: bool = setting(False)  # each in a process of its own
    evaluation_interval: int = setting(5000, 0, 10**12)  # 0: never
    evaluation_episodes: int = setting(10, 1, 10**6)
    batch_size: int = setting(256, 1, 10**7)
    updates: int = setting(1, 1, 10**4)  # per environment step
    learning_rate: float = setting(1e-3, 0.0, 1.0)
    averaging_rate: float = setting(0.005, 0.0, 1.0)  # of the target network
    # Rewards of so many steps stand in the backup before the value does. More than one is faster
    # and biased: the actions in between were an older policy's, and their entropy is left out.
    # "auto": 3 where the temperature is tuned, 1 where it is fixed, and so exact
    backup_steps: int | str = setting("auto", 1, 1000, kinds=(int, str), choices=("auto",))
    normalise_observations: bool = setting(True)
    # The critic
    width: int = setting(256, 1, 65536)
    depth: int = setting(2, 0, 16)
    ensemble: int = setting(2, 1, 100)
    layer_norm: bool = setting(True)
    activation: str = setting("relu", choices=("relu", "silu"))
    # The policy
    policy_delay: int = setting(2, 1, 10**4)  # updates of the critic for one of the policy
    # Predictions are those of a running average of the policy's weights, evaluations too; the share
    # that one update of the policy has in it. 1: the policy as it is
    policy_averaging_rate: float = setting(0.01, 1e-9, 1.0)
    # Draws of actions while data are collected: "pink" ones depend on each other in time and reach
    # further; each alone has the policy's law, but not given the draws that led to its state.
    # "mixed": pink in every fourth episode, and where the warm-up has ended before two episodes
    # have, what is left of them acts at the walls, as the sign of a pink draw says. Actions that
    # are chosen among several candidates are white after the warm-up
    behaviour_noise: str = setting("mixed", choices=("mixed", "pink", "white"))

    def as_dict(self) -> dict[str, Any]:
        return settings.as_dict(self)


@dataclass(frozen=True)
class NeuralConfig(ActorCriticConfig):
    """Settings of the neural agent: those of `ActorCriticConfig`, and those of its particles."""

    target_particles: int = setting(2, 1, 10**4)  # per next state, in the backup
    target_aggregate: str = setting("minimum", choices=("minimum", "mean"))
    latent_size: int = setting(8, 0, 4096)  # 0: one Gaussian per state
    latents: str = setting("signs", choices=("signs", "normal"))
    latent_scale: float = setting(1.0, 1e-6, 1e6)
    particles: int = setting(8, 1, 10**5)
    policy_states: int = setting(32, 1, 10**7)  # of a batch, at most, whose particles are moved
    transport_steps: int = setting(2, 1, 1000)
    transport_move: float = setting(0.1, 1e-9, 1e3)  # of one step before the squash, root mean sq.
    drift_aggregate: str = setting("minimum", choices=("minimum", "mean"))
    # Acting while data are collected: a particle of the policy, or of so many candidates the best,
    # or one drawn by weights exp(Q / temperature) / pi
    candidates: int = setting(1, 1, 10**5)
    choice: str = setting("gibbs", choices=("gibbs", "best"))
    evaluation_candidates: int = setting(32, 1, 10**5)


class TrainableCritic(Protocol):
    """What the agent asks of a critic: the protocol of `wpg.critics`, and how it learns.

    States (S, O) are normalised if `normalise_observations`, actions are those of [-1, 1]^D, all
    float32. `aggregate` says how an ensemble makes one value; a single critic may ignore it.
    `arrays` and `restore` are what a checkpoint keeps.
    """

    def value(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> Float32:
        """Q (S, N) at particles (S, N, D)."""
        ...

    def value_and_action_gradient(
        self, states: Float32, particles: Float32, *, aggregate: str | None = None
    ) -> tuple[Float32, Float32]:
        """Q (S, N) and grad_a Q (S, N, D)."""
        ...

    def fit(
        self, states: Float32, actions: Float32, targets: Float32, *, learning_rate: float
    ) -> NDArray[Any]:
        """One step towards targets (B,) at actions (B, D); the losses (E,) before it."""
        ...

    def target(self) -> Any:
        """A copy that `move_towards` lets follow."""
        ...

    def move_towards(self, other: Any, rate: float) -> None:
        """Average with another one's weights."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]: ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None: ...


def require_trainable(critic: Any) -> None:
    """A critic of one's own has all methods of `TrainableCritic`."""
    methods = [name for name in vars(TrainableCritic) if not name.startswith("_")]
    missing = [name for name in methods if not callable(getattr(critic, name, None))]
    if missing:
        raise UsageError(
            f"critic is {critic!r}; it must be the name of a kind, 'kernel' or 'neural', or an "
            f"object that can be trained: this one has no {', '.join(missing)}"
        )


class Temperature:
    """A fixed temperature, or one that follows the entropy.

    log T <- log T + Adam(target_entropy - entropy)
    """

    def __init__(self, start: float, target_entropy: float | None) -> None:
        self.target_entropy = target_entropy  # None: fixed
        self.log = np.array([math.log(start)], np.float32)
        self._moments = (np.zeros(1, np.float32), np.zeros(1, np.float32))
        self.steps = 0

    @property
    def value(self) -> float:
        return float(np.exp(np.float64(self.log[0])))

    def follow(self, entropy: float, learning_rate: float) -> None:
        """One step, which raises the temperature where the entropy is below its target."""
        if self.target_entropy is None:
            return
        gradient = np.array([entropy - self.target_entropy], np.float32)
        self.steps += 1
        _core.adam_step(self.log, *self._moments, gradient, self.steps, learning_rate)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "log": self.log.copy(),
            "first_moment": self._moments[0].copy(),
            "second_moment": self._moments[1].copy(),
            "steps": np.array(self.steps, np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        parts = [arrays[name] for name in ("log", "first_moment", "second_moment")]
        if any(part.shape != (1,) or part.dtype != np.float32 for part in parts):
            raise ValueError("its temperature is no number")
        self.log, self._moments = parts[0].copy(), (parts[1].copy(), parts[2].copy())
        self.steps = int(arrays["steps"])


class NeuralWPG(Agent):
    """An agent that holds its policy as a generator of particles and its values in networks.

    Parameters
    ----------
    env_or_id : id of a Gymnasium environment, or an environment
    seed : names every random draw of the run, 0 <= seed < 2^63
    critic : one of your own that can be trained, see `TrainableCritic`; None for a `NeuralQ`
    **config : settings, see `NeuralConfig`

    One update, on a batch of the replay:

        y    = r + discount (1 - terminated) mean_k (min_e Q_e(s', a'_k) - T log pi(a'_k | s'))
        Q_e <- Adam step on (1/2) (Q_e(s, a) - y)^2
        y_k <- y_k + h grad (Q - T log pi), `transport_steps` times, see `wpg.generator`
        generator <- Adam step on the squared distance to where its particles have gone
        averaged generator <- a little towards it: the policy of `predict` and of evaluations

    h is such that a step's first gradient moves the points by `transport_move`, so Adam sees
    gradients of one length. But for that, with one transport step, one particle and no latents this
    is soft actor-critic; with one step and T = 0 it is a deterministic policy gradient with noise.
    log pi of a few particles is that of their mixture, which has less entropy on average than that
    of infinitely many. What the particle policy adds is a
    mixture: its entropy and its score are those of many Gaussians, which repel each other and so
    can hold several modes.

    Errors: `UsageError` (a ValueError) with one line that says what to do; `NonFiniteError` if the
    environment or the policy gives NaN; `DivergenceError` if the critic's loss is no longer finite.

    Sources: particle step and heat step of arXiv 2605.26078; amortised particles: Wang and Liu
    2016, Haarnoja et al. 2017; the rest as soft actor-critic, Haarnoja et al. 2018.
    """

    agent = "wpg"
    critic_kind = "neural"
    progress = ("temperature", "entropy", "critic_loss", *CERTIFICATE)
    numbers = ("entropy", "critic_loss", *CERTIFICATE)
    modes = (*Agent.modes, "gibbs")
    config_type: type[Any] = NeuralConfig

    def __init__(
        self,
        env_or_id: gymnasium.Env[Any, Any] | str,
        seed: int = 0,
        critic: TrainableCritic | None = None,
        **config: Any,
    ) -> None:
        self.seed = require_seed(seed)
        if critic is not None:
            require_trainable(critic)
        self.settings = settings.from_keywords(self.config_type, config)
        self.config = c = self._full_config()
        super().__init__(env_or_id, seed=self.seed, num_envs=c.num_envs, async_envs=c.async_envs)
        O, D = self.env.observation_size, self.env.action_size
        self.discount = self.env.discount if isinstance(c.discount, str) else c.discount
        self._warmup = 500 * D if isinstance(c.warmup_steps, str) else c.warmup_steps
        fixed = not isinstance(c.temperature, str)
        self._backup_steps = (
            (1 if fixed else 3) if isinstance(c.backup_steps, str) else c.backup_steps
        )
        _, low, high = self.env.support.arrays(D, np.float32)
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        self._low, self._high = low, high
        hidden = (c.width,) * c.depth
        self.replay = Replay(O, D, c.replay_size, self.episodes.envs.num_envs)
        self.moments = RunningMoments(O)
        self.critic: TrainableCritic = NeuralQ(
            O,
            D,
            hidden=hidden,
            ensemble=c.ensemble,
            layer_norm=c.layer_norm,
            activation=c.activation,
            seed=self.seed,
        )
        if critic is not None:
            self.critic, self.critic_kind = critic, "own"
        self.target: TrainableCritic = self.critic.target()
        self.policy = ParticleGenerator(
            O,
            D,
            latent_size=c.latent_size,
            latents=c.latents,
            hidden=hidden,
            activation=c.activation,
            latent_scale=c.latent_scale,
            seed=derive_seed(self.seed, "network", 1),
        )
        self.averaged_policy = self.policy.copy()
        if isinstance(c.temperature, str):
            goal = float(-D) if isinstance(c.target_entropy, str) else c.target_entropy
            self._temperature = Temperature(c.initial_temperature, goal)
        else:
            self._temperature = Temperature(c.temperature, None)
        shape = (self.episodes.envs.num_envs, self.policy.latent_size + D)
        self._white = PinkNoise(shape, seed=self.seed, stream="behaviour", octaves=1)
        self._pink = PinkNoise(shape, seed=self.seed, stream="behaviour")
        self.updates = 0
        self.entropy = self.critic_loss = math.nan

    def _full_config(self) -> NeuralConfig:
        return self.settings

    @property
    def temperature(self) -> float:
        """T [reward]."""
        return self._temperature.value

    # Learning

    def learn(
        self, total_timesteps: int, progress_bar: bool = False, callback: Callbacks = None
    ) -> NeuralWPG:
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
            episodes.renew()
            before = self.env_steps
            actions = self._behave(episodes.observations)
            for step in episodes.step(actions):
                self.replay.add(*step)
                self.moments.add(step.observation)

            if self.env_steps >= self._warmup:
                for _ in range(c.updates * (self.env_steps - before)):
                    self._update()
            if passed(c.evaluation_interval, before, self.env_steps):
                tell(self, "evaluation", self.certified_evaluation(c.evaluation_episodes))
            for episode in episodes.finished:
                learning = {name: getattr(self, name) for name in self.progress}
                tell(self, "episode", {**episode, **learning})
            if not tell(self, "step", {"env_steps": self.env_steps, "total_steps": end}):
                break
        episodes.close()
        return self

    def _states(self, observations: Float32) -> Float32:
        """What the networks see."""
        c = self.config
        return self.moments.normalise(observations) if c.normalise_observations else observations

    def _behave(self, observations: Float32) -> Float32:
        """Actions (n, D) that collect data: of the policy, or what is done before there is one."""
        numbers, c = self.episodes.numbers, self.config
        noise = self._behaviour_noise(numbers)
        if self.env_steps < self._warmup:
            return self._explore(noise)
        actions = self._act(observations, noise)
        if c.behaviour_noise == "mixed":
            actions[numbers < 2] = self._push()[numbers < 2]
        return actions

    def _explore(self, noise: Float32) -> Float32:
        """Uniform actions: the normal law's distribution function of the noise."""
        xi = noise[:, self.policy.latent_size :]
        unit = [math.erf(x / math.sqrt(2)) for x in xi.ravel().tolist()]
        return self._to_env(np.array(unit, np.float32).reshape(xi.shape))

    def _push(self) -> Float32:
        """Actions at the walls, held for a while: what reaches furthest with bounded actions. A
        policy that has found nothing in a long episode soon keeps still."""
        xi = self._pink.at(self.episodes.ticks)[:, self.policy.latent_size :]
        return self._to_env(np.copysign(np.float32(1), xi))

    def _act(self, observations: Float32, noise: Float32) -> Float32:
        """A particle of the policy for each state, or one of several candidates."""
        c = self.config
        states = self._states(observations)
        if c.candidates == 1:
            unit = self.policy.cloud(states, noise[:, None]).actions[:, 0]
        else:
            step = self.episodes.ticks
            cloud = self.policy.draw(states, c.candidates, step=step, stream="behaviour")
            unit = self._chosen(states, cloud, c.choice, "behaviour", step)
        for row in np.flatnonzero(~np.isfinite(unit).all(axis=1)):
            raise NonFiniteError(
                f"the policy gave action {unit[row].tolist()} at state "
                f"{observations[row].tolist()}, step {self.env_steps}"
            )
        return self._to_env(unit)

    def _behaviour_noise(self, numbers: NDArray[np.int64]) -> Float32:
        """Noise (n, L + D) for these episodes."""
        kind, tick = self.config.behaviour_noise, self.episodes.ticks
        if kind != "mixed":
            return (self._pink if kind == "pink" else self._white).at(tick)
        pink = numbers % 4 == 1
        if pink.all():
            return self._pink.at(tick)
        white = self._white.at(tick)
        return np.where(pink[:, None], self._pink.at(tick), white) if pink.any() else white

    def _chosen(
        self, states: Float32, cloud: Cloud, choice: str, stream: str, step: int
    ) -> Float32:
        """One particle (S, D) of each state's cloud: the best, or by Gibbs weights."""
        values = self.critic.value(states, cloud.actions)
        rows = np.arange(len(states))
        if choice == "best":
            return cloud.actions[rows, values.argmax(axis=1)]
        exponent = values / np.float32(self.temperature) - log_density(cloud)
        weights = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        uniform = generator(self.seed, stream, step).random(len(states))
        return cloud.actions[rows, choose(weights, uniform)]

    def _to_env(self, actions: Float32) -> Float32:
        return np.clip(self._middle + self._half * actions, self._low, self._high)

    def _update(self) -> None:
        c = self.config
        batch = self.replay.sample(
            c.batch_size,
            generator(self.seed, "replay", self.updates),
            steps=self._backup_steps,
            discount=self.discount,
        )
        states = self._states(batch["observations"])
        actions = np.clip((batch["actions"] - self._middle) / self._half, -1.0, 1.0)
        T = np.float32(self.temperature)

        values = self._soft_value(self._states(batch["next_observations"]), T)
        targets = batch["rewards"] + batch["discounts"] * ~batch["terminated"] * values
        with np.errstate(over="ignore"):  # what float32 cannot hold is told of by the losses
            y = targets.astype(np.float32)
        losses = self.critic.fit(states, actions, y, learning_rate=c.learning_rate)
        if not np.isfinite(losses).all():
            raise self._diverged(f"its losses are {losses.tolist()}")
        self.critic_loss = float(losses.mean())
        if self.updates % c.policy_delay == 0:
            self._improve_policy(states[: c.policy_states], T)
        self.target.move_towards(self.critic, c.averaging_rate)
        self.updates += 1

    def _soft_value(self, states: Float32, T: np.float32) -> Float32:
        """V(s) (S,): mean over particles of Q - T log pi, Q of the target and pi the policy."""
        c = self.config
        cloud = self.policy.draw(states, c.target_particles, step=2 * self.updates)
        values = self.target.value(states, cloud.actions, aggregate=c.target_aggregate)
        soft: Float32 = (values - T * log_density(cloud)).mean(axis=1)
        return soft

    def _improve_policy(self, states: Float32, T: np.float32) -> None:
        """Particles take their transport steps, and the generator follows them."""
        c = self.config
        cloud = self.policy.draw(states, c.particles, step=2 * self.updates + 1, keep=True)
        means, log_deviation = cloud.means, cloud.log_deviation
        moved = cloud
        step_size = None
        for _ in range(c.transport_steps):
            _, drift = self.critic.value_and_action_gradient(
                states, moved.actions, aggregate=c.drift_aggregate
            )
            of_means, of_log_deviation, log_pi = free_energy_gradient(moved, drift, T)
            if step_size is None:
                self.entropy = -float(log_pi.mean())
                size = float(np.sqrt(np.mean(np.square(of_means))))
                if not math.isfinite(size):
                    raise self._diverged("its action gradient is not finite")
                step_size = np.float32(c.transport_move / max(size, 1e-12))
            means = means + step_size * of_means
            log_deviation = log_deviation + step_size * of_log_deviation
            moved = cloud.at(means, log_deviation)
        self.policy.regress(
            cloud,
            means - cloud.means,
            log_deviation - cloud.log_deviation,
            learning_rate=c.learning_rate,
        )
        self.averaged_policy.move_towards(self.policy, c.policy_averaging_rate)
        self._temperature.follow(self.entropy, c.learning_rate)

    def _diverged(self, what: str) -> DivergenceError:
        before = (
            "no loss was finite before"
            if math.isnan(self.critic_loss)
            else f"the last finite loss was {self.critic_loss:.4g}"
        )
        return DivergenceError(
            f"the critic diverged at step {self.env_steps}, update {self.updates}: {what}; "
            f"{before}. Lower learning_rate or scale the rewards"
        )

    # Acting

    def _actions(self, observations: Float32, mode: str, step: int) -> Float32:
        states = self._states(observations)
        n = self.config.evaluation_candidates
        if mode == "best":
            points = self.averaged_policy.points(states, n)
            values = self.critic.value(states, points)
            return self._to_env(points[np.arange(len(states)), values.argmax(axis=1)])
        cloud = self._draw(states, 1 if mode == "sample" else n, step=step)
        if mode == "sample":
            return self._to_env(cloud.actions[:, 0])
        if mode == "gibbs":
            return self._to_env(self._chosen(states, cloud, "gibbs", "evaluation", step))
        return self._to_env(medoids(cloud.actions) if mode == "medoid" else cloud.actions)

    def _draw(self, states: Float32, n: int, *, step: int) -> Cloud:
        """Particles of the averaged policy."""
        return self.averaged_policy.draw(states, n, step=step, stream="evaluation")

    def _particles(self, observations: Float32, n: int) -> Float32:
        return self._to_env(self._draw(self._states(observations), n, step=0).actions[0])

    def state_action_values(self, observations: Float32, actions: Float32) -> NDArray[np.float64]:
        unit = np.ascontiguousarray((actions - self._middle) / self._half)
        return self.critic.value(self._states(observations), unit).astype(np.float64)

    def acting_particles(
        self, observations: Float32, n: int, *, step: int
    ) -> tuple[Float32, Float32]:
        """n particles (S, N, D) [action] of the policy, and its log density (S, N) there."""
        states = self._states(observations)
        cloud = self._draw(states, n, step=step)
        log_pi = self.averaged_policy.log_density(states, cloud)
        in_env = log_pi - np.float32(np.log(self._half).sum())
        return self._to_env(cloud.actions), in_env

    @property
    def log_base_volume(self) -> float:
        """Log of the volume that the soft value's entropy is relative to: entropies are those of
        actions in [-1, 1]^D, so it is that of half the box's widths."""
        return float(np.log(self._half.astype(np.float64)).sum())

    @property
    def ready(self) -> bool:
        return self.updates > 0

    # Saving

    def _numpy_policy(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        c, policy = self.config, self.averaged_policy
        # Without latents all candidates are one.
        candidates = c.evaluation_candidates if policy.latent_size else 1
        normalised = c.normalise_observations and self.moments.count >= 2
        mean, inverse = self.moments.mean_and_inverse_scale()
        arrays = {"mean": mean, "inverse": inverse, "latents": policy.fixed_latents(candidates)}
        arrays |= network_arrays("policy", policy.network)
        critics = 0
        if candidates > 1:
            if self.critic_kind == "own" or not isinstance(self.critic, NeuralQ):
                raise UsageError(
                    f"the best of {candidates} candidates is chosen by a critic of your own, which "
                    "cannot be exported; make the agent with evaluation_candidates=1"
                )
            critics = self.critic.ensemble
            for member in range(critics):
                arrays |= network_arrays(f"critic.{member}", self.critic.network, member)
        return {
            "kind": "neural",
            "activation": c.activation,
            "critics": critics,
            "signs": policy.latents == "signs",
            "latent_scale": policy.latent_scale,
            "log_deviation_bounds": list(policy.bounds),
            "limit": self.moments.limit if normalised else None,
        }, arrays

    def _parts(self) -> dict[str, Any]:
        """What holds arrays that a checkpoint needs, besides the replay."""
        return {
            "critic": self.critic,
            "target": self.target,
            "policy": self.policy,
            "averaged_policy": self.averaged_policy,
            "temperature": self._temperature,
            "moments": self.moments,
            "episodes": self.episodes,
        }

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that is needed to go on, in the middle of episodes too: JSON values and arrays."""
        arrays = {f"replay.{name}": rows for name, rows in self.replay.arrays().items()}
        for prefix, holder in self._parts().items():
            arrays |= {f"{prefix}.{name}": array for name, array in holder.arrays().items()}
        return {
            "env": self.env.name,
            "signature": self.env.signature,
            "agent": self.agent,
            "kind": self.critic_kind,
            "seed": self.seed,
            "config": self.settings.as_dict(),
            "updates": self.updates,
        }, {**arrays, "numbers": self._numbers()}

    def take(
        self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Take over what `snapshot` gave; `CheckpointError` and nothing changed if it does not
        fit."""
        require_same_kind(path, meta, self.agent, self.critic_kind, self.env)
        before = {name: holder.arrays() for name, holder in self._parts().items()}
        try:
            replay = Replay.from_arrays(part(arrays, "replay"), self.config.replay_size)
            for name in ("observations", "actions"):
                stored, wanted = (
                    getattr(replay, name).shape[1:],
                    getattr(self.replay, name).shape[1:],
                )
                if stored != wanted:
                    raise ValueError(
                        f"its {name} have shape {stored}, the environment's have {wanted}"
                    )
            updates = int(meta["updates"])
            if updates < 0:
                raise ValueError(f"it counts {updates} updates")
            numbers = arrays["numbers"]
            if numbers.shape != (len(self.numbers),):
                raise ValueError(f"it holds {numbers.shape} numbers")
            for name, holder in self._parts().items():
                holder.restore(part(arrays, name))
            if len(replay) > self.env_steps:
                raise ValueError("its counters contradict each other")
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
            for name, holder in self._parts().items():
                holder.restore(before[name])
            raise CheckpointError(f"{path} cannot be used: {error}") from None
        self.replay = replay
        self.updates = updates
        self._take_numbers(numbers)
        return meta
