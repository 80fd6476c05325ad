"""Named problems: small, and with answers that are known.

trig                 three states (or more), one or more modes per state, torus or box
ring                 thousands of states with sparse transitions, bounded rewards
multi_goal           a point in the plane and four goals, two action dimensions
double_well          one state, Q = -k (a^2 - 1)^2, closed-form value
von_mises            one state on the circle, closed-form value
gaussian_mixture     one state, any dimension, V* = 0
gmm40                one state, two action dimensions, forty modes far apart
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from wpg.exact.arguments import count, finite, positive
from wpg.exact.finite_mdp import FiniteMDP
from wpg.exact.gaussian_mixture import GaussianMixture
from wpg.supports import Box, Torus

__all__ = [
    "Bandit",
    "double_well",
    "gaussian_mixture",
    "gmm40",
    "multi_goal",
    "ring",
    "trig",
    "von_mises",
]

Float64 = NDArray[np.float64]

BLOCK = 4096
MOST_CONCENTRATION = 1e8


def _support(support: str) -> Box | Torus:
    if support == "torus":
        return Torus(2.0 * np.pi)
    if support == "box":
        return Box(-1.0, 1.0)
    raise ValueError(f"support is {support!r}; it must be 'torus' or 'box'")


def _softmax(logits: Float64) -> Float64:
    """Over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits


def _softmax_gradient(rows: Float64, logit_gradient: Float64) -> Float64:
    """grad of softmax rows (S, N, K) from that of the logits (S, N, K, D)."""
    mean = np.einsum("snk,snkd->snd", rows, logit_gradient)
    return rows[..., None] * (logit_gradient - mean[:, :, None, :])


def trig(
    n_states: int = 3,
    action_size: int = 1,
    support: str = "torus",
    discount: float = 0.9,
    temperature: float = 0.5,
) -> FiniteMDP:
    """Trigonometric rewards and transitions: smooth, two modes per state, the states differ.

        r(s, a) = (1/D) sum_j [ (0.6 + 0.4 s) cos(a_j - th_s) + 0.5 cos(2 a_j + th_s + j) ]
        P(s'|s, a) = softmax_s' [ (1.5/D) sum_j cos(a_j - th_s' - s/2) + 0.5 (s' = s) ]
        th_s = 2 pi s / S,   s, j = 0, 1, ...

    on [0, 2 pi)^D ("torus") or [-1, 1]^D ("box"). Gradients are analytic. On the torus 64 grid
    points a dimension are exact to rounding at the default temperature; on the box the midpoint
    rule is O(dx^2).
    """
    S, D = count(n_states, "n_states"), count(action_size, "action_size")
    states = np.arange(S)
    theta = 2.0 * np.pi * states / S
    height = (0.6 + 0.4 * states)[:, None, None]
    phase = theta[:, None, None]
    turn = np.arange(D)
    # (S, S): angle of next state s' as seen from s
    aim = theta[None, :] + states[:, None] / 2.0
    stay = 0.5 * np.eye(S)

    def reward(actions: Float64) -> Float64:
        waves = height * np.cos(actions - phase) + 0.5 * np.cos(2.0 * actions + phase + turn)
        return waves.mean(axis=2)

    def reward_gradient(actions: Float64) -> Float64:
        waves = -height * np.sin(actions - phase) - np.sin(2.0 * actions + phase + turn)
        return waves / D

    def away(actions: Float64) -> Float64:
        return actions[:, :, None, :] - aim[:, None, :, None]

    def transition(actions: Float64) -> Float64:
        return _softmax(1.5 * np.cos(away(actions)).mean(axis=3) + stay[:, None, :])

    def transition_gradient(actions: Float64) -> Float64:
        return _softmax_gradient(transition(actions), -(1.5 / D) * np.sin(away(actions)))

    return FiniteMDP(
        S,
        D,
        reward,
        transition,
        _support(support),
        discount=discount,
        temperature=temperature,
        reward_gradient=reward_gradient,
        transition_gradient=transition_gradient,
        name="trig",
    )


