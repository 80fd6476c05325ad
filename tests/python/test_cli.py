"""The command line as a stranger uses it: run folders, kills, wrong words."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import small_environments

QUICK = [
    "--set",
    "warmup_steps=100",
    "--set",
    "centers=60",
    "--set",
    "planned_states=120",
    "--set",
    "evaluation_interval=200",
    "--set",
    "evaluation_episodes=2",
    "--set",
    "dynamics_centers=60",
    "--set",
    "refit_interval=100",
]


def wpg(*arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "wpg.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def train(folder: Path, *more: object) -> list[object]:
    return [
        "train",
        "Pendulum-v1",
        "--total-steps",
        600,
        "--seed",
        7,
        "--out",
        folder,
        *QUICK,
        *more,
    ]


def result(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "result.json").read_text())
    assert content.pop("wall_seconds") > 0  # type: ignore[operator]
    return content


def start_and_signal(
    folder: Path, arguments: list[object], number: int
) -> subprocess.CompletedProcess[str]:
    """Run the program and send it a signal when it has written a checkpoint."""
    checkpoint = folder / "checkpoint" / "agent.npz"

    def written() -> int:
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    before = written()
    process = subprocess.Popen(
        [sys.executable, "-m", "wpg.cli", *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and written() == before:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, stderr=errors)


@pytest.mark.end_to_end
def test_train_evaluate_and_resume_after_a_kill(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    wpg(*train(whole, "--threads", 1))
    content = result(whole)
    assert list(content) == ["env", "seed", "env_steps", "mean_return", "returns"]
    assert content["env_steps"] == 600
    assert len(content["returns"]) == 10  # type: ignore[arg-type]
    with open(whole / "evaluations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["env_steps"] for row in rows] == ["200", "400", "600"]
    assert list(rows[0]) == ["env_steps", "mean_return", "std_return"]
    assert len((whole / "progress.csv").read_text().splitlines()) == 4

    shown = wpg("evaluate", whole, "--episodes", 10).stdout
    assert f"mean return {content['mean_return']:.1f}" in shown

    # Stopped and killed, each time as soon as there is another checkpoint, and resumed: the same to
    # the last digit. A run may end before the third signal.
    killed = tmp_path / "killed"
    arguments = train(killed)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = start_and_signal(killed, arguments, number)
        assert process.returncode in (0, 128 + number, -number)
        arguments = ["train", "--resume", killed]
    wpg("train", "--resume", killed, "--threads", 2)
    assert result(killed) == content
    assert (killed / "evaluations.csv").read_bytes() == (whole / "evaluations.csv").read_bytes()
    assert b"\r" not in (killed / "progress.csv").read_bytes()

    # A finished run says so and changes nothing; a run folder is never overwritten.
    before = (killed / "result.json").read_text()
    assert "finished" in wpg("train", "--resume", killed).stderr
    assert "exists" in wpg(*train(killed), check=2).stderr
    assert (killed / "result.json").read_text() == before


@pytest.mark.end_to_end
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # So many steps that the run cannot end by itself before a busy machine looks again.
    done = start_and_signal(folder, train(folder, "--total-steps", 10**6), signal.SIGINT)
    assert done.returncode == 130, done.stderr
    assert f"wpg train --resume {folder}" in done.stderr
    assert "Traceback" not in done.stderr
    assert wpg("evaluate", folder, "--episodes", 1).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "which environment"),
        (["train", "CartPole-v1"], "Discrete"),
        (["train", "Nothing-v0"], "Nothing"),
        (["train", "Pendulum-v1", "--total-steps", "0"], "total_steps"),
        (["train", "Pendulum-v1", "--seed", "-1"], "seed"),
        (["train", "Pendulum-v1", "--temperature", "warm"], "temperature"),
        (["train", "Pendulum-v1", "--temperature", "-1"], "temperature"),
        (["train", "Pendulum-v1", "--set", "centres=3"], "centers"),
        (["train", "Pendulum-v1", "--set", "centers"], "KEY=VALUE"),
        (["train", "Pendulum-v1", "--set", "centers=lots"], "centers"),
        (["train", "Pendulum-v1", "--threads", "0"], "threads"),
        (["train", "--resume", "nowhere"], "no run folder"),
        (["train", "Pendulum-v1", "--resume", "nowhere"], "leave out ENV"),
        (["evaluate", "nowhere"], "no such file"),
        (["plot", "nowhere"], "no run folder|matplotlib"),
        (["plan", "nothing"], "problems are double-well, gaussian-mixture"),
        (["plan", "trig", "--step-size", "-1"], "step_size is -1.0; it must be positive"),
        (["plan", "trig", "--step-size", "x"], "--step-size: invalid float value: 'x'"),
        (["plan", "trig", "--particles", "1"], "n_particles is 1"),
        (["plan", "trig", "--discount", "1"], "discount is 1.0"),
        (["plan", "trig", "--temperature", "nan"], "temperature is nan"),
        (["plan", "trig", "--states", "0"], "n_states is 0"),
        (["plan", "trig", "--states", "1000000000000"], "Unable to allocate"),
        (["plan", "trig", "--support", "ball"], "--support: invalid choice: 'ball'"),
        (["plan", "trig", "--seed", "-1"], "seed is -1"),
        (["plan", "trig", "--step-size", ".1", "--target-gap", ".1"], "give one of them"),
        (["plan", "trig", "--particles", "8", "--entropy", "gaussian"], "on a torus"),
        (["plan", "lqr", "--states", "3"], "lqr has no option n_states"),
        (["plan", "lqr", "--step-size", "100"], "step_size is 100, too large"),
        (["plan", "multi-goal", "--actions", "3"], "multi-goal has no option action_size"),
        (["plan", "ring", "--states", "5"], "n_successors is 20"),
        (["plan", "trig", "--out", __file__], "exists; nothing was written"),
        (["plan", "trig", "--out", f"{__file__}/below"], "no folder that can be written to"),
        (["certify", "nothing"], "no problem and no run folder"),
        (["certify", "trig", "--grid", "1"], "n is 1; it must be an int of at least 2"),
        (["certify", "trig", "--grid", "1000000000"], "at most n = 4000000"),
        (["certify", "trig", "--actions", "3"], "grids are for one and two dimensions"),
        (["certify", "lqr", "--grid", "5"], "lqr is in closed form"),
        (["certify", "double-well", "--temperature", "0.001"], "temperature is 0.001, too low"),
        (["certify", str(Path(__file__).parent)], "is no run folder"),
    ],
)
def test_wrong_words_end_with_status_2_and_one_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wpg.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr

    assert re.search(words, done.stderr), done.stderr
    assert not any(tmp_path.iterdir())


def test_no_command_and_unknown_options(tmp_path: Path) -> None:
    assert wpg(check=2).stdout.startswith("usage")
    assert wpg("train", "Pendulum-v1", "--colour", "red", check=2).stderr
    assert wpg("--version").stdout.strip()


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    wpg(*train(folder, "--quiet", "--total-steps", 250))
    checkpoint = folder / "checkpoint" / "agent.npz"
    damaged = checkpoint.read_bytes()[:1000]
    checkpoint.write_bytes(damaged)
    os.remove(folder / "result.json")
    rows = (folder / "evaluations.csv").read_text()
    done = wpg("train", "--resume", folder, check=2)
    assert "damaged" in done.stderr
    assert "damaged" in wpg("evaluate", folder, check=2).stderr
    assert checkpoint.read_bytes() == damaged
    assert (folder / "evaluations.csv").read_text() == rows
    (folder / "config.json").write_text('{"env": 3}')
    assert "cannot be read" in wpg("train", "--resume", folder, check=2).stderr


def strict(path: Path) -> dict[str, object]:
    """JSON as the standard has it: without NaN and infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path.name} holds {name}")

    content: dict[str, object] = json.loads(path.read_text(), parse_constant=refuse)
    return content


