"""Words in the picture of a front: notes beside their spots, and reference networks with their names."""

from __future__ import annotations

import math
from typing import Any

from nasearch.report import layout
from nasearch.report.content import FrontPicture, FrontRow, Reference
from nasearch.report.formatting import is_accuracy
from nasearch.report.layout import GREEN, Panel

Spot = tuple[float, float]
_LETTER, _LINE = 5.2, 11.0  # points that a letter and a line of a small note take
# Below right first: above a front is where nothing dominates, and where its own numbers stand.
_SIDES: tuple[tuple[Spot, str, str], ...] = (
    ((8, -4), "left", "top"),
    ((8, 4), "left", "bottom"),
    ((-8, -4), "right", "top"),
    ((-8, 4), "right", "bottom"),
    ((0, -8), "center", "top"),
    ((0, 8), "center", "bottom"),
    ((8, 16), "left", "bottom"),
    ((-8, 16), "right", "bottom"),
    ((8, -16), "left", "top"),
    ((-8, -16), "right", "top"),
)


def plain(text: str) -> str:
    """Names are no mathematics to matplotlib."""
    return text.replace("$", r"\$")


def note(
    axes: Any, text: str, spot: Spot, offset: Spot, colour: str, ha: str, va: str, *, bold: bool = False
) -> None:
    """Write beside a spot, `offset` points away from it."""
    axes.annotate(
        plain(text),
        spot,
        xytext=offset,
        textcoords="offset points",
        ha=ha,
        va=va,
        size=10.5 if bold else 9,
        weight="bold" if bold else "normal",
        color=colour,
        linespacing=1.3,
        zorder=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0} if bold else None,
    )


def draw_references(axes: Any, picture: FrontPicture, rows: list[FrontRow], panel: Panel) -> list[Spot]:
    """Draw the reference networks of a panel whose ranges are set.

    A diamond and a name each; those far below the view at its edge, with their value; where trials stand
    side by side, as lines.

    Returns:
        Places in points of the figure that are taken by them, for the notes that come after.
    """
    if panel.x.name == layout.TRIAL:
        _lines(axes, picture, panel)
        return []
    taken = [_at(axes, (panel.x.value(row), panel.y.value(row))) for row in rows]
    if len(picture.objectives) <= 2 and is_accuracy(panel.y.name):
        taken += _along_steps(axes, layout.front_rows(rows, panel), panel)
    first = len(taken)
    # Those in view first, so that the legend shows a diamond.
    known = sorted(layout.placed(picture.references, panel), key=lambda each: -panel.y.value(each))
    taken += [_at(axes, _spot(axes, reference, panel)) for reference in known]
    for i, reference in enumerate(known):
        spot = _spot(axes, reference, panel)
        is_hidden = spot[1] != panel.y.value(reference)
        axes.scatter(
            *spot,
            s=54,
            marker="v" if is_hidden else "D",
            color=GREEN,
            ec="white",
            lw=0.9,
            zorder=5,
            clip_on=False,
            label="_again" if i else "reference",
        )
        hidden = f" {panel.y.text(panel.y.value(reference))}" if is_hidden else ""
        _name(axes, f"{reference.name}{hidden}", spot, taken)
    return taken[first:]


def _spot(axes: Any, reference: Reference, panel: Panel) -> Spot:
    """Where a reference is drawn: at the edge where it lies below the view."""
    return panel.x.value(reference), max(panel.y.value(reference), axes.get_ylim()[0])


def _along_steps(axes: Any, front: list[FrontRow], panel: Panel) -> list[Spot]:
    """The front's step line, a spot every few points."""
    spots = [_at(axes, (panel.x.value(row), panel.y.value(row))) for row in front]
    east = _scaled(axes, axes.transAxes.transform((1, 1)))[0]
    ends = [*(spot[0] for spot in spots[1:]), east]
    return [
        (x + step, y)
        for (x, y), end in zip(spots, ends, strict=False)
        for step in range(0, max(1, int(end - x)), 6)
    ]


def _lines(axes: Any, picture: FrontPicture, panel: Panel) -> None:
    """A line each; names that would stand in one place stand side by side."""
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    shown = [each for each in picture.references if panel.y.value(each) >= bottom]  # NaN is not
    last, shift = -math.inf, 0.0
    for i, reference in enumerate(sorted(shown, key=panel.y.value)):
        height = panel.y.value(reference)
        label = "_again" if i else "reference"
        axes.axhline(height, color=GREEN, lw=1.3, ls=(0, (1, 2)), zorder=1.5, label=label)
        at = _at(axes, (right, height))[1]
        shift = shift if at - last < _LINE else 0.0
        note(axes, reference.name, (right, height), (-4 - shift, 2), GREEN, "right", "bottom")
        last, shift = at, shift + _LETTER * (len(reference.name) + 2)


def _name(axes: Any, text: str, spot: Spot, taken: list[Spot]) -> None:
    """Write a name on the side with the fewest things in its way, and take that place."""
    x, y = _at(axes, spot)
    (west, south), (east, _) = (_scaled(axes, c) for c in axes.transAxes.transform([(0, 0), (1, 1)]))
    best: tuple[float, list[Spot], tuple[Spot, str, str]] | None = None
    for i, side in enumerate(_SIDES):
        (dx, dy), ha, va = side
        wide = _LETTER * len(text)
        left = x + dx - {"left": 0.0, "center": wide / 2, "right": wide}[ha]
        middle = y + dy + {"top": -_LINE / 2, "bottom": _LINE / 2}[va]
        box = [(left + step, middle) for step in (*range(0, int(wide), 6), wide)]
        beyond = sum(px < west or px > east + _LINE or middle - _LINE / 2 < south for px, _ in box)
        met = sum(
            any(abs(px - a) < 8 and abs(middle - b) < _LINE for a, b in taken if (a, b) != (x, y))
            for px, _ in box
        )
        cost = met + 3 * beyond + 0.1 * i
        if best is None or cost < best[0]:
            best = cost, box, side
    assert best is not None
    taken.extend(best[1])
    note(axes, text, spot, best[2][0], GREEN, best[2][1], best[2][2])


def _at(axes: Any, spot: Spot) -> Spot:
    return _scaled(axes, axes.transData.transform(spot))


def _scaled(axes: Any, pixels: Any) -> Spot:
    scale = 72 / axes.figure.dpi
    return float(pixels[0] * scale), float(pixels[1] * scale)
