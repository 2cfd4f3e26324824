"""Choosing: the trial that is trained in full, and the one that teaches it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasearch.errors import SelectionError, StudyError
from nasearch.pareto import OBJECTIVES, Limit, Objective, best_under, front, knee, losses, parse_limit
from nasearch.report.formatting import title
from nasearch.store.records import TrialRecord
from nasearch.study.proxies.names import accuracy_of

if TYPE_CHECKING:
    from nasearch.study.study import Study


def choose(study: Study, pick: str | None) -> TrialRecord:
    """The knee, or the most accurate complete trial under a bound; of confirmed ones if there are any.

    Raises:
        StudyError: if nothing is complete.
        SelectionError: if the bound cannot be read or nothing keeps it.
    """
    if pick is None:
        trial = study.knee()
        if trial is None:
            raise StudyError(
                f"study {study.name!r} has no complete trial that keeps its limits; run it further, "
                f"or look at the reasons with: nasearch trials {study.name}"
            )
        return trial
    limit, confirmed = parse_limit(pick), study.confirmed()
    if not confirmed:
        return most_accurate(study, distinct(study), limit)
    try:
        return most_accurate(study, confirmed, limit, "confirmed trials")
    except SelectionError as problem:
        if picked(study, limit) is None:
            raise
        raise SelectionError(
            f"{problem}; others of {study.name!r} keep it: run it again with --pick {limit.text!r}, "
            "which confirms the best of them"
        ) from problem


def by_number(study: Study, number: int) -> TrialRecord:
    """A trial, with the accuracy of its own training if it was confirmed; StudyError if there is none."""
    trial = study.trial(number)
    return next((each for each in study.confirmed() if each.key == trial.key), trial)


def most_accurate(
    study: Study, trials: Sequence[TrialRecord], limit: Limit, what: str = "trials"
) -> TrialRecord:
    """The most accurate of some trials of a study under a bound; for one on latency its fronts are timed.

    Args:
        study: whose trials they are.
        trials: complete ones.
        limit: to be kept.
        what: they are, in words.

    Raises:
        SelectionError: if none keeps it.
    """
    if limit.metric == "latency_ms":
        fronts = {trial.key for trial in (*study.front(), *study.confirmed())}
        trials = [_timed(study, trial) if trial.key in fronts else trial for trial in trials]
    known = [trial for trial in trials if limit.metric in trial.values]
    metrics = [OBJECTIVES["accuracy"], *(OBJECTIVES[limit.metric],) * (limit.metric != "accuracy")]
    table = np.array([[trial.values[metric.name] for metric in metrics] for trial in known])
    return known[best_under(table.reshape(len(known), len(metrics)), metrics, [limit], what)]


def picked(study: Study, limit: Limit) -> TrialRecord | None:
    """Who a bound would choose if none were confirmed; None where nothing keeps it.

    None, too, for a bound on accuracy where the proxy's is not that of trained networks.
    """
    if limit.metric == "accuracy" and not study.proxy.trains:
        return None
    try:
        return most_accurate(study, distinct(study), limit)
    except SelectionError:
        return None


def _timed(study: Study, trial: TrialRecord) -> TrialRecord:
    """A trial with its latency, which is measured where it was not."""
    latency = study.latency(trial.architecture).median_ms
    return dataclasses.replace(trial, values={**trial.values, "latency_ms": latency})


def why(study: Study, number: int | None, pick: str | None) -> str:
    """How a winner was chosen, in words."""
    if number is not None:
        return f"trial {number}, asked for by number"
    confirmed = len(study.confirmed())
    by = "" if study.proxy.trains else f" by {title(accuracy_of(study.settings.proxy))}"
    if pick is None:
        return f"knee of the {confirmed} confirmed" if confirmed else f"knee of the front{by}"
    whose = f" of the {confirmed} confirmed" if confirmed else by
    return f"most accurate{whose} with {parse_limit(pick).text}"


def teacher_of(study: Study, winner: TrialRecord) -> TrialRecord | None:
    """The most accurate network of the front; the next most accurate of all if that is the winner.

    Of confirmed ones where there are others than the winner, else of all candidates by the proxy.
    """
    judged: Sequence[TrialRecord] = study.confirmed()
    if all(trial.key == winner.key for trial in judged):
        judged = distinct(study)
    on_front = front_of(judged, study.objectives)
    front_others = [trial for trial in on_front if trial.key != winner.key]
    others = [trial for trial in judged if trial.key != winner.key]
    best = max(on_front, key=lambda trial: trial.values["accuracy"], default=None)
    pool = front_others if best is not None and best.key != winner.key else others
    return max(pool, key=lambda trial: trial.values["accuracy"], default=None)


def knee_of(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> TrialRecord | None:
    """The trial of a front that is chosen by default."""
    if not trials:
        return None
    table = np.array([[trial.values[objective.name] for objective in objectives] for trial in trials])
    return trials[knee(losses(table, objectives), objectives)]


def front_of(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Those that no other dominates, the cheapest first."""
    if not trials:
        return []
    table = np.array([[trial.values[objective.name] for objective in objectives] for trial in trials])
    kept = [trial for trial, stays in zip(trials, front(losses(table, objectives)), strict=True) if stays]
    costs = [objective.name for objective in objectives if objective.is_cost]
    return sorted(kept, key=lambda trial: [trial.values[name] for name in costs] or trial.number)


def distinct(study: Study) -> list[TrialRecord]:
    """Complete trials that keep the study's limits, one a network, in order."""
    first: dict[str, TrialRecord] = {}
    for trial in study.trials():
        known = [limit for limit in study.limits if limit.metric in trial.values]
        if trial.outcome == "complete" and all(limit.allows(trial.values[limit.metric]) for limit in known):
            first.setdefault(trial.key, trial)
    return list(first.values())
