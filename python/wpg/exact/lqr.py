"""The linear-quadratic problem with entropy: optimum, policies and Wasserstein flow in closed form.

Letters: S states, N particles per state, D action dimension, O observation dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from wpg.exact.arguments import array, finite, fraction, positive

__all__ = ["LQR", "LQRSolution"]

Float64 = NDArray[np.float64]

# What a Riccati solution may miss its equation by, relative to the largest term in it.
RESIDUAL = 1e-10


@dataclass(frozen=True)
class LQRSolution:
    """The optimum of an `LQR`: V*(s) = -s'K s/2 + c and pi*(. | s) = N(-F s, covariance).

    Attributes
    ----------
    K : (O, O), symmetric positive semidefinite, reward / observation^2
    F : (D, O), action / observation
    covariance : (D, D), action^2
    c : reward
    """

    K: Float64
    F: Float64
    covariance: Float64
    c: float

    def value(self, states: ArrayLike) -> Float64:
        """Soft value V*(s) = -s'K s/2 + c [reward], (S,), of states (S, O)."""
        s = array(states, "states", ("S", len(self.K)))
        return -0.5 * np.einsum("si,ij,sj->s", s, self.K, s) + self.c

    def mean_action(self, states: ArrayLike) -> Float64:
        """Mean -F s [action], (S, D), of pi* at states (S, O)."""
        return -array(states, "states", ("S", len(self.K))) @ self.F.T


