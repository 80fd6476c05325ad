"""Several transport steps in a row, with a new drift from the critic before each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from wpg.arrays import cloud_array, core_of, memory_of
from wpg.bandwidths import particle_bandwidth
from wpg.supports import Box, Support, support_arrays
from wpg.transport.critic import MOST_STEPS, Critic, compiled_critic, require_out, require_steps
from wpg.transport.langevin import langevin
from wpg.transport.leimkuhler_matthews import leimkuhler_matthews
from wpg.transport.mala import mala

__all__ = ["Critic", "flow"]

KERNEL_BETWEEN_PARTICLES = ("svgd", "blob")
SCHEMES = ("langevin", "leimkuhler-matthews", "mala", *KERNEL_BETWEEN_PARTICLES)


def flow(
    particles: NDArray[Any],
    critic: Critic,
    states: NDArray[Any],
    *,
    steps: int,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int = 0,
    support: Support = None,
    scheme: str = "langevin",
    bandwidth: float | NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Move particles `steps` times along the action gradient of a critic.

        for l in 0 .. steps-1:   a <- move(a, grad_a Q(s, a), ..., step = step + l)

        "langevin"               move = langevin                 noise; KL to Gibbs O(step_size^2)
        "leimkuhler-matthews"    move = leimkuhler_matthews      averaged noise; O(step_size^4)
        "mala"                   move = mala                     noise and acceptance; no bias
        "svgd"                   a <- fold(a + step_size * svgd_velocity(a, drift))     no noise
        "blob"                   a <- fold(a + step_size * blob_velocity(a, drift))     no noise

    Parameters
    ----------
    particles : (S, N, D) [action]
    critic : a `wpg.critics.KernelQ`, for which the loop is compiled and runs over states in
        parallel, or any object with `value_and_action_gradient(states, particles)`, for which it
        runs in Python with the same result to rounding of the critic
    states : (S, O), the dtype of the particles
    steps : int >= 0
    step_size, temperature, seed, step, support, out : as in `langevin`; "leimkuhler-matthews" wants
        step + steps < 2^40; "mala" wants a positive temperature and N >= 1, and drops the fraction
        of accepted proposals, which `mala` returns; "svgd" and "blob" do not look at the noise
    scheme : one of the above
    bandwidth : number or (S,) [action], the length of the kernel between the particles of "svgd"
        and "blob"; None is the median rule of the cloud before every move
        (`wpg.density.median_bandwidth`), and what the others want

    Returns
    -------
    (S, N, D) moved particles, `out` if it was given.

    Cost with KernelQ: S M O + steps * S N M' D, M' the centres that matter for a state ("mala":
    steps + 1 times); nothing of size N M is stored, a thread keeps M (D + 5) + N (4 D + 2) numbers.
    "svgd" and "blob" add the cost of `svgd_velocity` or `blob_velocity` and of the median rule to
    every step, S N^2 (2 D + 4) or so, and to a thread 4 N (D + 1) numbers, "blob" at most 288 KB
    more and the median rule 1.5 N D + 12 N^(4/3); where S < 16 and N > 512, 2 S N D in all besides.
    Accuracy: equals `steps` calls of `value_and_action_gradient` and of the move to the bit; flows
    that follow each other in `step` equal one flow to the bit. No bit depends on the number of
    threads.
    Errors: ValueError or TypeError that names the argument; nothing is written then. A particle
    that is not finite is NaN from then on; with "svgd" and "blob" so is all of its state, and one
    whose median distance overflows. The median rule refuses N = 0. Boundary
    "clip" is refused at a positive temperature and by "mala", "svgd" and "blob"; "tanh" and
    "probit" are refused by "svgd" and "blob", whose kernel is one of actions.

    Source: arXiv 2605.26078: several particle steps for one evaluation of Q. Schemes: Leimkuhler
    and Matthews 2013; Roberts and Tweedie 1996; Liu and Wang 2016; Carrillo, Craig and Patacchini
    2019.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; it must be one of {', '.join(map(repr, SCHEMES))}")
    if scheme in KERNEL_BETWEEN_PARTICLES:
        _require_reflecting(support, scheme)
    elif bandwidth is not None:
        raise ValueError(
            "bandwidth belongs to schemes with a kernel between particles; "
            f"scheme {scheme!r} has none, leave it None"
        )
    require_steps(steps, step)
    cloud = cloud_array(particles, "particles")
    compiled = compiled_critic(critic, cloud)
    rule: dict[str, Any] = {
        "step_size": step_size,
        "temperature": temperature,
        "seed": seed,
        "support": support,
    }
    if compiled is not None:
        if bandwidth is not None:
            bandwidth = particle_bandwidth(bandwidth, cloud)
        moved, _ = core_of(cloud).flow(
            particles=cloud,
            critic=compiled,
            states=states,
            scheme=scheme,
            steps=int(steps),
            step=step,
            bandwidth=bandwidth,
            out=out,
            **rule | {"support": support_arrays(support, cloud)},
        )
        return moved
    if scheme == "mala":
        return mala(particles, critic, states, steps=steps, step=step, out=out, **rule)[0]
    move = _move(scheme, rule, bandwidth)
    require_out(out, cloud, states)  # before the critic has worked, not after
    if steps == 0:
        # No step to look at the arguments: a step that is not kept does.
        move(particles, particles, step, None)
        return langevin(particles, particles, step_size=0.0, temperature=0.0, seed=0, out=out)
    if scheme == "leimkuhler-matthews" and step + steps >= MOST_STEPS:
        raise ValueError(
            f"step is {step} and steps is {steps}; noise ends at step 2^40 - 1, and the average of "
            "two draws looks one step ahead"
        )
    contiguous = memory_of(cloud).contiguous
    here = particles
    for l in range(steps):
        _, drift = critic.value_and_action_gradient(states, here)
        to = out if l == steps - 1 else None
        here = move(here, contiguous(drift), step + l, to)
    return here


_Move = Callable[[NDArray[Any], NDArray[Any], int, NDArray[Any] | None], NDArray[Any]]


def _move(scheme: str, rule: dict[str, Any], bandwidth: float | NDArray[Any] | None) -> _Move:
    """One step of a scheme: cloud, drift, step, out."""
    if scheme in ("langevin", "leimkuhler-matthews"):
        noisy = langevin if scheme == "langevin" else leimkuhler_matthews
        return lambda cloud, drift, step, out: noisy(cloud, drift, step=step, out=out, **rule)
    if scheme == "svgd":
        from wpg.transport.svgd import svgd_velocity as velocity
    else:
        from wpg.transport.blob import blob_velocity as velocity
    plain = rule | {"temperature": 0.0}

    def along_velocity(
        cloud: NDArray[Any], drift: NDArray[Any], step: int, out: NDArray[Any] | None
    ) -> NDArray[Any]:
        pushed = velocity(cloud, drift, temperature=rule["temperature"], bandwidth=bandwidth)
        return langevin(cloud, pushed, step=step, out=out, **plain)

    return along_velocity


def _require_reflecting(support: Support, scheme: str) -> None:
    if isinstance(support, Box) and support.boundary != "reflect":
        raise ValueError(
            f"support has boundary {support.boundary!r}; scheme {scheme!r} carries an entropy of "
            "actions and moves them in action units, use boundary 'reflect'"
        )
