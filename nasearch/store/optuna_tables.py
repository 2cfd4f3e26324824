"""Optuna's tables, read and written by statements of ours: the only place that knows its private models.

Every function works inside the caller's transaction. Optuna's own storage does the same work row by row
through its object mapper, at 1 to 5 ms a row.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, insert, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError

from nasearch.errors import StoreError
from nasearch.store.database import Database, Dialected, engine_options, insert_for

_PATIENCE_S = 15.0
_AT_ONCE = 500  # ids in one statement; SQLite before 3.32 takes no more than 999
_STUDIES: Table = models.StudyModel.__table__
_TRIALS: Table = models.TrialModel.__table__
_PARAMS: Table = models.TrialParamModel.__table__
_VALUES: Table = models.TrialValueModel.__table__
_USER: Table = models.TrialUserAttributeModel.__table__
_SYSTEM: Table = models.TrialSystemAttributeModel.__table__
_STEPS: Table = models.TrialIntermediateValueModel.__table__

# Made once: putting a statement together takes longer than SQLite takes to answer it.
_STUDY_OF = select(_TRIALS.c.study_id).where(_TRIALS.c.trial_id == bindparam("trial"))
_CHANGES = select(_TRIALS.c.trial_id, _TRIALS.c.state).where(
    _TRIALS.c.study_id == bindparam("study"), _TRIALS.c.trial_id > bindparam("after")
)
_STATES = select(_TRIALS.c.trial_id, _TRIALS.c.state).where(
    _TRIALS.c.trial_id.in_(bindparam("trials", expanding=True))
)
_HOLD_STUDY = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == bindparam("study")).with_for_update()
_LAST_NUMBER = (
    select(_TRIALS.c.number)
    .where(_TRIALS.c.study_id == bindparam("study"))
    .order_by(_TRIALS.c.trial_id.desc())
    .limit(1)
)
_HOLD_TRIAL = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == bindparam("trial")).with_for_update()
_MAKE = insert(_TRIALS)
_CHANGE = update(_TRIALS).where(_TRIALS.c.trial_id == bindparam("trial"))
_REPLACED: dict[Table, tuple[tuple[str, ...], str]] = {  # columns that change, and what tells the rows apart
    _USER: (("value_json",), "key"),
    _SYSTEM: (("value_json",), "key"),
    _VALUES: (("value", "value_type"), "objective"),
    _STEPS: (("intermediate_value", "intermediate_value_type"), "step"),
}
_ATTRIBUTES = [
    select(table.c.key, table.c.value_json).where(table.c.trial_id == bindparam("trial"))
    for table in (_USER, _SYSTEM)
]


@dataclass
class Notes:
    """What a trial has beside its state: to be written, or not written yet.

    Attributes:
        params: internal value and distribution by name.
        user: JSON text by key; `system` likewise.
        steps: intermediate values by step.
    """

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    user: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, trial: FrozenTrial) -> Notes:
        """Everything that a trial has."""
        kinds = trial.distributions
        return cls(
            {
                name: (kinds[name].to_internal_repr(value), kinds[name])
                for name, value in trial.params.items()
            },
            {key: json.dumps(value) for key, value in trial.user_attrs.items()},
            {key: json.dumps(value) for key, value in trial.system_attrs.items()},
            dict(trial.intermediate_values),
        )


def open_tables(database: Database) -> RDBStorage:
    """Optuna's tables, made if they are not there, behind its own storage.

    Raises:
        StoreError: if they cannot be made, or belong to another version of Optuna.
    """
    # Optuna greets every new study at INFO, in the middle of a progress display.
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)
    url = database.url.replace("{", "{{").replace("}", "}}")  # Optuna formats its URL as a template
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return RDBStorage(url, engine_kwargs=engine_options(make_url(database.url)))
        except RuntimeError as problem:
            text = str(problem).splitlines()[0]
            raise StoreError(f"{database.shown}: Optuna's tables do not fit ({text})") from problem
        except (SQLAlchemyError, StorageInternalError) as problem:
            # Optuna looks for its tables and then makes them, without a lock; of two processes that do
            # so at once one fails, and finds the tables when it looks again.
            if time.monotonic() > deadline:
                raise database.explain(problem.__cause__ or problem) from problem
            time.sleep(0.1)


# reading


def study_of(connection: Connection, trial_id: int) -> int | None:
    """The id of the study that a trial belongs to."""
    found: int | None = connection.execute(_STUDY_OF, {"trial": trial_id}).scalar()
    return found


def has_study(connection: Connection, study_id: int) -> bool:
    """Whether there is such a study."""
    query = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == study_id)
    return connection.execute(query).first() is not None


def has_newer(connection: Connection, study_id: int, trial_id: int) -> bool:
    """Whether a study has trials with ids above one."""
    return connection.execute(_CHANGES, {"study": study_id, "after": trial_id}).first() is not None


def newer(connection: Connection, study_id: int, trial_id: int) -> list[FrozenTrial]:
    """The trials of a study with ids above one, by id.

    Ids of a study become visible in their order: whoever makes a trial holds the study's row.
    """
    return _read(connection, (_TRIALS.c.study_id == study_id) & (_TRIALS.c.trial_id > trial_id))


def these(connection: Connection, trial_ids: Collection[int]) -> list[FrozenTrial]:
    """The trials of these ids that there are."""
    chosen = sorted(trial_ids)
    return [
        trial
        for first in range(0, len(chosen), _AT_ONCE)
        for trial in _read(connection, _TRIALS.c.trial_id.in_(chosen[first : first + _AT_ONCE]))
    ]


def states(connection: Connection, trial_ids: Collection[int]) -> dict[int, TrialState]:
    """The states of these trials."""
    chosen = sorted(trial_ids)
    found: dict[int, TrialState] = {}
    for first in range(0, len(chosen), _AT_ONCE):
        rows = connection.execute(_STATES, {"trials": chosen[first : first + _AT_ONCE]})
        found |= {row.trial_id: row.state for row in rows}
    return found


def attributes(connection: Connection, trial_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The user and the system attributes of a trial."""
    user, system = (
        {row.key: json.loads(row.value_json) for row in connection.execute(query, {"trial": trial_id})}
        for query in _ATTRIBUTES
    )
    return user, system


