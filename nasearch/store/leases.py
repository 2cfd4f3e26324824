"""One process owns a study at a time: a row in `nasearch_runs` that has not ended."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from types import TracebackType

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nasearch.errors import StoreError
from nasearch.store.database import Database
from nasearch.store.processes import ProcessIdentity, life, this_process
from nasearch.store.records import RunRecord
from nasearch.store.tables import RUNS, STUDIES

STALE_AFTER_S = 60.0
BEAT_EVERY_S = 10.0
FRESH_S = 1.0  # a sign of life younger than this is not written again: a commit costs 4 ms, a look 0.2 ms

_LIVE = select(RUNS.c.heartbeat_at).where(RUNS.c.id == bindparam("run"), RUNS.c.ended_at.is_(None))
_LIVE_OF = _LIVE.where(RUNS.c.study_id == bindparam("study"))


class Lease:
    """The ownership of a study, until released or taken over.

    As a context manager it beats from a thread of its own and is released at the end.

    Attributes:
        run_id: names this ownership in measurements.
    """

    def __init__(self, database: Database, run_id: int, study_id: int, owner: str) -> None:
        self.run_id, self.study_id, self.owner = run_id, study_id, owner
        self._database = database
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether a beat found that another run has taken over."""
        return self._lost

    def beat(self) -> None:
        """Say that this process lives, and see that it still owns; a sign under a second old is not renewed.

        Raises:
            StoreError: if the lease has been released or taken over, or the database does not answer.
        """
        if not self._is_fresh() and not self._say_alive():
            self._lost = True
            raise StoreError(
                f"{self._database.shown}: run {self.run_id} no longer owns its study; start again"
            )

    def _is_fresh(self) -> bool:
        with self._database.read() as connection:
            last = connection.execute(_LIVE, {"run": self.run_id}).scalar()
            return last is not None and _now(connection) - last < timedelta(seconds=FRESH_S)

    def _say_alive(self) -> bool:
        with self._database.write() as connection:
            change = update(RUNS).where(RUNS.c.id == self.run_id, RUNS.c.ended_at.is_(None))
            return bool(connection.execute(change.values(heartbeat_at=_now(connection))).rowcount)

    def keep_beating(self, every_s: float = BEAT_EVERY_S) -> None:
        """Beat from a daemon thread, so that a long epoch does not look like a death."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat_on, args=(every_s,), name="lease", daemon=True)
            self._thread.start()

    def _beat_on(self, every_s: float) -> None:
        while not self._lost and not self._stop.wait(every_s):
            try:
                self.beat()
            except StoreError:
                continue  # an outage may pass; a lost lease ends the loop and shows in `lost`

    def release(self) -> None:
        """End the ownership; a second call does nothing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._database.write() as connection:
            _end(connection, self.run_id, "released")

    def __enter__(self) -> Lease:
        self.keep_beating()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(database: Database, study_id: int, owner: str, stale_after_s: float = STALE_AFTER_S) -> Lease:
    """Own a study, also from a dead process of this host or one elsewhere that has fallen silent.

    Raises:
        StoreError: naming pid, host and age, while another run holds it.
    """
    # A lost race shows as a violated index; the next round then sees who has won it.
    for _ in range(3):
        try:
            with database.write() as connection:
                run_id = _try(connection, database, study_id, owner, stale_after_s)
            return Lease(database, run_id, study_id, owner)
        except StoreError as problem:
            if not isinstance(problem.__cause__, IntegrityError):
                raise
    raise StoreError(f"{database.shown}: other processes are starting on this study too; try again")


def runs(connection: Connection, study_id: int) -> list[RunRecord]:
    """Every run of a study, oldest first."""
    rows = connection.execute(select(RUNS).where(RUNS.c.study_id == study_id).order_by(RUNS.c.id))
    names = RunRecord.__dataclass_fields__
    return [RunRecord(**{name: row._mapping[name] for name in names}) for row in rows]


def check_run(connection: Connection, run_id: int, study_id: int) -> None:
    """Refuse the writes of a run that no longer owns its study.

    Raises:
        StoreError: if the run has ended or is another study's.
    """
    if connection.execute(_LIVE_OF, {"run": run_id, "study": study_id}).first() is None:
        raise StoreError(f"run {run_id} does not own study {study_id}; another process has taken it over")


def _try(connection: Connection, database: Database, study_id: int, owner: str, stale_after_s: float) -> int:
    name = connection.execute(select(STUDIES.c.name).where(STUDIES.c.id == study_id)).scalar()
    if name is None:
        raise StoreError(f"{database.shown}: no study has the id {study_id}")
    now = _now(connection)
    live = select(RUNS).where(RUNS.c.study_id == study_id, RUNS.c.ended_at.is_(None)).with_for_update()
    holder = connection.execute(live).first()
    if holder is not None:
        if not _gone(holder, now, stale_after_s):
            age = max(0.0, (now - holder.heartbeat_at).total_seconds())
            raise StoreError(
                f"study {name!r} is being run by process {holder.pid} on {holder.host} ({holder.owner}; last "
                f"sign of life {age:.0f} s ago); wait for it, stop it, or run another study"
            )
        _end(connection, holder.id, "taken over")
    me = this_process()
    row = connection.execute(
        insert(RUNS).values(
            study_id=study_id,
            owner=owner,
            host=me.host,
            pid=me.pid,
            place=me.place,
            process=me.began,
            started_at=now,
            heartbeat_at=now,
        )
    )
    key = row.inserted_primary_key
    assert key is not None
    return int(key[0])


def _gone(holder: Row[tuple[object, ...]], now: datetime, stale_after_s: float) -> bool:
    state = life(ProcessIdentity(holder.host, holder.pid, holder.place, holder.process))
    if state == "unknown":
        return bool(now - holder.heartbeat_at > timedelta(seconds=stale_after_s))
    return state == "dead"  # one that lives but is suspended or busy still owns the study


def _end(connection: Connection, run_id: int, ending: str) -> None:
    change = update(RUNS).where(RUNS.c.id == run_id, RUNS.c.ended_at.is_(None))
    connection.execute(change.values(ended_at=_now(connection), ending=ending))


def _now(connection: Connection) -> datetime:
    """The server's clock where there is a server: the clocks of two hosts may differ by a lease."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)
