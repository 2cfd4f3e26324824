"""Every store test runs on SQLite and on a private PostgreSQL server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasearch.store import Store, StudyRecord
from nasearch.store.schema import VERSION_TABLE
from tests.support.postgres import Server, find_binaries, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra `postgres`)")
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server here (Debian: apt-get install postgresql)")
    with running_server(binaries) as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies/nasearch.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without tables, once of each kind."""
    if request.param == "sqlite":
        found: str = request.getfixturevalue("sqlite_url")
        return found
    server: Server = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "nasearch.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_emptied(postgres: Server) -> str:
    url = postgres.create_database()
    Store.open(url).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database with empty tables, once of each kind: a copy, or the same one emptied."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "nasearch.db")
        return f"sqlite:///{file}"
    server: Server = request.getfixturevalue("postgres")
    emptied: str = request.getfixturevalue("postgres_emptied")
    server.empty(emptied, spared=("version_info", "alembic_version", VERSION_TABLE))
    return emptied


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def study(store: Store) -> StudyRecord:
    return store.create_study("digits", {"space": "tiny"})
