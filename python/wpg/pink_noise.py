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

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.noise import standard_normal

__all__ = ["PinkNoise", "WhatPays"]


class PinkNoise:
    """xi_t (size,), a pure function of (seed, stream, t).

    Parameters
    ----------
    size : how many coordinates, each with noise of its own
    seed, stream : name the draws, see `wpg.noise`
    octaves : K, from 1 (white) to 16; the slowest octave is held for 2^(K-1) steps

    Cost: two draws a step on average, because a slow octave rarely changes.
    """

    def __init__(self, size: int, *, seed: int, stream: str, octaves: int = 10) -> None:
        if not 1 <= octaves <= 16:
            raise ValueError(f"octaves is {octaves}; it must be from 1 to 16")
        self.size = size
        self.seed = seed
        self.stream = stream
        self.octaves = octaves
        self._index = [-1] * octaves
        self._held = np.zeros((octaves, size), np.float32)

    def at(self, t: int) -> NDArray[np.float32]:
        """xi_t (size,), 0 <= t < 2^35."""
        for k in range(self.octaves):
            index = t >> k
            if self._index[k] != index:
                self._index[k] = index
                self._held[k] = standard_normal(
                    (1, 1, self.size), seed=self.seed, step=16 * index + k, stream=self.stream
                )[0, 0]
        noise: NDArray[np.float32] = self._held.sum(axis=0) * np.float32(self.octaves**-0.5)
        return noise


class WhatPays:
    """Is the next episode's noise pink or white? Whichever has paid; pink where that is not known.

    The last four returns of each are compared. The two take turns until each has been used twice.
    Then white noise is used if its mean return is higher by more than a standard error of the
    difference, but for every eighth episode; otherwise pink noise, but for every fourth. So noise
    that reaches further is the rule where nothing has been found yet, and where it finds more.
    """

    KEPT = 4

    def __init__(self) -> None:
        self.returns = np.full((2, self.KEPT), np.nan)  # of pink and of white episodes, last first

    def add(self, pink: bool, episode_return: float) -> None:
        """What an episode has returned."""
        row = self.returns[0 if pink else 1]
        row[1:] = row[:-1].copy()
        row[0] = episode_return

    def pink(self, episode: int) -> bool:
        """Should episode 0, 1, ... have pink noise?"""
        pink, white = (row[~np.isnan(row)] for row in self.returns)
        if min(len(pink), len(white)) < 2:
            return len(pink) <= len(white)
        error = np.sqrt(pink.var(ddof=1) / len(pink) + white.var(ddof=1) / len(white))
        if white.mean() - pink.mean() > error:
            return episode % 8 == 7
        return episode % 4 != 3

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to go on."""
        return {"returns": self.returns.copy()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        if arrays["returns"].shape != self.returns.shape:
            raise ValueError(
                f"returns has shape {arrays['returns'].shape}; {self.returns.shape} is wanted"
            )
        self.returns = arrays["returns"].astype(np.float64)
