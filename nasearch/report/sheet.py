"""The one look of pictures in files: a sheet with its headings, axes, and how it is written.

The object interface of matplotlib is used, not pyplot: no global state, no display, safe in threads.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nasearch.report.files import write_bytes
from nasearch.report.labels import plain
from nasearch.report.layout import GREY_TEXT, INK, PALE

_DPI = 150


def titled(title: str, words: str, width: float, height: float) -> Figure:
    """An empty sheet under a title and lines of words.

    Args:
        title: in bold.
        words: below it, lines of them, folded where the sheet ends.
        width: in inches.
        height: of what is below the headings, in inches.
    """
    lines = [line for part in words.split("\n") for line in textwrap.wrap(part, int(13 * width))]
    head = 0.82 + 0.17 * len(lines)
    height += head
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=0.95 / width,
        right=1 - 0.25 / width,
        bottom=0.62 / height,
        top=1 - head / height,
        wspace=0.24,
        hspace=0.3,
    )
    edge = 0.22 / width
    figure.text(edge, 1 - 0.18 / height, plain(title), size=16, weight="bold", color=INK, va="top")
    figure.text(edge, 1 - 0.52 / height, plain("\n".join(lines)), size=9.5, color=GREY_TEXT, va="top")
    return figure


def dress(axes: Any, x: str, y: str) -> None:
    """Titles, grid and spines of a pair of axes."""
    axes.set_xlabel(x, size=11.5, color=INK)
    axes.set_ylabel(y, size=11.5, color=INK)
    axes.grid(color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#B9BEC5")
    axes.tick_params(labelsize=10, colors=GREY_TEXT, length=3)


def write(figure: Figure, path: str | Path, title: str) -> Path:
    """Write a sheet as PNG.

    Raises:
        ExportError: if the file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "nasearch", "Title": title})
    return write_bytes(path, buffer.getvalue())
