"""The routines of every backend under their public names, so that one test body runs on all."""

from __future__ import annotations

from typing import Any

import numpy as np

import wpg
from wpg.noise import STREAMS
from wpg.reference import critics, density, mala, noise, transport

__all__ = ["BACKENDS", "Cpu", "Reference"]


class Cpu:
    """The compiled routines."""

    langevin = staticmethod(wpg.transport.langevin)
    leimkuhler_matthews = staticmethod(wpg.transport.leimkuhler_matthews)
    mala = staticmethod(wpg.transport.mala)
    svgd_velocity = staticmethod(wpg.transport.svgd_velocity)
    blob_velocity = staticmethod(wpg.transport.blob_velocity)
    birth_death = staticmethod(wpg.transport.birth_death)
    adaptive_step_size = staticmethod(wpg.transport.adaptive_step_size)
    median_bandwidth = staticmethod(wpg.density.median_bandwidth)
    kde_log_density = staticmethod(wpg.density.kde_log_density)
    kde_score = staticmethod(wpg.density.kde_score)
    kernel_stein_discrepancy = staticmethod(wpg.density.kernel_stein_discrepancy)

    @staticmethod
    def kernel_q(critic: wpg.critics.KernelQ, states: Any, particles: Any) -> Any:
        return critic.value_and_action_gradient(states, particles)


class Reference:
    """The naive twins, given the draws that the compiled routines name."""

    adaptive_step_size = staticmethod(transport.adaptive_step_size)
    svgd_velocity = staticmethod(transport.svgd_velocity)
    blob_velocity = staticmethod(transport.blob_velocity)
    median_bandwidth = staticmethod(density.median_bandwidth)
    kde_score = staticmethod(density.kde_score)
    kernel_stein_discrepancy = staticmethod(density.kernel_stein_discrepancy)

    @staticmethod
    def draws(cloud: Any, stream: str, seed: int, step: int) -> Any:
        return noise.standard_normal(
            cloud.shape, seed=seed, stream=STREAMS[stream], step=step, dtype=cloud.dtype
        )

    @staticmethod
    def arrays(support: Any, cloud: Any) -> Any:
        return None if support is None else support.arrays(cloud.shape[2], cloud.dtype)

    def langevin(self, particles: Any, drift: Any, *, seed: int, step: int = 0, **rule: Any) -> Any:
        rule["support"] = self.arrays(rule.get("support"), particles)
        return transport.langevin(
            particles, drift, self.draws(particles, "langevin", seed, step), **rule
        )

    def leimkuhler_matthews(
        self, particles: Any, drift: Any, *, seed: int, step: int = 0, **rule: Any
    ) -> Any:
        rule["support"] = self.arrays(rule.get("support"), particles)
        xi = [self.draws(particles, "leimkuhler_matthews", seed, step + ahead) for ahead in (0, 1)]
        return transport.leimkuhler_matthews(particles, drift, *xi, **rule)

    def mala(
        self, particles: Any, critic: Any, states: Any, *, seed: int, steps: int = 1, **rule: Any
    ) -> Any:
        rule["support"] = self.arrays(rule.get("support"), particles)
        S, N, _ = particles.shape
        name = {"seed": seed, "stream": STREAMS["mala_acceptance"], "dtype": particles.dtype}
        return mala.mala(
            particles,
            lambda cloud: critic.value_and_action_gradient(states, cloud),
            lambda move: self.draws(particles, "mala_proposal", seed, move),
            lambda move: np.array(
                [
                    [noise.exponential(step=move, state=s, particle=n, **name) for n in range(N)]
                    for s in range(S)
                ]
            ),
            steps=steps,
            **rule,
        )

    @staticmethod
    def birth_death(
        particles: Any, q_values: Any, *, bandwidth: Any, seed: int, step: int = 0, **rule: Any
    ) -> Any:
        name = {"seed": seed, "stream": STREAMS["birth_death"], "step": step}
        ancestors = transport.birth_death(
            q_values,
            density.kde_log_density(particles, particles, bandwidth=bandwidth),
            lambda s, n: noise.two_words(state=s, particle=n, **name),
            **rule,
        )
        return np.take_along_axis(particles, ancestors[..., None].astype(int), axis=1), ancestors

    @staticmethod
    def kde_log_density(particles: Any, points: Any = None, *, bandwidth: Any) -> Any:
        at = particles if points is None else points
        return density.kde_log_density(particles, at, bandwidth=bandwidth)

    @staticmethod
    def kernel_q(critic: wpg.critics.KernelQ, states: Any, particles: Any) -> Any:
        return critics.kernel_q(
            critic.center_states,
            critic.center_actions,
            critic.weights,
            states,
            particles,
            state_lengthscale=critic.state_lengthscale,
            action_lengthscale=critic.action_lengthscale,
            kernel=critic.kernel,
        )


BACKENDS = {"reference": Reference(), "cpu": Cpu()}
