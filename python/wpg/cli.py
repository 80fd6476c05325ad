"""The command line: wpg train | evaluate | plot | plan | certify | bench."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from wpg.errors import DivergenceError, NonFiniteError, UsageError

__all__ = ["main"]


# Of a run that says nothing else: what each kind of critic needs on the tasks that it is for.
TOTAL_STEPS = {"kernel": 3000, "neural": 100_000}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wpg",
        description="Wasserstein policy gradient: particle policies, trained and measured.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train an agent and write a run folder")
    train.add_argument("env", nargs="?", metavar="ENV", help="id of a Gymnasium environment")
    train.add_argument(
        "--critic", choices=["kernel", "neural"], help="kind of soft Q-function (kernel)"
    )
    train.add_argument(
        "--agent",
        choices=["wpg", "sac"],
        help="particles, or a Gaussian a state: soft actor-critic",
    )
    train.add_argument(
        "--total-steps", type=int, metavar="N", help="environment steps (3000; neural 100000)"
    )
    train.add_argument("--seed", type=int, metavar="K", help="names every random draw (0)")
    train.add_argument("--temperature", metavar="T|auto", help="weight of entropy, reward units")
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder (runs/ENV-seedK)")
    train.add_argument("--threads", type=int, metavar="T", help="threads; no result depends on it")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run; no ENV then")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a setting; may be given again",
    )
    train.add_argument("--quiet", action="store_true", help="print the result line alone")

    evaluate = commands.add_parser("evaluate", help="evaluate the agent of a run folder")
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--episodes", type=int, default=10, metavar="E")
    evaluate.add_argument("--seed", type=int, default=0, metavar="K")
    evaluate.add_argument("--threads", type=int, metavar="T")

    plot = commands.add_parser("plot", help="draw learning.png and policy.png of run folders")
    plot.add_argument("run", type=Path, nargs="+", metavar="RUN")
    plot.add_argument("--out", type=Path, metavar="DIR", help="where to (the first RUN)")

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

    certifying = commands.add_parser(
        "certify", help="how far from optimal: the exact flow of a problem, or a training run"
    )
    certifying.add_argument("target", metavar="PROBLEM|RUN", help=_problem_names())
    _problem_options(certifying)
    certifying.add_argument("--grid", type=int, metavar="n", help="points a dimension")
    certifying.add_argument("--seed", type=int, metavar="K", help="of a run's new episodes (0)")
    certifying.add_argument("--threads", type=int, metavar="T")

    bench = commands.add_parser(
        "bench", help="measure the compiled routines, or compare them with other libraries"
    )
    against = bench.add_mutually_exclusive_group()
    against.add_argument(
        "--peers", action="store_true", help="against NumPy, PyTorch and JAX, where installed"
    )
    against.add_argument(
        "--scaling", action="store_true", help="several threads (2) against one, in wall time"
    )
    bench.add_argument("--filter", default="", metavar="TEXT", help="only names that contain it")
    bench.add_argument("--list", action="store_true", help="print the names and leave")
    bench.add_argument("--repetitions", type=int, metavar="R", help="timings of each (15; 21)")
    bench.add_argument(
        "--min-time", type=float, metavar="S", help="seconds of one timing (0.02; peers 0.01)"
    )
    bench.add_argument("--threads", type=int, metavar="N", help="(1)", dest="bench_threads")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


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


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    from wpg.agents import parse_settings

    texts = {}
    for pair in arguments.settings:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair!r}: it must be KEY=VALUE")
        texts[key.strip()] = value.strip()
    if arguments.temperature is not None:
        texts["temperature"] = arguments.temperature
    return parse_settings(texts, *_agent_and_critic(arguments))


def _agent_and_critic(arguments: argparse.Namespace) -> tuple[str, str]:
    """What was asked for; soft actor-critic has one kind of critic."""
    agent = arguments.agent or "wpg"
    return agent, arguments.critic or ("neural" if agent == "sac" else "kernel")


def _train(arguments: argparse.Namespace) -> int:
    from wpg import runs

    if arguments.resume is not None:
        fixed = {
            "ENV": arguments.env,
            "--total-steps": arguments.total_steps,
            "--seed": arguments.seed,
            "--temperature": arguments.temperature,
            "--out": arguments.out,
            "--agent": arguments.agent,
            "--critic": arguments.critic,
            "--set": arguments.settings or None,
        }
        given = [name for name, value in fixed.items() if value is not None]
        if given:
            raise UsageError(
                f"--resume takes everything from the run; leave out {', '.join(given)}"
            )
        folder = arguments.resume
        result = runs.resume(folder, quiet=arguments.quiet)
    else:
        if arguments.env is None:
            raise UsageError("which environment? wpg train ENV, for instance wpg train Pendulum-v1")
        seed = 0 if arguments.seed is None else arguments.seed
        agent, critic = _agent_and_critic(arguments)
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed is {seed}; it must be from 0 to 2^63 - 1")
        folder = runs.new_folder(arguments.env, seed) if arguments.out is None else arguments.out
        result = runs.train(
            arguments.env,
            seed=seed,
            total_steps=TOTAL_STEPS[critic]
            if arguments.total_steps is None
            else arguments.total_steps,
            folder=folder,
            settings=_settings(arguments),
            agent=agent,
            critic=critic,
            quiet=arguments.quiet,
        )
    _draw(folder)
    print(
        f"{result['env']} seed {result['seed']}: mean return {result['mean_return']:.1f} over "
        f"{len(result['returns'])} episodes after {result['env_steps']} steps in "
        f"{result['wall_seconds']:.1f} s -> {folder}"
    )
    return 0


def _draw(folder: Path) -> None:
    from wpg import plots

    try:
        plots.plot_learning([folder], folder / "learning.png")
    except ImportError:
        print("no learning.png: pip install 'wpg[plot]' for pictures", file=sys.stderr)


def _evaluate(arguments: argparse.Namespace) -> int:
    from wpg import runs

    outcome = runs.evaluate_run(arguments.run, episodes=arguments.episodes, seed=arguments.seed)
    for episode, (total, length) in enumerate(zip(outcome.returns, outcome.lengths, strict=True)):
        print(f"episode {episode}: return {total:.1f}, {length} steps")
    print(f"mean return {outcome.mean:.1f} +- {outcome.std:.1f}")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from wpg import plots

    for path in plots.plot_runs(arguments.run, arguments.out):
        print(path)
    return 0


def _json(content: dict[str, Any]) -> str:
    """JSON, which knows no NaN and no infinity: null in their place."""
    import json
    import math

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(content), indent=2, allow_nan=False) + "\n"


def _write_report(folder: Path, content: dict[str, Any], pictures: list[Any]) -> None:
    """certificate.json and the pictures, where matplotlib is installed."""
    from wpg import runs
    from wpg.checkpoint import write_text

    runs.make_folder(folder)
    write_text(folder / "certificate.json", _json(content))
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
    from wpg.checkpoint import write_text

    found = certify_run(run, seed=arguments.seed or 0)
    print(found)
    path = (run if arguments.out is None else arguments.out) / "certificate.json"
    if run.is_dir() or arguments.out is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, _json(found.as_dict()))
        print(f"-> {path}")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from wpg import benchmarks
    from wpg.checkpoint import write_text

    compares = arguments.peers or arguments.scaling
    if arguments.list:
        names = benchmarks.work_names() if compares else benchmarks.case_names()
        print("\n".join(name for name in names if arguments.filter in name))
        return 0
    path: Path | None = arguments.json
    if path is not None:
        _require_writable(path)
    given = {
        "filter": arguments.filter,
        "repetitions": arguments.repetitions,
        "min_time": arguments.min_time,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    count: int | None = arguments.bench_threads
    if arguments.peers:
        if count not in (None, 1):
            raise UsageError(
                "--peers compares on one thread; leave out --threads, or use --scaling"
            )
        return benchmarks.run_peers(**options, json_path=path)
    if arguments.scaling:
        wanted = 2 if count is None else count
        return benchmarks.run_scaling(**options, threads_wanted=wanted, json_path=path)
    figures = benchmarks.run_cases(**options, threads=1 if count is None else count)
    if path is not None:
        write_text(path, _json(figures))
    return 0


def _require_writable(path: Path) -> None:
    """Refuse a file that cannot be written before minutes of measuring, not after."""
    import os

    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: it must be a file in a folder that exists")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status.

    0 done, 2 bad input, NaN from an environment or a critic that diverged, 130 stopped by Ctrl-C
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        import wpg

        print(wpg.__version__)
        return 0
    if arguments.command is None:
        parser.print_help()
        return 2
    try:
        if getattr(arguments, "threads", None) is not None:
            from wpg.threads import set_num_threads

            set_num_threads(arguments.threads)
        command = {
            "train": _train,
            "evaluate": _evaluate,
            "plot": _plot,
            "plan": _plan,
            "certify": _certify,
            "bench": _bench,
        }[arguments.command]
        return command(arguments)
    except (ValueError, TypeError, MemoryError, NonFiniteError, DivergenceError) as error:
        print(f"wpg: {' '.join(str(error).split()) or 'out of memory'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
