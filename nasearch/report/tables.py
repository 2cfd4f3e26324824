"""Tables of trials and studies for the terminal, and the same as plain data for `--json`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from nasearch.pareto import OBJECTIVES
from nasearch.report import formatting
from nasearch.report.content import OUTCOMES, FrontPicture, FrontRow, Reference, ScreenedRow, StudySummary

Json = dict[str, object]
_BETWEEN = 3  # characters of a column beside its text
_NETWORK = 22  # characters that a network's label or a reason needs to be read
_REASON = 50
_LEAST = 10  # and that it gets where there is no room
_STYLES = {
    "complete": "",
    "raced_out": "dim",
    "failed": "red",
    "refused": "yellow",
    "repeated": "dim",
    "running": "cyan",
}


def front_table(picture: FrontPicture, width: int | None = None, *, scores: bool = False) -> Table:
    """A front, a network a row, cheapest first; the knee is marked and in bold, references stand below.

    Args:
        picture: its front; other trials are left out.
        width: of the terminal; metrics that are no objectives are left out, last first, where they would
            leave no room for the networks. None: all are shown.
        scores: whether scores without training have columns of their own.
    """
    objectives, references = _names(picture), picture.references
    shown = front_and_winner(picture)
    scored = formatting.score_names(shown) if scores else []
    every: list[FrontRow | Reference] = [*shown, *references]
    marks = max([0, *(len(mark(row)) for row in shown), 9 if references else 0])
    names, room = _fitting(every, objectives, width, fixed=marks + 13 + _score_room(shown, scored))
    table = _table(f"Front of {picture.title}")
    table.add_column("", no_wrap=True)
    table.add_column("trial", justify="right", no_wrap=True)
    for name in names:
        table.add_column(formatting.title(name), justify="right", no_wrap=True)
    _add_scores(table, scored)
    table.add_column("network", overflow="fold", min_width=room)
    for row in shown:
        table.add_row(
            mark(row),
            str(row.number),
            *cells(row, names),
            *score_cells(row, scored),
            Text(row.label),
            style="bold" if row.is_knee else "",
        )
    if references:
        table.add_section()
    for reference in references:
        words = f"{reference.name}, failed: {reference.reason}" if reference.reason else reference.name
        style = "red" if reference.reason else "green"
        blank = [""] * len(scored)
        table.add_row("reference", "", *cells(reference, names), *blank, Text(words), style=style)
    captions = [picture.so_far] if picture.so_far else []
    if "latency_ms" in names and any(row.latency_iqr_ms is not None for row in every):
        captions.append("± half the interquartile range")
    table.caption = "\n".join(captions) or None
    return table


def trials_table(
    rows: Sequence[FrontRow],
    objectives: Sequence[str],
    title: str | None = None,
    width: int | None = None,
    *,
    scores: bool = False,
) -> Table:
    """All trials as given, with outcome, network and, where there is one, the reason.

    `width` and `scores` as in `front_table`.
    """
    scored = formatting.score_names(rows) if scores else []
    outcomes = max([7, *(len(row.outcome) + (len(mark(row)) + 3 if mark(row) else 0) for row in rows)])
    seconds = [
        formatting.MISSING if row.seconds is None else formatting.duration(row.seconds) for row in rows
    ]
    times = max([4, *map(len, seconds)])
    fixed = outcomes + times + 16 + _score_room(rows, scored)
    names, room = _fitting(rows, objectives, width, fixed=fixed, wanted=_REASON)
    table = _table(title)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for name in names:
        table.add_column(formatting.title(name), justify="right", no_wrap=True)
    _add_scores(table, scored)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("network; reason", overflow="fold", min_width=room)
    for row, took in zip(rows, seconds, strict=True):
        outcome = f"{row.outcome} ({mark(row)})" if mark(row) else row.outcome
        table.add_row(
            str(row.number),
            outcome,
            *cells(row, names),
            *score_cells(row, scored),
            took,
            Text(f"{row.label}; {row.reason}" if row.reason else row.label),
            style=_STYLES.get(row.outcome, ""),
        )
    table.caption = outcome_line(rows)
    return table


def screened_table(
    rows: Sequence[ScreenedRow],
    objectives: Sequence[str],
    title: str | None = None,
    width: int | None = None,
) -> Table:
    """What a screen looked at, as given; `width` as in `front_table`."""
    scored = formatting.score_names(rows)
    costs = [name for name in objectives if any(name in row.values for row in rows)]
    fixed = 25 + _score_room(rows, scored)
    names, room = _fitting(rows, costs, width, fixed=fixed, wanted=_REASON)
    table = _table(title)
    table.add_column("place", justify="right", no_wrap=True)
    table.add_column("fate", no_wrap=True)
    for name in names:
        table.add_column(formatting.title(name), justify="right", no_wrap=True)
    _add_scores(table, scored)
    table.add_column("network; reason", overflow="fold", min_width=room)
    for row in rows:
        style = "" if row.fate == "kept" else "red" if row.fate == "failed" else "dim"
        table.add_row(
            str(row.place + 1),
            row.fate,
            *cells(row, names),
            *score_cells(row, scored),
            Text(f"{row.label}; {row.reason}" if row.reason else row.label),
            style=style,
        )
    table.caption = screen_line(rows)
    return table


def screen_line(rows: Sequence[ScreenedRow]) -> str:
    """Such as "1000 networks looked at by jacov, synflow: 10 kept, 990 screened out"."""
    if not rows:
        return "no screen"
    counts = Counter(row.fate for row in rows)
    fates = ", ".join(f"{count} {fate.replace('_', ' ')}" for fate, count in counts.items())
    return f"{len(rows)} networks looked at by {', '.join(formatting.score_names(rows))}: {fates}"


def screened_json(rows: Sequence[ScreenedRow], objectives: Sequence[str]) -> Json:
    """What a screen looked at, with raw values; places count from 1."""
    return {
        "objectives": list(objectives),
        "screened": [
            {
                "place": row.place + 1,
                "label": row.label,
                "fate": row.fate,
                "reason": row.reason or None,
                "values": {name: _raw(value) for name, value in row.values.items()},
                "scores": scores_json(row.scores),
            }
            for row in rows
        ],
    }


def studies_table(studies: Sequence[StudySummary], title: str | None = None) -> Table:
    """The studies of a store, a study a row, in the order given."""
    table = _table(title)
    for name, justify in (
        ("study", "left"),
        ("space", "left"),
        ("data", "left"),
        ("objectives", "left"),
        ("candidates", "right"),
        ("best accuracy", "right"),
        ("created", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    has_siblings = any(study.sibling_of for study in studies)
    if has_siblings:
        table.add_column("belongs to", overflow="fold")
    for study in studies:
        table.add_row(
            Text(study.name),
            Text(study.space),
            Text(study.data),
            ", ".join(study.objectives),
            str(study.budget_used),
            _best(study),
            study.created_at[:16].replace("T", " "),
            *([Text(f"{study.role} of {study.sibling_of}" if study.sibling_of else "")] * has_siblings),
        )
    return table


def _best(study: StudySummary) -> str:
    """The best accuracy, with what it is where it is no trained network's."""
    text = formatting.metric(study.accuracy, study.best_accuracy)
    kind = formatting.title(study.accuracy).removesuffix("accuracy").strip()
    return f"{text} {kind}" if kind and study.best_accuracy is not None else text


