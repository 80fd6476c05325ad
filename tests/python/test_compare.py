"""bench/learning/compare.py: what is run again, what the table says, and that looking is free."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

import small_environments
import wpg

small_environments.register()
BENCH = Path(__file__).resolve().parents[2] / "bench"
QUICK: dict[str, Any] = {
    "warmup_steps": 60,
    "refit_interval": 60,
    "centers": 40,
    "planned_states": 80,
    "dynamics_centers": 40,
    "particles": 16,
    "sweeps": 40,
}


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script as a module, whose results go into a folder of the test."""
    for folder in (BENCH, BENCH / "learning"):
        monkeypatch.syspath_prepend(folder)
    module = importlib.import_module("compare")
    monkeypatch.setattr(module.record, "RESULTS", tmp_path / "bench" / "results")
    return module


def row(learner: str, seed: int, final: float, env: str = "Hopper-v5", **more: Any) -> Any:
    return {
        "learner": learner,
        "env": env,
        "seed": seed,
        "total_steps": 200,
        "episodes": 2,
        "evaluations": [[100, 0.0, [0.0, 0.0]], [200, final, [final - 1.0, final + 1.0]]],
        "cpu_seconds": 2.0 + seed,
        "wall_seconds": 4.0,
        "peak_memory_mib": 100 + seed,
        "machine": {"processor": "P", "load": seed},
        "versions": {"gymnasium": "1"},
        "settings": {"batch": 256},
        "date": "2026-11-22",
        "workers": 1,
        **more,
    }


def test_finished_runs_are_not_repeated(compare: Any) -> None:
    asked = argparse.Namespace(
        envs=["Hopper-v5"], learners=["wpg", "sb3-sac"], seeds=(0, 2), total_steps=200, episodes=2
    )
    assert len(compare.missing_runs(asked)) == 4
    compare.append_row(row("wpg", 0, 1.0))
    compare.append_row(row("sb3-sac", 1, 1.0, total_steps=100))  # another length is another run
    left = [(run["learner"], run["seed"]) for run in compare.missing_runs(asked)]
    assert left == [("sb3-sac", 0), ("wpg", 1), ("sb3-sac", 1)]


@pytest.mark.closed_form
def test_report(compare: Any) -> None:
    for seed, final in enumerate((30.0, 10.0, 20.0, 90.0)):
        compare.append_row(row("wpg", seed, final))
    for seed, final in enumerate((1.0, 2.0, 3.0)):
        compare.append_row(row("sb3-sac", seed, final))
    compare.append_row(row("wpg", 0, -5.0, env="Ant-v5"))
    compare.append_row(row("sb3-sac", 0, -4.0, env="Ant-v5", workers=2))
    compare.report()
    results = compare.record.RESULTS
    figures = json.loads((results / "compare.json").read_text())["figures"]
    hopper = figures["comparisons"]["Hopper-v5, 200 steps, 2 episodes"]
    ours, theirs = hopper["wpg"], hopper["sb3-sac"]
    assert ours["final returns"] == [30.0, 10.0, 20.0, 90.0]
    assert (ours["interquartile mean"], ours["mean"]) == (25.0, 37.5)
    assert 10.0 <= ours["interval 95 %"][0] <= 25.0 <= ours["interval 95 %"][1] <= 90.0
    assert theirs["interquartile mean"] == theirs["mean"] == 2.0
    assert ours["against sb3-sac"]["intervals"] == "above"
    assert ours["against sb3-sac"]["probability of improvement"] == 1.0
    # 2 to 5 seconds in 200 steps.
    spread = {"median": 17.5, "least": 10.0, "most": 25.0}
    assert ours["cpu milliseconds a step"] == spread
    assert ours["peak memory MiB"] == 103
    ant = figures["comparisons"]["Ant-v5, 200 steps, 2 episodes"]
    assert ant["wpg"]["interval 95 %"] == [-5.0, -5.0]
    assert ant["wpg"]["against sb3-sac"]["intervals"] == "one seed"
    overall = figures["all comparisons against sb3-sac"]["wpg"]
    assert (overall["comparisons"], overall["probability of improvement"]) == (2, 0.5)
    page = (results / "compare.md").read_text()
    assert "| wpg | 25 |" in page
    assert "| sb3-sac* | -4 |" in page


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no runs in"),
        ([row("wpg", 0, 1.0), row("wpg", 0, 1.0)], "wpg with seed 0 twice"),
        (
            [row("wpg", 0, 1.0), row("wpg", 1, 1.0, settings={"batch": 64})],
            "seeds 0 and 1 have different settings .batch.",
        ),
    ],
)
def test_rows_that_do_not_belong_together(compare: Any, rows: list[Any], message: str) -> None:
    for each in rows:
        compare.append_row(each)
    with pytest.raises(SystemExit, match=message):
        compare.report()


def test_a_line_that_was_cut_off_is_named(compare: Any) -> None:
    compare.append_row(row("wpg", 0, 1.0))
    path = compare.rows_path("Hopper-v5")
    path.write_text(path.read_text() + '{"learner": "wp')
    with pytest.raises(SystemExit, match="line 2 is no JSON"):
        compare.report()


@pytest.mark.end_to_end
def test_evaluations_leave_no_trace(compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last evaluation is that of an agent that learned without being looked at."""
    monkeypatch.setattr(compare.learners, "settings_for", lambda *_: QUICK)
    env_id = "tests/Slide-v0"
    with wpg.num_threads(wpg.get_num_threads()):  # the script takes one, for good
        found = compare.run_once("wpg-kernel", env_id, 3, total_steps=150, interval=40, episodes=2)
    assert [steps for steps, _, _ in found["evaluations"]] == [40, 80, 120, 150]
    alone = wpg.WPG(env_id, seed=3, evaluation_interval=0, **QUICK).learn(150)
    assert found["evaluations"][-1][2] == alone.evaluate(2).returns
    assert found["settings"]["particles"] == 16
    assert found["cpu_seconds"] >= 0.0
    json.dumps(found)
