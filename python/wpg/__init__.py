"""Wasserstein policy gradient: clouds of action particles that flow towards the Gibbs policy.

Letters used throughout: S states, N particles per state, D action dimension, O observation
dimension, M centres.

    wpg.transport    one move of all particles of all states
    wpg.critics      soft Q-functions and their action gradients
    wpg.networks     the multilayer perceptrons behind a neural critic and policy
    wpg.density      what particles say about log pi
    wpg.cuda         arrays on a CUDA device, which all of these take
    wpg.noise        named, counter-based randomness
    wpg.supports     where actions live
    wpg.squash       the unbounded variable behind a tanh or probit boundary
    wpg.exact        problems whose answer is known
    wpg.plan         the algorithm with a known model
    wpg.certificates how far a policy is from optimal
    wpg.WPG          the agent; wpg.SAC is its Gaussian baseline
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING, Any

# libgomp spins at barriers, which makes two threads on a busy machine several times slower than
# one. It reads these variables once, when it is loaded; they are taken back afterwards, so that
# programs started from here do not inherit them. A user's own setting wins.
_waiting = [name for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in _os.environ]
if not _waiting:
    _os.environ["OMP_WAIT_POLICY"] = "passive"
    _os.environ["GOMP_SPINCOUNT"] = "0"
try:
    from wpg import _core
except ImportError as error:  # pragma: no cover
    raise ImportError(
        f"wpg's compiled core is missing ({error}); install the package with "
        "`pip install .` from a checkout, or `pip install wpg`"
    ) from error
finally:
    if not _waiting:
        del _os.environ["OMP_WAIT_POLICY"], _os.environ["GOMP_SPINCOUNT"]

_core.simd_isa()  # a WPG_SIMD that this machine does not have is refused here, not later

from wpg import critics, cuda, density, envs, networks, noise, squash, supports, transport
from wpg.errors import CheckpointError, DivergenceError, NonFiniteError, UsageError
from wpg.threads import get_num_threads, num_threads, set_num_threads, set_simd_isa, simd_isa
from wpg.transport import flow

if TYPE_CHECKING:
    from wpg.agents import SAC, WPG
    from wpg.planning import plan

__version__ = "0.1.0"

__all__ = [
    "SAC",
    "WPG",
    "CheckpointError",
    "DivergenceError",
    "NonFiniteError",
    "UsageError",
    "critics",
    "cuda",
    "density",
    "envs",
    "flow",
    "get_num_threads",
    "networks",
    "noise",
    "num_threads",
    "plan",
    "set_num_threads",
    "set_simd_isa",
    "simd_isa",
    "squash",
    "supports",
    "transport",
]

_LATER = {
    "agents",
    "benchmarks",
    "certificates",
    "configurations",
    "evaluation",
    "exact",
    "export",
    "generator",
    "intervals",
    "mode_coverage",
    "normalisation",
    "numpy_policy",
    "pink_noise",
    "planning",
    "plots",
    "policy",
    "progress_line",
    "reference",
    "replay",
    "reports",
    "runs",
    "sweep",
    "tensorboard",
}


def __getattr__(name: str) -> Any:
    # What not every user needs is imported when it is first asked for.
    if name in ("WPG", "SAC"):
        from wpg import agents

        return getattr(agents, name)
    if name == "plan":
        from wpg.planning import plan

        return plan
    if name in _LATER:
        import importlib

        return importlib.import_module(f"wpg.{name}")
    raise AttributeError(f"module 'wpg' has no attribute {name!r}")
