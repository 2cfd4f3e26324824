"""An audit as a picture: proxy against full training, and every tau with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from nasearch.report import sheet
from nasearch.report.audit import Audit, AuditedNetwork
from nasearch.report.audit_text import audit_line, proxy_words
from nasearch.report.formatting import TITLES
from nasearch.report.labels import plain
from nasearch.report.layout import BLUE, GREY, GREY_TEXT, INK, ORANGE

_ROW = 0.3
"""Inches that a proxy takes."""


def audit_png(audit: Audit, path: str | Path) -> Path:
    """Draw an audit of at least two networks and write it as PNG.

    Left: a network a spot, at the accuracy that the study went by and at that after the full training; raced
    out ones hollow, at what they had reached. Right: tau of every proxy, over all and within the best third.

    Raises:
        ExportError: if the file cannot be written.
    """
    title = f"Audit of {audit.study}"
    words = f"{audit_line(audit)}\n{audit.verdict}: {proxy_words(audit)}"
    figure = sheet.titled(title, words, 11.0, max(4.2, _ROW * len(audit.rows) + 1.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    figure.subplots_adjust(wspace=0.42)
    _spots(left, audit)
    _taus(right, audit)
    return sheet.write(figure, path, title)


def _spots(axes: Any, audit: Audit) -> None:
    sheet.dress(axes, f"{audit.verdict} in the study", "accuracy after the full training")
    rest = "trained to the end" if audit.trained_in_study else "behind the front"
    whole = [network for network in audit.networks if audit.verdict in network.known]
    short = [network for network in audit.networks if audit.verdict not in network.known]
    for networks, label, style in (
        ([each for each in whole if not each.is_front], rest, {"color": BLUE}),
        ([each for each in whole if each.is_front], "on the front", {"color": ORANGE}),
        (short, "raced out (last epoch)", {"facecolors": "none", "edgecolors": GREY}),
    ):
        spots = [(x, each.accuracy) for each in networks if (x := _seen(each, audit)) is not None]
        if spots:
            axes.scatter(*zip(*spots, strict=True), s=46, label=label, zorder=3, **style)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))  # more would run into each other
    for axis in (axes.xaxis, axes.yaxis) if audit.goes_by_accuracy else (axes.yaxis,):
        axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    _legend(axes)


def _seen(network: AuditedNetwork, audit: Audit) -> float | None:
    """What the study went by, or the last epoch that a raced-out network came to."""
    rungs = [row.proxy.name for row in audit.rows if row.proxy.kind == "rung"]
    names = [name for name in (*rungs, audit.verdict) if name in network.known]
    return network.known[names[-1]] if names else None


def _taus(axes: Any, audit: Audit) -> None:
    sheet.dress(axes, "Kendall's tau with the full training", "")
    everywhere, within = [row.tau for row in audit.rows], [row.best_tau for row in audit.rows]
    for taus, shift, colour, words in (
        (everywhere, -0.14, BLUE, f"all {len(audit.networks)}"),
        (within, 0.14, ORANGE, f"best {audit.best}"),
    ):
        label = words
        for place, found in enumerate(taus):
            if found is None:
                continue
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [place + shift] * 2, color=colour, lw=2.0, zorder=2)
            axes.scatter(found.value, place + shift, s=34, color=colour, zorder=3, label=label)
            label = "_again"
    axes.axvline(0, color=GREY, lw=1.0, zorder=1)
    axes.set_yticks(range(len(audit.rows)))
    names = [plain(TITLES.get(row.proxy.name, row.proxy.name)) for row in audit.rows]
    for tick, row in zip(axes.set_yticklabels(names), audit.rows, strict=True):
        tick.set(color=GREY_TEXT if row.proxy.kind == "cost" else INK, size=10.5)
    axes.set_xlim(-1.05, 1.05)
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    axes.set_ylim(len(audit.rows) - 0.4, -0.6)
    _legend(axes)


def _legend(axes: Any) -> None:
    """Above the axes: anywhere within it could hide a network."""
    if axes.get_legend_handles_labels()[0]:  # an audit of one network has no tau
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.985),
            ncols=3,
            frameon=False,
            fontsize=9.5,
            labelcolor=GREY_TEXT,
            handletextpad=0.1,
            columnspacing=1.2,
        )
