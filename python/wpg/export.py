"""Policies that run with NumPy alone: a file of arrays, with the module `wpg.numpy_policy`.

An exported policy follows the rule of `predict`; numbers differ by rounding, u = 2^-24.

neural  float32, as the agent, with sums in another order and NumPy's exp and tanh. The points
        tanh(mu) are off by at most 2 e + 12 u, e being what float32 may make of mu in one forward
        pass (a running error bound: u sum |terms| a layer), and actions by half the box's width
        times that, and 4 u (|low| + |high|). So is the best action where the values of the two best
        candidates differ by more than their own bounds; where they do not, it may be the other one.
kernel  float64, because the terms of a fitted Q may be many thousand times as large as Q and
        cancel. It is the agent, whose arithmetic is float32, that is off: its Q by what `KernelQ`
        states, and its gradient g by E. A step uphill of length h turns by at most 2 E / |g|, and
        its end is off by h times that, and by what its start is off; with one action dimension only
        the sign of g matters. Where Q is flat to that rounding, the best action is determined to it
        alone.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg import numpy_policy
from wpg.checkpoint import write_arrays, write_text
from wpg.errors import UsageError
from wpg.networks import MLP

__all__ = ["MODULE", "network_arrays", "write_policy"]

MODULE = "numpy_policy.py"


def network_arrays(name: str, network: MLP, member: int = 0) -> dict[str, NDArray[np.float32]]:
    """A member's layers as the exported policy names them: "name.0.weight", "name.0.bias"..."""
    return {
        f"{name}.{layer}.{part}": array.copy()
        for layer in range(len(network.hidden) + 1)
        for part, array in network.layer(member, layer).items()
    }


def write_policy(
    path: Path, about: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> tuple[Path, Path]:
    """Write the file of arrays, and the module that reads it into the same folder.

    Returns both paths. Errors: `UsageError` if the path does not end in .npz, or if another file
    has the module's name already; nothing is written then.
    """
    if path.suffix != ".npz":
        raise UsageError(f"path is {str(path)!r}; it must end in .npz, as policy.npz")
    module, source = path.with_name(MODULE), inspect.getsource(numpy_policy)
    if module.exists():
        first = source.splitlines()[0]
        if module.read_text(errors="replace").splitlines()[:1] != [first]:
            raise UsageError(
                f"{module} exists and is no module of an exported policy; nothing was written. "
                "Choose another folder"
            )
    text = json.dumps({"format": numpy_policy.FORMAT, **about}, allow_nan=False)
    write_arrays(path, {"about.json": np.frombuffer(text.encode(), dtype=np.uint8), **arrays})
    write_text(module, source)
    return path, module
