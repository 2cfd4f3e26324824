"""Reference networks: known ones, measured as candidates are, beside the search and never in it.

They are trained by the study's proxy, with a seed made as a candidate's is, once the search is over: a first
candidate does not wait for them. They cost no budget, are no trials, are held to no limit and cannot win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasearch.errors import BuildError, MeasurementError, SpaceError
from nasearch.executors import Job
from nasearch.report.formatting import count, percent
from nasearch.space import Architecture, fixed_space
from nasearch.store.leases import Lease
from nasearch.store.records import MeasurementRecord, ReferenceRecord
from nasearch.study.environment import deterministic
from nasearch.study.opening import costs_of, make_bench
from nasearch.study.progress import Progress
from nasearch.study.search import MOST_ATTEMPTS, Bench, training_seed
from nasearch.study.timing import time_references

if TYPE_CHECKING:
    from nasearch.study.study import Study
    from nasearch.training import CurvePoint


@dataclass(frozen=True)
class Known:
    """A fixed network and the name it is drawn under."""

    name: str
    architecture: Architecture


def known_networks(names_or_paths: Sequence[str | Path]) -> tuple[Known, ...]:
    """The networks of built-in names and space files, each once, in the order given.

    Raises:
        SpaceError: for what is no space of one network, and for two networks of one name.
    """
    found: dict[str, Known] = {}
    for given in names_or_paths:
        space = fixed_space(given)
        known = Known(space.name, space.sample(0))
        if found.setdefault(space.name, known).architecture.key != known.architecture.key:
            raise SpaceError(
                f"references: {str(given)!r} is named {space.name!r}, as another network before it is; "
                "expected a name of its own in each file"
            )
    return tuple(found.values())


def measured(study: Study) -> tuple[ReferenceRecord, ...]:
    """The references of a study that have an outcome; latencies are among their values."""
    store, study_id = study._store, study._record.id
    latencies = store.latencies(study_id)
    return tuple(
        replace(record, values={**record.values, "latency_ms": latencies[record.key]["median_ms"]})
        if record.state == "complete" and record.key in latencies
        else record
        for record in store.references.all(study_id)
        if record.state != "running"
    )


def measure(study: Study, wanted: Sequence[Known], progress: Progress) -> None:
    """Measure those that the study has not measured; time them where candidates or the front are timed.

    Raises:
        StoreError: if another process owns the study or takes it over, or the database fails.
    """
    with study._owned("references") as lease, study._store.guard(), deterministic(study.threads):
        referee = Referee(study, lease, progress)
        for known in wanted:
            referee.measure(known)
        if study.needs_latency or any("latency_ms" in trial.values for trial in study.front()):
            time_references(study, progress)


class Referee:
    """Measures references for the process that owns a study.

    One that fails does so alone. One that failed, or was in flight when its process died, is tried again when
    it is asked for again, three times in all.
    """

    def __init__(self, study: Study, lease: Lease, progress: Progress) -> None:
        self._study, self._lease, self._progress = study, lease, progress
        self._rows, self._study_id = study._store.references, study._record.id

    def measure(self, known: Known) -> None:
        """Measure a network, unless the study has its measurement.

        Raises:
            StoreError: if another process takes the study over, or the database fails.
        """
        row = self._rows.find(self._study_id, known.name)
        if row is not None and row.key == known.architecture.key:
            if row.state == "complete":
                return
            if row.attempts >= MOST_ATTEMPTS:
                self._give_up(row)
                return
        twin = self._twin(known.architecture.key)
        if twin is not None:
            started = self._start(known, twin.seed, twin.fidelity, twin.device)
            self._complete(known, started, twin.values, twin.seconds or 0.0)
            return
        seed = training_seed(self._study.seed, known.architecture.key)
        started = self._start(known, seed, self._bench.fidelity(), self._bench.device)
        try:
            self._train(known, started, seed)
        except KeyboardInterrupt:
            self._rows.interrupt(started)
            raise

    @cached_property
    def _bench(self) -> Bench:
        return make_bench(self._study)

    def _give_up(self, row: ReferenceRecord) -> None:
        reason = row.reason
        if row.state == "running":
            reason = f"the process died {row.attempts} times while this network was measured"
            self._rows.fail(row.id, reason, 0.0)
        self._progress.message(f"reference {row.name} is not tried a fourth time: {reason}")

    def _twin(self, key: str) -> MeasurementRecord | ReferenceRecord | None:
        """A measurement of the same network, as a candidate or under another name."""
        found = (self._study._store.measurement(self._study_id, key), *self._rows.all(self._study_id))
        return next((each for each in found if each and each.key == key and each.state == "complete"), None)

    def _start(self, known: Known, seed: int, fidelity: Mapping[str, Any], device: Mapping[str, Any]) -> int:
        return self._rows.start(
            self._study_id, known.name, known.architecture, seed, fidelity, device, self._lease.run_id
        )

    def _train(self, known: Known, row: int, seed: int) -> None:
        title, bench = f"reference {known.name}", self._bench

        def on_point(_: Job, point: CurvePoint) -> bool:
            self._progress.stage_epoch(point, bench.epochs)
            return True

        try:
            costs = costs_of(self._study)(known.architecture)
        except (BuildError, MeasurementError) as problem:  # it cannot be built for these data
            self._fail(known, row, str(problem), 0.0)
            return
        self._progress.stage(title, bench.epochs)
        bench.executor.submit(Job(None, known.architecture, seed))
        done = bench.executor.wait(on_point)
        self._progress.stage_done(title)
        self._lease.beat()  # raises where another process has taken the study over meanwhile
        if done.result is None:
            self._fail(known, row, done.reason or "no reason given", done.seconds)
        else:
            self._complete(known, row, {**costs, "accuracy": done.result.accuracy}, done.seconds)

    def _complete(self, known: Known, row: int, values: Mapping[str, float], seconds: float) -> None:
        try:
            self._rows.complete(row, values, seconds)
        except MeasurementError as problem:  # not finite: no measurement, but an outcome
            self._fail(known, row, str(problem), seconds)
            return
        facts = f"{count(values['params'])} parameters, accuracy {percent(values['accuracy'])}"
        self._progress.message(f"reference {known.name}: {facts}")

    def _fail(self, known: Known, row: int, reason: str, seconds: float) -> None:
        self._rows.fail(row, reason, seconds)
        self._progress.message(f"reference {known.name} failed: {reason}")
