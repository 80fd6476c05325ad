"""Entropy-regularised control with finitely many states and actions in a box or on a torus.

    V^pi(s)   = E_pi[ sum_k discount^k ( r(s_k, a_k) - temperature log pi(a_k | s_k) ) ]
    Q^pi(s,a) = r(s, a) + discount (P V^pi)(s, a)                  no entropy of the current action
    T V(s)    = temperature log int exp( (r + discount P V)(s, a) / temperature ) da
    G_V(a|s)  = exp( (r + discount P V - T V)(s, a) / temperature )                the Gibbs policy

Letters: S states, G grid points, N actions per state, D action dimension, K successors of a state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from wpg.exact.arguments import array, count, fraction, positive
from wpg.exact.fokker_planck import advance, flow_rate, scharfetter_gummel
from wpg.exact.grid import Grid, log_density, midpoint_grid
from wpg.exact.langevin_operators import (
    langevin_operator,
    leimkuhler_matthews_operator,
    mala_operator,
)
from wpg.supports import Box, Torus

__all__ = ["FiniteMDP", "SoftSolution", "solve_linear"]

Float64 = NDArray[np.float64]
Actions = Callable[[Float64], Any]

# Rows of user-given transitions may be off by the rounding of their own sums.
ROW_SUM_TOLERANCE = 1e-9
MASS_TOLERANCE = 1e-8
# Above so many states a sparse system is solved by iteration: a random sparsity pattern fills in.
MOST_STATES_FACTORED = 2000
# Grids whose rewards and transitions are kept: one, with half and with twice its points.
GRIDS_KEPT = 3


@dataclass(frozen=True)
class SoftSolution:
    """A soft value (S,) [reward], the policy (S, G) [1/action^D] it belongs to, and how far
    T V - V (S,) was from zero when the iteration ended."""

    value: Float64
    density: Float64
    residual: Float64
    iterations: int


def solve_linear(transition: Any, discount: float, right: Float64, guess: Any = None) -> Float64:
    """(I - discount P)^-1 right for a stochastic matrix P (S, S), dense or sparse; right (S,).

    Dense and small sparse systems are factored. Large sparse ones are solved by BiCGSTAB from
    `guess` until the residual is 1e-13 of the right-hand side, which bounds the error of the
    solution by that over 1 - discount; should it stall, the contraction V <- right + discount P V
    goes on where it stopped.
    """
    S = len(right)
    if not scipy.sparse.issparse(transition):
        return np.linalg.solve(np.eye(S) - discount * transition, right)
    if S <= MOST_STATES_FACTORED:
        return np.linalg.solve(np.eye(S) - discount * transition.toarray(), right)
    matrix = (scipy.sparse.identity(S, format="csr") - discount * transition).tocsr()
    wanted = 1e-13 * max(float(np.abs(right).max()), 1e-300)
    value, _ = scipy.sparse.linalg.bicgstab(
        matrix, right, x0=guess, rtol=0.0, atol=wanted, maxiter=1000
    )
    for _ in range(100_000):
        change = right - matrix @ value
        if np.abs(change).max() <= wanted:
            break
        value = value + change
    return value


class FiniteMDP:
    """A control problem with S states, actions in R^D, and a known reward and transition.

    Parameters
    ----------
    n_states : S
    action_size : D
    reward : function of actions (S, N, D) [action] -> (S, N) [reward]; row s belongs to state s
    transition : function of actions (S, N, D) -> (S, N, S): probabilities of the next states, or
        (S, N, K) of those that `successors` names
    support : `wpg.supports.Box` (boundary "reflect") or `Torus`
    discount : in [0, 1)
    temperature : [reward], > 0
    reward_gradient, transition_gradient : functions of actions -> (S, N, D) and (S, N, S or K, D);
        central differences with a step of 6e-6 of the support's width if not given
    expected_value_gradient : function of actions (S, N, D), rows (S, N, K) = P there, and values
        (S, K) of the successors -> grad_a sum_k P_k values_k (S, N, D); for large problems, where
        the gradients of all probabilities would fill the memory
    successors : (S, K) int, the next states that are possible from each state; None: all of them

    Whatever the functions return is checked: shape, finiteness, rows that are not negative and sum
    to one within 1e-9. A reward and a transition are functions of the action inside the support.

    Errors: ValueError or TypeError that names the argument.

    Source: entropy-regularised MDPs, for instance Haarnoja et al. 2018, eq. 1-4.
    """

    def __init__(
        self,
        n_states: int,
        action_size: int,
        reward: Actions,
        transition: Actions,
        support: Box | Torus,
        *,
        discount: float,
        temperature: float,
        reward_gradient: Actions | None = None,
        transition_gradient: Actions | None = None,
        expected_value_gradient: Callable[[Float64, Float64, Float64], Any] | None = None,
        successors: NDArray[np.integer[Any]] | None = None,
        name: str = "",
    ) -> None:
        self.n_states = count(n_states, "n_states")
        self.action_size = count(action_size, "action_size")
        for function, label in ((reward, "reward"), (transition, "transition")):
            if not callable(function):
                raise TypeError(f"{label} is {function!r}; it must be a function of actions")
        for slope, label in (
            (reward_gradient, "reward_gradient"),
            (transition_gradient, "transition_gradient"),
            (expected_value_gradient, "expected_value_gradient"),
        ):
            if slope is not None and not callable(slope):
                raise TypeError(f"{label} is {slope!r}; it must be a function or None")
        if not isinstance(support, (Box, Torus)):
            raise TypeError(f"support is {support!r}; it must be wpg.supports.Box or Torus")
        if isinstance(support, Box) and support.boundary != "reflect":
            raise ValueError(
                f"support has boundary {support.boundary!r}; the exact problems keep their Gibbs "
                "law on a box with boundary 'reflect'"
            )
        try:
            kind, self.low, self.high = support.arrays(self.action_size, np.float64)
        except ValueError as error:
            raise ValueError(
                f"support does not match action_size {self.action_size}: {error}"
            ) from None
        self.periodic = kind == "torus"
        self.support = support
        self.discount = fraction(discount, "discount")
        self.temperature = positive(temperature, "temperature")
        self.successors = _successors(successors, self.n_states)
        self.name = name
        self._reward = reward
        self._transition = transition
        self._reward_gradient = reward_gradient
        self._transition_gradient = transition_gradient
        self._expected_value_gradient = expected_value_gradient
        self._tables: dict[int, tuple[Float64, Float64]] = {}

    def __repr__(self) -> str:
        label = f"{self.name}: " if self.name else ""
        return (
            f"FiniteMDP({label}S={self.n_states}, D={self.action_size}, {self.support!r}, "
            f"discount={self.discount:g}, temperature={self.temperature:g})"
        )

    def replace(
        self, *, discount: float | None = None, temperature: float | None = None
    ) -> FiniteMDP:
        """The same rewards and transitions with another discount or temperature."""
        return FiniteMDP(
            self.n_states,
            self.action_size,
            self._reward,
            self._transition,
            self.support,
            discount=self.discount if discount is None else discount,
            temperature=self.temperature if temperature is None else temperature,
            reward_gradient=self._reward_gradient,
            transition_gradient=self._transition_gradient,
            expected_value_gradient=self._expected_value_gradient,
            successors=self.successors,
            name=self.name,
        )

    # The model

    @property
    def n_successors(self) -> int:
        """K: how many next states a transition row holds."""
        return self.n_states if self.successors is None else self.successors.shape[1]

    def reward(self, actions: Float64) -> Float64:
        """r(s, a): actions (S, N, D) -> (S, N) [reward], checked."""
        cloud = self.checked_actions(actions)
        return self._result(self._reward(cloud), "reward", cloud.shape[:2])

    def transition(self, actions: Float64) -> Float64:
        """P(s' | s, a): actions (S, N, D) -> (S, N, K), checked; columns as in `successors`."""
        cloud = self.checked_actions(actions)
        shape = (*cloud.shape[:2], self.n_successors)
        rows = self._result(self._transition(cloud), "transition", shape, finite=False)
        if rows.size:
            # A number that is not finite shows in the sum of its row.
            sums = rows.sum(axis=2)
            if not np.isfinite(sums).all():
                self._result(rows, "transition", shape)
            least = float(rows.min())
            if least < 0.0:
                s, i, k = np.unravel_index(int(rows.argmin()), rows.shape)
                raise ValueError(
                    f"transition has the negative entry {least:.3g} at state {s}, action {i}, next "
                    f"state {k}; probabilities must not be negative"
                )
            off = np.abs(sums - 1.0)
            if off.max() > ROW_SUM_TOLERANCE:
                s, i = np.unravel_index(int(off.argmax()), off.shape)
                raise ValueError(
                    f"transition has a row that sums to {sums[s, i]:.12g} at state {s}, "
                    f"action {i}; every row must sum to 1 within {ROW_SUM_TOLERANCE:g}"
                )
        return rows

    def reward_gradient(self, actions: Float64) -> Float64:
        """grad_a r: (S, N, D) [reward/action]."""
        cloud = self.checked_actions(actions)
        if self._reward_gradient is None:
            return self._differences(self.reward, cloud)
        return self._result(self._reward_gradient(cloud), "reward_gradient", cloud.shape)

    def transition_gradient(self, actions: Float64) -> Float64:
        """grad_a P: (S, N, K, D) [1/action]."""
        cloud = self.checked_actions(actions)
        if self._transition_gradient is None:
            return self._differences(self.transition, cloud)
        shape = (*cloud.shape[:2], self.n_successors, cloud.shape[2])
        return self._result(self._transition_gradient(cloud), "transition_gradient", shape)

    def successor_values(self, value: Float64) -> Float64:
        """V at the next states that a row holds: (S,) -> (S, K)."""
        if self.successors is None:
            return np.broadcast_to(value, (self.n_states, self.n_states))
        return value[self.successors]

    def transition_matrix(self, rows: Float64) -> Any:
        """(S, S) from rows (S, K): dense, or sparse where `successors` are given."""
        if self.successors is None:
            return rows
        S, K = self.successors.shape
        matrix = scipy.sparse.csr_matrix(
            (rows.ravel(), self.successors.ravel(), np.arange(0, S * K + 1, K)), shape=(S, S)
        )
        matrix.sum_duplicates()
        return matrix

    # Q and its action gradient

    def q(self, value: Float64, actions: Float64) -> Float64:
        """r + discount P V at actions (S, N, D): (S, N) [reward]."""
        after = self.successor_values(self._value(value))
        expected = np.einsum("snk,sk->sn", self.transition(actions), after)
        return self.reward(actions) + self.discount * expected

    def q_gradient(self, value: Float64, actions: Float64, rows: Float64 | None = None) -> Float64:
        """grad_a (r + discount P V) at actions (S, N, D): (S, N, D) [reward/action].

        rows : `transition(actions)`, if it is known already

        Accuracy: that of the gradients given; with central differences about 1e-10 of the
        function's scale, and first order within 6e-6 of a wall.
        """
        after = self.successor_values(self._value(value))
        if self._expected_value_gradient is not None:
            cloud = self.checked_actions(actions)
            known = self.transition(cloud) if rows is None else rows
            expected = self._result(
                self._expected_value_gradient(cloud, known, after),
                "expected_value_gradient",
                cloud.shape,
            )
        elif self._transition_gradient is None:
            # Differences of P V instead of P: the same number with K times less memory.
            expected = self._differences(
                lambda a: np.einsum("snk,sk->sn", self.transition(a), after),
                self.checked_actions(actions),
            )
        else:
            slopes = self.transition_gradient(actions)
            expected = np.einsum("snkd,sk->snd", slopes, after, optimize=True)
        return self.reward_gradient(actions) + self.discount * expected

    def laplacian(self, value: Float64, actions: Float64) -> Float64:
        """lap_a Q at actions (S, N, D): (S, N), by differences of `q_gradient` over 1e-4 widths."""
        cloud = self.checked_actions(actions)
        total = np.zeros(cloud.shape[:2])
        for d in range(self.action_size):
            slope = self._differences(
                lambda a: self.q_gradient(value, a), cloud, axes=(d,), fraction=1e-4
            )
            total += slope[:, :, d, 0]
        return total

    # On a grid

    def grid(self, n: int) -> Grid:
        """The midpoint rule with n points a dimension; one and two dimensions."""
        if self.action_size > 2:
            raise ValueError(
                f"action_size is {self.action_size}; grids are for one and two dimensions, use "
                "wpg.plan with particles for more"
            )
        return midpoint_grid(self.support, n, self.action_size)

    def q_on_grid(self, value: Float64, grid: Grid) -> Float64:
        """Q (S, G) [reward] at every grid point."""
        reward, transition = self.on_grid(grid)
        after = self.successor_values(self._value(value))
        return reward + self.discount * np.einsum("sgk,sk->sg", transition, after)

    def soft_backup(self, value: Float64, grid: Grid) -> Float64:
        """T V (S,) = temperature log int exp(Q/temperature) da."""
        return self._log_partition(self.q_on_grid(value, grid), grid)

    def gibbs(self, value: Float64, grid: Grid) -> Float64:
        """The Gibbs policy G_V (S, G) = exp((Q - T V)/temperature)."""
        weight, _ = self._gibbs_weight(self.q_on_grid(value, grid))
        return grid.normalise(weight)

    def _log_partition(self, q: Float64, grid: Grid) -> Float64:
        weight, top = self._gibbs_weight(q)
        return top + self.temperature * np.log(grid.integrate(weight))

    def _gibbs_weight(self, q: Float64) -> tuple[Float64, Float64]:
        """exp((q - top)/temperature) (S, G) and top = max q (S,)."""
        top = q.max(axis=1)
        # What overflows is minus infinity, whose weight is 0.
        with np.errstate(over="ignore"):
            return np.exp((q - top[:, None]) / self.temperature), top

    def policy_transition(self, density: Float64, grid: Grid) -> Any:
        """P^pi (S, S): int pi(a|s) P(.|s, a) da."""
        pi = self.checked_density(density, grid)
        _, transition = self.on_grid(grid)
        rows = np.einsum("sg,sgk->sk", pi * grid.weights, transition)
        return self.transition_matrix(rows)

    def resolvent(self, density: Float64, grid: Grid, right: Float64) -> Float64:
        """(I - discount P^pi)^-1 right, (S,) -> (S,)."""
        income = array(right, "right", (self.n_states,))
        return solve_linear(self.policy_transition(density, grid), self.discount, income)

    def evaluate(self, density: Float64, grid: Grid) -> Float64:
        """V^pi (S,) [reward] of a policy (S, G): one S x S solve.

        V = (I - discount P^pi)^-1 int pi (r - temperature log pi) da
        """
        pi = self.checked_density(density, grid)
        reward, _ = self.on_grid(grid)
        earned = grid.integrate(pi * (reward - self.temperature * log_density(pi)))
        return self.resolvent(pi, grid, earned)

    def solve(self, grid: Grid) -> SoftSolution:
        """The optimum on a grid, V* = T V* and pi* = G[V*], by soft policy iteration."""
        return self.soft_policy_iteration(grid)

    def soft_policy_iteration(self, grid: Grid, *, most: int = 200) -> SoftSolution:
        """pi <- G[V^pi] until T V - V is rounding; quadratic at the end.

        V rises at every state and every iteration. Ends when sup |T V - V| is below 8 roundings of
        the largest |Q|, or does not fall any more.
        """
        self._check_grid(grid)
        most = count(most, "most")
        density = grid.uniform(self.n_states)
        last = np.inf
        iteration, worst = 0, np.inf
        while iteration < most:
            iteration += 1
            value = self.evaluate(density, grid)
            q = self.q_on_grid(value, grid)
            residual = self._log_partition(q, grid) - value
            worst = float(np.abs(residual).max())
            scale = 1.0 + float(np.abs(q).max())
            density = grid.normalise(self._gibbs_weight(q)[0])
            if worst <= 8 * np.finfo(float).eps * scale or (worst >= last and worst < 1e-9 * scale):
                break
            last = worst
        return SoftSolution(value, density, residual, iteration)

    def soft_value_iteration(
        self, grid: Grid, *, tolerance: float = 1e-12, most: int = 100_000
    ) -> SoftSolution:
        """V <- T V, a contraction by the discount, until sup |T V - V| <= tolerance (1 + sup|V|).

        The error of V is then at most that over 1 - discount.
        """
        most, tolerance = count(most, "most"), positive(tolerance, "tolerance")
        value, iteration = np.zeros(self.n_states), 0
        while iteration < most:
            iteration += 1
            after = self.soft_backup(value, grid)
            residual = after - value
            value = after
            if np.abs(residual).max() <= tolerance * (1.0 + np.abs(value).max()):
                break
        return SoftSolution(value, self.gibbs(value, grid), residual, iteration)

    # Flow and chains

    def fokker_planck(
        self, density: Float64, grid: Grid, *, time: float, steps: int
    ) -> NDArray[np.float64]:
        """The Wasserstein policy gradient flow on a grid: densities (steps + 1, S, G).

            d pi/dt = -div_a(pi grad_a Q^pi) + temperature lap_a pi

        Scharfetter-Gummel in space, of which the Gibbs policy of Q is exactly the fixed point; Q is
        evaluated once a step of time/steps and the linear flow of that step is exact to rounding
        (uniformisation), so densities stay positive, keep their mass, and the value rises at every
        state and step, for any step.

        Cost: per unit of time about 3 rate S G operations, rate = sum_d 2 temperature / dx_d^2.
        Accuracy: O(dx^2) in space, O(time/steps) in the coupling through Q.

        Source: arXiv 2605.26078 (the flow); Scharfetter and Gummel 1969; Jensen 1953.
        """
        time = positive(time, "time")
        steps = count(steps, "steps")
        path = [self.checked_density(density, grid).copy()]
        for _ in range(steps):
            q = self.q_on_grid(self.evaluate(path[-1], grid), grid)
            rates = scharfetter_gummel(q, grid, self.temperature)
            # Mass is kept to rounding; dividing by it keeps the roundings from adding up.
            path.append(grid.normalise(advance(path[-1], rates, grid, time / steps)))
        return np.stack(path)

    def fokker_planck_rate(self, density: Float64, grid: Grid) -> Float64:
        """d pi/dt (S, G) of `fokker_planck` at a density."""
        pi = self.checked_density(density, grid)
        q = self.q_on_grid(self.evaluate(pi, grid), grid)
        return flow_rate(pi, scharfetter_gummel(q, grid, self.temperature), grid)

    def langevin_operator(self, value: Float64, grid: Grid, step_size: float) -> Float64:
        """One exact unadjusted Langevin step as a matrix (S, G, G): next = matrix @ density.

            K(a'|a) = N(a + step_size grad Q(a), 2 step_size temperature), wrapped or folded

        Columns sum to one. On a box this is the reflected step. Memory S G^2.
        Errors: ValueError if the noise is not resolved, sqrt(2 step_size temperature) < 1.5 dx,
        naming the n that is needed (the quadrature error is exp(-2 pi^2 (sd/dx)^2)).
        """
        gradient = self._grid_gradient(value, grid)
        return langevin_operator(gradient, grid, step_size, self.temperature)

    def mala_operator(self, value: Float64, grid: Grid, step_size: float) -> Float64:
        """One Metropolis-adjusted Langevin step as a matrix (S, G, G); Gibbs is its fixed point.

        The acceptance uses the wrapped or folded proposal density. Rejections are on the diagonal.
        """
        gradient = self._grid_gradient(value, grid)
        q = self.q_on_grid(value, grid)
        return mala_operator(q, gradient, grid, step_size, self.temperature)

    def leimkuhler_matthews_operator(
        self, value: Float64, grid: Grid, step_size: float
    ) -> tuple[Float64, Float64]:
        """The Leimkuhler-Matthews step on a torus: (S, G, G) and a smoothing (G, G).

        With c = sqrt(step_size temperature / 2) and a_k = x_k + c xi_k the scheme
        a' = a + step_size grad Q(a) + c (xi_k + xi_{k+1}) is a Markov chain in x:
        x' = 2 a - x + step_size grad Q(a). The first matrix moves the law of x; the second makes
        the law of the particle a from it. Errors: ValueError on a box, where folding breaks this.
        """
        self._check_grid(grid)
        return leimkuhler_matthews_operator(
            lambda a: self.q_gradient(value, a), self.n_states, grid, step_size, self.temperature
        )

    # Checks

    def _grid_gradient(self, value: Float64, grid: Grid) -> Float64:
        self._check_grid(grid)
        return self.q_gradient(value, self.everywhere(grid))

    def everywhere(self, grid: Grid) -> Float64:
        """The grid's points as actions of every state: (S, G, D)."""
        self._check_grid(grid)
        return np.ascontiguousarray(
            np.broadcast_to(grid.points, (self.n_states, *grid.points.shape))
        )

    def on_grid(self, grid: Grid) -> tuple[Float64, Float64]:
        """Reward (S, G) and transition (S, G, K) at the grid points, kept for the last grids."""
        self._check_grid(grid)
        if grid.n not in self._tables:
            cloud = self.everywhere(grid)
            if len(self._tables) >= GRIDS_KEPT:
                del self._tables[next(iter(self._tables))]
            self._tables[grid.n] = (self.reward(cloud), self.transition(cloud))
        return self._tables[grid.n]

    def _check_grid(self, grid: Grid) -> None:
        if not isinstance(grid, Grid):
            raise TypeError(f"grid is {type(grid)}; make one with .grid(n)")
        same = (
            grid.periodic == self.periodic
            and np.array_equal(grid.low, self.low)
            and np.array_equal(grid.high, self.high)
        )
        if not same:
            raise ValueError(
                f"grid covers {grid.low.tolist()} to {grid.high.tolist()} and does not match the "
                f"support {self.support!r}; make one with .grid(n)"
            )

    def checked_actions(self, actions: Float64, name: str = "actions") -> Float64:
        cloud = array(actions, name, (self.n_states, "N", self.action_size))
        if np.asarray(actions).dtype != np.float64:
            raise TypeError(f"{name} has dtype {np.asarray(actions).dtype}; it must be float64")
        return cloud

    def _result(
        self, result: Any, label: str, shape: tuple[int, ...], *, finite: bool = True
    ) -> Float64:
        try:
            given = np.asarray(result)
        except ValueError:
            raise ValueError(
                f"{label} returned rows of different lengths; it must be {shape}"
            ) from None
        if given.dtype.kind not in "fiu":
            raise ValueError(f"{label} returned dtype {given.dtype}; it must be real numbers")
        if given.shape != shape:
            raise ValueError(f"{label} returned shape {given.shape}; it must be {shape}")
        if finite and not np.isfinite(given).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(given))[0])
            raise ValueError(f"{label} returned {given[where]} at {where}; it must be finite")
        return given.astype(np.float64, copy=False)

    def _value(self, value: Float64) -> Float64:
        return array(value, "value", (self.n_states,))

    def checked_density(self, density: Float64, grid: Grid) -> Float64:
        self._check_grid(grid)
        pi = array(density, "density", (self.n_states, len(grid)))
        if (pi < 0.0).any():
            where = np.unravel_index(int(pi.argmin()), pi.shape)
            raise ValueError(
                f"density is {pi[where]:.3g} at state {where[0]}, grid point {where[1]}; it must "
                "not be negative"
            )
        mass = grid.integrate(pi)
        off = np.abs(mass - 1.0)
        if off.max() > MASS_TOLERANCE:
            s = int(off.argmax())
            raise ValueError(
                f"density integrates to {mass[s]:.12g} at state {s}; it must be 1 "
                "(grid.normalise divides by the integral)"
            )
        return pi

    def _differences(
        self,
        function: Callable[[Float64], Float64],
        cloud: Float64,
        *,
        axes: tuple[int, ...] | None = None,
        fraction: float = 6e-6,
    ) -> Float64:
        """Central differences along the last axis of the actions, kept inside a box: (..., D)."""
        parts = []
        for d in range(self.action_size) if axes is None else axes:
            step = fraction * (self.high[d] - self.low[d])
            ahead, behind = cloud.copy(), cloud.copy()
            ahead[..., d] += step
            behind[..., d] -= step
            if not self.periodic:
                ahead[..., d] = np.minimum(ahead[..., d], self.high[d])
                behind[..., d] = np.maximum(behind[..., d], self.low[d])
            width = ahead[..., d] - behind[..., d]
            change = function(ahead) - function(behind)
            parts.append(change / width.reshape(width.shape + (1,) * (change.ndim - 2)))
        return np.stack(parts, axis=-1)


def _successors(successors: Any, n_states: int) -> NDArray[np.int64] | None:
    if successors is None:
        return None
    names = array(successors, "successors", (n_states, "K"))
    if np.asarray(successors).dtype.kind not in "iu":
        raise ValueError(
            f"successors has dtype {np.asarray(successors).dtype}; it must be ints ({n_states}, K)"
        )
    if names.size == 0 or names.min() < 0 or names.max() >= n_states:
        raise ValueError(f"successors must name states from 0 to {n_states - 1}, one at least")
    return names.astype(np.int64)
