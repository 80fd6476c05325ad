"""Sweeps: every run is that of `wpg train`, whatever was killed on the way."""

from __future__ import annotations

import csv
import fcntl
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import registered_environments  # noqa: F401
from wpg import runs
from wpg.cli import main
from wpg.errors import UsageError
from wpg.sweep import Request, Series, run_folders, workers
from wpg.sweep import sweep as work_on
from wpg.sweep.sweep import _Progress

LQR = "wpg/LQR-v0"
# It needs no SciPy, whose import takes longer than such a run.
MODULE, SLIDE = "registered_environments", "tests/Slide-v0"
LABEL = Path("tests-Slide-v0") / "wpg-neural"
# Networks so small that a run costs less than the start of its process.
QUICK = [
    f"{key}={value}"
    for key, value in {
        "warmup_steps": 20,
        "batch_size": 8,
        "width": 8,
        "evaluation_interval": 20,
        "evaluation_episodes": 1,
    }.items()
]


def command(out: Path, *more: object, steps: int = 40, seeds: tuple[int, int] = (0, 2)) -> Any:
    texts = [
        "sweep",
        "--envs",
        f"{MODULE}:{SLIDE}",
        "--seeds",
        *seeds,
        "--critic",
        "neural",
        "--set",
        *QUICK,
    ]
    return [str(text) for text in [*texts, "--total-steps", steps, "--out", out, *more]]


def train(out: Path, seed: int, steps: int = 40, agent: str = "wpg") -> None:
    options = [option for pair in QUICK for option in ("--set", pair)]
    words = ["train", SLIDE, "--agent", agent, "--critic", "neural", "--quiet", *options]
    assert main([*words, "--total-steps", str(steps), "--seed", str(seed), "--out", str(out)]) == 0


