"""Rows of architectures, measurements and curves; every function works inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, Table, Update, bindparam, delete, func, insert, select, update

from nasearch.errors import StoreError
from nasearch.space import Architecture
from nasearch.store.database import Dialected, insert_for
from nasearch.store.door import finite, plain, whole_seed
from nasearch.store.records import CurveRow, DeviceRecord, MeasurementRecord, ReferenceRecord, State
from nasearch.store.tables import ARCHITECTURES, CURVE_POINTS, DEVICES, MEASUREMENTS

Record = TypeVar("Record", MeasurementRecord, ReferenceRecord)

# Made once: putting a statement together takes longer than SQLite takes to answer it.
_OF_KEY = (
    select(MEASUREMENTS.c.id, MEASUREMENTS.c.state, MEASUREMENTS.c.number, MEASUREMENTS.c.attempts)
    .where(MEASUREMENTS.c.study_id == bindparam("study"), MEASUREMENTS.c.key == bindparam("key"))
    .with_for_update()
)
_OF_NUMBER = select(MEASUREMENTS.c.key).where(
    MEASUREMENTS.c.study_id == bindparam("study"),
    MEASUREMENTS.c.number == bindparam("number"),
    MEASUREMENTS.c.key != bindparam("key"),
)
_START = insert(MEASUREMENTS)
_RECORDS = (
    select(MEASUREMENTS, ARCHITECTURES.c.body, DEVICES.c.description)
    .join(ARCHITECTURES, ARCHITECTURES.c.id == MEASUREMENTS.c.architecture_id)
    .join(DEVICES, DEVICES.c.id == MEASUREMENTS.c.device_id)
    .where(MEASUREMENTS.c.study_id == bindparam("study"))
    .order_by(MEASUREMENTS.c.number)
)
_RECORD = _RECORDS.where(MEASUREMENTS.c.key == bindparam("key"))
_CURVES: Select[Any] = (
    select(MEASUREMENTS.c.key.label("of"), CURVE_POINTS)
    .join(CURVE_POINTS, CURVE_POINTS.c.measurement_id == MEASUREMENTS.c.id)
    .where(MEASUREMENTS.c.study_id == bindparam("study"))
    .order_by(MEASUREMENTS.c.number, CURVE_POINTS.c.epoch)
)
_CURVE = _CURVES.where(MEASUREMENTS.c.key == bindparam("key"))
_COUNT = select(func.count()).where(MEASUREMENTS.c.study_id == bindparam("study"))
_ID_OF = {
    table: select(table.c.id).where(table.c.digest == bindparam("digest"))
    for table in (ARCHITECTURES, DEVICES)
}


def start(
    connection: Connection,
    study_id: int,
    number: int,
    architecture: Architecture,
    *,
    seed: int,
    fidelity: Mapping[str, Any],
    device: Mapping[str, Any],
    run_id: int | None,
    keep_curve: bool = False,
) -> int:
    """Note that a proxy begins, for the first time or again."""
    key = architecture.key
    what = f"trial {number}"
    columns = {
        "number": number,
        **beginning(
            connection, architecture, what, seed=seed, fidelity=fidelity, device=device, run_id=run_id
        ),
    }
    known = connection.execute(_OF_KEY, {"study": study_id, "key": key}).first()
    _check_number_free(connection, study_id, number, key)
    if known is None:
        row = connection.execute(_START, {"study_id": study_id, "attempts": 1, **columns})
        primary = row.inserted_primary_key
        assert primary is not None
        return int(primary[0])
    if known.state in ("complete", "raced_out"):
        what = "is already measured" if known.state == "complete" else "was raced out"
        raise StoreError(f"architecture {key} {what} (trial {known.number}); reuse its measurement")
    if not keep_curve:
        # The curve belongs to one attempt; an earlier one may have gone further before it was killed.
        connection.execute(delete(CURVE_POINTS).where(CURVE_POINTS.c.measurement_id == known.id))
    change = update(MEASUREMENTS).where(MEASUREMENTS.c.id == known.id)
    connection.execute(change.values(attempts=known.attempts + 1, **columns))
    return int(known.id)


def beginning(
    connection: Connection,
    architecture: Architecture,
    what: str,
    *,
    seed: int,
    fidelity: Mapping[str, Any],
    device: Mapping[str, Any],
    run_id: int | None,
) -> dict[str, Any]:
    """The columns of an architecture whose proxy begins; rows of architecture and device are made.

    Raises:
        MeasurementError: naming `what`, if seed, fidelity or device hold what cannot be stored.
    """
    key, body = architecture.key, architecture.to_json()
    return {
        "key": key,
        "run_id": run_id,
        "state": "running",
        "measured": {},
        "fidelity": plain(fidelity, f"fidelity of {what}"),
        "seed": whole_seed(seed),
        "seconds": None,
        "reason": None,
        "started_at": datetime.now(UTC),
        "ended_at": None,
        "architecture_id": architecture_row(connection, key, body),
        "device_id": _device(connection, plain(device, f"device of {what}")),
    }


def architecture_row(connection: Connection, key: str, body: str) -> int:
    """The id of an architecture's row, made if it is new."""
    return _row_of(connection, ARCHITECTURES, body, {"key": key, "body": body})