def ring(
    n_states: int = 10_000,
    action_size: int = 2,
    n_successors: int = 20,
    support: str = "torus",
    discount: float = 0.9,
    temperature: float = 0.5,
) -> FiniteMDP:
    """Many states on a ring; an action chooses which of its K nearest ones come next.

    r(s, a) = cos(3 th_s) + (1/D) sum_j [ cos(a_j - th_s) + 0.5 cos(2 a_j + th_s + j) ]
    P(s + k | s, a) = softmax_k [ (1/D) sum_j cos(a_j - 2 pi (k + 1/2)/K + j) ]
    k = -K/2 .. K/2 - 1,   th_s = 2 pi s / S
    """
    S, D = count(n_states, "n_states"), count(action_size, "action_size")
    K = count(n_successors, "n_successors")
    if K > S:
        raise ValueError(f"n_successors is {K}; it must be from 1 to n_states = {S}")
    theta = (2.0 * np.pi * np.arange(S) / S)[:, None, None]
    turn = np.arange(D)
    offsets = np.arange(K) - K // 2
    aim = (2.0 * np.pi * (offsets + 0.5) / K)[:, None] - turn  # (K, D)
    cosines, sines = np.cos(aim), np.sin(aim)

    def reward(actions: Float64) -> Float64:
        waves = np.cos(actions - theta) + 0.5 * np.cos(2.0 * actions + theta + turn)
        return np.cos(3.0 * theta[:, :, 0]) + waves.mean(axis=2)

    def reward_gradient(actions: Float64) -> Float64:
        return (-np.sin(actions - theta) - np.sin(2.0 * actions + theta + turn)) / D

    # cos(a - b) = cos a cos b + sin a sin b turns sums over successors into products.
    waves_of_aim = np.concatenate([cosines, sines], axis=1)  # (K, 2 D)

    def transition(actions: Float64) -> Float64:
        waves = np.concatenate([np.cos(actions), np.sin(actions)], axis=2)
        # Logits lie within 1 of 0, so that no maximum need be taken out of them.
        waves = waves.reshape(-1, 2 * D)
        rows = np.empty((len(waves), K))
        # In blocks that stay in the processor's cache.
        for start in range(0, len(waves), BLOCK):
            block = rows[start : start + BLOCK]
            np.matmul(waves[start : start + BLOCK], waves_of_aim.T / D, out=block)
            np.exp(block, out=block)
            block /= block.sum(axis=1, keepdims=True)
        return rows.reshape(*actions.shape[:2], K)

    def expected_value_gradient(actions: Float64, rows: Float64, values: Float64) -> Float64:
        # sum_k V_k grad P_k = sum_k P_k (V_k - mean) grad logit_k, mean = sum_k P_k V_k: one
        # product per state with the columns V_k wave_k, V_k and wave_k.
        plain = np.broadcast_to(waves_of_aim / D, (S, K, 2 * D))
        heavy = values[:, :, None] * plain
        sums = rows @ np.concatenate([heavy, plain, values[:, :, None]], axis=2)
        mean = sums[..., 4 * D :]
        pull = sums[..., : 2 * D] - mean * sums[..., 2 * D : 4 * D]
        return np.cos(actions) * pull[..., D:] - np.sin(actions) * pull[..., :D]

    return FiniteMDP(
        S,
        D,
        reward,
        transition,
        _support(support),
        discount=discount,
        temperature=temperature,
        reward_gradient=reward_gradient,
        expected_value_gradient=expected_value_gradient,
        successors=(np.arange(S)[:, None] + offsets) % S,
        name="ring",
    )