class LQR:
    """A linear system with quadratic rewards, and entropy at a temperature.

        s' = A s + B a + w,  w of mean 0 and covariance W;   r(s, a) = -(s'M s + a'R a)/2
        H = R + discount B'K B,   E = discount B'K A,   F = H^-1 E
        K = M + discount A'K A - E'H^-1 E
        V*(s) = -s'K s/2 + c,   pi*(. | s) = N(-F s, temperature H^-1)

    (in the first line s' is the next state, everywhere else ' transposes). Entropy is relative to
    Lebesgue measure and inside V; Q(s, a) leaves out that of the current action. An affine policy
    is a linear one of the state with a constant 1 appended.

    K is the stabilising solution. It is the optimum if M penalises every mode that does not decay
    at this discount by itself, and else the best that a stabilising gain can do.

    Parameters
    ----------
    A : (O, O), B : (O, D); sqrt(discount) (A, B) must be stabilisable
    M : (O, O), cost of the state, symmetric positive semidefinite, reward / observation^2
    R : (D, D), cost of the action, symmetric positive definite, reward / action^2
    W : (O, O), covariance of the noise, symmetric positive semidefinite, observation^2
    discount : 0 <= discount < 1
    temperature : reward, positive

    Cost: O^3 for the optimum, O^6 for a policy's value below O = 10 and O^3 from there on.
    Accuracy: float64; the Riccati equation holds to 1e-12 of its largest term on problems that are
    not badly scaled, and a miss above 1e-10 is an error. Numbers of a policy whose closed loop is
    about to lose its stability are as inaccurate as they are large.

    Errors: ValueError that names the argument.

    Source: the gain of the WPG step follows the natural policy gradient of Fazel, Ge, Kakade,
    Mesbahi 2018 (arXiv 1801.05039); the Newton step of the Riccati equation: Kleinman 1968.
    """

    def __init__(
        self,
        A: ArrayLike,
        B: ArrayLike,
        M: ArrayLike,
        R: ArrayLike,
        W: ArrayLike,
        *,
        discount: float,
        temperature: float,
    ) -> None:
        self.A, self.B = _matrix(A, "A"), _matrix(B, "B")
        O = len(self.A)
        if self.A.shape != (O, O) or O == 0:
            raise ValueError(f"A has shape {self.A.shape}; it must be square, (O, O)")
        if self.B.shape[0] != O or self.B.shape[1] == 0:
            raise ValueError(
                f"B has shape {self.B.shape}; with A of shape {self.A.shape} it must be ({O}, D)"
            )
        D = self.B.shape[1]
        self.M = _symmetric(M, "M", O, definite=False)
        self.R = _symmetric(R, "R", D, definite=True)
        self.W = _symmetric(W, "W", O, definite=False)
        self.discount = fraction(discount, "discount")
        self.temperature = positive(temperature, "temperature")
        self._optimum = self._solve()

    @property
    def observation_size(self) -> int:
        return self.A.shape[0]

    @property
    def action_size(self) -> int:
        return self.B.shape[1]

    # The optimum

    def optimal(self) -> LQRSolution:
        """The optimal soft value and policy, found when the problem was made.

        K = M + discount A'K A - E'H^-1 E,  F = H^-1 E,  covariance = temperature H^-1
        c = [-(discount/2) tr(K W) + (temperature/2)(D log(2 pi temperature) - log det H)]
            / (1 - discount)
        """
        return self._optimum

    def _solve(self) -> LQRSolution:
        """The Riccati equation of sqrt(discount) (A, B) by SciPy; a Newton step takes K's rounding
        from about 5e-13 to 1e-14, and what is then missed of the equation is checked."""
        root = math.sqrt(self.discount)
        try:
            K = scipy.linalg.solve_discrete_are(root * self.A, root * self.B, self.M, self.R)
            K = self._policy_matrix(self._greedy_gain(K))
            F = self._greedy_gain(K)
            self.check_stabilises(F)
        except (np.linalg.LinAlgError, ValueError):
            raise ValueError(
                f"A and B are not stabilisable at this discount, {self.discount}: no gain F was "
                "found with sqrt(discount) * spectral radius of A - B F below 1 (a mode that B "
                "does not reach, or one on the limit of stability that M does not penalise); "
                "lower the discount or change A, B or M"
            ) from None
        H, E = self.hessian(K), self.cross_term(K)
        terms = self.M, self.discount * self.A.T @ K @ self.A, E.T @ F
        miss = np.abs(terms[0] + terms[1] - terms[2] - K).max()
        if not miss <= RESIDUAL * max(np.abs(term).max() for term in (K, *terms)):
            raise ValueError(
                f"A, B, M and R are too badly scaled: the Riccati equation is missed by "
                f"{miss:.2g}; scale observations and actions to be of the order of 1"
            )
        D, tau = self.action_size, self.temperature
        entropy_part = D * math.log(2 * math.pi * tau) - np.linalg.slogdet(H)[1]
        noise_part = self.discount * np.sum(K * self.W)
        c = 0.5 * (tau * entropy_part - noise_part) / (1.0 - self.discount)
        covariance = tau * _symmetrised(np.linalg.inv(H))
        return LQRSolution(_frozen(K), _frozen(F), _frozen(covariance), float(c))

    def _greedy_gain(self, K: Float64) -> Float64:
        """F = H^-1 E: the gain of the Gibbs policy of -s'K s/2."""
        return scipy.linalg.solve(self.hessian(K), self.cross_term(K), assume_a="pos")

    def hessian(self, K: ArrayLike) -> Float64:
        """H = R + discount B'K B, (D, D), reward / action^2: minus the action Hessian of Q."""
        K = _matrix(K, "K", *(self.observation_size,) * 2)
        return self.R + self.discount * _symmetrised(self.B.T @ K @ self.B)

    def cross_term(self, K: ArrayLike) -> Float64:
        """E = discount B'K A, (D, O), reward / (action observation)."""
        K = _matrix(K, "K", *(self.observation_size,) * 2)
        return self.discount * self.B.T @ K @ self.A

    # Policies

    def evaluate(self, F: ArrayLike, covariance: ArrayLike) -> tuple[Float64, float]:
        """Soft value V(s) = -s'K_F s/2 + c_F of the policy N(-F s, covariance).

            K_F = M + F'R F + discount (A - B F)'K_F (A - B F)
            c_F = [-tr(H Sig)/2 - (discount/2) tr(K_F W)
                   + (temperature/2)(D log(2 pi e) + log det Sig)] / (1 - discount)

        with Sig the covariance and H from K_F.

        F : (D, O), sqrt(discount) * spectral radius of A - B F below 1
        covariance : (D, D), symmetric positive definite
        returns K_F (O, O), c_F
        errors : ValueError with the spectral radius for an F that does not stabilise
        """
        F = self._gain(F)
        covariance = _symmetric(covariance, "covariance", self.action_size, definite=True)
        K = self._policy_matrix(F)
        entropy_part = self.action_size * math.log(2 * math.pi * math.e)
        entropy_part += np.linalg.slogdet(covariance)[1]
        cost = np.sum(self.hessian(K) * covariance) + self.discount * np.sum(K * self.W)
        c = 0.5 * (self.temperature * entropy_part - cost) / (1.0 - self.discount)
        return K, float(c)

    def _gain(self, F: ArrayLike) -> Float64:
        return _matrix(F, "F", self.action_size, self.observation_size)

    def check_stabilises(self, F: Float64) -> None:
        """ValueError with the spectral radius if sqrt(discount) (A - B F) is not stable."""
        radius = float(np.abs(np.linalg.eigvals(self.A - self.B @ F)).max())
        if not math.sqrt(self.discount) * radius < 1.0:
            raise ValueError(
                f"F does not stabilise: the spectral radius of A - B F is {radius:.6g}, and "
                f"sqrt(discount) times it, {math.sqrt(self.discount) * radius:.6g}, must be below 1"
            )

    def _policy_matrix(self, F: Float64) -> Float64:
        """K_F, by a discrete Lyapunov equation."""
        self.check_stabilises(F)
        loop = math.sqrt(self.discount) * (self.A - self.B @ F)
        source = self.M + _symmetrised(F.T @ self.R @ F)
        return _symmetrised(scipy.linalg.solve_discrete_lyapunov(loop.T, source))

    def wpg_step(
        self,
        F: ArrayLike,
        covariance: ArrayLike,
        step_size: float,
        preconditioner: ArrayLike | None = None,
    ) -> tuple[Float64, Float64]:
        """One step of the Wasserstein policy gradient, which keeps Gaussian policies Gaussian.

        Actions move by a + step_size P grad_a Q + sqrt(2 step_size temperature) P^(1/2) xi, hence

            F+   = F - step_size P (H F - E)
            Sig+ = (1 - step_size P H) Sig (1 - step_size P H)' + 2 step_size temperature P

        with H and E from K_F. Values do not fall while step_size <= 2 / (largest eigenvalue of H),
        for P = 1; with P = H^-1 and step_size 1 it is policy iteration for the gain.

        F : (D, O), must stabilise
        covariance : (D, D), symmetric positive semidefinite (0: a deterministic policy)
        step_size : action^2 / reward, positive
        preconditioner : P (D, D), symmetric positive definite; None for 1
        returns F+ (D, O), Sig+ (D, D)
        """
        F = self._gain(F)
        D = self.action_size
        covariance = _symmetric(covariance, "covariance", D, definite=False)
        eta = positive(step_size, "step_size")
        P = (
            np.eye(D)
            if preconditioner is None
            else _symmetric(preconditioner, "preconditioner", D, definite=True)
        )
        K = self._policy_matrix(F)
        H = self.hessian(K)
        shrink = np.eye(D) - eta * P @ H
        moved = F - eta * P @ (H @ F - self.cross_term(K))
        spread = _symmetrised(shrink @ covariance @ shrink.T) + 2 * eta * self.temperature * P
        return moved, spread

    # Where the steps end

    def largest_step_size(self) -> float:
        """2 / (largest eigenvalue of H*): from here on the steps diverge near the optimum."""
        return 2.0 / float(self._curvatures()[-1])

    def stationary_covariance(self, step_size: float) -> Float64:
        """Covariance (D, D) [action^2] at which steps of this size stay; their gain is F*.

            temperature H^-1 (1 - step_size H/2)^-1

        errors : ValueError for a step size that is not below `largest_step_size`
        """
        eta = self._stable_step(step_size)
        H = self.hessian(self._optimum.K)
        loop = H - 0.5 * eta * _symmetrised(H @ H)
        return self.temperature * _symmetrised(np.linalg.inv(loop))

    def gap_floor(self, step_size: float) -> float:
        """V* - V at the law where steps of this size stay [reward], the same at every state.

            temperature / (2 (1 - discount)) sum_i (rho_i - 1 - log rho_i)
            rho_i = 1 / (1 - step_size h_i/2),  h_i the eigenvalues of H*

        accuracy : relative error of about 1e-15 / (step_size h), by cancellation
        errors : ValueError for a step size that is not below `largest_step_size`
        """
        x = 0.5 * self._stable_step(step_size) * self._curvatures()
        return float(
            self.temperature / (2 * (1.0 - self.discount)) * np.sum(x / (1 - x) + np.log1p(-x))
        )

    def gap_floor_leading(self, step_size: float) -> float:
        """The floor to second order in the step: temperature step_size^2 tr(H*^2) / (16 (1 -
        discount)) [reward]."""
        h = self._curvatures()
        return float(
            self.temperature
            * positive(step_size, "step_size") ** 2
            * np.sum(h**2)
            / (16 * (1.0 - self.discount))
        )

    def lsi(self) -> float:
        """Log-Sobolev constant of pi*, h_min / temperature [1/action^2] (Bakry and
        Emery 1985; attained by a Gaussian)."""
        return float(self._curvatures()[0] / self.temperature)

    def _curvatures(self) -> Float64:
        """Eigenvalues of H*, ascending."""
        return np.asarray(np.linalg.eigvalsh(self.hessian(self._optimum.K)), np.float64)

    def _stable_step(self, step_size: float) -> float:
        eta, largest = positive(step_size, "step_size"), self.largest_step_size()
        if not eta < largest:
            raise ValueError(
                f"step_size is {step_size!r}; the steps have a stationary law only below "
                f"2 / (largest eigenvalue of H) = {largest:.6g}"
            )
        return eta

    # Rewards and Q at given actions

    def reward(self, states: ArrayLike, actions: ArrayLike) -> Float64:
        """r = -(s'M s + a'R a)/2 [reward], (S, N), of states (S, O) and actions (S, N, D)."""
        s, a = self._points(states, actions)
        state_cost = np.einsum("si,ij,sj->s", s, self.M, s)
        return -0.5 * (state_cost[:, None] + np.einsum("sni,ij,snj->sn", a, self.R, a))

    def expected_value(
        self, K: ArrayLike, c: float, states: ArrayLike, actions: ArrayLike
    ) -> Float64:
        """E V(s') of V = -s'K s/2 + c at the next state [reward], (S, N).

        -(m'K m + tr(K W))/2 + c,  m = A s + B a;  states (S, O), actions (S, N, D)
        """
        s, a = self._points(states, actions)
        K, c = _matrix(K, "K", *(self.observation_size,) * 2), finite(c, "c")
        mean = (s @ self.A.T)[:, None] + a @ self.B.T
        return c - 0.5 * (np.einsum("sni,ij,snj->sn", mean, K, mean) + np.sum(K * self.W))

    def q(self, K: ArrayLike, c: float, states: ArrayLike, actions: ArrayLike) -> Float64:
        """Q = r + discount E V(s') [reward], (S, N), for V = -s'K s/2 + c.

        states (S, O), actions (S, N, D)
        """
        return self.reward(states, actions) + self.discount * self.expected_value(
            K, c, states, actions
        )

    def q_gradient(self, K: ArrayLike, states: ArrayLike, actions: ArrayLike) -> Float64:
        """grad_a Q = -(H a + E s) [reward / action], (S, N, D), for V = -s'K s/2 + c.

        states (S, O), actions (S, N, D)
        """
        s, a = self._points(states, actions)
        return -(a @ self.hessian(K) + (s @ self.cross_term(K).T)[:, None])

    def _points(self, states: ArrayLike, actions: ArrayLike) -> tuple[Float64, Float64]:
        s = array(states, "states", ("S", self.observation_size))
        return s, array(actions, "actions", (len(s), "N", self.action_size))

    def __repr__(self) -> str:
        return (
            f"LQR(O={self.observation_size}, D={self.action_size}, discount={self.discount}, "
            f"temperature={self.temperature})"
        )


def _frozen(array: Float64) -> Float64:
    array.flags.writeable = False
    return array


def _symmetrised(matrix: NDArray[Any]) -> Float64:
    return 0.5 * (matrix + matrix.T)


def _matrix(
    value: ArrayLike, name: str, rows: int | str = "rows", columns: int | str = "columns"
) -> Float64:
    """A read-only float64 copy of a matrix."""
    return _frozen(array(value, name, (rows, columns)).copy())


def _symmetric(value: ArrayLike, name: str, size: int, *, definite: bool) -> Float64:
    """A matrix (size, size), symmetric to rounding and positive (semi)definite."""
    matrix = _matrix(value, name, size, size)
    largest = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > 1e-12 * largest:
        raise ValueError(f"{name} is not symmetric; use ({name} + {name}.T) / 2")
    matrix = _symmetrised(matrix)
    least = float(np.linalg.eigvalsh(matrix)[0])
    # Rounding leaves the zero eigenvalues of a semidefinite matrix a few ulp of the largest away.
    if least <= 0.0 if definite else least < -1e-13 * size * largest:
        raise ValueError(
            f"{name} has the eigenvalue {least:.6g}; it must be symmetric positive "
            + ("definite" if definite else "semidefinite")
        )
    return _frozen(matrix)
