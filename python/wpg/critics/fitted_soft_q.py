"""Fitted soft Q iteration with kernels, on states that a learned model plans from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.critics.kernel_dynamics import KernelDynamics, spread_of
from wpg.critics.kernel_q import KernelQ, KernelRidge

__all__ = ["ActionSet", "FittedSoftQ", "Head", "Transitions"]

Float64 = NDArray[np.float64]

# Rollouts in the model: one for so many planned states, and how long. Each plans two states.
PLANNED_PER_ROLLOUT = 25
ROLLOUT_STEPS = 20


@dataclass(frozen=True)
class Transitions:
    """What was seen: (n, O), (n, D), (n,), (n, O), (n,); float64."""

    states: Float64
    actions: Float64
    rewards: Float64
    next_states: Float64
    terminated: NDArray[np.bool_]


@dataclass(frozen=True)
class ActionSet:
    """Actions (P, A, D) at planned states and log_weight (P, A) = -log(A u(a) q(a)), where q is the
    density that they were drawn from and u the volume of the box: sum_j exp(log_weight_j) f(a_j)
    estimates the mean of f over the box. `grid` (A, D) if it is the same for every state."""

    actions: Float64
    log_weight: Float64
    grid: Float64 | None = None


@dataclass
class Head:
    """One solution: a state value V(s) = baseline + sum_m w_m k_s and the soft Q that follows."""

    baseline: float
    weights: Float64
    q: KernelQ


class FittedSoftQ:
    """Soft Q-functions of all that was seen so far.

    A kernel model of the environment is fitted to the transitions, then the soft Bellman equation

        V(s) = temperature log mean_a exp( q(s, a)/temperature ),
        q(s, a) = r(s, a) + discount (1 - ends(s, a)) E V(s'(s, a))

    is solved at P planned states for V in the span of M state kernels, by value iteration that
    starts from the last solution, and q is fitted by the product kernel of KernelQ. Entropy is
    relative to the uniform law on the box of actions, so that values stay within the reachable
    range, to which they are clipped. The expectation over next states smooths V's kernel by the
    model's own leave-one-out error, in closed form.

    Two solutions share all matrices. They differ in the baseline that V falls back to where nothing
    has been seen: the *optimist*, the largest reachable value, makes the behaviour policy try what
    it does not know; the *realist*, the mean reward over the mean horizon, is the one to trust.

    Parameters
    ----------
    support_half_width : (D,) half-widths of the action box
    discount, state_length, ... : see `wpg.agents.KernelConfig`

    Cost of an update: the model's n M^2, then P A (M + M_dynamics), then about 2 P A M a sweep.
    Bias: the mean next state is put into a curved V; the smoothing makes up for additive noise of
    constant spread, and for no other.

    Source: soft Bellman equation: Haarnoja et al. 2017, eq. 5-6; fitted values with kernels:
    Ormoneit and Sen 2002; optimism where nothing was seen: Brafman and Tennenholtz 2002.
    """

    def __init__(
        self,
        support_half_width: Float64,
        *,
        discount: float,
        state_length: float,
        action_length: float,
        centers: int,
        planned_states: int,
        ridge: float,
        jitter: float,
        sweeps: int,
        tolerance: float,
        dynamics_centers: int,
    ) -> None:
        self.half_width = support_half_width
        self.discount = discount
        self.state_length = state_length
        self.action_length = action_length
        self.centers = centers
        self.planned_states = planned_states
        self.ridge = ridge
        self.jitter = jitter
        self.sweeps = sweeps
        self.tolerance = tolerance
        self.dynamics_centers = dynamics_centers
        self.dynamics: KernelDynamics | None = None
        self.center_states: Float64 | None = None
        self.unit: Float64 | None = None
        self.heads: list[Head] = []
        self.planned_rows = np.empty(0, np.int64)
        self.residual = np.inf

    # Planning

    def plan_states(
        self, data: Transitions, rng: np.random.Generator, low: Float64, high: Float64
    ) -> Float64:
        """Fit the model, and choose where to plan: (P, O), the first rows being the centres.

        Candidates are the stored next states and as many that the model reaches from stored states
        by uniform actions, with some jitter. The centres are chosen greedily, the rest at random,
        but for those that the realist's best actions lead to in the model.
        `planned_rows` (P,) says which stored next state each one is; -1 for those that are none.
        """
        n, O = data.states.shape
        self.dynamics = KernelDynamics(
            data.states,
            data.actions,
            data.rewards,
            data.next_states,
            data.terminated,
            centers=self.dynamics_centers,
            previous=self.dynamics,
        )
        spread = spread_of(data.states)
        self.unit = spread * (self.state_length * np.sqrt(O / 3.0))
        start = data.states[rng.integers(n, size=n)]
        reached, _, _ = self.dynamics.predict(start, rng.uniform(low, high, (n, len(low))))
        reached += self.jitter * spread * rng.standard_normal(reached.shape)
        reached = np.clip(reached, self.dynamics.low, self.dynamics.high)
        candidates = np.concatenate([data.next_states, reached])
        rows = np.concatenate([np.arange(n), np.full(len(reached), -1)])
        followed = self._follow(candidates, rng, low, high)
        most = 5 * self.planned_states // 2
        if len(candidates) > most:
            kept = np.sort(rng.permutation(len(candidates))[:most])
            candidates, rows = candidates[kept], rows[kept]
        chooser = self._regression(candidates)
        chooser.add_greedy_centers(self.centers, 1e-3)
        chosen = chooser.center_rows
        others = np.setdiff1d(np.arange(len(candidates)), chosen)
        left = max(0, self.planned_states - len(chosen) - len(followed))
        order = np.concatenate([chosen, rng.permutation(others)[:left]])
        self._planned_centers = len(chosen)
        self.planned_rows = np.concatenate([rows[order], np.full(len(followed), -1)])
        return np.ascontiguousarray(np.concatenate([candidates[order], followed]))

    def _follow(
        self, candidates: Float64, rng: np.random.Generator, low: Float64, high: Float64
    ) -> Float64:
        """Where the realist's best actions lead some of these states in the model (K, O).

        A policy may hold a state that nothing has visited, such as a balance of two forces, because
        q is interpolated there: one that has been planned from is rarely held by mistake.
        """
        if not self.heads:
            return candidates[:0]
        assert self.dynamics is not None
        D = len(low)
        if D <= 2:
            axes = [np.linspace(*ends, 17 if D == 1 else 5) for ends in zip(low, high, strict=True)]
            actions = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, D)
        else:
            actions = rng.uniform(low, high, (64, D))
        count = self.planned_states // PLANNED_PER_ROLLOUT
        cloud = np.broadcast_to(actions.astype(np.float32), (count, *actions.shape))
        cloud = np.ascontiguousarray(cloud)
        states = candidates[rng.integers(len(candidates), size=count)]
        visited = []
        for _ in range(2):
            for _ in range(ROLLOUT_STEPS // 2):
                best = self.realist.q.value(states.astype(np.float32), cloud).argmax(axis=1)
                states, _, _ = self.dynamics.predict(states, actions[best])
            visited.append(states)
        return np.concatenate(visited)

    def update(
        self, data: Transitions, planned: Float64, actions: ActionSet, temperature: float
    ) -> None:
        """Solve for both heads at the planned states and the actions given there."""
        assert self.dynamics is not None
        assert self.unit is not None
        P, A, D = actions.actions.shape
        M = self._planned_centers
        after, reward, ends = self.dynamics.predict(
            np.repeat(planned, A, axis=0), actions.actions.reshape(P * A, D)
        )
        reward = reward.reshape(P, A)
        continuation = self.discount * (1.0 - ends.reshape(P, A))
        low, high = self._reachable(data)
        regression = self._regression(planned)
        regression.add_centers(np.arange(M))
        regression.factor(self.ridge)
        backup = _core.SoftBackup(
            next_states=after,
            actions=A,
            centers=planned[:M],
            lengthscale=self.unit,
            smoothing=self.dynamics.state_error,
        )
        spread = max(float(data.rewards.std()), 1e-12)
        goes_on = 1.0 - float(data.terminated.mean())
        mean = float(data.rewards.mean()) / (1.0 - self.discount * goes_on)
        baselines = (mean, high)
        start = self._values_at(planned)
        heads, self.residual = [], 0.0
        for index, baseline in enumerate(baselines):
            baseline = min(max(baseline, low), high)
            values = np.full(P, baseline) if start is None else np.clip(start[index], low, high)
            for _ in range(self.sweeps):
                weights = regression.solve(values - baseline)
                backed_up, q = backup.backup(
                    weights, baseline, reward, continuation, actions.log_weight, temperature
                )
                backed_up = np.clip(backed_up, low, high)
                residual = float(np.abs(backed_up - values).max())
                values = backed_up
                if residual < self.tolerance * spread:
                    break
            self.residual = max(self.residual, residual)
            weights = regression.solve(values - baseline)
            heads.append(
                Head(baseline, weights, self._fit_q(planned, actions, q - baseline, regression))
            )
        self.heads = heads
        self.center_states = planned[:M].copy()
        self._solved_unit = self.unit

    def _fit_q(
        self, planned: Float64, actions: ActionSet, q: Float64, regression: KernelRidge
    ) -> KernelQ:
        """KernelQ (float32) of q (P, A), which the baseline has been taken from."""
        assert self.unit is not None
        M, (P, A, D) = self._planned_centers, actions.actions.shape
        length = self.action_length * self.half_width
        if actions.grid is not None:
            # One grid for all states: the regression is a Kronecker product of two small ones.
            kernel = _core.kernel_matrix(actions.grid, actions.grid, length)
            weights = np.linalg.solve(
                kernel + 1e-4 * np.eye(A), regression.solve(np.ascontiguousarray(q)).T
            ).T
            states = np.repeat(planned[:M], A, axis=0)
            acts = np.tile(actions.grid, (M, 1))
            flat = weights.reshape(-1)
        else:
            points = np.repeat(planned, A, axis=0), actions.actions.reshape(P * A, D)
            joint = KernelRidge(*points, state_lengthscale=self.unit, action_lengthscale=length)
            joint.add_greedy_centers(2 * self.centers, 1e-3)
            joint.factor(self.ridge)
            flat = joint.solve(np.ascontiguousarray(q.reshape(-1)))
            states, acts = (part[joint.center_rows] for part in points)
        return KernelQ(
            states.astype(np.float32),
            acts.astype(np.float32),
            flat.astype(np.float32),
            state_lengthscale=self.unit,
            action_lengthscale=length,
        )

    def _regression(self, states: Float64) -> KernelRidge:
        """Kernel ridge regression on states alone."""
        assert self.unit is not None
        return KernelRidge(
            states, np.zeros((len(states), 1)), state_lengthscale=self.unit, action_lengthscale=1.0
        )

    def _reachable(self, data: Transitions) -> tuple[float, float]:
        """The least and the largest value that rewards like those seen can add up to.

        With rewards c on the way and t at a termination, a return that ends after T steps is a mean
        of c / (1 - discount) and t, with weights 1 - discount^T and discount^T.
        """
        ends = []
        for rewards, horizon in (
            (data.rewards[~data.terminated], 1.0 - self.discount),
            (data.rewards[data.terminated], 1.0),
        ):
            if len(rewards):
                ends += [float(rewards.min()) / horizon, float(rewards.max()) / horizon]
        return min(ends), max(ends)

    def _values_at(self, states: Float64) -> list[Float64] | None:
        """The last solution's values, with the length scales that it was made with."""
        if self.center_states is None:
            return None
        kernel = _core.kernel_matrix(states, self.center_states, self._solved_unit)
        return [
            head.baseline + _core.matrix_product(kernel, head.weights[:, None])[:, 0]
            for head in self.heads
        ]

    @property
    def realist(self) -> Head:
        return self.heads[0]

    @property
    def optimist(self) -> Head:
        return self.heads[1]

    # What a checkpoint keeps

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON values and arrays from which `restore` makes the same object."""
        if self.center_states is None:
            return {}, {}
        assert self.dynamics is not None
        meta = {
            "dynamics": self.dynamics.choices(),
            "baselines": [head.baseline for head in self.heads],
            "residual": self.residual,
            "kernels": [head.q.kernel for head in self.heads],
        }
        arrays = {"center_states": self.center_states, "unit": self._solved_unit}
        for i, head in enumerate(self.heads):
            arrays |= {
                f"{i}.weights": head.weights,
                f"{i}.q.center_states": head.q.center_states,
                f"{i}.q.center_actions": head.q.center_actions,
                f"{i}.q.weights": head.q.weights,
                f"{i}.q.state_lengthscale": head.q.state_lengthscale,
                f"{i}.q.action_lengthscale": head.q.action_lengthscale,
            }
        return meta, arrays

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `snapshot` gave, whole or, if it does not fit, not at all."""
        if not meta:
            return
        dynamics = KernelDynamics.from_choices(meta["dynamics"])
        center_states, unit = arrays["center_states"], arrays["unit"]
        residual, kernels = float(meta["residual"]), meta["kernels"]
        self.heads = [
            Head(
                float(baseline),
                arrays[f"{i}.weights"],
                KernelQ(
                    arrays[f"{i}.q.center_states"],
                    arrays[f"{i}.q.center_actions"],
                    arrays[f"{i}.q.weights"],
                    state_lengthscale=arrays[f"{i}.q.state_lengthscale"],
                    action_lengthscale=arrays[f"{i}.q.action_lengthscale"],
                    kernel=kernel,
                ),
            )
            for i, (baseline, kernel) in enumerate(zip(meta["baselines"], kernels, strict=True))
        ]
        self.dynamics, self.center_states = dynamics, center_states
        self._solved_unit, self.residual = unit, residual
