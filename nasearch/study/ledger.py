"""Optuna's side of a study: trials with their attributes, constraints and outcomes.

Optuna is the source of truth for trials, so its dashboard and every other tool of its world work on
a study of ours. What we add are user attributes, which the dashboard shows, and constraints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nasearch.pareto import OBJECTIVES, Objective
from nasearch.samplers.observed import RUNGS
from nasearch.space import Architecture
from nasearch.store.records import CurveRow, MeasurementRecord, Outcome, State, TrialRecord
from nasearch.store.trial_storage import TrialStorage

OUTCOME = "nasearch:outcome"
KEY = "nasearch:key"
ARCHITECTURE = "nasearch:architecture"
LABEL = "nasearch:label"
REASON = "nasearch:reason"
TRAINING = "nasearch:training"
SCORE = "score:"
"""Begins the names of attributes that hold scores without training; the dashboard shows them."""
NO_SIGNAL = "no signal"


def describe(
    trial: optuna.Trial,
    architecture: Architecture,
    values: Mapping[str, float],
    scores: Mapping[str, float] | None = None,
) -> None:
    """Write what is known of a candidate before it is trained; again is harmless."""
    known = trial.user_attrs
    for name, value in (
        (KEY, architecture.key),
        (LABEL, architecture.label),
        (ARCHITECTURE, architecture.to_json()),
        *values.items(),
        *((f"{SCORE}{name}", _shown(score)) for name, score in (scores or {}).items()),
    ):
        if known.get(name) != value:
            trial.set_user_attr(name, value)


def _shown(score: float) -> float | str:
    """JSON has no -inf."""
    return NO_SIGNAL if score == -math.inf else score


def conclude(
    trial: optuna.Trial,
    outcome: Outcome,
    values: Mapping[str, float],
    objectives: Sequence[Objective],
    margins: Mapping[str, float],
    *,
    reason: str | None = None,
    extra: Mapping[str, Any] | None = None,
    twin: State = "complete",
) -> None:
    """Give a trial its outcome: attributes first, then every constraint, then the state.

    Args:
        trial: asked, not told yet.
        outcome: `complete` and `repeated` are told with their values where every objective has one.
        values: what is known of the network, by metric.
        objectives: of the study.
        margins: every limit of the study by its text (`Rules.margins`).
        reason: for people.
        extra: further attributes, such as `RUNGS`; those that are None are left out.
        twin: of a repeated trial, the state of the measurement that it repeats.
    """
    for name, value in ((OUTCOME, outcome), (REASON, reason), *(extra or {}).items()):
        if value is not None:
            trial.set_user_attr(name, value)
    already = trial.constraints
    for text, margin in margins.items():
        if text not in already:
            trial.set_constraint(text, margin)
    counts = outcome == "complete" or (outcome == "repeated" and twin == "complete")
    if counts and all(objective.name in values for objective in objectives):
        trial.study.tell(trial, [float(values[objective.name]) for objective in objectives])
    else:
        failed = outcome == "failed" or (outcome == "repeated" and twin in ("failed", "complete"))
        trial.study.tell(trial, state=TrialState.FAIL if failed else TrialState.PRUNED)


def keep(trial: optuna.Trial) -> None:
    """Write a trial's choices and attributes, which are in memory until then: it is about to be measured."""
    storage = trial.storage
    if isinstance(storage, TrialStorage):
        storage.flush(trial._trial_id)


def rungs_in(curve: Sequence[CurveRow]) -> list[list[float]]:
    """What `RUNGS` holds: [epoch, accuracy] of every validated epoch."""
    return [[row.epoch, row.val_accuracy] for row in curve]


def taken_up(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A running trial of an earlier process as one that can be asked and told again."""
    taken = optuna.Trial(study, trial._trial_id)
    keep(taken)  # from here its attributes are this process's to gather
    return taken


def find(study: optuna.Study, number: int) -> FrozenTrial | None:
    """The trial of a number, without going over the others."""
    storage = study._storage
    try:
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study._study_id, number))
    except KeyError:
        return None


def running(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that run, or did when their process died."""
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return trials


def next_number(study: optuna.Study) -> int:
    """The number of the trial that `ask` gives next: one that waits, or a new one."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if waiting:
        return int(waiting[0].number)
    storage = study._storage
    if isinstance(storage, TrialStorage):
        return storage.count(study._study_id)
    return len(study.get_trials(deepcopy=False))


def outcome_of(trial: FrozenTrial) -> Outcome:
    """A trial's outcome; running while Optuna says so."""
    if not trial.state.is_finished():
        return "running"
    outcome: Outcome = trial.user_attrs.get(OUTCOME, "failed")
    return outcome


def record_of(
    trial: FrozenTrial,
    measurement: MeasurementRecord | None,
    latency: Mapping[str, Any] | None,
    curve: tuple[CurveRow, ...] = (),
    scores: Mapping[str, float] | None = None,
    *,
    read: Callable[[str], Architecture] = Architecture.from_json,
) -> TrialRecord | None:
    """What reports see of a trial; None for one that died before it had an architecture.

    `read` reads architectures; whoever asks again and again keeps what was read.
    """
    text = trial.user_attrs.get(ARCHITECTURE)
    if text is None:
        return None
    attrs = trial.user_attrs
    noted: dict[str, float] = {name: attrs[name] for name in OBJECTIVES if name in attrs}
    is_measured = measurement is not None and measurement.state == "complete"
    merged = {**(measurement.values if is_measured and measurement else {}), **noted}
    values = {name: merged[name] for name in OBJECTIVES if name in merged}
    if latency is not None:
        values["latency_ms"] = latency["median_ms"]
    own = measurement is not None and measurement.number == trial.number
    return TrialRecord(
        number=trial.number,
        outcome=outcome_of(trial),
        key=attrs[KEY],
        architecture=read(text),
        values=values,
        scores=dict(scores or {}),
        seconds=measurement.seconds if measurement is not None and own else None,
        reason=attrs.get(REASON),
        curve=curve if own else (),
        rungs=tuple((int(epoch), float(accuracy)) for epoch, accuracy in attrs.get(RUNGS, ())),
    )
