"""KernelQ, one particle at a time over all centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["kernel_q", "kernel_q_terms"]


def kernel_q_terms(
    center_states: NDArray[Any],
    center_actions: NDArray[Any],
    weights: NDArray[Any],
    states: NDArray[Any],
    particles: NDArray[Any],
    *,
    state_lengthscale: ArrayLike,
    action_lengthscale: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What each centre adds to the value and to the action gradient at every particle.

        value_terms    = weights[m] k((s - s_m)/state_lengthscale) k((a - a_m)/action_lengthscale)
        gradient_terms = value_terms (a_m - a) / action_lengthscale^2,      k(x) = exp(-|x|^2 / 2)

    Parameters
    ----------
    center_states : (M, O), center_actions : (M, D), weights : (M,)
    states : (S, O), particles : (S, N, D)
    state_lengthscale, action_lengthscale : number or (O,), (D,)

    Returns
    -------
    value_terms (S, N, M) [reward], gradient_terms (S, N, M, D) [reward / action], and
    action_exponents (S, N, M), the numbers |a - a_m|^2 / (2 action_lengthscale^2).
    """
    (S, N, D), M = particles.shape, len(weights)
    state_unit = np.asarray(state_lengthscale, dtype=np.float64)
    action_unit = np.asarray(action_lengthscale, dtype=np.float64)
    center_states, center_actions = center_states.astype(float), center_actions.astype(float)
    weights, states = weights.astype(float), states.astype(float)
    particles = particles.astype(float)
    value_terms = np.empty((S, N, M))
    gradient_terms = np.empty((S, N, M, D))
    action_exponents = np.empty((S, N, M))
    for s in range(S):
        state_away = (center_states - states[s]) / state_unit
        state_factor = np.exp(-0.5 * np.sum(state_away**2, axis=1))
        for n in range(N):
            away = (center_actions - particles[s, n]) / action_unit
            action_exponents[s, n] = 0.5 * np.sum(away**2, axis=1)
            value_terms[s, n] = weights * state_factor * np.exp(-action_exponents[s, n])
            gradient_terms[s, n] = value_terms[s, n][:, None] * away / action_unit
    return value_terms, gradient_terms, action_exponents


def kernel_q(
    center_states: NDArray[Any],
    center_actions: NDArray[Any],
    weights: NDArray[Any],
    states: NDArray[Any],
    particles: NDArray[Any],
    *,
    state_lengthscale: ArrayLike,
    action_lengthscale: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (S, N) and action gradients (S, N, D) of a KernelQ: the sums of `kernel_q_terms`.

        Q(s, a) = sum_m weights[m] k((s - s_m)/state_lengthscale) k((a - a_m)/action_lengthscale)

    Parameters, units and source as in `kernel_q_terms`. Cost: S N M (O + D); no centre is skipped.
    """
    value_terms, gradient_terms, _ = kernel_q_terms(
        center_states,
        center_actions,
        weights,
        states,
        particles,
        state_lengthscale=state_lengthscale,
        action_lengthscale=action_lengthscale,
    )
    return value_terms.sum(axis=2), gradient_terms.sum(axis=2)
