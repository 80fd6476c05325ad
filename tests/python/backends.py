"""The routines of every backend under their public names, so that one test body runs on all."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import wpg
from devices import DEVICE, WHY_NOT, fetch, on_device
from wpg.noise import STREAMS
from wpg.reference import critics, density, mala, noise, transport

__all__ = ["BACKENDS", "PLACES", "Cpu", "Cuda", "Reference"]


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


class Cuda:
    """The CUDA routines: arrays go to a device and what is returned comes back."""

    def __getattr__(self, name: str) -> Any:
        if name in ("kde_log_density", "kernel_stein_discrepancy", "adaptive_step_size"):
            pytest.skip(f"{name} runs on the CPU alone")
        return self.on_device(getattr(Cpu, name))

    @classmethod
    def on_device(cls, routine: Any) -> Any:
        """The routine, given NumPy arrays, with what it returns as NumPy arrays."""
        if DEVICE is None:
            pytest.skip(WHY_NOT)
        return functools.partial(cls._call, routine)

    @staticmethod
    def _call(routine: Any, *given: Any, **rule: Any) -> Any:
        def there(x: Any) -> Any:
            if isinstance(x, np.ndarray):
                return on_device(x)
            if isinstance(x, wpg.critics.KernelQ):
                arrays = (x.center_states, x.center_actions, x.weights)
                return wpg.critics.KernelQ(
                    *(on_device(array) for array in arrays),
                    state_lengthscale=x.state_lengthscale,
                    action_lengthscale=x.action_lengthscale,
                    kernel=x.kernel,
                )
            return OnDevice(x) if hasattr(x, "value_and_action_gradient") else x

        # What a preconditioner or a support holds stays where it is.
        back = routine(
            *(there(x) for x in given),
            **{k: x if k == "preconditioner" else there(x) for k, x in rule.items()},
        )
        return tuple(fetch(x) for x in back) if isinstance(back, tuple) else fetch(back)


class OnDevice:
    """A critic of NumPy arrays that is asked with arrays on a device."""

    def __init__(self, critic: Any) -> None:
        self.critic = critic

    def value_and_action_gradient(self, states: Any, particles: Any) -> Any:
        found = self.critic.value_and_action_gradient(fetch(states), fetch(particles))
        return tuple(on_device(np.ascontiguousarray(x)) for x in found)


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


PLACES = {"cpu": lambda routine: routine, "cuda": Cuda.on_device}
BACKENDS = {"reference": Reference(), "cpu": Cpu(), "cuda": Cuda()}