@pytest.mark.end_to_end
@pytest.mark.parametrize("problem", ["trig", "lqr", "double-well"])
def test_plan_writes_a_report(tmp_path: Path, problem: str) -> None:
    folder = tmp_path / "deep" / "report"
    shown = wpg("plan", problem, "--particles", 64, "--iterations", 3, "--out", folder).stdout
    assert str(folder) in shown
    assert "standard error of V" in shown
    content = strict(folder / "certificate.json")
    assert content["iterations"] == 3
    assert content["exact_value"]
    before = (folder / "certificate.json").read_bytes()
    again = wpg("plan", problem, "--particles", 64, "--out", folder, check=2)
    assert "exists; nothing was written" in again.stderr
    assert (folder / "certificate.json").read_bytes() == before


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        ("trig", ["flow", "bias"]),
        ("lqr", ["gap", "floor_formula"]),
        ("double-well", ["flow", "bias"]),
    ],
)
def test_certify_writes_a_report(tmp_path: Path, problem: str, parts: list[str]) -> None:
    folder = tmp_path / "report"
    grid = [] if problem == "lqr" else ["--grid", 32]
    shown = wpg("certify", problem, *grid, "--out", folder).stdout
    assert "gap <=" in shown
    content = strict(folder / "certificate.json")
    assert set(parts) <= set(content)


