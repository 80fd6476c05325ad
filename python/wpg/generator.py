"""The particle generator: a policy that makes particles of a state in one pass.

A particle is a latent draw z, a Gaussian around the generator's point, and the squash into the box:

    y = mu(s, z) + sigma(s, z) xi,    z ~ uniform on {-1, 1}^L,    xi ~ N(0, I_D),    a = tanh(y)

so the policy of a state is a mixture of 2^L Gaussians, one for each z, seen through tanh. Latents
that are signs can be sent to modes that lie apart; a continuous image of normal latents has to pass
between them, and puts particles where nobody wants them. The Gaussian around the point is the heat
step of Wasserstein policy gradient; its width is learned. N draws of z give a density that can be
computed,

    m(y) = (1/N) sum_j N(y; mu_j, sigma_j^2),    log pi(a) = log m(y) - sum_d log(1 - a_d^2)

and with L = 0 all of this is the squashed Gaussian of soft actor-critic. Actions here are those of
the box [-1, 1]^D.

Sources: heat step and mixture: arXiv 2605.26078; semi-implicit mixtures: Yin and Zhou 2018;
squashed Gaussian: Haarnoja et al. 2018, appendix C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.networks import MLP, Tape
from wpg.noise import standard_normal
from wpg.squash import actions as squashed
from wpg.squash import log_slope
from wpg.supports import Box

__all__ = [
    "UNIT_BOX",
    "Cloud",
    "ParticleGenerator",
    "free_energy_gradient",
    "log_density",
    "log_mixture",
]

Float32 = NDArray[np.float32]

UNIT_BOX = Box(-1.0, 1.0, boundary="tanh")
LOG_2PI = float(np.log(2.0 * np.pi))
MOST_PAIRS = 2**23  # numbers in an array over all pairs of particles; 32 MiB


@dataclass
class Cloud:
    """Particles of S states, N each, and how they were made; arrays are (S, N, D)."""

    means: Float32  # mu
    log_deviation: Float32  # log sigma
    noise: Float32  # xi
    free: Float32  # y, before the squash
    actions: Float32  # a = tanh(y)
    clipped: NDArray[np.bool_]  # where log sigma is at its bounds
    tape: Tape | None

    def at(self, means: Float32, log_deviation: Float32) -> Cloud:
        """The same noise around other points."""
        deviation: Float32 = np.exp(log_deviation)
        free = means + deviation * self.noise
        actions: Float32 = squashed(free, UNIT_BOX)
        return Cloud(means, log_deviation, self.noise, free, actions, self.clipped, None)

    def of_states(self, rows: slice) -> Cloud:
        """The part of some states, without the tape."""
        return Cloud(
            self.means[rows],
            self.log_deviation[rows],
            self.noise[rows],
            self.free[rows],
            self.actions[rows],
            self.clipped[rows],
            None,
        )


class ParticleGenerator:
    """mu and log sigma of a particle as a network of state and latent draw.

    Parameters
    ----------
    observation_size : O
    action_size : D
    latent_size : L; 0 for a squashed Gaussian
    latents : "signs" +-1, or "normal" N(0, 1)
    hidden, activation, layer_norm, seed : of the network, see `wpg.networks.MLP`
    latent_scale : what latents are multiplied with, so how far apart particles start
    log_deviation_bounds : log sigma is kept between these
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        latent_size: int,
        latents: str = "signs",
        hidden: tuple[int, ...] = (256, 256),
        activation: str = "relu",
        layer_norm: bool = False,
        latent_scale: float = 1.0,
        log_deviation_bounds: tuple[float, float] = (-10.0, 2.0),
        seed: int,
    ) -> None:
        self.network = MLP(
            observation_size,
            latent_size,
            2 * action_size,
            hidden=hidden,
            activation=activation,
            layer_norm=layer_norm,
            seed=seed,
        )
        self.action_size = action_size
        self.latent_size = latent_size
        if latents not in ("signs", "normal"):
            raise ValueError(f"latents is {latents!r}; it must be 'signs' or 'normal'")
        self.latents = latents
        self.latent_scale = latent_scale
        self.bounds = log_deviation_bounds
        self.seed = seed

    def draw(
        self, states: Float32, n: int, *, step: int, stream: str = "policy", keep: bool = False
    ) -> Cloud:
        """N particles of each state (S, O), named by (seed, stream, step).

        keep : with a tape, for `regress`. Cost: a forward pass of S N rows. Without latents N
        particles share one Gaussian.
        """
        size = self.latent_size + self.action_size
        noise = standard_normal((len(states), n, size), seed=self.seed, step=step, stream=stream)
        return self.cloud(states, noise, keep=keep)

    def cloud(self, states: Float32, noise: Float32, *, keep: bool = False) -> Cloud:
        """The particles of standard normal draws (z, xi) (S, N, L + D) that are given."""
        S, n, _ = noise.shape
        L, D = self.latent_size, self.action_size
        if L == 0 and n > 1:
            states = np.repeat(states, n, axis=0)
        latent = self._latents(noise[..., :L]) if L else None
        if keep:
            tape = self.network.tape(states, latent)
            outputs = tape.outputs
        else:
            tape, outputs = None, self.network(states, latent)
        outputs = outputs.reshape(S, n, 2 * D)
        raw = outputs[..., D:]
        log_deviation = np.clip(raw, *self.bounds)
        xi = np.ascontiguousarray(noise[..., L:])
        deviation: Float32 = np.exp(log_deviation)
        free = outputs[..., :D] + deviation * xi
        return Cloud(
            means=np.ascontiguousarray(outputs[..., :D]),
            log_deviation=log_deviation,
            noise=xi,
            free=free,
            actions=squashed(free, UNIT_BOX),
            clipped=raw != log_deviation,
            tape=tape,
        )

    def _latents(self, normal: Float32) -> Float32:
        """z of standard normal draws."""
        scale = np.float32(self.latent_scale)
        return np.copysign(scale, normal) if self.latents == "signs" else scale * normal

    def points(self, states: Float32, n: int) -> Float32:
        """tanh(mu) (S, N, D): particles without their Gaussian, of the same N latents at every
        state, so that each is a function of its state alone."""
        noise = self._fixed_noise(n)
        return squashed(self.cloud(states, np.repeat(noise, len(states), axis=0)).means, UNIT_BOX)

    def fixed_latents(self, n: int) -> Float32:
        """The latents (N, L) of `points`."""
        return self._latents(self._fixed_noise(n)[0, :, : self.latent_size])

    def _fixed_noise(self, n: int) -> Float32:
        size = self.latent_size + self.action_size
        return standard_normal((1, n, size), seed=self.seed, stream="evaluation")

    @property
    def countable(self) -> bool:
        """Is a state's policy a mixture of at most 2^12 Gaussians, which can all be named?"""
        return self.latent_size == 0 or (self.latents == "signs" and self.latent_size <= 12)

    def components(self, states: Float32) -> Cloud:
        """All Gaussians of each state (S, O), (S, 2^L, D), of one weight each; their noise is 0.

        The policy of a state is exactly their mixture. ValueError with normal latents, which are
        infinitely many, and for L above 12. Cost: a forward pass of S 2^L rows.
        """
        L = self.latent_size
        if not self.countable:
            raise ValueError(
                f"the policy has {L} latents that are {self.latents}; its Gaussians can be counted "
                "for at most 12 that are signs"
            )
        bits = np.arange(2**L)[:, None] >> np.arange(L) & 1
        noise = np.zeros((len(states), 2**L, L + self.action_size), np.float32)
        noise[..., :L] = 2 * bits - 1
        return self.cloud(states, noise)

    def log_density(self, states: Float32, cloud: Cloud) -> Float32:
        """log pi (S, K) of a cloud's actions at its states, by all Gaussians of `components`.

        Where these cannot be counted: by the cloud's own mixture, see `log_density` of the module.
        Cost: S K 2^L D.
        """
        if not self.countable:
            return log_density(cloud)
        components = self.components(states)
        one_by_one = (slice(s, s + 1) for s in range(len(states)))
        log_m = [log_mixture(cloud.free[s], components.of_states(s))[0] for s in one_by_one]
        return np.concatenate(log_m) - log_slope(cloud.actions, UNIT_BOX)

    def regress(
        self,
        cloud: Cloud,
        mean_move: Float32,
        log_deviation_move: Float32,
        *,
        learning_rate: float,
    ) -> None:
        """One step of Adam towards where the particles of a kept cloud have moved.

            loss = (1/2S) sum_s (1/N) sum_n |mu - (mu + mean_move)|^2 + the same for log sigma

        moves (S, N, D). A log sigma at its bound takes no gradient from beyond it.
        """
        if cloud.tape is None:
            raise ValueError("cloud was drawn without keep=True; there is nothing to regress with")
        S, N, D = cloud.means.shape
        gradient = np.empty((S, N, 2 * D), np.float32)
        scale = np.float32(-1.0 / (S * N))
        np.multiply(mean_move, scale, out=gradient[..., :D])
        np.multiply(log_deviation_move, scale, out=gradient[..., D:])
        gradient[..., D:][cloud.clipped] = 0.0
        self.network.descend(
            cloud.tape, gradient.reshape(cloud.tape.outputs.shape), learning_rate=learning_rate
        )

    def copy(self) -> ParticleGenerator:
        """A generator of its own that makes the same particles; `move_towards` lets it follow."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.network = self.network.copy()
        return copy

    def move_towards(self, other: ParticleGenerator, rate: float) -> None:
        """Polyak average: weights <- weights + rate (other's - weights)."""
        self.network.move_towards(other.network, rate)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return self.network.arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        self.network.restore(arrays)


def log_mixture(points: Float32, cloud: Cloud) -> tuple[Float32, Float32]:
    """log m (S, K) at points y (S, K, D), and who is responsible for them (S, K, N).

    m(y) = (1/N) sum_j N(y; mu_j, sigma_j^2),   r_kj = N(y_k; mu_j, sigma_j^2) / (N m(y_k))
    """
    log_m, responsible, _ = _mixture(points, cloud)
    return log_m, responsible


def _mixture(points: Float32, cloud: Cloud) -> tuple[Float32, Float32, Float32]:
    """`log_mixture`, and (y_k - mu_j) / sigma_j (S, K, N, D)."""
    D = points.shape[2]
    away = (points[:, :, None] - cloud.means[:, None]) * np.exp(-cloud.log_deviation)[:, None]
    exponent = -0.5 * np.einsum("sknd,sknd->skn", away, away) - cloud.log_deviation.sum(2)[:, None]
    top = exponent.max(axis=2, keepdims=True)
    terms = np.exp(exponent - top)
    total = terms.sum(axis=2, keepdims=True)
    count = cloud.means.shape[1]
    constant = np.float32(0.5 * D * LOG_2PI + np.log(count))
    return (np.log(total) + top)[..., 0] - constant, terms / total, away


def log_density(cloud: Cloud) -> Float32:
    """log pi (S, N) of a cloud's own actions in [-1, 1]^D, by its own mixture.

    Cost: S N^2 D; memory: that of the states whose pairs fit into `MOST_PAIRS`, one at least.
    """
    S, N, D = cloud.means.shape
    block = max(1, MOST_PAIRS // (N * N * D)) if N > 1 else max(1, S)
    if block >= S:
        log_m = _own_log_mixture(cloud)
    else:
        starts = range(0, S, block)
        parts = [_own_log_mixture(cloud.of_states(slice(s, s + block))) for s in starts]
        log_m = np.concatenate(parts)
    return log_m - log_slope(cloud.actions, UNIT_BOX)


def _own_log_mixture(cloud: Cloud) -> Float32:
    """log m (S, N) at the cloud's own points."""
    if cloud.means.shape[1] > 1:
        return _mixture(cloud.free, cloud)[0]
    exponent = -0.5 * np.einsum("snd,snd->sn", cloud.noise, cloud.noise)
    D = cloud.means.shape[2]
    log_m: Float32 = exponent - cloud.log_deviation.sum(axis=2) - np.float32(0.5 * D * LOG_2PI)
    return log_m


def free_energy_gradient(
    cloud: Cloud, drift: Float32, temperature: np.float32
) -> tuple[Float32, Float32, Float32]:
    """Where the particles' points and log deviations should go, (S, N, D) each [reward], and
    log pi (S, N) of the cloud's actions.

    Up the gradient of the negative free energy of the mixture, for the noise that was drawn,

        J = (1/N) sum_k F(y_k) - T log m(y_k),    F(y) = Q(tanh y) + T sum_d log(1 - tanh(y_d)^2)

    by mu_j and log sigma_j, times N. With y_k = mu_k + sigma_k xi_k, e_kj = (y_k - mu_j)/sigma_j:

        pull_k    = grad F(y_k) + T sum_j r_kj e_kj / sigma_j
        mu_j      : pull_j - T sum_k r_kj e_kj / sigma_j
        log sigma_j : sigma_j xi_j pull_j - T sum_k r_kj (e_kj^2 - 1)

    The second terms have mean zero; they take the noise out of the first ones: a single Gaussian
    keeps grad F and sigma xi grad F + T, as in soft actor-critic.

    drift : grad_a Q (S, N, D) at the cloud's actions.
    Cost: S N^2 D. Source: pathwise gradients of semi-implicit laws, Yin and Zhou 2018.
    """
    T = temperature
    a = cloud.actions
    pull = (1 - a * a) * drift - (2 * T) * a
    deviation = np.exp(cloud.log_deviation)
    if cloud.means.shape[1] == 1:
        log_pi = _own_log_mixture(cloud) - log_slope(a, UNIT_BOX)
        return pull, deviation * cloud.noise * pull + T, log_pi
    log_m, responsible, away = _mixture(cloud.free, cloud)  # e (S, K, N, D)
    log_pi = log_m - log_slope(a, UNIT_BOX)
    weighted = responsible[..., None] * away
    scores = weighted * np.exp(-cloud.log_deviation)[:, None]
    pull = pull + T * scores.sum(axis=2)
    of_means = pull - T * scores.sum(axis=1)
    of_log_deviation = deviation * cloud.noise * pull - T * (
        np.einsum("sknd,sknd->snd", weighted, away) - responsible.sum(axis=1)[..., None]
    )
    return of_means, of_log_deviation, log_pi
