"""Birth and death of particles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.arrays import cloud_array, core_of, plain_cloud
from wpg.bandwidths import particle_bandwidth
from wpg.cuda import on_device

__all__ = ["birth_death"]


def birth_death(
    particles: NDArray[Any],
    q_values: NDArray[Any],
    *,
    temperature: float | NDArray[Any],
    rate: float | NDArray[Any],
    step_size: float | NDArray[Any],
    bandwidth: float | NDArray[Any] | None = None,
    seed: int,
    step: int = 0,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """One step in which particles die and are duplicated, so that mass jumps between modes.

        d pi/dt = rate pi (Q - temperature log pi - V),   V = E_pi [Q - temperature log pi]
        B_i = log pi_hat(a_i) - Q(a_i)/temperature, minus its mean over the state's particles

    With probability 1 - exp(-rate temperature |B_i| step_size) something happens to particle i:
    B_i > 0 kills it and duplicates a uniformly chosen other in its place, B_i < 0 duplicates it in
    the place of a uniformly chosen other. pi_hat is the density of Gaussians of width `bandwidth`
    on R^D around all particles, its own included. Left alone this flow is the natural gradient:
    pi(t) ~ pi(0)^w exp((1 - w) Q/temperature), w = exp(-rate temperature t), whatever barriers
    there are. It makes no new actions: use it between Langevin steps.

    Parameters
    ----------
    particles : (S, N, D) [action], float32 or float64, C-contiguous
    q_values : (S, N) [reward], Q at the particles, the same dtype; -inf where it is forbidden
    temperature : number or (S,) [reward], > 0
    rate : number or (S,) [1/action^2], >= 0; rate * temperature is one over time
    step_size : number or (S,) [action^2 / reward], >= 0
    bandwidth : number or (S,) [action], >= 0; None is `wpg.density.median_bandwidth`. The limit of
        0 counts coinciding particles: log pi_hat is the logarithm of their number, but for a
        constant.
    seed, step : name the draws, stream "birth_death"
    out : (S, N, D), None to allocate; `out=particles` works in place

    Returns
    -------
    particles (S, N, D), `out` if it was given, and ancestors (S, N) int32: where each of them was
    before, so that particles[s, i] = given[s, ancestors[s, i]].

    Chances come from the cloud before the step. Events happen in the order of the particles; a copy
    is one of what stands in its place by then, and a particle that has been replaced has no event
    of its own any more: second order in step_size, as what a changing B would do. Particles with
    Q = -inf are replaced first, each by a uniformly chosen one without, and do not count in the
    mean; if all are forbidden nothing happens. N = 1 changes nothing.

    Cost: S N^2 (D + 1) for the density, S N for the rest.
    Accuracy: chances in double precision from log-densities with the error of
    `wpg.density.mixture_log_density`. The kernel smooths: for a bandwidth l and a Gaussian law of
    variance v, B is off by (l^2/2) (x^2/v - 1)/v + O(l^4), which takes l^2 off the variance; a
    particle's own component makes lonely ones look likely, O(1/(N l^D)). The median rule measures
    the whole cloud: with several modes give a bandwidth below the width of one. No bit depends on
    the number of threads; events near their threshold may differ between instruction sets, as the
    log-densities do.
    Errors: ValueError or TypeError that names the argument, temperature 0 too; nothing is written
    then. NaN or infinity in a particle, NaN or +inf in Q, makes all particles of the state NaN,
    each its own ancestor.

    Source: Lu, Lu, Nolen 2019, algorithm 1.
    """
    rule: dict[str, Any] = {
        "q_values": q_values,
        "temperature": temperature,
        "rate": rate,
        "step_size": step_size,
        "seed": seed,
        "step": step,
        "out": out,
    }
    if on_device(particles):
        there = cloud_array(particles, "particles")
        length = particle_bandwidth(bandwidth, there, least="not negative")
        return core_of(there).birth_death(particles=there, bandwidth=length, **rule)
    cloud = plain_cloud(particles, "particles")
    return _core.birth_death(particles=cloud, log_density=_log_density(cloud, bandwidth), **rule)


def _log_density(cloud: NDArray[Any], bandwidth: float | NDArray[Any] | None) -> NDArray[Any]:
    """log pi_hat (S, N) at the particles, up to a constant for each state."""
    S, N, _ = cloud.shape
    if cloud.size == 0:
        return np.zeros((S, N), cloud.dtype)
    if bandwidth is None:
        given = _core.median_bandwidth(particles=cloud)
        # A state with NaN gets NaN from its particles; a median above all numbers is the largest.
        given = np.minimum(np.nan_to_num(given, nan=1.0), np.finfo(cloud.dtype).max / 4)
    else:
        given = np.broadcast_to(particle_bandwidth(bandwidth, cloud, least="not negative"), S)
        given = given.astype(cloud.dtype, copy=False)
    with np.errstate(divide="ignore", over="ignore"):
        zero = ~np.isfinite(1 / given)  # 0, or so small that it might as well be
    width = np.where(zero, cloud.dtype.type(1), given).astype(cloud.dtype, copy=False)
    density: NDArray[Any] = _core.mixture_log_density(
        points=cloud,
        means=cloud,
        std=width,
        support=None,
        wants_all=True,
        wants_others=False,
        out=None,
    )
    for s in np.flatnonzero(zero & np.isfinite(density).all(axis=1)):
        # Adding 0 makes -0 the same as 0.
        _, kind, count = np.unique(cloud[s] + 0, axis=0, return_inverse=True, return_counts=True)
        density[s] = np.log(count[kind.ravel()] / N)
    return density
