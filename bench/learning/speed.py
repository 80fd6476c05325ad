"""Environment steps a second of learners that update at every step, in turn, on one thread.

    python bench/learning/speed.py
    python bench/learning/speed.py --memory wpg

Every learner lives in a process of its own; all are bound to the same processor. Each trains
without interruption as far as it knows: after `--chunk` steps it waits on a pipe until it is its
turn again, so that a machine that slows down slows all of them, and who begins changes from round
to round. Batch 256 and two layers of 256 are the defaults of all; the first `--learning-starts`
steps are random and another chunk is not timed, in which JAX compiles. No episode is evaluated.

Processor time is what counts; it holds every thread of a process. Wall time is beside it. Before
anything is timed a learner's action for one observation has to have changed over the chunk before:
a learner that does not learn is an error, not a figure.

`--memory LEARNER` measures instead the most memory that a process of our own holds: it learns until
all networks are there, its replay is filled up to `--transitions` (a million) with what random
actions bring, and it learns for a thousand steps more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from numpy.typing import NDArray

import learners
import record
from alternate import ratio
from wpg.benchmarks.peers import ONE_THREAD
from wpg.envs import make

BASELINE = "sb3-sac"


def settings(learner: str, learning_starts: int) -> dict[str, Any]:
    """Defaults, but for the number of random steps before the first update."""
    name = "warmup_steps" if learner in learners.OWN else "learning_starts"
    return {name: learning_starts}


def serve(learner: str, order: dict[str, Any], pipe: Connection) -> None:
    """In the process of its own: train, and time a chunk whenever the pipe says so."""
    os.sched_setaffinity(0, {order["processor"]})
    os.chdir(order["folder"])
    start, chunk, rounds = order["learning_starts"], order["chunk"], order["rounds"]
    observation = make(order["env"]).reset(seed=0)[None]
    began: list[float] = []
    action: list[NDArray[Any]] = []

    def on_step(env_steps: int, predict: learners.Predict) -> None:
        if env_steps == start:
            action.append(predict(observation))
        if env_steps < start + chunk or (env_steps - start) % chunk:
            return
        if began:
            spent = [time.process_time() - began[0], time.perf_counter() - began[1]]
            pipe.send({"cpu": spent[0], "wall": spent[1], "memory": learners.peak_memory()})
        else:
            if np.array_equal(action[0], predict(observation)):
                raise RuntimeError(f"{learner} has not changed its policy in {chunk} steps")
            pipe.send({"ready": learners.versions(learner)})
        if env_steps < start + (1 + rounds) * chunk:
            pipe.recv()
            began[:] = [time.process_time(), time.perf_counter()]

    try:
        learners.train(
            learner,
            order["env"],
            seed=order["seed"],
            total_steps=start + (1 + rounds) * chunk,
            on_step=on_step,
            settings=settings(learner, start),
        )
    except Exception as error:
        pipe.send({"failed": f"{type(error).__name__}: {error}"})


def measure(arguments: argparse.Namespace, folder: str) -> int:
    """All learners in turn; writes results/NAME.json. The number of those that failed.

    folder : where processes stand, because MuJoCo writes its log there
    """
    started = record.machine()
    context = multiprocessing.get_context("spawn")
    order = {
        "env": arguments.env,
        "learning_starts": arguments.learning_starts,
        "chunk": arguments.chunk,
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "processor": max(os.sched_getaffinity(0)),
    }
    os.environ.update(ONE_THREAD)  # for the processes that are started from here
    pipes: dict[str, Connection] = {}
    figures: dict[str, Any] = {"protocol": order, "learners": {}}
    failed = {}
    for learner in arguments.learners:  # one is ready before the next begins
        pipe, end = context.Pipe()
        here = {**order, "folder": folder}
        context.Process(target=serve, args=(learner, here, end), daemon=True).start()
        end.close()  # so that a process that died is noticed
        answer = receive(pipe)
        if "failed" in answer:
            failed[learner] = answer["failed"]
            print(f"{learner}: {answer['failed']}", flush=True)
            continue
        pipes[learner] = pipe
        figures["learners"][learner] = {"versions": answer["ready"], "rounds": []}
        print(f"{learner} is ready", flush=True)
    names = list(pipes)
    for turn in range(arguments.rounds):
        first = turn % max(len(names), 1)
        for learner in names[first:] + names[:first]:
            pipes[learner].send("go")
            answer = receive(pipes[learner])
            if "failed" in answer:
                sys.exit(f"{learner}, round {turn}: {answer['failed']}")
            figures["learners"][learner]["rounds"].append(answer)
    for found in figures["learners"].values():
        rounds = found.pop("rounds")
        found["peak memory MiB"] = round(rounds[-1]["memory"])
        for clock in ("cpu", "wall"):
            found[f"{clock} seconds"] = [round(turn[clock], 4) for turn in rounds]
            found[f"{clock} milliseconds a step"] = quartiles(
                [1e3 * turn[clock] / arguments.chunk for turn in rounds]
            )
    for learner, found in figures["learners"].items():
        for clock in ("cpu", "wall"):
            if BASELINE in names and learner != BASELINE:
                found[f"{BASELINE} over this, {clock}"] = ratio(
                    figures["learners"][BASELINE][f"{clock} seconds"], found[f"{clock} seconds"]
                )
        each = found["cpu milliseconds a step"]["median"]
        print(
            f"{learner:<12} {each:8.3f} CPU ms a step, {1e3 / each:7.1f} steps a CPU second, "
            f"{BASELINE} over this {found.get(f'{BASELINE} over this, cpu', '')}"
        )
    figures["failed"] = failed
    if names:
        record.write(arguments.name, figures, started)
    return len(failed)


def receive(pipe: Connection) -> dict[str, Any]:
    try:
        return pipe.recv()
    except EOFError:
        return {"failed": "the process has ended"}


def quartiles(values: list[float]) -> dict[str, float]:
    low, median, high = np.percentile(values, [25, 50, 75])
    return {
        "median": round(float(median), 4),
        "quartile_low": round(float(low), 4),
        "quartile_high": round(float(high), 4),
    }


def hold(learner: str, arguments: argparse.Namespace, folder: str, pipe: Connection) -> None:
    """In the process of its own: fill a replay, learn on it, and say how much memory that took."""
    os.chdir(folder)
    try:
        pipe.send(fill(learner, arguments))
    except Exception as error:
        pipe.send({"failed": f"{type(error).__name__}: {error}"})


def fill(learner: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Peaks [MiB] before there is an agent, before its replay is full, and at the end."""
    begun = learners.peak_memory()  # imports
    agent = learners.make_own(
        learner, arguments.env, arguments.seed, settings(learner, arguments.learning_starts)
    )
    agent.learn(arguments.learning_starts + 200)
    learning = learners.peak_memory()
    env = make(arguments.env)
    _, low, high = env.support.arrays(env.action_size, np.float64)
    rng = np.random.default_rng(arguments.seed)
    seen, observation = [], env.reset(0)
    for _ in range(1000):
        action = rng.uniform(low, high).astype(np.float32)
        following, reward, terminated, truncated = env.step(action)
        seen.append((observation, action, reward, following, terminated))
        observation = env.reset(0) if terminated or truncated else following
    for row in range(len(agent.replay), arguments.transitions):
        agent.replay.add(*seen[row % len(seen)])
    agent.learn(1000)
    return {
        "transitions": len(agent.replay),
        "peak MiB: before there is an agent": round(begun),
        "peak MiB: before the replay is filled": round(learning),
        "peak MiB": round(learners.peak_memory()),
    }


def measure_memory(arguments: argparse.Namespace, folder: str) -> None:
    started = record.machine()
    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    context.Process(
        target=hold, args=(arguments.memory, arguments, folder, end), daemon=True
    ).start()
    end.close()
    answer = receive(pipe)
    if "failed" in answer:
        sys.exit(f"{arguments.memory}: {answer['failed']}")
    figures = {"env": arguments.env, "learner": arguments.memory, **answer}
    print(figures)
    record.write(f"{arguments.name}_memory", figures, started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("env", nargs="?", default="HalfCheetah-v5")
    parser.add_argument(
        "--learners",
        nargs="+",
        default=["sb3-sac", "sbx-sac", "wpg-sac-plain", "wpg-sac", "wpg"],
        choices=learners.LEARNERS,
    )
    parser.add_argument("--learning-starts", type=int, default=1000)
    parser.add_argument("--chunk", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", choices=learners.OWN, metavar="LEARNER")
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--name", default="speed")
    arguments = parser.parse_args()
    for name in ("learning_starts", "chunk", "rounds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.memory is not None:
            measure_memory(arguments, folder)
        elif measure(arguments, folder):
            sys.exit(1)


if __name__ == "__main__":
    main()
