"""The certificate of a linear-Gaussian policy on a linear-quadratic problem: closed forms."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from wpg.certificates.certificate import Certificate, Claim
from wpg.exact import LQR
from wpg.exact.arguments import array

__all__ = ["certify_gaussian"]

Float64 = NDArray[np.float64]


def certify_gaussian(lqr: LQR, F: ArrayLike, covariance: ArrayLike, states: Float64) -> Certificate:
    """Exact certificate of the policy N(-F s, covariance), at given states (S, O).

        KL(pi || G[pi]) = (D s)'H^-1 (D s) / (2 temperature) + (tr X - log det X - d) / 2
        D = H F - E,  X = H covariance / temperature,  G[pi] = N(-H^-1 E s, temperature H^-1)

    H and E are those of the policy's own value. Since V is unbounded there is no bound in the sup
    norm; statewise, with P of the Gibbs policy and of the optimal one,

        V^G[pi] - V^pi = (I - discount P^G)^-1 residual <= V* - V <= (I - discount P*)^-1 residual.

    Every Gibbs policy of the flow is Gaussian with precision H(t)/temperature, and H(t) falls to
    H*: log-Sobolev with alpha = h_min(H*)/temperature at all times (Bakry and Emery).

    Cost: a few Lyapunov equations, O^3. Errors: those of `LQR.evaluate`.
    """
    if not isinstance(lqr, LQR):
        raise TypeError(f"lqr is {lqr!r}; it must be a wpg.exact.LQR")
    O, D = lqr.observation_size, lqr.action_size
    F, sigma = array(F, "F", (D, O)), array(covariance, "covariance", (D, D))
    K, c = lqr.evaluate(F, sigma)
    points = array(states, "states", ("S", O))
    H, E = lqr.hessian(K), lqr.cross_term(K)
    tau, d = lqr.temperature, lqr.action_size
    inverse = np.linalg.inv(H)
    miss = H @ F - E
    ratio = H @ sigma / tau
    spread = float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] - d)
    # residual = s'X s + x with X, x below; so are the others.
    residual = (miss.T @ inverse @ miss / 2.0, tau * spread / 2.0)
    pull = tau * np.linalg.inv(sigma) - H
    speed = (miss.T @ miss, float(np.trace(pull @ sigma @ pull)))  # int pi |v|^2
    optimum = lqr.optimal()
    gibbs_gain, gibbs_spread = inverse @ E, np.asarray(tau * inverse, np.float64)
    at = {
        "residual": _at(points, *residual),
        "speed": _at(points, *speed),
        "lower": _discounted(lqr, gibbs_gain, gibbs_spread, *residual, points),
        "upper": _discounted(lqr, optimum.F, optimum.covariance, *residual, points),
        "rate": _discounted(lqr, F, sigma, *speed, points),
    }
    value = -0.5 * np.einsum("si,ij,sj->s", points, K, points) + c
    kl, fisher = at["residual"] / tau, at["speed"] / tau**2
    lsi = np.where(kl > 1e-13, fisher / np.maximum(2.0 * kl, 1e-13), np.nan)
    alpha = np.full(len(points), lqr.lsi())
    known = {
        "the policy is N(-F s, covariance) at every state": True,
        "closed forms of the linear-quadratic problem": True,
    }
    claims = (
        Claim.resting_on("value", "V of this policy", known),
        Claim.resting_on("residual", "T V - V = temperature KL(pi || G[pi])", known),
        Claim.resting_on("kl", "KL(pi || G[pi])", known),
        Claim.resting_on("gap_lower", "V* - V is at least this: V^G[pi] - V^pi", known),
        Claim.resting_on("gap_upper", "V* - V is at most this at every state", known),
        Claim.resting_on("gap", "V* - V", known),
        Claim.resting_on("relative_fisher", "int pi |grad log(pi/G)|^2", known),
        Claim.diagnostic("lsi", "I/2KL of one policy is no constant for all"),
        Claim.resting_on("value_rate", "the flow raises V at this rate at this moment", known),
        Claim.resting_on(
            "lsi_provable", "every Gibbs policy of the flow has this log-Sobolev constant", known
        ),
        Claim.diagnostic("rate_bound", "V is not bounded, and the rate is one of sup |V* - V|"),
    )
    return Certificate(
        problem=repr(lqr),
        estimator=f"closed form at {len(points)} states",
        value=value,
        residual=at["residual"],
        kl=kl,
        relative_fisher=fisher,
        lsi=lsi,
        lsi_provable=alpha,
        gap_lower=at["lower"],
        gap_upper=at["upper"],
        rate_bound=2.0 * tau * alpha * (1.0 - lqr.discount),
        value_rate=at["rate"],
        gap=optimum.value(points) - value,
        claims=claims,
    )


def _at(points: Float64, X: Float64, x: float) -> Float64:
    """s'X s + x at states (S, O)."""
    return np.einsum("si,ij,sj->s", points, X, points) + x


def _discounted(
    lqr: LQR, F: Float64, covariance: Float64, X: Float64, x: float, points: Float64
) -> Float64:
    """(I - discount P^F)^-1 (s'X s + x) at states, for the policy N(-F s, covariance)."""
    loop = np.sqrt(lqr.discount) * (lqr.A - lqr.B @ F)
    total = scipy.linalg.solve_discrete_lyapunov(loop.T, (X + X.T) / 2.0)
    noise = lqr.W + lqr.B @ covariance @ lqr.B.T
    constant = (x + lqr.discount * float(np.sum(total * noise))) / (1.0 - lqr.discount)
    return _at(points, total, constant)
