"""First tables: studies, runs, devices, architectures, measurements, curves, latencies, finishes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_owners()
    _create_measurements()
    _create_results()


def _create_owners() -> None:
    op.create_table(
        "nasearch_studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("identity", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_studies"),
        sa.UniqueConstraint("name", name="uq_nasearch_studies_name"),
    )
    op.create_table(
        "nasearch_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime()),
        sa.Column("ending", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_runs"),
        sa.ForeignKeyConstraint(["study_id"], ["nasearch_studies.id"], name="fk_nasearch_runs_study_id"),
    )
    op.create_index(
        "uq_nasearch_runs_live",
        "nasearch_runs",
        ["study_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _create_measurements() -> None:
    op.create_table(
        "nasearch_devices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_devices"),
        sa.UniqueConstraint("digest", name="uq_nasearch_devices_digest"),
    )
    op.create_table(
        "nasearch_architectures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_architectures"),
        sa.UniqueConstraint("digest", name="uq_nasearch_architectures_digest"),
    )
    op.create_index("ix_nasearch_architectures_key", "nasearch_architectures", ["key"])
    op.create_table(
        "nasearch_measurements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("architecture_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("measured", sa.JSON(), nullable=False),
        sa.Column("fidelity", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float()),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_measurements"),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_nasearch_measurements_{column}")
            for column, table in (
                ("study_id", "nasearch_studies"),
                ("architecture_id", "nasearch_architectures"),
                ("device_id", "nasearch_devices"),
                ("run_id", "nasearch_runs"),
            )
        ),
        sa.UniqueConstraint("study_id", "key", name="uq_nasearch_measurements_study_id_key"),
        sa.UniqueConstraint("study_id", "number", name="uq_nasearch_measurements_study_id_number"),
    )


def _create_results() -> None:
    op.create_table(
        "nasearch_curve_points",
        sa.Column("measurement_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Float(), nullable=False)
            for name in ("train_loss", "val_loss", "val_accuracy", "lr", "seconds")
        ),
        sa.PrimaryKeyConstraint("measurement_id", "epoch", name="pk_nasearch_curve_points"),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["nasearch_measurements.id"], name="fk_nasearch_curve_points_measurement_id"
        ),
    )
    op.create_table(
        "nasearch_latencies",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "key", name="pk_nasearch_latencies"),
        sa.ForeignKeyConstraint(["study_id"], ["nasearch_studies.id"], name="fk_nasearch_latencies_study_id"),
    )
    op.create_table(
        "nasearch_finishes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("teacher", sa.Integer()),
        sa.Column("test_accuracy", sa.Float(), nullable=False),
        sa.Column("val_accuracy", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nasearch_finishes"),
        sa.ForeignKeyConstraint(["study_id"], ["nasearch_studies.id"], name="fk_nasearch_finishes_study_id"),
    )
    op.create_index("ix_nasearch_finishes_study_id", "nasearch_finishes", ["study_id"])


def downgrade() -> None:
    for name in (
        "finishes",
        "latencies",
        "curve_points",
        "measurements",
        "architectures",
        "devices",
        "runs",
        "studies",
    ):
        op.drop_table(f"nasearch_{name}")
