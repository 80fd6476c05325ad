"""Pictures are drawn where matplotlib is installed."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_environments
from wpg import clouds, intervals, runs
from wpg.checkpoint import write_json

pytest.importorskip("matplotlib", reason="pictures want the extra 'plot'")

from wpg import plots
from wpg.plots import policy
from wpg.plots.groups import grouped
from wpg.plots.runs import _over_seeds, _rows, _training_curves

small_environments.register()
SETTINGS: dict[str, Any] = {
    "warmup_steps": 60,
    "centers": 50,
    "planned_states": 100,
    "evaluation_interval": 60,
    "evaluation_episodes": 2,
    "dynamics_centers": 50,
}


def train(folder: Path, env: str, seed: int = 0, steps: int = 130, **more: Any) -> Path:
    settings = {**SETTINGS, **more}
    runs.train(env, seed=seed, total_steps=steps, folder=folder, settings=settings, quiet=True)
    return folder


def run_folder(
    folder: Path,
    *,
    env: str = "tests/Slide-v0",
    seed: int = 0,
    critic: str = "neural",
    settings: dict[str, Any] | None = None,
    evaluations: dict[int, float] | None = None,
    episodes: dict[str, list[object]] | None = None,
) -> Path:
    """A run folder with tables of one's own, and no agent."""
    folder.mkdir(parents=True)
    config = {"format": runs.FORMAT, "env": env, "seed": seed, "total_steps": 100}
    kind = {"agent": "wpg", "critic": critic, "settings": settings or {}}
    write_json(folder / "config.json", {**config, **kind})
    rows: list[list[object]] = [["env_steps", "mean_return", "std_return"]]
    rows += [[n, y, 1.0] for n, y in (evaluations or {}).items()]
    columns = episodes or {"env_steps": [], "return": [], "wall_seconds": []}
    for name, table in (
        ("evaluations.csv", rows),
        ("progress.csv", [list(columns), *map(list, zip(*columns.values(), strict=True))]),
    ):
        with open(folder / name, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
    return folder


def png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def frames(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        assert image.format == "GIF"
        return int(image.n_frames)


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("env", "out", "names"),
    [
        ("tests/Slide-v0", None, "0/policy.png 0/cloud.gif 1/policy.png 1/cloud.gif"),
        ("tests/Many2-v0", "out", "policy.png cloud.gif policy-2.png cloud-2.gif"),
    ],
)
def test_pictures_of_two_seeds(tmp_path: Path, env: str, out: str | None, names: str) -> None:
    folders = [train(tmp_path / str(seed), env, seed) for seed in (0, 1)]
    said: list[str] = []
    written = plots.plot_runs(folders, tmp_path / out if out else None, said.append)
    assert not said
    shared = tmp_path / (out or "0")
    own = [(tmp_path / out if out else tmp_path) / name for name in names.split()]
    assert written == [shared / "learning.png", shared / "training.png", *own]
    for path in written:
        assert png(path) if path.suffix == ".png" else frames(path) == 2
        assert path.stat().st_size < 500_000


@pytest.mark.end_to_end
def test_more_than_two_action_dimensions_are_said_in_a_line(tmp_path: Path) -> None:
    folder = train(tmp_path / "run", "tests/Many3-v0", steps=70)
    said: list[str] = []
    written = plots.plot_runs([folder], None, said.append)
    assert [path.name for path in written] == ["learning.png", "training.png"]
    assert said[0].endswith("it shows one or two action dimensions, and tests/Many3-v0 has 3")
    assert said[1].startswith(f"no cloud.gif of {folder}: nothing is recorded")
    assert not any("\n" in line for line in said)
    assert not (folder / "clouds").exists()


@pytest.mark.end_to_end
def test_a_film_has_a_frame_for_each_of_evenly_spread_clouds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    draw = policy._frames
    monkeypatch.setattr(policy, "MOST_FRAMES", 3)
    monkeypatch.setattr(
        policy,
        "_frames",
        lambda film, title: (shown.extend(c.env_steps for c in film), draw(film, title))[1],
    )
    folder = train(tmp_path / "run", "tests/Slide-v0")
    first = np.load(folder / "clouds" / "60.npz")
    shutil.rmtree(folder / "clouds")
    (folder / "clouds").mkdir()
    for steps in range(1, 10):
        arrays = {**first, "env_steps": steps, "temperature": 1.0 / steps}
        np.savez(folder / "clouds" / f"{steps}.npz", **arrays)
    assert frames(plots.plot_cloud(folder, tmp_path / "cloud.gif")) == 3
    assert shown == [1, 5, 9]
    # A critic that has diverged has no density; the particles are still shown.
    arrays["density"] = np.full_like(first["density"], np.nan)
    np.savez(folder / "clouds" / "9.npz", **arrays)
    assert frames(plots.plot_cloud(folder, tmp_path / "cloud.gif")) == 3
    (folder / "clouds" / "9.npz").write_bytes(b"")
    said: list[str] = []
    plots.plot_runs([folder], tmp_path / "out", said.append)
    assert len(said) == 1
    assert "9.npz holds no clouds" in said[0]
    assert clouds.recorded(folder / "clouds")[-1].name == "9.npz"


def test_runs_are_grouped_by_all_but_their_seeds(tmp_path: Path) -> None:
    a = run_folder(tmp_path / "a", settings={"width": 8, "depth": 1})
    b = run_folder(tmp_path / "b", seed=1, settings={"depth": 1, "width": 8})
    wide = run_folder(tmp_path / "wide", settings={"width": 9, "depth": 1})
    kernel = run_folder(tmp_path / "kernel", critic="kernel", settings={"centers": 3})
    other = run_folder(tmp_path / "other", env="tests/Many2-v0", settings={"width": 8, "depth": 1})
    groups = grouped([a, wide, kernel, b, other, tmp_path / "kernel" / ".." / "a"])
    assert [(group.env, group.label, len(group.runs)) for group in groups] == [
        ("tests/Slide-v0", "wpg neural width=8", 2),
        ("tests/Slide-v0", "wpg neural width=9", 1),
        ("tests/Slide-v0", "wpg kernel", 1),
        ("tests/Many2-v0", "wpg neural width=8", 1),
    ]


def test_the_mean_over_seeds_is_taken_where_all_have_a_step() -> None:
    rng = np.random.default_rng(0)
    steps = [np.array([10.0, 20.0, 30.0]), np.array([10.0, 30.0, 40.0]), np.array([10.0, 30.0])]
    returns = [rng.normal(size=len(s)) for s in steps]
    common, middle, low, high = _over_seeds(list(zip(steps, returns, strict=True)))
    assert common.tolist() == [10.0, 30.0]
    at_30 = np.array([[returns[0][2]], [returns[1][1]], [returns[2][1]]])
    assert middle[1] == intervals.interquartile_mean(at_30)
    expected = intervals.stratified_bootstrap(
        at_30, intervals.interquartile_mean, confidence=0.95, resamples=1000
    )
    assert (middle[1], low[1], high[1]) == expected
    returns[1][1] = np.nan
    assert _over_seeds(list(zip(steps, returns, strict=True)))[0].tolist() == [10.0]
    nowhere = _over_seeds([(np.array([1.0]), np.ones(1)), (np.array([2.0]), np.ones(1))])
    assert [len(part) for part in nowhere] == [0, 0, 0, 0]


def test_speed_and_columns_of_training() -> None:
    # 100 steps a second, but for the evaluations every 1000 steps that take 5 s each.
    steps = np.arange(10.0, 10_001.0, 10.0)
    rows = {
        "env_steps": steps,
        "wall_seconds": steps / 100 + 5 * (steps // 1000),
        "temperature": np.where(steps < 5000, np.nan, 2.0),
        "entropy": np.full(len(steps), np.nan),
    }
    found = _training_curves(rows, {"env_steps": np.arange(1000.0, 10_001.0, 1000.0)})
    assert list(found) == ["temperature", "steps_per_second"]
    assert np.allclose(found["steps_per_second"][1], 1000 / 15)
    assert len(found["steps_per_second"][0]) == 10
    temperature_steps, temperature = found["temperature"]
    assert len(temperature) == 200
    assert (temperature == 2.0).all()
    assert temperature_steps[0] >= 5000
    assert _training_curves({}, {}) == {}
    one = {"env_steps": np.array([3.0]), "wall_seconds": np.array([0.0])}
    assert _training_curves(one, {}) == {}


def test_tables_with_empty_cells_and_a_line_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    path.write_text("env_steps,kl_to_gibbs\n10,\n20,0.5\n3")
    rows = _rows(path)
    assert rows["env_steps"].tolist() == [10.0, 20.0]
    assert np.isnan(rows["kl_to_gibbs"][0])
    path.write_text("env_steps,kl_to_gibbs\n10\n")
    with pytest.raises(ValueError, match=r"progress\.csv cannot be read"):
        _rows(path)


def test_pictures_of_anything_that_a_folder_may_hold(tmp_path: Path) -> None:
    """Certificates in two runs of three, a run without evaluations, one with nothing, two
    environments; and no agent in any of them."""
    steps: list[object] = [50, 100, 150]
    episodes = {
        "env_steps": steps,
        "return": [1.0, 2.0, 3.0],
        "temperature": [1.0, 1e-3, 1e-4],
        "bellman_residual": ["", 0.5, 0.25],
        "wall_seconds": [1.0, 2.0, 3.0],
    }
    with_kl = {**episodes, "kl_to_gibbs": [0.5, -0.01, 0.1]}
    folders = [
        run_folder(tmp_path / "a", evaluations={50: 1.0, 100: 2.0}, episodes=episodes),
        run_folder(tmp_path / "b", seed=1, evaluations={100: 3.0}, episodes=with_kl),
        run_folder(tmp_path / "c", seed=2, episodes=with_kl),
        run_folder(tmp_path / "d", critic="kernel", evaluations={100: 2.0}),
        run_folder(tmp_path / "e", env="tests/Many2-v0"),
    ]
    said: list[str] = []
    written = plots.plot_runs(folders, tmp_path / "out", said.append)
    assert [path.name for path in written] == ["learning.png", "training.png"]
    assert all(png(path) for path in written)
    assert len(said) == 10
    assert "has no checkpoint yet" in said[0]

    said.clear()
    written = plots.plot_runs(folders[-1:], None, said.append)
    assert [path.name for path in written] == ["learning.png"]
    assert said[0] == "no training.png: no episode of training has ended yet"