def mark(row: FrontRow) -> str:
    """What a row is beside being a trial: "knee", "winner", both, or nothing."""
    return " ".join(word for word, holds in (("knee", row.is_knee), ("winner", row.is_winner)) if holds)


def outcome_line(rows: Sequence[FrontRow]) -> str:
    """Such as "41 complete, 1 failed, 12 refused"; "no trials" without any."""
    counts = Counter(row.outcome for row in rows)
    order = [*OUTCOMES, *sorted(set(counts) - set(OUTCOMES))]
    return (
        ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in order if counts[name]) or "no trials"
    )


def front_json(pictures: Sequence[FrontPicture]) -> Json:
    """The fronts of a study with raw values: accuracy as a fraction, bytes, milliseconds, counts.

    Args:
        pictures: the front of all candidates, behind that of the confirmed where there is one.
    """
    *confirmed, candidates = pictures
    return {
        "objectives": _names(candidates),
        "front": _rows_json(candidates),
        "references": [reference_json(reference) for reference in candidates.references],
        "confirmed": {
            "objectives": _names(confirmed[0]),
            "front": _rows_json(confirmed[0]),
            "wanted": confirmed[0].wanted,
            "left": confirmed[0].left,
        }
        if confirmed
        else None,
    }


def _names(picture: FrontPicture) -> list[str]:
    return [objective.name for objective in picture.objectives]


def _rows_json(picture: FrontPicture) -> list[Json]:
    return [row_json(row) for row in front_and_winner(picture)]


def front_and_winner(picture: FrontPicture) -> list[FrontRow]:
    """The rows of a front, cheapest first, and the winner where it was chosen from elsewhere."""
    rows = cheapest_first(picture.rows, _names(picture))
    return [row for row in rows if row.is_front or row.is_winner]


