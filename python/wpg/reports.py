"""What `wpg certify PROBLEM` and `wpg plan PROBLEM` measure: numbers and arrays, no pictures.

A problem is named; `problem(name, ...)` makes it. `flow_report` follows the exact flow and holds
its certificates against what happens, `bias_report` holds predicted beside exact discretisation
bias, `plan_report` runs particles. Each report has `as_dict()` for JSON and `table()` for a
terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.certificates import (
    Certificate,
    certify,
    certify_gaussian,
    certify_particles,
)
from wpg.certificates.certificate import number_text
from wpg.certificates.particles import points_for_mixture
from wpg.errors import UsageError
from wpg.exact import LQR, FiniteMDP, Grid, SoftSolution, bias, problems
from wpg.exact.fokker_planck import MOST_DENSE
from wpg.exact.log_sobolev import spectral_gap
from wpg.planning import Plan, plan
from wpg.tables import aligned

__all__ = [
    "PROBLEMS",
    "BiasReport",
    "FlowReport",
    "GainReport",
    "PlanReport",
    "bias_report",
    "flow_report",
    "gain_report",
    "plan_report",
    "problem",
    "two_inputs",
    "usual_particles",
    "usual_target_gap",
]

Float64 = NDArray[np.float64]

GRID_POINTS = {1: 96, 2: 24}
FLOW_STEPS = 300
LATE_CONSTANTS = 16.0
CERTIFICATES = 60
MOST_GRID_ROWS = 20_000_000
# Jumps of the flow times states times grid points: some minutes.
MOST_FLOW_WORK = 1e11


def two_inputs(*, discount: float = 0.95, temperature: float = 0.3) -> LQR:
    """Two states, two actions, lightly damped: the linear-quadratic problem of the reports."""
    return LQR(
        A=[[1.0, 0.2], [-0.1, 0.95]],
        B=[[0.5, 0.1], [0.2, 1.0]],
        M=np.diag([1.0, 0.5]),
        R=np.diag([0.6, 1.0]),
        W=0.05 * np.eye(2),
        discount=discount,
        temperature=temperature,
    )


# name: maker, and the options that it takes
PROBLEMS: dict[str, tuple[Callable[..., FiniteMDP | LQR], tuple[str, ...]]] = {
    "trig": (
        problems.trig,
        ("n_states", "action_size", "support", "discount", "temperature"),
    ),
    "lqr": (two_inputs, ("discount", "temperature")),
    "double-well": (problems.double_well, ("temperature",)),
    "von-mises": (problems.von_mises, ("temperature",)),
    "gaussian-mixture": (problems.gaussian_mixture, ("temperature",)),
    "gmm40": (problems.gmm40, ("temperature",)),
    "multi-goal": (problems.multi_goal, ("discount", "temperature")),
    "ring": (
        problems.ring,
        ("n_states", "action_size", "support", "discount", "temperature"),
    ),
}


def problem(name: str, **options: Any) -> FiniteMDP | LQR:
    """A named problem; options that are None keep their defaults. UsageError lists the names."""
    if name not in PROBLEMS:
        raise UsageError(
            f"no problem and no run folder {name!r}; problems are {', '.join(sorted(PROBLEMS))}"
        )
    make, known = PROBLEMS[name]
    given = {key: value for key, value in options.items() if value is not None}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(f"{name} has no option {', '.join(unknown)}; it takes {', '.join(known)}")
    return make(**given)


def usual_particles(mdp: FiniteMDP | LQR) -> int:
    """1024 a state; fewer for many states, where N^2 particles a state take long."""
    states = mdp.n_states if isinstance(mdp, FiniteMDP) else 1
    return 1024 if states <= 10 else 256 if states <= 1000 else 64


def usual_target_gap(mdp: FiniteMDP | LQR) -> float:
    """The gap [reward] at which discretisation costs every state KL = 0.005 nats."""
    return 0.005 * mdp.temperature / (1.0 - mdp.discount)


# The flow


@dataclass(frozen=True)
class FlowReport:
    """The exact flow, and its certificates.

    times (K,), value, gap, residual (K, S) [reward], kl (K, S) [nats]; certified_times (C,) and
    certificates there; envelope (K,): the least upper bound on sup gap that any earlier certificate
    gives. late_rate is the measured rate of KL at the slowest state at the end, predicted_late_rate
    2 temperature min lambda_gap(pi*). identities: name -> largest relative error on the path.
    """

    mdp: FiniteMDP
    grid: Grid
    optimum: SoftSolution
    times: Float64
    value: Float64
    gap: Float64
    residual: Float64
    kl: Float64
    densities: Float64
    certified_times: Float64
    certificates: tuple[Certificate, ...]
    envelope: Float64
    least_increment: float
    least_rate: float
    least_margin: float
    slowest_state: int
    late_rate: float
    predicted_late_rate: float
    identities: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {
            "grid_points_a_dimension": self.grid.n,
            "time": float(self.times[-1]),
            "least_increment_of_value": self.least_increment,
            "least_measured_rate": self.least_rate,
            "least_measured_rate_less_certified": self.least_margin,
            "late_rate": self.late_rate,
            "predicted_late_rate": self.predicted_late_rate,
            "identities": self.identities,
            "times": self.times.tolist(),
            "sup_gap": self.gap.max(axis=1).tolist(),
            "certified_bound": self.envelope.tolist(),
            "at_start": self.certificates[0].as_dict(),
            "at_end": self.certificates[-1].as_dict(),
        }

    def table(self) -> str:
        rows = [["time", "sup gap", "certified <=", "residual", "certified rate", "measured rate"]]
        sup = self.gap.max(axis=1)
        shown = np.unique(np.linspace(0, len(self.certified_times) - 1, 9).astype(int))
        for c in shown:
            k = int(np.argmin(np.abs(self.times - self.certified_times[c])))
            near = min(k, len(sup) - 2)
            rate = np.log(sup[near] / sup[near + 1]) / (self.times[near + 1] - self.times[near])
            rows.append(
                [
                    number_text(self.times[k]),
                    number_text(sup[k]),
                    number_text(self.envelope[k]),
                    number_text(self.residual[k].max()),
                    number_text(self.certificates[c].rate_bound.min()),
                    number_text(rate),
                ]
            )
        lines = [aligned(rows, right=range(len(rows[0]))), ""]
        lines += [f"{name}: relative error {error:.1e}" for name, error in self.identities.items()]
        lines += [
            f"value rises at every state and step: least increment {self.least_increment:.2e}",
            f"late rate of KL at state {self.slowest_state}: {self.late_rate:.5g}, predicted "
            f"2 temperature lambda {self.predicted_late_rate:.5g} (ratio "
            f"{self.late_rate / self.predicted_late_rate:.4f})",
        ]
        return "\n".join(lines)


def flow_report(
    mdp: FiniteMDP,
    *,
    n: int | None = None,
    time: float | None = None,
    steps: int = FLOW_STEPS,
    certificates: int = CERTIFICATES,
    start: Float64 | None = None,
) -> FlowReport:
    """Follow the flow from `start` (S, G) for `time` (default: 16 late time constants).

    The default start is the one-sided density of `Grid.tilted`. late_rate is that of
    KL(pi || G[pi]) at the state of the least spectral gap: the sup over states of the gap is a sum
    of exponentials, of which the slowest wins only where rounding has long covered it if two states
    are close.
    """
    if mdp.action_size > 2:
        raise UsageError(f"action_size is {mdp.action_size}; grids are for one and two dimensions")
    grid = mdp.grid(GRID_POINTS[mdp.action_size] if n is None else n)
    optimum = mdp.solve(grid)
    q_best = mdp.q_on_grid(optimum.value, grid)
    gaps = spectral_gap(q_best, grid, mdp.temperature)
    slowest = int(gaps.argmin())
    late = 2.0 * mdp.temperature * float(gaps[slowest])
    fastest = 2.0 * mdp.temperature * float((1.0 / grid.spacing**2).sum())
    # The gap is the small difference of numbers of the size of the fastest rate.
    if late <= 1e-11 * fastest:
        raise UsageError(
            f"temperature is {mdp.temperature:g}, too low: the spectral gap at state {slowest} is "
            "below rounding, the flow does not leave its modes"
        )
    time = LATE_CONSTANTS / late if time is None else time
    if len(grid) > MOST_DENSE and fastest * time * mdp.n_states * len(grid) > MOST_FLOW_WORK:
        raise UsageError(
            f"grid has n = {grid.n}: the flow takes {fastest * time:.2g} jumps on {len(grid)} "
            f"points for {mdp.n_states} states, which is too many; use fewer points or states"
        )
    start = grid.tilted(mdp.n_states) if start is None else start
    path = mdp.fokker_planck(start, grid, time=time, steps=steps)
    times = np.linspace(0.0, time, steps + 1)
    log_best = (q_best - optimum.value[:, None]) / mdp.temperature

    value, gap, residual, kl = (np.empty((len(path), mdp.n_states)) for _ in range(4))
    worst = dict.fromkeys(
        ("T V - V = temperature KL", "performance difference", "discrete resolvent identity"), 0.0
    )

    def note(name: str, left: Float64, right: Float64, scale: float) -> None:
        worst[name] = max(worst[name], float(np.abs(left - right).max()) / scale)

    log_of_last = None  # log G[pi_(k-1)]
    for k, pi in enumerate(path):
        value[k] = mdp.evaluate(pi, grid)
        q = mdp.q_on_grid(value[k], grid)
        backup = mdp.soft_backup(value[k], grid)
        log_gibbs = (q - backup[:, None]) / mdp.temperature
        scale = 1.0 + float(np.abs(value[k]).max())
        kl[k] = grid.kl(pi, log_gibbs)
        residual[k] = mdp.temperature * kl[k]
        note("T V - V = temperature KL", backup - value[k], residual[k], scale)
        to_best = grid.kl(pi, log_best)
        gap[k] = mdp.temperature * mdp.resolvent(pi, grid, to_best)
        note("performance difference", optimum.value - value[k], gap[k], scale)
        if log_of_last is not None:
            kl_now = grid.kl(pi, log_of_last)
            rise = mdp.temperature * mdp.resolvent(pi, grid, kl[k - 1] - kl_now)
            note("discrete resolvent identity", value[k] - value[k - 1], rise, scale)
        log_of_last = log_gibbs

    picked = np.unique(np.linspace(0, steps, certificates).astype(int))
    given = tuple(certify(mdp, path[k], grid, optimum=optimum) for k in picked)
    envelope = np.full(len(times), np.inf)
    for k, certificate in zip(picked, given, strict=True):
        later = times >= times[k]
        bound = certificate.gap_upper.max() * np.exp(
            -certificate.rate_bound.min() * (times - times[k])
        )
        envelope = np.where(later, np.minimum(envelope, bound), envelope)
    sup = gap.max(axis=1)
    # Rates are taken where what falls is far above the rounding of the value, or of 1.
    clear = sup[1:] > 1e-10 * (1.0 + np.abs(value).max())
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.log(sup[:-1] / sup[1:]) / np.diff(times)
    certified = np.array([c.rate_bound.min() for c in given])
    # At a time in between the certificate before it holds, and its bound only grows along the path.
    held = certified[np.searchsorted(times[picked], times[:-1], side="right") - 1]
    slow = kl[:, slowest]
    seen = np.flatnonzero(slow > 1e-11)
    last = int(seen[-1]) if len(seen) else 1
    first = max(0, last - steps // 10)
    late_rate = float(np.log(slow[first] / slow[last]) / (times[last] - times[first]))
    return FlowReport(
        mdp=mdp,
        grid=grid,
        optimum=optimum,
        times=times,
        value=value,
        gap=gap,
        residual=residual,
        kl=kl,
        densities=path,
        certified_times=times[picked],
        certificates=given,
        envelope=envelope,
        least_increment=float(np.diff(value, axis=0).min()),
        least_rate=float(rates[clear].min()) if clear.any() else np.nan,
        least_margin=float((rates - held)[clear].min()) if clear.any() else np.nan,
        late_rate=late_rate,
        slowest_state=slowest,
        predicted_late_rate=late,
        identities=worst,
    )


# Discretisation bias


@dataclass(frozen=True)
class BiasReport:
    """sup V* - V (E,) [reward] at the fixed point of each scheme's exact operator for E step sizes,
    beside what the expansion predicts for the unadjusted step; slopes in a log-log plot."""

    step_sizes: Float64
    measured: dict[str, Float64]
    predicted: Float64
    richardson: Float64
    richardson_steps: Float64
    slopes: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {
            "step_sizes": self.step_sizes.tolist(),
            "sup_gap": {name: values.tolist() for name, values in self.measured.items()},
            "predicted": self.predicted.tolist(),
            "ratio_to_predicted": (self.measured["langevin"] / self.predicted).tolist(),
            "richardson": self.richardson.tolist(),
            "slopes": self.slopes,
        }

    def table(self) -> str:
        names = list(self.measured)
        rows = [["step size", *names, "predicted", "ratio", "Richardson"]]
        for e, eta in enumerate(self.step_sizes):
            at = np.flatnonzero(self.richardson_steps == eta)
            rows.append(
                [
                    number_text(eta),
                    *(number_text(self.measured[name][e]) for name in names),
                    number_text(self.predicted[e]),
                    f"{self.measured['langevin'][e] / self.predicted[e]:.4f}",
                    number_text(self.richardson[at[0]]) if len(at) else "-",
                ]
            )
        slopes = ", ".join(f"{name} {slope:.2f}" for name, slope in self.slopes.items())
        return f"{aligned(rows, right=range(len(rows[0])))}\nslopes: {slopes}"


def slope_of(x: Float64, y: Float64) -> float:
    """Slope of log y over log x by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def bias_report(
    mdp: FiniteMDP, *, n: int | None = None, step_sizes: Sequence[float] | None = None
) -> BiasReport:
    """Exact and predicted gap floors; each step size is twice the one before."""
    if mdp.action_size > 1:
        raise UsageError("step sizes are compared in one action dimension")
    grid = mdp.grid(GRID_POINTS[1] if n is None else n)
    optimum = mdp.solve(grid)
    walls = bool(bias.wall_layer(mdp, optimum, grid).max() > 1e-9)
    if step_sizes is not None:
        etas = np.asarray(step_sizes, np.float64)
    else:
        # The largest is 0.32 over the steepest slope of the drift where there is mass, the others
        # three halvings below it.
        drift = mdp.q_gradient(optimum.value, mdp.everywhere(grid))[..., 0]
        visited = optimum.density[:, 1:] > 1e-4 * optimum.density.max(axis=1, keepdims=True)
        curvature = float((np.abs(np.diff(drift, axis=1)) * visited).max() / grid.spacing[0])
        # Noise that is as long as the support would leave nothing but the uniform law.
        widest = float((grid.high - grid.low)[0] / 6.0) ** 2 / (2.0 * mdp.temperature)
        smallest = min(0.32 / curvature, widest) / 8.0
        # At a wall the folded density has a layer as thick as the noise, which wants more cells.
        cells = 12.0 if walls else 3.0
        coarse = cells * float(grid.spacing[0]) / np.sqrt(2.0 * smallest * mdp.temperature)
        if coarse > 1.0:
            grid = mdp.grid(int(np.ceil(grid.n * coarse)))
            optimum = mdp.solve(grid)
        etas = np.asarray(smallest * 2.0 ** np.arange(4), np.float64)
    schemes = ["langevin", "mala"]
    if grid.periodic:
        schemes.insert(1, "leimkuhler-matthews")
    found = {
        scheme: [bias.fixed_point(mdp, grid, float(eta), scheme=scheme) for eta in etas]
        for scheme in schemes
    }
    measured = {
        scheme: np.array([np.abs(optimum.value - f.value).max() for f in fixed])
        for scheme, fixed in found.items()
    }
    predicted = np.array([bias.gap_floor(mdp, optimum, grid, float(eta)).max() for eta in etas])
    plain = found["langevin"]
    # Extrapolation removes eta^2, which is not what the bias starts with where walls are felt.
    doubles = np.isclose(etas[1:], 2.0 * etas[:-1]) & (not walls)
    twice = np.flatnonzero(doubles)
    richardson = np.array(
        [
            np.abs(bias.richardson_value(plain[i + 1].value, plain[i].value) - optimum.value).max()
            for i in twice
        ]
    )
    slopes = {
        scheme: slope_of(etas, values) for scheme, values in measured.items() if scheme != "mala"
    }
    if len(twice) > 1:
        slopes["Richardson"] = slope_of(etas[twice + 1], richardson)
    return BiasReport(
        step_sizes=etas,
        measured=measured,
        predicted=predicted,
        richardson=richardson,
        richardson_steps=etas[twice + 1],
        slopes=slopes,
    )


