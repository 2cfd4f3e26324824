from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from nasearch.errors import StoreError
from nasearch.store import Store
from nasearch.store.database import masked
from tests.support.postgres import Server


def refusal(url: str) -> str:
    """The one line with which a URL is refused."""
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_both_engines_are_durable_on_every_connection(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        for engine in (store.optuna.engine, store._database._engine):
            with engine.connect() as one, engine.connect() as two:  # the second is new in its pool
                for connection in (one, two):
                    settings = [
                        connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                    ]
                    assert settings == ["wal", 2, 1, 30_000]  # 2 is FULL


def test_two_engines_reach_one_file(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        tables = {
            row[0]
            for row in sqlite3.connect(store.url.removeprefix("sqlite:///")).execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        }
    assert {"studies", "trials", "alembic_version", "nasearch_studies", "nasearch_alembic_version"} <= tables


def test_a_relative_path_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///studies/a {b} 50%.db") as store:
        assert make_url(store.url).database == f"{tmp_path}/studies/a {{b}} 50%.db"
        assert store.shown_url == "sqlite:///studies/a {b} 50%.db"
        monkeypatch.chdir("/")
        store.create_study("digits", {})
    assert (tmp_path / "studies" / "a {b} 50%.db").exists()
    assert not (tmp_path / "studies" / "a {b} 50%.db-wal").exists()  # written back at the end


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "studies/nasearch.db",
            r"storage 'studies/nasearch.db' is not a database URL; expected sqlite:///PATH",
        ),
        ("", "is not a database URL"),
        ("mongodb://u:secret@h/x", "'mongodb://u:\\*\\*\\*@h/x' has the dialect 'mongodb'; expected sqlite"),
        ("mysql://u:secret@h/x", "has the dialect 'mysql'"),
        ("sqlite+nothing:///a.db", r"has the dialect 'sqlite\+nothing'"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a.db?mode=ro", "has options after"),
        ("postgresql+psycopg2://u:secret@127.0.0.1:1/x", r"'psycopg2' .*pip install 'nasearch\[postgres\]'"),
    ],
)
def test_bad_urls(url: str, says: str) -> None:
    if "psycopg2" in url:
        pytest.importorskip("sqlalchemy.dialects.postgresql.psycopg2")
        if _installed("psycopg2"):
            pytest.skip("psycopg2 is installed here")
    text = refusal(url)
    assert re.search(says, text), text
    assert "secret" not in text


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def test_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # import then fails as if it were not there
    text = refusal("postgresql://u:secret@127.0.0.1:1/x")
    assert "pip install 'nasearch[postgres]'" in text
    assert "secret" not in text


def test_a_server_that_does_not_run() -> None:
    pytest.importorskip("psycopg")
    started = time.monotonic()
    text = refusal("postgresql://u:secret@127.0.0.1:1/x")
    assert text.startswith("postgresql://u:***@127.0.0.1:1/x: no answer (")
    assert time.monotonic() - started < 5


def test_a_server_that_says_nothing() -> None:
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        text = refusal(f"postgresql://u:secret@127.0.0.1:{silent.getsockname()[1]}/x")
    assert "no answer" in text
    assert time.monotonic() - started < 15


def test_wrong_password_and_wrong_database(postgres: Server) -> None:
    text = refusal(postgres.url("postgres", password="wrong-secret"))
    assert "password authentication failed" in text
    assert "wrong-secret" not in text
    text = refusal(postgres.url("nowhere"))
    assert '"nowhere" does not exist' in text
    assert postgres.password not in text


def test_a_text_file_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("not a database, and longer than the header of one: " * 10)
    before = file.read_bytes()
    assert refusal(f"sqlite:///{file}") == f"sqlite:///{file}: is not an SQLite database; choose another file"
    assert file.read_bytes() == before


def test_a_damaged_database(sqlite_url: str) -> None:
    Store.open(sqlite_url).close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    data = bytearray(file.read_bytes())
    data[100:8192] = bytes(8092)  # the table of tables
    file.write_bytes(data)
    assert "damaged SQLite database" in refusal(sqlite_url)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot make the folder" in refusal(f"sqlite:///{tmp_path}/file/studies/a.db")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and /sys are Linux's")
@pytest.mark.parametrize(
    ("path", "says"),
    [("/proc/nasearch/a.db", "cannot make the folder"), ("/sys/a.db", "cannot be opened or made")],
)
def test_folders_in_which_nobody_can_write(path: str, says: str) -> None:
    assert says in refusal(f"sqlite:///{path}")


_WRITE = "import sys; from nasearch.store import Store; Store.open(sys.argv[1]).create_study('digits', {})"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only_for_this_user(sqlite_url: str, what: str) -> None:
    """As a user without root's rights, since root may write everywhere."""
    Store.open(sqlite_url).close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    (file if what == "file" else file.parent).chmod(0o444 if what == "file" else 0o555)
    program = [sys.executable, "-c", _WRITE, sqlite_url]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("no setpriv to give up root's rights with")
        # Root without capabilities is an ordinary user to the file system; only the owner's bits count.
        program = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *program]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    (file if what == "file" else file.parent).chmod(0o755)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"nasearch.errors.StoreError: {sqlite_url}: ")
    assert "read-only" in last or "cannot be opened" in last


def test_a_full_disk(sqlite_url: str) -> None:
    """SQLite's own limit on a file's pages gives the error of a full disk."""
    with Store.open(sqlite_url) as store:
        with store._database._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full; free some space"):
            store.create_study("large", {"text": "x" * 100_000})
        with store._database._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        later = store.create_study("later", {})  # the store goes on when there is space again
        assert store.list_studies() == [later]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@ss:w@h/x", "postgresql://u:***@h/x"),
        ("postgresql://u@h/x?password=p", "postgresql://u@h/x?password=***"),
        ("postgresql://h:5432/x", "postgresql://h:5432/x"),
        ("sqlite:////tmp/a@b:c.db", "sqlite:////tmp/a@b:c.db"),
    ],
)
def test_passwords_are_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
