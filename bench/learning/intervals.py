"""Are `wpg.intervals` and rliable the same? Three data sets, aggregates and intervals of both.

    pip install rliable 'pandas<3'        (its arch 7.2 cannot be imported with pandas 3)
    python bench/learning/intervals.py

Data sets, from fixed seeds: few runs of many tasks with heavy tails; many runs of one task; tasks
of unequal scales with ties. Of each: the interquartile mean of agent a, and the probability that a
improves on b, which has another number of runs in the first two.

The aggregates are sums of the same n numbers, perhaps in another order, and have to agree to
2 n 2^-53 of the largest of them.

The intervals are two Monte Carlo estimates of the same quantiles and cannot be equal. The end at
level p of one law, estimated from R resamples, is the order statistic there. Whatever the law, the
share of our R1 resamples that lie below rliable's end is p with the standard error

    sqrt(p (1 - p) (1/R1 + 1/R2)):

the first term because R1 resamples show their law that well, the second because rliable's end lies
where R2 have put it. So rliable's end must lie between our quantiles at

    p -+ (4 sqrt(p (1 - p) (1/R1 + 1/R2)) + 1/R1 + 1/R2),

4 standard errors, and the interpolation between neighbours; ties only make this easier. Of the 12
ends one is outside by accident with probability about 12 * 6.3e-5 = 8e-4, and the seeds are fixed.
An end of the IQM whose level is wrong by twice that, 0.013, is noticed with probability above
0.999; of the probability of improvement, with fewer resamples, by 0.03.

rliable 1.2 draws from NumPy's global generator whatever `random_state` it is given, so that is
seeded here. Its probability of improvement is scipy's Mann-Whitney statistic, a tie is one half,
and both agents are resampled within each task, as here.

Exit status 1 if anything is outside.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray
from rliable import library, metrics

import record
from wpg.intervals import interquartile_mean, probability_of_improvement, stratified_bootstrap

Floats = NDArray[np.float64]
LEVELS = (0.025, 0.975)
STANDARD_ERRORS = 4.0
RESAMPLES = 20_000
RESAMPLES_OF_IMPROVEMENT = 2_000  # rliable's: one takes milliseconds


def data_sets() -> dict[str, tuple[Floats, Floats]]:
    """(a, b), each (runs, tasks)."""
    rng = np.random.default_rng(2022)
    location, scale = rng.uniform(0, 5, 10), rng.uniform(0.5, 4, 10)
    heavy = [location + shift + scale * rng.standard_t(2, (n, 10)) for n, shift in ((3, 0), (4, 1))]
    single = [rng.normal(shift, 1.0, (n, 1)) for n, shift in ((40, 0.3), (30, 0.0))]
    units = np.array([1.0, 10.0, 100.0, 1e3, 1e4])
    tied = [units * rng.integers(0, most, (6, 5)) for most in (5, 4)]
    return {
        "3 and 4 runs of 10 tasks, Student's t with 2 degrees of freedom": (heavy[0], heavy[1]),
        "40 and 30 runs of one task, normal": (single[0], single[1]),
        "6 and 6 runs of 5 tasks, scales 1 to 10,000, many ties": (tied[0], tied[1]),
    }


def compared(
    parts: list[Floats],
    ours: Callable[[Any], float],
    theirs: Callable[..., float],
    *,
    rounding: float,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Estimate and interval of both, and between what rliable's ends have to lie.

    parts : score arrays (runs, tasks), one or two; ours takes all their tasks side by side
    rounding : allowed between the estimates
    """
    drawn: list[float] = []

    def watched(sample: Any) -> float:
        drawn.append(ours(sample))
        return drawn[-1]

    tasks = [column for part in parts for column in part.T]
    estimate, *interval = stratified_bootstrap(tasks, watched, resamples=RESAMPLES, seed=seed)
    values = np.array(drawn[1:])  # the first one is the estimate

    np.random.seed(seed)
    one = parts[0] if len(parts) == 1 else parts
    estimates, intervals = library.get_interval_estimates(
        {"a": one}, lambda *s: np.array([theirs(*s)]), reps=resamples
    )
    ends = []
    for level, our_end, their_end in zip(LEVELS, interval, intervals["a"][:, 0], strict=True):
        share = 1 / RESAMPLES + 1 / resamples
        error = STANDARD_ERRORS * math.sqrt(level * (1 - level) * share) + share
        low, high = np.quantile(values, [max(0.0, level - error), min(1.0, level + error)])
        ends.append(
            {
                "level": level,
                "wpg": our_end,
                "rliable": float(their_end),
                "allowed": [float(low), float(high)],
                "level of rliable's end among our resamples": float(np.mean(values <= their_end)),
                "inside": bool(low <= their_end <= high),
            }
        )
    difference = abs(estimate - float(estimates["a"][0]))
    return {
        "estimate": estimate,
        "estimates differ by": difference,
        "allowed by rounding": rounding,
        "resamples": {"wpg": RESAMPLES, "rliable": resamples},
        "ends": ends,
        "agree": difference <= rounding and all(end["inside"] for end in ends),
    }


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    started = record.machine()
    packages = ("rliable", "arch", "scipy")
    figures: dict[str, Any] = {
        "versions": {name: importlib.metadata.version(name) for name in packages}
    }
    agree = True
    for seed, (name, (a, b)) in enumerate(data_sets().items()):
        n = a.shape[1]
        found = {
            "interquartile mean": compared(
                [a],
                interquartile_mean,
                metrics.aggregate_iqm,
                rounding=2 * a.size * 2**-53 * float(np.abs(a).max()),
                resamples=RESAMPLES,
                seed=seed,
            ),
            "probability of improvement": compared(
                [a, b],
                lambda s, n=n: probability_of_improvement(s[:n], s[n:]),
                metrics.probability_of_improvement,
                rounding=2 * n * 2**-53,
                resamples=RESAMPLES_OF_IMPROVEMENT,
                seed=seed,
            ),
        }
        figures[name] = found
        print(name)
        for quantity, one in found.items():
            ends = "; ".join(
                f"{end['wpg']:.5g} and {end['rliable']:.5g} "
                f"(allowed {end['allowed'][0]:.5g} to {end['allowed'][1]:.5g})"
                for end in one["ends"]
            )
            print(
                f"  {quantity} {one['estimate']:.5g}, differs by {one['estimates differ by']:.2g}; "
                f"ends of wpg and rliable: {ends}: {'agree' if one['agree'] else 'DIFFER'}"
            )
            agree &= one["agree"]
    record.write("intervals", figures, started)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