def content(run: Path) -> dict[str, Any]:
    """All that a run has written, without its wall time."""
    result = json.loads((run / "result.json").read_text())
    with np.load(run / "checkpoint" / "agent.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files}
    meta = json.loads(arrays.pop("meta.json"))
    for part in (result, meta):
        del part["wall_seconds"]
    with open(run / "progress.csv", newline="") as table:
        episodes = [
            {key: cell for key, cell in row.items() if key != "wall_seconds"}
            for row in csv.DictReader(table)
        ]
    written = {name: (run / name).read_bytes() for name in ("config.json", "evaluations.csv")}
    return {"result": result, "meta": meta, "episodes": episodes, **arrays, **written}


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.end_to_end
def test_every_run_is_that_of_wpg_train_and_none_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wpg.cli.train._draw", lambda folder: None)  # no picture
    folder = tmp_path / "sweep"
    asked = command(folder, "--agent", "wpg", "sac", seeds=(3, 4))
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "(1 of 2 done)" in shown.err
    assert "(2 of 2 done)" in shown.err
    assert re.match(r"environment +label +seeds +mean +IQM +95 % interval", shown.out)
    for agent, label in (("wpg", "wpg-neural"), ("sac", "sac")):
        train(tmp_path / agent, 3, agent=agent)
        there = folder / "tests-Slide-v0" / label
        assert content(there / "seed3") == content(tmp_path / agent)
        assert [path.name for path in there.iterdir()] == ["seed3"]  # no logs of nothing

    # With a seed more, in any words: the first ones stay.
    files = [path for path in folder.rglob("seed3/**/*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert main(command(folder, "--agent", "sac", "wpg", "--quiet", seeds=(3, 5))) == 0
    capsys.readouterr()
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert [row["state"] for row in rows(folder)] == ["finished"] * 4
    returns = {
        row["seed"]: float(row["mean_return"]) for row in rows(folder) if row["agent"] == "sac"
    }
    assert main(["sweep", "--resume", str(folder)]) == 0  # needs no environment any more
    done = capsys.readouterr()
    assert done.err == "4 of 4 runs are done already\n"
    line = next(line for line in done.out.splitlines() if " sac " in line).split()
    assert line[2:4] == ["2", f"{sum(returns.values()) / 2:.1f}"]
    assert line[5:8] == [f"{min(returns.values()):.1f}", "to", f"{max(returns.values()):.1f}"]

    # Its folder stands for its runs.
    every = sorted(str(path.parent) for path in folder.rglob("result.json"))
    assert main(["evaluate", *every, "--episodes", "1"]) == 0
    one_by_one = capsys.readouterr().out
    assert main(["evaluate", str(folder), "--episodes", "1"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(one_by_one.splitlines())


def test_the_folder_of_a_sweep_stands_for_the_runs_that_are_there(tmp_path: Path) -> None:
    request = Request((Series(SLIDE, "wpg-neural", "wpg", "neural", 40, {}),), (0, 1, 2))
    request.write(tmp_path)
    first, second, third = (run.folder for run in request.runs(tmp_path))
    other, said = tmp_path / "other", []
    with pytest.raises(UsageError, match=f"{tmp_path}: no run of this sweep has begun"):
        run_folders([tmp_path], finished=False)
    for run, names in ((first, ["config.json", "result.json"]), (second, ["config.json"])):
        run.mkdir(parents=True)
        for name in names:
            (run / name).write_text("{}")
    assert run_folders([other, tmp_path], finished=False, say=said.append) == [other, first, second]
    assert run_folders([tmp_path, other], finished=True, say=said.append) == [first, other]
    assert said == [
        f"{tmp_path}: 1 of 3 runs have not begun",
        f"{tmp_path}: 2 of 3 runs have not finished",
    ]
    third.mkdir()
    for run in (second, third):
        for name in ("config.json", "result.json"):
            (run / name).write_text("{}")
    assert run_folders([tmp_path], finished=True, say=pytest.fail) == [first, second, third]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wpg.cli", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for(process: subprocess.Popen[str], path: Path, size: int) -> None:
    """Until a file has grown beyond this size, or there will be nothing more."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.stat().st_size > size:
            return
        time.sleep(0.01)


@pytest.mark.end_to_end
def test_killed_and_begun_again_it_repeats_nothing_and_ends_the_same(tmp_path: Path) -> None:
    steps, folder = 2000, tmp_path / "sweep"
    asked = command(folder, "--set", "evaluation_interval=1000", "--workers", 1, steps=steps)
    first, second = (folder / LABEL / f"seed{seed}" for seed in (0, 1))
    # Killed when the first run is done and the second has begun: its process sees that it is alone.
    process = start(asked)
    wait_for(process, second / "progress.csv", 200)
    assert process.poll() is None
    process.kill()
    process.communicate()
    # The worker that it left may write until it sees that; what is measured below has to stay.
    workers.wait_until_free(second)
    done = {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file()}
    assert not (second / "result.json").exists()

    # Stopped by Ctrl-C: a checkpoint, and how to go on. It may be done before that.
    rows_before = (second / "progress.csv").stat().st_size
    process = start(asked)
    wait_for(process, second / "progress.csv", rows_before)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, 0)
    assert process.returncode == 0 or "of 2 runs done; go on with: the same command" in said
    assert "Traceback" not in said
    assert (second / "checkpoint" / "agent.npz").exists()

    assert main([*asked, "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file()} == done
    runs.train(
        SLIDE,
        seed=1,
        total_steps=steps,
        folder=tmp_path / "whole",
        settings=json.loads((second / "config.json").read_text())["settings"],
        critic="neural",
        quiet=True,
    )
    assert content(second) == content(tmp_path / "whole")


@pytest.mark.end_to_end
def test_a_run_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    words = ["sweep", "--envs", f"{MODULE}:tests/Raising-v0", SLIDE, "--seeds", "0", "1"]
    asked = [*words, "--critic", "neural", "--set", *QUICK, "evaluation_interval=0"]
    assert main([*asked, "--total-steps", "60", "--out", str(folder)]) == 1
    said = capsys.readouterr().err
    failed = re.findall(r"^failed: (.*)$", said, flags=re.M)
    assert len(failed) == 1
    assert failed[0].startswith("tests/Raising-v0 wpg-neural seed 0: EpisodeError: ")
    assert "the motor has no power" in failed[0]
    assert "try these again with: the same command" in said
    assert [row["state"] for row in rows(folder)] == ["failed", "finished"]
    log = folder / "tests-Raising-v0" / "wpg-neural" / "seed0.log"
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "--envs is missing"),
        (["--envs", LQR], "--seeds is missing"),
        (["--envs", LQR, "--seeds", "3", "3"], "seeds are 3 3"),
        (["--envs", LQR, "--seeds", "-1", "3"], "seeds are -1 3"),
        (["--envs", "Nothing-v0", "--seeds", "0", "2"], "Nothing"),
        (["--envs", "CartPole-v1", "--seeds", "0", "2"], "Discrete"),
        (["--envs", "nowhere.at_all:Door-v0", "--seeds", "0", "2"], "No module named 'nowhere'"),
        (["--envs", LQR, LQR, "--seeds", "0", "2"], "is asked for twice"),
        (["--envs", LQR, "--seeds", "0", "2", "--set", "centres=3"], "centers"),
        (["--envs", LQR, "--seeds", "0", "2", "--set", "ridge"], "KEY=VALUE"),
        (["--envs", LQR, "--seeds", "0", "2", "--vary", "ridge"], "KEY=V1,V2,..."),
        (["--envs", LQR, "--seeds", "0", "2", "--vary", "ridge=1,"], "ridge is ''"),
        (["--envs", LQR, "--seeds", "0", "2", "--vary", "ridge=.1,0.1"], "is asked for twice"),
        (
            ["--envs", LQR, "--seeds", "0", "2", "--vary", "ridge=1,2", "--set", "ridge=1"],
            "ridge is given twice",
        ),
        (
            ["--envs", LQR, "--seeds", "0", "2", "--agent", "wpg", "sac", "--critic", "kernel"],
            "sac goes with --critic neural",
        ),
        (["--envs", LQR, "--seeds", "0", "2", "--total-steps", "0"], "total_steps is 0"),
        (["--envs", LQR, "--seeds", "0", "2", "--workers", "0"], "workers is 0"),
        (["--resume", "nowhere"], "no folder of a sweep"),
        (["--resume", "nowhere", "--seeds", "0", "2"], "leave out --seeds"),
        (["--envs", LQR, "--seeds", "0", "2", "--out", __file__], "exists; nothing was written"),
    ],
)
def test_wrong_words_are_found_before_the_first_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert reason in said
    assert not any(tmp_path.iterdir())


def series(**changes: Any) -> Series:
    settings = dict(pair.split("=") for pair in QUICK)
    numbers = {key: int(value) for key, value in settings.items()}
    return Series(
        **{
            "env": SLIDE,
            "label": "wpg-neural",
            "agent": "wpg",
            "critic": "neural",
            "total_steps": 40,
            "settings": numbers,
        }
        | changes
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--set", "width=9"], "width is 8 there and 9 now (tests/Slide-v0 wpg-neural)"),
        (
            ["--total-steps", "50"],
            "total_steps of tests/Slide-v0 wpg-neural is 40 there and 50 now",
        ),
        (["--seeds", "1", "5"], "seed 0 is left out now (there: 0 to 1)"),
        (["--agent", "sac"], "tests/Slide-v0 wpg-neural is left out now"),
    ],
)
def test_another_sweep_in_the_same_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    Request((series(),), (0, 1)).complete().write(tmp_path)
    assert main(command(tmp_path, *words)) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert f"wpg sweep --resume {tmp_path}" in said
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["sweep.json"]


def test_a_folder_in_use_or_with_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Request((series(),), (0, 1)).complete()
    asked.write(tmp_path)
    lock = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for words in (command(tmp_path), ["sweep", "--resume", str(tmp_path)]):
        assert main(words) == 2
        assert "another process writes to" in capsys.readouterr().err
    os.close(lock)
    # In the place of the second run there is another.
    run = asked.runs(tmp_path)[1]
    runs.make_folder(run.folder)
    config = {"format": runs.FORMAT, **run.job(), "seed": 7}
    (run.folder / "config.json").write_text(json.dumps(config))
    assert main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "seed1 is another run: seed is 7 there and 1 in the sweep" in capsys.readouterr().err
    (run.folder / "config.json").rename(run.folder / "notes.txt")
    assert main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err
    (tmp_path / "sweep.json").write_text('{"format": 99}')
    assert main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "its format is 99" in capsys.readouterr().err
    assert not (tmp_path / "sweep.csv").exists()


def test_the_product_and_where_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(
        "wpg.sweep.sweep", lambda folder, request, **more: asked.append(request) or 0
    )
    words = ["sweep", "--envs", LQR, "wpg/Trig-v0", "--agent", "wpg", "sac", "--seeds", "4", "6"]
    varied = ["--critic", "kernel", "neural", "--vary", "temperature=0.1,auto", "discount=.5,0.9"]
    assert main([*words, *varied, "--out", str(tmp_path)]) == 0
    found = asked[0].runs(tmp_path)
    assert len(found) == len({run.folder for run in found}) == 2 * 3 * 4 * 2
    assert [run.seed for run in found] == [4] * 24 + [5] * 24
    one = found[5]
    assert one.folder == (
        tmp_path / "wpg-LQR-v0" / "wpg-neural_temperature=0.1_discount=0.9" / "seed4"
    )
    assert one.series.settings["discount"] == 0.9
    assert one.series.varied == ("temperature", "discount")
    # Asked for again without --out: the folder of the same words, if there is one.
    monkeypatch.chdir(tmp_path)
    from wpg.sweep import choose_folder

    assert choose_folder(asked[0], None) == Path("runs/sweep")
    Request((series(),), (0,)).write(Path("runs/sweep"))
    assert choose_folder(asked[0], None) == Path("runs/sweep-2")
    asked[0].write(Path("runs/sweep-2"))
    assert choose_folder(asked[0], None) == Path("runs/sweep-2")


def test_a_terminal_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    every = Request((series(),), (0, 1)).runs(tmp_path)
    terminal = Terminal()
    progress = _Progress(every, quiet=False, stream=terminal)
    runs.make_folder(every[0].folder)
    (every[0].folder / "progress.csv").write_text("env_steps,episode\n10,1\n20,2\n")
    now[0] += 4.0
    progress.show(set(every), 2)
    assert terminal.getvalue().endswith(
        "0/2 runs done, 2 in work   25% of all steps   5 steps/s   12 s left"
    )
    progress.failed(every[1], "no power")  # none of its steps are ahead any more
    now[0] += 6.0
    progress.show({every[0]}, 1)
    assert terminal.getvalue().endswith("1 in work   50% of all steps   2 steps/s   10 s left")


# Ray

NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (pip install 'wpg[ray]')"
)


def test_without_ray_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(command(tmp_path / "sweep", "--ray")) == 2
    assert capsys.readouterr().err == "wpg: --ray needs Ray: pip install 'wpg[ray]'\n"
    assert not (tmp_path / "sweep").exists()


@NEEDS_RAY
def test_a_ray_address_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wpg.sweep import on_ray

    monkeypatch.setattr(on_ray, "ANSWER_SECONDS", 1)
    assert main(command(tmp_path / "sweep", "--ray", "127.0.0.1:9")) == 2  # discard: nobody there
    said = capsys.readouterr().err
    assert "Ray at 127.0.0.1:9 does not answer within 1 seconds" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "sweep").exists()


@NEEDS_RAY
@pytest.mark.end_to_end
def test_ray_survives_the_loss_of_a_worker(tmp_path: Path) -> None:
    steps, folder = 1500, tmp_path / "sweep"
    asked = command(folder, "--set", "evaluation_interval=700", steps=steps)
    run = folder / LABEL / "seed1"
    process = start([*asked, "--ray"])
    wait_for(process, run / "checkpoint" / "agent.npz", 0)
    lock = str(run / ".lock")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == lock:
                os.kill(int(descriptor.parts[2]), signal.SIGKILL)
                break
        except OSError:  # a process of somebody else, or one that has ended
            continue
    else:
        pytest.fail("no worker holds the lock of the run")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(said.splitlines()) == 2, said  # one a run, none of Ray
    request = Request.read(folder)
    for seed in request.seeds:
        whole = tmp_path / f"whole{seed}"
        runs.train(
            SLIDE,
            seed=seed,
            total_steps=steps,
            folder=whole,
            settings=request.series[0].settings,
            critic="neural",
            quiet=True,
        )
        assert content(run.with_name(f"seed{seed}")) == content(whole)
    assert work_on(folder, quiet=True) == 0
