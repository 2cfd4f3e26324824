"""`curves.png`: how far samplers are after each network, drawn by matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nasearch.pareto.objectives import Floats
from nasearch.report.labels import plain
from nasearch.report.layout import BLUE, GREEN, GREY, GREY_TEXT, INK, ORANGE, PALE, VERMILLION

_DPI = 150
_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, "#CC79A7", "#56B4E9", GREY, INK)  # Okabe and Ito's palette
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def curves_png(curves: Mapping[str, Floats], title: str, *, higher_is_better: bool = True) -> bytes:
    """Draw the mean score of each sampler with a band of its standard error.

    Args:
        curves: by sampler, (seeds, networks) the score after each network.
        title: above the picture.
        higher_is_better: a share of hypervolume, up to 1; else a regret in points, down to 0.

    Returns:
        A PNG.
    """
    figure = Figure(figsize=(9.2, 5.6), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.11, top=0.9)
    figure.text(0.024, 0.968, plain(title), size=14, weight="bold", color=INK, va="top")
    longest = max(curve.shape[1] for curve in curves.values())
    first = max(1, longest // 10)  # before that all are alike, and would press the rest together
    lows, highs = [], []
    for i, (name, curve) in enumerate(curves.items()):
        seeds, networks = curve.shape
        mean = curve.mean(axis=0)
        error = curve.std(axis=0, ddof=1) / math.sqrt(seeds) if seeds > 1 else 0 * mean
        x = range(1, networks + 1)
        colour, dashes = _COLOURS[i % len(_COLOURS)], _DASHES[i // len(_COLOURS) % len(_DASHES)]
        axes.plot(x, mean, color=colour, ls=dashes, lw=1.8, label=f"{plain(name)} (n = {seeds})")
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
        lows.append((mean - error)[first - 1 :].min())
        highs.append((mean + error)[first - 1 :].max())
    low, high = (min(lows), 1.0) if higher_is_better else (0.0, max(highs))
    room = 0.03 * ((high - low) or 0.01)
    axes.set_ylim(low - room * higher_is_better, high + room)
    axes.set_xlim(first if longest > 1 else 0, longest if longest > 1 else 2)
    words = "share of the true front's hypervolume" if higher_is_better else "regret, points of accuracy"
    axes.set_xlabel("networks measured", size=11.5, color=INK)
    axes.set_ylabel(words, size=11.5, color=INK)
    axes.grid(color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=10, colors=GREY_TEXT, length=3)
    axes.legend(
        loc="lower right" if higher_is_better else "upper right",
        frameon=False,
        fontsize=9.5,
        labelcolor=GREY_TEXT,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "nasearch", "Title": title})
    return buffer.getvalue()
