"""What the compiled routines cost, and what the same work costs in NumPy, PyTorch and JAX.

`run_cases` measures the C++ cases beside what the machine can do at most; `run_peers` the same work
in other libraries; `run_scaling` the same work on several threads. `wpg bench` is their face.
"""

from wpg.benchmarks.cases import case_names, run_cases
from wpg.benchmarks.peers import run_peers, run_scaling
from wpg.benchmarks.works import work_names

__all__ = ["case_names", "run_cases", "run_peers", "run_scaling", "work_names"]
