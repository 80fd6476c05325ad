"""Normal draws that are correlated in time, for actions that reach further than white noise does.

    xi_t = K^(-1/2) sum_{k < K} n_k(floor(t / 2^k)),   n_k(j) ~ N(0, 1) independent

A sum of octaves, each held twice as long as the one before: the spectrum falls like 1/f between
1/2^K and 1/2. Every xi_t alone is exactly standard normal; given the draws before it, and so given
the state that they led to, it is not. A policy that acts with it is therefore another one in its
own trajectories: good for an off-policy learner's data, not for measuring the policy.

Sources: the sum of octaves: Voss and Clarke 1978, Gardner 1978; pink noise in exploration: Eberhard
et al. 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpg.noise import standard_normal

__all__ = ["PinkNoise"]


class PinkNoise:
    """xi_t (n, size), a pure function of (seed, stream, t), independent rows.

    Parameters
    ----------
    shape : (n, size), how many rows and coordinates, each with noise of its own; a row's noise does
        not depend on n
    seed, stream : name the draws, see `wpg.noise`
    octaves : K, from 1 (white) to 16; the slowest octave is held for 2^(K-1) steps

    Cost: two draws a step on average, because a slow octave rarely changes.
    """

    def __init__(self, shape: tuple[int, int], *, seed: int, stream: str, octaves: int = 8) -> None:
        if not 1 <= octaves <= 16:
            raise ValueError(f"octaves is {octaves}; it must be from 1 to 16")
        self.shape = shape
        self.seed = seed
        self.stream = stream
        self.octaves = octaves
        self._index = [-1] * octaves
        self._held = np.zeros((octaves, *shape), np.float32)

    def at(self, t: int) -> NDArray[np.float32]:
        """xi_t (n, size), 0 <= t < 2^35."""
        for k in range(self.octaves):
            index = t >> k
            if self._index[k] != index:
                self._index[k] = index
                self._held[k] = standard_normal(
                    (self.shape[0], 1, self.shape[1]),
                    seed=self.seed,
                    step=16 * index + k,
                    stream=self.stream,
                )[:, 0]
        noise: NDArray[np.float32] = self._held.sum(axis=0) * np.float32(self.octaves**-0.5)
        return noise
