"""Notes and tasks travel to CRMs; what people do there comes back."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

GOING = "state IN ('new','sending','uncertain')"
CAUSE = "code <> ''"


def upgrade() -> None:
    texts = ("what", "subject", "text", "state", "remote_kind", "lease", "code", "why")
    op.create_table(
        "hanging",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("member_id", "task_id", "remote_id")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("until_at", "due_at", "lease_until")),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('new','sending','uncertain','there','parked','theirs','done')", name=op.f("ck_hanging_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hanging")),
        sa.UniqueConstraint(
            "connection_id", "remote_kind", "remote_id", name=op.f("uq_hanging_connection_id_remote_kind_remote_id")
        ),
    )
    op.create_index("ix_hanging_subject_id", "hanging", ["subject_id"])
    op.create_index("ix_hanging_task_id", "hanging", ["task_id"])
    for name, place, where in (("due", "due_at", GOING), ("cause", "code", CAUSE)):
        op.create_index(
            f"ix_hanging_{name}", "hanging", ["connection_id", place],
            sqlite_where=sa.text(where), postgresql_where=sa.text(where),
        )  # fmt: skip
