"""Brings a database's nasearch tables to the schema this version knows."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from nasearch.errors import StoreError
from nasearch.store.database import Database

VERSION_TABLE = "nasearch_alembic_version"  # `alembic_version` is Optuna's
_ADVISORY_LOCK = 0x6E617365  # any number that other users of a PostgreSQL database are unlikely to take


def migrations() -> Config:
    """Alembic's settings, read from the installed package; no alembic.ini anywhere."""
    config = Config()
    config.set_main_option("script_location", "nasearch:store/migrations")
    config.set_main_option("path_separator", "os")
    return config


def revisions() -> list[str]:
    """Every known revision, oldest first."""
    script = ScriptDirectory.from_config(migrations())
    return [revision.revision for revision in script.walk_revisions()][::-1]


def current_revision(connection: Connection) -> str | None:
    """The revision of a database's tables; None for one without them."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def migrate(database: Database, target: str = "head") -> None:
    """Upgrade in one transaction; a kill leaves the old schema, a second process waits its turn.

    Raises:
        StoreError: if a newer nasearch wrote the database, or it cannot be written.
    """
    with database.write() as connection:
        if connection.dialect.name == "postgresql":  # SQLite's write transaction is the lock already
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        current, known = current_revision(connection), revisions()
        if current is not None and current not in known:
            raise StoreError(
                f"{database.shown}: written by a newer nasearch (schema {current!r}, this version knows "
                f"up to {known[-1]!r}); upgrade with: pip install -U nasearch"
            )
        if current == known[-1]:
            return
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, target)
