"""Two searches at equal budget as a picture: how their fronts grew with the candidates that were trained."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from matplotlib.ticker import MaxNLocator

from nasearch.report import sheet
from nasearch.report.curves import FrontComparison, SearchCurve
from nasearch.report.equal_budget import cells, comparison_line, heads, notes
from nasearch.report.labels import plain
from nasearch.report.layout import BLUE, GREY_TEXT, INK, ORANGE

_COLOURS = (BLUE, ORANGE)
X_TITLE, Y_TITLE = "distinct candidates trained", "hypervolume of the front, share of the box"


def budget_png(comparison: FrontComparison, path: str | Path) -> Path:
    """Draw both curves with their intervals and write them as PNG.

    Solid: corrected for the noise of the accuracies, in its 95 % interval. Dotted: as it was seen.

    Raises:
        ExportError: if the file cannot be written.
    """
    first, second = comparison.first, comparison.second
    title = _title(comparison)
    figure = sheet.titled(title, comparison_line(comparison), 9.2, 4.8)
    axes = figure.add_subplot(1, 1, 1)
    sheet.dress(axes, X_TITLE, Y_TITLE)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    for curve, colour in zip((first, second), _COLOURS, strict=True):
        _draw(axes, comparison, curve, colour)
    axes.legend(loc="lower right", frameon=False, fontsize=9.5, labelcolor=GREY_TEXT)
    _frame(axes, comparison)
    return sheet.write(figure, path, title)


def budget_figure(comparison: FrontComparison) -> go.Figure:
    """The same to point at."""
    figure = go.Figure()
    for curve, colour in zip((comparison.first, comparison.second), _COLOURS, strict=True):
        name = html.escape(curve.name)
        figure.add_scatter(
            x=[*comparison.counts, *reversed(comparison.counts)],
            y=[*curve.high, *reversed(curve.low)],
            fill="toself",
            line={"width": 0},
            fillcolor=colour,
            opacity=0.18,
            hoverinfo="skip",
            showlegend=False,
            mode="lines",
        )
        texts = [
            f"{name}<br>{count} candidates: {value:.4f} ({low:.4f} to {high:.4f})"
            for count, value, low, high in zip(
                comparison.counts, curve.corrected, curve.low, curve.high, strict=True
            )
        ]
        figure.add_scatter(
            x=list(comparison.counts),
            y=list(curve.corrected),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name=name,
            text=texts,
            hovertemplate="%{text}<extra></extra>",
        )
        figure.add_scatter(
            x=list(range(1, comparison.budget + 1)),
            y=list(curve.seen),
            mode="lines",
            line={"color": colour, "width": 1.5, "dash": "dot", "shape": "hv"},
            name=f"{name}, as seen",
        )
    figure.update_layout(
        template="plotly_white",
        height=460,
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        font={"size": 14, "color": INK},
        legend={"orientation": "h", "y": 1.1, "x": 0},
        xaxis={"title": X_TITLE, "zeroline": False},
        yaxis={"title": Y_TITLE, "zeroline": False, "range": list(_visible(comparison))},
    )
    return figure


def comparison_html(comparison: FrontComparison) -> str:
    """A heading, the figure, the table and its notes; the page around it holds plotly."""
    figure = budget_figure(comparison).to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}
    )
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads(comparison))
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells(comparison)
    )
    said = "".join(f"<li>{html.escape(note)}</li>" for note in notes(comparison))
    return (
        f"<h2>{html.escape(_title(comparison))}</h2>\n"
        f'<p class="about">{html.escape(comparison_line(comparison))}</p>\n{figure}\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n<ul>{said}</ul>"
    )


def _title(comparison: FrontComparison) -> str:
    return f"{comparison.first.study} and {comparison.second.study} at equal budget"


def _draw(axes: Any, comparison: FrontComparison, curve: SearchCurve, colour: str) -> None:
    axes.fill_between(comparison.counts, curve.low, curve.high, color=colour, alpha=0.18, lw=0, zorder=1)
    axes.plot(comparison.counts, curve.corrected, color=colour, lw=2.0, zorder=3, label=plain(curve.name))
    axes.step(
        range(1, comparison.budget + 1),
        curve.seen,
        where="post",
        color=colour,
        lw=1.3,
        ls=(0, (1, 1.6)),
        zorder=2,
        label=plain(f"{curve.name}, as seen"),
    )


def _frame(axes: Any, comparison: FrontComparison) -> None:
    axes.set_xlim(0, comparison.budget * 1.03)
    axes.set_ylim(*_visible(comparison))


def _visible(comparison: FrontComparison) -> tuple[float, float]:
    """What is drawn of the upward axis: without the first candidates, where curves rise from nothing."""
    curves = (comparison.first, comparison.second)
    high = max(max(*curve.seen, *curve.high, *curve.corrected) for curve in curves)
    early = sum(count <= comparison.budget / 8 for count in comparison.counts)
    early = min(early, len(comparison.counts) - 1)
    low = min(min(curve.corrected[early], curve.seen[comparison.counts[early] - 1]) for curve in curves)
    pad = (high - low) * 0.06 or 0.02
    return max(0.0, low - pad), high + pad
