"""What the certificate columns of the log cost, as a share of training.

    python bench/learning/certificate_cost.py

Trains as `wpg train ENV` does, with the defaults of each environment, and adds up the processor
time that the certificates take within it. The claim: less than 3 % of the processor time of
training, which has the evaluations in it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from wpg.agents import agent as agent_module
from wpg.agents import make_agent
from wpg.configurations import configure

CLAIM = 0.03
RUNS = (
    ("Pendulum-v1", "kernel", 3000),
    ("Pendulum-v1", "neural", 10_000),
    ("wpg/LQR-v0", "kernel", 2000),
)
MUJOCO = ("HalfCheetah-v5", "neural", 15_000)


def share(env: str, critic: str, steps: int) -> dict[str, float]:
    """Processor seconds of one run, and of the certificates in it."""
    spent = [0.0]
    formulas = {
        name: getattr(agent_module, name)
        for name in ("bellman_residual", "kl_to_gibbs", "log_partition")
    }

    def timed(formula: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            spent[0] -= time.process_time()
            try:
                return formula(*arguments, **keywords)
            finally:
                spent[0] += time.process_time()

        return call

    for name, formula in formulas.items():
        setattr(agent_module, name, timed(formula))
    try:
        settings = configure(env, critic=critic).settings
        agent = make_agent(env, agent="wpg", critic=critic, seed=9000, **settings)
        before = time.process_time()
        agent.learn(steps)
        total = time.process_time() - before
    finally:
        for name, formula in formulas.items():
            setattr(agent_module, name, formula)
    return {
        "seconds": round(total, 2),
        "certificates": round(spent[0], 3),
        "share": spent[0] / total,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mujoco", action="store_true", help="HalfCheetah-v5 too")
    arguments = parser.parse_args()
    started = record.machine()
    figures: dict[str, Any] = {"claim": CLAIM}
    for env, critic, steps in (*RUNS, *((MUJOCO,) if arguments.mujoco else ())):
        name = f"{env}, {critic}, {steps} steps"
        figures[name] = share(env, critic, steps)
        print(f"{name}: {100 * figures[name]['share']:.2f} % of {figures[name]['seconds']} s")
    record.write("certificate_cost", figures, started)
    if any(isinstance(f, dict) and f["share"] >= CLAIM for f in figures.values()):
        sys.exit("more than claimed")


if __name__ == "__main__":
    main()
