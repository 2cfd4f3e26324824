from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from nasearch.errors import StoreError
from nasearch.space import Architecture, Block, Head
from nasearch.store import Store
from nasearch.store.database import Database
from nasearch.store.schema import VERSION_TABLE, current_revision, migrate, revisions
from nasearch.store.tables import METADATA, PREFIX

PROGRAM = Path(__file__).parents[1] / "support" / "store_process.py"


def differences(database: Database) -> list[object]:
    """What Alembic would change to make the database like the tables in Python."""

    def ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or bool(name and name.startswith(PREFIX) and name != VERSION_TABLE)

    options = {"include_name": ours, "version_table": VERSION_TABLE, "compare_type": True}
    with database.read() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


@pytest.mark.parametrize("older", [None, *revisions()])
def test_every_older_schema_is_upgraded(blank_url: str, older: str | None) -> None:
    database = Database(blank_url)
    if older is not None:
        migrate(database, older)
    migrate(database)
    with database.read() as connection:
        assert current_revision(connection) == revisions()[-1]
    assert differences(database) == []
    database.close()
    with Store.open(blank_url) as store:
        study = store.create_study("digits", {})
        network = Architecture((Block("stem", "conv", 8),), Head())
        measurement = store.start_measurement(study.id, 0, network, 0, {}, {})
        store.complete_measurement(measurement, {"accuracy": 0.5}, 1.0)
        reference = store.references.start(study.id, "resnet18", network, 0, {}, {})
        store.references.complete(reference, {"accuracy": 0.5}, 1.0)
        store.scores.put(study.id, network.key, {"synflow": 1.5}, batch=64, seed=0)


def test_a_store_of_the_first_version_keeps_what_it_has(blank_url: str) -> None:
    """Written by the tables of revision 0001 alone, then opened by this version."""
    database = Database(blank_url)
    migrate(database, "0001")
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO nasearch_studies (id, name, identity, created_at) "
                "VALUES (7, 'old', '{}', '2026-01-02 03:04:05')"
            )
        )
    database.close()
    with Store.open(blank_url) as store:
        (study,) = store.list_studies()
        assert (study.id, study.name) == (7, "old")
        assert store.references.all(study.id) == []
        assert store.scores.all(study.id) == {}
        assert store.scores.screen(study.id) == ()


def test_revisions_are_in_order() -> None:
    assert revisions() == sorted(revisions())
    folder = resources.files("nasearch.store") / "migrations" / "versions"
    files = [entry.name for entry in folder.iterdir() if entry.name.startswith("v")]
    assert len(files) == len(revisions())


def test_a_newer_schema_asks_for_an_upgrade(blank_url: str) -> None:
    Store.open(blank_url).close()
    database = Database(blank_url)
    with database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(StoreError, match=r"newer nasearch \(schema '9999'.*pip install -U nasearch"):
        Store.open(blank_url)


def test_a_newer_optuna_asks_for_an_upgrade(blank_url: str) -> None:
    Store.open(blank_url).close()
    database = Database(blank_url)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v99.0.0.a'"))
    database.close()
    with pytest.raises(StoreError, match="Optuna's tables do not fit"):
        Store.open(blank_url)


def test_a_failed_upgrade_leaves_what_was_there(blank_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the schema or nothing: also SQLite's tables are made in the one transaction."""
    database = Database(blank_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE nasearch_screened (id INTEGER)"))  # the last table to be made
    with pytest.raises(StoreError, match="already exists"):
        migrate(database)
    with database.write() as connection:
        assert current_revision(connection) is None
        connection.execute(text("DROP TABLE nasearch_screened"))
    migrate(database)
    assert differences(database) == []
    database.close()


def test_processes_that_open_a_blank_database_at_once(blank_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), "open", blank_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for number, process in enumerate(processes):
        assert process.stdin is not None
        process.stdin.write(f"study{number}\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    with Store.open(blank_url) as store:
        names = {study.name for study in store.list_studies()}
        assert names == {study.study_name for study in store.optuna.get_all_studies()}
        assert names == {f"study{number}" for number in range(3)}
