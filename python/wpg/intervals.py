"""How sure one may be of scores from a few runs: aggregates, and intervals around them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["interquartile_mean", "probability_of_improvement", "stratified_bootstrap"]

Floats = NDArray[np.float64]
Scores = NDArray[Any] | Sequence[ArrayLike]


def interquartile_mean(scores: Scores) -> float:
    """The mean of the middle half of all scores, whatever run and task they come from.

        IQM = 1/(n - 2 k) sum_{i=k+1}^{n-k} x_(i),   k = floor(n / 4),

    with x_(1) <= ... <= x_(n) the n scores of all runs and tasks in one order.

    Parameters
    ----------
    scores : array of any shape, or a sequence of arrays, one a task [units of the scores]. Tasks
        with more runs weigh more; scores of different tasks have to be in comparable units.

    Returns
    -------
    IQM [units of the scores]. Up to three scores leave nothing to cut: then it is their mean.

    Cost: one sort. Accuracy: a sum of n - 2 k float64 in NumPy's order.

    Errors: ValueError that names the argument; scores must be finite.

    Source: Agarwal, Schwarzer, Castro, Courville, Bellemare 2021, "Deep reinforcement learning at
    the edge of the statistical precipice", NeurIPS, section 4.
    """
    parts = [scores] if isinstance(scores, np.ndarray) else list(scores)
    if not parts:
        raise ValueError("scores is empty; it must have at least one score")
    pooled = np.concatenate([_numbers(part, "scores").ravel() for part in parts])
    if not pooled.size:
        raise ValueError("scores is empty; it must have at least one score")
    cut = pooled.size // 4
    return float(np.sort(pooled)[cut : pooled.size - cut].mean())


def stratified_bootstrap(
    scores_by_task: Scores,
    statistic: Callable[[Any], float],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """A statistic of scores, and the interval in which other runs of the same tasks would put it.

        x*_{t,1} ... x*_{t,n_t}  drawn with replacement from  x_{t,1} ... x_{t,n_t},  every task t
        low, high = quantiles (1 -+ confidence)/2 of statistic(x*) over the resamples

    Runs are drawn within their task and for each task apart; tasks are never drawn, so the interval
    is about other seeds on these tasks, not about other tasks.

    Parameters
    ----------
    scores_by_task : array (runs, tasks), or a sequence of arrays (n_t,), one a task, where tasks
        have different numbers of runs. A nested list is the latter: one entry a task.
    statistic : function of scores in the form that was given, an array (runs, tasks) or a list of
        arrays (n_t,); `interquartile_mean` takes both
    confidence : in (0, 1)
    resamples : number of resamples, at least 1
    seed : names the draws, an int >= 0

    Returns
    -------
    (estimate, low, high) : the statistic of the scores themselves, and the ends of the interval.
        With one run in each task every resample is the scores themselves: the interval is the
        point, which says nothing about other seeds.

    Two agents are compared by resampling both, as tasks side by side:

        stratified_bootstrap(
            [*a, *b], lambda s: probability_of_improvement(s[: len(a)], s[len(a) :])
        )

    Cost: `resamples` calls of the statistic, and memory for that many copies of the scores.

    Accuracy: the percentile interval is right to first order in 1/runs and too short for few runs.
    For the mean of normal scores a nominal 0.95 covers 0.74 with 3 runs of one task, 0.84 with 5,
    0.89 with 10, 0.93 with 20; with 3 runs of each of four tasks 0.84, with 5 runs 0.89 (20,000
    simulated samples each, standard error at most 0.003).

    Errors: ValueError that names the argument; scores must be finite.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7; with
    tasks as strata: Agarwal et al. 2021, section 4.
    """
    tasks = _tasks(scores_by_task, "scores_by_task")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence!r}; it must lie between 0 and 1")
    for name, value, least in (("resamples", resamples, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"{name} is {value!r}; it must be an int")
        if operator.index(value) < least:
            raise ValueError(f"{name} is {value!r}; it must be at least {least}")
    rng = np.random.default_rng(seed)
    drawn = [x[rng.integers(x.size, size=(resamples, x.size))] for x in tasks]
    if isinstance(scores_by_task, np.ndarray):
        estimate = float(statistic(np.stack(tasks, axis=1)))
        values = [float(statistic(sample)) for sample in np.stack(drawn, axis=2)]
    else:
        estimate = float(statistic(tasks))
        values = [float(statistic([x[i] for x in drawn])) for i in range(resamples)]
    low, high = np.quantile(values, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return estimate, float(low), float(high)


def probability_of_improvement(a: Scores, b: Scores) -> float:
    """How likely a run of a scores higher than a run of b on the same task, averaged over tasks.

        P = 1/T sum_t 1/(n_t m_t) sum_{i,j} ( 1[a_{t,i} > b_{t,j}] + 1/2 1[a_{t,i} = b_{t,j}] ),

    the Mann-Whitney statistic of every task over the number of its pairs. It depends on the order
    of scores within a task only, so tasks need no common units.

    Parameters
    ----------
    a, b : arrays (runs, tasks), or sequences of arrays, one a task; as many tasks in both, in the
        same order; numbers of runs may differ

    Returns
    -------
    P in [0, 1]; 0.5 where neither is better. P(a, b) + P(b, a) = 1.

    Cost: one comparison for each pair of runs of a task. Accuracy: exact counts.

    Errors: ValueError that names the argument; scores must be finite.

    Source: Mann, Whitney 1947, "On a test of whether one of two random variables is stochastically
    larger than the other", Ann. Math. Statist. 18; over tasks: Agarwal et al. 2021, section 4.
    """
    first, second = _tasks(a, "a"), _tasks(b, "b")
    if len(first) != len(second):
        raise ValueError(f"a has {len(first)} tasks and b has {len(second)}; both need the same")
    shares = []
    for x, y in zip(first, second, strict=True):
        wins = np.count_nonzero(x[:, None] > y) + 0.5 * np.count_nonzero(x[:, None] == y)
        shares.append(wins / (x.size * y.size))
    return float(np.mean(shares))


def _numbers(value: ArrayLike, name: str) -> Floats:
    """An array of finite float64, or ValueError."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is ragged; give one array of numbers for each task") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} has dtype {array.dtype}; it must hold real numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} is {array[where]} at index {where}; scores must be finite")
    return array


def _tasks(scores: Scores, name: str) -> list[Floats]:
    """The scores of each task (n_t,), or ValueError."""
    if isinstance(scores, np.ndarray):
        if scores.ndim != 2 or not scores.size:
            raise ValueError(
                f"{name} has shape {scores.shape}; it must be (runs, tasks) with at least one of "
                "each, or a sequence of one array a task"
            )
        return list(np.ascontiguousarray(_numbers(scores, name).T))
    tasks = [_numbers(task, f"{name}[{t}]") for t, task in enumerate(scores)]
    if not tasks:
        raise ValueError(f"{name} is empty; it must have at least one task")
    for t, task in enumerate(tasks):
        if task.ndim != 1 or not task.size:
            raise ValueError(
                f"{name}[{t}] has shape {task.shape}; it must be (runs,) with at least one run"
            )
    return tasks
