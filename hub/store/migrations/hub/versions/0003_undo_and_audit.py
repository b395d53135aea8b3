"""What a sync run changed, so that it can be undone; what a full comparison found; links by cause."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CAUSE = sa.text("code <> ''")


def upgrade() -> None:
    op.add_column("link", sa.Column("run", sa.Text(), nullable=False, server_default=""))
    op.add_column("link", sa.Column("seen_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_link_cause", "link", ["connection_id", "code", "since"], sqlite_where=CAUSE, postgresql_where=CAUSE
    )
    op.create_table(
        "sync_write",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_write")),
    )
    op.create_index("ix_sync_write_at", "sync_write", ["connection_id", "at"])
    op.create_index("ix_sync_write_run", "sync_write", ["run"])
    op.create_table(
        "audit_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("repaired", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("strangers", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_run")),
    )
    op.create_index("ix_audit_run", "audit_run", ["connection_id", "at"])