BAD_FOLDERS = {
    "newer": "its format is 99, and this wpg reads 2",
    "locked": "another process writes to",
    "closed": "Permission denied|cannot make",
    "full": "File too large",
}


def main_says(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that fails says, in this process."""
    from wpg.cli import main

    assert main([str(a) for a in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_folder_belongs_to_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who comes second to an empty folder writes nothing, and a changed config.json is noticed."""
    from wpg.cli import main

    small_environments.register()
    folder = tmp_path / "run"
    words = ["train", "tests/Slide-v0", "--total-steps", "40", "--quiet", "--out", str(folder)]
    folder.mkdir()
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "another process writes to" in main_says(capsys, *words, "--seed", 2)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    os.close(lock)
    assert main([*words, "--seed", "1"]) == 0
    (folder / "result.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    for changed, said in (
        ({"seed": 2}, "seed is 2 in config.json and 1 in the checkpoint"),
        ({"settings": config["settings"] | {"ridge": 0.5}}, "ridge is 0.5 in config.json and"),
    ):
        (folder / "config.json").write_text(json.dumps(config | changed))
        capsys.readouterr()
        assert said in main_says(capsys, "train", "--resume", folder, "--quiet")
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0


def test_a_finished_run_whose_result_was_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from wpg.cli import main

    small_environments.register()
    folder = tmp_path / "run"
    words = ["train", "tests/Slide-v0", "--total-steps", "40", "--quiet", "--out", str(folder)]
    assert main(words) == 0
    result = (folder / "result.json").read_text()
    config = json.loads((folder / "config.json").read_text())
    capsys.readouterr()
    for damaged in ("{}", result[: len(result) // 2], "[" * 100_000):
        (folder / "result.json").write_text(damaged)
        said = main_says(capsys, "train", "--resume", folder, "--quiet")
        assert "result.json cannot be read" in said
    (folder / "result.json").unlink()
    for changed in ({"seed": 0.7}, {"seed": "0"}, {"total_steps": 1.5}, {"total_steps": -5}):
        (folder / "config.json").write_text(json.dumps(config | changed))
        assert next(iter(changed)) in main_says(capsys, "train", "--resume", folder, "--quiet")
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", str(folder), "--quiet"]) == 0
    again = json.loads((folder / "result.json").read_text())
    assert again["returns"] == json.loads(result)["returns"]


def test_a_last_evaluation_that_fails_loses_no_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from wpg.runs import load_agent

    small_environments.register()
    small_environments.BrokenCopy.made.clear()
    folder = tmp_path / "run"
    words = ["train", "tests/RaisingCopy-v0", "--total-steps", "40", "--quiet", "--out", folder]
    said = main_says(capsys, *words, "--set", "evaluation_interval=0")
    assert f"go on with: wpg train --resume {folder}" in said
    small_environments.BrokenCopy.made.clear()
    assert load_agent(folder).env_steps == 40


@pytest.mark.end_to_end
def test_a_worker_that_is_killed_is_named(tmp_path: Path) -> None:
    """As by a system that runs out of memory. The run has a checkpoint of the step before."""
    script = (
        "import os, signal, sys; from wpg.cli import main; from wpg.runs import Run\n"
        "call = Run.__call__\n"
        "def kill(run, agent, event, record):\n"
        "    call(run, agent, event, record)\n"
        "    if event == 'step' and record['env_steps'] == 40:\n"
        "        os.kill(agent.episodes.envs._made.env.processes[1].pid, signal.SIGKILL)\n"
        "Run.__call__ = kill\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    folder = tmp_path / "run"
    words = ["train", "Pendulum-v1", "--num-envs", "2", "--async-envs", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--total-steps", "60", "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert re.search("Pendulum-v1 raised .*; go on with", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
    from wpg.runs import load_agent

    assert load_agent(folder).env_steps == 40


def test_ctrl_c_while_python_leaves_changes_nothing() -> None:
    script = (
        "import atexit, os, signal; from wpg.cli import program\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "program()"
    )
    words = [sys.executable, "-c", script, "--version"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_written_replaces_files_alone(tmp_path: Path) -> None:
    from wpg.checkpoint import write_text
    from wpg.errors import UsageError

    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("before")
    link.symlink_to(real)
    write_text(link, "after")
    assert link.is_symlink()
    assert real.read_text() == "after"
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="is no file that could be replaced"):
            write_text(place, "after")


def test_an_environment_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wpg.cli import main

    folder, module = tmp_path / "run", "registered_environments"
    words = ["train", f"{module}:tests/Slide-v0", "--total-steps", "40", "--quiet"]
    assert main([*words, "--out", str(folder)]) == 0
    assert json.loads((folder / "config.json").read_text())["env"] == "tests/Slide-v0"
    assert main(["--import", module, "evaluate", str(folder), "--episodes", "1"]) == 0
    (tmp_path / "here.py").write_text("import registered_environments")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert main(["--import", "here", "evaluate", str(folder), "--episodes", "1"]) == 0
    capsys.readouterr()
    assert "--import nothing_there: No module" in main_says(
        capsys, "--import", "nothing_there", "evaluate", folder
    )
    said = main_says(capsys, "train", "nobody/Knows-v0", "--out", tmp_path / "other")
    assert "wpg --import MODULE" in said


@pytest.mark.end_to_end
@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_what_is_wrong_with_a_run_folder_is_said_and_nothing_is_lost(
    tmp_path: Path, case: str
) -> None:
    """A folder of a newer version, one that another process writes to, one without permission, and
    a disk that is full: a file-size limit, which fails a write in the same place."""
    folder, before = tmp_path / "run", None
    if case != "closed":
        wpg(*train(folder, "--total-steps", 300))
        (folder / "result.json").unlink()
        config = json.loads((folder / "config.json").read_text())
        config |= {"total_steps": 600} | ({"format": 99} if case == "newer" else {})
        (folder / "config.json").write_text(json.dumps(config))
        before = (folder / "checkpoint" / "agent.npz").read_bytes()
    arguments = ["train", "--resume", str(folder)]
    limit = 0
    if case == "locked":
        lock = os.open(folder / ".lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
    elif case == "closed":
        tmp_path.chmod(0o500)
        # Root may write everywhere but here.
        place = Path("/proc/wpg") if os.geteuid() == 0 else folder
        arguments = [str(a) for a in train(place)]
    elif case == "full":
        assert before is not None
        limit = len(before) - 1000
    script = (
        "import resource, sys; from wpg.cli import main;"
        f"{limit} and resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2, done.stderr
    assert re.search(BAD_FOLDERS[case], done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
    if before is not None:
        assert (folder / "checkpoint" / "agent.npz").read_bytes() == before
        assert [path.name for path in (folder / "checkpoint").iterdir()] == ["agent.npz"]
