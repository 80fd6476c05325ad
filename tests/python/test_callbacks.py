"""Who is told of training, and what: callbacks, the progress line, TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_environments
import wpg
from wpg.errors import UsageError
from wpg.progress_line import ProgressLine, duration
from wpg.tensorboard import TensorBoard

small_environments.register()

SMALL: dict[str, Any] = {
    "neural": {"width": 16, "depth": 1, "warmup_steps": 30, "batch_size": 8},
    "kernel": {"warmup_steps": 30, "centers": 20, "planned_states": 30, "dynamics_centers": 30},
}


def agent_of(critic: str, **more: Any) -> Any:
    settings = {"evaluation_interval": 40, "evaluation_episodes": 2, **SMALL[critic], **more}
    return wpg.WPG("tests/Slide-v0", critic=critic, seed=2, **settings)


@pytest.mark.parametrize("critic", ["neural", "kernel"])
def test_every_record_says_what_is_promised(critic: str) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    agent = agent_of(critic).learn(
        90, callback=lambda _, event, record: told.append((event, record))
    )
    by_event: dict[str, list[dict[str, Any]]] = {}
    for event, record in told:
        by_event.setdefault(event, []).append(record)
    assert len(by_event["step"]) == 90
    assert by_event["step"][-1] == {"env_steps": 90, "total_steps": 90}
    assert [record["env_steps"] for record in by_event["evaluation"]] == [40, 80]
    certificate = {"bellman_residual", "bellman_bias", "kl_to_gibbs"}
    wanted = {"env_steps", "mean_return", "std_return", *certificate}
    assert all(set(record) == wanted for record in by_event["evaluation"])
    wanted = {"env_steps", "episode", "return", "length", *agent.progress}
    assert all(set(record) == wanted for record in by_event["episode"])
    assert ("fit" in by_event) == (critic == "kernel")
    events = [event for event, _ in told]
    # Of one step: what was learnt, evaluated and ended, and then the step.
    at = [i for i, (_, record) in enumerate(told) if record["env_steps"] == 80]
    assert next(events[i] for i in at if events[i] != "fit") == "evaluation"
    assert events[at[-1]] == "step"


@pytest.mark.parametrize("critic", ["neural", "kernel"])
def test_false_and_only_false_ends_learning(critic: str) -> None:
    calls: list[int] = []
    several = [
        lambda _, event, record: calls.append(1),
        lambda _, event, record: 0 if event == "step" else None,
        lambda _, event, record: np.bool_(event != "step" or record["env_steps"] != 33),
    ]
    agent = agent_of(critic).learn(90, callback=several)
    assert agent.env_steps == 33
    assert len(calls) >= 33
    # What was learnt is what a shorter call learns.
    other = agent_of(critic).learn(33)
    assert agent.predict([0.4])[0] == other.predict([0.4])[0]


@pytest.mark.parametrize("callback", [3, [3], "step", {"step": print}])
def test_what_is_no_callback_is_named(callback: Any) -> None:
    with pytest.raises(UsageError, match="callback is"):
        agent_of("neural").learn(1, callback=callback)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line_on_a_terminal_and_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("wpg.progress_line.time.monotonic", lambda: 2.0 * next(clock))
    for stream in (Terminal(), io.StringIO()):
        agent_of("neural").learn(90, callback=ProgressLine(stream=stream))
        text = stream.getvalue()
        assert "      40 steps   evaluation -" in text
        if not stream.isatty():
            assert "\r" not in text
            continue
        # Two seconds a step: half a step a second.
        lines = text.replace("\x1b[K", "").split("\r")
        (line,) = (line for line in lines if line.startswith("      60/90 steps"))
        assert "0.5 steps/s   1:00 min left   return -" in line
        assert "T 0." in line
        assert "KL to Gibbs " in line
        assert text.endswith("\r\x1b[K")  # and nothing is left of it
    quiet = Terminal()
    agent_of("neural").learn(90, callback=ProgressLine(stream=quiet, quiet=True))
    assert quiet.getvalue() == ""


def test_durations_are_easy_to_read() -> None:
    assert [duration(s) for s in (0.4, 59.4, 61, 3599, 3601, 90061)] == [
        "0 s",
        "59 s",
        "1:01 min",
        "59:59 min",
        "1:00:01 h",
        "25:01:01 h",
    ]


def test_without_tensorboard_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(UsageError, match=r"pip install 'wpg\[tensorboard\]'"):
        TensorBoard(tmp_path)


def test_tensorboard_shows_the_log_and_forgets_what_was_cut(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs TensorBoard"
    )
    from wpg import runs

    folder = tmp_path / "run"
    settings = {"evaluation_interval": 40, "evaluation_episodes": 2, **SMALL["neural"]}
    keywords: dict[str, Any] = {"folder": folder, "settings": settings, "quiet": True}
    runs.train(
        "tests/Slide-v0", seed=2, total_steps=90, critic="neural", tensorboard=True, **keywords
    )
    shown = reader.EventAccumulator(str(folder / "tensorboard")).Reload()
    with open(folder / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    scalars = shown.Scalars("episode/return")
    assert [s.step for s in scalars] == [int(row["env_steps"]) for row in rows]
    for scalar, row in zip(scalars, rows, strict=True):
        assert scalar.value == pytest.approx(float(row["return"]), rel=1e-6)
    assert [s.step for s in shown.Scalars("evaluation/mean_return")] == [40, 80]
    assert "evaluation/kl_to_gibbs" in shown.Tags()["scalars"]

    # A run that goes on from step 50: what was written of later steps is not shown twice.
    again = TensorBoard(folder / "tensorboard", first_step=50)
    again(None, "evaluation", {"env_steps": 80, "mean_return": 1.0, "std_return": float("nan")})
    again.close()
    shown = reader.EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [s.step for s in shown.Scalars("evaluation/mean_return")] == [40, 80]
    assert shown.Scalars("evaluation/mean_return")[-1].value == 1.0
