"""KernelQ, one particle at a time over all centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["kernel_q", "kernel_q_terms", "profile"]


def profile(kernel: str, r: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A radial kernel phi(r) and psi(r) = -phi'(r)/r at distances r >= 0 in length scales.

        kernel      phi                                psi                      t = sqrt(5) r
        gaussian    exp(-r^2 / 2)                      phi
        matern52    (1 + t + t^2 / 3) exp(-t)          5/3 (1 + t) exp(-t)
        imq         (1 + r^2)^(-1/2)                   phi^3

    Source: Rasmussen and Williams 2006, eq. 4.9 and 4.17; Hardy 1971.
    """
    if kernel == "gaussian":
        value = np.exp(-(r**2) / 2)
        return value, value
    if kernel == "matern52":
        t = np.sqrt(5) * r
        return (1 + t + t**2 / 3) * np.exp(-t), 5 / 3 * (1 + t) * np.exp(-t)
    if kernel == "imq":
        value = (1 + r**2) ** -0.5
        return value, value**3
    raise ValueError(f"kernel is {kernel!r}; it must be 'gaussian', 'matern52' or 'imq'")


def kernel_q_terms(
    center_states: NDArray[Any],
    center_actions: NDArray[Any],
    weights: NDArray[Any],
    states: NDArray[Any],
    particles: NDArray[Any],
    *,
    state_lengthscale: ArrayLike,
    action_lengthscale: ArrayLike,
    kernel: str = "gaussian",
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What each centre adds to the value and to the action gradient at every particle.

        value_terms    = weights[m] k((s - s_m)/state_lengthscale) k((a - a_m)/action_lengthscale)
        slope_terms    = weights[m] k((s - s_m)/state_lengthscale) psi(r)
        gradient       = sum_m slope_terms (a_m - a) / action_lengthscale^2,       k(x) = phi(|x|)

    Parameters
    ----------
    center_states : (M, O), center_actions : (M, D), weights : (M,)
    states : (S, O), particles : (S, N, D)
    state_lengthscale, action_lengthscale : number or (O,), (D,)
    kernel : "gaussian", "matern52" or "imq", see `profile`

    Returns
    -------
    value_terms (S, N, M) [reward], slope_terms (S, N, M) [reward], and state_terms (S, M), the
    numbers weights[m] k((s - s_m)/state_lengthscale) [reward].
    """
    (S, N, _), M = particles.shape, len(weights)
    state_unit = np.asarray(state_lengthscale, dtype=np.float64)
    action_unit = np.asarray(action_lengthscale, dtype=np.float64)
    center_states, center_actions = center_states.astype(float), center_actions.astype(float)
    weights, states = weights.astype(float), states.astype(float)
    particles = particles.astype(float)
    value_terms = np.empty((S, N, M))
    slope_terms = np.empty((S, N, M))
    state_terms = np.empty((S, M))
    for s in range(S):
        state_away = (center_states - states[s]) / state_unit
        state_terms[s] = weights * profile(kernel, np.linalg.norm(state_away, axis=1))[0]
        for n in range(N):
            away = (center_actions - particles[s, n]) / action_unit
            value, slope = profile(kernel, np.linalg.norm(away, axis=1))
            value_terms[s, n] = state_terms[s] * value
            slope_terms[s, n] = state_terms[s] * slope
    return value_terms, slope_terms, state_terms


def kernel_q(
    center_states: NDArray[Any],
    center_actions: NDArray[Any],
    weights: NDArray[Any],
    states: NDArray[Any],
    particles: NDArray[Any],
    *,
    state_lengthscale: ArrayLike,
    action_lengthscale: ArrayLike,
    kernel: str = "gaussian",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (S, N) and action gradients (S, N, D) of a KernelQ: the sums of `kernel_q_terms`.

        Q(s, a) = sum_m weights[m] k((s - s_m)/state_lengthscale) k((a - a_m)/action_lengthscale)

    Parameters, units and source as in `kernel_q_terms`. Cost: S N M (O + D); no centre is skipped.
    """
    value_terms, slope_terms, _ = kernel_q_terms(
        center_states,
        center_actions,
        weights,
        states,
        particles,
        state_lengthscale=state_lengthscale,
        action_lengthscale=action_lengthscale,
        kernel=kernel,
    )
    action_unit = np.asarray(action_lengthscale, dtype=np.float64)
    away = (center_actions.astype(float) - particles.astype(float)[:, :, None]) / action_unit**2
    return value_terms.sum(axis=2), (slope_terms[..., None] * away).sum(axis=2)
