"""What a study has done: Optuna's trials and our measurements, put together again."""

from __future__ import annotations

from collections import Counter
from functools import cache

import optuna
from optuna.trial import FrozenTrial

from nasearch.errors import StudyError
from nasearch.space import Architecture
from nasearch.store import Store
from nasearch.store.records import MeasurementRecord, StudyRecord, TrialRecord
from nasearch.study import ledger


class History:
    """Reads the trials of a study; every call reads what is new in the store."""

    def __init__(self, store: Store, record: StudyRecord, study: optuna.Study) -> None:
        self._store, self._id, self._name, self._study = store, record.id, record.name, study
        self._read = cache(Architecture.from_json)

    def trials(self, *, curves: bool = False) -> tuple[TrialRecord, ...]:
        """Every trial that has an architecture, by number; with learning curves if asked."""
        store = self._store
        measurements = {entry.key: entry for entry in store.measurements(self._id)}
        latencies, scores = store.latencies(self._id), store.scores.all(self._id)
        points = store.curves(self._id) if curves else {}
        found = []
        for frozen in self._frozen():
            key = frozen.user_attrs.get(ledger.KEY, "")
            record = ledger.record_of(
                frozen,
                measurements.get(key),
                latencies.get(key),
                points.get(key, ()),
                scores.get(key),
                read=self._read,
            )
            if record is not None:
                found.append(record)
        return tuple(found)

    def trial(self, number: int) -> TrialRecord:
        """A trial with its learning curve.

        Raises:
            StudyError: if there is no such trial.
        """
        return self.measured(number)[0]

    def measured(self, number: int) -> tuple[TrialRecord, MeasurementRecord | None]:
        """A trial and the measurement of its network, however many trials there are.

        Raises:
            StudyError: if there is no such trial.
        """
        with self._store.guard():
            frozen = ledger.find(self._study, number)
        if frozen is None:
            last = len(self._frozen()) - 1
            raise StudyError(f"study {self._name!r} has no trial {number}; expected 0 to {last}")
        key = frozen.user_attrs.get(ledger.KEY, "")
        measurement, latency, curve = self._store.measured(self._id, key)
        scores = self._store.scores.of(self._id, key)
        record = ledger.record_of(frozen, measurement, latency, curve, scores, read=self._read)
        if record is None:
            raise StudyError(f"trial {number} of {self._name!r} was interrupted before it had a network")
        return record, measurement

    def outcomes(self) -> dict[str, int]:
        """Number of trials by outcome."""
        return dict(Counter(ledger.outcome_of(trial) for trial in self._frozen()))

    def _frozen(self) -> list[FrozenTrial]:
        with self._store.guard():
            return self._study.get_trials(deepcopy=False)
