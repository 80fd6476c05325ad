"""A two-thread Langevin step while every core is kept busy by somebody else.

python bench/python/busy_cores.py
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np

import record
import wpg
from alternate import alternate, ratio


def spin() -> None:
    while True:
        pass


def main() -> None:
    started = record.machine()
    cores = len(os.sched_getaffinity(0))
    particles = np.zeros((4096, 64, 6), np.float32)
    out = np.empty_like(particles)

    def step() -> None:
        wpg.transport.langevin(
            particles,
            particles,
            step_size=0.01,
            temperature=0.5,
            seed=0,
            support=wpg.supports.Box(-1.0, 1.0),
            out=out,
        )

    def one() -> None:
        with wpg.num_threads(1):
            step()

    def two() -> None:
        with wpg.num_threads(2):
            step()

    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=spin, daemon=True) for _ in range(cores)]
    quiet = alternate({"one": one, "two": two}, rounds=31)["wall"]
    for process in busy:
        process.start()
    crowded = alternate({"one": one, "two": two}, rounds=101)["wall"]
    for process in busy:
        process.terminate()
    figures = {
        "cores": cores,
        "two threads over one, nobody else (wall)": ratio(quiet["two"], quiet["one"]),
        "two threads over one, every core busy (wall)": {
            "median": round(float(np.median(crowded["two"]) / np.median(crowded["one"])), 2),
            "mean": round(float(np.mean(crowded["two"]) / np.mean(crowded["one"])), 2),
        },
    }
    for name, value in figures.items():
        print(name, value)
    record.write("busy_cores", figures, started)


if __name__ == "__main__":
    main()
