"""Films: GIFs by Pillow, which comes with matplotlib, and MP4s by imageio's ffmpeg."""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.errors import UsageError

__all__ = ["best_ending", "require_writer", "write_film", "write_gif"]

Frame = NDArray[np.uint8]  # (height, width, 3), red, green and blue

FASTEST_GIF = 50.0  # frames a second; what is meant to be shorter than 20 ms viewers show slowly
WIDEST_GIF = 320  # pixels of a rendered frame
INSTALL = "pip install 'wpg[render]' for MP4, or 'wpg[plot]' for GIF"


def best_ending() -> str:
    """ ".mp4" where an encoder is installed, otherwise ".gif"."""
    return ".mp4" if _encoder_missing() is None else ".gif"


def require_writer(out: Path) -> None:
    """`UsageError` unless films of this file's ending can be written here."""
    if out.suffix == ".gif":
        if importlib.util.find_spec("PIL") is None:
            raise UsageError(f"no GIF without Pillow: {INSTALL}")
    elif out.suffix == ".mp4":
        missing = _encoder_missing()
        if missing is not None:
            raise UsageError(f"no MP4 without {missing}: {INSTALL}")
    else:
        raise UsageError(f"{out} must end in .mp4 or .gif")


def _encoder_missing() -> str | None:
    """What MP4s want and this machine has not."""
    for module, name in (("imageio", "imageio"), ("imageio_ffmpeg", "imageio-ffmpeg")):
        if importlib.util.find_spec(module) is None:
            return name
    import imageio_ffmpeg

    try:
        imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        return "the program ffmpeg"
    return None


def write_film(out: Path, frames: Iterator[Frame], *, fps: float) -> None:
    """Write frames of one size to an MP4 or a GIF, by the file's ending, whole or not at all.

    Frames are taken one after the other. A GIF has no more than 50 frames a second and 320 pixels
    in width: others are left out, larger ones are shrunk.
    """
    require_writer(out)
    if out.suffix == ".mp4":
        _whole(out, lambda path: _write_mp4(path, frames, fps))
        return
    every = math.ceil(fps / FASTEST_GIF)
    shrunk = (_shrunk(frame) for frame in itertools.islice(frames, 0, None, every))
    write_gif(out, shrunk, fps=fps / every)


def write_gif(out: Path, frames: Iterator[Frame], *, fps: float, colours: int = 128) -> None:
    """Write frames of one size to a GIF that goes on for ever, whole or not at all."""
    from PIL import Image

    images = (
        Image.fromarray(frame).quantize(
            colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        for frame in frames
    )
    first = next(images)
    duration = max(round(100.0 / fps), 2) * 10  # ms; GIFs count hundredths of a second
    _whole(
        out,
        lambda path: first.save(
            path, "GIF", save_all=True, append_images=images, duration=duration, loop=0
        ),
    )


def _whole(out: Path, write: Any) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.part{out.suffix}")
    try:
        write(temporary)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def _shrunk(frame: Frame) -> Frame:
    from PIL import Image

    height, width = frame.shape[:2]
    if width <= WIDEST_GIF:
        return frame
    size = (WIDEST_GIF, max(round(height * WIDEST_GIF / width), 1))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


def _write_mp4(path: Path, frames: Iterator[Frame], fps: float) -> None:
    from imageio import v2

    # One size of block for all, so that nothing is resized; colours are stored for two pixels
    # each, so both sides must be even.
    writer = v2.get_writer(
        path, format="FFMPEG", mode="I", fps=fps, codec="libx264", macro_block_size=1
    )
    with writer:
        for frame in frames:
            height, width = (side - side % 2 for side in frame.shape[:2])
            writer.append_data(np.ascontiguousarray(frame[:height, :width]))
