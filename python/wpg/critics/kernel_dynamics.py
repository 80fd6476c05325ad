"""A model of the environment by kernel ridge regression: where a state goes and what it pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.critics.kernel_q import KernelRidge

__all__ = ["KernelDynamics", "spread_of"]

Float64 = NDArray[np.float64]

# Candidates for the length scale, in standard deviations per coordinate for four coordinates, and
# for the ridge. For each output the smoothest one (longest, then stiffest) is taken whose
# leave-one-out error is within a factor of the least: where data are few, a rougher one that fits
# as well extrapolates with a confidence that it has not earned.
LENGTHS = (4.0, 2.0)
RIDGES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
ERROR_FACTOR = 1.2
# The linear part's prior standard deviation, against 1 for the kernel part: wide, so that what is
# linear in the environment is left to it.
LINEAR_PRIOR = 10.0


def spread_of(rows: Float64) -> Float64:
    """Standard deviation of each column; 1 for a column that does not vary."""
    spread = rows.std(axis=0)
    negligible = 1e-6 * np.maximum(1.0, np.abs(rows).max(axis=0))
    return np.where(spread > negligible, spread, 1.0)


@dataclass
class _Output:
    """What one column of the regression uses."""

    length: float
    ridge: float
    error: float


class KernelDynamics:
    """Mean next state, reward and chance of termination, from transitions.

        y(s, a) = c + B (s, a) + sum_m w_m k((s, a) - (s_m, a_m)),   y in {s' - s, r, terminated}

    Nystroem ridge regression, every column with the smoothest length scale and ridge whose
    leave-one-out error is within 1.2 of the least. Predictions are clipped to the range that was
    observed: a regression knows nothing beyond it.

    Parameters
    ----------
    states, actions, rewards, next_states, terminated : (n, O), (n, D), (n,), (n, O), (n,); float64
    centers : most centres of the kernel part
    previous : the model of fewer data; its choices are kept until the data have grown by a quarter

    Cost: n M^2 for each length scale in use; when choices are made, n M^2 for each candidate.

    Source: leave-one-out error of a ridge regression, e_i / (1 - h_i): Allen 1974 (PRESS).
    """

    def __init__(
        self,
        states: Float64,
        actions: Float64,
        rewards: Float64,
        next_states: Float64,
        terminated: NDArray[np.bool_],
        *,
        centers: int,
        previous: KernelDynamics | None = None,
    ) -> None:
        n, self.O = states.shape
        self.chosen_at: int
        self.outputs: list[_Output]
        self.ends = bool(terminated.any())
        everything = np.concatenate([states, next_states[-1:]])
        self.low = np.minimum(everything.min(axis=0), next_states.min(axis=0))
        self.high = np.maximum(everything.max(axis=0), next_states.max(axis=0))
        self.reward_range = float(rewards.min()), float(rewards.max())
        self.unit = np.concatenate([spread_of(states), spread_of(actions)])
        columns = [next_states - states, rewards[:, None]]
        if self.ends:
            columns.append(terminated[:, None].astype(np.float64))
        targets = np.concatenate(columns, axis=1)
        self.mean = targets.mean(axis=0)
        self.scale = spread_of(targets)
        standard = np.ascontiguousarray((targets - self.mean) / self.scale)
        inputs = np.concatenate([states, actions], axis=1)
        width = np.sqrt(inputs.shape[1] / 4.0)

        keep = (
            previous is not None
            and n < 1.25 * previous.chosen_at
            and len(previous.outputs) == targets.shape[1]
        )
        if keep:
            assert previous is not None
            self.chosen_at, self.outputs = previous.chosen_at, previous.outputs
            lengths: tuple[float, ...] = tuple(sorted({o.length for o in self.outputs}))
        else:
            self.chosen_at = n
            lengths = LENGTHS
        self._parts: list[tuple[float, Float64, list[int], Float64, Float64]] = []
        prepared = {}
        candidates: list[list[_Output]] = [[] for _ in range(targets.shape[1])]
        for length in lengths:
            unit = self.unit * (length * width)
            regression = KernelRidge(
                states,
                actions,
                state_lengthscale=unit[: self.O],
                action_lengthscale=unit[self.O :],
            )
            regression.add_greedy_centers(centers, 1e-6)
            features = np.concatenate(
                [regression.compiled.features(), LINEAR_PRIOR * _with_one(inputs / self.unit)],
                axis=1,
            )
            if keep:
                ridges = np.array(sorted({o.ridge for o in self.outputs if o.length == length}))
            else:
                ridges = np.array(RIDGES)
            coefficients, errors = _core.ridge_path(features, standard, ridges, not keep)
            if errors is not None:
                for j, column in enumerate(candidates):
                    column += [
                        _Output(length, *pair)
                        for pair in zip(ridges.tolist(), errors[:, j].tolist(), strict=True)
                    ]
            prepared[length] = (regression, ridges.tolist(), coefficients)
        if not keep:
            self.outputs = [_smoothest(column) for column in candidates]
        for length, (regression, ridges, coefficients) in prepared.items():
            mine = [j for j, o in enumerate(self.outputs) if o.length == length]
            if not mine:
                continue
            chosen = np.stack(
                [coefficients[ridges.index(self.outputs[j].ridge), :, j] for j in mine], axis=1
            )
            m = len(regression.center_rows)
            self._parts.append(
                (
                    length * width,
                    inputs[regression.center_rows],
                    mine,
                    regression.compiled.weights_of_coefficients(np.ascontiguousarray(chosen[:m])),
                    np.ascontiguousarray(LINEAR_PRIOR * chosen[m:]),
                )
            )

    def predict(self, states: Float64, actions: Float64) -> tuple[Float64, Float64, Float64]:
        """Next states (n, O), rewards (n,) and chances of termination (n,)."""
        inputs = np.concatenate([states, actions], axis=1)
        linear = _with_one(inputs / self.unit)
        out = np.empty((len(inputs), len(self.mean)))
        for length, centers, columns, weights, slopes in self._parts:
            kernel = _core.kernel_matrix(inputs, centers, self.unit * length)
            out[:, columns] = _core.matrix_product(kernel, weights) + linear @ slopes
        out = out * self.scale + self.mean
        after = np.clip(states + out[:, : self.O], self.low, self.high)
        reward = np.clip(out[:, self.O], *self.reward_range)
        ends = np.clip(out[:, self.O + 1], 0.0, 1.0) if self.ends else np.zeros(len(inputs))
        return after, reward, ends

    @property
    def state_error(self) -> Float64:
        """Leave-one-out error (O,) of the next state, in its own units."""
        errors = np.array([o.error for o in self.outputs[: self.O]])
        return np.sqrt(errors) * self.scale[: self.O]

    def choices(self) -> dict[str, Any]:
        """What a checkpoint needs to keep, so that the next model makes the same choices."""
        return {
            "chosen_at": self.chosen_at,
            "outputs": [[o.length, o.ridge, o.error] for o in self.outputs],
        }

    @classmethod
    def from_choices(cls, choices: dict[str, Any]) -> KernelDynamics:
        """A model that holds choices and nothing else, to be given as `previous`."""
        model = cls.__new__(cls)
        model.chosen_at = int(choices["chosen_at"])
        model.outputs = [_Output(*(float(x) for x in row)) for row in choices["outputs"]]
        return model


def _smoothest(candidates: list[_Output]) -> _Output:
    """The first, in order of falling smoothness, that is nearly as good as the best."""
    least = min(output.error for output in candidates)
    return next(output for output in candidates if output.error <= ERROR_FACTOR**2 * least)


def _with_one(rows: Float64) -> Float64:
    return np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
