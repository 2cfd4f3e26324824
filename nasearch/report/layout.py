"""What goes where in a picture of a front; shared by the file, the page and the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nasearch.pareto import Limit, Objective, losses
from nasearch.report import formatting
from nasearch.report.content import FrontPicture, FrontRow, Reference
from nasearch.report.tables import outcome_line

# Okabe and Ito's palette: told apart with any kind of colour vision, and in grey by lightness and by marker.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY, GREY_TEXT, INK, PALE = "#8A8F98", "#555B63", "#22262B", "#E6E8EB"

TRIAL = "trial"  # the axis of a study with one objective: trials in their order


@dataclass(frozen=True)
class Axis:
    """One axis: the metric it shows and how.

    Attributes:
        name: metric, or "trial".
        title: with its unit, for the reader.
        is_log: logarithmic; costs that span a factor of three or more.
    """

    name: str
    title: str
    is_log: bool

    def value(self, item: FrontRow | Reference) -> float:
        """Where `item` lies on this axis; NaN where it was not measured."""
        if self.name == TRIAL:
            return float(item.number) if isinstance(item, FrontRow) else math.nan
        return float(item.values.get(self.name, math.nan))

    def text(self, value: float) -> str:
        """A value of this axis in words."""
        return str(round(value)) if self.name == TRIAL else formatting.metric(self.name, value)


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    x: Axis
    y: Axis


def drawn(picture: FrontPicture) -> list[FrontRow]:
    """Rows that have a finite value for every objective; a network proposed again stands there once."""
    names = [objective.name for objective in picture.objectives]
    return [
        row
        for row in picture.rows
        if row.outcome != "repeated" and all(math.isfinite(row.values.get(name, math.nan)) for name in names)
    ]


def panels(picture: FrontPicture) -> list[Panel]:
    """The panels of a picture: one for each objective to the right of the first quality.

    Accuracy, or else the first objective, is drawn upwards in all of them; a study with one objective is
    drawn over its trials.
    """
    rows: list[FrontRow | Reference] = [*drawn(picture), *picture.references]
    upward = next((o for o in picture.objectives if not o.is_cost), picture.objectives[0])
    y = _axis(upward, rows)
    others = [objective for objective in picture.objectives if objective is not upward]
    if not others:
        return [Panel(Axis(TRIAL, "trial", False), y)]
    return [Panel(_axis(objective, rows), y) for objective in others]


def front_rows(rows: Sequence[FrontRow], panel: Panel) -> list[FrontRow]:
    """Rows of the front from left to right."""
    return sorted(
        (row for row in rows if row.is_front), key=lambda row: (panel.x.value(row), panel.y.value(row))
    )


def running_best(rows: Sequence[FrontRow], objective: Objective) -> list[tuple[int, float]]:
    """For one objective: (trial number, best value up to it), in the order of trials."""
    best: list[tuple[int, float]] = []
    for row in sorted(rows, key=lambda row: row.number):
        value = row.values[objective.name]
        if best:
            value = min(best[-1][1], value) if objective.is_cost else max(best[-1][1], value)
        best.append((row.number, value))
    return best


def subtitle(picture: FrontPicture, glue: str = " ") -> str:
    """Data, trials by outcome, fidelity, agreement and limits, in one line; `glue` stands inside a part."""
    parts = [picture.data, f"n = {len(drawn(picture))} measured ({outcome_line(picture.rows)})"]
    parts.extend(part for part in (picture.so_far, picture.fidelity, picture.agreement) if part)
    parts.extend(limit.text for limit in picture.limits)
    return "  ·  ".join(part.replace(" ", glue) for part in parts)


def visible_low(rows: Sequence[FrontRow], panel: Panel, references: Sequence[Reference] = ()) -> float:
    """Where the upward axis begins: the smallest value, unless that is far below the front and most trials.

    A few networks that learnt nothing would press all others into the top of the picture; those below are
    counted there instead, and references that lie far below are named at the edge.
    """
    values = sorted(panel.y.value(row) for row in rows)
    known = [value for value in map(panel.y.value, references) if math.isfinite(value)]
    if not formatting.is_accuracy(panel.y.name):
        return min(values[0], *known) if known else values[0]
    low, high = values[0], values[-1]
    if len(values) >= 8:
        usual = min([values[len(values) // 10], *(panel.y.value(row) for row in rows if row.is_front)])
        low = max(low, usual - 0.15 * (high - usual))
    return min([low, *(value for value in known if value >= low - 0.5 * (high - low))])


def is_crowded(picture: FrontPicture, axis: Axis, items: Sequence[FrontRow | Reference]) -> bool:
    """Whether a logarithmic axis spans so much that 1, 2 and 5 of each decade would run into one another."""
    values = [value for value in map(axis.value, items) if math.isfinite(value)]
    widest = 2.0 if len(picture.objectives) > 2 else 3.5  # decades; panels share the width
    return math.log10(max(values) / min(values)) > widest if values else False


def placed(references: Sequence[Reference], panel: Panel) -> list[Reference]:
    """The references that have a place in a panel."""
    return [r for r in references if math.isfinite(panel.x.value(r)) and math.isfinite(panel.y.value(r))]


def beaten_by(reference: Reference, picture: FrontPicture) -> list[FrontRow]:
    """Trials of the front that are nowhere worse than a reference and somewhere better."""
    objectives = picture.objectives
    if any(objective.name not in reference.values for objective in objectives):
        return []
    names = [objective.name for objective in objectives]
    own = losses([[reference.values[name] for name in names]], objectives)[0]
    rows = [row for row in drawn(picture) if row.is_front]
    found = []
    for row in front_rows(rows, panels(picture)[0]):
        other = losses([[row.values[name] for name in names]], objectives)[0]
        if (other <= own).all() and (other < own).any():
            found.append(row)
    return found


def limits_near(picture: FrontPicture, axis: Axis) -> list[Limit]:
    """Limits on an axis that lie among its trials and references or a little beyond them.

    Refused networks are not drawn, so a limit is often just beyond the last trial; one far away would only
    press the trials together.
    """
    rows = drawn(picture)
    if not rows:
        return []
    known = (axis.value(reference) for reference in picture.references)
    values = [*map(axis.value, rows), *(value for value in known if math.isfinite(value))]
    room = 0.15 * (max(values) - min(values))
    low = min(values) / 1.5 if axis.is_log else min(values) - room
    high = max(values) * 1.5 if axis.is_log else max(values) + room
    return [limit for limit in picture.limits if limit.metric == axis.name and low <= limit.bound <= high]


def summary(row: FrontRow | Reference, picture: FrontPicture, panel: Panel | None = None) -> str:
    """A row's objectives in words: "89.12 %, 1.24 M MACs"; with a panel, only those it shows."""
    texts = []
    for objective in picture.objectives:
        if panel is not None and objective.name not in (panel.x.name, panel.y.name):
            continue
        text = formatting.metric(objective.name, row.values.get(objective.name))
        texts.append(f"{text} {formatting.title(objective.name)}" if objective.unit == "count" else text)
    return ", ".join(texts)


def _axis(objective: Objective, items: Sequence[FrontRow | Reference]) -> Axis:
    values = [item.values[objective.name] for item in items if objective.name in item.values]
    wide = bool(values) and min(values) > 0 and max(values) >= 3 * min(values)
    return Axis(objective.name, formatting.title(objective.name), objective.is_cost and wide)