def multi_goal(
    n_cells: int = 9, discount: float = 0.9, temperature: float = 0.2, step: float = 1.0
) -> FiniteMDP:
    """A point on n x n cells of a square walks towards the nearest of four goals.

    Cells lie at the integers 0 .. n-1 in both coordinates; action a in [-1, 1]^2 wants to move by
    `step` a. Along each coordinate it goes one cell back, stays, or goes one ahead with the chances

        (1 - m)^2 / 4,  (1 - m^2) / 2,  (1 + m)^2 / 4,   m = step a_d,

    whose mean is m; at the edge it stays. Goals are the middles of the four sides:

        r(s, a) = exp(-min_g |s - g|^2 / 2) - 0.1 |a|^2

    In the middle four directions are equally good, and a policy that holds one mode loses entropy.
    State s is the cell (s // n_cells, s % n_cells). Gradients are analytic.
    """
    n_cells, step = count(n_cells, "n_cells", 3), positive(step, "step")
    if step > 1.0:
        raise ValueError(f"step is {step}; it must be in (0, 1], a cell at most")
    axis = np.arange(n_cells, dtype=np.float64)
    cells = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    middle, last = (n_cells - 1) / 2.0, n_cells - 1.0
    goals = np.array([[middle, 0.0], [middle, last], [0.0, middle], [last, middle]])
    near = np.exp(-0.5 * ((cells[:, None] - goals) ** 2).sum(axis=2).min(axis=1))
    # Three places along each coordinate: one back, here, one ahead.
    moves = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    reached = np.clip(cells[:, None].astype(np.int64) + moves, 0, n_cells - 1)
    successors = reached[..., 0] * n_cells + reached[..., 1]

    def reward(actions: Float64) -> Float64:
        return near[:, None] - 0.1 * (actions**2).sum(axis=2)

    def reward_gradient(actions: Float64) -> Float64:
        return -0.2 * actions

    def along(move: Float64) -> Float64:
        """Chances of one cell back, none, one ahead; their mean is `move`."""
        ahead, back = (1.0 + move) ** 2 / 4.0, (1.0 - move) ** 2 / 4.0
        return np.stack([back, (1.0 - move**2) / 2.0, ahead], axis=-1)

    def transition(actions: Float64) -> Float64:
        x, y = along(step * actions[..., 0]), along(step * actions[..., 1])
        return (x[..., :, None] * y[..., None, :]).reshape(*actions.shape[:2], 9)

    def transition_gradient(actions: Float64) -> Float64:
        def slope(move: Float64) -> Float64:
            return step * np.stack([-(1.0 - move) / 2.0, -move, (1.0 + move) / 2.0], axis=-1)

        u, v = step * actions[..., 0], step * actions[..., 1]
        x, y = along(u), along(v)
        first = slope(u)[..., :, None] * y[..., None, :]
        second = x[..., :, None] * slope(v)[..., None, :]
        return np.stack([first, second], axis=-1).reshape(*actions.shape[:2], 9, 2)

    return FiniteMDP(
        len(cells),
        2,
        reward,
        transition,
        Box(-1.0, 1.0),
        discount=discount,
        temperature=temperature,
        reward_gradient=reward_gradient,
        transition_gradient=transition_gradient,
        successors=successors,
        name="multi-goal",
    )


class Bandit(FiniteMDP):
    """One state and no future: Q = r is fixed, so everything is an integral over actions.

    optimal_value [reward] is V* in closed form, entropy [nats] that of the Gibbs policy, both None
    where no closed form is known. mixture is the Gibbs policy where that is a mixture of Gaussians,
    but for what the walls cut off, else None.
    """

    def __init__(
        self,
        reward: Any,
        reward_gradient: Any,
        support: Box | Torus,
        action_size: int,
        *,
        temperature: float,
        optimal_value: float | None,
        entropy: float | None,
        name: str,
        mixture: GaussianMixture | None = None,
    ) -> None:
        super().__init__(
            1,
            action_size,
            reward,
            lambda actions: np.ones((*actions.shape[:2], 1)),
            support,
            discount=0.0,
            temperature=temperature,
            reward_gradient=reward_gradient,
            transition_gradient=lambda actions: np.zeros((*actions.shape[:2], 1, actions.shape[2])),
            name=name,
        )
        self.optimal_value = optimal_value
        self.entropy = entropy
        self.mixture = mixture


def _concentration(k: float, temperature: float) -> float:
    """k / temperature, if the Bessel functions of it are known."""
    if k > MOST_CONCENTRATION * temperature:
        raise ValueError(
            f"k is {k:g} at temperature {temperature:g}; the closed form is for k of at most "
            f"{MOST_CONCENTRATION:g} times the temperature"
        )
    return k / temperature


