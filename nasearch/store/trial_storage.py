"""Optuna's storage for our studies: a running trial in memory, in the database in few transactions."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine

from nasearch.store import optuna_tables as tables
from nasearch.store.database import Database
from nasearch.store.known_trials import KnownTrials
from nasearch.store.optuna_tables import Notes

_ABSENT = "Record does not exist."  # Optuna's own text


class TrialStorage(BaseStorage):
    """Optuna's tables with a buffer before them; every Optuna tool reads what it has written.

    Optuna's `RDBStorage` writes each parameter and attribute in a transaction of its own, and the cache
    that `optuna.get_storage` puts before every subclass of it goes over all trials at each call. So this is
    a storage of its own beside it, with its studies and their attributes left to `RDBStorage`.

    A trial that runs here is written three times: as it is made (from then on its number is given), when
    `flush` asks for it, and as it ends. Between, its parameters, attributes and intermediate values are in
    memory, where every reader of this object finds them; of a process that dies they are lost, as far as they
    were not flushed, and its trial stays running. Finished trials are read once. What other processes add is
    seen at the next `get_all_trials`, what they write to the attributes of a trial that runs here, when it
    ends.

    A trial runs here if this object made it, started it when it waited, or was asked to flush it, as who
    takes up that of a dead process does. What is noted on any other is written at once.

    Making and flushing do not wait for the disk: a kill loses neither, and a power cut only together with
    everything that was written after it. The end of a trial waits, and so does what a person enqueues.

    A copy by pickle is a reader and writer of its own, as another process would be.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._lock = database, threading.RLock()
        self._studies = tables.open_tables(database)
        self._known: dict[int, KnownTrials] = {}
        self._names: dict[int, str] = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        self._study_of: dict[int, int] = {}
        self._buffers: dict[int, Notes] = {}  # of the trials that run here, by id

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self._database.url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        TrialStorage.__init__(self, Database(state["url"]))

    @property
    def engine(self) -> Engine:
        """Of Optuna's own storage."""
        engine: Engine = self._studies.engine
        return engine

    def remove_session(self) -> None:
        """Close this thread's session of Optuna's own storage."""
        self._studies.remove_session()

    # studies: Optuna's own way, which is fast enough for what is done once

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """As `BaseStorage` has it."""
        return self._studies.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """As `BaseStorage` has it."""
        with self._lock:
            known = self._known.pop(study_id, KnownTrials())
            for trial_id in known.trials:
                self._study_of.pop(trial_id, None)
                self._buffers.pop(trial_id, None)
            self._names.pop(study_id, None)
            self._directions.pop(study_id, None)
            self._studies.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """As `BaseStorage` has it."""
        self._studies.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """As `BaseStorage` has it."""
        self._studies.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """As `BaseStorage` has it."""
        return self._studies.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """As `BaseStorage` has it."""
        if study_id not in self._names:
            self._names[study_id] = self._studies.get_study_name_from_id(study_id)
        return self._names[study_id]

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """As `BaseStorage` has it."""
        if study_id not in self._directions:
            self._directions[study_id] = self._studies.get_study_directions(study_id)
        return list(self._directions[study_id])

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """As `BaseStorage` has it."""
        return self._studies.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """As `BaseStorage` has it."""
        return self._studies.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """As `BaseStorage` has it."""
        return self._studies.get_all_studies()

    # trials: written

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As `BaseStorage` has it."""
        now = tables.local_now()
        with self._lock:
            # A bare trial means nothing before it is flushed; what a person puts in is kept at once.
            with self._database.write(durable=template_trial is not None) as connection:
                made = tables.create(connection, study_id, template_trial, now)
            if made is None:
                raise KeyError(_ABSENT)
            trial_id, number = made
            trial = copy.deepcopy(template_trial) if template_trial else _running(now)
            trial.number, trial._trial_id = number, trial_id
            if trial.state == TrialState.RUNNING:
                self._buffers[trial_id] = Notes()
            self._put(study_id, trial)
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """As `BaseStorage` has it; a parameter that is there stays as it is."""
        with self._lock:
            trial = self._open(trial_id)
            study_id = self._study_of[trial_id]
            known = self._known[study_id]
            if param_name not in known.distributions:
                known = self._synchronise(study_id)  # another process may have had it
            if param_name in known.distributions:
                check_distribution_compatibility(known.distributions[param_name], distribution)
            if param_name in trial.params:
                return
            external = distribution.to_external_repr(param_value_internal)
            changed = copy.copy(trial)
            changed.params = {**trial.params, param_name: external}
            changed.distributions = {**trial.distributions, param_name: distribution}
            self._note(changed, Notes(params={param_name: (param_value_internal, distribution)}))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As `BaseStorage` has it."""
        text = json.dumps(value)
        with self._lock:
            trial = self._open(trial_id)
            changed = copy.copy(trial)
            changed.user_attrs = {**trial.user_attrs, key: json.loads(text)}
            self._note(changed, Notes(user={key: text}))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As `BaseStorage` has it."""
        text = json.dumps(value)
        with self._lock:
            trial = self._open(trial_id)
            changed = copy.copy(trial)
            changed.system_attrs = {**trial.system_attrs, key: json.loads(text)}
            self._note(changed, Notes(system={key: text}))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """As `BaseStorage` has it."""
        with self._lock:
            trial = self._open(trial_id)
            changed = copy.copy(trial)
            changed.intermediate_values = {**trial.intermediate_values, step: intermediate_value}
            self._note(changed, Notes(steps={step: intermediate_value}))

    def flush(self, trial_id: int) -> None:
        """Write what a running trial has so far, so that it outlives its process; from now on it runs here.

        Raises:
            KeyError: if there is no such trial.
            UpdateFinishedTrialError: if another process has ended it.
        """
        with self._lock:
            buffer = self._buffers.get(trial_id)
            if buffer is None:
                # what others have noted on it is known from here on, and written already
                if self._find(trial_id).state == TrialState.RUNNING:
                    self._buffers[trial_id] = Notes()
                return
            if buffer == Notes():
                return
            with self._database.write(durable=False) as connection:
                self._hold(connection, trial_id)
                tables.note(connection, trial_id, buffer)
            self._buffers[trial_id] = Notes()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As `BaseStorage` has it: what was noted before is written in the same transaction."""
        now = tables.local_now()
        with self._lock:
            trial = self._open(trial_id)
            buffer = self._buffers.get(trial_id, Notes())
            starts = state == TrialState.RUNNING
            began, ended = (now if starts else None), (now if state.is_finished() else None)
            with self._database.write(durable=not starts) as connection:
                found = self._hold(connection, trial_id)
                if starts and found != TrialState.WAITING:
                    return False
                tables.note(connection, trial_id, buffer)
                tables.set_values(connection, trial_id, values or ())
                tables.set_state(connection, trial_id, state, began, ended)
                user, system = tables.attributes(connection, trial_id)
            changed = copy.copy(trial)
            changed.state, changed.user_attrs, changed.system_attrs = state, user, system
            if values:
                changed.values = [float(value) for value in values]
            changed.datetime_start = began or trial.datetime_start
            changed.datetime_complete = ended or trial.datetime_complete
            self._buffers.pop(trial_id, None)
            if starts:
                self._buffers[trial_id] = Notes()
            self._put(self._study_of[trial_id], changed)
        return True

    # trials: read

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """As `BaseStorage` has it."""
        with self._lock:
            trial = self._find(trial_id)
            if trial.state.is_finished():
                return trial
            mine = copy.copy(trial)  # Optuna's `Trial` writes into what it was given
            mine.params, mine.distributions = dict(trial.params), dict(trial.distributions)
            mine.user_attrs, mine.system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
            mine.intermediate_values = dict(trial.intermediate_values)
            return mine

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """As `BaseStorage` has it; O(unfinished + new) where no finished ones are asked for."""
        with self._lock:
            known = self._synchronise(study_id)
            if states is None:
                found = list(known.trials.values())
            elif any(state in states for state in TrialState if state.is_finished()):
                found = [trial for trial in known.trials.values() if trial.state in states]
            else:
                open_ones = [known.trials[trial_id] for trial_id in sorted(known.unfinished)]
                found = [trial for trial in open_ones if trial.state in states]
            return copy.deepcopy(found) if deepcopy else found

    def count(self, study_id: int) -> int:
        """How many trials a study had when it was last read: the number of the next one."""
        with self._lock:
            return len((self._known.get(study_id) or self._synchronise(study_id)).trials)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """As `BaseStorage` has it."""
        with self._lock:
            known = self._known.get(study_id)
            if known is None or trial_number not in known.ids:
                known = self._synchronise(study_id)
            if trial_number not in known.ids:
                raise KeyError(f"No trial with {trial_number=} exists in study with {study_id=}.")
            return known.ids[trial_number]

    def get_trial_user_attrs(self, trial_id: int) -> dict[str, Any]:
        """As `BaseStorage` has it."""
        with self._lock:
            return dict(self._find(trial_id).user_attrs)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """As `BaseStorage` has it."""
        with self._lock:
            return dict(self._find(trial_id).system_attrs)

    # inside, with the lock held

    def _put(self, study_id: int, trial: FrozenTrial) -> None:
        self._study_of[trial._trial_id] = study_id
        self._known.setdefault(study_id, KnownTrials()).put(trial)

    def _find(self, trial_id: int) -> FrozenTrial:
        """A trial as it is: from memory where it is finished or runs here, else read anew."""
        study_id = self._study_of.get(trial_id)
        if study_id is None:
            with self._database.read() as connection:
                study_id = tables.study_of(connection, trial_id)
            if study_id is None:
                raise KeyError(_ABSENT)
        known = self._known.get(study_id)
        trial = known.trials.get(trial_id) if known else None
        if trial is None or not (trial.state.is_finished() or trial_id in self._buffers):
            trial = self._synchronise(study_id).trials.get(trial_id)
        if trial is None:
            raise KeyError(_ABSENT)
        return trial

    def _open(self, trial_id: int) -> FrozenTrial:
        """A trial that may be written."""
        trial = self._find(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        return trial

    def _note(self, changed: FrozenTrial, notes: Notes) -> None:
        """Keep a change of a trial that runs here, write that of any other."""
        trial_id = changed._trial_id
        buffer = self._buffers.get(trial_id)
        if buffer is not None:
            buffer.params |= notes.params
            buffer.user |= notes.user
            buffer.system |= notes.system
            buffer.steps |= notes.steps
        else:
            with self._database.write() as connection:
                self._hold(connection, trial_id)
                tables.note(connection, trial_id, notes)
        self._put(self._study_of[trial_id], changed)

    def _hold(self, connection: Connection, trial_id: int) -> TrialState:
        """The state in the database, where another process may have ended the trial.

        Raises:
            UpdateFinishedTrialError: if it has.
        """
        state = tables.hold(connection, trial_id)
        if state is None:
            raise KeyError(_ABSENT)
        if state.is_finished():
            self._buffers.pop(trial_id, None)
            number = self._known[self._study_of[trial_id]].trials[trial_id].number
            raise UpdateFinishedTrialError(f"Trial#{number} has already finished and can not be updated.")
        return state

    def _synchronise(self, study_id: int) -> KnownTrials:
        """Read what is new in a study, and what became of its trials that were not finished."""
        first = study_id not in self._known
        known = self._known.get(study_id, KnownTrials())
        with self._database.read() as connection:
            if first and not tables.has_study(connection, study_id):
                raise KeyError(_ABSENT)
            has_newer = first or tables.has_newer(connection, study_id, known.last)
            new = tables.newer(connection, study_id, known.last) if has_newer else []
            states = tables.states(connection, known.unfinished) if known.unfinished else {}
            changed = [
                trial_id
                for trial_id, state in states.items()
                if state != known.trials[trial_id].state
                or (state == TrialState.RUNNING and trial_id not in self._buffers)
            ]
            later = tables.these(connection, changed) if changed else []
        for trial in (*new, *later):
            trial_id = trial._trial_id
            known.last = max(known.last, trial_id)
            if trial_id in self._buffers and not trial.state.is_finished():
                continue  # newer here than there
            self._buffers.pop(trial_id, None)
            self._study_of[trial_id] = study_id
            known.put(trial)
        self._known[study_id] = known
        return known


def _running(now: datetime) -> FrozenTrial:
    """A trial that has just begun; number and id are still to come."""
    return FrozenTrial(
        number=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=now,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=-1,
    )
