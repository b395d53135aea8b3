"""Profiles and traces to recognise people by, merges that can be undone, questions to a person, firms."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("company_id", sa.Text(), nullable=True))
    op.create_table(
        "profile",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_profile")),
    )
    op.create_table(
        "trace",
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", "person", name=op.f("pk_trace")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "term",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_term")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "merge_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("winner_id", sa.Text(), nullable=False),
        sa.Column("loser_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_log")),
    )
    op.create_index(op.f("ix_merge_log_winner_id"), "merge_log", ["winner_id"], unique=False)
    op.create_index(op.f("ix_merge_log_loser_id"), "merge_log", ["loser_id"], unique=False)
    op.create_table(
        "review",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("first_id", sa.Text(), nullable=False),
        sa.Column("second_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("first_id", "second_id", name=op.f("uq_review_first_id_second_id")),
    )
    op.create_index(op.f("ix_review_second_id"), "review", ["second_id"], unique=False)
    op.create_index(
        "ix_review_open",
        "review",
        ["at"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "not_same",
        sa.Column("first_id", sa.Text(), nullable=False),
        sa.Column("second_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first_id", "second_id", name=op.f("pk_not_same")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_not_same_second_id"), "not_same", ["second_id"], unique=False)
    op.create_table(
        "company_key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_key_company_id")),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_company_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_company_key_company_id"), "company_key", ["company_id"], unique=False)
