"""A soft Q-function in a reproducing kernel Hilbert space, and how it is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpg import _core, cuda
from wpg.bandwidths import real_number

__all__ = ["KernelQ", "KernelRidge"]

Float64 = NDArray[np.float64]

KERNELS = ("gaussian", "matern52", "imq")


def _require_kernel(kernel: Any) -> None:
    if not isinstance(kernel, str):
        raise TypeError(f"kernel is {kernel!r}; it must be a name")
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}; it must be one of {', '.join(map(repr, KERNELS))}")


def _lengthscale(value: ArrayLike, size: int, dtype: Any, name: str) -> NDArray[Any]:
    try:
        given = np.asarray(value)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "fiu" or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is {value!r}; it must be a number or a vector ({size},)")
    with np.errstate(over="ignore", under="ignore"):  # the compiled core refuses 0 and infinity
        array = np.array(given, dtype=dtype)
    if array.ndim == 0:
        array = np.full(size, array, dtype=dtype)
    if array.shape != (size,):
        raise ValueError(f"{name} has shape {array.shape}; it must be a number or ({size},)")
    return np.ascontiguousarray(array)


def _floats(array: Any, name: str, ndim: int, dtype: Any = None) -> NDArray[Any]:
    """The array, if it is a finite one of float32 or float64 (or `dtype`) with so many axes."""
    if cuda.on_device(array):
        raise TypeError(
            f"{name} lies on a CUDA device, where only a whole KernelQ can be: give it its centres "
            "there"
        )
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is {type(array)}; it must be a NumPy array")
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; give a plain array")
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64")
    if dtype is not None and array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be {dtype}, as the others")
    if array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}; it must have {ndim} axes")
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; no length of it may be 0")
    if not array.flags.c_contiguous or not array.flags.aligned:
        raise ValueError(
            f"{name} with shape {array.shape} is not C-contiguous and aligned; give "
            f"np.ascontiguousarray({name})"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; it must be finite")
    return array


def _kept(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that nobody can change: the compiled object has one of its own."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


class KernelQ:
    """A soft Q-function as a sum of product kernels over centres.

        Q(s, a) = sum_m weights[m] k((s - s_m)/state_lengthscale) k((a - a_m)/action_lengthscale)
        k(x) = phi(|x|),    gaussian    phi(r) = exp(-r^2 / 2)
                            matern52    phi(r) = (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)
                            imq         phi(r) = (1 + r^2)^(-1/2)

    Parameters
    ----------
    center_states : (M, O) [observation], float32 or float64, C-contiguous; sets the dtype. On a
        CUDA device with the other two, states and particles lie there too
    center_actions : (M, D) [action]
    weights : (M,) [reward]
    state_lengthscale, action_lengthscale : number or (O,), (D,), positive
    kernel : "gaussian", "matern52" (twice differentiable) or "imq" (inverse multiquadric, whose
        tail is so heavy that every centre matters everywhere); of states and of actions

    Arrays are copied. From 512 centres on an index of their states is built, M log M. On a CUDA
    device a table of them is made there, M (O + D + 3) numbers or so, no index is built, and
    whether they are finite is not looked at: NaN gives NaN.
    Cost of a call: with M' the centres that matter for a state and M'' those that are looked at,
    S (M'' (O + 4) + M' D) + S N M' (2 D + 13) operations. Without an index M'' = M; with it M'' are
    the centres of those leaves (of 32) that hold the M', and M''/8 boxes. The state factor is
    computed once per state and shared by its N particles. Memory of a thread: (D + 5) M' + M''.
    States run in parallel and no bit depends on the number of threads.
    Accuracy: let u be the unit roundoff, R the largest norm of a state, an action or a centre's in
    length scales, L the largest |log2 |weights[m]||, psi(r) = -phi'(r)/r, and
    e = (M' + 6 (O + D + 4) (1 + R)^2 + 2 L) u. A value is off by e sum_m |terms|, and a gradient by
    e sum_m |weights[m] k_s psi| (|a_m - middle| + |a - middle|) / action_lengthscale^2 +
    4 (1 + R) u sum_m |weights[m] k_s psi| / action_lengthscale, middle being that of the centres.
    Centres with b_m = |weights[m]| k_s below (u / M) max b are skipped, which changes a value by
    less than u max b. Terms below 2^-88 (float32), 2^-900 (float64) times max b count as that, and
    results below the dtype's normal numbers have their rounding; so far away that the square of a
    distance in length scales overflows, an action's kernel is 0.
    NaN or infinity in a state or a particle gives NaN there.
    Errors: ValueError or TypeError that names the argument.

    Source: Q holds no entropy of the current action, as in Haarnoja et al. 2018, eq. 2-3; kernels:
    Rasmussen and Williams 2006, 4.2; Hardy 1971 and Micchelli 1986; index: Bentley 1975.
    """

    def __init__(
        self,
        center_states: NDArray[Any],
        center_actions: NDArray[Any],
        weights: NDArray[Any],
        *,
        state_lengthscale: ArrayLike,
        action_lengthscale: ArrayLike,
        kernel: str = "gaussian",
    ) -> None:
        _require_kernel(kernel)
        on_device = cuda.on_device(center_states)
        if on_device:
            self.dtype, shapes = cuda.center_shapes(center_states, center_actions, weights)
        else:
            self.dtype = _floats(center_states, "center_states", 2).dtype
            _floats(center_actions, "center_actions", 2, self.dtype)
            _floats(weights, "weights", 1, self.dtype)
            shapes = (center_states.shape, center_actions.shape)
        self._shape = (shapes[0][0], shapes[0][1], shapes[1][1])  # M, O, D
        self.center_states = center_states if on_device else _kept(center_states)
        self.center_actions = center_actions if on_device else _kept(center_actions)
        self.weights = weights if on_device else _kept(weights)
        self.kernel = kernel
        self.state_lengthscale = _lengthscale(
            state_lengthscale, shapes[0][1], self.dtype, "state_lengthscale"
        )
        self.action_lengthscale = _lengthscale(
            action_lengthscale, shapes[1][1], self.dtype, "action_lengthscale"
        )
        face = _core.KernelQ32 if self.dtype == np.float32 else _core.KernelQ64
        self.compiled: Any = (cuda.DeviceKernelQ if on_device else face)(
            center_states=center_states,
            center_actions=center_actions,
            weights=weights,
            state_lengthscale=self.state_lengthscale,
            action_lengthscale=self.action_lengthscale,
            kernel=kernel,
        )

    def __len__(self) -> int:
        return int(self._shape[0])

    def __repr__(self) -> str:
        M, O, D = self._shape
        kernel = "" if self.kernel == "gaussian" else f", {self.kernel}"
        where = ", CUDA" if isinstance(self.compiled, cuda.DeviceKernelQ) else ""
        return f"KernelQ(M={M}, O={O}, D={D}, {self.dtype}{kernel}{where})"

    def astype(self, dtype: Any) -> KernelQ:
        """The same function with arrays of another dtype, NumPy's."""
        _floats(self.center_states, "center_states", 2)
        arrays = (self.center_states, self.center_actions, self.weights)
        with np.errstate(over="ignore", under="ignore"):  # KernelQ refuses infinity by name
            rounded = [np.ascontiguousarray(a, dtype=dtype) for a in arrays]
        return KernelQ(
            *rounded,
            state_lengthscale=self.state_lengthscale,
            action_lengthscale=self.action_lengthscale,
            kernel=self.kernel,
        )

    def value(
        self, states: NDArray[Any], particles: NDArray[Any], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Q at every particle: states (S, O), particles (S, N, D) -> (S, N) [reward]."""
        return self._evaluate(states, particles, True, False, out, None)[0]

    def action_gradient(
        self, states: NDArray[Any], particles: NDArray[Any], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """grad_a Q at every particle: (S, N, D) [reward / action].

        grad_a Q = sum_m weights[m] k_s psi(r) (a_m - a) / action_lengthscale^2,
        psi(r) = -phi'(r)/r,  r = |(a - a_m)/action_lengthscale|

        psi is phi for "gaussian", 5/3 (1 + sqrt(5) r) exp(-sqrt(5) r) for "matern52" and phi^3 for
        "imq": finite at r = 0, where a centre adds nothing.
        """
        return self._evaluate(states, particles, False, True, None, out)[1]

    def value_and_action_gradient(
        self,
        states: NDArray[Any],
        particles: NDArray[Any],
        out: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both, at the cost of the gradient: (S, N) and (S, N, D); `out` is such a pair."""
        values, gradient = (None, None) if out is None else out
        return self._evaluate(states, particles, True, True, values, gradient)

    def _evaluate(
        self,
        states: NDArray[Any],
        particles: NDArray[Any],
        wants_values: bool,
        wants_gradient: bool,
        out_values: NDArray[Any] | None,
        out_gradient: NDArray[Any] | None,
    ) -> tuple[Any, Any]:
        return self.compiled.evaluate(
            states=states,
            particles=particles,
            wants_values=wants_values,
            wants_gradient=wants_gradient,
            out_values=out_values,
            out_gradient=out_gradient,
        )

    @classmethod
    def mean(cls, critics: list[KernelQ]) -> KernelQ:
        """The mean of several critics of one kernel and equal length scales: a KernelQ again."""
        if not critics:
            raise ValueError("critics is empty; the mean wants at least one")
        first = critics[0]
        for other in critics[1:]:
            if other.kernel != first.kernel:
                raise ValueError(
                    f"the critics have different kernels, {first.kernel!r} and {other.kernel!r}; "
                    "their mean is no KernelQ"
                )
            if not (
                np.array_equal(other.state_lengthscale, first.state_lengthscale)
                and np.array_equal(other.action_lengthscale, first.action_lengthscale)
            ):
                raise ValueError(
                    "the critics have different length scales; their mean is no KernelQ"
                )
        return cls(
            np.concatenate([q.center_states for q in critics]),
            np.concatenate([q.center_actions for q in critics]),
            np.concatenate([q.weights for q in critics]) / first.dtype.type(len(critics)),
            state_lengthscale=first.state_lengthscale,
            action_lengthscale=first.action_lengthscale,
            kernel=first.kernel,
        )

    @classmethod
    def fit(
        cls,
        states: NDArray[Any],
        actions: NDArray[Any],
        targets: NDArray[Any],
        *,
        centers: int | NDArray[np.integer[Any]],
        ridge: float,
        state_lengthscale: ArrayLike,
        action_lengthscale: ArrayLike,
        kernel: str = "gaussian",
        tolerance: float = 1e-6,
    ) -> KernelQ | list[KernelQ]:
        """Nystroem ridge regression of `targets` on the product kernel.

            minimise  sum_i (Q(s_i, a_i) - targets_i)^2 + n ridge w' K_mm w

        Parameters
        ----------
        states : (n, O), actions : (n, D), targets : (n,) or (n, R) for R critics that share their
            centres; float32 or float64, all of one dtype
        centers : how many centres to choose greedily among the data (fewer if the data are
            explained to `tolerance` before), or the row numbers of the centres
        ridge : > 0, relative to the number of data
        state_lengthscale, action_lengthscale, kernel : as in `KernelQ`

        Returns
        -------
        KernelQ in the dtype of the data, or a list of R of them. Computed in float64.

        Cost: n M^2, and n M + M^2 for each column of targets. `KernelRidge` keeps what does not
        depend on the targets, so that further targets cost only the second part.
        Errors: ValueError or TypeError that names the argument.

        Source: Williams and Seeger 2001; Smola and Bartlett 2001.
        """
        dtype = _floats(states, "states", 2).dtype
        _floats(actions, "actions", 2, dtype)
        _floats(targets, "targets", 2 if np.ndim(targets) == 2 else 1, dtype)
        if not len(states) == len(actions) == len(targets):
            raise ValueError(
                f"states, actions and targets have {len(states)}, {len(actions)} and "
                f"{len(targets)} rows; they must be as many"
            )
        if not 0 < real_number(ridge, "ridge") < np.inf:
            raise ValueError(f"ridge is {ridge!r}; it must be finite and positive")
        regression = KernelRidge(
            np.ascontiguousarray(states, dtype=np.float64),
            np.ascontiguousarray(actions, dtype=np.float64),
            state_lengthscale=state_lengthscale,
            action_lengthscale=action_lengthscale,
            kernel=kernel,
        )
        if isinstance(centers, (int, np.integer)) and not isinstance(centers, bool):
            if centers < 1:
                raise ValueError(f"centers is {centers}; it must be at least 1")
            if not 0 < real_number(tolerance, "tolerance") < 1:
                raise ValueError(f"tolerance is {tolerance!r}; it must be above 0 and below 1")
            regression.add_greedy_centers(min(int(centers), len(states)), float(tolerance))
        else:
            if np.size(centers) == 0:
                raise ValueError("centers is empty; it must name at least one row")
            regression.add_centers(np.asarray(centers))
        regression.factor(ridge * len(states))
        weights = regression.solve(np.ascontiguousarray(targets, dtype=np.float64))
        columns = [weights] if weights.ndim == 1 else list(weights.T)
        fitted = [regression.kernel_q(column).astype(dtype) for column in columns]
        return fitted[0] if weights.ndim == 1 else fitted


class KernelRidge:
    """Everything of a Nystroem ridge regression that does not depend on the targets, in float64.

        w = L^-T (F'F + ridge I)^-1 F' y,   K_mm = L L',  F = K_nm L^-T

    which minimises |K_nm w - y|^2 + ridge w' K_mm w.

    Parameters
    ----------
    states : (n, O), actions : (n, D), float64
    state_lengthscale, action_lengthscale : number or (O,), (D,), positive
    kernel : as in `KernelQ`

    Use: `add_centers` or `add_greedy_centers`, then `factor(ridge)`, then `solve(targets)` as often
    as wanted. Cost: n M^2 once, n M + M^2 for each column of targets; memory n M.

    Source: Williams and Seeger 2001; greedy choice: Harbrecht, Peters, Schneider 2012.
    """

    def __init__(
        self,
        states: Float64,
        actions: Float64,
        *,
        state_lengthscale: ArrayLike,
        action_lengthscale: ArrayLike,
        kernel: str = "gaussian",
    ) -> None:
        _require_kernel(kernel)
        self.kernel = kernel
        self.states = _kept(_floats(states, "states", 2, np.dtype(np.float64)))
        self.actions = _kept(_floats(actions, "actions", 2, np.dtype(np.float64)))
        self.state_lengthscale = _lengthscale(
            state_lengthscale, states.shape[1], np.float64, "state_lengthscale"
        )
        self.action_lengthscale = _lengthscale(
            action_lengthscale, actions.shape[1], np.float64, "action_lengthscale"
        )
        self.compiled = _core.KernelRidge(
            states=states,
            actions=actions,
            state_lengthscale=self.state_lengthscale,
            action_lengthscale=self.action_lengthscale,
            kernel=kernel,
        )

    def add_centers(self, rows: NDArray[np.integer[Any]]) -> None:
        """Add data of these row numbers as centres, in this order."""
        if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise TypeError("centers must be a count, or a NumPy vector of row numbers")
        self.compiled.add_centers(rows=np.ascontiguousarray(rows, dtype=np.int64))

    def add_greedy_centers(
        self, most: int, tolerance: float = 1e-6, candidate: NDArray[np.bool_] | None = None
    ) -> None:
        """Add centres until there are `most`, each the datum that those before explain worst.

        Ends when every candidate's residual variance, 1 - |F_i|^2, is below `tolerance`. This is
        the pivoted Cholesky factorisation of the kernel matrix: n M for each new centre.
        """
        self.compiled.add_greedy_centers(most=most, tolerance=tolerance, candidate=candidate)

    @property
    def center_rows(self) -> NDArray[np.int64]:
        """Row numbers of the centres, in the order they came."""
        return self.compiled.center_rows

    @property
    def residual_variance(self) -> Float64:
        """(n,) in [0, 1]: what the centres leave unexplained of each datum's kernel function."""
        return self.compiled.residual_variance

    def factor(self, ridge: float) -> None:
        """Factor F'F + ridge I; `ridge` > 0 is absolute."""
        self.compiled.factor(ridge=ridge)

    def solve(self, targets: Float64) -> Float64:
        """Weights (M,) or (M, R) of targets (n,) or (n, R)."""
        return self.compiled.solve(targets=targets)

    def fitted(self, weights: Float64) -> Float64:
        """What these weights say at the data: (n,) or (n, R)."""
        return self.compiled.fitted(weights=weights)

    def kernel_q(self, weights: Float64) -> KernelQ:
        """The function that these weights (M,) stand for."""
        rows = self.center_rows
        return KernelQ(
            self.states[rows],
            self.actions[rows],
            np.ascontiguousarray(weights),
            state_lengthscale=self.state_lengthscale,
            action_lengthscale=self.action_lengthscale,
            kernel=self.kernel,
        )
