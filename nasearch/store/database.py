"""One database, reached through two engines (ours and Optuna's) with the same promises of durability."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from nasearch.errors import StoreError

Dialected = sqlite.Insert | postgresql.Insert

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5
_ACCEPTED = "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
_DRIVER_HINT = "pip install 'nasearch[postgres]'"

# Fragment of SQLite's text -> what a person can do about it.
_SQLITE_ADVICE = {
    "unable to open database file": "cannot be opened or made; check that its folder can be written",
    "readonly database": "is read-only; choose a folder and file that can be written",
    "not a database": "is not an SQLite database; choose another file",
    "malformed": "is a damaged SQLite database; restore a copy or choose another file",
    "disk is full": "cannot grow: the disk is full; free some space and run the same command again",
    "database is locked": f"was locked by another program for {BUSY_TIMEOUT_S} s; close it and try again",
    "disk i/o error": "cannot be read or written (disk I/O error); check the disk and its free space",
}


class DurableConnection(sqlite3.Connection):
    """A connection whose commits survive a power cut, and which waits for its turn.

    Being a connection class, it serves every engine that names it, each time one connects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            self.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
            self._use_wal()
            self.execute("PRAGMA synchronous = FULL")
            self.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            self.close()
            raise

    def _use_wal(self) -> None:
        # Changing the mode does not always honour busy_timeout, so a race on a new file is waited out here.
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                self.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as problem:
                if "locked" not in str(problem) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


class Database:
    """Transactions on our tables. Everything that goes wrong in them is a `StoreError` of one line.

    Attributes:
        url: complete, with driver, password and absolute path.
        shown: as it may be printed: without the password.
    """

    def __init__(self, url: str) -> None:
        parsed = parse_url(url)
        self.url = parsed.render_as_string(hide_password=False)
        self.shown = masked(url)
        self._password = parsed.password
        options = engine_options(parsed)
        if parsed.get_backend_name() == "sqlite":
            options["connect_args"] |= {"isolation_level": None}  # transactions begin where we say: below
        try:
            with self.guard():
                self._engine = create_engine(parsed, **options)
        except ImportError as problem:  # of the driver; later ones are somebody else's
            raise self.explain(problem) from problem
        if parsed.get_backend_name() == "sqlite":
            event.listen(self._engine, "begin", _begin_sqlite)
        self._writing = {
            sync: self._engine.execution_options(nasearch_writing=sync) for sync in ("FULL", "NORMAL")
        }

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view."""
        with self.guard(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction: all of it or, after any error or kill, nothing.

        Args:
            durable: whether SQLite waits for the disk. Without, a kill still loses nothing, and the commit
                survives a power cut from the next durable one on: SQLite's log keeps their order. For what
                means nothing before something durable follows it.
        """
        with self.guard(), self._writing["FULL" if durable else "NORMAL"].begin() as connection:
            yield connection

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn the database's errors into `StoreError`."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as problem:
            raise self.explain(problem) from problem

    def explain(self, problem: BaseException) -> StoreError:
        """What went wrong, in one line without the password, and what to do."""
        if isinstance(problem, ImportError):
            what = f"{problem.name!r} is not installed" if problem.name else str(problem).splitlines()[0]
            return StoreError(f"{self.shown}: no database driver ({what}); {_DRIVER_HINT}")
        origin = getattr(problem, "orig", None) or problem
        text = (str(origin).strip().splitlines() or [type(origin).__name__])[0]
        if self._password:
            text = text.replace(str(self._password), "***")
        if isinstance(origin, sqlite3.Error):
            for fragment, advice in _SQLITE_ADVICE.items():
                if fragment in text.lower():
                    return StoreError(f"{self.shown}: {advice}")
            return StoreError(f"{self.shown}: {text}")
        if getattr(problem, "connection_invalidated", False) or "connection" in text:
            return StoreError(f"{self.shown}: no answer ({text}); check the server and the URL")
        return StoreError(f"{self.shown}: {text}")

    def close(self) -> None:
        """Close every connection of our engine."""
        self._engine.dispose()


def insert_for(dialect: str, table: Table) -> Dialected:
    """An insert that can say what to do about a conflict, for the dialect of that name."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def parse_url(url: str) -> URL:
    """Check a storage URL, choose psycopg for PostgreSQL, make an SQLite path absolute and its folder.

    Raises:
        StoreError: if it is no URL, or not of a database that nasearch knows.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as problem:
        raise StoreError(f"storage {masked(url)!r} is not a database URL; {_ACCEPTED}") from problem
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    try:
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except NoSuchModuleError:
        backend = parsed.drivername
    if backend == "postgresql":
        return parsed
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StoreError(f"storage {masked(url)!r} has the dialect {parsed.drivername!r}; {_ACCEPTED}")
    path = parsed.database
    if not path or path == ":memory:" or path.startswith("file:"):
        raise StoreError(f"storage {url!r} names no file, and a study must outlive its process; {_ACCEPTED}")
    if parsed.query:
        raise StoreError(f"storage {url!r} has options after '?'; expected sqlite:///PATH alone")
    file = Path(path).absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreError(f"{url}: cannot make the folder {file.parent} ({problem.strerror})") from problem
    if file.is_dir():
        raise StoreError(f"{url}: {file} is a folder; expected the path of a file")
    return parsed.set(database=str(file))


def engine_options(url: URL) -> dict[str, Any]:
    """What both engines are made with."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"factory": DurableConnection, "timeout": BUSY_TIMEOUT_S}}
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may drop connections that wait for hours
    if "connect_timeout" not in url.query and url.get_driver_name() in ("psycopg", "psycopg2"):
        options["connect_args"] = {"connect_timeout": CONNECT_TIMEOUT_S}
    return options


def masked(url: str) -> str:
    """The URL without its password, even where it cannot be parsed."""
    return re.sub(r"(password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url))


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes must hold the write lock from its start: raising a read
    # lock later fails at once when another process has written in between, whatever the timeout.
    sync = connection.get_execution_options().get("nasearch_writing")
    if sync is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get("nasearch_sync", "FULL") != sync:
        connection.exec_driver_sql(f"PRAGMA synchronous = {sync}")  # before it begins; within, SQLite refuses
        connection.info["nasearch_sync"] = sync
    connection.exec_driver_sql("BEGIN IMMEDIATE")
