"""Films of a policy; the environment here draws itself with NumPy."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest

import small_environments
from wpg import runs
from wpg.errors import EpisodeError, UsageError
from wpg.plots import film, render, render_run

small_environments.register()
SETTINGS: dict[str, Any] = {
    "warmup_steps": 60,
    "centers": 40,
    "planned_states": 80,
    "evaluation_interval": 0,
    "dynamics_centers": 40,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    runs.train(
        "tests/Drawn-v0", seed=0, total_steps=80, folder=folder, settings=SETTINGS, quiet=True
    )
    return folder


def want_pillow() -> Any:
    return pytest.importorskip("PIL.Image", reason="GIFs want Pillow: the extra 'plot'")


def read(path: Path) -> tuple[list[Any], int]:
    """Frames of a GIF, and how long one is shown [ms]."""
    with want_pillow().open(path) as image:
        assert image.format == "GIF"
        assert image.info["loop"] == 0
        duration = image.info["duration"]
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(np.asarray(image.convert("RGB")))
    return found, duration


@pytest.mark.end_to_end
def test_whole_episodes_as_a_gif(run: Path, tmp_path: Path) -> None:
    want_pillow()
    out, shown = render_run(run, tmp_path / "new" / "film.gif", episodes=2, seed=3)
    assert list(out.parent.iterdir()) == [out]
    assert shown == runs.load_agent(run).evaluate(episodes=2, seed=3)
    found, duration = read(out)
    assert len(found) == sum(shown.lengths) + 2  # and how an episode begins
    assert duration == 50
    env = gymnasium.make("tests/Drawn-v0", render_mode="rgb_array", disable_env_checker=True)
    env.reset(seed=30_001)
    assert np.array_equal(found[shown.lengths[0] + 1], env.render())


@pytest.mark.end_to_end
@pytest.mark.parametrize("mode", ["sample", "medoid"])
def test_modes_and_limits(run: Path, tmp_path: Path, mode: str) -> None:
    want_pillow()
    films = [
        render_run(run, tmp_path / f"{k}.gif", mode=mode, max_steps=5, fps=4)[0] for k in (0, 1)
    ]
    assert films[0].read_bytes() == films[1].read_bytes()
    found, duration = read(films[0])
    assert len(found) == 6
    assert duration == 250


# imageio's reader leaves its pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.end_to_end
def test_an_mp4_wherever_there_is_an_encoder(run: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="MP4 wants the extra 'render'")
    v3 = pytest.importorskip("imageio.v3", reason="MP4 wants the extra 'render'")
    out, shown = render_run(run)
    assert out == run / "policy.mp4"
    video = v3.imread(out)
    assert video.shape == (shown.lengths[0] + 1, 30, 24, 3)  # of 31 x 25: sides must be even
    assert v3.immeta(out)["fps"] == 20


def test_a_gif_where_there_is_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want_pillow()
    monkeypatch.setattr(film, "_encoder_missing", lambda: "imageio")
    out, _ = render_run(run, max_steps=2)
    assert out == run / "policy.gif"
    assert len(read(out)[0]) == 3
    with pytest.raises(UsageError, match=r"no MP4 without imageio: pip install 'wpg\[render\]'"):
        render_run(run, tmp_path / "film.mp4")


def test_neither_pillow_nor_encoder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    missing = ("PIL", "imageio")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(UsageError, match=r"no GIF without Pillow: pip install 'wpg\[render\]'"):
        render_run(run)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"episodes": 0}, "episodes is 0; it must be at least 1"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"mode": "all"}, "mode is 'all'; it must be one of best, sample, medoid"),
        ({"out": Path("film.avi")}, r"film\.avi must end in \.mp4 or \.gif"),
    ],
)
def test_what_cannot_be_meant(run: Path, keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        render_run(run, **keywords)


def test_no_run_folder(tmp_path: Path) -> None:
    want_pillow()
    with pytest.raises(UsageError, match="is no run folder"):
        render_run(tmp_path, tmp_path / "film.gif")


@pytest.mark.end_to_end
def test_an_environment_that_draws_nothing(tmp_path: Path) -> None:
    want_pillow()
    folder = tmp_path / "run"
    runs.train("tests/Slide-v0", seed=0, total_steps=3, folder=folder, settings={}, quiet=True)
    with pytest.raises(UsageError, match=r"no render mode 'rgb_array' \(it has none\)"):
        render_run(folder, tmp_path / "film.gif")


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("render_one", "said"),
    [
        (lambda env: None, "its 'rgb_array' is None, and must be uint8"),
        (lambda env: np.zeros((4, 4, 3)), r"its 'rgb_array' is float64 \(4, 4, 3\)"),
        (
            lambda env: _raise(gymnasium.error.DependencyNotInstalled("pip install\n'pygame'")),
            "cannot be rendered: pip install 'pygame'$",
        ),
        (lambda env: _raise(RuntimeError("no\ndisplay")), "here: RuntimeError: no display$"),
    ],
)
def test_what_goes_wrong_in_drawing_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render_one: Any, said: str
) -> None:
    want_pillow()
    monkeypatch.setattr(small_environments.Drawn, "render", render_one)
    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    with pytest.raises(UsageError, match=said):
        render_run(run, tmp_path / "film.gif")
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_middle_leaves_no_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want_pillow()
    step = small_environments.Drawn.step

    def failing(env: Any, action: Any) -> Any:
        return _raise(ZeroDivisionError("the motor")) if env.time == 4 else step(env, action)

    monkeypatch.setattr(small_environments.Drawn, "step", failing)
    with pytest.raises(EpisodeError, match="ZeroDivisionError in step 4 of episode 0: the motor"):
        render_run(run, tmp_path / "film.gif")
    assert not list(tmp_path.iterdir())


def test_gifs_are_no_faster_and_no_larger_than_viewers_show(tmp_path: Path) -> None:
    want_pillow()
    frames = [np.full((400, 800, 3), 40 * k, np.uint8) for k in range(6)]
    film.write_film(tmp_path / "film.gif", iter(frames), fps=125.0)
    found, duration = read(tmp_path / "film.gif")
    assert duration == 20  # every third of 125 a second are 41.7, 24 ms, in hundredths 20
    assert [int(frame[0, 0, 0]) for frame in found] == [0, 120]
    assert found[0].shape == (160, 320, 3)


@pytest.mark.parametrize(
    ("given", "works", "tried", "said"),
    [
        ({}, "egl", ["egl"], None),
        ({}, "osmesa", ["egl", "osmesa"], None),
        ({"DISPLAY": ":0"}, "glfw", ["glfw"], None),
        ({"DISPLAY": ":9"}, "egl", ["glfw", "egl"], None),
        ({}, "", ["egl", "osmesa"], "system package libegl1.* and neither works"),
        ({"MUJOCO_GL": "osmesa"}, "egl", ["osmesa"], "MUJOCO_GL=osmesa does not work"),
    ],
)
def test_how_mujoco_draws_is_tried_in_another_process(
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    works: str,
    tried: list[str],
    said: str | None,
) -> None:
    asked = []

    def answer(command: Any, *, env: dict[str, str], **rest: Any) -> Any:
        asked.append(env["MUJOCO_GL"])
        return SimpleNamespace(returncode=int(env["MUJOCO_GL"] != works))

    monkeypatch.setattr(render.subprocess, "run", answer)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    for name in ("DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, given.get(name, ""))
    if said is None:
        render._choose_opengl("HalfCheetah-v5")
        assert os.environ["MUJOCO_GL"] == works
    else:
        with pytest.raises(UsageError, match=said):
            render._choose_opengl("HalfCheetah-v5")
    assert asked == tried
    asked.clear()
    render._choose_opengl("Pendulum-v1")
    assert not asked
