"""Which goals an agent goes to from the centre of wpg/MultiGoalPoint-v0, and how evenly.

    python bench/learning/multi_goal.py --learners wpg wpg-sac sb3-sac --seeds 0 3

Every learner is trained, and then 200 episodes start exactly at the centre, where all four goals
are equally good, with actions sampled from its policy. Counted are the goals; the entropy of the
counts is at most log 4 = 1.386, for a policy that divides itself evenly 1.379 on average, and at
least 1.3 is asked for. An episode without a goal after 30 steps is counted apart. Returns are not
discounted; the best one is about -111.

    wpg          wpg.WPG with the neural critic, which acts by a particle of its averaged generator
    wpg-gibbs    the same, which acts as it did in training: by one of 32 particles, drawn with the
                 weights that make them a sample of exp(Q / temperature)
    wpg-kernel   wpg.WPG with the kernel critic
    wpg-sac      wpg.SAC, a Gaussian policy on the same critic
    sb3-sac      Stable-Baselines3's SAC with its default settings, one thread
    random       uniform actions, untrained: what the figures are without any policy

`--temperature` fixes the temperature of all learners, in units of the reward; without it each does
what it does by default. Every finished run is written at once, and a run that stands in
results/NAME.json is not done again, so that the command goes on where it was stopped; the machine
and the date are those of the last command. The first seed's paths are drawn where matplotlib is.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gymnasium
import numpy as np
from numpy.typing import NDArray

import record
import wpg
from wpg.envs.multi_goal_point import GOALS, HALF_WIDTH
from wpg.mode_coverage import entropy_of_counts

ENV = "wpg/MultiGoalPoint-v0"
EPISODES = 200
ENOUGH = 1.3  # nats

Float32 = NDArray[np.float32]
Act = Callable[[Float32], Float32]
RUN = ("learner", "seed", "total_steps", "temperature")  # what a run is known by


def acting(agent: Any, mode: str = "sample") -> Act:
    return lambda observations: agent.predict(observations, mode=mode)[0]


def train_wpg(seed: int, steps: int, settings: dict[str, float]) -> Act:
    return acting(wpg.WPG(ENV, critic="neural", seed=seed, **settings).learn(steps))


def train_wpg_gibbs(seed: int, steps: int, settings: dict[str, float]) -> Act:
    return acting(wpg.WPG(ENV, critic="neural", seed=seed, **settings).learn(steps), "gibbs")


def train_wpg_kernel(seed: int, steps: int, settings: dict[str, float]) -> Act:
    return acting(wpg.WPG(ENV, seed=seed, evaluation_interval=0, **settings).learn(steps))


def train_wpg_sac(seed: int, steps: int, settings: dict[str, float]) -> Act:
    return acting(wpg.SAC(ENV, seed=seed, **settings).learn(steps))


def train_sb3_sac(seed: int, steps: int, settings: dict[str, float]) -> Act:
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
    fixed = {"ent_coef": settings["temperature"]} if settings else {}
    agent = stable_baselines3.SAC("MlpPolicy", ENV, seed=seed, device="cpu", **fixed)
    agent.learn(steps)
    return lambda observations: agent.predict(observations, deterministic=False)[0]


def train_random(seed: int, steps: int, settings: dict[str, float]) -> Act:
    rng = np.random.default_rng(seed)
    return lambda observations: rng.uniform(-1, 1, observations.shape).astype(np.float32)


LEARNERS: dict[str, Callable[[int, int, dict[str, float]], Act]] = {
    "wpg": train_wpg,
    "wpg-gibbs": train_wpg_gibbs,
    "wpg-kernel": train_wpg_kernel,
    "wpg-sac": train_wpg_sac,
    "sb3-sac": train_sb3_sac,
    "random": train_random,
}


@dataclass(frozen=True)
class Rollouts:
    """Episodes from the centre: positions (T + 1, 2), undiscounted return and goal of each, -1 for
    none."""

    paths: list[NDArray[np.float64]]
    returns: NDArray[np.float64]
    goals: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.goals[self.goals >= 0], minlength=len(GOALS))


def rollouts(act: Act, episodes: int = EPISODES) -> Rollouts:
    """Run episodes from the centre side by side: one call of `act` a step for all of them."""
    envs = [gymnasium.make(ENV) for _ in range(episodes)]
    centre = {"state": np.zeros(2)}
    seen = [[env.reset(seed=e, options=centre)[0]] for e, env in enumerate(envs)]
    returns, goals = np.zeros(episodes), np.full(episodes, -1)
    running = list(range(episodes))
    while running:
        actions = act(np.stack([seen[e][-1] for e in running]))
        still = []
        for e, action in zip(running, actions, strict=True):
            position, reward, terminated, truncated, info = envs[e].step(action)
            seen[e].append(position)
            returns[e] += reward
            goals[e] = info.get("goal", -1)
            if not (terminated or truncated):
                still.append(e)
        running = still
    return Rollouts([np.array(path, np.float64) for path in seen], returns, goals)


def draw(result: Rollouts, title: str, path: Path) -> None:
    """The episodes' paths over the squared distance to the nearest goal."""
    try:
        from wpg.plots.figure import COLOURS, GREY, bare, new_figure

        figure, axes = new_figure(5, 5)
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    axis = axes[0, 0]
    line = np.linspace(-HALF_WIDTH, HALF_WIDTH, 141)
    x, y = np.meshgrid(line, line)
    away = np.square(np.stack([x, y], axis=-1)[:, :, None] - GOALS).sum(axis=-1).min(axis=-1)
    axis.contour(x, y, away, levels=12, colors=GREY, linewidths=0.5, alpha=0.6)
    for path_of, goal in zip(result.paths, result.goals, strict=True):
        colour = GREY if goal < 0 else COLOURS[goal]
        axis.plot(path_of[:, 0], path_of[:, 1], "-", color=colour, alpha=0.3, linewidth=0.8)
    axis.plot(GOALS[:, 0], GOALS[:, 1], "k+")
    axis.set(title=title, aspect="equal", xlim=(-7, 7), ylim=(-7, 7))
    bare(axis)
    figure.savefig(path)
    print(f"-> {path.name}")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(run: dict[str, Any], picture: Path | None) -> dict[str, Any]:
    """Train and roll out: the run with its figures."""
    settings = {} if run["temperature"] is None else {"temperature": run["temperature"]}
    wall, cpu = time.perf_counter(), cpu_seconds()
    act = LEARNERS[run["learner"]](run["seed"], run["total_steps"], settings)
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    result = rollouts(act)
    counts = result.counts
    entropy = entropy_of_counts(counts)
    if picture is not None:
        title = f"{run['learner']}, seed {run['seed']}: {counts.tolist()}, {entropy:.2f} nats"
        draw(result, title, picture)
    return {
        **run,
        "goals": counts.tolist(),
        "no_goal": int(EPISODES - counts.sum()),
        "entropy_of_goals": round(entropy, 4),
        "mean_return": round(float(result.returns.mean()), 2),
        "mean_length": round(float(np.mean([len(path) - 1 for path in result.paths])), 2),
        "training_wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of every learner, with every number of steps and temperature apart: what its runs say."""
    figures: dict[str, Any] = {}
    for run in runs:
        name = f"{run['learner']}, {run['total_steps']} steps"
        if run["temperature"] is not None:
            name += f", temperature {run['temperature']:g}"
        figures.setdefault(name, []).append(run)
    for name, group in figures.items():
        entropies = [run["entropy_of_goals"] for run in group]
        figures[name] = {
            "runs": len(group),
            "runs that reach all four goals": sum(min(run["goals"]) > 0 for run in group),
            f"runs of at least {ENOUGH} nats": sum(entropy >= ENOUGH for entropy in entropies),
            "entropy of goals: median": float(np.median(entropies)),
            "entropy of goals: least": min(entropies),
            "mean return: median": float(np.median([run["mean_return"] for run in group])),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--learners", nargs="+", choices=LEARNERS, default=["wpg", "wpg-sac", "sb3-sac"]
    )
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3), metavar=("FROM", "TO"))
    parser.add_argument("--total-steps", type=int, default=20_000)
    parser.add_argument("--temperature", type=float, default=None)
    parser.add_argument("--name", default="multi_goal")
    arguments = parser.parse_args()
    started = record.machine()
    path = record.RESULTS / f"{arguments.name}.json"
    runs: list[dict[str, Any]] = []
    if path.exists():
        runs = json.loads(path.read_text())["figures"]["runs"]
    done = {tuple(run[key] for key in RUN) for run in runs}
    first = arguments.seeds[0]
    for seed in range(*arguments.seeds):
        for learner in arguments.learners:
            known = (learner, seed, arguments.total_steps, arguments.temperature)
            if known in done:
                print(learner, seed, "stands in the file")
                continue
            picture = path.with_name(f"{arguments.name}_{learner}.png") if seed == first else None
            runs.append(measured(dict(zip(RUN, known, strict=True)), picture))
            print({key: runs[-1][key] for key in ("learner", "seed", "goals", "mean_return")})
            record.write(
                arguments.name,
                {"episodes a run": EPISODES, "summary": summary(runs), "runs": runs},
                started,
            )


if __name__ == "__main__":
    main()
