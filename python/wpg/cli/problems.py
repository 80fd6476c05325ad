"""wpg plan and wpg certify: problems whose answer is known, and how far a run is from optimal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["add"]


def add(commands: Any) -> None:
    """The parsers of both commands."""
    planning = commands.add_parser(
        "plan", help="run the algorithm with particles on a problem whose answer is known"
    )
    planning.add_argument("problem", metavar="PROBLEM", help=_problem_names())
    _problem_options(planning)
    planning.add_argument(
        "--particles",
        type=int,
        metavar="N",
        help="a state (1024 for up to 10 states, fewer for more)",
    )
    planning.add_argument("--iterations", type=int, metavar="I", help="evaluations (300)")
    planning.add_argument("--step-size", type=float, metavar="H", help="action^2/reward")
    planning.add_argument(
        "--target-gap",
        type=float,
        metavar="G",
        help="choose steps that leave this gap, reward (0.005 nats)",
    )
    planning.add_argument("--inner-steps", type=int, default=1, metavar="n")
    planning.add_argument(
        "--entropy", default="auto", choices=["auto", "mixture", "knn", "gaussian"]
    )
    planning.add_argument("--seed", type=int, default=0, metavar="K")
    planning.add_argument("--threads", type=int, metavar="T")
    planning.set_defaults(command=_plan)

    certifying = commands.add_parser(
        "certify", help="how far from optimal: the exact flow of a problem, or a training run"
    )
    certifying.add_argument("target", metavar="PROBLEM|RUN", help=_problem_names())
    _problem_options(certifying)
    certifying.add_argument("--grid", type=int, metavar="n", help="points a dimension")
    certifying.add_argument("--seed", type=int, metavar="K", help="of a run's new episodes (0)")
    certifying.add_argument("--threads", type=int, metavar="T")
    certifying.set_defaults(command=_certify)


def _problem_names() -> str:
    return "trig, lqr, double-well, von-mises, gaussian-mixture, multi-goal or ring"


def _problem_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--discount", type=float, metavar="g")
    parser.add_argument("--temperature", type=float, metavar="T")
    parser.add_argument("--states", type=int, metavar="S", dest="n_states")
    parser.add_argument("--actions", type=int, metavar="D", dest="action_size")
    parser.add_argument("--support", choices=["torus", "box"])
    parser.add_argument("--out", type=Path, metavar="DIR", help="new folder (runs/...)")


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("discount", "temperature", "n_states", "action_size", "support")
    return {name: getattr(arguments, name) for name in names}


def _write_report(folder: Path, content: dict[str, Any], pictures: list[Any]) -> None:
    """certificate.json and the pictures, where matplotlib is installed."""
    from wpg import runs
    from wpg.checkpoint import write_json

    runs.make_folder(folder)
    write_json(folder / "certificate.json", content)
    try:
        for draw in pictures:
            draw()
    except ImportError:
        print("no pictures: pip install 'wpg[plot]' for them", file=sys.stderr)
    print(f"-> {folder}")


def _plan(arguments: argparse.Namespace) -> int:
    from wpg import plots, reports, runs

    problem = reports.problem(arguments.problem, **_options(arguments))
    step_size, target_gap = arguments.step_size, arguments.target_gap
    if step_size is None and target_gap is None:
        target_gap = reports.usual_target_gap(problem)
    folder = runs.choose_folder(f"plan-{arguments.problem}", arguments.out)
    report = reports.plan_report(
        problem,
        n_particles=reports.usual_particles(problem)
        if arguments.particles is None
        else arguments.particles,
        iterations=300 if arguments.iterations is None else arguments.iterations,
        step_size=step_size,
        target_gap=target_gap,
        inner_steps=arguments.inner_steps,
        entropy=arguments.entropy,
        seed=arguments.seed,
    )
    print(f"{problem!r}\n\n{report.table()}\n")
    if report.certificate is not None:
        print(f"{report.certificate}\n")
    pictures = [lambda: plots.plot_plan(report, folder / "gap.png")]
    if report.plan.particles.shape[2] <= 2:
        pictures.append(lambda: plots.plot_particles(report, folder / "particles.png"))
    _write_report(folder, report.as_dict(), pictures)
    return 0


def _certify(arguments: argparse.Namespace) -> int:
    from wpg import reports, runs

    given = [name for name, value in _options(arguments).items() if value is not None]
    target = Path(arguments.target)
    if arguments.target not in reports.PROBLEMS and target.exists():
        if given or arguments.grid is not None:
            raise UsageError("a run has its own problem; leave out the options of problems")
        return _certify_run(target, arguments)
    problem = reports.problem(arguments.target, **_options(arguments))
    if arguments.seed is not None:
        raise UsageError("--seed is for runs; nothing is drawn for a problem, leave it out")
    folder = runs.choose_folder(f"certify-{arguments.target}", arguments.out)
    from wpg import plots
    from wpg.exact import LQR

    if isinstance(problem, LQR) and arguments.grid is not None:
        raise UsageError("lqr is in closed form and takes no --grid")
    print(repr(problem), end="\n\n")
    if isinstance(problem, LQR):
        gain = reports.gain_report(problem)
        print(f"{gain.table()}\n\nno control at all:\n{gain.certificates[0]}\n")
        drawings = [lambda: plots.plot_gain(gain, folder / "gap.png")]
        _write_report(folder, gain.as_dict(), drawings)
        return 0
    flow = reports.flow_report(problem, n=arguments.grid)
    print(f"{flow.table()}\n\nat the start:\n{flow.certificates[0]}\n")
    content = {"problem": repr(problem), "flow": flow.as_dict()}
    pictures = [
        lambda: plots.plot_flow(flow, folder / "gap.png"),
        lambda: plots.plot_residual(flow, folder / "residual.png"),
    ]
    if problem.action_size == 1:
        floors = reports.bias_report(problem)
        print(f"what a step size costs (sup V* - V where the steps rest):\n{floors.table()}\n")
        content["bias"] = floors.as_dict()
        pictures.append(lambda: plots.plot_bias(floors, problem, folder / "bias.png"))
    _write_report(folder, content, pictures)
    return 0


def _certify_run(run: Path, arguments: argparse.Namespace) -> int:
    from wpg.certificates import certify_run
    from wpg.checkpoint import write_json

    found = certify_run(run, seed=arguments.seed or 0)
    print(found)
    path = (run if arguments.out is None else arguments.out) / "certificate.json"
    if run.is_dir() or arguments.out is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found.as_dict())
        print(f"-> {path}")
    return 0
