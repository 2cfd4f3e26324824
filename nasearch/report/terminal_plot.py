"""A front in characters, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from nasearch.report import layout
from nasearch.report.content import FrontPicture, FrontRow, Reference
from nasearch.report.layout import Axis, Panel

# Later ones are drawn over earlier ones. The signs alone tell them apart, without colour.
_SIGNS = {
    "dominated": ("·", "bright_black"),
    "reference": ("R", "magenta"),
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
    text = Text(f"{picture.title}  {layout.subtitle(picture)}\n")
    if not rows:
        return text.append("no complete trial yet\n")
    known = [each for each in picture.references if not each.reason]
    for panel in layout.panels(picture):
        text.append_text(_panel(rows, known, panel, max(width, 40), max(height, 6)))
    used = {*map(_sign, rows), *map(_sign, known)}
    legend = [
        Text.assemble((sign, style), f" {name}") for name, (sign, style) in _SIGNS.items() if name in used
    ]
    text.append_text(Text("   ").join(legend)).append("\n")
    chosen = next((row for row in rows if row.is_knee), None)
    if chosen is not None:
        text.append(f"knee: trial {chosen.number}, {layout.summary(chosen, picture)}\n")
    for reference in known:
        text.append(f"reference: {reference.name}, {layout.summary(reference, picture)}\n")
    return text


def _panel(
    rows: Sequence[FrontRow], references: Sequence[Reference], panel: Panel, width: int, height: int
) -> Text:
    low = layout.visible_low(rows, panel, references)
    items: list[FrontRow | Reference] = [*rows, *layout.placed(references, panel)]
    below = sum(panel.y.value(item) < low for item in items)
    items = [item for item in items if panel.y.value(item) >= low]
    ys = [panel.y.value(item) for item in items]
    xs = [panel.x.value(item) for item in items]
    margin = max(len(panel.y.text(value)) for value in (min(ys), max(ys), (min(ys) + max(ys)) / 2)) + 1
    inner = width - margin - 2
    grid: list[list[str | None]] = [[None] * inner for _ in range(height)]
    for item in sorted(items, key=lambda item: list(_SIGNS).index(_sign(item))):
        column = round(_place(panel.x.value(item), xs, panel.x) * (inner - 1))
        line = height - 1 - round(_place(panel.y.value(item), ys, panel.y) * (height - 1))
        grid[line][column] = _sign(item)
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


def _sign(item: FrontRow | Reference) -> str:
    """The name of an item's sign."""
    if isinstance(item, Reference):
        return "reference"
    if item.is_knee:
        return "knee"
    return "winner" if item.is_winner else "front" if item.is_front else "dominated"


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
