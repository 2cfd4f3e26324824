"""Our tables, beside Optuna's in the same database; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

PREFIX = "nasearch_"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in Python, UTC without a zone in the database: the same text on every dialect."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Drop the zone, in UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Put the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

STUDIES = Table(
    f"{PREFIX}studies",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("identity", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

RUNS = Table(
    f"{PREFIX}runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey(STUDIES.c.id), nullable=False),
    Column("owner", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("place", Text, nullable=False),  # boot and process namespace: where the pid means something
    Column("process", Text, nullable=False),  # when the process began: a pid may be given out again
    Column("started_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ending", String(32)),
)
# The lease itself: the database refuses a second run of a study that has not ended.
Index(
    f"uq_{PREFIX}runs_live",
    RUNS.c.study_id,
    unique=True,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

DEVICES = Table(
    f"{PREFIX}devices",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # sha256 of the canonical description
    Column("description", JSON, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

# Two architectures may share a key and differ in their decisions; each that was measured has its row.
ARCHITECTURES = Table(
    f"{PREFIX}architectures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # sha256 of the body
    Column("key", String(255), nullable=False, index=True),
    Column("body", Text, nullable=False),
)

MEASUREMENTS = Table(
    f"{PREFIX}measurements",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey(STUDIES.c.id), nullable=False),
    Column("number", Integer, nullable=False),
    Column("key", String(255), nullable=False),
    Column("architecture_id", ForeignKey(ARCHITECTURES.c.id), nullable=False),
    Column("device_id", ForeignKey(DEVICES.c.id), nullable=False),
    Column("run_id", ForeignKey(RUNS.c.id)),
    Column("state", String(16), nullable=False),
    Column("measured", JSON, nullable=False),
    Column("fidelity", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("seconds", Float),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    UniqueConstraint("study_id", "key"),
    UniqueConstraint("study_id", "number"),
)

CURVE_POINTS = Table(
    f"{PREFIX}curve_points",
    METADATA,
    Column("measurement_id", ForeignKey(MEASUREMENTS.c.id), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("train_loss", Float, nullable=False),
    Column("val_loss", Float, nullable=False),
    Column("val_accuracy", Float, nullable=False),
    Column("lr", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)

# Known networks beside the candidates. A table of their own, so that no count of measurements, and with it
# no budget, can see them.
REFERENCES = Table(
    f"{PREFIX}references",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey(STUDIES.c.id), nullable=False),
    Column("name", String(255), nullable=False),
    Column("key", String(255), nullable=False),
    Column("architecture_id", ForeignKey(ARCHITECTURES.c.id), nullable=False),
    Column("device_id", ForeignKey(DEVICES.c.id), nullable=False),
    Column("run_id", ForeignKey(RUNS.c.id)),
    Column("state", String(16), nullable=False),
    Column("measured", JSON, nullable=False),
    Column("fidelity", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("seconds", Float),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    UniqueConstraint("study_id", "name"),
)

# By key and not by measurement: a limit on latency is checked before anything is trained.
LATENCIES = Table(
    f"{PREFIX}latencies",
    METADATA,
    Column("study_id", ForeignKey(STUDIES.c.id), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
)

FINISHES = Table(
    f"{PREFIX}finishes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey(STUDIES.c.id), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("key", String(255), nullable=False),
    Column("teacher", Integer),
    Column("test_accuracy", Float, nullable=False),
    Column("val_accuracy", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("details", JSON, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
)

# By key and not by measurement: scores are of candidates that may never be trained.
SCORES = Table(
    f"{PREFIX}scores",
    METADATA,
    Column("study_id", ForeignKey(STUDIES.c.id), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Float),  # NULL: the network lets no signal through, -inf in Python
    Column("batch", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("scored_at", UtcDateTime, nullable=False),
)

# What a screen looked at. No trials: a thousand that were never trained would slow samplers and dashboard.
SCREENED = Table(
    f"{PREFIX}screened",
    METADATA,
    Column("study_id", ForeignKey(STUDIES.c.id), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("architecture_id", ForeignKey(ARCHITECTURES.c.id), nullable=False),
    Column("place", Integer, nullable=False),
    Column("fate", String(16), nullable=False),
    Column("measured", JSON, nullable=False),
    Column("reason", Text),
    Column("screened_at", UtcDateTime, nullable=False),
)
