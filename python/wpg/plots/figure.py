"""What all pictures share: a figure without a screen, and colours."""

from __future__ import annotations

from typing import Any

__all__ = ["BLUE", "COLOURS", "GREEN", "GREY", "ORANGE", "bare", "new_figure"]

# A palette that stays apart for colour-blind readers (Okabe, Ito 2008).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns); inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def bare(axis: Any) -> None:
    """No frame on the right and above."""
    axis.spines[["top", "right"]].set_visible(False)
