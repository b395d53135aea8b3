"""Connections that only take letters out; where members are told of their leads."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BEFORE, AFTER = "kind IN ('source','crm')", "kind IN ('source','crm','carrier')"
LINKED = sa.text("address <> ''")
SENT = sa.text("provider_id <> ''")
CODED = sa.text("code <> ''")


def upgrade() -> None:
    _widen(op.get_bind())
    op.create_table(
        "reach",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_until", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_reach_member_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reach")),
        sa.UniqueConstraint(
            "member_id", "channel", "connection_id", name=op.f("uq_reach_member_id_channel_connection_id")
        ),
    )
    op.create_index(
        "uq_reach_address",
        "reach",
        ["channel", "connection_id", "address"],
        unique=True,
        sqlite_where=LINKED,
        postgresql_where=LINKED,
    )
    op.create_index("uq_reach_code", "reach", ["code"], unique=True, sqlite_where=CODED, postgresql_where=CODED)
    op.create_index("ix_letter_provider", "letter", ["provider_id"], sqlite_where=SENT, postgresql_where=SENT)


def _widen(conn: sa.Connection) -> None:
    """SQLite changes a check only by making the table anew; nothing refers to this one."""
    if conn.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_connection_kind"), "connection", type_="check")
        op.create_check_constraint(op.f("ck_connection_kind"), "connection", AFTER)
        return
    made = str(conn.execute(sa.text("SELECT sql FROM sqlite_master WHERE type='table' AND name='connection'")).scalar())
    op.execute("ALTER TABLE connection RENAME TO connection_before")
    op.execute(made.replace(BEFORE, AFTER))
    op.execute("INSERT INTO connection SELECT * FROM connection_before")
    op.execute("DROP TABLE connection_before")
