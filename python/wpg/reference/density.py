"""Log-density of a folded or wrapped mixture, and entropies, one point at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg.reference.transport import SQUASHED, Support, fold, interior, line_point, walls

__all__ = [
    "gaussian_entropy",
    "images",
    "kde_log_density",
    "kde_score",
    "kernel_stein_discrepancy",
    "knn_entropy",
    "median_bandwidth",
    "mixture_entropy",
    "mixture_log_density",
]


def images(x: float, kind: str | None, low: float, high: float, reach: float) -> list[float]:
    """The images of a coordinate up to `reach` beyond the support.

        R: x        box: x + 2kL, 2 low - x + 2kL        torus: x + k period

    Source: images of reflected and wrapped Brownian motion, Feller 1971, X.5.
    """
    if kind is None:
        return [x]
    width = high - low
    most = int(reach / width) + 2
    shifts = range(-most, most + 1)
    if kind == "torus":
        return [x + k * width for k in shifts]
    return [x + 2 * k * width for k in shifts] + [2 * low - x + 2 * k * width for k in shifts]


def log_sum(terms: list[float]) -> float:
    """log sum exp."""
    top = max(terms)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(t - top) for t in terms))


def mixture_log_density(
    points: NDArray[Any],
    means: NDArray[Any],
    std: ArrayLike,
    support: Support = None,
    *,
    exclude_self: bool = False,
) -> NDArray[np.float64]:
    """Log-density of a mixture of equal Gaussians, in float64.

        q(x) = (1/N) sum_j prod_d sum_images N(image(x_d); means_jd, std^2)

    In a squashed box that of y, divided by |dx/dy|.

    Parameters
    ----------
    points : (S, K, D) [action]
    means : (S, N, D) [action], folded into the support first
    std : number or (S,) [action]
    support : as in `wpg.reference.transport.fold`
    exclude_self : leave mean i out at point i, and divide by N - 1

    Returns
    -------
    (S, K) log-densities. Cost: S K N D images.

    Source: arXiv 2605.26078: the law after one particle step.
    """
    S, K, D = points.shape
    N = means.shape[1]
    if support is not None and support[0] in SQUASHED:
        y, log_slopes = on_the_line(points, support)
        centres, _ = on_the_line(means, support)
        plain = mixture_log_density(y, centres, std, exclude_self=exclude_self)
        return plain - log_slopes
    kind = None if support is None else support[0]
    low = np.broadcast_to(np.asarray(0.0 if support is None else support[1], np.float64), (D,))
    high = np.broadcast_to(np.asarray(1.0 if support is None else support[2], np.float64), (D,))
    scale = np.broadcast_to(np.asarray(std, dtype=np.float64), (S,))
    density = np.empty((S, K))
    for s in range(S):
        sigma = float(scale[s])
        inside = [fold(means[s, j].astype(np.float64), support) for j in range(N)]
        for k in range(K):
            terms = []
            for j in range(N):
                if exclude_self and j == k:
                    continue
                term = 0.0
                for d in range(D):
                    copies = images(
                        float(points[s, k, d]), kind, float(low[d]), float(high[d]), 10 * sigma
                    )
                    term += log_sum([-0.5 * ((x - inside[j][d]) / sigma) ** 2 for x in copies])
                    term -= math.log(sigma) + 0.5 * math.log(2 * math.pi)
                terms.append(term)
            density[s, k] = log_sum(terms) - math.log(len(terms))
    return density


def on_the_line(
    cloud: NDArray[Any], support: Support
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """y (S, K, D) of actions in a squashed box, and log|da/dy| (S, K)."""
    S, K, D = cloud.shape
    kind, low, high = walls(support, D)
    y, log_slopes = np.empty((S, K, D)), np.zeros((S, K))
    for s, k, d in np.ndindex(S, K, D):
        a = interior(float(cloud[s, k, d]), float(low[d]), float(high[d]), cloud.dtype)
        y[s, k, d], slope, _ = line_point(a, kind, float(low[d]), float(high[d]))
        log_slopes[s, k] += math.log(slope)
    return y, log_slopes


def median_bandwidth(particles: NDArray[Any]) -> NDArray[np.float64]:
    """The median rule (S,), from a sorted list of all distances.

        med / sqrt(2 log(N + 1)),   med = median over the pairs i < j of |a_i - a_j|

    Source: Liu and Wang 2016, section 5.
    """
    S, N, _ = particles.shape
    bandwidth = np.zeros(S)
    for s in range(S):
        distances = []
        for i in range(N):
            for j in range(i):
                away = particles[s, i].astype(np.float64) - particles[s, j].astype(np.float64)
                distances.append(math.hypot(*away))
        if not np.isfinite(particles[s]).all():
            bandwidth[s] = math.nan
        elif N > 1:
            distances.sort()
            P = len(distances)
            median = 0.5 * distances[(P - 1) // 2] + 0.5 * distances[P // 2]
            bandwidth[s] = median / math.sqrt(2 * math.log(N + 1))
    return bandwidth


def mixture_entropy(
    particles: NDArray[Any], means: NDArray[Any], std: ArrayLike, support: Support = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """-mean_i log q(a_i) with and without component i, both (S,).

    Source: the bracket E H_self <= H <= E H_loo is Jensen's inequality.
    """
    included = mixture_log_density(particles, means, std, support)
    left_out = mixture_log_density(particles, means, std, support, exclude_self=True)
    return -included.mean(axis=1), -left_out.mean(axis=1)


def digamma(x: float) -> float:
    """psi(x) by psi(x) = psi(x + 1) - 1/x up to x >= 10, then the asymptotic series."""
    below = 0.0
    while x < 10:
        below += 1 / x
        x += 1
    y = 1 / x**2
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return math.log(x) - 0.5 / x - series - below


def knn_entropy(
    particles: NDArray[Any], neighbours: int, period: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Kozachenko and Leonenko's estimate (S,).

        psi(N) - psi(k) + log c_D + (D/N) sum_i log e_k(i)

    Source: Kozachenko and Leonenko 1987.
    """
    S, N, D = particles.shape
    values = np.empty(S)
    for s in range(S):
        total = 0.0
        for i in range(N):
            distances = []
            for j in range(N):
                away = np.abs(particles[s, i].astype(np.float64) - particles[s, j])
                if period is not None:
                    away = away % period
                    away = np.minimum(away, period - away)
                distances.append(math.sqrt(float(np.sum(away**2))))
            total += math.log(sorted(distances)[neighbours])  # the first is i itself
        log_ball = 0.5 * D * math.log(math.pi) - math.lgamma(0.5 * D + 1)
        values[s] = digamma(N) - digamma(neighbours) + log_ball + D / N * total
    return values


