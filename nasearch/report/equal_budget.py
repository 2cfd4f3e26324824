"""Two searches at equal budget in words, tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from nasearch.report import formatting
from nasearch.report.curves import FrontComparison, SearchCurve
from nasearch.report.style import counted, plain_table

Json = dict[str, object]


def comparison_line(comparison: FrontComparison) -> str:
    """The outcome in a line: both hypervolumes, the difference with its interval, and what that says."""
    first, second, i = comparison.first, comparison.second, len(comparison.counts) - 1
    images = " and ".join(f"{number:,}" for number in dict.fromkeys(comparison.images))
    leader = comparison.leader
    verdict = (
        f"{leader.name} leads in these two runs"
        if leader
        else f"{images} validation images show no difference"
    )
    return (
        f"at {counted(comparison.budget, 'candidate')} each, {first.name} has a hypervolume of "
        f"{first.corrected[i]:.4f} and {second.name} of {second.corrected[i]:.4f}: "
        f"{difference(comparison, i)}, {verdict}"
    )


def notes(comparison: FrontComparison) -> list[str]:
    """What is to be said below the table, a sentence or two each."""
    first, second = comparison.first, comparison.second
    corner = ", ".join(
        f"{formatting.title(o.name) if o.is_cost else 'error'} {formatting.metric(o.name, x)}"
        for o, x in zip(comparison.objectives, comparison.reference, strict=True)
    )
    images = " and ".join(f"{number:,}" for number in dict.fromkeys(comparison.images))
    chance = [curve.name for curve in (first, second) if curve.is_any_order]
    order = f" and, for {' and '.join(chance)}, of the order of the candidates" if chance else ""
    source = f"The 95 % intervals hold the noise of {images} validation images{order}"
    found = [
        _reached(first, second),
        _reached(second, first),
        f"Hypervolumes are shares of the box up to ({corner}).",
        "What noise adds to the best of many accuracies is taken off; as seen, it is in them.",
        f"{source}. Each search ran once: what another seed would give is not in them.",
    ]
    for curve in (first, second):
        lost = [
            f"{number} {word}"
            for number, word in ((curve.raced_out, "raced out"), (curve.failed, "failed"))
            if number
        ]
        if lost:
            found.append(f"Of {curve.name} {', '.join(lost)}: they count as spent and add nothing.")
        if curve.spent > comparison.budget:
            found.append(f"{curve.name} has {curve.spent} candidates; the first {comparison.budget} count.")
    if comparison.unlike:
        found.append(f"The studies differ in more than their proposals: {', '.join(comparison.unlike)}.")
    return found


def picture_name(comparison: FrontComparison) -> str:
    """Of the file with both curves: that of the sibling's name, such as `baseline-random.png`."""
    return f"baseline-{comparison.second.study.rpartition('.')[2]}.png"


def _reached(one: SearchCurve, other: SearchCurve) -> str:
    if one.reached_other is None:
        return f"{one.name} did not reach the last hypervolume of {other.name}."
    return (
        f"{one.name} reached the last hypervolume of {other.name} after "
        f"{counted(one.reached_other, 'candidate')}."
    )


def heads(comparison: FrontComparison) -> tuple[str, ...]:
    """Headings of the rows of `cells`."""
    first, second = comparison.first, comparison.second
    return ("candidates", first.name, "as seen", second.name, "as seen", "difference")


def cells(comparison: FrontComparison) -> list[tuple[str, ...]]:
    """Rows of text, one for each count that is shown."""
    found = []
    for i in comparison.shown:
        row = [str(comparison.counts[i])]
        for curve in (comparison.first, comparison.second):
            row.append(_interval(curve.corrected[i], curve.low[i], curve.high[i]))
            row.append(f"{curve.seen[comparison.counts[i] - 1]:.4f}")
        found.append((*row, difference(comparison, i, is_short=True)))
    return found


def difference(comparison: FrontComparison, i: int, *, is_short: bool = False) -> str:
    """A difference with its interval."""
    low, high = comparison.low[i], comparison.high[i]
    if is_short:
        return f"{comparison.difference[i]:+.4f} ({low:+.4f} to {high:+.4f})"
    return f"difference {comparison.difference[i]:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"


def comparison_table(comparison: FrontComparison) -> Table:
    """Both curves, a few counts of candidates a row."""
    table = plain_table(f"{comparison.first.study} and {comparison.second.study} at equal budget")
    for head in heads(comparison):
        table.add_column(Text(head), justify="right", overflow="fold")
    for row in cells(comparison):
        table.add_row(*row)
    return table


def comparison_json(comparison: FrontComparison) -> Json:
    """Everything with raw values; curves whole."""
    raw = asdict(comparison)
    raw["objectives"] = [objective.name for objective in comparison.objectives]
    leader = comparison.leader
    return {**raw, "budget": comparison.budget, "leader": None if leader is None else leader.study}


def comparison_csv(comparison: FrontComparison) -> str:
    """The curves with their intervals, a count a line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    curves = (comparison.first, comparison.second)
    names = [f"{part}:{curve.study}" for curve in curves for part in ("seen", "corrected", "low", "high")]
    writer.writerow(["candidates", *names, "difference", "difference_low", "difference_high"])
    for i, count in enumerate(comparison.counts):
        values = [
            value
            for curve in curves
            for value in (curve.seen[count - 1], curve.corrected[i], curve.low[i], curve.high[i])
        ]
        writer.writerow([count, *values, comparison.difference[i], comparison.low[i], comparison.high[i]])
    return out.getvalue()


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.4f} ({low:.4f} to {high:.4f})"
