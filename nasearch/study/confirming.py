"""Confirming: the best of a search by a cheap proxy are trained by themselves, in `NAME.confirmed`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from nasearch.errors import SettingsError, StudyError
from nasearch.pareto import Objective, crowding, knee, losses, ranks
from nasearch.store.records import TrialRecord
from nasearch.study.given import find_given, measure_given
from nasearch.study.progress import Progress, RunSummary

if TYPE_CHECKING:
    from nasearch.study.study import Study


def best_of(
    trials: Sequence[TrialRecord], objectives: Sequence[Objective], count: int
) -> tuple[TrialRecord, ...]:
    """The best trials by non-dominated rank; of the last rank that has room those that lie least crowded.

    The knee, which would be chosen by default, is always among them.

    Args:
        trials: complete ones, one a network.
        objectives: that they have.
        count: of the trials that are wanted, if there are so many.

    Source: Deb et al. 2002, "NSGA-II"; crowding is taken anew after each that is left out.
    """
    if not trials:
        return ()
    table = losses([[trial.values[each.name] for each in objectives] for trial in trials], objectives)
    rank = ranks(table)
    chosen: list[int] = []
    best = np.flatnonzero(rank == 0)
    favourite = int(best[knee(table[best], objectives)])
    for each in np.unique(rank):
        members = [int(row) for row in np.flatnonzero(rank == each)]
        while len(members) > count - len(chosen):
            spare = [i for i, row in enumerate(members) if row != favourite]
            room = crowding(table[members])[spare]
            members.pop(spare[int(np.argmin(room))])
        chosen += members
        if len(chosen) == count:
            break
    return tuple(trials[i] for i in chosen)


def confirm(study: Study, count: int, progress: Progress) -> RunSummary | None:
    """Train the best of a study; arguments and errors as in the `Study`."""
    from nasearch.study.winner import distinct

    if count < 0:
        raise SettingsError(f"count is {count}; expected a whole number from 0")
    best = best_of(distinct(study), study.objectives, count)
    if not best:
        return None
    architectures = [trial.architecture for trial in best]
    if _all_measured(study, {trial.key for trial in best}):
        progress.message(f"the best {len(best)} are confirmed already: {study.name}.confirmed")
        progress = Progress()  # the rest only makes sure that it is by the same training
    else:
        progress.message(f"confirming the best {len(best)} by training them: {study.name}.confirmed")
    return measure_given(
        study, "confirmed", architectures, study.recipe, progress, start=study.proxy.start(study)
    )


def _all_measured(study: Study, keys: Set[str]) -> bool:
    """Whether `NAME.confirmed` has an outcome of each of these networks."""
    sibling = find_given(study, "confirmed")
    if sibling is None:
        return False
    with sibling:
        records = sibling._store.measurements(sibling._record.id)
    return keys <= {record.key for record in records if record.state != "running"}


def check(study: Study) -> None:
    """Refuse a study whose candidates are trained anyway.

    Raises:
        StudyError: saying so.
    """
    if study.proxy.trains:
        raise StudyError(
            f"the candidates of study {study.name!r} are trained themselves; expected a study with a cheaper "
            "proxy, such as --proxy inherited"
        )


def confirmed(study: Study) -> tuple[TrialRecord, ...]:
    """The trials of a study that `NAME.confirmed` has trained, one a network, with the accuracies from there.

    Empty where nothing was confirmed.
    """
    from nasearch.study.winner import distinct

    if study.identity.kinship is not None:
        return ()
    sibling = find_given(study, "confirmed")
    if sibling is None:
        return ()
    with sibling:
        accuracies = {
            trial.key: trial.values["accuracy"] for trial in sibling.trials() if trial.outcome == "complete"
        }
    return tuple(
        dataclasses.replace(trial, values={**trial.values, "accuracy": accuracies[trial.key]})
        for trial in distinct(study)
        if trial.key in accuracies
    )
