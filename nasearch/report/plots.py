"""`front.png`: the front and every trial behind it, drawn by matplotlib.

The object interface is used, not pyplot: no global state, no display, safe in threads.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from nasearch.report import layout, sheet
from nasearch.report.content import FrontPicture, FrontRow, Reference
from nasearch.report.formatting import is_accuracy
from nasearch.report.labels import draw_references, note
from nasearch.report.layout import BLUE, GREEN, GREY, GREY_TEXT, VERMILLION, Axis, Panel

_BROKEN: dict[str, Any] = {
    "facecolor": "#F3E3DA",
    "edgecolor": "#DDB9A5",
    "hatch": "////",
    "lw": 0,
    "alpha": 0.55,
    "zorder": 0.6,
}
_EDGE: dict[str, Any] = {"color": VERMILLION, "lw": 1.1, "ls": (0, (4, 3)), "zorder": 2}
_COLUMNS = 3  # panels beside one another, before a second line of them


def front_png(picture: FrontPicture, path: str | Path) -> Path:
    """Draw the front and write it as PNG.

    Dominated trials are faded, the front is a step line (what accuracy can be had for at most that cost), the
    knee is ringed and named, regions that break a limit are shaded. Beyond two objectives there is a panel a
    cost, and the front is marked by colour alone: a projection has no step line.

    Raises:
        ExportError: if the file cannot be written.
    """
    rows = layout.drawn(picture)
    panels = layout.panels(picture)
    columns = min(len(panels), _COLUMNS)
    lines = math.ceil(len(panels) / columns)
    width = 9.2 if columns == 1 else 5.2 * columns
    words = layout.subtitle(picture, glue="\N{NO-BREAK SPACE}")
    figure = sheet.titled(picture.title, words, width, 4.8 * lines)
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(lines, columns, i + 1)
        _draw(axes, picture, rows, panel, is_first=i == 0)
        if i % columns:
            axes.set_ylabel("")
        elif i == 0 and rows:
            axes.legend(
                loc="upper left",
                ncols=4,
                frameon=False,
                fontsize=9.5,
                labelcolor=GREY_TEXT,
                handletextpad=0.3,
            )
    return sheet.write(figure, path, f"front of {picture.title}")


def _draw(axes: Any, picture: FrontPicture, rows: list[FrontRow], panel: Panel, *, is_first: bool) -> None:
    _style(axes, panel)
    if not rows:
        axes.text(
            0.5, 0.5, "no complete trial yet", transform=axes.transAxes, ha="center", color=GREY, size=13
        )
        return
    x, y = panel.x.value, panel.y.value
    front = layout.front_rows(rows, panel)
    _frame(axes, picture, rows, panel)
    behind = [row for row in rows if not row.is_front]
    axes.scatter(
        [x(row) for row in behind],
        [y(row) for row in behind],
        s=26,
        color=GREY,
        alpha=0.45,
        lw=0,
        label="dominated" if behind else "_none",
    )
    if len(picture.objectives) <= 2:
        _steps(axes, picture, rows, front, panel)
    axes.scatter(
        [x(r) for r in front],
        [y(r) for r in front],
        s=46,
        color=BLUE,
        ec="white",
        lw=0.9,
        zorder=4,
        label="front",
    )
    _shade_limits(axes, picture, panel)
    taken = draw_references(axes, picture, rows, panel)
    _names(axes, picture, front, panel, taken, is_brief=not is_first)


def _style(axes: Any, panel: Panel) -> None:
    x, y = (axis.title + (" (log scale)" if axis.is_log else "") for axis in (panel.x, panel.y))
    sheet.dress(axes, x, y)


def _frame(axes: Any, picture: FrontPicture, rows: list[FrontRow], panel: Panel) -> None:
    """Set scales and ranges: all of x, and of y what is not far below everything else."""
    points: list[FrontRow | Reference] = [*rows, *picture.references]
    for axis, handle in ((panel.x, axes.xaxis), (panel.y, axes.yaxis)):
        if axis.is_log:
            handle._set_axes_scale("log")
            subs = (1.0,) if layout.is_crowded(picture, axis, points) else (1.0, 2.0, 5.0)
            handle.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
            handle.set_minor_locator(NullLocator())
            handle.set_minor_formatter(NullFormatter())
        else:
            handle.set_major_locator(MaxNLocator(7, integer=axis.name == layout.TRIAL))
        handle.set_major_formatter(FuncFormatter(_tick(axis)))
    xs = [value for value in map(panel.x.value, points) if math.isfinite(value)]
    xs.extend(limit.bound for limit in layout.limits_near(picture, panel.x))
    axes.set_xlim(*_padded(min(xs), max(xs), panel.x, 0.05, 0.07))
    ys = sorted(value for value in map(panel.y.value, points) if math.isfinite(value))
    low = layout.visible_low(rows, panel, picture.references)
    below = sum(panel.y.value(row) < low for row in rows)
    axes.set_ylim(*_padded(low, ys[-1], panel.y, 0.05, 0.16))
    if below:
        text = f"▼ {below} below {panel.y.text(axes.get_ylim()[0])}"
        axes.text(
            0.01, 0.015, text, transform=axes.transAxes, ha="left", va="bottom", size=9, color=GREY_TEXT
        )


def _tick(axis: Axis) -> Any:
    def text(value: float, _position: int) -> str:
        if is_accuracy(axis.name):
            return f"{100 * value:g} %" if abs(round(100 * value, 2) - 100 * value) < 1e-9 else ""
        if axis.name == layout.TRIAL:
            return f"{value:.0f}"
        if axis.name == "latency_ms":
            return f"{value:g} ms"
        number, _, unit = axis.text(value).partition(" ")
        return f"{float(number):g} {unit}".rstrip()

    return text


def _padded(low: float, high: float, axis: Axis, before: float, after: float) -> tuple[float, float]:
    if axis.is_log:
        ratio = math.log(high / low) or 1.0
        return low * math.exp(-before * ratio), high * math.exp(after * ratio)
    span = (high - low) or max(abs(high) * 0.1, 0.01)
    return low - before * span, high + after * span


def _steps(
    axes: Any, picture: FrontPicture, rows: list[FrontRow], front: list[FrontRow], panel: Panel
) -> None:
    right = axes.get_xlim()[1]
    if panel.x.name == layout.TRIAL:
        best = layout.running_best(rows, picture.objectives[0])
        spots = [(float(number), value) for number, value in best]
    else:
        spots = [(panel.x.value(row), panel.y.value(row)) for row in front]
    if not spots:
        return
    xs = [*(spot[0] for spot in spots), right]
    ys = [*(spot[1] for spot in spots), spots[-1][1]]
    axes.step(xs, ys, where="post", color=BLUE, lw=1.8, zorder=3)
    if is_accuracy(panel.y.name):
        axes.fill_between(xs, ys, axes.get_ylim()[0], step="post", color=BLUE, alpha=0.055, lw=0, zorder=0.5)


def _shade_limits(axes: Any, picture: FrontPicture, panel: Panel) -> None:
    for limit in layout.limits_near(picture, panel.x):
        left, right = axes.get_xlim()
        edges = (limit.bound, right) if limit.relation == "<=" else (left, limit.bound)
        axes.axvspan(*edges, **_BROKEN)
        axes.axvline(limit.bound, **_EDGE)
        _limit_text(axes, limit.text, (limit.bound, 0.03), axes.get_xaxis_transform(), rotation=90)
    for limit in layout.limits_near(picture, panel.y):
        bottom, top = axes.get_ylim()
        edges = (limit.bound, top) if limit.relation == "<=" else (bottom, limit.bound)
        axes.axhspan(*edges, **_BROKEN)
        axes.axhline(limit.bound, **_EDGE)
        _limit_text(axes, limit.text, (0.985, limit.bound), axes.get_yaxis_transform(), rotation=0)


def _limit_text(axes: Any, text: str, spot: tuple[float, float], transform: Any, rotation: int) -> None:
    axes.annotate(
        text,
        spot,
        xycoords=transform,
        xytext=(-4, 2) if rotation else (0, -5),
        textcoords="offset points",
        rotation=rotation,
        size=9,
        color=VERMILLION,
        ha="right",
        va="bottom" if rotation else "top",
    )


def _names(
    axes: Any,
    picture: FrontPicture,
    front: list[FrontRow],
    panel: Panel,
    taken: list[tuple[float, float]],
    *,
    is_brief: bool,
) -> None:
    """Ring and name the knee and the winner, then number the rest of the front where there is room."""
    scale = 72 / axes.figure.dpi
    for row in front:
        if not (row.is_knee or row.is_winner):
            continue
        spot = (panel.x.value(row), panel.y.value(row))
        colour = VERMILLION if row.is_knee else GREEN
        axes.scatter(*spot, s=190, facecolor="none", edgecolor=colour, lw=2.0, zorder=6)
        words = " and ".join(w for w, holds in (("knee", row.is_knee), ("winner", row.is_winner)) if holds)
        text = f"{words}: #{row.number}\n{layout.summary(row, picture, panel)}"
        if is_brief:
            text = f"#{row.number}"  # the words stand in the first panel; here they would cover trials
        share = axes.transAxes.inverted().transform(axes.transData.transform(spot))
        # Above and left of a front there is nothing by definition; at the left edge there is no room either.
        roomy = share[0] > (0.34 if len(picture.objectives) <= 2 else 0.5) and is_accuracy(panel.y.name)
        if roomy:
            place = ((-14, 12), "right", "bottom")
        elif is_accuracy(panel.y.name) and share[1] > 0.2:
            place = ((14, -14), "left", "top")
        else:  # below the lowest of a front is the axis
            place = ((14, 12), "left", "bottom")
        note(axes, text, spot, place[0], colour, place[1], place[2], bold=True)
        at = axes.transData.transform(spot) * scale
        taken.extend((at[0] + dx, at[1] + dy) for dx in range(-130, 1, 16) for dy in (12, 28) if roomy)
        taken.append((at[0], at[1]))
    if len(picture.objectives) > 2:
        return  # a projection of a front is a cloud; numbers would cover it
    for row in front:
        spot = (panel.x.value(row), panel.y.value(row))
        at = axes.transData.transform(spot) * scale
        up = 1 if is_accuracy(panel.y.name) else -1  # the side where nothing dominates
        mine = (at[0] - 15, at[1] + 10 * up)
        crowded = any(abs(mine[0] - x) < 27 and abs(mine[1] - y) < 12 for x, y in taken)
        if row.is_knee or row.is_winner or crowded:
            continue
        taken.append(mine)
        note(axes, f"#{row.number}", spot, (-5, 4 * up), BLUE, "right", "bottom" if up > 0 else "top")
