"""Confirming: the best of a search by a cheap proxy are trained by themselves, in `NAME.confirmed`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasearch.errors import SettingsError, StudyError
from nasearch.pareto import Objective, best_under, crowding, knee, losses, parse_limit, ranks
from nasearch.report.formatting import percent
from nasearch.store.records import TrialRecord
from nasearch.study.choosing import distinct, picked
from nasearch.study.given import find_given, measure_given
from nasearch.study.progress import Progress, RunSummary
from nasearch.study.proxies.names import accuracy_of

if TYPE_CHECKING:
    from nasearch.study.study import Study


WANTED = "nasearch:confirm"
"""Under this user attribute `NAME.confirmed` notes the keys of the networks that were asked for last."""


def best_of(
    trials: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    count: int,
    first: Sequence[TrialRecord] = (),
) -> tuple[TrialRecord, ...]:
    """The best trials by non-dominated rank; of the last rank that has room those that lie least crowded.

    The first are always those in `first`, the knee and the most accurate, while there is room: what would be
    chosen, and what no training of smaller networks can stand in for.

    Args:
        trials: complete ones, one a network.
        objectives: that they have.
        count: of the trials that are wanted, if there are so many.
        first: of the trials, such as the one that `--pick` asks for.

    Source: Deb et al. 2002, "NSGA-II"; crowding is taken anew after each that is left out.
    """
    if not trials:
        return ()
    values = np.array([[trial.values[each.name] for each in objectives] for trial in trials])
    table = losses(values, objectives)
    rank = ranks(table)
    best = np.flatnonzero(rank == 0)
    keys = [trial.key for trial in trials]
    asked = [keys.index(trial.key) for trial in first]
    usual = [int(best[knee(table[best], objectives)]), best_under(values, objectives, [])]
    chosen = list(dict.fromkeys([*asked, *usual]))[:count]
    for each in np.unique(rank):
        members = [int(row) for row in np.flatnonzero(rank == each)]
        room = count - len(set(chosen).difference(members))
        while len(members) > room:
            spare = [i for i, row in enumerate(members) if row not in chosen]
            lonely = crowding(table[members])[spare]
            members.pop(spare[int(np.argmin(lonely))])
        chosen += [row for row in members if row not in chosen]
        if len(chosen) == count:
            break
    return tuple(trials[i] for i in chosen)


def confirm(study: Study, count: int, progress: Progress) -> RunSummary | None:
    """Train the best of a study; arguments and errors as in the `Study`."""
    if count < 0:
        raise SettingsError(f"count is {count}; expected a whole number from 0")
    pick = study.settings.pick
    asked = None if pick is None else picked(study, parse_limit(pick))
    best = best_of(distinct(study), study.objectives, count, [asked] if asked is not None else [])
    if not best:
        return None
    wanted = [trial.key for trial in best]
    sibling = find_given(study, "confirmed")
    if sibling is not None and not _unmeasured(sibling, wanted):
        progress.message(f"the best {len(best)} are confirmed already: {study.name}.confirmed")
        progress = Progress()  # the rest only makes sure that it is by the same training
    else:
        progress.message(f"confirming the best {len(best)} by training them: {study.name}.confirmed")
    summary = measure_given(
        study,
        "confirmed",
        [trial.architecture for trial in best],
        study.recipe,
        progress,
        note={WANTED: wanted},
        start=study.proxy.start(study),
    )
    _tell(study, progress)
    return summary


def _unmeasured(sibling: Study, wanted: Sequence[str]) -> list[str]:
    """Those keys of networks of which `NAME.confirmed` has no outcome; it is closed."""
    with sibling:
        records = sibling._store.measurements(sibling._record.id)
    measured = {record.key for record in records if record.state != "running"}
    return [key for key in wanted if key not in measured]


def _tell(study: Study, progress: Progress) -> None:
    """Say what the trainings have shown."""
    trials, chosen = study.confirmed(), study.knee()
    if not trials or chosen is None:
        return
    best = max(trials, key=lambda trial: trial.values["accuracy"])
    progress.message(
        f"of {len(trials)} confirmed the most accurate is trial {best.number} with "
        f"{percent(best.values['accuracy'])}, their knee trial {chosen.number} with "
        f"{percent(chosen.values['accuracy'])}"
    )


def still_to_confirm(study: Study) -> tuple[int, int]:
    """Networks whose confirmation was asked for last and has no outcome yet, and how many were asked for.

    Before the first confirming as many as the settings ask for; none where they ask for none.
    """
    if study.proxy.trains or study.identity.kinship is not None or not study.settings.confirms:
        return 0, 0
    sibling = find_given(study, "confirmed")
    if sibling is None:
        wanted_yet = min(study.settings.confirms, len(distinct(study)))
        return wanted_yet, wanted_yet
    wanted: list[str] = sibling._optuna.user_attrs.get(WANTED, [])
    return len(_unmeasured(sibling, wanted)), len(wanted)


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

    What the study judged by stands beside them under its own name, such as `inherited_accuracy`. Empty where
    nothing was confirmed.
    """
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
        dataclasses.replace(
            trial,
            values={
                **trial.values,
                "accuracy": accuracies[trial.key],
                accuracy_of(study.settings.proxy): trial.values["accuracy"],
            },
        )
        for trial in distinct(study)
        if trial.key in accuracies
    )
