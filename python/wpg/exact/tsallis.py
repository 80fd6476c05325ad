"""Beyond Gibbs: control with a Tsallis regulariser in place of the entropy.

    Omega(p) = temperature/(q - 1) (int p^q da - 1),  q > 1;   q -> 1 gives temperature int p log p
    T V      = sup_p int p Q - Omega(p),  reached at
    G        = [ (q - 1)/(temperature q) (Q - lam) ]_+^(1/(q-1)),  lam such that int G = 1

G has compact support. The flow is a porous-medium equation, d pi/dt = -div(pi v) with
v = grad Q - temperature q/(q-1) grad pi^(q-1), and the identities of the entropic case keep their
form: T V - T^pi V = D_Omega(pi||G) + int_{G=0} pi (lam - Q), and
dV/dt = (I - discount P)^-1 int pi |v|^2.

Source: Lee, Choi, Oh 2018 (Tsallis-regularised MDPs); the flow: Otto 2001; rate under displacement
convexity: Carrillo, Juengel, Markowich, Toscani, Unterreiter 2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpg.exact.arguments import count, finite, positive
from wpg.exact.finite_mdp import FiniteMDP, SoftSolution
from wpg.exact.fokker_planck import edge_weights
from wpg.exact.grid import Grid

__all__ = ["Tsallis"]

Float64 = NDArray[np.float64]


class Tsallis:
    """The problem of an `FiniteMDP` with Omega of power q instead of the entropy.

    Parameters
    ----------
    mdp : rewards, transitions, discount; its temperature [reward] is that of Omega (in units in
        which a density is a number: Omega is not invariant under a change of the action's unit)
    q : > 1
    """

    def __init__(self, mdp: FiniteMDP, q: float = 2.0) -> None:
        if not isinstance(mdp, FiniteMDP):
            raise TypeError(f"mdp is {mdp!r}; it must be a wpg.exact.FiniteMDP")
        self.mdp = mdp
        self.power = finite(q, "q")
        if self.power <= 1.0:
            raise ValueError(f"q is {q!r}; it must be above 1 (1 is the entropy of FiniteMDP)")

    def regulariser(self, density: Float64, grid: Grid) -> Float64:
        """Omega (S,) [reward] of densities (S, G)."""
        pi = self.mdp.checked_density(density, grid)
        t = self.mdp.temperature / (self.power - 1.0)
        return t * (grid.integrate(pi**self.power) - 1.0)

    def marginal(self, density: Float64) -> Float64:
        """Omega' = temperature q/(q-1) p^(q-1) (S, G) [reward]."""
        k = self.power
        return self.mdp.temperature * k / (k - 1.0) * density ** (k - 1.0)

    def greedy(self, value: Float64, grid: Grid) -> tuple[Float64, Float64]:
        """G (S, G) and its level lam (S,) [reward] for Q = r + discount P V; lam by bisection."""
        q = self.mdp.q_on_grid(value, grid)
        k = self.power
        factor = (k - 1.0) / (self.mdp.temperature * k)

        def density(level: Float64) -> Float64:
            return np.maximum(factor * (q - level[:, None]), 0.0) ** (1.0 / (k - 1.0))

        top = q.max(axis=1)
        volume = float(grid.weights.sum())
        # At `low` the density is at least 1/volume everywhere, at `top` it is 0 everywhere.
        low = q.min(axis=1) - volume ** (1.0 - k) / factor
        high = top.copy()
        for _ in range(200):
            middle = (low + high) / 2.0
            heavy = grid.integrate(density(middle)) > 1.0
            low, high = np.where(heavy, middle, low), np.where(heavy, high, middle)
            if np.all((middle == low) & (middle == high)):
                break
        level = (low + high) / 2.0
        return grid.normalise(density(level)), level

    def soft_backup(self, value: Float64, grid: Grid) -> Float64:
        """T V (S,) [reward]."""
        best, _ = self.greedy(value, grid)
        q = self.mdp.q_on_grid(value, grid)
        return grid.integrate(best * q) - self.regulariser(best, grid)

    def policy_backup(self, value: Float64, density: Float64, grid: Grid) -> Float64:
        """T^pi V (S,) [reward] = int pi Q - Omega(pi)."""
        pi, q = self.mdp.checked_density(density, grid), self.mdp.q_on_grid(value, grid)
        return grid.integrate(pi * q) - self.regulariser(pi, grid)

    def evaluate(self, density: Float64, grid: Grid) -> Float64:
        """V^pi (S,) [reward]: one linear solve."""
        earned = self.policy_backup(np.zeros(self.mdp.n_states), density, grid)
        return self.mdp.resolvent(density, grid, earned)

    def solve(self, grid: Grid, *, most: int = 200) -> SoftSolution:
        """The optimum by policy iteration pi <- G[V^pi]."""
        self.mdp._check_grid(grid)
        most = count(most, "most")
        density = grid.uniform(self.mdp.n_states)
        last, iteration = np.inf, 0
        while iteration < most:
            iteration += 1
            value = self.evaluate(density, grid)
            residual = self.soft_backup(value, grid) - value
            worst = float(np.abs(residual).max())
            density, _ = self.greedy(value, grid)
            if worst <= 1e-15 * (1 + np.abs(value).max()) or (last <= worst < 1e-9):
                break
            last = worst
        return SoftSolution(value, density, residual, iteration)

    def residual_parts(
        self, value: Float64, density: Float64, grid: Grid
    ) -> tuple[Float64, Float64]:
        """(Bregman divergence, slack), both (S,) >= 0, with sum T V - T^pi V.

        D = Omega(pi) - Omega(G) - int Omega'(G) (pi - G),  slack = int_{G=0} pi (lam - Q)
        """
        density = self.mdp.checked_density(density, grid)
        best, level = self.greedy(value, grid)
        q = self.mdp.q_on_grid(value, grid)
        slope = self.marginal(best)
        bregman = (
            self.regulariser(density, grid)
            - self.regulariser(best, grid)
            - grid.integrate(slope * (density - best))
        )
        slack = grid.integrate(np.where(best > 0.0, 0.0, density * (level[:, None] - q)))
        return bregman, slack

    # The flow

    def flow_rate(self, density: Float64, grid: Grid) -> tuple[Float64, Float64]:
        """(d pi/dt (S, G), dissipation (S,)) of the upwind scheme.

        The speed on an edge is the difference of xi = Q - Omega'(pi) over dx, and the density that
        moves is that of the cell it leaves. dissipation = sum_edges flux * speed >= 0 is exactly
        int (d pi/dt) xi, so dV/dt = (I - discount P)^-1 dissipation holds on the grid as it stands.
        """
        pi = self.mdp.checked_density(density, grid)
        return self._flow_rate(pi, self._drive(pi, grid), grid)[:2]

    def _drive(self, density: Float64, grid: Grid) -> Float64:
        return self.mdp.q_on_grid(self.evaluate(density, grid), grid)

    def _flow_rate(
        self, density: Float64, q: Float64, grid: Grid
    ) -> tuple[Float64, Float64, float]:
        cube = density.reshape(len(density), *grid.shape)
        xi = (q - self.marginal(density)).reshape(cube.shape)
        inverse = np.sqrt(edge_weights(grid))
        rate, lost, exits = np.zeros_like(cube), np.zeros(len(density)), np.zeros_like(cube)
        for d in range(grid.dimension):
            speed = (np.roll(xi, -1, axis=d + 1) - xi) * inverse[d]
            ahead, back = np.maximum(speed, 0.0), np.minimum(speed, 0.0)
            flux = ahead * cube + back * np.roll(cube, -1, axis=d + 1)
            rate -= (flux - np.roll(flux, 1, axis=d + 1)) / grid.spacing[d]
            lost += (flux * speed).reshape(len(density), -1).sum(axis=1) * grid.weights[0]
            exits += (ahead - np.roll(back, 1, axis=d + 1)) / grid.spacing[d]
        return rate.reshape(density.shape), lost, float(exits.max())

    def flow(self, density: Float64, grid: Grid, *, time: float, steps: int) -> Float64:
        """The porous-medium flow: densities (steps + 1, S, G), positive and with their mass kept.

        Q is evaluated once a step; inside a step explicit upwind steps as short as positivity and
        the diffusion want: cost grows as 1/dx^2. Accuracy: first order in dx and in time/steps.
        """
        time, steps = positive(time, "time"), count(steps, "steps")
        k = self.power
        path = [self.mdp.checked_density(density, grid).copy()]
        for _ in range(steps):
            pi, left = path[-1], time / steps
            q = self._drive(pi, grid)
            while left > 0.0:
                rate, _, fastest = self._flow_rate(pi, q, grid)
                diffusion = self.mdp.temperature * k * float((pi ** (k - 1.0)).max())
                stiff = 2.0 * diffusion * float((1.0 / grid.spacing**2).sum())
                step = min(left, 0.45 / max(stiff, fastest, 1e-300))
                pi = np.maximum(pi + step * rate, 0.0)
                left = left - step if step < left else 0.0
            path.append(grid.normalise(pi))
        return np.stack(path)
