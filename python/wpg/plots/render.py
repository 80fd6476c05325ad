"""What an environment draws of itself while an agent acts in it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wpg.envs import ContinuousEnv, make
from wpg.errors import UsageError
from wpg.evaluation import Evaluation, first_observation, start_seed, taken_step
from wpg.plots.film import best_ending, require_writer, write_film
from wpg.runs import Run, load_agent

__all__ = ["render_run"]

Frame = NDArray[np.uint8]

FPS = 30.0  # of environments that state none
MODES = ("best", "sample", "medoid")
OPENGL = (
    "MuJoCo wants EGL (MUJOCO_GL=egl, system package libegl1) or OSMesa (MUJOCO_GL=osmesa, system "
    "package libosmesa6)"
)
# Is there an OpenGL that MuJoCo can draw with outside a window? In a process of its own: once an
# import of one has failed, the others cannot be tried.
TRY_OPENGL = """
import mujoco
context = mujoco.GLContext(64, 64)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 150)
"""


def render_run(
    run: Path,
    out: Path | None = None,
    *,
    episodes: int = 1,
    seed: int = 0,
    mode: str = "best",
    fps: float | None = None,
    max_steps: int | None = None,
) -> tuple[Path, Evaluation]:
    """A film of whole episodes of a run's policy, as the environment draws them ("rgb_array").

    Parameters
    ----------
    run : run folder; its environment is made anew
    out : .mp4 or .gif; None for policy.mp4 in the run folder, policy.gif where there is no encoder
    episodes : one after the other; they start as those of an evaluation with this seed
    seed : names the starts, and the draws of `mode`
    mode : "best", "sample" or "medoid", see `Agent.predict`
    fps : frames a second; None for what the environment states, 30 if it states none
    max_steps : an episode is left after so many; None for never

    Returns
    -------
    The file, and returns [reward] and lengths of the episodes as they were shown.

    Cost: a step, a prediction and a picture for each frame; a GIF keeps all of them until the end.

    Errors: `UsageError` where something is missing, with what to do; `EpisodeError` if the
    environment raises an error. No file is written then.
    """
    for name, value in (("episodes", episodes), ("max_steps", max_steps)):
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must not be negative")
    if fps is not None and not 0.1 <= fps <= 1000:
        raise UsageError(f"fps is {fps}; it must be from 0.1 to 1000")
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}; it must be one of {', '.join(MODES)}")
    out = run / f"policy{best_ending()}" if out is None else out
    require_writer(out)
    config = Run(run).read_config()
    _choose_opengl(config["env"])
    with contextlib.closing(load_agent(run)) as agent:
        env = _rendering(agent.env)
        with contextlib.closing(env):
            speed = float(env.env.metadata.get("render_fps") or FPS) if fps is None else fps
            film = _Film(agent, env, episodes, seed, mode, max_steps)
            write_film(out, film.frames(), fps=speed)
    return out, Evaluation(tuple(film.returns), tuple(film.lengths))


def _rendering(env: ContinuousEnv) -> ContinuousEnv:
    """The environment once more, as one that draws; `UsageError` if it cannot."""
    modes = env.env.metadata.get("render_modes") or []
    if "rgb_array" not in modes:
        named = ", ".join(map(repr, modes)) or "none"
        raise UsageError(
            f"{env.name} cannot be rendered: it has no render mode 'rgb_array' (it has {named})"
        )
    # For pygame: no greeting, and no search for a screen, which none of this needs.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    try:
        made = make(gymnasium.make(env.name, render_mode="rgb_array", disable_env_checker=True))
        made.reset(0)
        _frame(made)
    except UsageError:
        raise
    except gymnasium.error.DependencyNotInstalled as error:
        said = " ".join(str(error).split())
        raise UsageError(f"{env.name} cannot be rendered: {said}") from None
    except Exception as error:  # whatever a library for graphics raises
        said = " ".join(str(error).split())
        advice = f"; {OPENGL}" if "mujoco" in sys.modules else ""
        raise UsageError(
            f"{env.name} cannot be rendered here: {type(error).__name__}: {said}{advice}"
        ) from error
    return made


def _frame(env: ContinuousEnv) -> Frame:
    """What the environment draws now (height, width, 3)."""
    frame: Any = env.env.render()
    if not (
        isinstance(frame, np.ndarray)
        and frame.dtype == np.uint8
        and frame.ndim == 3
        and frame.shape[2] == 3
    ):
        what = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else repr(frame)
        raise UsageError(
            f"{env.name} cannot be rendered: its 'rgb_array' is {what}, and must be uint8 "
            "(height, width, 3)"
        )
    return frame


class _Film:
    """Frames of episodes; `returns` and `lengths` grow while they are taken."""

    def __init__(
        self,
        agent: Any,
        env: ContinuousEnv,
        episodes: int,
        seed: int,
        mode: str,
        max_steps: int | None,
    ) -> None:
        self.agent, self.env, self.mode, self.max_steps = agent, env, mode, max_steps
        self.starts = [start_seed(seed, e) for e in range(episodes)]
        self.returns: list[float] = []
        self.lengths: list[int] = []

    def frames(self) -> Iterator[Frame]:
        drawn = 0  # steps so far, which name the draws of actions
        for episode, start in enumerate(self.starts):
            total, length, over = 0.0, 0, False
            where = f"of episode {episode}"
            observation = first_observation(self.env, start, where)
            yield self._titled(episode, length, total)
            while not over and length != self.max_steps:
                action, _ = self.agent.predict(observation, mode=self.mode, step=drawn)
                observation, reward, terminated, truncated = taken_step(
                    self.env, action, length, where
                )
                total, length, over = total + reward, length + 1, terminated or truncated
                drawn += 1
                yield self._titled(episode, length, total)
            self.returns.append(total)
            self.lengths.append(length)

    def _titled(self, episode: int, length: int, total: float) -> Frame:
        """The frame with its step and return in a corner, where there is room."""
        frame = _frame(self.env)
        height, width = frame.shape[:2]
        if width < 200 or height < 100 or importlib.util.find_spec("PIL") is None:
            return frame
        from PIL import Image, ImageDraw

        image = Image.fromarray(frame)
        draw = ImageDraw.Draw(image)
        text = f"episode {episode}   step {length}   return {total:.1f}"
        # Letters that are readable after a GIF has been shrunk.
        size = max(width // 28, 11)
        box = draw.textbbox((size // 2, size // 3), text, font_size=size)
        draw.rectangle((0, 0, box[2] + size // 2, box[3] + size // 3), fill="white")
        draw.text((size // 2, size // 3), text, fill="black", font_size=size)
        return np.asarray(image)


def _choose_opengl(env_id: str) -> None:
    """Set MUJOCO_GL to what works, for environments of MuJoCo; `UsageError` if nothing does.

    It is read when MuJoCo is imported, so it must be right before.
    """
    spec = gymnasium.registry.get(env_id)
    wants = spec is not None and "mujoco" in str(spec.entry_point)
    if not wants or importlib.util.find_spec("mujoco") is None or "mujoco" in sys.modules:
        return
    given = os.environ.get("MUJOCO_GL")
    on_a_screen = ("glfw",) if os.environ.get("DISPLAY") else ()
    for name in (given,) if given else (*on_a_screen, "egl", "osmesa"):
        tried = subprocess.run(
            [sys.executable, "-c", TRY_OPENGL],
            env={**os.environ, "MUJOCO_GL": name},
            capture_output=True,
            timeout=120,
        )
        if tried.returncode == 0:
            os.environ["MUJOCO_GL"] = name
            return
    what = f"MUJOCO_GL={given} does not work" if given else "neither works"
    raise UsageError(f"{env_id} cannot be rendered here: {OPENGL}, and {what}")