def gaussian_entropy(particles: NDArray[Any]) -> NDArray[np.float64]:
    """Entropy (S,) of the Gaussian with the particles' covariance, without bias for Gaussian draws.

        (D/2) log(2 pi e) + (1/2) log det C - (1/2) sum_{i=1..D} [psi((N-i)/2) - log((N-1)/2)]

    Source: Anderson 2003, theorem 7.5.3.
    """
    S, N, D = particles.shape
    values = np.empty(S)
    for s in range(S):
        covariance = np.atleast_2d(np.cov(particles[s].astype(np.float64).T))
        value = 0.5 * D * math.log(2 * math.pi * math.e)
        value += 0.5 * math.log(np.linalg.det(covariance))
        for i in range(1, D + 1):
            value -= 0.5 * (digamma((N - i) / 2) - math.log((N - 1) / 2))
        values[s] = value
    return values


def kde_log_density(
    particles: NDArray[Any], points: NDArray[Any], *, bandwidth: ArrayLike
) -> NDArray[np.float64]:
    """log (1/N) sum_j N(x; a_j, bandwidth^2 I) at points (S, K, D); (S, K), in float64.

    Source: Silverman 1986, section 4.2.
    """
    return mixture_log_density(points, particles, bandwidth)


def kde_score(particles: NDArray[Any], *, bandwidth: ArrayLike) -> NDArray[np.float64]:
    """Score of the Gaussian kernel estimate at its own particles (S, N, D), in float64.

        sum_j grad_i k_ij / sum_j k_ij,   k_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2))

    Source: mean shift, Fukunaga and Hostetler 1975.
    """
    S, N, _ = particles.shape
    length = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (S,))
    score = np.zeros(particles.shape)
    for s in range(S):
        cloud = particles[s].astype(np.float64)
        for i in range(N):
            total = 0.0
            for j in range(N):
                away = cloud[i] - cloud[j]
                kernel = np.exp(-0.5 * np.sum((away / length[s]) ** 2))
                score[s, i] -= kernel * away / length[s] ** 2
                total += kernel
            score[s, i] /= total
    return score


def kernel_stein_discrepancy(
    particles: NDArray[Any], drift: NDArray[Any], *, temperature: ArrayLike, bandwidth: ArrayLike
) -> NDArray[np.float64]:
    """Kernel Stein discrepancy (S,) against exp(Q / temperature), V-statistic, in float64.

        KSD^2 = (1/N^2) sum_ij [ s_i.s_j k + s_i.grad_j k + s_j.grad_i k + tr grad_i grad_j k ]

    with s = drift / temperature and k = exp(-|a_i - a_j|^2 / (2 bandwidth^2)).

    Source: Liu, Lee and Jordan 2016.
    """
    S, N, D = particles.shape
    tau = np.broadcast_to(np.asarray(temperature, dtype=np.float64), (S,))
    length = np.broadcast_to(np.asarray(bandwidth, dtype=np.float64), (S,))
    discrepancy = np.zeros(S)
    for s in range(S):
        cloud, score = particles[s].astype(np.float64), drift[s].astype(np.float64) / tau[s]
        terms = []
        for i in range(N):
            for j in range(N):
                away = (cloud[i] - cloud[j]) / length[s]
                kernel = math.exp(-0.5 * float(away @ away))
                slope_i = -kernel * away / length[s]
                trace = kernel * (D - float(away @ away)) / length[s] ** 2
                terms.append(
                    kernel * float(score[i] @ score[j])
                    - float(score[i] @ slope_i)
                    + float(score[j] @ slope_i)
                    + trace
                )
        discrepancy[s] = math.sqrt(max(0.0, math.fsum(terms))) / N
    return discrepancy
