"""Run by Alembic: the connection, already in a transaction, comes from `nasearch.store.schema`."""

from __future__ import annotations

from alembic import context

from nasearch.store.schema import VERSION_TABLE
from nasearch.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
