"""One run of a study: search up to a budget by the process that owns it, and say how it goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nasearch.errors import StudyError
from nasearch.executors import Recalling
from nasearch.space import Architecture
from nasearch.study import ledger
from nasearch.study.environment import deterministic
from nasearch.study.lending import lent_by
from nasearch.study.opening import make_bench, make_rules
from nasearch.study.progress import Progress, RunSummary, Standing
from nasearch.study.proposals import Given, Proposals
from nasearch.study.proxies.names import named
from nasearch.study.race import Race
from nasearch.study.scoring import Scorer, as_features
from nasearch.study.screening import screen
from nasearch.study.search import Search

if TYPE_CHECKING:
    from nasearch.study.study import Study


def run(
    study: Study,
    budget: int | None,
    time_s: float | None,
    progress: Progress,
    command: str = "",
    *,
    lender: Study | None = None,
    given: Sequence[Architecture] | None = None,
    prepared: AbstractContextManager[object] | None = None,
) -> RunSummary:
    """Search until `budget` distinct architectures have been trained; arguments as in `Study.run`.

    A lender is a study with the same trainings: what it has measured is taken from there, and counts. With
    given architectures nothing is proposed: they are the candidates, in that order, and no budget means all
    of them. What is to be prepared is entered once the study is owned, and left before it is given up.
    """
    assert budget is not None or given is not None
    kin = study.identity.kinship
    if given is None and kin is not None and kin.role != "baseline":
        raise StudyError(
            f"study {study.name!r} is {kin.phrase}: it is given its networks and searches for none; "
            f"expected the study {kin.of}"
        )
    store, study_id = study._store, study._record.id
    started = time.monotonic()
    until = None if time_s is None else started + time_s
    with study._owned("run") as lease, store.guard(), deterministic(study.threads), ExitStack() as opened:
        if prepared is not None:
            opened.enter_context(prepared)
        # only now, when nobody else adds to the study
        known = {record.key: record for record in store.measurements(study_id)}
        all_given = known.keys() | {architecture.key for architecture in given or ()}
        wanted = len(all_given) if budget is None else budget
        board, rules = study._board(), make_rules(study)
        ended = {key for key, record in known.items() if record.state != "running"}
        left = wanted - len(known)
        checkpoints = opened.enter_context(
            _checkpoints(study.directory / f"checkpoints-{study._mark}", progress)
        )
        proxy = study.proxy
        first: tuple[Architecture, ...] = ()
        if left > 0 or ledger.running(study._optuna):
            proxy.prepare(study, progress)
        if left > 0 and study.settings.screen is not None:
            first = screen(study, rules, study.settings.screen, progress, until)
        executor = opened.enter_context(proxy.executor(study, left) if left > 0 else proxy.in_process(study))
        bench = make_bench(study, executor, checkpoints)
        if lender is not None:
            bench = dataclasses.replace(bench, executor=Recalling(executor, lent_by(lender, bench)))
        study._note_run(command)
        progress.started(study.name, board.standing(len(known), wanted, len(known) - len(ended)))

        def standing() -> Standing:
            return board.standing(search.spent, wanted, search.spent - len(ended))

        def on_told(number: int) -> None:
            trial, record = study._history.measured(number)
            if record is not None:
                known[trial.key] = record
                if record.state != "running":
                    ended.add(trial.key)
            if trial.outcome in ("complete", "repeated"):
                board.add(trial.key, trial.values)
            shown = dataclasses.replace(trial, values=named(study.settings.proxy, trial.values))
            progress.told(shown, standing())

        seed = study.identity.proposal_seed
        proposals = Proposals(
            study._optuna,
            rules,
            study.settings.proposer,
            seed,
            known.get,
            on_told,
            first,
            partial(store.scores.of, study_id),
            partial(as_features, Scorer(study)) if study.settings.features and left > 0 else None,
        )
        source = proposals if given is None else Given(proposals, given)
        race, weights = _race(study), study.identity.weights_seed
        search = Search(store, study_id, lease, source, bench, rules, race, weights, progress, on_told)
        stopped = search.run(wanted, None if until is None else until - time.monotonic())
    summary = RunSummary(standing(), study.outcomes(), time.monotonic() - started, stopped)
    progress.finished(summary)
    return summary


@contextmanager
def _checkpoints(folder: Path, progress: Progress) -> Iterator[Path | None]:
    """A folder for the trainings in flight, gone again if it is empty; None where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        progress.message(f"{folder}: {problem.strerror}; after a stop, candidates in flight begin anew")
        yield None
        return
    try:
        yield folder
    finally:
        with suppress(OSError):  # trainings in flight are left in it
            for part in folder.glob("*.part"):  # of workers that were killed as they wrote
                part.unlink()
            folder.rmdir()


def _race(study: Study) -> Race:
    """The race with everything that the study has seen; one without rungs where candidates do not race."""
    rungs = study.rungs if study.settings.races else ()
    race = Race(rungs, study.objectives, study.limits, len(study.classes))
    for trial in study.trials(curves=True):
        if trial.outcome in ("complete", "raced_out"):
            race.note(trial.values, {point.epoch: point.val_accuracy for point in trial.curve})
    return race
