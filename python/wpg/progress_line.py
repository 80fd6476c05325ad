"""One line of a terminal that says how far work is."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

__all__ = ["LiveLine", "ProgressLine", "duration"]


class LiveLine:
    """A line that is kept up to date on a terminal, and lines that stay above it.

    Parameters
    ----------
    stream : where to; None for standard error
    quiet : print nothing
    interval : seconds after which the line is drawn anew
    """

    def __init__(
        self, *, quiet: bool = False, stream: TextIO | None = None, interval: float = 0.2
    ) -> None:
        self.quiet = quiet
        self.stream = sys.stderr if stream is None else stream
        self._interval = interval
        self._drawn = False
        self._last_drawn = -math.inf

    def say(self, text: str) -> None:
        """A line of its own, in place of the one that lives."""
        self.clear()
        if not self.quiet:
            print(text, file=self.stream, flush=True)

    def clear(self) -> None:
        """Take the living line away."""
        if self._drawn:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
            self._drawn = False

    def due(self, now: float) -> bool:
        """Is it time to draw the line anew, and somebody there to see it?"""
        return not self.quiet and self.stream.isatty() and now - self._last_drawn >= self._interval

    def draw(self, parts: list[str], now: float) -> None:
        """Draw the line."""
        self._last_drawn = now
        print("\r\x1b[K" + "   ".join(parts), end="", file=self.stream, flush=True)
        self._drawn = True


class ProgressLine(LiveLine):
    """A callback of `learn` that keeps a line up to date on a terminal, and prints evaluations.

    Steps a second are those since the line was made, the time of evaluations included; the time
    left is what they make of the steps that are missing.

    Parameters
    ----------
    stream : where to; None for standard error
    quiet : print nothing
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        super().__init__(quiet=quiet, stream=stream)
        self._last_return = math.nan
        self._began: tuple[float, int] | None = None  # when, and at which step

    def __call__(self, agent: Any, event: str, record: dict[str, Any]) -> None:
        if event == "episode":
            self._last_return = record["return"]
        elif event == "evaluation":
            self.say(
                f"{record['env_steps']:>8} steps   evaluation {record['mean_return']:.1f}"
                f" +- {record['std_return']:.1f}"
            )
        elif event == "step":
            self._draw(agent, record)

    def _draw(self, agent: Any, record: dict[str, Any]) -> None:
        now, done, total = time.monotonic(), record["env_steps"], record["total_steps"]
        if self._began is None:
            self._began = (now, done)
        if done >= total:
            self.clear()
            return
        if not self.due(now):
            return
        began, first = self._began
        parts = [f"{done:>8}/{total} steps"]
        if done > first and now > began:
            rate = (done - first) / (now - began)
            speed = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
            parts += [f"{speed} steps/s", f"{duration((total - done) / rate)} left"]
        for name, value in (
            ("return", self._last_return),
            ("T", agent.temperature),
            ("KL to Gibbs", agent.kl_to_gibbs),
        ):
            if math.isfinite(value):
                parts.append(f"{name} {value:.4g}")
        self.draw(parts, now)


def duration(seconds: float) -> str:
    """12 s, 3:04 min or 2:05:00 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02} h"