# The linear-quadratic problem


@dataclass(frozen=True)
class GainReport:
    """The recursion of gain and covariance from no control at all, in closed form.

    gap (K,) [reward]: V* - V at the state (1, ..., 1); distance (K,): |F - F*|. floors: measured by
    iterating beside the formula, for E step sizes.
    """

    lqr: LQR
    step_size: float
    gap: Float64
    distance: Float64
    contraction: float
    predicted_contraction: float
    certificates: tuple[Certificate, ...]
    certified_steps: tuple[int, ...]
    step_sizes: Float64
    floor_measured: Float64
    floor_formula: Float64

    def as_dict(self) -> dict[str, Any]:
        return {
            "step_size": self.step_size,
            "gap": self.gap.tolist(),
            "contraction_of_the_gain": self.contraction,
            "predicted_contraction": self.predicted_contraction,
            "step_sizes": self.step_sizes.tolist(),
            "floor_measured": self.floor_measured.tolist(),
            "floor_formula": self.floor_formula.tolist(),
            "at_start": self.certificates[0].as_dict(),
            "at_end": self.certificates[-1].as_dict(),
        }

    def table(self) -> str:
        rows = [["step", "gap at (1, ..)", "|F - F*|"]]
        for k in np.unique(np.linspace(0, len(self.gap) - 1, 9).astype(int)):
            rows.append([str(k), number_text(self.gap[k]), number_text(self.distance[k])])
        floors = [["step size", "floor, iterated", "formula", "ratio"]]
        for eta, found, formula in zip(
            self.step_sizes, self.floor_measured, self.floor_formula, strict=True
        ):
            floors.append(
                [
                    number_text(eta),
                    number_text(found),
                    number_text(formula),
                    f"{found / formula:.10f}",
                ]
            )
        return "\n".join(
            [
                aligned(rows, right=range(len(rows[0]))),
                f"contraction of the gain {self.contraction:.6f} a step, predicted "
                f"{self.predicted_contraction:.6f}",
                "",
                aligned(floors, right=range(len(floors[0]))),
            ]
        )


