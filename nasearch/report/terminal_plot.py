"""A front in characters, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from nasearch.report import layout
from nasearch.report.content import FrontPicture, FrontRow
from nasearch.report.layout import Axis, Panel

# Later ones are drawn over earlier ones. The signs alone tell them apart, without colour.
_SIGNS = {
    "dominated": ("·", "bright_black"),
    "front": ("o", "blue"),
    "knee": ("K", "bold red"),
    "winner": ("W", "bold green"),
}


def terminal_plot(picture: FrontPicture, width: int = 78, height: int = 18) -> Text:
    """The front and the trials behind it, one panel under the other for more than two objectives.

    Args:
        picture: what to draw.
        width: of the whole text in characters, at least 40.
        height: of each panel in lines, at least 6, without axis and legend.
    """
    rows = layout.drawn(picture)
    text = Text(f"{picture.study}  {layout.subtitle(picture)}\n")
    if not rows:
        return text.append("no complete trial yet\n")
    for panel in layout.panels(picture):
        text.append_text(_panel(rows, panel, max(width, 40), max(height, 6)))
    legend = [
        Text.assemble((sign, style), f" {name}") for name, (sign, style) in _SIGNS.items() if _any(rows, name)
    ]
    text.append_text(Text("   ").join(legend)).append("\n")
    chosen = next((row for row in rows if row.is_knee), None)
    if chosen is not None:
        text.append(f"knee: trial {chosen.number}, {layout.summary(chosen, picture)}\n")
    return text


def _panel(rows: Sequence[FrontRow], panel: Panel, width: int, height: int) -> Text:
    low = layout.visible_low(rows, panel)
    below = sum(panel.y.value(row) < low for row in rows)
    rows = [row for row in rows if panel.y.value(row) >= low]
    ys = [panel.y.value(row) for row in rows]
    xs = [panel.x.value(row) for row in rows]
    margin = max(len(panel.y.text(value)) for value in (min(ys), max(ys), (min(ys) + max(ys)) / 2)) + 1
    inner = width - margin - 2
    grid: list[list[str | None]] = [[None] * inner for _ in range(height)]
    for row in sorted(rows, key=_layer):
        column = round(_place(panel.x.value(row), xs, panel.x) * (inner - 1))
        line = height - 1 - round(_place(panel.y.value(row), ys, panel.y) * (height - 1))
        grid[line][column] = list(_SIGNS)[_layer(row)]
    labels = {
        0: max(ys),
        height // 2: _at(1 - (height // 2) / (height - 1), ys, panel.y),
        height - 1: min(ys),
    }
    text = Text(f"{panel.y.title}\n")
    for i, cells in enumerate(grid):
        label = panel.y.text(labels[i]) if i in labels else ""
        text.append(f"{label:>{margin}} {'┤' if label else '│'}")
        for cell in cells:
            text.append(*(_SIGNS[cell] if cell else (" ",)))
        text.append("\n")
    middle, right = panel.x.text(_at(0.5, xs, panel.x)), panel.x.text(max(xs))
    left = panel.x.text(min(xs))
    half = inner // 2
    text.append(f"{'':{margin}} └{'─' * inner}\n")
    axis = f"{left:<{half - len(middle) // 2}}{middle}"
    text.append(f"{'':{margin}}  {axis}{right:>{max(inner - len(axis), len(right) + 1)}}\n")
    title = panel.x.title + (" (log scale)" if panel.x.is_log else "")
    hidden = f"{below} below {panel.y.text(low)}" if below else ""
    return text.append(f"{'':{margin}}  {hidden}{title:>{inner - len(hidden)}}\n")


def _layer(row: FrontRow) -> int:
    return 3 if row.is_winner and not row.is_knee else 2 if row.is_knee else 1 if row.is_front else 0


def _any(rows: Sequence[FrontRow], name: str) -> bool:
    return any(list(_SIGNS)[_layer(row)] == name for row in rows)


def _place(value: float, values: Sequence[float], axis: Axis) -> float:
    """Where `value` lies between the smallest and the largest, in [0, 1]."""
    low, high = min(values), max(values)
    if low == high:
        return 0.5
    if axis.is_log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _at(share: float, values: Sequence[float], axis: Axis) -> float:
    """The value at a share of the axis: the inverse of `_place`."""
    low, high = min(values), max(values)
    return low * (high / low) ** share if axis.is_log else low + share * (high - low)