def add_curve_point(connection: Connection, measurement_id: int, row: CurveRow) -> None:
    """Write an epoch, over the same epoch if it is there; later ones are of an attempt that is void."""
    later = (CURVE_POINTS.c.measurement_id == measurement_id, CURVE_POINTS.c.epoch > row.epoch)
    connection.execute(delete(CURVE_POINTS).where(*later))
    point = finite(asdict(row), f"epoch {row.epoch}")
    connection.execute(_drawing(connection.dialect.name), {"measurement_id": measurement_id, **point})


def end(
    connection: Connection,
    measurement_id: int,
    state: State,
    *,
    values: Mapping[str, Any],
    seconds: float,
    reason: str | None,
    table: Table = MEASUREMENTS,
) -> None:
    """Close a running measurement, of a candidate or in another table with the same columns."""
    numbers = finite(values, "measured values")
    took = finite({"seconds": seconds}, "measured time")["seconds"]
    columns = {"state": state, "measured": numbers, "seconds": took, "reason": reason}
    closed = connection.execute(
        _ending(table), {"measurement": measurement_id, **columns, "ended_at": datetime.now(UTC)}
    )
    if closed.rowcount:
        return
    found = connection.execute(select(table.c.state).where(table.c.id == measurement_id)).scalar()
    raise StoreError(f"measurement {measurement_id} is {found or 'unknown'}; expected a running one")


def interrupt(connection: Connection, measurement_id: int, table: Table = MEASUREMENTS) -> None:
    """Take back an attempt that its process gave up in good order."""
    change = update(table).where(table.c.id == measurement_id, table.c.state == "running")
    connection.execute(change.values(attempts=table.c.attempts - 1))


def records(connection: Connection, study_id: int, key: str | None = None) -> list[MeasurementRecord]:
    """The measurements of a study in the order of their trials, or the one of a key."""
    rows = connection.execute(_RECORDS if key is None else _RECORD, _chosen(study_id, key))
    return [record_of(row, MeasurementRecord) for row in rows]


def curves(connection: Connection, study_id: int, key: str | None = None) -> dict[str, tuple[CurveRow, ...]]:
    """The learning curves of a study by key, epochs in order; of one key if it is given."""
    found: dict[str, tuple[CurveRow, ...]] = {}
    for row in connection.execute(_CURVES if key is None else _CURVE, _chosen(study_id, key)):
        point = CurveRow(**{name: row._mapping[name] for name in CurveRow.__dataclass_fields__})
        found[row.of] = (*found.get(row.of, ()), point)
    return found


def count(connection: Connection, study_id: int) -> int:
    """How many distinct keys were started: the budget used."""
    return int(connection.execute(_COUNT, {"study": study_id}).scalar_one())


def devices(connection: Connection) -> list[DeviceRecord]:
    """Every device that measured something."""
    rows = connection.execute(select(DEVICES).order_by(DEVICES.c.id))
    return [DeviceRecord(row.id, row.description, row.first_seen_at) for row in rows]


def record_of(row: Row[Any], kind: type[Record]) -> Record:
    """A row, joined with its architecture and device, as a record."""
    given = row._mapping
    renamed = {
        "architecture_json": given["body"],
        "values": given["measured"],
        "device": given["description"],
    }
    names = [name for name in kind.__dataclass_fields__ if name not in renamed]
    return kind(**{name: given[name] for name in names}, **renamed)


def _check_number_free(connection: Connection, study_id: int, number: int, key: str) -> None:
    other = connection.execute(_OF_NUMBER, {"study": study_id, "number": number, "key": key}).scalar()
    if other is not None:
        raise StoreError(f"trial {number} measures architecture {other} already; expected another number")


def _device(connection: Connection, description: dict[str, Any]) -> int:
    text = json.dumps(description, sort_keys=True)
    columns = {"description": description, "first_seen_at": datetime.now(UTC)}
    return _row_of(connection, DEVICES, text, columns)


def _row_of(connection: Connection, table: Table, text: str, columns: dict[str, Any]) -> int:
    """The id of the row with this text, made if it is new."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = connection.execute(_ID_OF[table], {"digest": digest}).scalar()
    if found is None:
        connection.execute(_adding(connection.dialect.name, table), {"digest": digest, **columns})
        found = connection.execute(_ID_OF[table], {"digest": digest}).scalar_one()
    return int(found)


@lru_cache
def _adding(dialect: str, table: Table) -> Dialected:
    return insert_for(dialect, table).on_conflict_do_nothing(index_elements=["digest"])


@lru_cache
def _drawing(dialect: str) -> Dialected:
    statement = insert_for(dialect, CURVE_POINTS)
    names = [column.name for column in CURVE_POINTS.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=["measurement_id", "epoch"], set_={name: statement.excluded[name] for name in names}
    )


@lru_cache
def _ending(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam("measurement"), table.c.state == "running")


def _chosen(study_id: int, key: str | None) -> dict[str, Any]:
    return {"study": study_id} if key is None else {"study": study_id, "key": key}