def cheapest_first(rows: Sequence[FrontRow], objectives: Sequence[str]) -> list[FrontRow]:
    """Rows that have every objective, by their costs; the order in which a front is read."""
    costs = [name for name in objectives if name in OBJECTIVES and OBJECTIVES[name].is_cost]
    measured = [row for row in rows if all(name in row.values for name in objectives)]
    return sorted(measured, key=lambda row: [*(row.values[name] for name in costs), row.number])


def trials_json(rows: Sequence[FrontRow], objectives: Sequence[str]) -> Json:
    """All trials with raw values."""
    return {"objectives": list(objectives), "trials": [row_json(row) for row in rows]}


def studies_json(studies: Sequence[StudySummary]) -> Json:
    """The studies of a store with raw values."""
    return {
        "studies": [
            {
                "name": study.name,
                "space": study.space,
                "data": study.data,
                "objectives": list(study.objectives),
                "budget_used": study.budget_used,
                "best_accuracy": study.best_accuracy,
                "accuracy": study.accuracy,
                "created_at": study.created_at,
                "sibling_of": study.sibling_of,
                "role": study.role,
            }
            for study in studies
        ]
    }


def row_json(row: FrontRow) -> Json:
    """One trial with raw values; whole numbers stay whole."""
    return {
        "number": row.number,
        "label": row.label,
        "outcome": row.outcome,
        "reason": row.reason or None,
        "values": {name: _raw(value) for name, value in row.values.items()},
        "scores": scores_json(row.scores),
        "latency_iqr_ms": row.latency_iqr_ms,
        "seconds": row.seconds,
        "is_front": row.is_front,
        "is_knee": row.is_knee,
        "is_winner": row.is_winner,
    }


def reference_json(reference: Reference) -> Json:
    """One known network with raw values; `reason` says why it failed."""
    return {
        "name": reference.name,
        "label": reference.label,
        "reason": reference.reason or None,
        "values": {name: _raw(value) for name, value in reference.values.items()},
        "latency_iqr_ms": reference.latency_iqr_ms,
        "seconds": reference.seconds,
    }


def cells(row: FrontRow | Reference | ScreenedRow, names: Sequence[str]) -> list[str]:
    """The values of these metrics as tables show them."""
    spread = None if isinstance(row, ScreenedRow) else row.latency_iqr_ms
    return [
        formatting.metric(name, row.values.get(name), spread if name == "latency_ms" else None)
        for name in names
    ]


def score_cells(row: FrontRow | ScreenedRow, names: Sequence[str]) -> list[str]:
    """These scores as tables show them."""
    return [formatting.score(row.scores.get(name)) for name in names]


def scores_json(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Scores without training by name; None for "no signal", which JSON has no number for."""
    return {name: None if value == -math.inf else value for name, value in scores.items()}


def _add_scores(table: Table, names: Sequence[str]) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def _score_room(rows: Sequence[FrontRow | ScreenedRow], names: Sequence[str]) -> int:
    """Characters that the columns of scores take."""
    return sum(
        _BETWEEN + max([len(name), *(len(score_cells(row, [name])[0]) for row in rows)]) for name in names
    )


def _raw(value: float) -> float | int:
    return int(value) if float(value).is_integer() and abs(value) > 1 else float(value)


def _fitting(
    rows: Sequence[FrontRow | Reference | ScreenedRow],
    objectives: Sequence[str],
    width: int | None,
    fixed: int,
    wanted: int = _NETWORK,
) -> tuple[list[str], int]:
    """What fits beside `fixed` characters.

    Returns:
        The metrics to show, the objectives and as many of the others as there is room for; and the
        characters that a network's label then gets at least: beyond the width rich would cut lines off.
    """
    names = formatting.metric_names(rows, objectives)
    if width is None:
        return names, _NETWORK
    lengths = {
        name: _BETWEEN + max([len(formatting.title(name)), *(len(cells(row, [name])[0]) for row in rows)])
        for name in names
    }
    while len(names) > len(objectives) and sum(lengths[n] for n in names) + fixed + wanted > width:
        names.pop()
    left = width - fixed - sum(lengths[name] for name in names)
    return names, max(_LEAST, min(_NETWORK, left))


def _table(title: str | None) -> Table:
    # A title is a name someone chose: as Text, so that brackets in it are no markup.
    return Table(
        title=None if title is None else Text(title, style="bold"), box=box.SIMPLE_HEAD, pad_edge=False
    )
