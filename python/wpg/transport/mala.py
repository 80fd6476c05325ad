"""The Metropolis-adjusted Langevin step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of, memory_of
from wpg.supports import Support, support_arrays
from wpg.transport.critic import Critic, compiled_critic, require_out, require_steps

__all__ = ["mala"]


def mala(
    particles: NDArray[Any],
    critic: Critic,
    states: NDArray[Any],
    *,
    steps: int = 1,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int = 0,
    support: Support = None,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Metropolis-adjusted Langevin steps of every particle: the Gibbs law without bias.

        a' = one Langevin step of a,  accepted with probability
             min(1, exp((Q(a') - Q(a)) / temperature) k(a | a') / k(a' | a))

    k is the density of the step on its support: Gaussian on R^D, its sum over images in a
    reflecting box and on a torus; with boundary "tanh" and "probit" Gaussian in y, where Q gains
    temperature log |da/dy|. A particle that was not moved has the same action as before: the law of
    the particles then has atoms, which entropy estimates by distances do not take.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous, N >= 1
    critic : a `wpg.critics.KernelQ`, for which the loop is compiled and runs over states in
        parallel, or any object with `value_and_action_gradient(states, particles)`, for which it
        runs in Python with the same result to rounding of the critic
    states : (S, O), the dtype of the particles
    steps : int >= 0
    step_size : number or (S,) [action^2 / reward], >= 0; at 0 every proposal is the particle
        itself, and accepted
    temperature : number or (S,) [reward], positive
    seed, step : name the noise, streams "mala_proposal" and "mala_acceptance"
    support : `wpg.supports.Box` with boundary "reflect", "tanh" or "probit", `Torus`, or None
    out : (S, N, D), None to allocate; `out=particles` moves in place

    Returns
    -------
    particles (S, N, D), `out` if it was given, and acceptance (S,) in their dtype: the fraction of
    accepted proposals over steps and particles; 1 if `steps` is 0, since none was rejected.

    Cost: `steps` + 1 evaluations of value and gradient, S N D normals and S N logarithms a step.
    Accuracy: the probability is computed in float64 from what the critic says, sums over images to
    1e-16, the logarithm of the ratio to 5e-15 of the size of its terms; no bias beyond that for a Q
    that does not change. Rejections are O(step_size^(3/2)). The same bits on every thread count.
    Errors: ValueError or TypeError that names the argument, for N = 0, for temperature 0 and for
    boundary "clip", which have no density; nothing is written then. A proposal with Q = -inf is
    rejected. A particle becomes NaN, and stays so, where its Q or drift is NaN (or Q = +inf, or the
    drift infinite), there or at its proposal; others are not touched by that.

    Source: Roberts and Tweedie 1996; images of reflected and wrapped Gaussians: Feller 1971, X.5.
    """
    require_steps(steps, step)
    cloud = cloud_array(particles, "particles")
    core, memory = core_of(cloud), memory_of(cloud)
    compiled = compiled_critic(critic, cloud)
    if compiled is not None:
        moved, acceptance = core.flow(
            particles=cloud,
            critic=compiled,
            states=states,
            scheme="mala",
            steps=int(steps),
            step_size=step_size,
            temperature=temperature,
            seed=seed,
            step=step,
            support=support_arrays(support, cloud),
            bandwidth=None,
            out=out,
        )
        assert acceptance is not None
        return moved, acceptance
    rule: dict[str, Any] = {
        "step_size": step_size,
        "temperature": temperature,
        "seed": seed,
        "support": support_arrays(support, cloud),
    }
    # Looks at the arguments before the critic is asked, also where there are no steps.
    require_out(out, cloud, states)
    core.mala_propose(particles=particles, drift=particles, step=step, out=None, **rule)
    S, N, _ = cloud.shape
    accepted = memory.zeros((S,), np.int64)
    here = memory.copy(particles)
    if steps > 0:
        values, drift = (memory.copy(x) for x in critic.value_and_action_gradient(states, here))
    for l in range(steps):
        proposals = core.mala_propose(particles=here, drift=drift, step=step + l, out=None, **rule)
        proposed_values, proposed_drift = critic.value_and_action_gradient(states, proposals)
        core.mala_accept(
            particles=here,
            values=values,
            drift=drift,
            accepted=accepted,
            proposals=proposals,
            proposed_values=memory.contiguous(proposed_values),
            proposed_drift=memory.contiguous(proposed_drift),
            step=step + l,
            **rule,
        )
    acceptance = memory.fractions(accepted, steps * N, cloud.dtype)
    if out is None:
        return here, acceptance
    memory.assign(out, here)
    return out, acceptance
