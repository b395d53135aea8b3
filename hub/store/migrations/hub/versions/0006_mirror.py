"""Contacts that only a CRM has, by their keys. Every list is read once more from its beginning, to fill it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mirror",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("remote_kind", sa.Text(), nullable=False),
        sa.Column("person", sa.JSON(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "remote_id", name=op.f("pk_mirror")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mirror_key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "connection_id", "remote_id", name=op.f("pk_mirror_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mirror_key_record", "mirror_key", ["connection_id", "remote_id"])
    op.add_column("pull_state", sa.Column("whole_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE pull_state SET cursor = '', lease = '', lease_until = NULL")