# writing


def create(
    connection: Connection, study_id: int, template: FrozenTrial | None, now: datetime
) -> tuple[int, int] | None:
    """A new trial, running from now or as a template has it: id and number; None without such a study."""
    # Optuna's own storages hold the same row while they give out a number.
    if connection.execute(_HOLD_STUDY, {"study": study_id}).first() is None:
        return None
    last = connection.execute(_LAST_NUMBER, {"study": study_id}).scalar()
    number = 0 if last is None else int(last) + 1
    row = {
        "study_id": study_id,
        "number": number,
        "state": TrialState.RUNNING if template is None else template.state,
        "datetime_start": _utc(now if template is None else template.datetime_start),
        "datetime_complete": None if template is None else _utc(template.datetime_complete),
    }
    primary = connection.execute(_MAKE, row).inserted_primary_key
    assert primary is not None
    trial_id = int(primary[0])
    if template is not None:
        note(connection, trial_id, Notes.of(template))
        set_values(connection, trial_id, template.values or ())
    return trial_id, number


def note(connection: Connection, trial_id: int, notes: Notes) -> None:
    """Write parameters, attributes and steps; a parameter that is there stays, the rest is replaced."""
    if notes.params:
        rows = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": value,
                "distribution_json": distribution_to_json(distribution),
            }
            for name, (value, distribution) in notes.params.items()
        ]
        connection.execute(_noting(connection.dialect.name, _PARAMS), rows)
    for table, texts in ((_USER, notes.user), (_SYSTEM, notes.system)):
        if texts:
            rows = [{"trial_id": trial_id, "key": key, "value_json": text} for key, text in texts.items()]
            connection.execute(_noting(connection.dialect.name, table), rows)
    if notes.steps:
        _set_numbers(connection, _STEPS, trial_id, notes.steps)


