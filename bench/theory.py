"""Every claim of the theory beside what is measured: bench/results/theory.md, its pictures and
theory.json.

    python bench/theory.py             about ten minutes on one core
    python bench/theory.py --quick     fewer seeds and particles, nothing is written

All runs are deterministic; those with particles name their seeds. No step size or seed was chosen
by looking at what this writes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))

import numpy as np
from numpy.typing import NDArray

import record
import wpg
from user_problems import (
    POINTS,
    SHAPES,
    rough_density,
    smooth_density,
    user_problem,
    value_derivative,
)
from wpg import reports
from wpg.certificates import certify
from wpg.exact import FiniteMDP, Grid, Tsallis, bias, double_well, stationary_density, trig
from wpg.exact.fokker_planck import relative_fisher
from wpg.exact.squashed import squashed_chain
from wpg.reports import slope_of

Float64 = NDArray[np.float64]
SEEDS = range(7000, 7016)


def log_gibbs(mdp: FiniteMDP, value: Float64, grid: Grid) -> Float64:
    backup = mdp.soft_backup(value, grid)
    return (mdp.q_on_grid(value, grid) - backup[:, None]) / mdp.temperature


def identities() -> dict[str, Any]:
    """Largest relative error of each identity over named and user-written problems."""
    worst: dict[str, dict[str, float]] = {}
    for kind, D in SHAPES:
        problems = [("trig", trig(3, D, kind))]
        problems += [
            ("user", user_problem(seed, kind, D, sparse=seed % 2 == 1)) for seed in range(6)
        ]
        for name, mdp in problems:
            grid = mdp.grid(POINTS[D])
            before, after = rough_density(mdp, grid, 1), smooth_density(mdp, grid, 2)
            value, moved = mdp.evaluate(before, grid), mdp.evaluate(after, grid)
            best = mdp.solve(grid)
            logs, best_logs = log_gibbs(mdp, value, grid), log_gibbs(mdp, best.value, grid)
            tau = mdp.temperature
            residual = mdp.soft_backup(value, grid) - value
            fall = grid.kl(before, logs) - grid.kl(after, logs)
            errors = {
                "residual = temperature KL": residual - tau * grid.kl(before, logs),
                "performance difference": best.value
                - value
                - tau * mdp.resolvent(before, grid, grid.kl(before, best_logs)),
                "discrete resolvent": moved - value - tau * mdp.resolvent(after, grid, fall),
            }
            row = worst.setdefault(f"{name}, {kind}, D = {D}", {})
            for key, error in errors.items():
                relative = float(np.abs(error).max() / (1.0 + np.abs(value).max()))
                row[key] = max(row.get(key, 0.0), relative)
    return worst


def continuous_identity() -> dict[str, float]:
    """Relative error of dV/dt by finite differences against temperature^2 (I - discount P)^-1 I."""
    found = {}
    for D, n in ((1, 96), (2, 48)):
        mdp = trig(3, D)
        grid = mdp.grid(n)
        pi = smooth_density(mdp, grid, 8)
        score = grid.gradient(np.log(pi) - log_gibbs(mdp, mdp.evaluate(pi, grid), grid))
        rate = mdp.temperature * sum(grid.gradient(pi * score[..., d])[..., d] for d in range(D))
        fisher = grid.integrate(pi * (score**2).sum(axis=2))
        found[f"torus, D = {D}, spectral"] = derivative_error(
            mdp, grid, pi, np.asarray(rate), mdp.temperature**2 * mdp.resolvent(pi, grid, fisher)
        )
    for kind, D in SHAPES:
        mdp = trig(3, D, kind)
        grid = mdp.grid(POINTS[D])
        pi = smooth_density(mdp, grid, 9)
        q = mdp.q_on_grid(mdp.evaluate(pi, grid), grid)
        fisher = relative_fisher(pi, q, grid, mdp.temperature)
        found[f"{kind}, D = {D}, flow of the grid"] = derivative_error(
            mdp,
            grid,
            pi,
            mdp.fokker_planck_rate(pi, grid),
            mdp.temperature**2 * mdp.resolvent(pi, grid, fisher),
        )
    return found


def derivative_error(
    problem: FiniteMDP | Tsallis, grid: Grid, pi: Float64, rate: Float64, predicted: Float64
) -> float:
    found = value_derivative(problem, grid, pi, rate)
    return float(np.abs(found / predicted - 1.0).max())


def flow_rates() -> dict[str, Any]:
    """Monotone values, measured against certified rates, late rate against the spectral gap."""
    rows = {}
    for discount in (0.5, 0.9, 0.97):
        report = reports.flow_report(trig(discount=discount))
        ratio = np.array([np.nanmin(c.lsi) for c in report.certificates])
        rows[str(discount)] = {
            "least increment of V": report.least_increment,
            "least measured rate": report.least_rate,
            "measured less certified rate, least": report.least_margin,
            "2 temperature min I/2KL (1 - discount)": float(
                2 * report.mdp.temperature * ratio.min() * (1 - discount)
            ),
            "certified rate at the start": float(report.certificates[0].rate_bound.min()),
            "certified rate at the end": float(report.certificates[-1].rate_bound.min()),
            "late rate": report.late_rate,
            "late rate over 2 temperature lambda": report.late_rate / report.predicted_late_rate,
        }
    return rows


def scheme_bias() -> dict[str, Any]:
    """Slopes and constants of the floors on the torus."""
    mdp = trig()
    grid = mdp.grid(192)
    best = mdp.solve(grid)
    report = reports.bias_report(mdp, n=192, step_sizes=[0.01, 0.02, 0.04, 0.08])
    cosine = np.cos(grid.points[:, 0])
    means = np.array(
        [
            grid.integrate((bias.fixed_point(mdp, grid, eta).density - best.density) * cosine)[1]
            for eta in report.step_sizes
        ]
    )
    large = np.array([0.05, 0.1, 0.2])
    divergence = []
    for eta in large:
        matrix, smoothing = mdp.leimkuhler_matthews_operator(best.value, grid, eta)
        law = grid.normalise(stationary_density(matrix, grid) @ smoothing.T)
        divergence.append(grid.kl(law, log_gibbs(mdp, best.value, grid)))
    mala = mdp.mala_operator(best.value, grid, 0.1)
    kept = np.einsum("sij,sj->si", mala, mdp.gibbs(best.value, grid))
    eta_for_gap = bias.step_size_for_gap(mdp, best, grid, 1e-3)
    return {
        "sup gap of Langevin steps": dict(
            zip(map(str, report.step_sizes), report.measured["langevin"].tolist(), strict=True)
        ),
        "slope of the sup gap": report.slopes["langevin"],
        "ratio to the predicted constant at the smallest step": float(
            report.measured["langevin"][0] / report.predicted[0]
        ),
        "slope of the bias of E cos a, state 1": slope_of(report.step_sizes, np.abs(means)),
        "slope of Richardson on values": report.slopes["Richardson"],
        "slope of KL, Leimkuhler-Matthews, by state": [
            slope_of(large, np.array(divergence)[:, s]) for s in range(3)
        ],
        "MALA: |K pi* - pi*|": float(np.abs(kept - mdp.gibbs(best.value, grid)).max()),
        "MALA: sup gap at the fixed point": float(report.measured["mala"].max()),
        "step sizes for a gap of 0.001, by state": eta_for_gap.tolist(),
        "gap that they leave (predicted)": bias.gap_floor(mdp, best, grid, eta_for_gap).tolist(),
    }


def walls() -> dict[str, Any]:
    """Reflected and squashed steps in a box."""
    mdp = trig(3, 1, "box")
    grid = mdp.grid(600)
    best = mdp.solve(grid)
    etas = np.array([0.0025, 0.005, 0.01, 0.02])
    gaps = [(best.value - bias.fixed_point(mdp, grid, eta).value) for eta in etas]
    predicted = [bias.gap_floor(mdp, best, grid, eta) for eta in etas]
    ratio = np.array(gaps) / np.array(predicted)
    found: dict[str, Any] = {
        "reflection: slope of the sup gap": slope_of(etas, np.array(gaps).max(axis=1)),
        "reflection: ratio to bulk and wall layer, smallest step": ratio[0].tolist(),
    }
    steps = np.array([0.05, 0.1, 0.2])
    for squash, n in (("tanh", 600), ("probit", 300)):
        floors = []
        for eta in steps:
            chain = squashed_chain(
                lambda a: np.atleast_2d(1.5 * a - a**2),
                lambda a: np.atleast_2d(1.5 - 2.0 * a),
                -1.0,
                1.0,
                temperature=0.5,
                step_size=float(eta),
                squash=squash,
                n=n,
            )
            floors.append(chain.kl_floor(stationary_density(chain.operator, chain.grid))[0])
        found[f"{squash}: slope of KL"] = slope_of(steps, np.array(floors))
    return found


def linear_quadratic() -> dict[str, Any]:
    """Riccati against Lyapunov, monotone recursion, contraction, floors."""
    lqr = reports.two_inputs()
    best = lqr.optimal()
    K, c = lqr.evaluate(best.F, best.covariance)
    report = reports.gain_report(lqr)
    F, covariance = np.zeros((2, 2)), np.eye(2)
    K_before, _ = lqr.evaluate(F, covariance)
    eta = 2.0 / float(np.linalg.eigvalsh(lqr.hessian(K_before))[-1])
    least = np.inf
    for _ in range(200):
        F, covariance = lqr.wpg_step(F, covariance, 0.999 * eta)
        K_after, _ = lqr.evaluate(F, covariance)
        least = min(least, float(np.linalg.eigvalsh(K_before - K_after)[0]))
        K_before = K_after
    H = lqr.hessian(best.K)
    step = 0.2
    jacobian_error = 0.0
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction = 1e-6 * rng.normal(size=(2, 2))
        ahead, _ = lqr.wpg_step(best.F + direction, best.covariance, step)
        behind, _ = lqr.wpg_step(best.F - direction, best.covariance, step)
        linear = (np.eye(2) - step * H) @ direction
        error = np.abs((ahead - behind) / 2.0 - linear).max() / np.abs(linear).max()
        jacobian_error = max(jacobian_error, float(error))
    return {
        "Riccati against Lyapunov: K": float(np.abs(K - best.K).max() / np.abs(best.K).max()),
        "Riccati against Lyapunov: c": float(abs(c - best.c) / abs(best.c)),
        "least eigenvalue of K_k - K_(k+1) at 0.999 of 2/h_max": least,
        "gain step against I - eta H*": jacobian_error,
        "contraction of the gain": report.contraction,
        "predicted contraction": report.predicted_contraction,
        "floor, iterated over formula, largest error": float(
            np.abs(report.floor_measured / report.floor_formula - 1.0).max()
        ),
    }


def tsallis() -> dict[str, Any]:
    """Identities with q = 2 in place of the entropy."""
    found = {}
    for kind, D in SHAPES:
        problem = Tsallis(trig(3, D, kind), 2.0)
        mdp = problem.mdp
        grid = mdp.grid(POINTS[D])
        pi = smooth_density(mdp, grid, 11)
        value, best = problem.evaluate(pi, grid), problem.solve(grid)
        bregman, slack = problem.residual_parts(value, pi, grid)
        scale = 1.0 + float(np.abs(best.value).max())
        residual = problem.soft_backup(value, grid) - value
        far = problem.residual_parts(best.value, pi, grid)
        gap = mdp.resolvent(pi, grid, far[0] + far[1])
        rate, dissipation = problem.flow_rate(pi, grid)
        found[f"{kind}, D = {D}"] = {
            "residual = Bregman + slack": float(np.abs(residual - bregman - slack).max() / scale),
            "performance difference": float(np.abs(best.value - value - gap).max() / scale),
            "dV/dt": derivative_error(
                problem, grid, pi, rate, mdp.resolvent(pi, grid, dissipation)
            ),
        }
    return found


def particles(quick: bool) -> dict[str, Any]:
    """Planning with particles: does it reach the exact value, and how does the error fall?"""
    n = 512 if quick else 4096
    mdp = trig()
    best = mdp.solve(mdp.grid(128)).value
    at_rest = best - bias.fixed_point(mdp, mdp.grid(128), 0.1).value
    found: dict[str, Any] = {}
    plan = wpg.plan(mdp, n_particles=n, iterations=300, step_size=0.1, seed=SEEDS[0])
    error = best - plan.value
    found[f"trig, {n} particles"] = {
        "V* - V": error.tolist(),
        "predicted floor": plan.floor.tolist(),
        "exact floor": at_rest.tolist(),
        "standard error": plan.standard_error.tolist(),
        "(V* - V - floor) / standard error": ((error - plan.floor) / plan.standard_error).tolist(),
    }
    lqr = reports.two_inputs()
    plan = wpg.plan(lqr, n_particles=n, iterations=150, step_size=0.05, seed=SEEDS[0])
    error = lqr.optimal().value(plan.states) - plan.value
    found[f"lqr, {n} particles"] = {
        "V* - V": error.tolist(),
        "predicted floor": plan.floor.tolist(),
        "standard error": plan.standard_error.tolist(),
        "(V* - V - floor) / standard error": ((error - plan.floor) / plan.standard_error).tolist(),
    }
    found["falls with N"] = falling(mdp, best - at_rest, quick)
    found["target gap 0.01"] = target(mdp, best, n)
    return found


def falling(mdp: FiniteMDP, at_rest: Float64, quick: bool) -> dict[str, Any]:
    """Mean error over seeds and states against N, by estimator of the entropy.

    "self" and "leave-one-out" are off by temperature X/(2N) a state, over 1 - discount in the
    value, to which comes what the finite cloud itself costs. Errors are against the exact fixed
    point of the step.
    """
    sizes = [32, 64, 128, 256]
    rows: dict[str, Any] = {"N": sizes}
    seeds = SEEDS[:4] if quick else SEEDS
    for estimator in ("self", "leave-one-out", "average"):
        means, errors = [], []
        for n in sizes:
            off = [
                wpg.plan(
                    mdp,
                    n_particles=n,
                    iterations=250,
                    step_size=0.1,
                    seed=seed,
                    estimator=estimator,
                )
                .history["value"][-100:]
                .mean(axis=0)
                - at_rest
                for seed in seeds
            ]
            sample = np.mean(off, axis=1)
            means.append(float(sample.mean()))
            errors.append(float(sample.std(ddof=1) / np.sqrt(len(sample))))
        rows[estimator] = {"mean of V - V_rest": means, "standard error": errors}
        if estimator != "average":
            rows[estimator]["slope"] = slope_of(np.array(sizes, float), np.abs(means))
    return rows


def target(mdp: FiniteMDP, best: Float64, n: int) -> dict[str, Any]:
    plan = wpg.plan(mdp, n_particles=n, iterations=400, target_gap=0.01, seed=SEEDS[1])
    return {
        "step sizes": plan.step_size.tolist(),
        "V* - V": (best - plan.value).tolist(),
        "standard error": plan.standard_error.tolist(),
        "predicted floor": plan.floor.tolist(),
    }


def speed() -> dict[str, Any]:
    """CPU seconds of one planning iteration on the large ring, one thread, and of a command."""
    from wpg.exact import ring

    wpg.set_num_threads(1)
    mdp = ring(10_000, 2, 20)
    spans: list[float] = []
    last = time.process_time()

    def note(iteration: int, _: dict[str, Float64]) -> None:
        nonlocal last
        now = time.process_time()
        spans.append(now - last)
        last = now

    wpg.plan(mdp, n_particles=64, iterations=8, step_size=0.05, seed=SEEDS[0], callback=note)
    later = np.array(spans[1:])
    walls = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            clock = time.perf_counter()
            command = [sys.executable, "-m", "wpg.cli", "certify", "trig", "--out", f"{folder}/out"]
            subprocess.run(command, check=True, capture_output=True)
            walls.append(round(time.perf_counter() - clock, 2))
    return {
        "wpg certify trig, wall seconds of three": walls,
        "CPU seconds an iteration, median": float(np.median(later)),
        "CPU seconds an iteration, least and most": [float(later.min()), float(later.max())],
    }


def pictures(folder: Path) -> list[str]:
    """The set of pictures that the commands draw, for the page."""
    from wpg import plots

    mdp = trig()
    flow = reports.flow_report(mdp)
    well = double_well()
    planned = reports.plan_report(
        mdp, n_particles=2048, iterations=250, step_size=0.05, seed=SEEDS[2]
    )
    wells = reports.plan_report(
        well,
        n_particles=2048,
        iterations=600,
        target_gap=reports.usual_target_gap(well),
        seed=SEEDS[2],
    )
    drawn = [
        plots.plot_flow(flow, folder / "theory_flow.png"),
        plots.plot_residual(flow, folder / "theory_residual.png"),
        plots.plot_bias(reports.bias_report(mdp), mdp, folder / "theory_bias.png"),
        plots.plot_flow(reports.flow_report(well), folder / "theory_double_well.png"),
        plots.plot_gain(reports.gain_report(reports.two_inputs()), folder / "theory_lqr.png"),
        plots.plot_plan(planned, folder / "theory_plan.png"),
        plots.plot_particles(planned, folder / "theory_particles.png"),
        plots.plot_particles(wells, folder / "theory_double_well_particles.png"),
    ]
    return [path.name for path in drawn]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    started = record.machine()
    figures: dict[str, Any] = {}
    sections = {
        "identities": identities,
        "dV/dt": continuous_identity,
        "flow": flow_rates,
        "bias": scheme_bias,
        "walls": walls,
        "lqr": linear_quadratic,
        "tsallis": tsallis,
        "speed": speed,
        "particles": lambda: particles(arguments.quick),
    }
    for name, measure in sections.items():
        clock = time.process_time()
        figures[name] = measure()
        print(f"{name}: {time.process_time() - clock:.1f} CPU seconds", flush=True)
    start = certify(trig(), trig().grid(96).uniform(3), trig().grid(96))
    figures["certificate"] = str(start)
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            pictures(Path(folder))
        print(page(figures))
        return
    pictures(record.RESULTS)
    record.write("theory", figures, started)
    (record.RESULTS / "theory.md").write_text(page(figures))


def page(figures: dict[str, Any]) -> str:
    """bench/results/theory.md."""
    lines = [
        "# The theory beside what is measured",
        "",
        "Written by `python bench/theory.py`; every number is in `theory.json`. Problems: `trig`",
        "with 3 states, and problems drawn at random as a user would write them",
        "(`tests/python/user_problems.py`).",
        "",
        "## Identities, relative to 1 + sup |V|",
        "",
        "| problem | residual = temperature KL | performance difference | discrete resolvent |",
        "|---|---|---|---|",
    ]
    for name, row in figures["identities"].items():
        lines.append("| " + " | ".join([name, *(f"{v:.1e}" for v in row.values())]) + " |")
    lines += ["", "dV/dt by finite differences against temperature^2 (I - discount P)^-1 I:", ""]
    lines += [f"- {name}: {error:.1e}" for name, error in figures["dV/dt"].items()]
    lines += [
        "",
        "## The flow",
        "",
        "![gap against time](theory_flow.png)",
        "![residual against KL](theory_residual.png)",
        "",
        "| discount | least increment of V | least measured rate | certified, start to end | "
        "2 temperature min I/2KL (1 - discount) | late rate / 2 temperature lambda |",
        "|---|---|---|---|---|---|",
    ]
    for discount, row in figures["flow"].items():
        lines.append(
            f"| {discount} | {row['least increment of V']:.1e} | "
            f"{row['least measured rate']:.4f} | "
            f"{row['certified rate at the start']:.1e} to {row['certified rate at the end']:.4f} | "
            f"{row['2 temperature min I/2KL (1 - discount)']:.4f} | "
            f"{row['late rate over 2 temperature lambda']:.5f} |"
        )
    lines += [
        "",
        "The certified rate is renewed along the way: it rests on the tails of the present Gibbs",
        "policy and on how far Q can still move, so it is tiny at first and useful later.",
        "",
        "![the double well](theory_double_well.png)",
        "",
        "## What a step size costs",
        "",
        "![bias against step size](theory_bias.png)",
        "",
    ]
    lines += _list({**figures["bias"], **figures["walls"]})
    lines += ["", "## Linear-quadratic control", "", "![LQR](theory_lqr.png)", ""]
    lines += _list(figures["lqr"])
    lines += [
        "",
        "## Beyond Gibbs: Tsallis, q = 2",
        "",
        "| support | residual = Bregman + slack | performance difference | dV/dt |",
        "|---|---|---|---|",
    ]
    for name, row in figures["tsallis"].items():
        lines.append("| " + " | ".join([name, *(f"{v:.1e}" for v in row.values())]) + " |")
    lines += [
        "",
        "## Particles",
        "",
        "![planning](theory_plan.png)",
        "![particles over the Gibbs density](theory_particles.png)",
        "![particles in the double well](theory_double_well_particles.png)",
        "",
    ]
    for name in list(figures["particles"])[:2]:
        lines += [f"{name} a state:", ""]
        lines += _list(figures["particles"][name])
        lines.append("")
    fall = figures["particles"]["falls with N"]
    lines += [
        "Mean over seeds of V less the exact value at rest, by the estimator of the entropy:",
        "",
        "| estimator | " + " | ".join(f"N = {n}" for n in fall["N"]) + " | slope |",
        "|---|" + "---|" * (len(fall["N"]) + 1),
    ]
    for estimator in ("self", "leave-one-out", "average"):
        row = fall[estimator]
        cells = [
            f"{mean:+.4f} +- {error:.4f}"
            for mean, error in zip(row["mean of V - V_rest"], row["standard error"], strict=True)
        ]
        slope = f"{row['slope']:.2f}" if "slope" in row else "-"
        lines.append(f"| {estimator} | " + " | ".join(cells) + f" | {slope} |")
    lines += ["", "Steps chosen for a gap of 0.01:", ""]
    lines += _list(figures["particles"]["target gap 0.01"])
    lines += [
        "",
        "One planning iteration, 10,000 states x 64 particles x D = 2, 20 successors:",
        "",
    ]
    lines += _list(figures["speed"])
    lines += ["", "## A certificate", "", "The uniform policy on `trig`:", "", "```"]
    lines += [figures["certificate"], "```", ""]
    return "\n".join(lines)


def _list(rows: dict[str, Any]) -> list[str]:
    def text(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{k}: {text(v)}" for k, v in value.items())
        if isinstance(value, list):
            return ", ".join(text(v) for v in value)
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return [f"- {name}: {text(value)}" for name, value in rows.items()]


if __name__ == "__main__":
    main()
