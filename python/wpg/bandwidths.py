"""The bandwidth of the kernel between particles: given, or by the median rule."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import _core
from wpg.cuda import DeviceArray, routines

__all__ = ["particle_bandwidth", "real_number"]


def real_number(value: Any, name: str, wants: str = "a number") -> float:
    """A number as float, if it is a real one and no truth value."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; it must be {wants}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float; it must be {wants}") from None


def particle_bandwidth(
    bandwidth: float | NDArray[Any] | None, particles: Any, *, least: str = "positive"
) -> Any:
    """The bandwidth as it was given, if it is finite and as large as `least` says; for None that of
    the median rule.

    The median rule also gives 0, for a state whose particles are mostly equal, and NaN, for one
    that holds a particle that is not finite or whose median distance overflows: the compiled
    routines know both.

    Parameters
    ----------
    bandwidth : number or (S,) [action], or None
    particles : (S, N, D) [action], checked already; a `wpg.cuda.DeviceArray` for those on a device,
        where a bandwidth of each state lies on the device too and is not looked at
    least : "positive", or "not negative" where 0 is a bandwidth too

    Returns
    -------
    number, as it was given, or (S,) [action] in the particles' dtype.
    """
    on_device = isinstance(particles, DeviceArray)
    if bandwidth is None and on_device:
        return routines.median_bandwidth(particles=particles)  # infinity is NaN to them
    if bandwidth is None:
        medians = _core.median_bandwidth(particles=particles)
        medians[np.isinf(medians)] = np.nan
        return medians
    S, dtype = particles.shape[0], particles.dtype
    if on_device and not isinstance(bandwidth, Real):
        return bandwidth
    if isinstance(bandwidth, np.ndarray):
        _require_array(bandwidth, S, dtype)
        values = bandwidth
    else:
        values = np.array(real_number(bandwidth, "bandwidth", f"None, a number or an array ({S},)"))
    # As the compiled routine sees it: 1e-60 is 0 in float32.
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(dtype)
    wrong = ~np.isfinite(rounded) | (rounded < 0) | ((rounded == 0) & (values != 0))
    if least == "positive":
        wrong |= rounded == 0
    if wrong.any():
        where = "" if values.ndim == 0 else f"{[int(i) for i in np.argwhere(wrong)[0]]}"
        raise ValueError(
            f"bandwidth{where} is {values[wrong].flat[0]}; it must be finite and {least} in "
            f"{dtype}, or None for the median rule"
        )
    return bandwidth


def _require_array(bandwidth: NDArray[Any], states: int, dtype: np.dtype[Any]) -> None:
    if isinstance(bandwidth, np.ma.MaskedArray):
        raise TypeError("bandwidth is a masked array, whose mask would be lost; give a plain array")
    if bandwidth.dtype != dtype:
        raise TypeError(f"bandwidth has dtype {bandwidth.dtype}; it must be {dtype}")
    if bandwidth.shape not in ((), (states,)):
        raise ValueError(f"bandwidth has shape {bandwidth.shape}; it must be ({states},)")
    if not bandwidth.flags.c_contiguous or not bandwidth.flags.aligned:
        raise ValueError("bandwidth is not C-contiguous and aligned; give a copy")