def set_values(connection: Connection, trial_id: int, values: Sequence[float]) -> None:
    """Write a trial's objective values."""
    if values:
        _set_numbers(connection, _VALUES, trial_id, dict(enumerate(values)))


def hold(connection: Connection, trial_id: int) -> TrialState | None:
    """The state of a trial, which no other transaction changes before this one ends."""
    state: TrialState | None = connection.execute(_HOLD_TRIAL, {"trial": trial_id}).scalar()
    return state


def set_state(
    connection: Connection, trial_id: int, state: TrialState, began: datetime | None, ended: datetime | None
) -> None:
    """Write a trial's state and, where they are given, its times (local, naive)."""
    times = {"datetime_start": began, "datetime_complete": ended}
    given = {name: _utc(moment) for name, moment in times.items() if moment is not None}
    connection.execute(_CHANGE, {"trial": trial_id, "state": state, **given})


def _set_numbers(connection: Connection, table: Table, trial_id: int, numbers: Mapping[int, float]) -> None:
    """Rows of values or of intermediate values, which tell infinite ones by a type of their own."""
    (name, _), place = _REPLACED[table]
    rows = [
        {
            "trial_id": trial_id,
            place: at,
            **dict(zip((name, f"{name}_type"), _stored(table, number), strict=True)),
        }
        for at, number in numbers.items()
    ]
    connection.execute(_noting(connection.dialect.name, table), rows)


def _stored(table: Table, number: float) -> tuple[float | None, Any]:
    if table is _VALUES:
        return models.TrialValueModel.value_to_stored_repr(number)
    return models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(number)


@lru_cache
def _noting(dialect: str, table: Table) -> Dialected:
    """An insert of parameters, which leaves those that are there, or of something else, which replaces it."""
    statement = insert_for(dialect, table)
    if table is _PARAMS:
        return statement.on_conflict_do_nothing()
    replaced, place = _REPLACED[table]
    return statement.on_conflict_do_update(
        index_elements=["trial_id", place], set_={name: statement.excluded[name] for name in replaced}
    )


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[FrozenTrial]:
    """Trials by id, six statements however many they are."""
    rows = connection.execute(select(_TRIALS).where(condition).order_by(_TRIALS.c.trial_id)).all()
    if not rows:
        return []
    ids: Any = select(_TRIALS.c.trial_id).where(condition)
    if len(rows) <= _AT_ONCE:
        ids = [row.trial_id for row in rows]
    parts: dict[Table, dict[int, list[Row[Any]]]] = {}
    for table in (_PARAMS, _VALUES, _USER, _SYSTEM, _STEPS):
        primary = next(iter(table.primary_key))
        parts[table] = defaultdict(list)
        for part in connection.execute(select(table).where(table.c.trial_id.in_(ids)).order_by(primary)):
            parts[table][part.trial_id].append(part)
    return [
        _frozen(row, {table: found.get(row.trial_id, []) for table, found in parts.items()}) for row in rows
    ]


def _frozen(row: Row[Any], parts: Mapping[Table, Sequence[Row[Any]]]) -> FrozenTrial:
    kinds = {part.param_name: _distribution(part.distribution_json) for part in parts[_PARAMS]}
    value, step = models.TrialValueModel, models.TrialIntermediateValueModel
    values = {
        part.objective: value.stored_repr_to_value(part.value, part.value_type) for part in parts[_VALUES]
    }
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[values[objective] for objective in sorted(values)] or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params={
            part.param_name: kinds[part.param_name].to_external_repr(part.param_value)
            for part in parts[_PARAMS]
        },
        distributions=kinds,
        user_attrs={part.key: json.loads(part.value_json) for part in parts[_USER]},
        system_attrs={part.key: json.loads(part.value_json) for part in parts[_SYSTEM]},
        intermediate_values={
            part.step: step.stored_repr_to_intermediate_value(
                part.intermediate_value, part.intermediate_value_type
            )
            for part in parts[_STEPS]
        },
        trial_id=row.trial_id,
    )


@lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    """A study has few distributions and many parameters."""
    found: BaseDistribution = json_to_distribution(text)
    return found


def local_now() -> datetime:
    """Now as Optuna's trials have their times: local and naive."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