def gain_report(lqr: LQR, *, steps: int = 400) -> GainReport:
    """Iterate the closed-form recursion, and compare where it ends with the floor's formula."""
    D = lqr.action_size
    optimum = lqr.optimal()
    F = np.zeros((D, lqr.observation_size))
    covariance = lqr.temperature * np.linalg.inv(lqr.R)
    K, _ = lqr.evaluate(F, covariance)
    eta = 1.0 / float(np.linalg.eigvalsh(lqr.hessian(K))[-1])
    corner = np.ones((1, lqr.observation_size))
    states = np.concatenate([np.zeros_like(corner), corner])
    gap, distance, certificates, when = [], [], [], []
    for k in range(steps + 1):
        K, c = lqr.evaluate(F, covariance)
        here = -0.5 * float((corner @ K @ corner.T)[0, 0]) + c
        gap.append(float(optimum.value(corner)[0]) - here)
        distance.append(float(np.linalg.norm(F - optimum.F)))
        if k in (0, steps // 4, steps):
            certificates.append(certify_gaussian(lqr, F, covariance, states))
            when.append(k)
        F, covariance = lqr.wpg_step(F, covariance, eta)
    moved = np.array(distance)
    clear = np.flatnonzero(moved > 1e-10)
    late = int(clear[-1]) if len(clear) else 0
    back = max(0, late - 20)
    contraction = np.nan if late == back else (moved[late] / moved[back]) ** (1.0 / (late - back))
    curvature = np.linalg.eigvalsh(lqr.hessian(optimum.K))
    step_sizes = lqr.largest_step_size() * 2.0 ** -np.arange(5.0, 0.0, -1.0)
    measured = []
    for size in step_sizes:
        spread = optimum.covariance
        for _ in range(100_000):
            _, after = lqr.wpg_step(optimum.F, spread, float(size))
            done = np.abs(after - spread).max() <= 1e-16 * np.abs(spread).max()
            spread = after
            if done:
                break
        measured.append(optimum.c - lqr.evaluate(optimum.F, spread)[1])
    return GainReport(
        lqr=lqr,
        step_size=eta,
        gap=np.array(gap),
        distance=moved,
        contraction=float(contraction),
        predicted_contraction=float(np.abs(1.0 - eta * curvature).max()),
        certificates=tuple(certificates),
        certified_steps=tuple(when),
        step_sizes=step_sizes,
        floor_measured=np.array(measured),
        floor_formula=np.array([lqr.gap_floor(float(size)) for size in step_sizes]),
    )


# Planning with particles


@dataclass(frozen=True)
class PlanReport:
    """A plan beside the exact answer.

    exact (S,) is V*, None where it is not known; error (I, S) = V* - V of every iteration.
    """

    mdp: FiniteMDP | LQR
    plan: Plan
    exact: Float64 | None
    certificate: Certificate | None

    @property
    def error(self) -> Float64 | None:
        return None if self.exact is None else self.exact - self.plan.history["value"]

    def as_dict(self) -> dict[str, Any]:
        history = self.plan.history
        content: dict[str, Any] = {
            "n_particles": self.plan.particles.shape[1],
            "iterations": len(history["value"]),
            "entropy": self.plan.entropy_method,
            "backup": self.plan.backup,
            "value": self.plan.value.tolist(),
            "standard_error": self.plan.standard_error.tolist(),
            "predicted_floor": self.plan.floor.tolist(),
            "gap_lower": history["gap_lower"].tolist(),
            "gap_upper": history["gap_upper"].tolist(),
            "certificate": None if self.certificate is None else self.certificate.as_dict(),
        }
        if self.exact is not None:
            content["exact_value"] = self.exact.tolist()
            content["error"] = (self.exact - self.plan.value).tolist()
        return content

    def table(self) -> str:
        history = self.plan.history
        heads = ["iteration", "mean V", "sup |TV - V|", "gap <="]
        error = self.error
        if error is not None:
            heads.append("sup |V* - V|")
        rows = [heads]
        for k in np.unique(np.linspace(0, len(history["value"]) - 1, 9).astype(int)):
            row = [
                str(k + 1),
                number_text(history["value"][k].mean()),
                number_text(np.abs(history["residual"][k]).max()),
                number_text(history["gap_upper"][k]),
            ]
            if error is not None:
                row.append(number_text(np.abs(error[k]).max()))
            rows.append(row)
        lines = [aligned(rows, right=range(len(rows[0]))), ""]
        lines.append(
            f"standard error of V {self.plan.standard_error.max():.3g}, predicted floor of the "
            f"step size {self.plan.floor.max():.3g}; entropy: {self.plan.entropy_method}, T V: "
            f"{self.plan.backup}"
        )
        if error is not None:
            excess = np.abs(error[-1] - self.plan.floor) / self.plan.standard_error
            lines.append(
                f"V* - V less the floor is at most {excess.max():.2f} standard errors at any state"
            )
        return "\n".join(lines)


def plan_report(mdp: FiniteMDP | LQR, **settings: Any) -> PlanReport:
    """Run `wpg.plan`, and hold it against the exact answer where there is one."""
    found = plan(mdp, **settings)
    exact: Float64 | None = None
    certificate = None
    if isinstance(mdp, LQR):
        assert found.states is not None
        exact = mdp.optimal().value(found.states)
    else:
        known = getattr(mdp, "optimal_value", None)
        exact = None if known is None else np.array([known])
        rows = mdp.n_states * mdp.n_successors
        n = {1: 128, 2: 32}.get(mdp.action_size, 0)
        if 0 < rows * n**mdp.action_size <= MOST_GRID_ROWS and exact is None:
            exact = mdp.solve(mdp.grid(n)).value
        n = points_for_mixture(mdp, found.step_size) if n else 0
        if 0 < rows * n**mdp.action_size <= MOST_GRID_ROWS:
            certificate = certify_particles(mdp, found.particles, step_size=found.step_size)
    return PlanReport(mdp=mdp, plan=found, exact=exact, certificate=certificate)
