"""How good a search's front was at each moment, judged by somebody else, for `bench_time_to_front`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasearch.pareto import front, hypervolume


@dataclass(frozen=True)
class Event:
    """A candidate that a search has measured.

    Attributes:
        seconds: wall-clock from the start of the search's process to this measurement's end.
        accuracy: as the search saw it, a fraction in [0, 1].
    """

    seconds: float
    key: str
    architecture_json: str
    accuracy: float
    macs: float


@dataclass(frozen=True)
class Moment:
    """The front that a search saw from this moment on: keys of its networks."""

    seconds: float
    keys: frozenset[str]


@dataclass(frozen=True)
class Span:
    """One process of a search, in Unix time."""

    began: float
    ended: float


def elapsed(at: float, spans: Sequence[Span]) -> float:
    """Wall-clock of all processes up to a Unix time, without the pauses between them.

    A time after the last process counts as its end.
    """
    return sum(max(0.0, min(at, span.ended) - span.began) for span in spans)


def observed_fronts(events: Iterable[Event]) -> list[Moment]:
    """The front as the search saw it after each of its candidates, in time."""
    moments: list[Moment] = []
    seen: list[Event] = []
    for event in sorted(events, key=lambda each: each.seconds):
        seen.append(event)
        marks = front([[1 - each.accuracy, each.macs] for each in seen])
        keys = frozenset(each.key for each, mark in zip(seen, marks, strict=True) if mark)
        moments.append(Moment(event.seconds, keys))
    return moments


def judged_curve(
    moments: Iterable[Moment],
    accuracy: Mapping[str, float],
    macs: Mapping[str, float],
    reference: tuple[float, float],
) -> list[tuple[float, float]]:
    """(seconds, hypervolume) of each moment's front with the judge's accuracies.

    Args:
        moments: of one search.
        accuracy: by key, the judge's, in [0, 1]; of every network that was ever on a front.
        macs: by key.
        reference: largest error and largest MACs that count; the hypervolume is a share of this box.
    """
    box = reference[0] * reference[1]
    curve = []
    for moment in moments:
        losses = np.array([[1 - accuracy[key], macs[key]] for key in sorted(moment.keys)])
        curve.append((moment.seconds, hypervolume(losses, reference) / box))
    return curve


def first_reach(curve: Iterable[tuple[float, float]], target: float) -> float | None:
    """Seconds at which a curve is first at the target or above; None if it never is."""
    return next((seconds for seconds, value in curve if value >= target), None)


def reached_for_good(curve: Sequence[tuple[float, float]], target: float) -> float | None:
    """Seconds from which a curve stays at the target or above; None if it ends below."""
    since = None
    for seconds, value in curve:
        if value < target:
            since = None
        elif since is None:
            since = seconds
    return since
