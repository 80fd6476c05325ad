from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

STREAMS: dict[str, int]

_Arrays = tuple[str, NDArray[Any], NDArray[Any]]
_Float64 = NDArray[np.float64]

def set_num_threads(threads: int) -> None: ...
def get_num_threads() -> int: ...
def set_work_per_thread(work: int) -> None: ...
def simd_isa() -> str: ...
def set_simd_isa(name: str) -> None: ...
def available_simd_isas() -> list[str]: ...
def philox4x32(counter: list[int], key: list[int]) -> list[int]: ...
def standard_normal(
    shape: tuple[int, int, int],
    seed: int,
    step: int,
    stream: int,
    as_double: bool,
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def langevin(
    particles: NDArray[Any],
    drift: NDArray[Any],
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int,
    support: _Arrays | None,
    preconditioner: tuple[str, NDArray[Any], NDArray[Any] | None] | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def birth_death(
    particles: NDArray[Any],
    log_density: NDArray[Any],
    q_values: NDArray[Any],
    temperature: float | NDArray[Any],
    rate: float | NDArray[Any],
    step_size: float | NDArray[Any],
    seed: int,
    step: int,
    out: NDArray[Any] | None,
) -> tuple[NDArray[Any], NDArray[np.int32]]: ...
def adaptive_step_size(
    particles: NDArray[Any],
    drift: NDArray[Any],
    new_particles: NDArray[Any],
    new_drift: NDArray[Any],
    fraction: float,
    maximum: float | NDArray[Any],
) -> NDArray[Any]: ...
def leimkuhler_matthews(
    particles: NDArray[Any],
    drift: NDArray[Any],
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int,
    support: _Arrays | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def mala_propose(
    particles: NDArray[Any],
    drift: NDArray[Any],
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int,
    support: _Arrays | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def mala_accept(
    particles: NDArray[Any],
    values: NDArray[Any],
    drift: NDArray[Any],
    accepted: NDArray[np.int64],
    proposals: NDArray[Any],
    proposed_values: NDArray[Any],
    proposed_drift: NDArray[Any],
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int,
    support: _Arrays | None,
) -> None: ...
def flow(
    particles: NDArray[Any],
    critic: KernelQ32 | KernelQ64,
    states: NDArray[Any],
    scheme: str,
    steps: int,
    step_size: float | NDArray[Any],
    temperature: float | NDArray[Any],
    seed: int,
    step: int,
    support: _Arrays | None,
    bandwidth: float | NDArray[Any] | None,
    out: NDArray[Any] | None,
) -> tuple[NDArray[Any], NDArray[Any] | None]: ...
def unbounded_of_actions(
    actions: NDArray[Any], support: _Arrays, out: NDArray[Any] | None
) -> NDArray[Any]: ...
def actions_of_unbounded(
    coordinates: NDArray[Any], support: _Arrays, out: NDArray[Any] | None
) -> NDArray[Any]: ...
def log_slope(
    actions: NDArray[Any], support: _Arrays, out: NDArray[Any] | None
) -> NDArray[Any]: ...
def log_slope_gradient(
    actions: NDArray[Any], support: _Arrays, out: NDArray[Any] | None
) -> NDArray[Any]: ...
def median_bandwidth(particles: NDArray[Any]) -> NDArray[Any]: ...
def mixture_log_density(
    points: NDArray[Any],
    means: NDArray[Any],
    std: float | NDArray[Any],
    support: _Arrays | None,
    wants_all: bool,
    wants_others: bool,
    out: NDArray[Any] | None,
    points_name: str = "points",
) -> Any: ...
def svgd_velocity(
    particles: NDArray[Any],
    drift: NDArray[Any],
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any],
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def blob_velocity(
    particles: NDArray[Any],
    drift: NDArray[Any],
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any],
    out: NDArray[Any] | None,
) -> NDArray[Any]: ...
def kde_score(
    particles: NDArray[Any], bandwidth: float | NDArray[Any], out: NDArray[Any] | None
) -> NDArray[Any]: ...
def kernel_stein_discrepancy(
    particles: NDArray[Any],
    drift: NDArray[Any],
    temperature: float | NDArray[Any],
    bandwidth: float | NDArray[Any],
) -> NDArray[Any]: ...
def kernel_matrix(
    x: _Float64, centers: _Float64, lengthscale: _Float64, kernel: str = "gaussian"
) -> _Float64: ...
def matrix_product(a: _Float64, b: _Float64) -> _Float64: ...
def ridge_path(
    features: _Float64, targets: _Float64, ridges: _Float64, wants_errors: bool
) -> tuple[_Float64, _Float64 | None]: ...
def bench_names() -> list[str]: ...
def bench_context() -> str: ...
def bench_run(
    filter: str, repetitions: int, min_time: float, threads: int, say: Callable[[str], None]
) -> str: ...

class _KernelQ:
    def __init__(
        self,
        center_states: NDArray[Any],
        center_actions: NDArray[Any],
        weights: NDArray[Any],
        state_lengthscale: NDArray[Any],
        action_lengthscale: NDArray[Any],
        kernel: str,
    ) -> None: ...
    def evaluate(
        self,
        states: NDArray[Any],
        particles: NDArray[Any],
        wants_values: bool,
        wants_gradient: bool,
        out_values: NDArray[Any] | None,
        out_gradient: NDArray[Any] | None,
    ) -> tuple[Any, Any]: ...
    @property
    def centers(self) -> int: ...
    @property
    def observation_size(self) -> int: ...
    @property
    def action_size(self) -> int: ...

class KernelQ32(_KernelQ): ...
class KernelQ64(_KernelQ): ...

class KernelRidge:
    def __init__(
        self,
        states: _Float64,
        actions: _Float64,
        state_lengthscale: _Float64,
        action_lengthscale: _Float64,
        kernel: str,
    ) -> None: ...
    def add_centers(self, rows: NDArray[np.int64]) -> None: ...
    def add_greedy_centers(
        self, most: int, tolerance: float, candidate: NDArray[np.bool_] | None
    ) -> None: ...
    def factor(self, ridge: float) -> None: ...
    def solve(self, targets: _Float64) -> _Float64: ...
    def fitted(self, weights: _Float64) -> _Float64: ...
    def features(self) -> _Float64: ...
    def weights_of_coefficients(self, coefficients: _Float64) -> _Float64: ...
    @property
    def center_rows(self) -> NDArray[np.int64]: ...
    @property
    def residual_variance(self) -> _Float64: ...
    @property
    def count(self) -> int: ...
    @property
    def centers(self) -> int: ...

class SoftBackup:
    def __init__(
        self,
        next_states: _Float64,
        actions: int,
        centers: _Float64,
        lengthscale: _Float64,
        smoothing: _Float64,
    ) -> None: ...
    def backup(
        self,
        weights: _Float64,
        baseline: float,
        rewards: _Float64,
        continuation: _Float64,
        log_weight: _Float64,
        temperature: float,
    ) -> tuple[_Float64, _Float64]: ...

class MlpTape: ...

class MlpShape:
    def __init__(
        self,
        members: int,
        state_size: int,
        particle_size: int,
        hidden: list[int],
        outputs: int,
        activation: str,
        layer_norm: bool,
    ) -> None: ...
    @property
    def parameters_of_member(self) -> int: ...
    def begin_of(self, layer: int) -> int: ...
    def initialise(self, seed: int) -> NDArray[np.float32]: ...
    def forward(
        self,
        parameters: NDArray[np.float32],
        states: NDArray[np.float32],
        particles: NDArray[np.float32] | None,
        keeps: bool,
    ) -> tuple[NDArray[np.float32], MlpTape | None]: ...
    def backward(
        self,
        parameters: NDArray[np.float32],
        tape: MlpTape,
        output_gradient: NDArray[np.float32],
        wants_parameters: bool,
        wants_particles: bool,
    ) -> tuple[Any, Any]: ...
    def value_and_particle_gradient(
        self,
        parameters: NDArray[np.float32],
        states: NDArray[np.float32],
        particles: NDArray[np.float32],
        aggregate: str,
        wants_values: bool,
        wants_gradient: bool,
        out_values: NDArray[np.float32] | None,
        out_gradient: NDArray[np.float32] | None,
    ) -> tuple[Any, Any]: ...

def adam_step(
    parameters: NDArray[np.float32],
    first_moment: NDArray[np.float32],
    second_moment: NDArray[np.float32],
    gradient: NDArray[np.float32],
    steps: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> None: ...
def polyak_average(
    average: NDArray[np.float32], parameters: NDArray[np.float32], rate: float
) -> None: ...
