"""The store of studies: one SQL database with Optuna's tables and ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy import Connection, Row, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from nasearch.errors import StoreError
from nasearch.space import Architecture
from nasearch.store import leases, measurements
from nasearch.store.database import Database, insert_for
from nasearch.store.door import finite, plain
from nasearch.store.leases import Lease
from nasearch.store.records import (
    CurveRow,
    DeviceRecord,
    FinishRecord,
    MeasurementRecord,
    RunRecord,
    StudyRecord,
)
from nasearch.store.references import References
from nasearch.store.schema import migrate
from nasearch.store.scores import Scores
from nasearch.store.tables import FINISHES, LATENCIES, STUDIES
from nasearch.store.trial_storage import TrialStorage

_LATENCIES = select(LATENCIES.c.key, LATENCIES.c.body).where(LATENCIES.c.study_id == bindparam("study"))
_LATENCY = _LATENCIES.where(LATENCIES.c.key == bindparam("key"))


class Store:
    """Studies, measurements and their owners, kept through kills and power cuts.

    Every write is one transaction. A candidate's writes come in this order, so that a death between
    any two of them can be put right at the next start by comparing keys:

    1. Optuna: `ask` (the trial is RUNNING; nothing is lost if the process dies here: ask again).
    2. `optuna.flush` (the trial's choices and attributes, so far in memory, are written) and
       `start_measurement` (from here the candidate counts in the budget).
    3. `add_curve_point` for every epoch.
    4. `complete_measurement`, `race_out_measurement` or `fail_measurement`.
    5. Optuna: `tell`.

    The fourth is as safe from a kill as the others, and from a power cut once the fifth is written, which
    waits for the disk for both; a cut between the two leaves the candidate to be measured again.

    So a RUNNING trial of Optuna with a complete measurement only needs to be told, one with a running
    measurement is measured again under its number, and Optuna never knows a result that we do not.

    Attributes:
        optuna: storage for `optuna.create_study` and `optuna.load_study`.
        references: the known networks measured beside the candidates.
        scores: of networks without training, and what a screen made of them.
    """

    def __init__(self, database: Database, optuna: TrialStorage) -> None:
        self._database = database
        self.optuna = optuna
        self.references = References(database)
        self.scores = Scores(database)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a database; make its folder, file and tables, or bring them to this version.

        An SQLite file of this version that may only be read opens all the same; a write then fails.

        Args:
            url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

        Raises:
            StoreError: if it does not answer, cannot be written, is no database, was written by a
                newer version, or needs a driver that is not installed.
        """
        database = Database(url)
        try:
            migrate(database)
            return cls(database, TrialStorage(database))
        except BaseException:
            database.close()
            raise

    @property
    def url(self) -> str:
        """Complete: absolute path, driver and password. For programs; print `shown_url`."""
        return self._database.url

    @property
    def shown_url(self) -> str:
        """As it was given, with the password masked."""
        return self._database.shown

    def close(self) -> None:
        """Close every connection; a second call does nothing."""
        self.optuna.remove_session()
        self.optuna.engine.dispose()
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn what Optuna raises about the database into `StoreError`; put around ask and tell."""
        try:
            with self._database.guard():
                yield
        except StorageInternalError as problem:
            raise self._database.explain(problem.__cause__ or problem) from problem

    # studies

    def create_study(self, name: str, identity: Mapping[str, Any]) -> StudyRecord:
        """Note a new study and what never changes about it.

        Raises:
            StoreError: if the name is taken.
        """
        row: dict[str, Any] = {
            "name": name,
            "identity": plain(identity, f"identity of {name!r}"),
            "created_at": _now(),
        }
        try:
            with self._database.write() as connection:
                primary = connection.execute(insert(STUDIES).values(**row)).inserted_primary_key
        except StoreError as problem:
            if isinstance(problem.__cause__, IntegrityError):
                raise StoreError(f"{self.shown_url}: a study named {name!r} is there already") from problem
            raise
        assert primary is not None
        return StudyRecord(id=int(primary[0]), **row)

    def find_study(self, name: str) -> StudyRecord | None:
        """The study of that name."""
        with self._database.read() as connection:
            row = connection.execute(select(STUDIES).where(STUDIES.c.name == name)).first()
        return None if row is None else StudyRecord(**row._mapping)

    def list_studies(self) -> list[StudyRecord]:
        """Every study, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(STUDIES).order_by(STUDIES.c.id)).all()
        return [StudyRecord(**row._mapping) for row in rows]

    # owners

    def acquire_lease(self, study_id: int, owner: str, stale_after_s: float = leases.STALE_AFTER_S) -> Lease:
        """Own a study.

        A dead process of this host is taken over at once, a silent one elsewhere after
        `stale_after_s`; one that lives on this host never.

        Args:
            study_id: the study.
            owner: words for people, such as the command that runs.
            stale_after_s: how long a silent owner elsewhere keeps the study.

        Raises:
            StoreError: naming pid, host and age, while another run holds the study.
        """
        return leases.acquire(self._database, study_id, owner, stale_after_s)

    def runs(self, study_id: int) -> list[RunRecord]:
        """Every run of a study, oldest first."""
        with self._database.read() as connection:
            return leases.runs(connection, study_id)

    # measurements

    def start_measurement(
        self,
        study_id: int,
        number: int,
        architecture: Architecture,
        seed: int,
        fidelity: Mapping[str, Any],
        device: Mapping[str, Any],
        run_id: int | None = None,
        *,
        keep_curve: bool = False,
    ) -> int:
        """Note that an architecture's proxy begins; from here it counts in the budget.

        For a key that is running or failed already this is one more attempt: the number, seed,
        fidelity, device and run become the new ones and its curve is emptied.

        Args:
            study_id: the study.
            number: of the trial that measures.
            architecture: what is measured.
            seed: of its training.
            fidelity: what the proxy spends.
            device: where.
            run_id: of the lease; checked where it is given.
            keep_curve: for one that goes on from a checkpoint: the epochs that are written stay.

        Returns:
            The measurement's id.

        Raises:
            StoreError: if the key is complete or raced out, the number measures another key, or the run of
                `run_id` no longer owns the study.
            MeasurementError: if seed, fidelity or device hold what cannot be stored.
        """
        with self._database.write() as connection:
            if run_id is not None:
                leases.check_run(connection, run_id, study_id)
            return measurements.start(
                connection,
                study_id,
                number,
                architecture,
                seed=seed,
                fidelity=fidelity,
                device=device,
                run_id=run_id,
                keep_curve=keep_curve,
            )

    def add_curve_point(self, measurement_id: int, row: CurveRow) -> None:
        """Write an epoch; the same epoch again replaces it.

        Raises:
            MeasurementError: if a number is not finite.
        """
        with self._database.write() as connection:
            measurements.add_curve_point(connection, measurement_id, row)

    def complete_measurement(self, measurement_id: int, values: Mapping[str, float], seconds: float) -> None:
        """Write what was measured.

        Raises:
            MeasurementError: if a value is not finite; nothing is written then.
            StoreError: if the measurement is not running.
        """
        with self._database.write(durable=False) as connection:
            measurements.end(
                connection, measurement_id, "complete", values=values, seconds=seconds, reason=None
            )

    def fail_measurement(self, measurement_id: int, reason: str, seconds: float) -> None:
        """Write why nothing was measured.

        Raises:
            StoreError: if the measurement is not running.
        """
        text = reason.replace("\0", "")  # PostgreSQL's text holds no NUL
        with self._database.write(durable=False) as connection:
            measurements.end(connection, measurement_id, "failed", values={}, seconds=seconds, reason=text)

    def race_out_measurement(self, measurement_id: int, reason: str, seconds: float) -> None:
        """Write why a measurement was stopped before its last epoch; its curve stays, values it has none.

        Raises:
            StoreError: if the measurement is not running.
        """
        with self._database.write(durable=False) as connection:
            measurements.end(
                connection, measurement_id, "raced_out", values={}, seconds=seconds, reason=reason
            )

    def interrupt_measurement(self, measurement_id: int) -> None:
        """Note that a running measurement was given up in good order, so that it is no failed attempt."""
        with self._database.write() as connection:
            measurements.interrupt(connection, measurement_id)

    def measurement(self, study_id: int, key: str) -> MeasurementRecord | None:
        """The measurement of an architecture, whatever its state."""
        with self._database.read() as connection:
            return next(iter(measurements.records(connection, study_id, key)), None)

    def measured(
        self, study_id: int, key: str
    ) -> tuple[MeasurementRecord | None, dict[str, Any] | None, tuple[CurveRow, ...]]:
        """The measurement, latency and learning curve of an architecture, in one view."""
        with self._database.read() as connection:
            return (
                next(iter(measurements.records(connection, study_id, key)), None),
                _latencies(connection, study_id, key).get(key),
                measurements.curves(connection, study_id, key).get(key, ()),
            )

    def measurements(self, study_id: int) -> list[MeasurementRecord]:
        """Every measurement, by trial number."""
        with self._database.read() as connection:
            return measurements.records(connection, study_id)

    def curve(self, study_id: int, key: str) -> tuple[CurveRow, ...]:
        """The learning curve of an architecture's last attempt, epochs in order."""
        with self._database.read() as connection:
            return measurements.curves(connection, study_id, key).get(key, ())

    def curves(self, study_id: int) -> dict[str, tuple[CurveRow, ...]]:
        """Every learning curve by key, in one query; keys without an epoch are absent."""
        with self._database.read() as connection:
            return measurements.curves(connection, study_id)

    def budget_used(self, study_id: int) -> int:
        """Number of distinct architectures whose proxy was started."""
        with self._database.read() as connection:
            return measurements.count(connection, study_id)

    def devices(self) -> list[DeviceRecord]:
        """Every device that measured something in this database."""
        with self._database.read() as connection:
            return measurements.devices(connection)

    # latencies

    def put_latency(self, study_id: int, key: str, latency: Mapping[str, Any]) -> None:
        """Keep an architecture's latency, in place of an earlier one.

        Raises:
            MeasurementError: if a number is not finite.
        """
        values = {"body": plain(latency, f"latency of {key}"), "measured_at": _now()}
        with self._database.write() as connection:
            statement = insert_for(connection.dialect.name, LATENCIES)
            statement = statement.values(study_id=study_id, key=key, **values)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["study_id", "key"], set_=values)
            )

    def latency(self, study_id: int, key: str) -> dict[str, Any] | None:
        """The latency of an architecture, if it was measured."""
        with self._database.read() as connection:
            return _latencies(connection, study_id, key).get(key)

    def latencies(self, study_id: int) -> dict[str, dict[str, Any]]:
        """Every latency of a study by key."""
        with self._database.read() as connection:
            return _latencies(connection, study_id, None)

    # finishes

    def add_finish(
        self,
        study_id: int,
        number: int,
        key: str,
        *,
        test_accuracy: float,
        val_accuracy: float,
        seconds: float,
        teacher: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> FinishRecord:
        """Log a winner's training and its reading of the test split; earlier ones stay.

        Raises:
            MeasurementError: if a number is not finite.
        """
        what = f"finish of trial {number}"
        numbers = {"test_accuracy": test_accuracy, "val_accuracy": val_accuracy, "seconds": seconds}
        row: dict[str, Any] = {
            "study_id": study_id,
            "number": number,
            "key": key,
            "teacher": teacher,
            **finite(numbers, what),
            "details": plain(details or {}, what),
            "finished_at": _now(),
        }
        with self._database.write() as connection:
            primary = connection.execute(insert(FINISHES).values(**row)).inserted_primary_key
        assert primary is not None
        return FinishRecord(id=int(primary[0]), **row)

    def finishes(self, study_id: int) -> list[FinishRecord]:
        """Every finish of a study, oldest first."""
        query = select(FINISHES).where(FINISHES.c.study_id == study_id).order_by(FINISHES.c.id)
        with self._database.read() as connection:
            rows: list[Row[Any]] = list(connection.execute(query))
        return [FinishRecord(**row._mapping) for row in rows]


def _latencies(connection: Connection, study_id: int, key: str | None) -> dict[str, dict[str, Any]]:
    chosen = {"study": study_id} if key is None else {"study": study_id, "key": key}
    rows = connection.execute(_LATENCIES if key is None else _LATENCY, chosen)
    return {row.key: row.body for row in rows}


def _now() -> datetime:
    return datetime.now(UTC)
