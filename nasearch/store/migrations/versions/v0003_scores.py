"""Scores without training, and what a screen made of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "nasearch_scores",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("scored_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "key", "name", name="pk_nasearch_scores"),
        sa.ForeignKeyConstraint(["study_id"], ["nasearch_studies.id"], name="fk_nasearch_scores_study_id"),
    )
    op.create_table(
        "nasearch_screened",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("architecture_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("fate", sa.String(16), nullable=False),
        sa.Column("measured", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("screened_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "key", name="pk_nasearch_screened"),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_nasearch_screened_{column}")
            for column, table in (
                ("study_id", "nasearch_studies"),
                ("architecture_id", "nasearch_architectures"),
            )
        ),
    )


def downgrade() -> None:
    op.drop_table("nasearch_screened")
    op.drop_table("nasearch_scores")