def double_well(k: float = 1.0, temperature: float = 0.25) -> Bandit:
    """Q(a) = -k (a^2 - 1)^2: two equal modes at -1 and 1, a barrier of k / temperature.

        V* = temperature log( (pi/2) exp(-b/2) [I_-1/4(b/2) + I_1/4(b/2)] ),  b = k / temperature
        flow: temperature lambda_gap ~ (sqrt(32) k / pi) exp(-b) as b grows (Kramers)

    On a box so wide that what lies beyond is below rounding (exp(-40) of the density's top).
    """
    k, temperature = positive(k, "k"), positive(temperature, "temperature")
    b = _concentration(k, temperature)
    bessel = scipy.special.ive(-0.25, b / 2.0) + scipy.special.ive(0.25, b / 2.0)
    value = temperature * float(np.log(np.pi / 2.0 * bessel))
    reach = float(np.sqrt(1.0 + np.sqrt(40.0 / b)))
    return Bandit(
        lambda a: -k * ((a**2 - 1.0) ** 2)[..., 0],
        lambda a: -4.0 * k * a * (a**2 - 1.0),
        Box(-reach, reach),
        1,
        temperature=temperature,
        optimal_value=value,
        entropy=None,
        name="double-well",
    )


def von_mises(k: float = 1.0, mu: float = 0.0, temperature: float = 0.5) -> Bandit:
    """Q(a) = k cos(a - mu) on the circle.

    z = k / temperature:  V* = temperature log(2 pi I0(z)),  E cos(a - mu) = I1(z)/I0(z),
    entropy = log(2 pi I0(z)) - z I1(z)/I0(z),  alpha >= exp(-2 z).
    """
    k, temperature = positive(k, "k"), positive(temperature, "temperature")
    mu, z = finite(mu, "mu"), _concentration(k, temperature)
    log_mass = float(np.log(2.0 * np.pi * scipy.special.ive(0, z)) + z)
    resultant = float(scipy.special.ive(1, z) / scipy.special.ive(0, z))
    return Bandit(
        lambda a: k * np.cos(a - mu)[..., 0],
        lambda a: -k * np.sin(a - mu),
        Torus(2.0 * np.pi),
        1,
        temperature=temperature,
        optimal_value=temperature * log_mass,
        entropy=log_mass - z * resultant,
        name="von-mises",
    )


def gaussian_mixture(
    means: ArrayLike = ((-1.5, 0.0), (1.5, 0.0)),
    std: ArrayLike = 0.5,
    weights: ArrayLike | None = None,
    temperature: float = 1.0,
    *,
    support: Box | None = None,
) -> Bandit:
    """Q(a) = temperature log p(a), p = sum_i w_i N(mu_i, std_i^2 I): pi* is the mixture itself.

    means (C, D), std number or (C,), weights (C,) summing to one (equal if None); any D.
    `problem.mixture` is p, with exact draws. On a box that reaches 9 standard deviations beyond the
    means, where V* = 0, or on `support`, whose walls cut p off:

        V* = temperature log int_support p(a) da
    """
    mixture = GaussianMixture(means, std, weights)
    mu, s = mixture.means, mixture.std[:, None]
    temperature = positive(temperature, "temperature")
    value = 0.0
    if support is None:
        support = Box((mu - 9.0 * s).min(axis=0), (mu + 9.0 * s).max(axis=0))
    elif not isinstance(support, Box):
        raise TypeError(f"support is {support!r}; it must be a wpg.supports.Box or None")
    else:
        _, low, high = support.arrays(mixture.dimension, np.float64)
        outside = mixture.mass_outside(low, high)
        if outside >= 1.0:
            raise ValueError(f"support is {support!r}; it holds nothing of the mixture")
        value = temperature * float(np.log1p(-outside))
    return Bandit(
        lambda a: temperature * mixture.log_density(a),
        lambda a: temperature * mixture.log_density_and_gradient(a)[1],
        support,
        mixture.dimension,
        temperature=temperature,
        optimal_value=value,
        entropy=None,
        name="gaussian-mixture",
        mixture=mixture,
    )


def gmm40(seed: int = 0, temperature: float = 1.0) -> Bandit:
    """Forty equal Gaussians in the plane, far apart: Q = temperature log p on [-50, 50]^2.

    The means are uniform in [-40, 40]^2, from `numpy.random.default_rng(seed)`, and the standard
    deviation is softplus(1) = log(1 + e) = 1.3133. At most 3e-14 of a mode lies outside the box.
    Means of published runs come from other generators: compare over several seeds.

    Source: the target of Midgley, Stimper, Simm, Scholkopf, Hernandez-Lobato 2023.
    """
    means = np.random.default_rng(count(seed, "seed", 0)).uniform(-40.0, 40.0, (40, 2))
    std = float(np.log1p(np.e))
    return gaussian_mixture(means, std, temperature=temperature, support=Box(-50.0, 50.0))
