"""Mixtures of isotropic Gaussians: density, score, exact draws, and the mode of a point."""

from __future__ import annotations

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from wpg.exact.arguments import array, count, per_state

__all__ = ["GaussianMixture"]

Float64 = NDArray[np.float64]

# Points whose terms are held at once: they stay in the processor's cache.
BLOCK = 2048


class GaussianMixture:
    """p(a) = sum_i w_i N(a; mu_i, std_i^2 I) on R^D.

    Parameters
    ----------
    means : (C, D) [action]
    std : number or (C,) [action], positive
    weights : (C,), not negative, sum one; equal if None

    Cost: C D operations a point; memory for 2048 points at once.
    Accuracy: log p to C roundings of its largest term; it stays finite where p underflows.
    Errors: ValueError or TypeError that names the argument.
    """

    def __init__(
        self, means: ArrayLike, std: ArrayLike = 1.0, weights: ArrayLike | None = None
    ) -> None:
        self.means = array(means, "means", ("C", "D")).copy()
        C = len(self.means)
        if self.means.size == 0:
            raise ValueError(
                f"means has shape {self.means.shape}; it must be (C, D), one mean at least"
            )
        self.std = per_state(std, "std", C)
        self._equal = weights is None
        w = np.full(C, 1.0 / C) if weights is None else array(weights, "weights", (C,)).copy()
        if (w < 0).any() or abs(w.sum() - 1.0) > 1e-9:
            raise ValueError(f"weights is {w.tolist()}; it must not be negative, with sum 1")
        self.weights = w
        with np.errstate(divide="ignore"):
            self._tops = np.log(w) - self.dimension * np.log(self.std * np.sqrt(2.0 * np.pi))
        for fixed in (self.means, self.std, self.weights):
            fixed.flags.writeable = False

    def __repr__(self) -> str:
        return f"GaussianMixture(C={len(self)}, D={self.dimension})"

    def __len__(self) -> int:
        """C: how many Gaussians."""
        return len(self.means)

    @property
    def dimension(self) -> int:
        """D."""
        return self.means.shape[1]

    def log_density(self, points: ArrayLike) -> Float64:
        """log p [1/action^D] at points (..., D): (...)."""
        rows, shape = self._rows(points)
        value = np.empty(len(rows))
        for part in _parts(len(rows)):
            _, logs = self._terms(rows[part])
            top = logs.max(axis=1)
            value[part] = np.log(np.exp(logs - top[:, None]).sum(axis=1)) + top
        return value.reshape(shape)

    def log_density_and_gradient(self, points: ArrayLike) -> tuple[Float64, Float64]:
        """log p at points (..., D): (...), and its gradient (..., D) [1/action], in one pass.

        grad log p = sum_i P(i | a) (mu_i - a) / std_i^2
        """
        rows, shape = self._rows(points)
        value, gradient = np.empty(len(rows)), np.empty_like(rows)
        for part in _parts(len(rows)):
            away, logs = self._terms(rows[part])
            top = logs.max(axis=1)
            share = np.exp(logs - top[:, None])
            total = share.sum(axis=1)
            value[part] = np.log(total) + top
            share /= total[:, None] * self.std**2
            np.einsum("nc,ncd->nd", share, away, out=gradient[part])
        return value.reshape(shape), gradient.reshape(*shape, self.dimension)

    def nearest_mode(self, points: ArrayLike) -> tuple[NDArray[np.int64], Float64]:
        """The mode that points (..., D) belong to, (...) from 0 to C - 1, and their distance from
        its mean (...) in its standard deviations.

        It is the i of largest w_i N(a; mu_i, std_i^2 I): the nearest mean if all w and std are the
        same, the lowest i of several.
        """
        rows, shape = self._rows(points)
        mode, distance = np.empty(len(rows), np.int64), np.empty(len(rows))
        for part in _parts(len(rows)):
            away, logs = self._terms(rows[part])
            mode[part] = logs.argmax(axis=1)
            here = np.take_along_axis(away, mode[part, None, None], axis=1)[:, 0]
            distance[part] = np.linalg.norm(here, axis=1) / self.std[mode[part]]
        return mode.reshape(shape), distance.reshape(shape)

    def draw(self, n: int, *, seed: int) -> Float64:
        """n independent exact draws (n, D) [action], from `numpy.random.default_rng(seed)`."""
        n, rng = count(n, "n", 0), np.random.default_rng(count(seed, "seed", 0))
        if self._equal:
            mode = rng.integers(len(self), size=n)
        else:
            mode = rng.choice(len(self), size=n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.dimension))
        return self.means[mode] + self.std[mode, None] * noise

    def mass_outside(self, low: ArrayLike, high: ArrayLike) -> float:
        """1 - int_box p for the box low <= a <= high, numbers or (D,) [action]; no cancellation.

        sum_i w_i (1 - prod_d [Phi((high_d - mu_id)/std_i) - Phi((low_d - mu_id)/std_i)])
        """
        scale = self.std[:, None]
        below = scipy.special.ndtr((np.asarray(low, np.float64) - self.means) / scale)
        above = scipy.special.ndtr((self.means - np.asarray(high, np.float64)) / scale)
        with np.errstate(divide="ignore"):
            inside = np.log1p(-np.minimum(below + above, 1.0)).sum(axis=1)
        return float(self.weights @ -np.expm1(inside))

    def _rows(self, points: ArrayLike) -> tuple[Float64, tuple[int, ...]]:
        """Points as (N, D), and the shape without D."""
        given = np.asarray(points)
        if given.dtype.kind not in "fiu":
            raise TypeError(f"points has dtype {given.dtype}; it must be real numbers")
        if given.ndim == 0 or given.shape[-1] != self.dimension:
            raise ValueError(
                f"points has shape {given.shape}; its last axis must have D = {self.dimension}"
            )
        rows = given.astype(np.float64, copy=False).reshape(-1, self.dimension)
        if not np.isfinite(rows).all():
            raise ValueError("points holds numbers that are not finite")
        return rows, given.shape[:-1]

    def _terms(self, rows: Float64) -> tuple[Float64, Float64]:
        """mu_i - a (N, C, D), and log of w_i N(a; mu_i, std_i^2 I) (N, C)."""
        away = self.means - rows[:, None, :]
        return away, self._tops - 0.5 * np.square(away).sum(axis=2) / self.std**2


def _parts(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
